/*
 * Checkpoints on several ranks: the bytes of the file do not depend on their number, every rank gets back what is its
 * own, and a failure on any rank ends the save everywhere.
 */
#include "comm/fault.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "tests/io/h5_files.h"
#include "tests/io/toy_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures;

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            failures++;                                                                                      \
            fprintf(stderr, "rank %d: %s:%d: %s does not hold (%s)\n", world()->rank, __FILE__, __LINE__,    \
                    #condition, status_message());                                                           \
        }                                                                                                    \
    } while (0)

static char folder[256];

static const char *path_of(const char *name)
{
    static char paths[4][512];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", folder, name);
    return paths[next];
}

static void enter(void)
{
    if (world()->rank == 0)
        snprintf(folder, sizeof folder, "%s", files_enter());
    EXPECT(world_broadcast(folder, sizeof folder, 0) == STATUS_OK);
}

static void leave(void)
{
    EXPECT(world_barrier() == STATUS_OK);
    if (world()->rank == 0)
        files_leave();
}

static void save(struct checkpointer *checkpointer, const struct toy *toy)
{
    EXPECT(checkpoint_save(checkpointer, &toy->contents, toy->update,
                   &(struct best_list){{{"", toy->update}}, 1}) == STATUS_OK);
    EXPECT(checkpoint_wait(checkpointer) == STATUS_OK);
}

/* Whether the file is the one a serial writer makes. */
static void compare_with_serial(const struct toy *toy, const char *path, int compression)
{
    struct h5_file *file;
    char *version = NULL;
    EXPECT(h5_open(&file, path, H5_CHECKPOINT, false) == STATUS_OK);
    EXPECT(h5_get_text(file, "/code/version", &version) == STATUS_OK);
    h5_close(file);
    EXPECT(toy_write_serially(toy, path_of("serial.h5"), compression, version) == STATUS_OK);
    EXPECT(files_equal(path, path_of("serial.h5")));
    memory_free(version);
}

static void load_and_compare(struct toy *toy, const char *path)
{
    struct checkpoint *checkpoint;
    size_t bytes;
    bool joint;
    int64_t update = toy->update;
    toy_wipe(toy);
    EXPECT(checkpoint_open(&checkpoint, path) == STATUS_OK);
    EXPECT(strcmp(checkpoint_config(checkpoint), toy->contents.config) == 0);
    const void *vocabulary = checkpoint_vocabulary(checkpoint, TARGET, &bytes, &joint);
    EXPECT(joint && bytes == TOY_VOCABULARY && memcmp(vocabulary, toy->vocabulary, bytes) == 0);
    EXPECT(checkpoint_load(checkpoint, &toy->blocks, toy->arrays, TOY_ARRAYS, toy->planes, TOY_PLANES,
                   toy->fields, TOY_FIELDS) == STATUS_OK);
    EXPECT(toy_is(toy, update, world()->rank));
    checkpoint_close(checkpoint);
}

static void test_same_bytes_and_back(bool large, int compression)
{
    struct toy toy;
    struct checkpointer *checkpointer;
    enter();
    struct checkpoint_options options = {
            .folder = path_of("checkpoints"), .keep = 2, .compression = compression};
    toy_make(&toy, large, world()->rank, world()->size, 12);
    EXPECT(checkpointer_open(&checkpointer, &options, &toy.blocks) == STATUS_OK);
    save(checkpointer, &toy);
    if (world()->rank == 0)
        compare_with_serial(&toy, path_of("best.h5"), compression);
    load_and_compare(&toy, path_of("checkpoints/update-00000012.h5"));
    EXPECT(checkpointer_close(checkpointer) == STATUS_OK);
    toy_release(&toy);
    leave();
}

/* Training goes on: after `wait` microseconds the state changes under the save, which has copied what it had not packed
 * yet. The file is that of a state that stood still. */
static void test_save_beside_training(int compression, useconds_t wait)
{
    struct toy toy, after;
    struct checkpointer *checkpointer;
    enter();
    struct checkpoint_options options = {.folder = path_of("checkpoints"), .compression = compression};
    toy_make(&toy, true, world()->rank, world()->size, 1);
    toy_make(&after, true, world()->rank, world()->size, 1);
    EXPECT(checkpointer_open(&checkpointer, &options, &toy.blocks) == STATUS_OK);
    EXPECT(checkpoint_save(checkpointer, &toy.contents, 1, NULL) == STATUS_OK);
    usleep(wait);
    checkpoint_settle(checkpointer);
    toy_wipe(&toy);
    for (int i = 0; i < 100000 && access(path_of("last.h5"), F_OK) != 0; i++) {
        EXPECT(checkpoint_progress(checkpointer) == STATUS_OK);
        usleep(100);
    }
    EXPECT(access(path_of("last.h5"), F_OK) == 0);
    EXPECT(checkpointer_close(checkpointer) == STATUS_OK);
    if (world()->rank == 0)
        compare_with_serial(&after, path_of("last.h5"), compression);
    load_and_compare(&after, path_of("last.h5"));
    toy_release(&toy);
    toy_release(&after);
    leave();
}

/* The N-th pass through a site fails on one rank: the same status everywhere, the older file intact, nothing left. */
static void walk_failures(const char *site, int rank)
{
    struct toy toy;
    struct checkpointer *checkpointer;
    enter();
    struct checkpoint_options options = {.folder = path_of("checkpoints"), .compression = 1};
    toy_make(&toy, false, world()->rank, world()->size, 1);
    EXPECT(checkpointer_open(&checkpointer, &options, &toy.blocks) == STATUS_OK);
    save(checkpointer, &toy);
    enum status status = STATUS_IO;
    int n = 0;
    while (status != STATUS_OK && n++ < 2000) {
        char plan[64];
        snprintf(plan, sizeof plan, "%s:%d:%d", site, n, rank);
        EXPECT(fault_plan(plan, world()->rank) == STATUS_OK);
        status = checkpoint_save(checkpointer, &toy.contents, 2, NULL);
        checkpoint_settle(checkpointer);
        if (status == STATUS_OK)
            status = checkpoint_wait(checkpointer);
        fault_plan(NULL, 0);
        EXPECT(world_barrier() == STATUS_OK);
        EXPECT(!files_any(path_of("checkpoints"), ".tmp") && !files_any(folder, ".tmp"));
        EXPECT(access(path_of("checkpoints/update-00000001.h5"), F_OK) == 0);
        EXPECT(world_barrier() == STATUS_OK);
    }
    EXPECT(n > 1 || rank >= world()->size);
    load_and_compare(&toy, path_of("best.h5"));
    save(checkpointer, &toy);
    EXPECT(checkpointer_close(checkpointer) == STATUS_OK);
    toy_release(&toy);
    leave();
}

int main(void)
{
    if (world_open(1) != STATUS_OK)
        return 1;
    log_set_level(LOG_ERROR);
    static const int levels[] = {0, 1, 2, 6};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        test_same_bytes_and_back(true, levels[i]);
    test_same_bytes_and_back(false, 1);
    world_set_message_limit(10000);
    test_same_bytes_and_back(true, 1);
    static const int beside[] = {0, 1, 9};
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++)
        for (useconds_t wait = 0; wait <= 30000; wait = 3 * wait + 3000)
            test_save_beside_training(beside[i], wait);
    walk_failures("write", 0);
    walk_failures("sync", 0);
    walk_failures("rename", 0);
    walk_failures("memory", 0);
    walk_failures("memory", world()->size - 1);
    double total = failures;
    world_sum(&total, 1);
    world_close();
    struct memory_label label;
    for (size_t i = 0; memory_report(i, &label); i++)
        if (label.blocks)
            fprintf(stderr, "%zu blocks of '%s' are left\n", label.blocks, label.label);
    return total > 0 || memory_blocks() != 0;
}
