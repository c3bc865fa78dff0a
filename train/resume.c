#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "train/trainer.h"

#include <stdio.h>
#include <string.h>

enum resume_mode { RESUME_AUTO, RESUME_NEVER, RESUME_REQUIRE, RESUME_FILE };

static enum resume_mode mode_of(const char *resume)
{
    static const char *const words[] = {"auto", "never", "require"};
    for (int i = 0; i < RESUME_FILE; i++)
        if (strcmp(resume, words[i]) == 0)
            return (enum resume_mode)i;
    return RESUME_FILE;
}

/* The checkpoint to go on from, or *path NULL for a fresh start. A run directory's own checkpoints go before a FILE:
 * a job that is queued again with the same command must not lose what it has done since. */
static enum status choose(char **path, const struct trainer *trainer)
{
    const char *resume = trainer->config->run.resume, *folder = run_checkpoints(trainer->run);
    enum resume_mode mode = mode_of(resume);
    TRY(checkpoint_find(path, folder, true));
    if (!*path && mode == RESUME_FILE)
        return memory_text(path, "trainer", resume);
    if (!*path) {
        CHECK(mode != RESUME_REQUIRE, STATUS_MISSING, "run.resume is require, but %s holds no checkpoint",
                folder);
        return STATUS_OK;
    }
    CHECK(mode != RESUME_NEVER, STATUS_CONFIG,
            "run.resume is never, but %s holds %s: start a new run with another run.directory, or go on with "
            "run.resume auto",
            folder, *path);
    if (mode == RESUME_FILE && strcmp(*path, resume) != 0)
        log_line(LOG_WARNING,
                "run.resume %s is passed over: the run directory has its own %s (remove it to go back)",
                resume, *path);
    return STATUS_OK;
}

struct comparison {
    const char *path;
    bool fresh_moments; /* another optimiser: its moments are not in the file */
    bool fresh_epoch;   /* another batch plan: a position in the old one means nothing */
};

static enum status on_difference(
        void *context, const struct option *option, const char *then, const char *now)
{
    struct comparison *comparison = context;
    CHECK(option->change != CHANGE_REFUSED, STATUS_CONFIG,
            "%s is %s in %s and %s now; it cannot change within a run: set it back, or start a new run "
            "directory (run.directory)",
            option->name, then, comparison->path, now);
    if (option->change == CHANGE_NOTED)
        log_line(LOG_INFO, "%s was %s, is now %s", option->name, then, now);
    comparison->fresh_moments |= strcmp(option->name, "optimizer.kind") == 0;
    comparison->fresh_epoch |= strncmp(option->name, "batch.", strlen("batch.")) == 0;
    return STATUS_OK;
}

static enum status check_corpus(
        const struct trainer *trainer, const struct checkpoint *checkpoint, const char *path)
{
    const char *now = corpus_facts(trainer->corpus)->fingerprint, *then = trainer->state.fingerprint;
    CHECK(strcmp(now, then) == 0, STATUS_DATA,
            "%s was trained on another corpus: expected fingerprint %s, found %s in %s", path, then, now,
            corpus_path(trainer->corpus));
    for (enum side side = SOURCE; side < SIDES; side++) {
        size_t was_bytes, is_bytes;
        bool joint;
        const void *was = checkpoint_vocabulary(checkpoint, side, &was_bytes, &joint);
        const void *is = corpus_vocabulary(trainer->corpus, side, &is_bytes);
        CHECK(was_bytes == is_bytes && memcmp(was, is, is_bytes) == 0, STATUS_DATA,
                "the %s vocabulary of %s (%zu bytes) is not that of %s (%zu bytes)", side_names[side],
                corpus_path(trainer->corpus), is_bytes, path, was_bytes);
    }
    return STATUS_OK;
}

static enum status load_state(
        struct trainer *trainer, struct checkpoint *checkpoint, const struct comparison *comparison)
{
    const struct blocks *blocks = exchange_blocks(trainer->exchange);
    struct run_state *state = &trainer->state;
    struct trainer_record record;
    trainer_record(trainer, &record);
    memory_free(state->fingerprint);
    state->fingerprint = NULL;
    TRY(checkpoint_load(checkpoint, blocks, NULL, 0, NULL, 0, record.fields, STATE_FIELDS));
    TRY(check_corpus(trainer, checkpoint, comparison->path));
    state->seed = trainer->config->run.seed;
    state->slots = trainer->config->batch.micro_batches;
    if (comparison->fresh_epoch && state->position > 0) {
        log_line(LOG_WARNING, "epoch %lld starts again: its batches changed after %lld of its updates",
                (long long)state->epoch + 1, (long long)state->position);
        state->position = 0;
        state->validated = state->update; /* in the middle of an epoch nothing is due */
    }
    if (comparison->fresh_moments)
        log_line(LOG_WARNING, "the moments of optimizer.kind start from zero");
    return checkpoint_load(checkpoint, blocks, trainer->arrays, trainer->array_count, record.planes,
            comparison->fresh_moments ? 1 : record.plane_count, NULL, 0);
}

static enum status resume_from(struct trainer *trainer, const char *path)
{
    struct checkpoint *checkpoint = NULL;
    TRY(checkpoint_open(&checkpoint, path));
    struct comparison comparison = {path, false, false};
    const char *then = checkpoint_config(checkpoint);
    enum status status =
            options_compare(&config_schema, trainer->config, then, strlen(then), on_difference, &comparison);
    if (status == STATUS_OK)
        status = load_state(trainer, checkpoint, &comparison);
    checkpoint_close(checkpoint);
    return status;
}

enum status trainer_resume(struct trainer *trainer, bool *resumed)
{
    char *path = NULL;
    const struct run_state *state = &trainer->state;
    enum status status = choose(&path, trainer);
    *resumed = status == STATUS_OK && path;
    if (*resumed) {
        status = resume_from(trainer, path);
        if (status == STATUS_OK && world()->rank == 0)
            status = checkpoint_relink(
                    run_checkpoints(trainer->run), state->update, state->best_update == state->update);
        status = status_agree(status);
        if (status == STATUS_OK)
            log_line(LOG_INFO, "resumed from %s: update %lld, epoch %lld", path, (long long)state->update,
                    (long long)state->epoch + 1);
    }
    memory_free(path);
    return status;
}
