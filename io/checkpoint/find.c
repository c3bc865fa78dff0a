#include "io/checkpoint/internal.h"

#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"

#include <stdio.h>
#include <string.h>

/* What was passed over on the way to a good one. */
struct passed {
    size_t count;
    char reasons[3072]; /* of the newest of them */
    size_t used;
    struct listing damaged; /* rank 0: whose contents are wrong, whatever reads them */
};

/* A failure of the file, not of this process or of its rights: those are for a person to mend. */
static bool is_of_the_file(enum status status)
{
    return status == STATUS_DATA || status == STATUS_IO || status == STATUS_MISSING;
}

static void pass_over(struct passed *passed, int64_t update, enum status status)
{
    size_t room = sizeof passed->reasons - passed->used;
    int length = snprintf(
            passed->reasons + passed->used, room, "%s%s", passed->count ? "; " : "", status_message());
    if (length > 0 && (size_t)length < room)
        passed->used += (size_t)length;
    else
        passed->reasons[passed->used] = '\0';
    passed->count++;
    if (status == STATUS_DATA && world()->rank == 0)
        (void)listing_add(&passed->damaged, update); /* or it keeps its name */
}

/* Out of the way, but not away. */
static size_t set_aside(const char *folder, const struct listing *damaged)
{
    size_t count = 0;
    for (size_t i = 0; i < damaged->count; i++) {
        char path[PATH_MAX], aside[PATH_MAX + sizeof ".bad"];
        if (checkpoint_name(path, folder, damaged->updates[i]) != STATUS_OK)
            continue;
        snprintf(aside, sizeof aside, "%s.bad", path);
        count += rename(path, aside) == 0;
    }
    return count;
}

static void say_fall_back(const char *folder, const char *found, const struct passed *passed, bool clean)
{
    char aside[64] = "";
    if (passed->count == 0 || world()->rank != 0)
        return;
    size_t moved = clean ? set_aside(folder, &passed->damaged) : 0;
    if (moved)
        snprintf(aside, sizeof aside, " (%zu renamed to *.h5.bad)", moved);
    log_line(LOG_WARNING, "falling back to %s: %zu newer %s not good%s: %s", found, passed->count,
            passed->count == 1 ? "checkpoint is" : "checkpoints are", aside, passed->reasons);
}

/* Opens the newest of `listing` that verifies, on all ranks; counts of rank 0. Collective. */
static enum status find_good(struct checkpoint **out, const char *folder, const struct listing *listing,
        struct passed *passed, bool clean)
{
    uint64_t count = listing->count;
    TRY(world_broadcast(&count, sizeof count, 0));
    for (uint64_t i = 0; i < count; i++) {
        char candidate[PATH_MAX];
        int64_t update = world()->rank == 0 ? listing->updates[i] : 0;
        TRY(world_broadcast(&update, sizeof update, 0));
        TRY(checkpoint_name(candidate, folder, update));
        enum status status = checkpoint_open(out, candidate);
        if (status == STATUS_OK) {
            say_fall_back(folder, candidate, passed, clean);
            return STATUS_OK;
        }
        CHECK(is_of_the_file(status), status, "%s", status_message());
        pass_over(passed, update, status);
    }
    CHECK(count == 0, STATUS_DATA, "%s: expected a checkpoint that verifies, found %llu that do not: %s",
            folder, (unsigned long long)count, passed->reasons);
    return STATUS_OK;
}

enum status checkpoint_find(struct checkpoint **out, const char *folder, bool clean)
{
    struct listing listing = {0};
    struct passed passed = {0};
    *out = NULL;
    enum status status = STATUS_OK;
    if (world()->rank == 0)
        status = listing_make(&listing, folder, clean);
    status = status_agree(status);
    if (status == STATUS_OK)
        status = find_good(out, folder, &listing, &passed, clean);
    memory_free(listing.updates);
    memory_free(passed.damaged.updates);
    return status;
}
