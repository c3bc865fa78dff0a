#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "train/schedule.h"

static struct schedule_options options_of(const char *kind, int64_t warmup)
{
    return (struct schedule_options){kind_find(&schedule_kinds, kind), warmup};
}

static void test_schedule__every_kind_rises_linearly_and_meets_its_top(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < schedule_kinds.count; k++) {
        struct schedule_options options = options_of(kind_at(&schedule_kinds, k)->name, 100);
        assert_float_equal(schedule_rate(&options, 0.5, 1), 0.005, 1e-12);
        assert_float_equal(schedule_rate(&options, 0.5, 50), 0.25, 1e-12);
        assert_float_equal(schedule_rate(&options, 0.5, 100), 0.5, 1e-12);
        assert_true(schedule_rate(&options, 0.5, 101) <= 0.5);
    }
}

static void test_schedule__constant_stays(void **unused)
{
    (void)unused;
    struct schedule_options options = options_of("constant", 10);
    assert_float_equal(schedule_rate(&options, 0.3, 1000000), 0.3, 0);
}

static void test_schedule__inverse_sqrt_falls_with_the_root(void **unused)
{
    (void)unused;
    struct schedule_options options = options_of("inverse_sqrt", 100);
    assert_float_equal(schedule_rate(&options, 1, 400), 0.5, 1e-12);
    assert_float_equal(schedule_rate(&options, 1, 10000), 0.1, 1e-12);
}

static void test_schedule__no_warmup_starts_at_the_top(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < schedule_kinds.count; k++) {
        struct schedule_options options = options_of(kind_at(&schedule_kinds, k)->name, 0);
        assert_float_equal(schedule_rate(&options, 2, 1), 2, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_schedule__every_kind_rises_linearly_and_meets_its_top),
            cmocka_unit_test(test_schedule__constant_stays),
            cmocka_unit_test(test_schedule__inverse_sqrt_falls_with_the_root),
            cmocka_unit_test(test_schedule__no_warmup_starts_at_the_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
