#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "comm/clock.h"
#include "comm/roll.h"
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

/* Standard error is a pipe that is full and that nobody reads. */
static void hang_unheard(void)
{
    int ends[2];
    char block[4096] = {0};
    watch_start(0.2);
    if (pipe(ends) != 0 || fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0)
        _exit(1);
    while (write(ends[1], block, sizeof block) > 0)
        ;
    fcntl(ends[1], F_SETFL, 0);
    dup2(ends[1], STDERR_FILENO);
    sleep_seconds(10);
}

static void test_watch__ends_though_nobody_reads(void **state)
{
    (void)state;
    char output[512];
    double start = clock_now();
    assert_int_equal(in_process(hang_unheard, output, sizeof output), STATUS_HUNG);
    assert_true(clock_now() - start < 9);
}

static void hang_and_check(void)
{
    watch_start(0.2);
    for (bool lost = false;;)
        if (watch_check() != STATUS_OK && !lost) {
            lost = true;
            dprintf(STDERR_FILENO, "<%s>", status_message());
        }
}

/* The main thread may see it before the process has ended; it need not. */
static void test_watch__is_over_not_before(void **state)
{
    (void)state;
    char output[512];
    assert_int_equal(watch_check(), STATUS_OK);
    assert_int_equal(in_process(hang_and_check, output, sizeof output), STATUS_HUNG);
    assert_non_null(strstr(output, "no progress"));
}

/* ---- the roll call ---- */

static char folder[] = "/tmp/roll-XXXXXX", calls[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(calls, sizeof calls, "%s/calls", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void test_roll__tells_who_calls(void **state)
{
    (void)state;
    struct roll_place place = {.count = 1};
    assert_int_equal(roll_caller(calls), -1);
    roll_write(calls, 1, &place, false); /* nobody calls: there is no folder */
    assert_int_equal(access(calls, F_OK), -1);
    roll_write(calls, 12, &place, true);
    roll_write(calls, 3, &place, true);
    roll_write(calls, 1, &place, false);
    assert_int_equal(roll_caller(calls), 3);
    roll_write(calls, 3, &place, false);
    assert_int_equal(roll_caller(calls), 12);
    roll_leave(calls, 12);
    assert_int_equal(roll_caller(calls), -1);
    roll_leave(calls, 3);
    assert_int_equal(access(calls, F_OK), 0);
    roll_leave(calls, 1);
    assert_int_equal(access(calls, F_OK), -1);
    roll_write(calls, 0, &place, true);
    roll_clear(calls);
    assert_int_equal(access(calls, F_OK), -1);
}

static void test_roll__sees_what_changes(void **state)
{
    (void)state;
    struct roll_seen seen = {0};
    struct roll_place place = {.count = 7,
            .beats = 1,
            .heard = 2,
            .meets = 3,
            .update = 4,
            .waits = true,
            .phase = PHASE_SAVE,
            .idle = 1.5};
    assert_false(roll_look(calls, 5, &seen));
    assert_false(seen.answered);
    roll_write(calls, 5, &place, true);
    assert_false(roll_look(calls, 5, &seen)); /* the first time: who knows */
    assert_true(seen.answered);
    assert_true(
            seen.place.count == 7 && seen.place.beats == 1 && seen.place.heard == 2 && seen.place.meets == 3);
    assert_true(seen.place.update == 4 && seen.place.waits && seen.place.phase == PHASE_SAVE &&
                seen.place.idle == 1.5);
    for (int i = 1; i <= ROLL_UNCHANGED + 1; i++) {
        assert_false(roll_look(calls, 5, &seen));
        assert_int_equal(seen.unchanged, i < ROLL_UNCHANGED ? i : ROLL_UNCHANGED);
    }
    place.count++;
    roll_write(calls, 5, &place, false);
    assert_false(roll_look(calls, 5, &seen)); /* it lives, but does not get on */
    assert_int_equal(seen.unchanged, 0);
    place.count++;
    place.beats++;
    roll_write(calls, 5, &place, false);
    assert_true(roll_look(calls, 5, &seen));
    roll_leave(calls, 5);
    assert_false(roll_look(calls, 5, &seen));
    assert_int_equal(seen.unchanged, 1);
}

enum { RANKS = 10 };

static void judge(char out[1024], const struct roll_seen seen[RANKS], int ranks)
{
    char hosts[RANKS][ROLL_HOST_BYTES];
    for (int r = 0; r < RANKS; r++)
        snprintf(hosts[r], sizeof hosts[r], "n%d", r / 2);
    roll_judge(out, 1024, seen, ranks, 0, 10, (const char(*)[ROLL_HOST_BYTES])hosts);
}

static void wait_all(struct roll_seen seen[RANKS])
{
    for (int r = 0; r < RANKS; r++)
        seen[r] = (struct roll_seen){.answered = true,
                .place = {.meets = 5, .update = 3, .waits = true, .phase = PHASE_EXCHANGE, .idle = 20}};
}

static void test_roll__names_who_is_waited_for(void **state)
{
    (void)state;
    char words[1024];
    struct roll_seen seen[RANKS];
    wait_all(seen);
    judge(words, seen, 4);
    assert_non_null(strstr(words, "all 4 ranks wait for each other"));
    assert_non_null(strstr(words, "in phase 'exchange' of update 3, 20.0 s without progress"));
    seen[2].place.meets = 4;
    judge(words, seen, 4);
    assert_ptr_equal(strstr(words, "rank 2 on n1 is behind, it waits in phase 'exchange'"), words);
    seen[3].place.waits = false;
    seen[3].place.idle = 9; /* it has just got on */
    judge(words, seen, 4);
    assert_ptr_equal(strstr(words, "rank 2 on n1 is behind"), words);
    seen[3].place.idle = 61;
    seen[3].place.phase = PHASE_FORWARD;
    judge(words, seen, 4);
    assert_string_equal(
            words, "rank 3 on n1 is late in phase 'forward' of update 3, 61.0 s without progress");
    seen[1].answered = false;
    judge(words, seen, 4);
    assert_ptr_equal(
            strstr(words, "rank 1 on n0 is silent (dead, stopped or cut off); rank 3 on n1 is late"), words);
    seen[2].unchanged = ROLL_UNCHANGED;
    judge(words, seen, 3);
    assert_string_equal(words,
            "rank 1 on n0 is silent (dead, stopped or cut off); rank 2 on n1 is silent (dead, "
            "stopped or cut off), last seen in phase 'exchange'");
}

static void test_roll__names_itself_and_not_too_many(void **state)
{
    (void)state;
    char words[1024];
    struct roll_seen seen[RANKS];
    wait_all(seen);
    seen[0].place.waits = false;
    seen[0].unchanged = ROLL_UNCHANGED; /* the reader does not read its own file */
    judge(words, seen, RANKS);
    assert_ptr_equal(strstr(words, "rank 0 on n0 is late in phase"), words);
    memset(seen + 1, 0, (RANKS - 1) * sizeof *seen);
    seen[0].place.waits = true;
    judge(words, seen, RANKS);
    assert_non_null(strstr(words, "; rank 6 on n3 is silent (dead, stopped or cut off); and 3 more"));
    assert_null(strstr(words, "rank 7"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_watch__ends_a_process_that_hangs),
            cmocka_unit_test(test_watch__lets_work_go_on),
            cmocka_unit_test(test_watch__zero_is_off),
            cmocka_unit_test(test_watch__suspension_does_not_count),
            cmocka_unit_test(test_watch__ends_though_nobody_reads),
            cmocka_unit_test(test_watch__is_over_not_before),
            cmocka_unit_test(test_roll__tells_who_calls),
            cmocka_unit_test(test_roll__sees_what_changes),
            cmocka_unit_test(test_roll__names_who_is_waited_for),
            cmocka_unit_test(test_roll__names_itself_and_not_too_many),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
