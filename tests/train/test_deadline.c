#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "comm/clock.h"
#include "comm/log.h"
#include "train/training/deadline.h"

static void test_deadline__times_as_text(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        bool good;
        int64_t seconds;
    } rows[] = {
            {"1769860800", true, 1769860800},
            {"2026-01-31T12:00:00", true, 1769860800},
            {"2100-02-28T23:59:59", true, 4107542399},
            {"", true, 0},
            {"N/A", true, 0},
            {"None", true, 0},
            {"Unknown", true, 0},
            {"UNLIMITED", true, 0},
            {"0", false, 0},
            {"-5", false, 0},
            {"+5", false, 0},
            {"17698608x", false, 0},
            {"1769860800.5", false, 0},
            {"9999999999999999999999", false, 0},
            {"2026-01-31", false, 0},
            {"2026-01-31T12:00:00Z and more", false, 0},
            {"2026-13-01T12:00:00", false, 0},
            {"1969-01-01T00:00:00", false, 0},
            {"tomorrow", false, 0},
    };
    setenv("TZ", "UTC", 1);
    tzset();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t seconds = -1;
        bool good = deadline_parse(rows[i].text, &seconds);
        if (good != rows[i].good || (good && seconds != rows[i].seconds))
            fail_msg("'%s': %s, %lld", rows[i].text, good ? "good" : "refused", (long long)seconds);
    }
}

/* As `squeue` prints it: in the zone of the host. */
static void test_deadline__a_time_is_local(void **unused)
{
    (void)unused;
    int64_t seconds;
    setenv("TZ", "UTC-5:30", 1); /* east of Greenwich */
    tzset();
    assert_true(deadline_parse("2026-01-31T17:30:00", &seconds));
    assert_int_equal(seconds, 1769860800);
    setenv("TZ", "UTC", 1);
    tzset();
}

static void set_end(const char *variable, double seconds)
{
    char text[32];
    snprintf(text, sizeof text, "%.0f", (double)time(NULL) + seconds);
    setenv(variable, text, 1);
}

static void test_deadline__where_the_end_comes_from(void **unused)
{
    (void)unused;
    struct deadline deadline;
    double now = clock_now();
    unsetenv("SEQTRAIN_END_TIME");
    unsetenv("SLURM_JOB_END_TIME");
    deadline_open(&deadline, now, 0, 1e9);
    assert_true(deadline.end == INFINITY && deadline.limit == INFINITY);
    assert_int_equal(deadline_reached(&deadline, now + 1e9, true, true), DEADLINE_NONE);
    set_end("SLURM_JOB_END_TIME", 1000);
    deadline_open(&deadline, now, 0, 1e9);
    assert_float_equal(deadline.end, now + 1000, 1.5);
    set_end("SEQTRAIN_END_TIME", 500);
    deadline_open(&deadline, now, 0, 1e9);
    assert_float_equal(deadline.end, now + 500, 1.5);
    /* Nonsense and the past do not count. */
    setenv("SEQTRAIN_END_TIME", "soon", 1);
    deadline_open(&deadline, now, 0, 1e9);
    assert_float_equal(deadline.end, now + 1000, 1.5);
    set_end("SEQTRAIN_END_TIME", -500);
    deadline_open(&deadline, now, 0, 1e9);
    assert_float_equal(deadline.end, now + 1000, 1.5);
    unsetenv("SEQTRAIN_END_TIME");
    unsetenv("SLURM_JOB_END_TIME");
}

/* Ends at 1000, with a margin of 30. */
static struct deadline job(double limit)
{
    return (struct deadline){.limit = limit, .end = 1000, .margin = 30, .save = 100};
}

static void test_deadline__leaves_time_for_what_comes(void **unused)
{
    (void)unused;
    struct deadline deadline = job(INFINITY);
    assert_float_equal(deadline_last_save(&deadline), 870, 0);
    deadline_updated(&deadline, 20);
    deadline_validated(&deadline, 300);
    assert_int_equal(deadline_reached(&deadline, 849, false, false), DEADLINE_NONE);
    assert_int_equal(deadline_reached(&deadline, 850, false, false), DEADLINE_JOB);
    assert_int_equal(deadline_reached(&deadline, 749, true, false), DEADLINE_NONE);
    assert_int_equal(deadline_reached(&deadline, 750, true, false), DEADLINE_JOB);
    assert_int_equal(deadline_reached(&deadline, 549, false, true), DEADLINE_NONE);
    assert_int_equal(deadline_reached(&deadline, 550, false, true), DEADLINE_JOB);
}

/* A measurement takes the place of the guess, also where it is less; a rare long one fades. */
static void test_deadline__measures(void **unused)
{
    (void)unused;
    struct deadline deadline = job(INFINITY);
    deadline_saved(&deadline, 40);
    assert_float_equal(deadline_last_save(&deadline), 930, 0);
    deadline_saved(&deadline, 60);
    assert_float_equal(deadline_last_save(&deadline), 910, 0);
    deadline_updated(&deadline, 600);
    assert_int_equal(deadline_reached(&deadline, 320, false, false), DEADLINE_JOB);
    for (int i = 0; i < 1000; i++)
        deadline_updated(&deadline, 1);
    assert_int_equal(deadline_reached(&deadline, 900, false, false), DEADLINE_NONE);
}

static void test_deadline__the_earlier_counts(void **unused)
{
    (void)unused;
    struct deadline deadline = job(500);
    assert_int_equal(deadline_reached(&deadline, 499, false, false), DEADLINE_NONE);
    assert_int_equal(deadline_reached(&deadline, 500, false, false), DEADLINE_LIMIT);
    deadline = job(2000);
    assert_int_equal(deadline_reached(&deadline, 880, false, false), DEADLINE_JOB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_deadline__times_as_text),
            cmocka_unit_test(test_deadline__a_time_is_local),
            cmocka_unit_test(test_deadline__where_the_end_comes_from),
            cmocka_unit_test(test_deadline__leaves_time_for_what_comes),
            cmocka_unit_test(test_deadline__measures),
            cmocka_unit_test(test_deadline__the_earlier_counts),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
