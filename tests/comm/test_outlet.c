#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "comm/outlet.h"

/* Each case in a process of its own, since standard error is one for each: `play` gets one end of `ends` as standard error,
 * and the test the other. A case that waits for the reader is ended by the alarm. */
static pid_t start(void (*play)(void), const int ends[2])
{
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        signal(SIGPIPE, SIG_IGN);
        if (ends) {
            dup2(ends[1], STDERR_FILENO);
            close(ends[0]);
            close(ends[1]);
        }
        play();
        _exit(0);
    }
    if (ends)
        close(ends[1]);
    return child;
}

static int status_of(pid_t child)
{
    int how = 0;
    waitpid(child, &how, 0);
    return WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
}

static void put(const char *text)
{
    outlet_put(text, strlen(text));
}

static void put_numbers(int from, int to)
{
    char line[200];
    for (int i = from; i < to; i++) {
        snprintf(line, sizeof line, "%0100d\n", i);
        put(line);
    }
}

static char *read_all(int descriptor)
{
    size_t room = 1 << 20, count = 0;
    char *text = malloc(room);
    for (ssize_t got; (got = read(descriptor, text + count, room - 1 - count)) > 0;)
        count += (size_t)got;
    text[count] = '\0';
    return text;
}

/* ---- cases ---- */

enum { MANY = 4000 }; /* lines of 101 bytes: more than a pipe and the outlet hold together */

static void play_nobody_reads(void)
{
    outlet_open();
    put_numbers(0, MANY);
    if (outlet_close())
        _exit(1);
}

static void play_late_reader(void)
{
    outlet_open();
    put_numbers(0, MANY);
    raise(SIGSTOP); /* until the test has emptied the pipe */
    put("at last\n");
    if (!outlet_close())
        _exit(1);
}

static void play_slow_reader(void)
{
    outlet_open();
    put_numbers(0, 1200);
    if (!outlet_close())
        _exit(1);
}

static void play_lost(void)
{
    outlet_open();
    put_numbers(0, 10);
    outlet_end("last words\n", strlen("last words\n"));
    if (outlet_close())
        _exit(1);
}

static void play_full_disk(void)
{
    dup2(open("/dev/full", O_WRONLY), STDERR_FILENO);
    outlet_open();
    put_numbers(0, 10);
    int none = open("/dev/null", O_WRONLY);
    dup2(none, STDERR_FILENO); /* there is room again */
    put("x\n");
    if (!outlet_close())
        _exit(1);
}

/* The next file must not become standard output or error. */
static void play_closed(void)
{
    for (int d = 0; d <= STDERR_FILENO; d++)
        close(d);
    outlet_open();
    int next = open("/dev/null", O_RDWR);
    char byte;
    put("x\n");
    bool fails =
            write(STDOUT_FILENO, "x", 1) < 0 && write(STDERR_FILENO, "x", 1) < 0 && read(0, &byte, 1) < 0;
    if (next <= STDERR_FILENO || !fails || outlet_close())
        _exit(1);
}

/* ---- tests ---- */

static void test_outlet__a_pipe_that_nobody_reads(void **unused)
{
    (void)unused;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(status_of(start(play_nobody_reads, ends)), 0);
    close(ends[0]);
}

static void test_outlet__a_socket_that_nobody_reads(void **unused)
{
    (void)unused;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(status_of(start(play_nobody_reads, ends)), 0);
    close(ends[0]);
}

/* What is missing is told where it is missing, and the rest is in order. */
static void test_outlet__a_late_reader_learns_what_is_missing(void **unused)
{
    (void)unused;
    int ends[2], how;
    assert_int_equal(pipe(ends), 0);
    pid_t child = start(play_late_reader, ends);
    waitpid(child, &how, WUNTRACED);
    assert_true(WIFSTOPPED(how));
    char *first = malloc(1 << 16);
    ssize_t got = read(ends[0], first, 1 << 16);
    assert_true(got > 0);
    kill(child, SIGCONT);
    char *rest = read_all(ends[0]);
    assert_int_equal(status_of(child), 0);
    char *text = malloc((size_t)got + strlen(rest) + 1);
    memcpy(text, first, (size_t)got);
    strcpy(text + got, rest);
    int number = 0, missing = 0;
    char *at = text;
    for (; strncmp(at, "warning", 7) != 0; at = strchr(at, '\n') + 1)
        assert_int_equal(atoi(at), number++);
    assert_int_equal(sscanf(at, "warning: %d lines are missing here", &missing), 1);
    assert_int_equal(number + missing, MANY);
    assert_string_equal(strchr(at, '\n') + 1, "at last\n");
    free(first);
    free(rest);
    free(text);
    close(ends[0]);
}

static void test_outlet__a_slow_reader_gets_all(void **unused)
{
    (void)unused;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = start(play_slow_reader, ends);
    usleep(200000);
    char *text = read_all(ends[0]);
    assert_int_equal(status_of(child), 0);
    assert_int_equal(strlen(text), 1200 * 101);
    free(text);
    close(ends[0]);
}

static void test_outlet__a_closed_pipe(void **unused)
{
    (void)unused;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    ends[0] = dup(ends[1]);
    pid_t child = start(play_lost, ends);
    close(ends[0]);
    assert_int_equal(status_of(child), 0);
}

static void test_outlet__a_full_disk(void **unused)
{
    (void)unused;
    assert_int_equal(status_of(start(play_full_disk, NULL)), 0);
}

static void test_outlet__nothing_is_open(void **unused)
{
    (void)unused;
    assert_int_equal(status_of(start(play_closed, NULL)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_outlet__a_pipe_that_nobody_reads),
            cmocka_unit_test(test_outlet__a_socket_that_nobody_reads),
            cmocka_unit_test(test_outlet__a_late_reader_learns_what_is_missing),
            cmocka_unit_test(test_outlet__a_slow_reader_gets_all),
            cmocka_unit_test(test_outlet__a_closed_pipe),
            cmocka_unit_test(test_outlet__a_full_disk),
            cmocka_unit_test(test_outlet__nothing_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
