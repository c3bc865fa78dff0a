#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/fault.h"
#include "comm/memory.h"
#include "io/corpus/names.h"
#include "tests/io/made.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct made_shape small = {
        .pairs = 50, .longest = 12, .seed = 1, .compression = 1, .text = true};
static const struct made_shape aligned = {
        .pairs = 40000, .longest = 9, .seed = 3, .compression = 1, .joint = true, .aligned = true};
static const struct made_shape large = {
        .pairs = 70000, .longest = 6, .seed = 2, .compression = 1, .joint = true};

static void says(const char *words)
{
    if (!strstr(status_message(), words))
        fail_msg("'%s' is not in '%s'", words, status_message());
}

/* Lines of a stretch, in order; none where there is no text. */
static void check_text(struct corpus *corpus, const struct made_shape *shape)
{
    char *text = NULL, expected[40];
    size_t room = 0, first = 7, count = shape->pairs - 9;
    int64_t *offsets = calloc(count + 1, sizeof *offsets);
    enum status status = corpus_text(corpus, first, count, &text, &room, offsets);
    assert_int_equal(status, shape->text ? STATUS_OK : STATUS_CONFIG);
    if (!shape->text)
        says("holds no target lines: prepare it without --no-text");
    for (size_t i = 0; shape->text && i < count; i++) {
        int bytes = snprintf(expected, sizeof expected, "line %zu", first + i);
        assert_int_equal(offsets[i + 1] - offsets[i], bytes);
        assert_memory_equal(text + offsets[i], expected, (size_t)bytes);
    }
    memory_free(text);
    free(offsets);
}

static void check_points(struct corpus *corpus, const struct made_shape *shape, size_t step)
{
    const struct corpus_facts *facts = corpus_facts(corpus);
    struct corpus_point expected[16], found[16];
    size_t points = 0;
    assert_int_equal(facts->aligned, shape->aligned);
    for (size_t pair = 0; shape->aligned && pair < shape->pairs; pair++) {
        int64_t offsets[2];
        size_t count = made_points(shape, pair, expected);
        points += count;
        if (pair % step != 0)
            continue;
        assert_int_equal(corpus_point_offsets(corpus, pair, 1, offsets), STATUS_OK);
        assert_int_equal(offsets[1] - offsets[0], count);
        assert_int_equal(corpus_points(corpus, offsets[0], count, found), STATUS_OK);
        assert_memory_equal(found, expected, count * sizeof *found);
    }
    assert_int_equal(facts->points, points);
}

static void check_contents(const char *path, const struct made_shape *shape, size_t step)
{
    struct corpus *corpus;
    assert_int_equal(corpus_open(&corpus, path), STATUS_OK);
    const struct corpus_facts *facts = corpus_facts(corpus);
    assert_int_equal(facts->pairs, shape->pairs);
    assert_int_equal(facts->skipped, 1);
    assert_int_equal(facts->joint, shape->joint);
    assert_int_equal(facts->has_text, shape->text);
    check_text(corpus, shape);
    check_points(corpus, shape, step);
    for (int side = 0; side < SIDES; side++) {
        size_t tokens = 0, longest = 0;
        for (size_t pair = 0; pair < shape->pairs; pair++) {
            size_t length = made_length(shape, (enum side)side, pair);
            tokens += length;
            longest = length > longest ? length : longest;
        }
        assert_int_equal(facts->tokens[side], tokens);
        assert_int_equal(facts->longest[side], longest);
        size_t bytes;
        assert_non_null(corpus_vocabulary(corpus, (enum side)side, &bytes));
        assert_true(bytes > 0);
        for (size_t pair = 0; pair < shape->pairs; pair += step) {
            int64_t offsets[2];
            int32_t ids[16];
            assert_int_equal(corpus_offsets(corpus, (enum side)side, pair, 1, offsets), STATUS_OK);
            size_t length = (size_t)(offsets[1] - offsets[0]);
            assert_int_equal(length, made_length(shape, (enum side)side, pair));
            assert_int_equal(corpus_tokens(corpus, (enum side)side, offsets[0], length, ids), STATUS_OK);
            for (size_t i = 0; i < length; i++)
                assert_int_equal(ids[i], made_token(shape, (enum side)side, pair, i));
        }
    }
    corpus_close(corpus);
}

static void test_corpus__gives_back_what_was_written(void **state)
{
    (void)state;
    check_contents(made_corpus("small.h5", &small), &small, 1);
    check_contents(made_corpus("large.h5", &large), &large, 997);
    check_contents(made_corpus("aligned.h5", &aligned), &aligned, 97);
}

static void fingerprint(const char *path, char out[64])
{
    struct corpus *corpus;
    assert_int_equal(corpus_open(&corpus, path), STATUS_OK);
    snprintf(out, 64, "%s", corpus_facts(corpus)->fingerprint);
    corpus_close(corpus);
}

static void test_corpus__the_fingerprint_is_of_the_tokens_alone(void **state)
{
    (void)state;
    char one[64], two[64];
    struct made_shape shape = small;
    fingerprint(made_corpus("one.h5", &shape), one);
    assert_true(strlen(one) > 30);
    shape.compression = 0;
    shape.text = false;
    fingerprint(made_corpus("two.h5", &shape), two);
    assert_string_equal(one, two);
    shape.seed = 3;
    fingerprint(made_corpus("two.h5", &shape), two);
    assert_string_not_equal(one, two);
}

static size_t file_bytes(const char *path, unsigned char *bytes, size_t limit)
{
    int file = open(path, O_RDONLY);
    ssize_t size = read(file, bytes, limit);
    close(file);
    assert_true(size > 0 && (size_t)size < limit);
    return (size_t)size;
}

static void test_corpus__equal_contents_are_equal_bytes(void **state)
{
    (void)state;
    static unsigned char one[1 << 20], two[1 << 20];
    size_t one_bytes = file_bytes(made_corpus("one.h5", &small), one, sizeof one);
    size_t two_bytes = file_bytes(made_corpus("two.h5", &small), two, sizeof two);
    assert_int_equal(one_bytes, two_bytes);
    assert_memory_equal(one, two, one_bytes);
}

static void test_corpus__flipped_and_cut_files_are_refused(void **state)
{
    (void)state;
    static unsigned char bytes[1 << 20];
    size_t size = file_bytes(made_corpus("whole.h5", &small), bytes, sizeof bytes);
    for (size_t at = 0; at < size; at += 1 + size / 300) {
        struct corpus *corpus;
        bytes[at] ^= 4;
        assert_int_equal(corpus_open(&corpus, made_file("flipped.h5", bytes, size)), STATUS_DATA);
        says("flipped.h5");
        bytes[at] ^= 4;
        assert_int_equal(corpus_open(&corpus, made_file("cut.h5", bytes, at)), STATUS_DATA);
    }
}

/* ---- files whole as files, wrong inside ---- */

static struct h5_writer *crafted(const char *path, int64_t pairs)
{
    struct h5_writer *writer;
    assert_int_equal(h5_create(&writer, path, H5_CORPUS), STATUS_OK);
    struct vocabulary *vocabulary = made_vocabulary();
    struct h5_array array = {.name = "/vocabulary/joint/model", .type = H5_BYTE, .rank = 1};
    const void *model = vocabulary_model(vocabulary, &array.shape[0]);
    assert_int_equal(h5_put(writer, &array, model), STATUS_OK);
    static const char pieces[100];
    struct h5_array list = {.name = "/vocabulary/joint/pieces",
            .type = H5_TEXT,
            .text_bytes = 1,
            .rank = 1,
            .shape = {vocabulary_rows(vocabulary)}};
    assert_int_equal(h5_put(writer, &list, pieces), STATUS_OK);
    vocabulary_close(vocabulary);
    assert_int_equal(h5_put_int(writer, CORPUS_PAIRS, pairs, "pairs"), STATUS_OK);
    assert_int_equal(h5_put_text(writer, CORPUS_FINGERPRINT, "none", "fingerprint"), STATUS_OK);
    struct h5_array skipped = {.name = CORPUS_SKIPPED_LINE, .type = H5_INT64, .rank = 1};
    assert_int_equal(h5_put(writer, &skipped, NULL), STATUS_OK);
    return writer;
}

static void put_side(struct h5_writer *writer, enum side side, const int64_t *offsets, size_t offset_count,
        const int32_t *tokens, size_t token_count)
{
    struct h5_array array = {.type = H5_INT32, .rank = 1, .shape = {token_count}};
    snprintf(array.name, sizeof array.name, "/%s/tokens", side_names[side]);
    assert_int_equal(h5_put(writer, &array, tokens), STATUS_OK);
    array.type = H5_INT64;
    array.shape[0] = offset_count;
    snprintf(array.name, sizeof array.name, "/%s/offsets", side_names[side]);
    assert_int_equal(h5_put(writer, &array, offsets), STATUS_OK);
}

static const struct wrong {
    int64_t pairs;
    int64_t offsets[4];
    size_t offset_count;
    int32_t tokens[5];
    const char *words; /* NULL: nothing is wrong */
} wrongs[] = {
        {2, {0, 2, 5}, 3, {3, 0, 4, 5, 0}, NULL},
        {2, {1, 2, 5}, 3, {3, 0, 4, 5, 0}, "/target/offsets[0]: expected 0, found 1"},
        {2, {0, 0, 5}, 3, {3, 0, 4, 5, 0}, "/target/offsets[1]: expected more than 0 and at most 5, found 0"},
        {2, {0, 4, 3}, 3, {3, 0, 4, 5, 0}, "/target/offsets[2]: expected more than 4 and at most 5, found 3"},
        {2, {0, 2, 6}, 3, {3, 0, 4, 5, 0}, "/target/offsets[2]: expected more than 2 and at most 5, found 6"},
        {2, {0, 2, 4}, 3, {3, 0, 4, 5, 0}, "/target/offsets[2]: expected 5, the number of tokens, found 4"},
        {3, {0, 2, 5}, 3, {3, 0, 4, 5, 0}, "/target/offsets: expected 4 offsets for 3 pairs, found 3"},
        {2, {0, 2, 5}, 3, {3, 0, 4, 40, 0}, "/target/tokens[3]: expected a token id below 40, found 40"},
        {2, {0, 2, 5}, 3, {3, 0, -1, 5, 0}, "/target/tokens[2]: expected a token id below 40, found -1"},
        {0, {0}, 1, {0}, "/pairs: expected at least one pair, found 0"},
};

static void test_corpus__wrong_contents_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        const struct wrong *wrong = &wrongs[i];
        const char *path = made_path("crafted.h5");
        struct h5_writer *writer = crafted(path, wrong->pairs);
        int64_t offsets[4];
        int32_t tokens[4] = {0};
        for (int64_t p = 0; p <= wrong->pairs; p++)
            offsets[p] = p;
        put_side(writer, SOURCE, offsets, (size_t)wrong->pairs + 1, tokens, (size_t)wrong->pairs);
        put_side(writer, TARGET, wrong->offsets, wrong->offset_count, wrong->tokens, 5);
        assert_int_equal(h5_commit(writer), STATUS_OK);
        struct corpus *corpus = NULL;
        enum status status = corpus_open(&corpus, path);
        if (!wrong->words) {
            assert_int_equal(status, STATUS_OK);
            corpus_close(corpus);
            continue;
        }
        assert_int_equal(status, STATUS_DATA);
        says("crafted.h5");
        says(wrong->words);
    }
}

static void put_more(struct h5_writer *writer, const char *name, enum h5_type type, int rank, size_t rows,
        const void *data)
{
    struct h5_array array = {.type = type, .rank = rank, .shape = {rows, 2}};
    snprintf(array.name, sizeof array.name, "%s", name);
    assert_int_equal(h5_put(writer, &array, data), STATUS_OK);
}

/* Two pairs with what is beside them: lines of the target, points. */
static const struct beside {
    int64_t lines[4], points[4]; /* offsets */
    size_t line_offsets, point_offsets;
    const char *words; /* NULL: nothing is wrong */
} besides[] = {
        {{0, 3, 5}, {0, 1, 2}, 3, 3, NULL},
        {{0, 3, 5}, {0, 1, 2}, 2, 3, "/target/text_offsets: expected 3 offsets for 2 pairs, found 2"},
        {{0, 3, 5}, {0, 1, 2}, 3, 4, "/alignment/offsets: expected 3 offsets for 2 pairs, found 4"},
        {{0, 4, 3}, {0, 1, 2}, 3, 3,
                "/target/text_offsets[2]: expected a place in order among 5 rows, found 3"},
        {{-1, 3, 5}, {0, 1, 2}, 3, 3, "/target/text_offsets[0]: expected a place in order among 5 rows"},
        {{0, 3, INT64_MAX}, {0, 1, 2}, 3, 3,
                "/target/text_offsets[2]: expected a place in order among 5 rows"},
        {{0, 3, 5}, {0, 2, 1}, 3, 3,
                "/alignment/offsets[2]: expected a place in order among 2 rows, found 1"},
        {{0, 3, 5}, {0, 1, 3}, 3, 3,
                "/alignment/offsets[2]: expected a place in order among 2 rows, found 3"},
        {{0, 3, 5}, {INT64_MIN, 1, 2}, 3, 3, "/alignment/offsets[0]: expected a place in order among 2 rows"},
};

static enum status read_beside(struct corpus *corpus)
{
    char *text = NULL;
    size_t room = 0;
    int64_t offsets[3];
    enum status status = corpus_text(corpus, 0, 2, &text, &room, offsets);
    memory_free(text);
    return status == STATUS_OK ? corpus_point_offsets(corpus, 0, 2, offsets) : status;
}

static void test_corpus__wrong_text_and_points_are_named(void **state)
{
    (void)state;
    static const int64_t offsets[] = {0, 2, 4};
    static const int32_t tokens[] = {3, 0, 4, 0}, points[] = {0, 0, 0, 0};
    for (size_t i = 0; i < sizeof besides / sizeof besides[0]; i++) {
        const struct beside *beside = &besides[i];
        const char *path = made_path("crafted.h5");
        struct h5_writer *writer = crafted(path, 2);
        for (int side = 0; side < SIDES; side++)
            put_side(writer, (enum side)side, offsets, 3, tokens, 4);
        put_more(writer, CORPUS_TEXT, H5_BYTE, 1, 5, "abcde");
        put_more(writer, CORPUS_TEXT_OFFSETS, H5_INT64, 1, beside->line_offsets, beside->lines);
        put_more(writer, CORPUS_ALIGNMENT_POINTS, H5_INT32, 2, 2, points);
        put_more(writer, CORPUS_ALIGNMENT_OFFSETS, H5_INT64, 1, beside->point_offsets, beside->points);
        assert_int_equal(h5_commit(writer), STATUS_OK);
        struct corpus *corpus = NULL;
        enum status status = corpus_open(&corpus, path);
        if (status == STATUS_OK)
            status = read_beside(corpus);
        assert_int_equal(status, beside->words ? STATUS_DATA : STATUS_OK);
        if (beside->words) {
            says("crafted.h5");
            says(beside->words);
        }
        corpus_close(corpus);
    }
}

static void test_corpus__a_failing_write_leaves_no_file(void **state)
{
    (void)state;
    struct vocabulary *vocabulary = made_vocabulary();
    struct corpus_settings settings = {.vocabularies = {vocabulary, vocabulary}, .keep_text = true};
    const int32_t id = 5, *const ids[SIDES] = {&id, &id};
    const size_t counts[SIDES] = {1, 1};
    bool succeeded = false;
    for (int pass = 1; pass < 200 && !succeeded; pass++) {
        char plan[30];
        struct corpus_writer *writer = NULL;
        snprintf(plan, sizeof plan, "write:%d", pass);
        assert_int_equal(fault_plan(plan, 0), STATUS_OK);
        enum status status = corpus_create(&writer, made_path("full.h5"), &settings);
        if (status == STATUS_OK) {
            status = corpus_add(writer, ids, counts, "e", 1);
            if (status == STATUS_OK)
                status = corpus_commit(writer);
            else
                corpus_discard(writer);
        }
        succeeded = status == STATUS_OK;
        assert_true(succeeded || status == STATUS_IO);
        assert_int_equal(access(made_path("full.h5"), F_OK), succeeded ? 0 : -1);
        assert_int_equal(access(made_path("full.h5.tmp"), F_OK), -1);
    }
    assert_true(succeeded);
    assert_int_equal(fault_plan(NULL, 0), STATUS_OK);
    vocabulary_close(vocabulary);
    struct corpus *corpus;
    assert_int_equal(corpus_open(&corpus, made_path("nothing.h5")), STATUS_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_corpus__gives_back_what_was_written),
            cmocka_unit_test(test_corpus__the_fingerprint_is_of_the_tokens_alone),
            cmocka_unit_test(test_corpus__equal_contents_are_equal_bytes),
            cmocka_unit_test(test_corpus__flipped_and_cut_files_are_refused),
            cmocka_unit_test(test_corpus__wrong_contents_are_named),
            cmocka_unit_test(test_corpus__wrong_text_and_points_are_named),
            cmocka_unit_test(test_corpus__a_failing_write_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
