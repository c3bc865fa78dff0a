#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/fault.h"
#include "comm/memory.h"
#include "io/reader.h"
#include "tests/io/made.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 4 };

static const struct made_shape shape = {
        .pairs = 2500, .longest = 25, .seed = 6, .compression = 1, .joint = true};
static const struct plan_options options = {.tokens = 120, .slots = SLOTS, .seed = 3};

static struct corpora *opened(const struct made_shape *wanted)
{
    struct corpora *corpora;
    assert_int_equal(
            corpora_open(&corpora, (const char *[]){made_corpus("reader.h5", wanted)}, 1), STATUS_OK);
    return corpora;
}

static void check_alignment(const struct batch *batch, const struct made_shape *of)
{
    const struct alignment *found = &batch->alignment;
    struct corpus_point points[32];
    assert_int_equal(found->offsets != NULL, of->aligned && batch->pairs > 0);
    for (size_t p = 0; found->offsets && p < batch->pairs; p++) {
        size_t count = made_points(of, (size_t)batch->pair_numbers[p], points), at = 0;
        for (int32_t t = batch->offsets[TARGET][p]; t < batch->offsets[TARGET][p + 1]; t++)
            for (int32_t i = found->offsets[t]; i < found->offsets[t + 1]; i++, at++) {
                assert_int_equal(points[at].target, t - batch->offsets[TARGET][p]);
                assert_int_equal(points[at].source, found->points[i]);
            }
        assert_int_equal(at, count);
    }
}

/* The batch holds these pairs, token by token. */
static void check_batch(
        const struct batch *batch, const struct made_shape *of, const struct plan_item *items, size_t count)
{
    assert_int_equal(batch->pairs, count);
    check_alignment(batch, of);
    for (int side = 0; side < SIDES; side++) {
        size_t longest = 0, end = 0;
        for (size_t p = 0; p < count; p++) {
            assert_int_equal(batch->pair_numbers[p], items[p].pair);
            assert_int_equal(batch->offsets[side][p], end);
            size_t length = made_length(of, (enum side)side, (size_t)items[p].pair);
            for (size_t i = 0; i < length; i++)
                assert_int_equal(
                        batch->ids[side][end + i], made_token(of, (enum side)side, (size_t)items[p].pair, i));
            end += length;
            longest = length > longest ? length : longest;
        }
        assert_int_equal(batch->tokens[side], end);
        assert_int_equal(batch->longest[side], longest);
        if (count > 0)
            assert_int_equal(batch->offsets[side][count], end);
    }
}

/* Reads `epochs` epochs of slots [first, end) from (epoch, done) on and compares with a walk of the plan. */
static void compare(struct corpora *corpora, const struct made_shape *of,
        const struct plan_options *plan_options, int first, int end, int64_t epoch, int64_t done, int epochs)
{
    /* Two threads may not share a corpus. */
    struct corpora *again;
    assert_int_equal(
            corpora_open(&again, (const char *[]){corpus_path(corpora_at(corpora, 0))}, 1), STATUS_OK);
    struct reader *reader;
    struct plan *plan;
    assert_int_equal(reader_open(&reader, corpora, plan_options, NULL, first, end, epoch, done), STATUS_OK);
    assert_int_equal(plan_open(&plan, again, plan_options), STATUS_OK);
    for (int64_t e = epoch; e < epoch + epochs; e++) {
        assert_int_equal(plan_epoch(plan, e), STATUS_OK);
        for (int s = first; s < end; s++)
            assert_int_equal(plan_skip(plan, s, e == epoch ? done : 0), STATUS_OK);
        int dry_updates = 0;
        while (dry_updates < 3) { /* other ranks may need more updates: then ours are dry */
            bool dry = true;
            for (int s = first; s < end; s++) {
                const struct plan_item *items;
                size_t count;
                bool more, reader_more;
                struct batch batch;
                assert_int_equal(plan_next(plan, s, &items, &count, &more), STATUS_OK);
                assert_int_equal(reader_next(reader, &batch, &reader_more), STATUS_OK);
                assert_int_equal(more, reader_more);
                check_batch(&batch, of, items, count);
                dry = dry && count == 0;
            }
            dry_updates += dry;
        }
        reader_next_epoch(reader);
    }
    reader_close(reader);
    plan_close(plan);
    corpora_close(again);
}

static void test_reader__gives_what_the_plan_says(void **state)
{
    (void)state;
    struct corpora *corpora = opened(&shape);
    compare(corpora, &shape, &options, 0, SLOTS, 0, 0, 3);
    compare(corpora, &shape, &options, 1, 3, 0, 0, 2);
    compare(corpora, &shape, &options, 3, 4, 5, 17, 2);
    compare(corpora, &shape, &options, 0, 2, 1, 100000, 2);
    corpora_close(corpora);
}

static void test_reader__alignments_go_with_their_pairs(void **state)
{
    (void)state;
    struct made_shape aligned = shape;
    aligned.aligned = true;
    struct corpora *corpora = opened(&aligned);
    assert_true(corpora_aligned(corpora));
    compare(corpora, &aligned, &options, 0, SLOTS, 0, 0, 2);
    compare(corpora, &aligned, &options, 1, 3, 1, 5, 2);
    corpora_close(corpora);
    /* Where one of two corpora has none, nothing is known. */
    const char *const both[] = {made_corpus("aligned.h5", &aligned), made_corpus("reader.h5", &shape)};
    assert_int_equal(corpora_open(&corpora, both, 2), STATUS_OK);
    assert_false(corpora_aligned(corpora));
    corpora_close(corpora);
}

/* A corpus of one pair of three tokens each, with these points. */
static void refuse_points(const struct corpus_point *points, size_t count)
{
    static const int32_t ids[] = {5, 6};
    const char *path = made_path("wrong.h5");
    struct vocabulary *vocabulary = made_vocabulary();
    const struct corpus_settings settings = {.vocabularies = {vocabulary, vocabulary}, .aligned = true};
    struct corpus_writer *writer;
    struct corpora *corpora;
    struct reader *reader;
    struct batch batch;
    bool more;
    assert_int_equal(corpus_create(&writer, path, &settings), STATUS_OK);
    assert_int_equal(corpus_add(writer, (const int32_t *[]){ids, ids}, (size_t[]){2, 2}, NULL, 0), STATUS_OK);
    assert_int_equal(corpus_align(writer, points, count), STATUS_OK);
    assert_int_equal(corpus_commit(writer), STATUS_OK);
    vocabulary_close(vocabulary);
    assert_int_equal(corpora_open(&corpora, (const char *[]){path}, 1), STATUS_OK);
    assert_int_equal(reader_open(&reader, corpora, &options, NULL, 0, SLOTS, 0, 0), STATUS_OK);
    enum status status = STATUS_OK;
    for (int s = 0; s < SLOTS && status == STATUS_OK; s++)
        status = reader_next(reader, &batch, &more);
    assert_int_equal(status, STATUS_DATA);
    assert_non_null(strstr(status_message(), "of 2 source and 2 target tokens"));
    reader_close(reader);
    corpora_close(corpora);
}

static void test_reader__wrong_alignments_are_refused(void **state)
{
    (void)state;
    refuse_points((struct corpus_point[]){{2, 0}}, 1);
    refuse_points((struct corpus_point[]){{0, 2}}, 1);
    refuse_points((struct corpus_point[]){{-1, 0}}, 1);
    refuse_points((struct corpus_point[]){{0, 0}, {0, 0}}, 2);
    refuse_points((struct corpus_point[]){{0, 1}, {1, 0}}, 2);
}

/* Every rank's reader, update by update as training asks them: each pair once in each epoch, whatever their number. */
static void check_epochs(struct corpora *const *corpora, int ranks, int slots, int epochs)
{
    static unsigned char seen[3000];
    struct plan_options wide = {.tokens = 120, .slots = slots, .seed = 4};
    struct reader *readers[8];
    size_t pairs = corpora_first(corpora[0], 1);
    for (int r = 0; r < ranks; r++)
        assert_int_equal(reader_open(&readers[r], corpora[r], &wide, NULL, slots * r / ranks,
                                 slots * (r + 1) / ranks, 0, 0),
                STATUS_OK);
    for (int epoch = 1; epoch <= epochs; epoch++) {
        bool any = true;
        while (any) {
            any = false;
            for (int r = 0; r < ranks; r++)
                for (int s = slots * r / ranks; s < slots * (r + 1) / ranks; s++) {
                    struct batch batch;
                    bool more;
                    assert_int_equal(reader_next(readers[r], &batch, &more), STATUS_OK);
                    for (size_t p = 0; p < batch.pairs; p++)
                        seen[batch.pair_numbers[p]]++;
                    any = any || more;
                }
        }
        for (int r = 0; r < ranks; r++)
            reader_next_epoch(readers[r]);
        for (size_t p = 0; p < pairs; p++)
            assert_int_equal(seen[p], epoch);
    }
    for (int r = 0; r < ranks; r++)
        reader_close(readers[r]);
    memset(seen, 0, sizeof seen);
}

static void test_reader__each_pair_comes_once_an_epoch_on_any_ranks(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 5, 2500};
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        struct made_shape of = shape;
        struct corpora *corpora[8];
        of.pairs = sizes[n];
        corpora[0] = opened(&of);
        for (int r = 1; r < 8; r++)
            assert_int_equal(
                    corpora_open(&corpora[r], (const char *[]){corpus_path(corpora_at(corpora[0], 0))}, 1),
                    STATUS_OK);
        for (int ranks = 1; ranks <= 8; ranks++)
            check_epochs(corpora, ranks, 8, 3);
        check_epochs(corpora, 4, 6, 3);
        for (int r = 0; r < 8; r++)
            corpora_close(corpora[r]);
    }
}

/* Most bytes held at once under a label since the program began. */
static size_t peak(const char *label)
{
    struct memory_label facts;
    for (size_t i = 0; memory_report(i, &facts); i++)
        if (strcmp(facts.label, label) == 0)
            return facts.peak;
    return 0;
}

static void test_reader__memory_is_that_of_the_windows(void **state)
{
    (void)state;
    enum { PAIRS = 300000 };
    struct made_shape long_one = {.pairs = PAIRS, .longest = 3, .seed = 1, .compression = 1, .joint = true};
    struct corpora *corpora = opened(&long_one);
    struct reader *reader;
    struct batch batch;
    bool more = true;
    size_t pairs = 0;
    assert_int_equal(reader_open(&reader, corpora, &options, NULL, 0, 1, 0, 0), STATUS_OK);
    while (more) {
        assert_int_equal(reader_next(reader, &batch, &more), STATUS_OK);
        pairs += batch.pairs;
    }
    reader_close(reader);
    corpora_close(corpora);
    assert_true(pairs > PAIRS / SLOTS * 9 / 10);
    assert_in_range(peak("plan"), 1, PAIRS * sizeof(int64_t) / 2);
    assert_in_range(peak("reader"), 1, PAIRS * sizeof(int64_t) / 2);
}

static void test_reader__slots_may_be_dry_for_whole_epochs(void **state)
{
    (void)state;
    struct made_shape tiny = shape;
    tiny.pairs = 3;
    struct plan_options wide = {.tokens = 120, .slots = 16, .seed = 3};
    struct corpora *corpora = opened(&tiny);
    compare(corpora, &tiny, &wide, 8, 16, 0, 0, 5);
    compare(corpora, &tiny, &wide, 0, 16, 0, 0, 5);
    compare(corpora, &tiny, &wide, 2, 4, 0, 0, 5);
    corpora_close(corpora);
}

/* A batch stays until the next call for its slot, however far the thread is ahead. */
static void test_reader__a_batch_is_lent_until_its_slot_comes_again(void **state)
{
    (void)state;
    struct corpora *corpora = opened(&shape);
    struct reader *reader;
    struct batch batches[SLOTS];
    int32_t firsts[SLOTS];
    bool more;
    assert_int_equal(reader_open(&reader, corpora, &options, NULL, 0, SLOTS, 0, 0), STATUS_OK);
    for (int u = 0; u < 20; u++) {
        for (int s = 0; s < SLOTS; s++) {
            assert_int_equal(reader_next(reader, &batches[s], &more), STATUS_OK);
            firsts[s] = batches[s].ids[SOURCE][0];
        }
        usleep(2000);
        for (int s = 0; s < SLOTS; s++) {
            assert_int_equal(batches[s].ids[SOURCE][0], firsts[s]);
            assert_int_equal(firsts[s], made_token(&shape, SOURCE, (size_t)batches[s].pair_numbers[0], 0));
        }
    }
    reader_close(reader);
    corpora_close(corpora);
}

static void test_reader__closes_at_any_moment(void **state)
{
    (void)state;
    struct corpora *corpora = opened(&shape);
    for (int i = 0; i < 60; i++) {
        struct reader *reader;
        struct batch batch;
        bool more;
        assert_int_equal(reader_open(&reader, corpora, &options, NULL, 0, SLOTS, 0, 0), STATUS_OK);
        for (int taken = 0; taken < i % 7; taken++)
            assert_int_equal(reader_next(reader, &batch, &more), STATUS_OK);
        if (i % 3 == 0)
            usleep((unsigned)i * 50);
        reader_close(reader);
    }
    reader_close(NULL);
    corpora_close(corpora);
}

static void test_reader__a_failure_of_the_thread_reaches_the_caller(void **state)
{
    (void)state;
    struct made_shape large = shape; /* of several chunks in the file, of which one is in memory */
    large.pairs = 20000;
    struct corpora *corpora = opened(&large);
    struct reader *reader;
    struct batch batch;
    bool more;
    enum status status = STATUS_OK;
    assert_int_equal(reader_open(&reader, corpora, &options, NULL, 0, SLOTS, 0, 0), STATUS_OK);
    /* Under the reader's feet the file becomes empty. */
    assert_int_equal(truncate(corpus_path(corpora_at(corpora, 0)), 0), 0);
    for (int calls = 0; status == STATUS_OK && calls < 10000; calls++)
        status = reader_next(reader, &batch, &more);
    assert_int_not_equal(status, STATUS_OK);
    assert_non_null(strstr(status_message(), "reader.h5"));
    assert_int_not_equal(reader_next(reader, &batch, &more), STATUS_OK);
    reader_close(reader);
    corpora_close(corpora);
}

static void test_reader__memory_that_ends_is_told(void **state)
{
    (void)state;
    struct made_shape small = shape;
    small.pairs = 30;
    struct corpora *corpora = opened(&small);
    for (int n = 1; n < 60; n++) {
        char plan[30];
        struct reader *reader = NULL;
        struct batch batch;
        bool more = true;
        snprintf(plan, sizeof plan, "memory:%d", n);
        assert_int_equal(fault_plan(plan, 0), STATUS_OK);
        enum status status = reader_open(&reader, corpora, &options, NULL, 0, SLOTS, 0, 0);
        for (int i = 0; i < 40 && status == STATUS_OK; i++)
            status = reader_next(reader, &batch, &more);
        assert_true(status == STATUS_OK || status == STATUS_INTERNAL);
        if (reader)
            reader_close(reader);
    }
    assert_int_equal(fault_plan(NULL, 0), STATUS_OK);
    corpora_close(corpora);
}

/* ---- noise ---- */

enum { NOISY_IDS = 100000 };

/* The ids of both sides and the inputs of the decoder that slots [first, end) read in two epochs; their number. */
static size_t read_noisy(struct corpora *corpora, const struct noise_options *noise, int first, int end,
        int64_t done, int32_t *out)
{
    struct reader *reader;
    size_t n = 0;
    assert_int_equal(reader_open(&reader, corpora, &options, noise, first, end, 0, done), STATUS_OK);
    for (int epoch = 0; epoch < 2; epoch++) {
        bool any = true;
        while (any) {
            any = false;
            for (int s = first; s < end; s++) {
                struct batch batch;
                bool more;
                assert_int_equal(reader_next(reader, &batch, &more), STATUS_OK);
                any = any || more;
                for (int side = 0; side < SIDES; side++)
                    for (size_t i = 0; i < batch.tokens[side] && n + 2 < NOISY_IDS; i++) {
                        out[n++] = batch.ids[side][i];
                        if (side == TARGET && batch.inputs)
                            out[n++] = batch.inputs[i];
                    }
            }
        }
        reader_next_epoch(reader);
    }
    reader_close(reader);
    return n;
}

static void test_reader__words_are_dropped_as_often_as_asked(void **state)
{
    (void)state;
    struct corpora *corpora = opened(&shape);
    struct noise_options noise = {.word_dropout = {0.2, 0.4}, .longest = 1000, .seed = 3};
    struct reader *reader;
    size_t seen[SIDES] = {0}, dropped[SIDES] = {0};
    bool more = true;
    assert_int_equal(reader_open(&reader, corpora, &options, &noise, 0, 1, 0, 0), STATUS_OK);
    while (more) {
        struct batch batch;
        assert_int_equal(reader_next(reader, &batch, &more), STATUS_OK);
        for (enum side side = SOURCE; side < SIDES; side++)
            for (size_t p = 0; p < batch.pairs; p++)
                for (int32_t i = batch.offsets[side][p]; i < batch.offsets[side][p + 1]; i++) {
                    size_t place = (size_t)(i - batch.offsets[side][p]);
                    int32_t stored = made_token(&shape, side, (size_t)batch.pair_numbers[p], place);
                    int32_t id = (side == TARGET ? batch.inputs : batch.ids[side])[i];
                    assert_true(side == SOURCE || batch.ids[side][i] == stored);
                    assert_true(id == stored || (id == TOKEN_UNKNOWN && stored != TOKEN_END));
                    seen[side] += stored != TOKEN_END;
                    dropped[side] += id != stored;
                }
    }
    for (int side = 0; side < SIDES; side++) {
        double expected = noise.word_dropout[side] * (double)seen[side];
        assert_true(seen[side] > 3000);
        assert_true((double)dropped[side] > expected * 0.9 && (double)dropped[side] < expected * 1.1);
    }
    reader_close(reader);
    corpora_close(corpora);
}

/* Any division of the slots among readers, and any start, sees the same noise; another epoch or seed other noise. */
static void test_reader__noise_depends_on_no_layout(void **state)
{
    (void)state;
    static int32_t whole[NOISY_IDS], part[NOISY_IDS];
    struct corpora *corpora = opened(&shape);
    struct noise_options noise = {.word_dropout = {0.3, 0.3}, .longest = 1000, .seed = 3};
    size_t n = read_noisy(corpora, &noise, 2, 3, 0, whole);
    assert_int_equal(read_noisy(corpora, &noise, 2, 3, 0, part), n);
    assert_memory_equal(whole, part, n * sizeof *part);
    /* Slot 3 beside slot 2: the first update's batch of slot 2 comes first in both. */
    read_noisy(corpora, &noise, 2, 4, 0, part);
    assert_memory_equal(whole, part, 100 * sizeof *part);
    /* Begun in the middle of the epoch: the end is the same. */
    size_t late = read_noisy(corpora, &noise, 2, 3, 5, part);
    assert_true(late < n && n < NOISY_IDS - 2);
    assert_memory_equal(whole + (n - late), part, late * sizeof *part);
    noise.seed = 4;
    read_noisy(corpora, &noise, 2, 3, 0, part);
    assert_memory_not_equal(whole, part, 200 * sizeof *part);
    corpora_close(corpora);
}

static void test_reader__characters_cannot_be_sampled(void **state)
{
    (void)state;
    struct corpora *corpora = opened(&shape);
    struct noise_options noise = {.sampling = 0.1, .longest = 1000};
    struct reader *reader;
    assert_int_equal(reader_open(&reader, corpora, &options, &noise, 0, 1, 0, 0), STATUS_CONFIG);
    assert_non_null(strstr(status_message(),
            "data.sampling expects a bpe or unigram vocabulary, found the char vocabulary of "));
    corpora_close(corpora);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            /* First: peaks are those of the whole program. */
            cmocka_unit_test(test_reader__memory_is_that_of_the_windows),
            cmocka_unit_test(test_reader__gives_what_the_plan_says),
            cmocka_unit_test(test_reader__alignments_go_with_their_pairs),
            cmocka_unit_test(test_reader__wrong_alignments_are_refused),
            cmocka_unit_test(test_reader__each_pair_comes_once_an_epoch_on_any_ranks),
            cmocka_unit_test(test_reader__slots_may_be_dry_for_whole_epochs),
            cmocka_unit_test(test_reader__a_batch_is_lent_until_its_slot_comes_again),
            cmocka_unit_test(test_reader__closes_at_any_moment),
            cmocka_unit_test(test_reader__a_failure_of_the_thread_reaches_the_caller),
            cmocka_unit_test(test_reader__memory_that_ends_is_told),
            cmocka_unit_test(test_reader__words_are_dropped_as_often_as_asked),
            cmocka_unit_test(test_reader__noise_depends_on_no_layout),
            cmocka_unit_test(test_reader__characters_cannot_be_sampled),
    };
    return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
