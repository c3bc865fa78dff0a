#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "comm/clock.h"
#include "train/period.h"
#include "train/training/stop.h"

static const int signals[] = {SIGUSR1, SIGTERM, SIGINT, SIGHUP};
static const char *const names[] = {"SIGUSR1", "SIGTERM", "SIGINT", "SIGHUP"};

enum { SIGNALS = sizeof signals / sizeof signals[0] };

static void test_stop__a_first_signal_is_a_wish(void **unused)
{
    (void)unused;
    uint32_t seen = 0;
    for (size_t i = 0; i < SIGNALS; i++) {
        stop_watch();
        assert_int_equal(stop_wish(), 0);
        assert_false(stop_is_due());
        raise(signals[i]);
        assert_true(stop_is_due());
        char words[STOP_WORDS_BYTES];
        stop_words(words, stop_wish());
        assert_string_equal(words, names[i]);
        seen |= stop_wish();
    }
    char all[STOP_WORDS_BYTES];
    stop_words(all, seen);
    assert_string_equal(all, "SIGUSR1, SIGTERM, SIGINT, SIGHUP");
}

enum { GOES_ON = 9 };

/* mpirun repeats SIGTERM a second after it passed a request on. */
static void test_stop__a_repetition_is_the_same_request(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < SIGNALS; i++) {
        stop_watch();
        raise(SIGUSR1);
        uint32_t first = stop_wish();
        raise(signals[i]);
        raise(signals[i]);
        assert_int_equal(stop_wish(), first);
    }
}

static void test_stop__a_later_signal_ends_at_once(void **unused)
{
    (void)unused;
    pid_t children[SIGNALS];
    for (size_t i = 0; i < SIGNALS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            stop_watch();
            raise(SIGUSR1);
            usleep(STOP_REPEATS * 1000000 + 50000);
            raise(signals[i]);
            _exit(GOES_ON);
        }
    }
    for (size_t i = 0; i < SIGNALS; i++) {
        int how = 0;
        waitpid(children[i], &how, 0);
        assert_true(WIFEXITED(how));
        assert_int_equal(WEXITSTATUS(how), signals[i] == SIGHUP ? GOES_ON : 128 + signals[i]);
    }
}

/* Under nohup, a terminal that is closed is no request; other signals are, also where a shell had them ignored. */
static void test_stop__what_is_ignored_at_the_start(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < SIGNALS; i++) {
        signal(signals[i], SIG_IGN);
        stop_watch();
        raise(signals[i]);
        assert_int_equal(stop_wish() != 0, signals[i] != SIGHUP);
        signal(signals[i], SIG_DFL);
    }
}

static void test_stop__by_the_clock(void **unused)
{
    (void)unused;
    stop_watch();
    stop_at(clock_now() + 1000);
    assert_false(stop_is_due());
    stop_at(clock_now());
    assert_true(stop_is_due());
    assert_int_equal(stop_wish(), 0);
    stop_watch();
    assert_false(stop_is_due());
}

static void test_stop__agreed_alone(void **unused)
{
    (void)unused;
    uint32_t wishes = 1;
    stop_watch();
    assert_int_equal(stop_agree(&wishes), STATUS_OK);
    assert_int_equal(wishes, 0);
    raise(SIGINT);
    assert_int_equal(stop_agree(&wishes), STATUS_OK);
    assert_int_equal(wishes, stop_wish());
}

static void test_stop__periods_in_updates_and_epochs(void **unused)
{
    (void)unused;
    struct place middle = {20, 1, false}, end = {24, 2, true};
    assert_true(period_due((struct period){10, 'u'}, middle));
    assert_false(period_due((struct period){10, 'u'}, end));
    assert_false(period_due((struct period){1, 'e'}, middle));
    assert_true(period_due((struct period){1, 'e'}, end));
    assert_true(period_due((struct period){2, 'e'}, end));
    assert_false(period_due((struct period){3, 'e'}, end));
    assert_false(period_due((struct period){0, 'u'}, end));
    assert_false(period_due((struct period){1, 's'}, end));
    assert_true(period_reached((struct period){20, 'u'}, middle));
    assert_false(period_reached((struct period){21, 'u'}, middle));
    assert_true(period_reached((struct period){2, 'e'}, end));
    assert_true(period_reached((struct period){0, 'u'}, (struct place){0, 0, false}));
}

static void test_stop__clock_units_in_seconds(void **unused)
{
    (void)unused;
    assert_float_equal(period_seconds((struct period){30, 's'}), 30, 0);
    assert_float_equal(period_seconds((struct period){1.5, 'm'}), 90, 0);
    assert_float_equal(period_seconds((struct period){2, 'h'}), 7200, 0);
    assert_float_equal(period_seconds((struct period){2, 'u'}), 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_stop__a_first_signal_is_a_wish),
            cmocka_unit_test(test_stop__a_repetition_is_the_same_request),
            cmocka_unit_test(test_stop__a_later_signal_ends_at_once),
            cmocka_unit_test(test_stop__what_is_ignored_at_the_start),
            cmocka_unit_test(test_stop__by_the_clock),
            cmocka_unit_test(test_stop__agreed_alone),
            cmocka_unit_test(test_stop__periods_in_updates_and_epochs),
            cmocka_unit_test(test_stop__clock_units_in_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
