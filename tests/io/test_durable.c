#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/fault.h"
#include "io/durable.h"
#include "tests/io/h5_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* /proc answers fsync() of a folder with EINVAL, as some network file systems do. */
static void test_durable__a_folder_that_knows_no_fsync_is_good_enough(void **state)
{
    (void)state;
    int folder = open("/proc", O_RDONLY | O_DIRECTORY);
    assert_int_equal(fsync(folder), -1);
    assert_int_equal(errno, EINVAL);
    close(folder);
    assert_int_equal(durable_sync_folder("/proc/version"), STATUS_OK);
    assert_int_equal(durable_sync_folder(files_path("file")), STATUS_OK);
}

static void test_durable__a_folder_that_fails_is_told(void **state)
{
    (void)state;
    assert_int_equal(durable_sync_folder(files_path("absent/file")), STATUS_MISSING);
    assert_non_null(strstr(status_message(), "absent"));
    assert_int_equal(fault_plan("sync:1", 0), STATUS_OK);
    assert_int_equal(durable_sync_folder(files_path("file")), STATUS_IO);
}

static void test_durable__what_is_no_plain_file_is_not_replaced(void **state)
{
    (void)state;
    assert_int_equal(durable_write(files_path("file"), "1", 1), STATUS_OK);
    assert_int_equal(durable_check(files_path("file")), STATUS_OK);
    assert_int_equal(durable_check(files_path("absent")), STATUS_OK);
    assert_int_equal(durable_check("/dev/null"), STATUS_IO);
    assert_non_null(strstr(status_message(), "/dev/null"));
    assert_int_equal(durable_check("/dev"), STATUS_IO);
    assert_non_null(strstr(status_message(), "Is a directory"));
}

/* Short writes and interruptions are gone through, but not for ever. */
static void test_durable__an_endless_storm_of_interruptions_ends(void **state)
{
    (void)state;
    static const struct {
        const char *plan;
        enum status status;
    } rows[] = {{"short:1+", STATUS_OK}, {"interrupt:1,short:1+", STATUS_OK}, {"interrupt:1+", STATUS_IO}};
    const char *path = files_path("file");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t bytes;
        assert_int_equal(fault_plan(rows[i].plan, 0), STATUS_OK);
        assert_int_equal(durable_write(path, "0123456789", 10 - i), rows[i].status);
        fault_plan(NULL, 0);
        unsigned char *found = files_read(path, &bytes);
        assert_int_equal(bytes, rows[i].status == STATUS_OK ? 10 - i : 9);
        assert_memory_equal(found, "0123456789", bytes);
        free(found);
    }
    assert_non_null(strstr(status_message(), "Interrupted"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    test_durable__a_folder_that_knows_no_fsync_is_good_enough, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_durable__a_folder_that_fails_is_told, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_durable__what_is_no_plain_file_is_not_replaced, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_durable__an_endless_storm_of_interruptions_ends, files_setup, files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
