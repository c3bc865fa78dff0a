/* TensorBoard event files against the bytes of TensorFlow's own protobuf and CRC; tests/peers reads whole files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/fault.h"
#include "comm/memory.h"
#include "io/events.h"
#include "tests/io/made.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct event_scalar scalars[] = {{"train/loss", 0.25}, {"b", -3}};

static const uint8_t known[] = {
        /* length 43, its CRC */
        0x2b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x86, 0x1b, 0xc3, 0x4b,
        /* wall_time 1.5, step 300 */
        0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf8, 0x3f, 0x10, 0xac, 0x02,
        /* summary: two values */
        0x2a, 0x1d, 0x0a, 0x11, 0x0a, 0x0a, 0x74, 0x72, 0x61, 0x69, 0x6e, 0x2f, 0x6c, 0x6f, 0x73, 0x73, 0x15,
        0x00, 0x00, 0x80, 0x3e, 0x0a, 0x08, 0x0a, 0x01, 0x62, 0x15, 0x00, 0x00, 0x40, 0xc0,
        /* CRC of the event */
        0x01, 0x7c, 0xc3, 0xb9};

static void test_events__a_record_is_that_of_tensorflow(void **state)
{
    (void)state;
    uint8_t record[256];
    assert_int_equal(events_record(record, sizeof record, 1.5, 300, scalars, 2), sizeof known);
    assert_memory_equal(record, known, sizeof known);
    assert_int_equal(events_record(record, sizeof known, 1.5, 300, scalars, 2), sizeof known);
    for (size_t room = 0; room < sizeof known; room++)
        assert_int_equal(events_record(record, room, 1.5, 300, scalars, 2), 0);
}

/* Event files of the folder; the name of the last one, in order, into `name`. */
static int count_files(char name[256])
{
    int count = 0;
    DIR *stream = opendir(made_path("."));
    assert_non_null(stream);
    name[0] = '\0';
    for (struct dirent *entry; (entry = readdir(stream));)
        if (strncmp(entry->d_name, "events.out.tfevents.", 20) == 0) {
            count++;
            if (strcmp(entry->d_name, name) > 0)
                snprintf(name, 256, "%s", entry->d_name);
        }
    closedir(stream);
    return count;
}

/* Records of a file, and what the second holds from its step on: that of the START. */
static int count_records(const char *name, uint8_t *start, size_t room)
{
    uint8_t head[12], data[256];
    int count = 0;
    FILE *file = fopen(made_path(name), "rb");
    assert_non_null(file);
    for (; fread(head, 1, sizeof head, file) == sizeof head; count++) {
        assert_true(head[0] + 4u <= sizeof data);
        assert_int_equal(fread(data, 1, head[0] + 4u, file), head[0] + 4u);
        if (count == 1)
            memcpy(start, data + 9, room);
    }
    fclose(file);
    return count;
}

static void test_events__each_start_has_a_file_that_begins_with_its_update(void **state)
{
    (void)state;
    struct events *events;
    char name[256];
    uint8_t start[6];
    static const uint8_t expected[6] = {0x10, 0x07, 0x3a, 0x02, 0x08, 0x01}; /* step 7, START */
    for (int n = 1; n <= 3; n++) {
        assert_int_equal(events_open(&events, made_path("."), 7), STATUS_OK);
        assert_int_equal(events_add(events, 7, scalars, 2), STATUS_OK);
        assert_int_equal(events_add(events, 8, scalars, 1), STATUS_OK);
        events_close(events);
        assert_int_equal(count_files(name), n);
        assert_int_equal(count_records(name, start, sizeof start), 4);
        assert_memory_equal(start, expected, sizeof start);
    }
}

static void test_events__a_full_disk_is_told(void **state)
{
    (void)state;
    struct events *events;
    assert_int_equal(fault_plan("write:2", 0), STATUS_OK);
    assert_int_equal(events_open(&events, made_path("."), 1), STATUS_IO);
    assert_non_null(strstr(status_message(), "events.out.tfevents."));
    assert_int_equal(fault_plan("write:3", 0), STATUS_OK);
    assert_int_equal(events_open(&events, made_path("."), 1), STATUS_OK);
    assert_int_equal(events_add(events, 1, scalars, 2), STATUS_IO);
    fault_plan(NULL, 0);
    events_close(events);
    assert_int_equal(events_open(&events, made_path("missing"), 1), STATUS_MISSING);
    events_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_events__a_record_is_that_of_tensorflow),
            cmocka_unit_test_setup_teardown(test_events__each_start_has_a_file_that_begins_with_its_update,
                    made_setup, made_teardown),
            cmocka_unit_test_setup_teardown(test_events__a_full_disk_is_told, made_setup, made_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
