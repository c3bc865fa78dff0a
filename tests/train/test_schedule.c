#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "train/training/schedule.h"

static const double PI = 3.14159265358979323846;

/* cmocka's own compares floats. */
static void assert_close(double found, double expected, double limit)
{
    if (!(fabs(found - expected) <= limit))
        fail_msg("expected %.17g, found %.17g", expected, found);
}

static struct schedule_options options_of(const char *kind, int64_t warmup)
{
    return (struct schedule_options){.kind = kind_find(&schedule_kinds, kind),
            .warmup = warmup,
            .total = {1100, 'u'},
            .power = 2,
            .every = {10, 'u'},
            .factor = 0.5,
            .patience = 2};
}

static double rate(const struct schedule_options *options, double base, int64_t update)
{
    struct schedule_place place = {.update = update, .width = 64};
    return schedule_rate(options, base, &place);
}

static bool is_noam(size_t k)
{
    return strcmp(kind_at(&schedule_kinds, k)->name, "noam") == 0;
}

static void test_schedule__every_kind_rises_linearly_and_meets_its_top(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < schedule_kinds.count; k++) {
        struct schedule_options options = options_of(kind_at(&schedule_kinds, k)->name, 100);
        double top = is_noam(k) ? 0.5 / sqrt(64 * 100) : 0.5;
        assert_close(rate(&options, 0.5, 1), top / 100, 1e-12);
        assert_close(rate(&options, 0.5, 50), top / 2, 1e-12);
        assert_close(rate(&options, 0.5, 100), top, 1e-12);
        assert_true(rate(&options, 0.5, 101) <= top);
    }
}

static void test_schedule__no_warmup_starts_at_the_top(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < schedule_kinds.count; k++) {
        struct schedule_options options = options_of(kind_at(&schedule_kinds, k)->name, 0);
        if (schedule_has_total(&options))
            assert_close(rate(&options, 2, 1), 2, 2 * 2 / 1100.0);
        else if (!is_noam(k))
            assert_close(rate(&options, 2, 1), 2, 0);
    }
}

static void test_schedule__constant_stays(void **unused)
{
    (void)unused;
    struct schedule_options options = options_of("constant", 10);
    assert_close(rate(&options, 0.3, 1000000), 0.3, 0);
}

static void test_schedule__roots(void **unused)
{
    (void)unused;
    struct schedule_options options = options_of("inverse_sqrt", 100);
    assert_close(rate(&options, 1, 400), 0.5, 1e-12);
    assert_close(rate(&options, 1, 10000), 0.1, 1e-12);
    options = options_of("noam", 100);
    for (int64_t u = 1; u < 1000; u += 37) {
        double expected = pow(64, -0.5) * fmin(pow((double)u, -0.5), (double)u * pow(100, -1.5));
        assert_close(rate(&options, 3, u), 3 * expected, 1e-12);
    }
}

/* A quarter, all and more of the way from update 100 to update 1100. */
static void test_schedule__the_way_to_the_end(void **unused)
{
    (void)unused;
    static const struct {
        const char *kind;
        double quarter;
    } rows[] = {{"linear", 0.75}, {"cosine", 0}, {"polynomial", 0.75 * 0.75}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct schedule_options options = options_of(rows[i].kind, 100);
        double quarter = rows[i].quarter > 0 ? rows[i].quarter : 0.5 * (1 + cos(PI / 4));
        assert_close(rate(&options, 2, 350), 2 * quarter, 1e-12);
        assert_close(rate(&options, 2, 1100), 0, 1e-12);
        assert_close(rate(&options, 2, 5000), 0, 1e-12);
        options.floor = 0.1;
        assert_close(rate(&options, 2, 350), 2 * (0.1 + 0.9 * quarter), 1e-12);
        assert_close(rate(&options, 2, 5000), 0.2, 1e-12);
    }
}

/* 100 updates an epoch, 11 epochs: as 1,100 updates, but for the place before the update instead of after it. */
static void test_schedule__a_total_in_epochs_is_smooth(void **unused)
{
    (void)unused;
    struct schedule_options updates = options_of("linear", 100), epochs = updates;
    epochs.total = (struct period){11, 'e'};
    double before = 1;
    for (int64_t u = 1; u <= 1200; u++) {
        struct schedule_place place = {.update = u, .epoch = (u - 1) / 100, .epochs = (double)(u - 1) / 100};
        double now = schedule_rate(&epochs, 1, &place);
        assert_close(now, rate(&updates, 1, u), 2e-3);
        assert_true(u <= 100 || now <= before);
        before = now;
    }
    assert_close(before, 0, 0);
}

static void test_schedule__steps(void **unused)
{
    (void)unused;
    struct schedule_options options = options_of("step", 100);
    assert_close(rate(&options, 1, 110), 1, 0);
    assert_close(rate(&options, 1, 111), 0.5, 0);
    assert_close(rate(&options, 1, 120), 0.5, 0);
    assert_close(rate(&options, 1, 121), 0.25, 0);
    options.floor = 0.2;
    assert_close(rate(&options, 1, 200), 0.2, 0);
    options.every = (struct period){2, 'e'};
    struct schedule_place place = {.update = 500, .epoch = 3};
    assert_close(schedule_rate(&options, 1, &place), 0.5, 0);
    place.epoch = 4;
    assert_close(schedule_rate(&options, 1, &place), 0.25, 0);
}

static void test_schedule__a_plateau_cuts_after_patience(void **unused)
{
    (void)unused;
    static const int64_t waited[] = {0, 1, 0, 1, 2, 3, 0, 1, 2, 3, 4};
    static const int64_t expected[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3};
    struct schedule_options options = options_of("plateau", 0), other = options_of("constant", 0);
    int64_t cuts = 0;
    for (size_t i = 0; i < sizeof waited / sizeof waited[0]; i++) {
        cuts += schedule_cuts(&options, waited[i]);
        assert_int_equal(cuts, expected[i]);
        struct schedule_place place = {.update = 1000, .cuts = cuts};
        assert_close(schedule_rate(&options, 1, &place), pow(0.5, (double)cuts), 0);
    }
    for (int i = 0; i < 5; i++)
        assert_false(schedule_cuts(&other, i));
}

static void test_schedule__what_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct schedule_options options = options_of("noam", 0);
    assert_int_equal(schedule_check(&options), STATUS_CONFIG);
    assert_non_null(strstr(status_message(), "schedule.kind noam rises over schedule.warmup updates"));
    options = options_of("cosine", 1100);
    assert_int_equal(schedule_check(&options), STATUS_CONFIG);
    assert_non_null(strstr(status_message(), "schedule.total is 1100u, but the warm-up alone"));
    options.total.unit = 'e';
    assert_int_equal(schedule_check(&options), STATUS_OK);
    options = options_of("constant", 5000);
    assert_int_equal(schedule_check(&options), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_schedule__every_kind_rises_linearly_and_meets_its_top),
            cmocka_unit_test(test_schedule__no_warmup_starts_at_the_top),
            cmocka_unit_test(test_schedule__constant_stays),
            cmocka_unit_test(test_schedule__roots),
            cmocka_unit_test(test_schedule__the_way_to_the_end),
            cmocka_unit_test(test_schedule__a_total_in_epochs_is_smooth),
            cmocka_unit_test(test_schedule__steps),
            cmocka_unit_test(test_schedule__a_plateau_cuts_after_patience),
            cmocka_unit_test(test_schedule__what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
