#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/fault.h"
#include "comm/memory.h"
#include "tests/io/h5_files.h"
#include "tests/io/toy_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *name_of(int64_t update)
{
    char name[64];
    snprintf(name, sizeof name, "run/checkpoints/update-%08lld.h5", (long long)update);
    return files_path(name);
}

static void write_toy(const struct toy *toy, const char *path)
{
    assert_int_equal(toy_write_serially(toy, path, 1, "earlier"), STATUS_OK);
}

static void make_run(bool large, const int64_t *updates, size_t count)
{
    mkdir(files_path("run"), 0777);
    mkdir(files_path("run/checkpoints"), 0777);
    for (size_t i = 0; i < count; i++) {
        struct toy toy;
        toy_make(&toy, large, 0, 1, updates[i]);
        write_toy(&toy, name_of(updates[i]));
        toy_release(&toy);
    }
}

static enum status average(const char *out, const char *const *paths, size_t count, const char *group)
{
    struct checkpoint *checkpoints[8] = {NULL};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(checkpoint_open(&checkpoints[i], paths[i]), STATUS_OK);
    status = checkpoint_average(out, checkpoints, count, group);
    for (size_t i = 0; i < count; i++)
        checkpoint_close(checkpoints[i]);
    return status;
}

static void load(struct toy *toy, const char *path, size_t planes, size_t fields)
{
    struct checkpoint *checkpoint;
    assert_int_equal(checkpoint_open(&checkpoint, path), STATUS_OK);
    toy_wipe(toy);
    assert_int_equal(checkpoint_load(checkpoint, &toy->blocks, toy->arrays, TOY_ARRAYS, toy->planes, planes,
                             toy->fields, fields),
            STATUS_OK);
    checkpoint_close(checkpoint);
}

static uint32_t crc_of(const char *path)
{
    struct checkpoint *checkpoint;
    uint32_t crc;
    size_t count;
    assert_int_equal(checkpoint_open(&checkpoint, path), STATUS_OK);
    assert_int_equal(checkpoint_parameters_crc32(checkpoint, &crc, &count), STATUS_OK);
    checkpoint_close(checkpoint);
    return crc;
}

/* Chunks of several rows, and rows of several units: the mean is that of plain loops over the states themselves. */
static void test_average__is_the_mean(void **state)
{
    (void)state;
    const int64_t updates[] = {30, 10, 20};
    make_run(true, updates, 3);
    const char *paths[] = {name_of(30), name_of(10), name_of(20)};
    assert_int_equal(average(files_path("mean.h5"), paths, 3, "model"), STATUS_OK);
    struct toy toys[3], mean;
    for (int i = 0; i < 3; i++)
        toy_make(&toys[i], true, 0, 1, updates[i]);
    toy_make(&mean, true, 0, 1, 1);
    load(&mean, files_path("mean.h5"), 1, TOY_FIELDS);
    size_t wrong = 0;
    for (int a = 0; a < TOY_ARRAYS; a++) {
        const struct flat_array *array = &mean.arrays[a];
        size_t floats = 1;
        for (int d = 0; d < array->rank; d++)
            floats *= array->shape[d];
        for (size_t i = array->offset; i < array->offset + floats; i++) {
            double sum = 0;
            for (int t = 0; t < 3; t++)
                sum += (double)toys[t].planes[0].values[i];
            wrong += mean.planes[0].values[i] != (float)(sum / 3);
        }
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(mean.update, 30);
    assert_int_equal(mean.epoch, 3);
    assert_string_equal(mean.note, "noted");
    for (int i = 0; i < 3; i++)
        toy_release(&toys[i]);
    toy_release(&mean);
}

static void expect_equal(const struct toy *toy, const float *found, const float *expected)
{
    for (int a = 0; a < TOY_ARRAYS; a++) {
        const struct flat_array *array = &toy->arrays[a];
        size_t floats = 1;
        for (int d = 0; d < array->rank; d++)
            floats *= array->shape[d];
        assert_memory_equal(found + array->offset, expected + array->offset, floats * sizeof *found);
    }
}

static void test_average__of_one_file_twice_is_that_file(void **state)
{
    (void)state;
    const int64_t updates[] = {10};
    make_run(false, updates, 1);
    const char *paths[] = {name_of(10), name_of(10)};
    for (size_t count = 1; count <= 2; count++) {
        assert_int_equal(average(files_path("mean.h5"), paths, count, "model"), STATUS_OK);
        assert_int_equal(crc_of(files_path("mean.h5")), crc_of(name_of(10)));
    }
    /* Of another group: as /model. */
    assert_int_equal(average(files_path("moment.h5"), paths, 2, "optimizer/m"), STATUS_OK);
    struct toy toy, moment;
    toy_make(&toy, false, 0, 1, 10);
    toy_make(&moment, false, 0, 1, 10);
    load(&moment, files_path("moment.h5"), 1, TOY_FIELDS);
    expect_equal(&toy, moment.planes[0].values, toy.planes[1].values);
    toy_release(&toy);
    toy_release(&moment);
    /* An average of averages counts anew. */
    const char *again[] = {files_path("mean.h5"), files_path("moment.h5")};
    assert_int_equal(average(files_path("again.h5"), again, 2, "model"), STATUS_OK);
}

static void test_average__holds_a_model_and_no_state(void **state)
{
    (void)state;
    const int64_t updates[] = {10, 20};
    make_run(false, updates, 2);
    const char *paths[] = {name_of(10), name_of(20)};
    assert_int_equal(average(files_path("mean.h5"), paths, 2, "model"), STATUS_OK);
    struct checkpoint *mean, *one;
    assert_int_equal(checkpoint_open(&mean, files_path("mean.h5")), STATUS_OK);
    assert_int_equal(checkpoint_open(&one, paths[1]), STATUS_OK);
    assert_true(checkpoint_is_average(mean));
    assert_false(checkpoint_is_average(one));
    assert_true(checkpoint_has_group(mean, "model"));
    assert_false(checkpoint_has_group(mean, "optimizer"));
    assert_string_equal(checkpoint_config(mean), checkpoint_config(one));
    int64_t count;
    struct h5_array array;
    assert_int_equal(h5_get_int(checkpoint_file(mean), "/state/averaged", &count), STATUS_OK);
    assert_int_equal(count, 2);
    for (size_t i = 0; h5_list(checkpoint_file(mean), i, &array); i++) {
        char *description;
        assert_int_equal(h5_get_description(checkpoint_file(mean), array.name, &description), STATUS_OK);
        assert_non_null(description);
        assert_true(strlen(description) > 0);
        memory_free(description);
    }
    checkpoint_close(one);
    checkpoint_close(mean);
}

static void assert_refused(const char *const *paths, const char *group, const char *words)
{
    assert_int_equal(average(files_path("mean.h5"), paths, 2, group), STATUS_DATA);
    if (!strstr(status_message(), words))
        fail_msg("expected '%s' in: %s", words, status_message());
    assert_int_not_equal(access(files_path("mean.h5"), F_OK), 0);
    assert_false(files_any(files_path("."), ".tmp"));
}

static void test_average__refuses_what_does_not_go_together(void **state)
{
    (void)state;
    const int64_t updates[] = {10};
    make_run(false, updates, 1);
    struct toy toy;
    toy_make(&toy, false, 0, 1, 20);
    toy.arrays[1].shape[0] = 6;
    write_toy(&toy, files_path("shape.h5"));
    toy.arrays[1].shape[0] = 7;
    snprintf(toy.arrays[1].name, sizeof toy.arrays[1].name, "layer/0/other");
    write_toy(&toy, files_path("name.h5"));
    snprintf(toy.arrays[1].name, sizeof toy.arrays[1].name, "layer/0/bias");
    toy.vocabulary[17]++;
    write_toy(&toy, files_path("vocabulary.h5"));
    toy_release(&toy);
    const char *const shape[] = {name_of(10), files_path("shape.h5")};
    const char *const name[] = {files_path("name.h5"), name_of(10)};
    const char *const vocabulary[] = {name_of(10), files_path("vocabulary.h5")};
    const char *const same[] = {name_of(10), name_of(10)};
    assert_refused(shape, "model", "another shape of /model/layer/0/bias");
    assert_refused(shape, "model", "shape.h5");
    assert_refused(shape, "model", "update-00000010.h5");
    assert_refused(name, "model", "no /model/layer/0/other");
    assert_refused(vocabulary, "model", "the same source vocabulary");
    assert_refused(same, "ema", "expected arrays /ema/..., found none");
}

/* Each write and each step to the disk fails once: no file, or a whole one. */
static void test_average__leaves_nothing_when_the_disk_fails(void **state)
{
    (void)state;
    static const char *const sites[] = {"write", "sync", "rename", "memory"};
    const int steps[] = {1, 1, 1, 5}; /* allocations are many */
    const int64_t updates[] = {10, 20};
    make_run(false, updates, 2);
    const char *paths[] = {name_of(10), name_of(20)};
    for (size_t s = 0; s < sizeof sites / sizeof *sites; s++) {
        int failures = 0;
        for (int n = 1; n < 400; n += steps[s]) {
            char plan[64];
            struct checkpoint *checkpoints[2];
            for (int i = 0; i < 2; i++)
                assert_int_equal(checkpoint_open(&checkpoints[i], paths[i]), STATUS_OK);
            snprintf(plan, sizeof plan, "%s:%d", sites[s], n);
            assert_int_equal(fault_plan(plan, 0), STATUS_OK);
            enum status status = checkpoint_average(files_path("mean.h5"), checkpoints, 2, "model");
            fault_plan(NULL, 0);
            for (int i = 0; i < 2; i++)
                checkpoint_close(checkpoints[i]);
            assert_false(files_any(files_path("."), ".tmp"));
            failures += status != STATUS_OK;
            if (status == STATUS_OK)
                break;
            assert_true(status == STATUS_IO || status == STATUS_INTERNAL);
        }
        assert_true(failures >= 1);
        assert_int_equal(access(files_path("mean.h5"), F_OK), 0);
        unlink(files_path("mean.h5"));
    }
}

static void test_average__finds_the_newest_of_a_run(void **state)
{
    (void)state;
    const int64_t updates[] = {100, 9, 20};
    make_run(false, updates, 3);
    struct text_list list = {0};
    assert_int_equal(checkpoint_newest(&list, files_path("run"), 2), STATUS_OK);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0], name_of(20));
    assert_string_equal(list.items[1], name_of(100));
    text_list_release(&list);
    assert_int_equal(checkpoint_newest(&list, files_path("run"), 4), STATUS_MISSING);
    assert_non_null(strstr(status_message(), "expected 4 or more checkpoints, found 3"));
    assert_int_equal(checkpoint_newest(&list, files_path("nowhere"), 1), STATUS_MISSING);
}

static void test_average__lists_the_checkpoints_of_a_run(void **state)
{
    (void)state;
    const int64_t updates[] = {100, 9, 20};
    make_run(false, updates, 3);
    struct text_list list = {0};
    int64_t update = 0;
    assert_int_equal(checkpoint_list(&list, files_path("run")), STATUS_OK);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0], name_of(9));
    assert_string_equal(list.items[2], name_of(100));
    assert_true(checkpoint_update(list.items[2], &update));
    assert_int_equal(update, 100);
    assert_false(checkpoint_update("run/last.h5", &update));
    text_list_release(&list);
    assert_int_equal(checkpoint_list(&list, files_path("nowhere")), STATUS_OK);
    assert_int_equal(list.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(test_average__is_the_mean, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_average__of_one_file_twice_is_that_file, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_average__holds_a_model_and_no_state, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_average__refuses_what_does_not_go_together, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_average__leaves_nothing_when_the_disk_fails, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_average__finds_the_newest_of_a_run, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_average__lists_the_checkpoints_of_a_run, files_setup, files_teardown),
    };
    return cmocka_run_group_tests_name("average", tests, NULL, NULL);
}
