#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/blocks.h"

/* Every float has one owner, runs follow each other by place, own buffers have no holes. */
static void check_layout(size_t floats, size_t bucket_floats, int ranks, int node_ranks)
{
    struct blocks blocks = blocks_make(floats, bucket_floats, ranks);
    blocks.node_ranks = node_ranks;
    size_t position = 0, total = 0;
    for (size_t bucket = 0; bucket < blocks_buckets(&blocks); bucket++)
        for (int place = 0; place < ranks; place++) {
            int rank = blocks_rank(&blocks, place);
            struct run run = blocks_run(&blocks, bucket, rank);
            assert_int_equal(blocks_place(&blocks, rank), place);
            assert_int_equal(run.first, position);
            assert_int_equal(run.first % BLOCK_FLOATS == 0 || run.count == 0, 1);
            position += run.count;
            if (run.count == 0)
                continue;
            size_t own;
            assert_int_equal(blocks_owner(&blocks, run.first, &own), rank);
            assert_int_equal(own, run.own);
            assert_int_equal(blocks_owner(&blocks, run.first + run.count - 1, &own), rank);
            assert_int_equal(own, run.own + run.count - 1);
        }
    assert_int_equal(position, floats);
    for (int rank = 0; rank < ranks; rank++) {
        size_t own = 0;
        for (size_t bucket = 0; bucket < blocks_buckets(&blocks); bucket++) {
            struct run run = blocks_run(&blocks, bucket, rank);
            assert_int_equal(run.own, own);
            own += run.count;
        }
        assert_int_equal(own, blocks_own_floats(&blocks, rank));
        total += own;
    }
    assert_int_equal(total, floats);
}

static void test_blocks__every_float_has_one_owner(void **state)
{
    (void)state;
    static const size_t floats[] = {1, 4095, 4096, 4097, 100000, 8192 * 3, 1 << 20, (1 << 22) + 17};
    static const size_t buckets[] = {0, 1, 4096, 8192, 40960, 12345};
    static const int ranks[] = {1, 2, 3, 4, 5, 7, 8, 13, 64};
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        for (size_t j = 0; j < sizeof buckets / sizeof *buckets; j++)
            for (size_t k = 0; k < sizeof ranks / sizeof *ranks; k++)
                for (int wide = 1; wide <= ranks[k]; wide++)
                    if (ranks[k] % wide == 0)
                        check_layout(floats[i], buckets[j], ranks[k], wide);
}

/* What the i-th ranks of all nodes own is one stretch. */
static void test_blocks__columns_stand_together(void **state)
{
    (void)state;
    static const int expected[] = {0, 2, 4, 1, 3, 5};
    struct blocks blocks = blocks_make(100 * BLOCK_FLOATS + 5, 24 * BLOCK_FLOATS, 6);
    blocks.node_ranks = 2;
    for (int place = 0; place < 6; place++)
        assert_int_equal(blocks_rank(&blocks, place), expected[place]);
    for (int column = 0; column < 2; column++) {
        size_t floats = 0;
        for (size_t bucket = 0; bucket < blocks_buckets(&blocks); bucket++) {
            struct run stretch = blocks_stretch(&blocks, bucket, 3 * column, 3);
            assert_int_equal(stretch.first, blocks_run(&blocks, bucket, column).first);
            assert_int_equal(stretch.own, floats);
            floats += stretch.count;
        }
        assert_int_equal(floats, blocks_stretch_floats(&blocks, 3 * column, 3));
    }
}

static void test_blocks__nothing_is_no_bucket(void **state)
{
    (void)state;
    struct blocks blocks = blocks_make(0, 0, 3);
    assert_int_equal(blocks_buckets(&blocks), 0);
    assert_int_equal(blocks_count(&blocks), 0);
    assert_int_equal(blocks_own_floats(&blocks, 1), 0);
}

static void test_blocks__buckets_are_whole_blocks(void **state)
{
    (void)state;
    struct blocks blocks = blocks_make(100000, 4097, 2);
    assert_int_equal(blocks.bucket_floats, 8192);
    assert_int_equal(blocks_count(&blocks), 25);
    assert_int_equal(blocks_buckets(&blocks), 13);
}

static void test_blocks__shares_are_even(void **state)
{
    (void)state;
    struct blocks blocks = blocks_make((size_t)1 << 26, 0, 1000);
    for (int rank = 0; rank < 1000; rank++) {
        size_t own = blocks_own_floats(&blocks, rank);
        assert_in_range(own, ((size_t)1 << 26) / 1000 / 2, ((size_t)1 << 26) / 1000 * 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_blocks__every_float_has_one_owner),
            cmocka_unit_test(test_blocks__columns_stand_together),
            cmocka_unit_test(test_blocks__nothing_is_no_bucket),
            cmocka_unit_test(test_blocks__buckets_are_whole_blocks),
            cmocka_unit_test(test_blocks__shares_are_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
