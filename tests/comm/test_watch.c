#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "comm/clock.h"
#include "comm/watch.h"

static void sleep_seconds(double seconds)
{
    usleep((useconds_t)(seconds * 1e6));
}

/* Runs `child` in a process of its own; its exit status, and what it wrote to standard error. */
static int in_process(void (*child)(void), char *output, size_t room)
{
    int ends[2], state;
    assert_int_equal(pipe(ends), 0);
    pid_t process = fork();
    if (process == 0) {
        dup2(ends[1], STDERR_FILENO);
        child();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t n; (n = read(ends[0], output + length, room - 1 - length)) > 0;)
        length += (size_t)n;
    output[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(process, &state, 0), process);
    assert_true(WIFEXITED(state));
    return WEXITSTATUS(state);
}

static void hang(void)
{
    clock_enter(PHASE_EXCHANGE);
    watch_start(0.2);
    sleep_seconds(5);
}

static void test_watch__ends_a_process_that_hangs(void **state)
{
    (void)state;
    char output[512];
    double start = clock_now();
    assert_int_equal(in_process(hang, output, sizeof output), STATUS_HUNG);
    assert_true(clock_now() - start < 3);
    assert_non_null(strstr(output, "[rank 0] error: no progress for 0.2 s"));
    assert_non_null(strstr(output, "phase 'exchange'"));
}

static void work(void)
{
    watch_start(0.5);
    for (int i = 0; i < 20; i++) {
        sleep_seconds(0.05);
        watch_beat();
    }
    watch_stop();
    sleep_seconds(0.6);
}

static void test_watch__lets_work_go_on(void **state)
{
    (void)state;
    char output[512];
    assert_int_equal(in_process(work, output, sizeof output), 0);
    assert_string_equal(output, "");
}

static void off(void)
{
    watch_start(0);
    watch_beat();
    sleep_seconds(0.1);
    watch_stop();
}

static void test_watch__zero_is_off(void **state)
{
    (void)state;
    char output[512];
    assert_int_equal(in_process(off, output, sizeof output), 0);
}

/* Suspended for longer than the limit by a child of its own. */
static void be_suspended(void)
{
    watch_start(0.5);
    pid_t process = getpid();
    if (fork() == 0) {
        kill(process, SIGSTOP);
        sleep_seconds(1);
        kill(process, SIGCONT);
        _exit(0);
    }
    sleep_seconds(0.1);
    watch_beat();
    sleep_seconds(0.1);
    watch_stop();
}

static void test_watch__suspension_does_not_count(void **state)
{
    (void)state;
    char output[512];
    assert_int_equal(in_process(be_suspended, output, sizeof output), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_watch__ends_a_process_that_hangs),
            cmocka_unit_test(test_watch__lets_work_go_on),
            cmocka_unit_test(test_watch__zero_is_off),
            cmocka_unit_test(test_watch__suspension_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
