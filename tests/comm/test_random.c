#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "comm/random.h"

/* Philox4x32-10 of the Random123 distribution, kat_vectors: counter, key, result. */
static void test_random__known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], result[4];
    } cases[] = {
            {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
            {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff},
                    {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
            {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
                    {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct random_stream stream = {.key = {cases[i].key[0], cases[i].key[1]},
                .counter = {cases[i].counter[2], cases[i].counter[3]}};
        uint32_t result[4];
        random_block(&stream, (uint64_t)cases[i].counter[1] << 32 | cases[i].counter[0], result);
        assert_memory_equal(result, cases[i].result, sizeof result);
    }
}

static void test_random__every_argument_counts(void **state)
{
    (void)state;
    const struct random_stream streams[] = {
            random_stream(1, RANDOM_DROPOUT, 5, 3, 9),
            random_stream(2, RANDOM_DROPOUT, 5, 3, 9),
            random_stream(1, RANDOM_SHUFFLE, 5, 3, 9),
            random_stream(1, RANDOM_DROPOUT, 6, 3, 9),
            random_stream(1, RANDOM_DROPOUT, 5, 4, 9),
            random_stream(1, RANDOM_DROPOUT, 5, 3, 10),
    };
    enum { COUNT = sizeof streams / sizeof *streams };
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(random_bits(&streams[i], 0), random_bits(&streams[j], 0));
    assert_int_not_equal(random_bits(&streams[0], 0), random_bits(&streams[0], 1));
    struct random_stream again = random_stream(1, RANDOM_DROPOUT, 5, 3, 9);
    assert_int_equal(random_bits(&streams[0], 77), random_bits(&again, 77));
}

static void test_random__uniform_and_normal_have_their_moments(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    struct random_stream stream = random_stream(11, RANDOM_TEST, 0, 0, 0);
    double sum = 0, square = 0, normal = 0, normal_square = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        double u = random_uniform(&stream, i), n = random_normal(&stream, i);
        assert_true(u >= 0 && u < 1);
        sum += u;
        square += u * u;
        normal += n;
        normal_square += n * n;
    }
    /* Five standard errors of the mean. */
    assert_true(fabs(sum / COUNT - 0.5) < 5 * 0.289 / sqrt(COUNT));
    assert_true(fabs(square / COUNT - 1.0 / 3) < 5 * 0.298 / sqrt(COUNT));
    assert_true(fabs(normal / COUNT) < 5 / sqrt(COUNT));
    assert_true(fabs(normal_square / COUNT - 1) < 5 * 1.414 / sqrt(COUNT));
}

static void test_random__below_is_even(void **state)
{
    (void)state;
    enum { SIDES = 7, COUNT = 70000 };
    struct random_stream stream = random_stream(12, RANDOM_TEST, 0, 0, 0);
    int seen[SIDES] = {0};
    for (uint64_t i = 0; i < COUNT; i++)
        seen[random_below(&stream, i, SIDES)]++;
    for (int side = 0; side < SIDES; side++)
        assert_in_range(seen[side], 9500, 10500); /* 5 standard deviations are 463 */
    assert_int_equal(random_below(&stream, 3, 1), 0);
}

static void test_random__shuffle_is_a_permutation(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    size_t items[COUNT], again[COUNT];
    unsigned char seen[COUNT] = {0};
    struct random_stream stream = random_stream(13, RANDOM_SHUFFLE, 2, 0, 0);
    size_t fixed = 0;
    for (size_t i = 0; i < COUNT; i++)
        items[i] = again[i] = i;
    random_shuffle(&stream, items, COUNT);
    random_shuffle(&stream, again, COUNT);
    assert_memory_equal(items, again, sizeof items);
    for (size_t i = 0; i < COUNT; i++) {
        assert_false(seen[items[i]]);
        seen[items[i]] = 1;
        fixed += items[i] == i;
    }
    assert_in_range(fixed, 0, 10); /* one is expected */
    random_shuffle(&stream, items, 0);
    random_shuffle(&stream, items, 1);
}

/* All orders of three, equally often. */
static void test_random__shuffle_is_fair(void **state)
{
    (void)state;
    enum { COUNT = 60000 };
    int seen[27] = {0};
    for (uint32_t i = 0; i < COUNT; i++) {
        struct random_stream stream = random_stream(14, RANDOM_SHUFFLE, i, 0, 0);
        size_t items[3] = {0, 1, 2};
        random_shuffle(&stream, items, 3);
        seen[9 * items[0] + 3 * items[1] + items[2]]++;
    }
    int orders = 0;
    for (size_t i = 0; i < 27; i++)
        if (seen[i] > 0) {
            orders++;
            assert_in_range(seen[i], 9500, 10500);
        }
    assert_int_equal(orders, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_random__known_answers),
            cmocka_unit_test(test_random__every_argument_counts),
            cmocka_unit_test(test_random__uniform_and_normal_have_their_moments),
            cmocka_unit_test(test_random__below_is_even),
            cmocka_unit_test(test_random__shuffle_is_a_permutation),
            cmocka_unit_test(test_random__shuffle_is_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
