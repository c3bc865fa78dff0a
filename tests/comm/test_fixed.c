#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "comm/fixed.h"
#include "comm/random.h"

enum { COUNT = 5000 };

/* Of any size from bound / 2^60 up. */
static double value_at(size_t i)
{
    struct random_stream stream = random_stream(1, RANDOM_TEST, 0, 0, 0);
    return ldexp(random_uniform(&stream, i), -(int)random_below(&stream, COUNT + i, 60));
}

static void test_fixed__no_order_changes_the_sum(void **state)
{
    (void)state;
    struct fixed_sum forward = {0}, backward = {0}, parallel = {0};
    int shift = fixed_shift(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        fixed_add(&forward, value_at(i), shift);
        fixed_add(&backward, value_at(COUNT - 1 - i), shift);
    }
#pragma omp parallel for num_threads(4)
    for (size_t i = 0; i < COUNT; i++)
        fixed_add(&parallel, value_at(i), shift);
    assert_memory_equal(&forward, &backward, sizeof forward);
    assert_memory_equal(&forward, &parallel, sizeof forward);
}

static void test_fixed__the_sum_is_exact_to_double(void **state)
{
    (void)state;
    struct fixed_sum sum = {0};
    double expected = 0, lost = 0; /* compensated (Kahan 1965): valgrind knows no more precise type */
    int shift = fixed_shift(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        fixed_add(&sum, value_at(i), shift);
        double term = value_at(i) - lost, next = expected + term;
        lost = (next - expected) - term;
        expected = next;
    }
    assert_true(fabs(fixed_value(&sum, shift) - expected) < 1e-15 * expected);
}

/* The bound itself, many times less, and numbers near the ends of what squares of floats can be. */
static void test_fixed__any_bound(void **state)
{
    (void)state;
    static const double bounds[] = {1, 0.7, 3e9, 1e-80, 1e76};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        struct fixed_sum sum = {0};
        int shift = fixed_shift(bounds[i]);
        fixed_add(&sum, bounds[i], shift);
        assert_true(fixed_value(&sum, shift) == bounds[i]);
        sum = (struct fixed_sum){0};
        fixed_add(&sum, bounds[i] * 0x1p-60, shift);
        assert_true(fixed_value(&sum, shift) == bounds[i] * 0x1p-60);
    }
    struct fixed_sum none = {0};
    fixed_add(&none, 0, fixed_shift(0));
    assert_true(fixed_value(&none, fixed_shift(0)) == 0);
}

/* No integer stands for them. */
static void test_fixed__what_is_no_number_adds_nothing(void **state)
{
    (void)state;
    struct fixed_sum sum = {0}, none = {0};
    fixed_add(&sum, NAN, fixed_shift(1));
    fixed_add(&sum, INFINITY, fixed_shift(1));
    assert_memory_equal(&sum, &none, sizeof sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_fixed__no_order_changes_the_sum),
            cmocka_unit_test(test_fixed__the_sum_is_exact_to_double),
            cmocka_unit_test(test_fixed__any_bound),
            cmocka_unit_test(test_fixed__what_is_no_number_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
