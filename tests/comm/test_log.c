#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "comm/log.h"

static char folder[] = "/tmp/seqtrain-test-log-XXXXXX";
static int terminal; /* the real standard error */

/* Standard error goes to a file until read_errors(). */
static void catch_errors(void)
{
    char path[64];
    snprintf(path, sizeof path, "%s/stderr", folder);
    fflush(stderr);
    terminal = dup(STDERR_FILENO);
    assert_non_null(freopen(path, "w", stderr));
}

static void read_file(const char *name, char *out, size_t room)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    out[fread(out, 1, room - 1, file)] = '\0';
    fclose(file);
}

static void read_errors(char *out, size_t room)
{
    fflush(stderr);
    dup2(terminal, STDERR_FILENO);
    close(terminal);
    read_file("stderr", out, room);
}

static void test_log__levels_and_ranks(void **state)
{
    (void)state;
    char text[1000];
    catch_errors();
    log_line(LOG_INFO, "update %d", 7);
    log_line(LOG_DETAIL, "too fine");
    log_line(LOG_WARNING, "slow");
    log_line(LOG_ERROR, "lost");
    log_set_rank(3);
    log_line(LOG_ERROR, "rank 0 says this");
    log_rank(LOG_INFO, "here");
    log_set_rank(0);
    log_set_level(LOG_DETAIL);
    log_line(LOG_DETAIL, "fine");
    log_set_level(LOG_ERROR);
    log_line(LOG_WARNING, "quiet");
    log_set_level(LOG_INFO);
    read_errors(text, sizeof text);
    assert_string_equal(text, "update 7\nwarning: slow\nerror: lost\n[rank 3] here\nfine\n");
}

static void test_log__a_file_gets_the_lines_too(void **state)
{
    (void)state;
    char path[64], text[1000];
    snprintf(path, sizeof path, "%s/log.txt", folder);
    catch_errors();
    log_line(LOG_INFO, "before");
    assert_int_equal(log_file(path), STATUS_OK);
    log_line(LOG_INFO, "one");
    assert_int_equal(log_file(path), STATUS_OK); /* appends */
    log_line(LOG_WARNING, "two");
    log_record(LOG_ERROR, "on record");
    log_record(LOG_DETAIL, "too fine");
    assert_int_equal(log_file(NULL), STATUS_OK);
    log_line(LOG_INFO, "after");
    read_errors(text, sizeof text);
    assert_string_equal(text, "before\none\nwarning: two\nafter\n");
    read_file("log.txt", text, sizeof text);
    assert_string_equal(text, "one\nwarning: two\nerror: on record\n");
}

static void test_log__a_file_that_cannot_be_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(log_file("/nowhere/at/all/log.txt"), STATUS_MISSING);
    assert_non_null(strstr(status_message(), "/nowhere/at/all/log.txt"));
}

static void test_log__progress_needs_a_terminal(void **state)
{
    (void)state;
    char text[100];
    catch_errors();
    assert_false(log_is_terminal());
    log_progress("50 %");
    log_progress(NULL);
    read_errors(text, sizeof text);
    assert_string_equal(text, "");
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"stderr", "log.txt"};
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_log__levels_and_ranks),
            cmocka_unit_test(test_log__a_file_gets_the_lines_too),
            cmocka_unit_test(test_log__a_file_that_cannot_be_is_an_error),
            cmocka_unit_test(test_log__progress_needs_a_terminal),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
