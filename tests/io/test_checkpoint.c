#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/fault.h"
#include "comm/memory.h"
#include "tests/io/h5_files.h"
#include "tests/io/toy_state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void save_one(int64_t update, const struct best_list *best, int keep)
{
    struct checkpoint_options options = {
            .folder = files_path("run/checkpoints"), .keep = keep, .compression = 1};
    struct toy toy;
    struct checkpointer *checkpointer;
    mkdir(files_path("run"), 0777);
    toy_make(&toy, false, 0, 1, update);
    assert_int_equal(checkpointer_open(&checkpointer, &options, &toy.blocks), STATUS_OK);
    assert_int_equal(checkpoint_save(checkpointer, &toy.contents, update, best), STATUS_OK);
    assert_int_equal(checkpointer_close(checkpointer), STATUS_OK);
    toy_release(&toy);
}

/* Saves toy states after the given updates, one by one; `best` is the update of the best. */
static void save_all(const int64_t *updates, size_t count, int64_t best, int keep)
{
    const struct best_list list = {{{"", best}}, 1};
    for (size_t i = 0; i < count; i++)
        save_one(updates[i], best >= 0 && updates[i] >= best ? &list : NULL, keep);
}

static bool has(int64_t update)
{
    char name[64];
    snprintf(name, sizeof name, "run/checkpoints/update-%08lld.h5", (long long)update);
    return access(files_path(name), F_OK) == 0;
}

static void assert_link(const char *name, const char *expected)
{
    char target[512];
    ssize_t length = readlink(files_path(name), target, sizeof target - 1);
    assert_true(length > 0);
    target[length] = '\0';
    assert_string_equal(target, expected);
}

static void test_checkpoint__keeps_the_newest_and_the_best(void **state)
{
    (void)state;
    const int64_t updates[] = {10, 20, 30, 40, 50};
    save_all(updates, 5, 20, 2);
    assert_false(has(10));
    assert_true(has(20));
    assert_false(has(30));
    assert_true(has(40));
    assert_true(has(50));
    assert_link("run/best.h5", "checkpoints/update-00000020.h5");
    assert_link("run/last.h5", "checkpoints/update-00000050.h5");
}

static void test_checkpoint__keeps_the_best_by_every_name(void **state)
{
    (void)state;
    for (int64_t update = 10; update <= 40; update += 10) {
        const struct best_list best = {{{"", 10}, {"bleu", update < 20 ? update : 20}}, 2};
        save_one(update, &best, 1);
    }
    assert_link("run/best.h5", "checkpoints/update-00000010.h5");
    assert_link("run/best-bleu.h5", "checkpoints/update-00000020.h5");
    assert_true(has(10) && has(20) && !has(30) && has(40));
    save_one(50, &(struct best_list){{{"", 50}, {"bleu", 50}}, 2}, 1);
    assert_true(!has(10) && !has(20) && !has(40) && has(50));
}

static enum status relink(int64_t update, const struct best_list *best, int keep)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", files_path("run/checkpoints"));
    const struct checkpoint_options options = {.folder = folder, .keep = keep};
    return checkpoint_relink(&options, update, best);
}

/* The links are as a crash between a checkpoint and its links left them, or the crash before that. */
static void test_checkpoint__links_are_set_right_on_resume(void **state)
{
    (void)state;
    const struct best_list best = {{{"", 20}, {"bleu", 10}, {"ter", 15}}, 3};
    const int64_t updates[] = {10, 20};
    save_all(updates, 2, 10, 2);
    assert_int_equal(unlink(files_path("run/last.h5")), 0);
    assert_int_equal(relink(20, NULL, 0), STATUS_OK);
    assert_link("run/best.h5", "checkpoints/update-00000010.h5");
    assert_link("run/last.h5", "checkpoints/update-00000020.h5");
    assert_int_equal(relink(20, &best, 0), STATUS_OK);
    assert_link("run/best.h5", "checkpoints/update-00000020.h5");
    assert_link("run/best-bleu.h5", "checkpoints/update-00000010.h5");
    assert_int_equal(access(files_path("run/best-ter.h5"), F_OK), -1);
    assert_int_equal(relink(30, &best, 0), STATUS_OK);
    assert_link("run/last.h5", "checkpoints/update-00000020.h5");
    assert_true(has(10) && has(20));
    assert_int_equal(relink(20, &(struct best_list){{{"bleu", 20}}, 1}, 1), STATUS_OK);
    assert_true(!has(10) && has(20));
}

/* A rename that fails: first the file's own, then that of last.h5. */
static void test_checkpoint__links_that_fail_are_no_lost_checkpoint(void **state)
{
    (void)state;
    struct checkpoint_options options = {.folder = files_path("run/checkpoints"), .keep = 1};
    struct checkpointer *checkpointer;
    struct toy toy;
    mkdir(files_path("run"), 0777);
    toy_make(&toy, false, 0, 1, 10);
    assert_int_equal(checkpointer_open(&checkpointer, &options, &toy.blocks), STATUS_OK);
    for (int named = 0; named < 2; named++) {
        assert_int_equal(fault_plan(named ? "rename:2" : "rename:1", 0), STATUS_OK);
        assert_int_equal(checkpoint_save(checkpointer, &toy.contents, 10, NULL), STATUS_OK);
        assert_int_equal(checkpoint_wait(checkpointer), STATUS_IO);
        assert_int_equal(checkpoint_is_named(checkpointer), named);
        assert_int_equal(has(10), named);
    }
    assert_int_equal(access(files_path("run/last.h5"), F_OK), -1);
    assert_int_equal(checkpointer_close(checkpointer), STATUS_OK);
    toy_release(&toy);
}

/* A rename that fails: that of best.h5. The next save makes up for it before it removes anything. */
static void test_checkpoint__a_best_whose_link_failed_is_kept(void **state)
{
    (void)state;
    struct checkpoint_options options = {.folder = files_path("run/checkpoints"), .keep = 1};
    const struct best_list best = {{{"", 10}}, 1};
    struct checkpointer *checkpointer;
    struct toy toy;
    mkdir(files_path("run"), 0777);
    toy_make(&toy, false, 0, 1, 10);
    assert_int_equal(checkpointer_open(&checkpointer, &options, &toy.blocks), STATUS_OK);
    assert_int_equal(fault_plan("rename:3", 0), STATUS_OK);
    for (int64_t update = 10; update <= 30; update += 10) {
        assert_int_equal(checkpoint_save(checkpointer, &toy.contents, update, &best), STATUS_OK);
        assert_int_equal(checkpoint_wait(checkpointer), update == 10 ? STATUS_IO : STATUS_OK);
    }
    assert_int_equal(fault_plan(NULL, 0), STATUS_OK);
    assert_link("run/best.h5", "checkpoints/update-00000010.h5");
    assert_true(has(10) && !has(20) && has(30));
    assert_int_equal(checkpointer_close(checkpointer), STATUS_OK);
    toy_release(&toy);
}

/* Each read of a folder or a link fails once: what cannot be listed is neither "none" nor removed. */
static void test_checkpoint__a_list_that_breaks_off_is_no_short_one(void **state)
{
    (void)state;
    const int64_t updates[] = {10, 20, 30};
    char plan[32];
    save_all(updates, 3, 10, 1);
    struct checkpoint_options options = {.folder = files_path("run/checkpoints"), .keep = 1};
    struct toy toy;
    struct checkpointer *checkpointer;
    enum status status = STATUS_IO;
    toy_make(&toy, false, 0, 1, 40);
    assert_int_equal(checkpointer_open(&checkpointer, &options, &toy.blocks), STATUS_OK);
    int failures = 0;
    while (status != STATUS_OK && failures < 100) {
        snprintf(plan, sizeof plan, "read:%d", failures + 1);
        assert_int_equal(fault_plan(plan, 0), STATUS_OK);
        assert_int_equal(checkpoint_save(checkpointer, &toy.contents, 40, NULL), STATUS_OK);
        status = checkpoint_wait(checkpointer);
        assert_true(status == STATUS_OK || status == STATUS_IO);
        assert_true(has(10));
        failures += status != STATUS_OK;
    }
    fault_plan(NULL, 0);
    assert_in_range(failures, 8, 99); /* two folders of three entries or more, their ends and a link */
    assert_false(has(30));
    assert_int_equal(checkpointer_close(checkpointer), STATUS_OK);
    toy_release(&toy);
}

static void test_checkpoint__leaves_later_files_of_a_run_that_was_ahead(void **state)
{
    (void)state;
    const int64_t updates[] = {10, 90, 20, 30};
    save_all(updates, 4, -1, 1);
    assert_true(has(90));
    assert_false(has(10));
    assert_false(has(20));
    assert_true(has(30));
    assert_link("run/last.h5", "checkpoints/update-00000030.h5");
}

static void test_checkpoint__keeps_all_when_keep_is_0(void **state)
{
    (void)state;
    const int64_t updates[] = {1, 2, 3};
    save_all(updates, 3, -1, 0);
    assert_true(has(1) && has(2) && has(3));
}

static void damage(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");
    int byte;
    fseek(file, at, SEEK_SET);
    byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ 4, file);
    fclose(file);
}

static void test_checkpoint__find_passes_over_damaged_files(void **state)
{
    (void)state;
    const int64_t updates[] = {1, 2, 3};
    struct checkpoint *found;
    const char *folder = files_path("run/checkpoints");
    assert_int_equal(checkpoint_find(&found, folder, true), STATUS_OK);
    assert_null(found);
    save_all(updates, 3, -1, 0);
    files_write(files_path("run/checkpoints/update-00000004.h5.tmp"), "x", 1);
    files_write(files_path("run/checkpoints/update-00000009.h5.keep"), "x", 1);
    assert_int_equal(fault_plan("read:1", 0), STATUS_OK);
    assert_int_equal(checkpoint_find(&found, folder, true), STATUS_IO);
    assert_int_equal(fault_plan(NULL, 0), STATUS_OK);
    assert_int_equal(checkpoint_find(&found, folder, true), STATUS_OK);
    assert_string_equal(checkpoint_path(found), files_path("run/checkpoints/update-00000003.h5"));
    checkpoint_close(found);
    assert_false(files_any(folder, ".tmp"));
    damage(files_path("run/checkpoints/update-00000003.h5"), 3000);
    assert_int_equal(truncate(files_path("run/checkpoints/update-00000002.h5"), 700), 0);
    assert_int_equal(checkpoint_find(&found, folder, false), STATUS_OK);
    assert_string_equal(checkpoint_path(found), files_path("run/checkpoints/update-00000001.h5"));
    checkpoint_close(found);
    damage(files_path("run/checkpoints/update-00000001.h5"), 3);
    assert_int_equal(checkpoint_find(&found, folder, true), STATUS_DATA);
    assert_non_null(strstr(status_message(), "found 3 that do not"));
    for (int i = 1; i <= 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "update-0000000%d.h5: ", i);
        assert_non_null(strstr(status_message(), name)); /* with its reason */
    }
    assert_true(has(1) && has(2) && has(3));
}

/* Those that a start has fallen back from do not count in what is kept, and are not lost. */
static void test_checkpoint__damaged_files_are_set_aside(void **state)
{
    (void)state;
    const int64_t before[] = {1, 2, 3, 4}, after[] = {5, 6};
    struct checkpoint *found;
    save_all(before, 4, -1, 0);
    damage(files_path("run/checkpoints/update-00000003.h5"), 3000);
    damage(files_path("run/checkpoints/update-00000004.h5"), 3000);
    assert_int_equal(checkpoint_find(&found, files_path("run/checkpoints"), false), STATUS_OK);
    checkpoint_close(found);
    assert_true(has(3) && has(4));
    assert_int_equal(checkpoint_find(&found, files_path("run/checkpoints"), true), STATUS_OK);
    assert_string_equal(checkpoint_path(found), files_path("run/checkpoints/update-00000002.h5"));
    checkpoint_close(found);
    assert_false(has(3) || has(4));
    save_all(after, 2, -1, 3);
    assert_true(!has(1) && has(2) && has(5) && has(6));
    assert_int_equal(access(files_path("run/checkpoints/update-00000003.h5.bad"), F_OK), 0);
    assert_int_equal(access(files_path("run/checkpoints/update-00000004.h5.bad"), F_OK), 0);
}

/* One whose reading fails may be good when it is read again. */
static void test_checkpoint__files_that_cannot_be_read_keep_their_names(void **state)
{
    (void)state;
    const int64_t updates[] = {1, 2};
    struct checkpoint *found;
    save_all(updates, 2, -1, 0);
    for (int n = 6; n < 10; n++) { /* those before are of the folder */
        char plan[32];
        snprintf(plan, sizeof plan, "read:%d", n);
        assert_int_equal(fault_plan(plan, 0), STATUS_OK);
        assert_int_equal(checkpoint_find(&found, files_path("run/checkpoints"), true), STATUS_OK);
        fault_plan(NULL, 0);
        checkpoint_close(found);
        assert_true(has(1) && has(2));
    }
}

static void test_checkpoint__memory_that_ends_is_no_damage(void **state)
{
    (void)state;
    const int64_t updates[] = {1, 2};
    struct checkpoint *found;
    enum status status = STATUS_INTERNAL;
    save_all(updates, 2, -1, 0);
    for (int n = 1; status != STATUS_OK && n < 200; n++) {
        char plan[32];
        snprintf(plan, sizeof plan, "memory:%d", n);
        assert_int_equal(fault_plan(plan, 0), STATUS_OK);
        status = checkpoint_find(&found, files_path("run/checkpoints"), true);
        fault_plan(NULL, 0);
        assert_true(status == STATUS_OK || status == STATUS_INTERNAL);
    }
    assert_string_equal(checkpoint_path(found), files_path("run/checkpoints/update-00000002.h5"));
    checkpoint_close(found);
}

static void test_checkpoint__a_file_that_nobody_has_read_is_never_alone(void **state)
{
    (void)state;
    for (int trusted = 0; trusted < 2; trusted++) {
        struct checkpoint_options options = {
                .folder = files_path("run/checkpoints"), .keep = 1, .trusted = trusted};
        struct toy toy;
        struct checkpointer *checkpointer;
        mkdir(files_path("run"), 0777);
        toy_make(&toy, false, 0, 1, 10);
        assert_int_equal(checkpointer_open(&checkpointer, &options, &toy.blocks), STATUS_OK);
        for (int64_t update = 10; update <= 30; update += 10) {
            assert_int_equal(checkpoint_save(checkpointer, &toy.contents, update, NULL), STATUS_OK);
            assert_int_equal(checkpoint_wait(checkpointer), STATUS_OK);
            assert_non_null(checkpoint_good(checkpointer));
        }
        assert_true(!has(10) && has(20) == trusted && has(30));
        assert_string_equal(checkpoint_good(checkpointer), files_path("run/checkpoints/update-00000030.h5"));
        assert_int_equal(checkpointer_close(checkpointer), STATUS_OK);
        toy_release(&toy);
    }
}

static void expect_resolved(const char *model, const char *expected)
{
    char *path;
    assert_int_equal(checkpoint_resolve(&path, files_path(model)), STATUS_OK);
    assert_string_equal(path, files_path(expected));
    memory_free(path);
}

static void test_checkpoint__resolves_runs_and_files(void **state)
{
    (void)state;
    const int64_t updates[] = {1, 2};
    char *path;
    assert_int_equal(checkpoint_resolve(&path, files_path("run")), STATUS_MISSING);
    save_all(updates, 2, 1, 0);
    expect_resolved("run", "run/best.h5");
    expect_resolved("run/checkpoints/update-00000002.h5", "run/checkpoints/update-00000002.h5");
    unlink(files_path("run/best.h5"));
    expect_resolved("run", "run/last.h5");
    unlink(files_path("run/last.h5"));
    expect_resolved("run", "run/checkpoints/update-00000002.h5");
    mkdir(files_path("empty"), 0777);
    assert_int_equal(checkpoint_resolve(&path, files_path("empty")), STATUS_MISSING);
    assert_non_null(strstr(status_message(), "found neither best.h5 nor last.h5"));
}

static enum status load(struct toy *toy, const char *path)
{
    struct checkpoint *checkpoint;
    TRY(checkpoint_open(&checkpoint, path));
    toy_wipe(toy);
    enum status status = checkpoint_load(checkpoint, &toy->blocks, toy->arrays, TOY_ARRAYS, toy->planes,
            TOY_PLANES, toy->fields, TOY_FIELDS);
    checkpoint_close(checkpoint);
    return status;
}

static void test_checkpoint__loads_on_any_number_of_ranks(void **state)
{
    (void)state;
    struct toy toy;
    const char *path = files_path("a.h5");
    toy_make(&toy, true, 0, 1, 3);
    assert_int_equal(toy_write_serially(&toy, path, 1, "v"), STATUS_OK);
    toy_release(&toy);
    for (int ranks = 1; ranks <= 6; ranks++) {
        toy_make(&toy, true, 0, ranks, 3); /* what rank 0 of so many keeps */
        toy_wipe(&toy);
        assert_int_equal(load(&toy, path), STATUS_OK);
        assert_true(toy_is(&toy, 3, 0));
        toy_release(&toy);
    }
}

static void test_checkpoint__refuses_other_shapes_and_names(void **state)
{
    (void)state;
    struct toy toy;
    const char *path = files_path("a.h5");
    toy_make(&toy, false, 0, 1, 3);
    assert_int_equal(toy_write_serially(&toy, path, 1, "v"), STATUS_OK);
    toy.arrays[0].shape[0]++;
    assert_int_equal(load(&toy, path), STATUS_DATA);
    assert_non_null(strstr(
            status_message(), "/model/embedding/weight to be float32 of shape [13, 5], found [12, 5]"));
    toy.arrays[0].shape[0]--;
    strcpy(toy.arrays[3].name, "other");
    assert_int_equal(load(&toy, path), STATUS_DATA);
    assert_non_null(strstr(status_message(), "/model/other, found none"));
    toy_release(&toy);
}

static void test_checkpoint__parameters_crc32_is_over_the_model_alone(void **state)
{
    (void)state;
    struct toy toy;
    const char *path = files_path("a.h5");
    uint32_t crc[2];
    size_t count;
    for (int compression = 0; compression < 2; compression++) {
        struct checkpoint *checkpoint;
        toy_make(&toy, true, 0, 1, 3);
        toy.epoch += compression; /* no part of it */
        assert_int_equal(toy_write_serially(&toy, path, compression, "v"), STATUS_OK);
        toy_release(&toy);
        assert_int_equal(checkpoint_open(&checkpoint, path), STATUS_OK);
        assert_int_equal(checkpoint_parameters_crc32(checkpoint, &crc[compression], &count), STATUS_OK);
        checkpoint_close(checkpoint);
    }
    assert_int_equal(count, 300 * 500 + 7 + 33 * 5 * 77 + 4096 + 2 * 70001 + 65537);
    assert_int_equal(crc[0], crc[1]);
}

static void test_checkpoint__refuses_every_flipped_byte_and_every_cut(void **state)
{
    (void)state;
    struct toy toy;
    size_t bytes;
    const char *path = files_path("a.h5");
    toy_make(&toy, false, 0, 1, 3);
    assert_int_equal(toy_write_serially(&toy, path, 1, "v"), STATUS_OK);
    unsigned char *data = files_read(path, &bytes);
    for (size_t i = 0; i < bytes; i++) {
        damage(path, (long)i);
        assert_int_equal(load(&toy, path), STATUS_DATA);
        damage(path, (long)i); /* back */
    }
    assert_int_equal(load(&toy, path), STATUS_OK);
    for (size_t i = bytes; i-- > 0;) {
        assert_int_equal(truncate(path, (off_t)i), 0);
        assert_int_equal(load(&toy, path), STATUS_DATA);
    }
    free(data);
    toy_release(&toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__keeps_the_newest_and_the_best, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__keeps_the_best_by_every_name, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__links_are_set_right_on_resume, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__links_that_fail_are_no_lost_checkpoint, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__a_best_whose_link_failed_is_kept, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__a_list_that_breaks_off_is_no_short_one, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__leaves_later_files_of_a_run_that_was_ahead, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__keeps_all_when_keep_is_0, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__find_passes_over_damaged_files, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__damaged_files_are_set_aside, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__files_that_cannot_be_read_keep_their_names, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__memory_that_ends_is_no_damage, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__a_file_that_nobody_has_read_is_never_alone, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__resolves_runs_and_files, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__loads_on_any_number_of_ranks, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__refuses_other_shapes_and_names, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__parameters_crc32_is_over_the_model_alone, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_checkpoint__refuses_every_flipped_byte_and_every_cut, files_setup, files_teardown),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
