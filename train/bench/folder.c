#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "io/generate.h"
#include "train/bench/bench.h"
#include "train/prepare/prepare.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINES = 30000, TEST_LINES = 10, PIECES = 300, PATH_BYTES = 4096 };

/* ---- the folder ---- */

static enum status make(char **out, const char *parent)
{
    char path[PATH_BYTES];
    int bytes = snprintf(path, sizeof path, "%s/seqtrain-bench.XXXXXX", parent);
    CHECK(bytes < PATH_BYTES, STATUS_USAGE, "--folder: expected a path below %d bytes", PATH_BYTES);
    if (!mkdtemp(path))
        return status_fail_errno("create a folder in", parent);
    return memory_text(out, "text", path);
}

enum status bench_folder_make(char **out, const char *parent)
{
    TRY(status_agree(world()->rank == 0 ? make(out, parent) : STATUS_OK));
    return world_broadcast_text(out, 0);
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
    (void)facts, (void)kind, (void)place;
    return remove(path);
}

void bench_folder_remove(const char *folder)
{
    if (folder && world()->rank == 0 && nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        log_line(LOG_WARNING, "the folder %s could not be removed", folder);
}

/* ---- a corpus ---- */

static enum status add_text(struct prepare_options *options, const char *folder)
{
    static const char *const suffixes[SIDES] = {"en", "de"};
    char path[PATH_BYTES];
    for (int side = 0; side < SIDES; side++) {
        snprintf(path, sizeof path, "%s/train.%s", folder, suffixes[side]);
        TRY(text_list_add(&options->text[side], path));
    }
    return STATUS_OK;
}

static enum status generate(const char *folder, char *path)
{
    struct prepare_options options = {.output = path,
            .vocab_size = PIECES,
            .vocab_sample = 2 * LINES,
            .vocab_kind = kind_at(&vocabulary_kinds, 0),
            .coverage = 1,
            .joint = true,
            .min_length = 2,
            .max_length = 256,
            .bad_lines = kind_at(&bad_line_kinds, 0),
            .identical = kind_at(&pair_way_kinds, 0),
            .duplicates = kind_at(&pair_way_kinds, 0),
            .compression = 1,
            .seed = 1};
    TRY(generate_corpus(kind_at(&generator_kinds, 0), folder, LINES, TEST_LINES, 1));
    enum status status = add_text(&options, folder);
    if (status == STATUS_OK)
        status = prepare_run(&options, NULL);
    for (int side = 0; side < SIDES; side++)
        text_list_release(&options.text[side]);
    return status;
}

enum status bench_corpus_make(const char *folder, const char *path)
{
    char copy[PATH_BYTES];
    snprintf(copy, sizeof copy, "%s", path);
    return status_agree(world()->rank == 0 ? generate(folder, copy) : STATUS_OK);
}
