#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "comm/status.h"

static void test_status__codes_are_sysexits(void **state)
{
    (void)state;
    assert_int_equal(STATUS_OK, 0);
    assert_int_equal(STATUS_USAGE, 64);
    assert_int_equal(STATUS_STOPPED, 75);
    assert_int_equal(STATUS_CONFIG, 78);
    assert_string_equal(status_text(STATUS_BUSY), "run directory in use");
    assert_string_equal(status_text((enum status)1), "unknown status");
}

static enum status check_heads(int width, int heads)
{
    CHECK(width % heads == 0, STATUS_CONFIG, "width %d is not divisible by %d", width, heads);
    return STATUS_OK;
}

static enum status configure(int width, int *reached)
{
    TRY(check_heads(width, 4));
    *reached = 1;
    return STATUS_OK;
}

static void test_status__try_passes_a_failure_up(void **state)
{
    (void)state;
    int reached = 0;
    status_clear();
    assert_int_equal(configure(6, &reached), STATUS_CONFIG);
    assert_int_equal(reached, 0);
    assert_string_equal(status_message(), "width 6 is not divisible by 4");
    assert_int_equal(configure(8, &reached), STATUS_OK);
    assert_int_equal(reached, 1);
    status_clear();
    assert_string_equal(status_message(), "");
}

static void test_status__a_message_may_quote_the_last(void **state)
{
    (void)state;
    status_fail(STATUS_DATA, "line 3");
    assert_int_equal(status_fail(STATUS_IO, "copy: %s", status_message()), STATUS_IO);
    assert_string_equal(status_message(), "copy: line 3");
}

static void test_status__errno_tells_the_code(void **state)
{
    (void)state;
    static const struct {
        int error;
        enum status status;
    } cases[] = {{ENOENT, STATUS_MISSING}, {EACCES, STATUS_PERMISSION}, {EROFS, STATUS_PERMISSION},
            {ENOSPC, STATUS_IO}, {EIO, STATUS_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        errno = cases[i].error;
        assert_int_equal(status_fail_errno("read", "a/b.h5"), cases[i].status);
        assert_non_null(strstr(status_message(), "cannot read a/b.h5: "));
        assert_non_null(strstr(status_message(), strerror(cases[i].error)));
    }
}

static void test_status__long_messages_are_cut(void **state)
{
    (void)state;
    char text[9000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    status_fail(STATUS_DATA, "%s", text);
    assert_in_range(strlen(status_message()), 1000, 8999);
}

static void *fail_elsewhere(void *unused)
{
    status_fail(STATUS_IO, "of the other thread");
    return unused;
}

static void test_status__what_moves_a_terminal_is_not_passed_on(void **state)
{
    (void)state;
    status_fail(STATUS_DATA, "%s: found '%s'", "a\nb.h5", "\033[2J\r\t\x7F\xC3\xA4");
    assert_string_equal(status_message(), "a?b.h5: found '?[2J???\xC3\xA4'");
}

static void test_status__messages_belong_to_a_thread(void **state)
{
    (void)state;
    pthread_t thread;
    status_fail(STATUS_DATA, "of this thread");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    assert_string_equal(status_message(), "of this thread");
}

static void end_with_nine(void)
{
    _exit(9);
}

static void test_status__a_bug_ends_the_job(void **state)
{
    (void)state;
    int ended;
    pid_t process = fork();
    if (process == 0) {
        close(STDERR_FILENO);
        status_on_bug(end_with_nine);
        ASSERT(1 + 1 == 3);
        _exit(0);
    }
    assert_int_equal(waitpid(process, &ended, 0), process);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_status__codes_are_sysexits),
            cmocka_unit_test(test_status__try_passes_a_failure_up),
            cmocka_unit_test(test_status__a_message_may_quote_the_last),
            cmocka_unit_test(test_status__errno_tells_the_code),
            cmocka_unit_test(test_status__long_messages_are_cut),
            cmocka_unit_test(test_status__what_moves_a_terminal_is_not_passed_on),
            cmocka_unit_test(test_status__messages_belong_to_a_thread),
            cmocka_unit_test(test_status__a_bug_ends_the_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
