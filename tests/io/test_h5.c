#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/fault.h"
#include "comm/memory.h"
#include "io/h5.h"
#include "tests/io/h5_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static void read_sample(const char *path)
{
    struct h5_file *file;
    struct h5_reader *reader;
    int32_t tokens[150];
    float weight[12 * 12];
    if (h5_open(&file, path, H5_CHECKPOINT, false) != STATUS_OK)
        fail_msg("%s", status_message());
    assert_int_equal(h5_reader_open(&reader, file, "/source/tokens", H5_INT32, 1), STATUS_OK);
    assert_int_equal(h5_read_rows(reader, 0, 150, tokens), STATUS_OK);
    for (int i = 0; i < 150; i++)
        assert_int_equal(tokens[i], i * 7 % 1000);
    assert_int_equal(h5_read_rows(reader, 60, 70, tokens), STATUS_OK);
    assert_int_equal(tokens[69], 129 * 7 % 1000);
    h5_reader_close(reader);
    assert_int_equal(h5_reader_open(&reader, file, "/model/layer/weight", H5_FLOAT32, 2), STATUS_OK);
    for (size_t chunk = 0; chunk < 3; chunk++)
        assert_int_equal(h5_read_chunk(reader, chunk, weight + chunk * 48), STATUS_OK);
    for (int i = 0; i < 120; i++)
        assert_true(weight[i] == 0.01f * (float)i);
    h5_reader_close(reader);
    h5_close(file);
}

static void test_h5__round_trip_at_each_compression(void **state)
{
    (void)state;
    for (int compression = 0; compression <= 9; compression += compression < 2 ? 1 : 7) {
        assert_int_equal(files_sample(files_path("a.h5"), H5_CHECKPOINT, compression), STATUS_OK);
        read_sample(files_path("a.h5"));
    }
}

static void test_h5__values_and_list(void **state)
{
    (void)state;
    static const char *const names[] = {"/config", "/empty", "/model/layer/weight", "/source/nothing",
            "/source/offsets", "/source/tokens", "/state/best", "/state/history", "/state/update"};
    struct h5_file *file;
    struct h5_array array;
    int64_t update;
    double best, *history;
    char *text;
    assert_int_equal(files_sample(files_path("a.h5"), H5_CORPUS, 1), STATUS_OK);
    assert_int_equal(h5_open(&file, files_path("a.h5"), H5_CORPUS, false), STATUS_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_true(h5_list(file, i, &array));
        assert_string_equal(array.name, names[i]);
    }
    assert_false(h5_list(file, sizeof names / sizeof names[0], &array));
    assert_int_equal(h5_get_int(file, "/state/update", &update), STATUS_OK);
    assert_int_equal(update, 42);
    assert_int_equal(h5_get_real(file, "/state/best", &best), STATUS_OK);
    assert_true(best == 0.125);
    assert_int_equal(h5_get(file, "/state/history", H5_FLOAT64, 1, &history, &array), STATUS_OK);
    assert_int_equal(array.shape[0], 3);
    assert_true(history[2] == 3.25);
    memory_free(history);
    assert_int_equal(h5_check_rows(file, "/state/history", 3), STATUS_OK);
    assert_int_equal(h5_check_rows(file, "/nothing", 0), STATUS_OK);
    assert_int_equal(h5_check_rows(file, "/state/history", 2), STATUS_DATA);
    assert_non_null(strstr(status_message(), "a.h5: /state/history: expected at most 2 rows, found 3"));
    assert_int_equal(h5_get_text(file, "/config", &text), STATUS_OK);
    assert_string_equal(text, "model:\n  width: 8\n");
    memory_free(text);
    assert_int_equal(h5_get_text(file, "/empty", &text), STATUS_OK);
    assert_string_equal(text, "");
    memory_free(text);
    assert_int_equal(h5_get_int(file, "/absent", &update), STATUS_DATA);
    assert_non_null(strstr(status_message(), "/absent, found none"));
    assert_int_equal(h5_get_int(file, "/state/best", &update), STATUS_DATA);
    assert_non_null(strstr(status_message(), "int64 of rank 0, found float64"));
    h5_close(file);
}

static void test_h5__equal_contents_are_equal_bytes(void **state)
{
    (void)state;
    assert_int_equal(files_sample(files_path("a.h5"), H5_CORPUS, 1), STATUS_OK);
    sleep(1); /* object times would differ by then */
    assert_int_equal(files_sample(files_path("b.h5"), H5_CORPUS, 1), STATUS_OK);
    assert_true(files_equal(files_path("a.h5"), files_path("b.h5")));
}

static enum status open_status(const char *path, enum h5_kind kind)
{
    struct h5_file *file;
    enum status status = h5_open(&file, path, kind, false);
    if (status == STATUS_OK)
        h5_close(file);
    return status;
}

static void test_h5__refuses_what_is_no_file_of_its_kind(void **state)
{
    (void)state;
    const char *path = files_path("a.h5");
    enum h5_kind kind;
    assert_int_equal(open_status(path, H5_CORPUS), STATUS_MISSING);
    assert_int_equal(files_sample(path, H5_CORPUS, 1), STATUS_OK);
    assert_int_equal(open_status(path, H5_CHECKPOINT), STATUS_DATA);
    assert_non_null(strstr(status_message(), "expected a checkpoint, found a corpus"));
    assert_int_equal(h5_peek(path, &kind), STATUS_OK);
    assert_int_equal(kind, H5_CORPUS);
    assert_int_equal(open_status(files_path(""), H5_CORPUS), STATUS_DATA);
    assert_non_null(strstr(status_message(), "found a folder"));
    files_write(path, "hello", 5);
    assert_int_equal(h5_peek(path, &kind), STATUS_DATA);
    assert_non_null(strstr(status_message(), "found a file of 5 bytes"));
}

static void test_h5__refuses_a_newer_format(void **state)
{
    (void)state;
    const char *path = files_path("a.h5");
    size_t bytes;
    assert_int_equal(files_sample(path, H5_CORPUS, 1), STATUS_OK);
    unsigned char *data = files_read(path, &bytes);
    assert_non_null(data);
    data[8]++; /* the version, and then the header's own CRC */
    uint32_t crc = (uint32_t)crc32(0, data, H5_HEADER_BYTES - 4);
    memcpy(data + H5_HEADER_BYTES - 4, &crc, sizeof crc);
    files_write(path, data, bytes);
    free(data);
    assert_int_equal(open_status(path, H5_CORPUS), STATUS_DATA);
    assert_non_null(strstr(status_message(), "found 2: a newer seqtrain wrote it"));
}

static void test_h5__refuses_every_flipped_byte_and_every_cut(void **state)
{
    (void)state;
    size_t bytes;
    const char *good = files_path("a.h5"), *bad = files_path("b.h5");
    assert_int_equal(files_sample(good, H5_CHECKPOINT, 1), STATUS_OK);
    unsigned char *data = files_read(good, &bytes);
    files_write(bad, data, bytes);
    FILE *file = fopen(bad, "r+b");
    setbuf(file, NULL);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char flipped = data[i] ^ (unsigned char)(1 << i % 8);
        fseek(file, (long)i, SEEK_SET);
        fwrite(&flipped, 1, 1, file);
        assert_int_equal(open_status(bad, H5_CHECKPOINT), STATUS_DATA);
        assert_non_null(strstr(status_message(), bad));
        fseek(file, (long)i, SEEK_SET);
        fwrite(&data[i], 1, 1, file);
    }
    fclose(file);
    assert_int_equal(open_status(bad, H5_CHECKPOINT), STATUS_OK);
    for (size_t i = bytes; i-- > 0;) {
        assert_int_equal(truncate(bad, (off_t)i), 0);
        assert_int_equal(open_status(bad, H5_CHECKPOINT), STATUS_DATA);
    }
    free(data);
}

/* Every pass through a site fails in turn; what stood there before stays whole. Returns the number of passes. */
static int walk_failures(const char *site, const char *mode, const char *before, const char *after)
{
    const char *path = files_path("walk.h5");
    for (int n = 1; n < 1000; n++) {
        size_t bytes;
        unsigned char *old = files_read(before, &bytes);
        files_write(path, old, bytes);
        free(old);
        char plan[64];
        snprintf(plan, sizeof plan, "%s:%d%s", site, n, mode);
        assert_int_equal(fault_plan(plan, 0), STATUS_OK);
        enum status status = files_sample(path, H5_CHECKPOINT, 2);
        fault_plan(NULL, 0);
        assert_false(files_any(files_path(""), ".tmp"));
        if (status == STATUS_OK)
            return n - 1;
        assert_int_equal(status, strcmp(site, "memory") ? STATUS_IO : STATUS_INTERNAL);
        assert_true(strlen(status_message()) > 0);
        /* Only when the folder cannot be synced has the new file its name already. */
        assert_true(files_equal(path, before) || (!strcmp(site, "sync") && files_equal(path, after)));
    }
    return -1;
}

static void test_h5__a_failed_write_leaves_the_old_file(void **state)
{
    (void)state;
    const char *before = files_path("before.h5"), *after = files_path("after.h5");
    assert_int_equal(files_sample(before, H5_CHECKPOINT, 1), STATUS_OK);
    assert_int_equal(files_sample(after, H5_CHECKPOINT, 2), STATUS_OK);
    assert_true(walk_failures("write", "", before, after) > 5);
    assert_true(walk_failures("write", "+", before, after) > 5);
    assert_int_equal(walk_failures("open", "", before, after), 1);
    assert_int_equal(walk_failures("sync", "", before, after), 2);
    assert_int_equal(walk_failures("rename", "", before, after), 1);
    assert_true(walk_failures("read", "", before, after) > 1);
    assert_true(walk_failures("memory", "", before, after) > 5);
}

/* The same file by writes and reads that take half, with interruptions between; but no endless storm of these. */
static void test_h5__short_and_interrupted_calls_are_gone_through(void **state)
{
    (void)state;
    const char *plain = files_path("a.h5"), *path = files_path("b.h5");
    assert_int_equal(files_sample(plain, H5_CHECKPOINT, 1), STATUS_OK);
    for (int n = 1; n < 20; n++) {
        char plan[64];
        snprintf(plan, sizeof plan, "short:%d+,interrupt:%d", n, 3 * n);
        assert_int_equal(fault_plan(plan, 0), STATUS_OK);
        assert_int_equal(files_sample(path, H5_CHECKPOINT, 1), STATUS_OK);
        read_sample(path);
        fault_plan(NULL, 0);
        assert_true(files_equal(plain, path));
    }
    assert_int_equal(fault_plan("interrupt:10+", 0), STATUS_OK);
    assert_int_equal(files_sample(path, H5_CHECKPOINT, 1), STATUS_IO);
    assert_non_null(strstr(status_message(), "Interrupted"));
    assert_int_equal(open_status(plain, H5_CHECKPOINT), STATUS_IO);
    fault_plan(NULL, 0);
    assert_true(files_equal(plain, path));
}

/* A try that failed has left its file, with another name to it: that one is not written to. */
static void test_h5__each_try_writes_to_a_new_file(void **state)
{
    (void)state;
    size_t bytes;
    const char *left = files_path("a.h5.tmp"), *other = files_path("other");
    files_write(left, "left over", 9);
    assert_int_equal(link(left, other), 0);
    assert_int_equal(files_sample(files_path("a.h5"), H5_CHECKPOINT, 1), STATUS_OK);
    free(files_read(other, &bytes));
    assert_int_equal(bytes, 9);
    read_sample(files_path("a.h5"));
}

/* What is wrong with the machine is not blamed on the file. */
static void test_h5__opening_fails_anywhere_for_its_own_reason(void **state)
{
    static const struct {
        const char *site;
        enum status status;
    } rows[] = {{"memory", STATUS_INTERNAL}, {"read", STATUS_IO}, {"open", STATUS_IO}};
    (void)state;
    const char *path = files_path("fine.h5");
    assert_int_equal(files_sample(path, H5_CHECKPOINT, 1), STATUS_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum status status = STATUS_INTERNAL;
        int n = 1;
        for (; status != STATUS_OK; n++) {
            char plan[64];
            snprintf(plan, sizeof plan, "%s:%d", rows[i].site, n);
            assert_int_equal(fault_plan(plan, 0), STATUS_OK);
            status = open_status(path, H5_CHECKPOINT);
            fault_plan(NULL, 0);
            assert_true(status == STATUS_OK || status == rows[i].status);
            assert_true(n < 1000);
        }
        assert_true(n > 2);
    }
}

static void test_h5__a_full_disk_says_how_much_is_needed(void **state)
{
    (void)state;
    assert_int_equal(fault_plan("write:2", 0), STATUS_OK);
    assert_int_equal(files_sample(files_path("a.h5"), H5_CORPUS, 1), STATUS_IO);
    assert_non_null(strstr(status_message(), "it needs at least"));
    assert_int_equal(access(files_path("a.h5"), F_OK), -1);
}

static void test_h5__a_new_name_is_taken_back_when_the_folder_fails(void **state)
{
    (void)state;
    assert_int_equal(fault_plan("sync:2", 0), STATUS_OK);
    assert_int_equal(files_sample(files_path("a.h5"), H5_CORPUS, 1), STATUS_IO);
    assert_int_equal(access(files_path("a.h5"), F_OK), -1);
}

static void test_h5__a_file_cut_off_while_in_use_is_an_io_failure(void **state)
{
    (void)state;
    const char *path = files_path("a.h5");
    struct h5_file *file;
    struct h5_reader *reader;
    int32_t tokens[150];
    assert_int_equal(files_sample(path, H5_CORPUS, 1), STATUS_OK);
    assert_int_equal(h5_open(&file, path, H5_CORPUS, false), STATUS_OK);
    assert_int_equal(h5_reader_open(&reader, file, "/source/tokens", H5_INT32, 1), STATUS_OK);
    assert_int_equal(truncate(path, 600), 0);
    assert_int_equal(h5_read_rows(reader, 0, 150, tokens), STATUS_IO);
    assert_non_null(strstr(status_message(), "cut off"));
    h5_reader_close(reader);
    h5_close(file);
}

static void flip(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    fputc(byte ^ 1, file);
    fclose(file);
}

/* The last byte is none of the array that is read: nothing of it need be wrong for the file to be another. */
static void test_h5__a_file_written_to_while_in_use_is_an_io_failure(void **state)
{
    (void)state;
    const char *path = files_path("a.h5");
    size_t bytes;
    struct h5_file *file;
    struct h5_reader *reader;
    float weight[48];
    assert_int_equal(files_sample(path, H5_CORPUS, 0), STATUS_OK);
    free(files_read(path, &bytes));
    assert_int_equal(h5_open(&file, path, H5_CORPUS, false), STATUS_OK);
    assert_int_equal(h5_reader_open(&reader, file, "/model/layer/weight", H5_FLOAT32, 2), STATUS_OK);
    usleep(20000); /* times of files are those of the last tick */
    flip(path, (long)bytes - 1);
    assert_int_equal(h5_read_chunk(reader, 0, weight), STATUS_IO);
    assert_non_null(strstr(status_message(), path));
    assert_non_null(strstr(status_message(), "has been written to since"));
    flip(path, (long)bytes - 1);
    assert_int_equal(h5_read_chunk(reader, 0, weight), STATUS_OK);
    assert_int_equal(truncate(path, (off_t)bytes - 1), 0);
    assert_int_equal(h5_read_chunk(reader, 0, weight), STATUS_IO);
    h5_reader_close(reader);
    h5_close(file);
}

static void test_h5__a_file_touched_or_replaced_while_in_use_is_read_on(void **state)
{
    (void)state;
    const char *path = files_path("a.h5"), *other = files_path("b.h5");
    static const struct timespec times[2]; /* 1970 */
    struct h5_file *file;
    struct h5_reader *reader;
    float weight[48];
    assert_int_equal(files_sample(path, H5_CORPUS, 0), STATUS_OK);
    files_write(other, "another", 7);
    assert_int_equal(h5_open(&file, path, H5_CORPUS, false), STATUS_OK);
    assert_int_equal(h5_reader_open(&reader, file, "/model/layer/weight", H5_FLOAT32, 2), STATUS_OK);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(h5_read_chunk(reader, 1, weight), STATUS_OK);
        assert_true(weight[1] == 0.01f * 49);
        assert_int_equal(rename(other, path), i ? -1 : 0);
    }
    h5_reader_close(reader);
    h5_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    test_h5__round_trip_at_each_compression, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(test_h5__values_and_list, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5__equal_contents_are_equal_bytes, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5__refuses_what_is_no_file_of_its_kind, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(test_h5__refuses_a_newer_format, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5__refuses_every_flipped_byte_and_every_cut, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5__a_failed_write_leaves_the_old_file, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5__short_and_interrupted_calls_are_gone_through, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5__each_try_writes_to_a_new_file, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5__opening_fails_anywhere_for_its_own_reason, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5__a_full_disk_says_how_much_is_needed, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5__a_new_name_is_taken_back_when_the_folder_fails, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5__a_file_cut_off_while_in_use_is_an_io_failure, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5__a_file_written_to_while_in_use_is_an_io_failure, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5__a_file_touched_or_replaced_while_in_use_is_read_on, files_setup, files_teardown),
    };
    return cmocka_run_group_tests_name("h5", tests, NULL, NULL);
}
