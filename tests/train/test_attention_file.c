#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/memory.h"
#include "io/h5.h"
#include "tests/models/tiny.h"
#include "tests/train/words.h"
#include "train/inference/attention_file.h"

/* </s> 0, <unk> 1, <s> 2, one 3, two 4, three 5; a word longer than lists show. */
static struct vocabulary *vocabularies[SIDES];

static int setup(void **state)
{
    (void)state;
    static char line[VOCABULARY_SHOWN_BYTES + 64] = "one one one two two ";
    memset(line + strlen(line), 'x', VOCABULARY_SHOWN_BYTES + 20);
    vocabularies[SOURCE] = vocabularies[TARGET] = words_vocabulary(line, 6);
    return vocabularies[SOURCE] ? 0 : 1;
}

static int teardown(void **state)
{
    vocabulary_close(vocabularies[SOURCE]);
    return tiny_nothing_is_left(state);
}

/* Sentences: "one two" -> "two </s>"; an empty line; "two" -> "one one", cut off. Two layers of one head. */
static void write_file(const char *path)
{
    static const int32_t sources[] = {3, 4, TOKEN_END, 4, TOKEN_END};
    static int32_t targets[] = {4, 3, 5};
    static float weights[] = {
            .5f, .25f, .25f, 0, 1, 0, .75f, 0, .25f, 1, 0, 0, .5f, .5f, 0, 1, 1, 0, .25f, .75f};
    struct hypothesis ended = {
            .ids = targets, .count = 1, .ended = true, .attention = weights, .attention_count = 12};
    struct hypothesis cut = {.ids = targets + 1, .count = 2, .attention = weights + 12, .attention_count = 8};
    const struct translation translations[] = {{&ended, 1}, {NULL, 0}, {&cut, 1}};
    const struct translation_line lines[] = {{0, sources, 3, &translations[0]},
            {1, sources, 0, &translations[1]}, {2, sources + 3, 2, &translations[2]}};
    struct attention_file file;
    assert_int_equal(
            attention_file_open(&file, path, vocabularies, (struct attention_planes){2, 1, 0, 0}), STATUS_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(attention_file_add(&file, &lines[i]), STATUS_OK);
    assert_int_equal(attention_file_commit(&file), STATUS_OK);
    attention_file_discard(&file);
}

static void assert_offsets(struct h5_file *file, const char *name, const int64_t expected[4])
{
    struct h5_array array;
    int64_t *offsets;
    assert_int_equal(h5_get(file, name, H5_INT64, 1, &offsets, &array), STATUS_OK);
    assert_int_equal(array.shape[0], 4);
    assert_memory_equal(offsets, expected, 4 * sizeof *offsets);
    memory_free(offsets);
}

/* "a|b|c", each without what is only room. */
static void assert_pieces(struct h5_file *file, const char *name, const char *expected)
{
    struct h5_array array;
    char *pieces, found[2048] = "";
    assert_int_equal(h5_get(file, name, H5_TEXT, 1, &pieces, &array), STATUS_OK);
    assert_int_equal(array.text_bytes, VOCABULARY_SHOWN_BYTES);
    for (size_t i = 0; i < array.shape[0]; i++) {
        const char *piece = pieces + i * array.text_bytes;
        strcat(found, i > 0 ? "|" : "");
        strncat(found, piece, strnlen(piece, array.text_bytes));
    }
    assert_string_equal(found, expected);
    memory_free(pieces);
}

static void test_attention_file__holds_sentences_end_to_end(void **state)
{
    (void)state;
    char folder[] = "/tmp/seqtrain-attention-XXXXXX", path[64], target[512], *description;
    struct h5_file *file;
    struct h5_array array;
    float *weights;
    int64_t layers, heads;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.h5", folder);
    write_file(path);
    assert_int_equal(h5_open(&file, path, H5_ATTENTION, false), STATUS_OK);
    assert_pieces(file, "/source/pieces", "\xe2\x96\x81one|\xe2\x96\x81two|</s>|\xe2\x96\x81two|</s>");
    assert_offsets(file, "/source/offsets", (const int64_t[]){0, 3, 3, 5});
    snprintf(target, sizeof target, "\xe2\x96\x81two|</s>|\xe2\x96\x81one|\xe2\x96\x81");
    memset(target + strlen(target), 'x', VOCABULARY_SHOWN_BYTES - 3);
    target[strlen("\xe2\x96\x81two|</s>|\xe2\x96\x81one|\xe2\x96\x81") + VOCABULARY_SHOWN_BYTES - 3] = '\0';
    assert_pieces(file, "/target/pieces", target);
    assert_offsets(file, "/target/offsets", (const int64_t[]){0, 2, 2, 4});
    assert_offsets(file, "/attention/offsets", (const int64_t[]){0, 12, 12, 20});
    assert_int_equal(h5_get(file, "/attention/weights", H5_FLOAT32, 1, &weights, &array), STATUS_OK);
    assert_int_equal(array.shape[0], 20);
    assert_true(weights[0] == .5f && weights[11] == 0 && weights[12] == .5f && weights[19] == .75f);
    assert_int_equal(h5_get_int(file, "/attention/layers", &layers), STATUS_OK);
    assert_int_equal(h5_get_int(file, "/attention/heads", &heads), STATUS_OK);
    assert_true(layers == 2 && heads == 1);
    for (size_t i = 0; h5_list(file, i, &array); i++) {
        assert_int_equal(h5_get_description(file, array.name, &description), STATUS_OK);
        assert_non_null(description);
        memory_free(description);
    }
    memory_free(weights);
    h5_close(file);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_attention_file__holds_sentences_end_to_end)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
