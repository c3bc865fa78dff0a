/* A micro-batch packed for another rank is there what it was here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "io/batch.h"

#include <string.h>

enum { PAIRS = 3, SOURCE_TOKENS = 7, TARGET_TOKENS = 5, POINTS = 6, SOURCE_WORDS = 2 };

static const int32_t source_offsets[] = {0, 2, 3, SOURCE_TOKENS}, target_offsets[] = {0, 1, 3, TARGET_TOKENS};
static const int32_t source_ids[] = {11, -12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24};
static const int32_t target_ids[] = {31, 32, 33, 34, 35}, inputs[] = {41, 42, 43, 44, 45};
static const int32_t point_offsets[] = {0, 2, 2, 3, 6, POINTS}, points[] = {0, 1, 0, 0, 2, 3};
static const int64_t numbers[] = {5, (int64_t)1 << 40, 7};

/* The least a batch can be: one word a token. */
static const struct batch bare = {.pairs = PAIRS,
        .tokens = {SOURCE_TOKENS, TARGET_TOKENS},
        .longest = {4, 2},
        .stored_tokens = 99,
        .ids = {source_ids, target_ids},
        .offsets = {source_offsets, target_offsets}};
static const size_t one_word[SIDES] = {1, 1}, two_words[SIDES] = {SOURCE_WORDS, 1};

static struct batch full(void)
{
    struct batch batch = bare;
    batch.inputs = inputs;
    batch.alignment = (struct alignment){point_offsets, points};
    batch.pair_numbers = numbers;
    return batch;
}

/* Packed and unpacked; *packed is the caller's. */
static struct batch sent(const struct batch *batch, const size_t words[SIDES], void **packed, size_t *bytes)
{
    struct batch out;
    assert_int_equal(batch_pack(packed, bytes, batch, words), STATUS_OK);
    assert_int_equal(batch_unpack(&out, *packed, *bytes, words), STATUS_OK);
    return out;
}

static void assert_same(const struct batch *found, const struct batch *expected, const size_t words[SIDES])
{
    assert_int_equal(found->pairs, expected->pairs);
    assert_int_equal(found->stored_tokens, expected->stored_tokens);
    for (int side = 0; side < SIDES; side++) {
        assert_int_equal(found->tokens[side], expected->tokens[side]);
        assert_int_equal(found->longest[side], expected->longest[side]);
        assert_memory_equal(found->ids[side], expected->ids[side],
                expected->tokens[side] * words[side] * sizeof(int32_t));
        assert_memory_equal(
                found->offsets[side], expected->offsets[side], (expected->pairs + 1) * sizeof(int32_t));
    }
}

static void test_batch__all_parts_arrive(void **state)
{
    (void)state;
    const struct batch batch = full();
    void *packed;
    size_t bytes;
    struct batch found = sent(&batch, two_words, &packed, &bytes);
    assert_same(&found, &batch, two_words);
    assert_memory_equal(found.inputs, inputs, sizeof inputs);
    assert_memory_equal(found.alignment.offsets, point_offsets, sizeof point_offsets);
    assert_memory_equal(found.alignment.points, points, sizeof points);
    assert_memory_equal(found.pair_numbers, numbers, sizeof numbers);
    assert_int_equal((uintptr_t)found.pair_numbers % sizeof(int64_t), 0);
    memory_free(packed);
}

static void test_batch__parts_that_are_not_there_stay_away(void **state)
{
    (void)state;
    void *packed;
    size_t bytes;
    struct batch found = sent(&bare, one_word, &packed, &bytes);
    assert_same(&found, &bare, one_word);
    assert_null(found.inputs);
    assert_null(found.alignment.offsets);
    assert_null(found.alignment.points);
    assert_null(found.pair_numbers);
    memory_free(packed);
}

/* Of each part alone: one that lies where another is expected would show. */
static void test_batch__parts_do_not_depend_on_each_other(void **state)
{
    (void)state;
    for (int part = 0; part < 3; part++) {
        struct batch batch = bare, all = full();
        if (part == 0)
            batch.inputs = all.inputs;
        else if (part == 1)
            batch.alignment = all.alignment;
        else
            batch.pair_numbers = all.pair_numbers;
        void *packed;
        size_t bytes;
        struct batch found = sent(&batch, one_word, &packed, &bytes);
        assert_same(&found, &batch, one_word);
        assert_int_equal(!found.inputs, part != 0);
        assert_int_equal(!found.alignment.offsets, part != 1);
        assert_int_equal(!found.pair_numbers, part != 2);
        memory_free(packed);
    }
}

static void test_batch__a_batch_without_pairs_arrives(void **state)
{
    (void)state;
    const int32_t none[] = {0};
    const struct batch batch = {.offsets = {none, none}};
    void *packed;
    size_t bytes;
    struct batch found = sent(&batch, one_word, &packed, &bytes);
    assert_int_equal(found.pairs, 0);
    assert_int_equal(found.offsets[SOURCE][0], 0);
    memory_free(packed);
}

static void test_batch__other_lengths_are_refused(void **state)
{
    (void)state;
    const struct batch batch = full();
    void *packed;
    size_t bytes;
    struct batch found = sent(&batch, two_words, &packed, &bytes);
    for (size_t cut = 0; cut < bytes; cut++)
        assert_int_equal(batch_unpack(&found, packed, cut, two_words), STATUS_INTERNAL);
    assert_int_equal(batch_unpack(&found, packed, bytes + 8, two_words), STATUS_INTERNAL);
    assert_int_equal(batch_unpack(&found, packed, bytes, one_word), STATUS_INTERNAL);
    memory_free(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_batch__all_parts_arrive),
            cmocka_unit_test(test_batch__parts_that_are_not_there_stay_away),
            cmocka_unit_test(test_batch__parts_do_not_depend_on_each_other),
            cmocka_unit_test(test_batch__a_batch_without_pairs_arrives),
            cmocka_unit_test(test_batch__other_lengths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
