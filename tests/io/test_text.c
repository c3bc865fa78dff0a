#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/fault.h"
#include "comm/memory.h"
#include "io/text.h"
#include "tests/io/made.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void says(const char *words)
{
    if (!strstr(status_message(), words))
        fail_msg("'%s' is not in '%s'", words, status_message());
}

/* The lines of a file joined by '|', and the status that ended them. */
static enum status read_lines(const char *path, char *joined, size_t size)
{
    struct text *text;
    joined[0] = '\0';
    TRY(text_open(&text, path));
    enum status status;
    const char *line;
    size_t bytes;
    while ((status = text_next_good(text, &line, &bytes)) == STATUS_OK && line) {
        assert_int_equal(strlen(line), bytes);
        assert_true(strlen(joined) + bytes + 2 < size);
        strcat(strcat(joined, line), "|");
    }
    text_close(text);
    return status;
}

static size_t read_file(const char *path, char *bytes, size_t size)
{
    int file = open(path, O_RDONLY);
    ssize_t count = read(file, bytes, size);
    close(file);
    assert_in_range(count, 1, size - 1);
    return (size_t)count;
}

static void expect_lines(const char *content, const char *expected)
{
    char joined[1000];
    assert_int_equal(
            read_lines(made_file("lines", content, strlen(content)), joined, sizeof joined), STATUS_OK);
    assert_string_equal(joined, expected);
    assert_int_equal(
            read_lines(made_gzip("lines.gz", content, strlen(content)), joined, sizeof joined), STATUS_OK);
    assert_string_equal(joined, expected);
}

static void test_text__lines_end_at_newlines_only(void **state)
{
    (void)state;
    expect_lines("a\nbc\n", "a|bc|");
    expect_lines("a\r\nb\r\n\r\n", "a|b||");
    expect_lines("a\rb\nlast", "a\rb|last|");
    expect_lines("one\xE2\x80\xA8line\n\n", "one\xE2\x80\xA8line||");
    expect_lines("\xEF\xBB\xBFmark\n\xEF\xBB\xBFkept\n", "mark|\xEF\xBB\xBFkept|");
}

static void test_text__an_empty_file_has_no_line(void **state)
{
    (void)state;
    char joined[10];
    assert_int_equal(read_lines(made_file("empty", "", 0), joined, sizeof joined), STATUS_OK);
    assert_string_equal(joined, "");
    assert_int_equal(read_lines(made_file("mark", "\xEF\xBB\xBF", 3), joined, sizeof joined), STATUS_OK);
    assert_string_equal(joined, "");
}

/* A pipe that stays open: every line that was written is there to be read, whatever pieces it came in. Each read gives
 * one piece, though several may wait: O_DIRECT keeps them apart. */
static void expect_at_once(
        const char *const *pieces, const size_t *sizes, size_t count, const char *const *lines)
{
    int ends[2], saved = dup(STDIN_FILENO);
    assert_int_equal(pipe2(ends, O_DIRECT), 0);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    struct text *text;
    assert_int_equal(text_open(&text, "-"), STATUS_OK);
    dup2(saved, STDIN_FILENO);
    close(saved);
    alarm(60); /* who waits for more waits for ever */
    const char *line;
    size_t bytes;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(write(ends[1], pieces[i], sizes[i]), sizes[i]);
        if (!lines[i])
            continue;
        assert_int_equal(text_next_good(text, &line, &bytes), STATUS_OK);
        assert_string_equal(line, lines[i]);
    }
    close(ends[1]);
    assert_int_equal(text_next_good(text, &line, &bytes), STATUS_OK);
    assert_null(line);
    alarm(0);
    text_close(text);
}

static void test_text__a_line_is_read_as_soon_as_it_is_written(void **state)
{
    (void)state;
    static const char *const plain[] = {"\n", "one\n", "tw", "o\n"};
    static const char *const plain_lines[] = {"", "one", NULL, "two"};
    expect_at_once(plain, (const size_t[]){1, 4, 2, 2}, 4, plain_lines);
    static const char *const marked[] = {"\xEF", "\xBB\xBF", "\xEF\xBB\xBF\n", "\n"};
    static const char *const marked_lines[] = {NULL, NULL, "\xEF\xBB\xBF", ""};
    expect_at_once(marked, (const size_t[]){1, 2, 4, 1}, 4, marked_lines);

    char first[200], second[200];
    size_t first_bytes = read_file(made_gzip("first.gz", "one\n", 4), first, sizeof first);
    size_t second_bytes = read_file(made_gzip("second.gz", "two\n", 4), second, sizeof second);
    const char *const members[] = {first, first + 1, second, second + 5};
    static const char *const member_lines[] = {NULL, "one", NULL, "two"};
    expect_at_once(members, (const size_t[]){1, first_bytes - 1, 5, second_bytes - 5}, 4, member_lines);
}

/* gzip allows several members, each a file of its own, in one; nothing else may follow. */
static void test_text__gzip_members_follow_each_other(void **state)
{
    (void)state;
    char bytes[400], joined[100];
    size_t size = read_file(made_gzip("a.gz", "one\ntw", 6), bytes, sizeof bytes);
    size += read_file(made_gzip("b.gz", "", 0), bytes + size, sizeof bytes - size);
    size += read_file(made_gzip("c.gz", "o\n", 2), bytes + size, sizeof bytes - size);
    assert_int_equal(read_lines(made_file("abc.gz", bytes, size), joined, sizeof joined), STATUS_OK);
    assert_string_equal(joined, "one|two|");
    memcpy(bytes + size, "three\n", 6);
    assert_int_equal(read_lines(made_file("more.gz", bytes, size + 6), joined, sizeof joined), STATUS_DATA);
    says("more.gz: expected a gzip file, found damage after line 2: incorrect header check");
}

/* What decompresses to more than a buffer, many times over. */
static void test_text__gzip_may_be_much_smaller_than_its_lines(void **state)
{
    (void)state;
    enum { LINES = 300, BYTES = 5000 };
    char *content;
    assert_int_equal(memory_new(&content, "test", LINES, BYTES), STATUS_OK);
    memset(content, 'x', (size_t)LINES * BYTES);
    for (size_t i = 1; i <= LINES; i++)
        content[i * BYTES - 1] = '\n';
    struct text *text;
    assert_int_equal(text_open(&text, made_gzip("small.gz", content, (size_t)LINES * BYTES)), STATUS_OK);
    const char *line;
    size_t bytes;
    for (size_t i = 0; i < LINES; i++) {
        assert_int_equal(text_next_good(text, &line, &bytes), STATUS_OK);
        assert_int_equal(bytes, BYTES - 1);
    }
    assert_int_equal(text_next_good(text, &line, &bytes), STATUS_OK);
    assert_null(line);
    text_close(text);
    memory_free(content);
}

static void test_text__faulty_lines_are_named_and_can_be_passed(void **state)
{
    (void)state;
    char joined[100];
    const char bad[] = "good\nab\xC3(\nalso good\nx\0y\n";
    const char *path = made_file("bad", bad, sizeof bad - 1);
    assert_int_equal(read_lines(path, joined, sizeof joined), STATUS_DATA);
    says("bad:2: expected UTF-8, found 0xc3 at byte 3");

    static const enum text_fault expected[] = {TEXT_GOOD, TEXT_BAD_UTF8, TEXT_GOOD, TEXT_NUL};
    struct text *text;
    const char *line;
    size_t bytes;
    enum text_fault fault;
    assert_int_equal(text_open(&text, path), STATUS_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(text_next(text, &line, &bytes, &fault), STATUS_OK);
        assert_non_null(line);
        assert_int_equal(fault, expected[i]);
        assert_int_equal(text_line_number(text), i + 1);
    }
    assert_int_equal(text_fail(text, fault), STATUS_DATA);
    says("bad:4: expected text, found a NUL byte at byte 2");
    assert_int_equal(text_next(text, &line, &bytes, &fault), STATUS_OK);
    assert_null(line);
    text_close(text);
}

static void test_text__utf8_is_that_of_rfc_3629(void **state)
{
    (void)state;
    static const char *const good[] = {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
            "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xE2\x82",
            "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
            "\xFF", "\xF0\x90\x80", "\xE2\x28\xA1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(text_valid_utf8(good[i], strlen(good[i])), strlen(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char line[16] = "ab";
        strcat(line, bad[i]);
        assert_int_equal(text_valid_utf8(line, strlen(line)), 2);
    }
}

static void test_text__a_line_has_a_limit(void **state)
{
    (void)state;
    char *content;
    size_t size = TEXT_LINE_LIMIT + 20;
    assert_int_equal(memory_new(&content, "test", size, 1), STATUS_OK);
    memset(content, 'x', size);
    memcpy(content + TEXT_LINE_LIMIT, "\r\ny\n", 4);
    struct text *text;
    const char *line;
    size_t bytes;
    assert_int_equal(text_open(&text, made_file("long", content, TEXT_LINE_LIMIT + 4)), STATUS_OK);
    assert_int_equal(text_next_good(text, &line, &bytes), STATUS_OK);
    assert_int_equal(bytes, TEXT_LINE_LIMIT);
    assert_int_equal(text_next_good(text, &line, &bytes), STATUS_OK);
    assert_string_equal(line, "y");
    text_close(text);

    memset(content, 'x', size);
    memcpy(content + size - 3, "\ny\n", 3);
    assert_int_equal(text_open(&text, made_file("longer", content, size)), STATUS_OK);
    assert_int_equal(text_next_good(text, &line, &bytes), STATUS_DATA);
    says("longer:1: expected a line of at most 1000000 bytes, found 1000017 bytes");
    assert_int_equal(text_next_good(text, &line, &bytes), STATUS_OK);
    assert_string_equal(line, "y");
    text_close(text);
    memory_free(content);
}

static void test_text__what_cannot_be_opened_is_told(void **state)
{
    (void)state;
    struct text *text;
    assert_int_equal(text_open(&text, made_path("nothing")), STATUS_MISSING);
    says("nothing: No such file");
    assert_int_equal(mkdir(made_path("folder"), 0777), 0);
    assert_int_equal(text_open(&text, made_path("folder")), STATUS_IO);
    says("folder: Is a directory");
    const char *path = made_file("locked", "a\n", 2);
    assert_int_equal(chmod(path, 0), 0);
    if (access(path, R_OK) != 0)
        assert_int_equal(text_open(&text, path), STATUS_PERMISSION);
}

/* Every way to cut a .gz is noticed. */
static void test_text__a_truncated_gzip_is_refused(void **state)
{
    (void)state;
    const char *content = "many lines\nof text\nthat are compressed\nmany lines of text\n";
    char bytes[4000], joined[1000];
    size_t size = read_file(made_gzip("whole.gz", content, strlen(content)), bytes, sizeof bytes);
    assert_in_range(size, 30, 1000);
    for (size_t cut = 0; cut < size; cut++) {
        enum status status = read_lines(made_file("cut.gz", bytes, cut), joined, sizeof joined);
        if (status != STATUS_DATA)
            fail_msg("cut to %zu of %zu bytes: status %d", cut, size, status);
    }
    bytes[size / 2] ^= 1;
    assert_int_equal(read_lines(made_file("flip.gz", bytes, size), joined, sizeof joined), STATUS_DATA);
    says("flip.gz: expected a gzip file, found damage");
    assert_int_equal(read_lines(made_file("plain.gz", "abc\n", 4), joined, sizeof joined), STATUS_DATA);
    says("expected gzip data as its name says");
}

static void test_text__standard_input_is_read_twice_from_its_spool(void **state)
{
    (void)state;
    int saved = dup(STDIN_FILENO), ends[2], spool;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "one\ntwo\n", 8), 8);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    assert_int_equal(text_spool(&spool, "-"), STATUS_OK);
    dup2(saved, STDIN_FILENO);
    close(saved);
    for (int pass = 0; pass < 2; pass++) {
        struct text *text;
        const char *line;
        size_t bytes;
        assert_int_equal(text_open_spool(&text, spool, "-"), STATUS_OK);
        assert_int_equal(text_next_good(text, &line, &bytes), STATUS_OK);
        assert_string_equal(line, "one");
        assert_int_equal(text_next_good(text, &line, &bytes), STATUS_OK);
        assert_string_equal(line, "two");
        assert_int_equal(text_next_good(text, &line, &bytes), STATUS_OK);
        assert_null(line);
        text_close(text);
    }
    close(spool);
}

static void test_text__failing_opens_and_reads_are_told(void **state)
{
    (void)state;
    char joined[100];
    const char *path = made_file("fine", "a\nb\n", 4);
    assert_int_equal(fault_plan("open:1", 0), STATUS_OK);
    assert_int_equal(read_lines(path, joined, sizeof joined), STATUS_IO);
    assert_int_equal(fault_plan("read:1", 0), STATUS_OK);
    assert_int_equal(read_lines(path, joined, sizeof joined), STATUS_IO);
    assert_int_equal(fault_plan(NULL, 0), STATUS_OK);
}

/* What zlib takes is counted like all other memory: of a good file, its lack is never told as damage. */
static void test_text__memory_may_end_anywhere(void **state)
{
    (void)state;
    enum { BYTES = 200000 /* more than one read: zlib needs its window */, MOST = 20 };
    static char line[BYTES], joined[BYTES + 3];
    char plan[20];
    memset(line, 'x', sizeof line);
    const char *path = made_gzip("fine.gz", line, sizeof line);
    int failures = 0;
    enum status status;
    do {
        snprintf(plan, sizeof plan, "memory:%d", failures + 1);
        assert_int_equal(fault_plan(plan, 0), STATUS_OK);
        status = read_lines(path, joined, sizeof joined);
        failures += status == STATUS_INTERNAL;
        assert_int_equal(memory_blocks(), 0);
    } while (status == STATUS_INTERNAL && failures < MOST);
    assert_int_equal(fault_plan(NULL, 0), STATUS_OK);
    assert_int_equal(status, STATUS_OK);
    assert_in_range(failures, 8, MOST - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_text__lines_end_at_newlines_only),
            cmocka_unit_test(test_text__an_empty_file_has_no_line),
            cmocka_unit_test(test_text__a_line_is_read_as_soon_as_it_is_written),
            cmocka_unit_test(test_text__gzip_members_follow_each_other),
            cmocka_unit_test(test_text__gzip_may_be_much_smaller_than_its_lines),
            cmocka_unit_test(test_text__faulty_lines_are_named_and_can_be_passed),
            cmocka_unit_test(test_text__utf8_is_that_of_rfc_3629),
            cmocka_unit_test(test_text__a_line_has_a_limit),
            cmocka_unit_test(test_text__what_cannot_be_opened_is_told),
            cmocka_unit_test(test_text__a_truncated_gzip_is_refused),
            cmocka_unit_test(test_text__standard_input_is_read_twice_from_its_spool),
            cmocka_unit_test(test_text__failing_opens_and_reads_are_told),
            cmocka_unit_test(test_text__memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
