/* Which losses are told as spikes: rare and large ones, whatever came before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/training/spike.h"

#include <math.h>

/* `count` losses around `level` with waves of ±`width`; how many of them were told. */
static int see_waves(struct spike *spike, int count, double level, double width)
{
    int told = 0;
    double median;
    for (int i = 0; i < count; i++)
        told += spike_see(spike, level + width * sin(i * 2.4), &median);
    return told;
}

static void test_spike__a_lone_jump_is_told_once(void **state)
{
    (void)state;
    struct spike spike = {0};
    double median = 0;
    assert_int_equal(see_waves(&spike, 150, 4, 0.2), 0);
    assert_true(spike_see(&spike, 6, &median));
    assert_true(fabs(median - 4) < 0.1);
    assert_false(spike_see(&spike, 6, &median));
    assert_int_equal(see_waves(&spike, SPIKE_WINDOW - 2, 4, 0.2), 0);
    assert_false(spike_see(&spike, 6, &median)); /* the last of the quiet ones */
    assert_true(spike_see(&spike, 6, &median));
}

static void test_spike__noise_falls_and_short_runs_are_none(void **state)
{
    (void)state;
    struct spike spike = {0};
    double median;
    assert_int_equal(see_waves(&spike, SPIKE_WINDOW - 1, 4, 0.2), 0);
    assert_false(spike_see(&spike, 100, &median)); /* the window was not full */
    spike = (struct spike){0};
    for (int i = 0; i < 2000; i++)
        assert_false(spike_see(&spike, 10 * exp(-i / 300.0) + 0.4 * sin(i * 2.4), &median));
}

static void test_spike__equal_losses_leave_room(void **state)
{
    (void)state;
    struct spike spike = {0};
    double median;
    assert_int_equal(see_waves(&spike, 200, 2, 0), 0);
    assert_false(spike_see(&spike, 2.11, &median));
    assert_true(spike_see(&spike, 2.13, &median));
}

static void test_spike__earlier_ones_and_nan_do_not_hide_one(void **state)
{
    (void)state;
    struct spike spike = {0};
    double median;
    see_waves(&spike, 150, 4, 0.2);
    assert_true(spike_see(&spike, 1e30, &median));
    assert_false(spike_see(&spike, NAN, &median));
    assert_false(spike_see(&spike, INFINITY, &median));
    see_waves(&spike, SPIKE_WINDOW, 4, 0.2);
    assert_true(spike_see(&spike, 6, &median));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_spike__a_lone_jump_is_told_once),
            cmocka_unit_test(test_spike__noise_falls_and_short_runs_are_none),
            cmocka_unit_test(test_spike__equal_losses_leave_room),
            cmocka_unit_test(test_spike__earlier_ones_and_nan_do_not_hide_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
