#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "train/inference/weights.h"
#include "train/training/validation.h"

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

/* Opens the checkpoint to go on from, or *out NULL for a fresh start. A run directory's own checkpoints go before a FILE:
 * a job that is queued again with the same command must not lose what it has done since. */
static enum status choose(struct checkpoint **out, struct trainer *trainer)
{
    const char *resume = trainer->config->run.resume, *folder = run_checkpoints(trainer->run);
    enum resume_mode mode = mode_of(resume);
    TRY(checkpoint_find(out, folder, true));
    trainer->elsewhere = !*out && mode == RESUME_FILE;
    if (trainer->elsewhere)
        return checkpoint_open(out, resume);
    if (!*out) {
        CHECK(mode != RESUME_REQUIRE, STATUS_MISSING, "run.resume is require, but %s holds no checkpoint",
                folder);
        return STATUS_OK;
    }
    const char *path = checkpoint_path(*out);
    CHECK(mode != RESUME_NEVER, STATUS_CONFIG,
            "run.resume is never, but %s holds %s: start a new run with another run.directory, or go on with "
            "run.resume auto",
            folder, path);
    if (mode == RESUME_FILE && strcmp(path, resume) != 0)
        log_line(LOG_WARNING,
                "run.resume %s is passed over: the run directory has its own %s (remove it to go back)",
                resume, path);
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
            "directory (run.directory%s",
            option->name, then, comparison->path, now,
            config_is_of_model(option) ? "; run.init needs it unchanged, too)"
                                       : "), from these weights with run.init");
    if (option->change == CHANGE_NOTED)
        log_line(LOG_INFO, "%s was %s, is now %s", option->name, then[0] ? then : "not set",
                now[0] ? now : "not set");
    comparison->fresh_moments |= strcmp(option->name, "optimizer.kind") == 0;
    comparison->fresh_epoch |= strncmp(option->name, "batch.", strlen("batch.")) == 0;
    return STATUS_OK;
}

enum status trainer_check_vocabulary(const struct trainer *trainer, const struct checkpoint *checkpoint)
{
    const char *path = checkpoint_path(checkpoint), *corpus = corpus_path(trainer->corpus);
    for (enum side side = SOURCE; side < SIDES; side++) {
        size_t was_bytes, is_bytes;
        bool joint;
        const void *was = checkpoint_vocabulary(checkpoint, side, &was_bytes, &joint);
        const void *is = corpus_vocabulary(trainer->corpus, side, &is_bytes);
        CHECK(was_bytes == is_bytes && memcmp(was, is, is_bytes) == 0, STATUS_DATA,
                "the %s vocabulary of %s (%zu bytes) is not that of %s (%zu bytes): prepare the corpus with "
                "--vocab %s",
                side_names[side], corpus, is_bytes, path, was_bytes, path);
    }
    return STATUS_OK;
}

static enum status check_corpus(const struct trainer *trainer, const struct checkpoint *checkpoint)
{
    const char *now = corpora_fingerprint(trainer->corpora), *then = trainer->state.fingerprint;
    const char *path = checkpoint_path(checkpoint);
    CHECK(then && strcmp(now, then) == 0, STATUS_DATA,
            "%s was trained on another corpus: expected fingerprint %s, found %s in %s; a new run.directory "
            "with run.init %s starts from its weights",
            path, then ? then : "(none)", now, corpus_path(trainer->corpus), path);
    return trainer_check_vocabulary(trainer, checkpoint);
}

/* Those planes of the record that the checkpoint has and that still mean something. */
static size_t usable_planes(struct flat_plane *out, const struct trainer_record *record,
        const struct checkpoint *checkpoint, bool fresh_moments)
{
    size_t count = 0;
    for (size_t p = 0; p < record->plane_count; p++) {
        const char *group = record->planes[p].group;
        bool moment = strncmp(group, "optimizer/", strlen("optimizer/")) == 0;
        bool missing = strcmp(group, WEIGHTS_EMA) == 0 && !checkpoint_has_group(checkpoint, group);
        if (!missing && !(moment && fresh_moments))
            out[count++] = record->planes[p];
    }
    return count;
}

static enum status load_planes(struct trainer *trainer, struct checkpoint *checkpoint,
        const struct trainer_record *record, bool fresh_moments)
{
    const struct blocks *blocks = exchange_blocks(trainer->exchange);
    struct flat_plane planes[TRAINER_PLANES];
    size_t count = usable_planes(planes, record, checkpoint, fresh_moments);
    if (fresh_moments)
        log_line(LOG_WARNING, "the moments of optimizer.kind start from zero");
    TRY(checkpoint_load(checkpoint, blocks, trainer->arrays, trainer->array_count, planes, count, NULL, 0));
    if (trainer->ema.values && !checkpoint_has_group(checkpoint, WEIGHTS_EMA)) {
        log_line(LOG_INFO, "train.ema: the averages start from the weights as they are");
        ema_start(&trainer->ema, blocks, model_parameters(trainer->model)->values);
    }
    return STATUS_OK;
}

static enum status load_state(
        struct trainer *trainer, struct checkpoint *checkpoint, const struct comparison *comparison)
{
    struct run_state *state = &trainer->state;
    struct trainer_record record;
    trainer_record(trainer, &record);
    memory_free(state->fingerprint);
    state->fingerprint = NULL;
    TRY(checkpoint_load(checkpoint, NULL, NULL, 0, NULL, 0, record.fields, record.field_count));
    TRY(run_state_check(state, comparison->path));
    TRY(history_check(&state->history, comparison->path));
    validation_forget_others(trainer);
    validation_judge(trainer);
    TRY(check_corpus(trainer, checkpoint));
    state->seed = trainer->config->run.seed;
    state->slots = trainer->config->batch.micro_batches;
    if (comparison->fresh_epoch && state->position > 0) {
        log_line(LOG_WARNING, "epoch %lld starts again: its batches changed after %lld of its updates",
                (long long)state->epoch + 1, (long long)state->position);
        bool due = validation_due(trainer); /* by updates; by epochs nothing is, in the middle of one */
        state->position = state->epoch_tokens = 0;
        if (!due)
            state->validated = state->update;
    }
    if (comparison->fresh_moments)
        state->moments_from = state->update;
    return load_planes(trainer, checkpoint, &record, comparison->fresh_moments);
}

static enum status check_state(const struct checkpoint *checkpoint)
{
    CHECK(!checkpoint_is_average(checkpoint), STATUS_DATA,
            "%s: expected the state of a run, found an average of checkpoints, which has none of the "
            "optimiser's: start a new run from its weights with run.init",
            checkpoint_path(checkpoint));
    return STATUS_OK;
}

static enum status resume_from(struct trainer *trainer, struct checkpoint *checkpoint)
{
    struct comparison comparison = {checkpoint_path(checkpoint), false, false};
    const char *then = checkpoint_config(checkpoint);
    enum status status = check_state(checkpoint);
    if (status == STATUS_OK)
        status = options_compare(
                &config_schema, trainer->config, then, strlen(then), on_difference, &comparison);
    TRY(status_agree(status));
    return load_state(trainer, checkpoint, &comparison);
}

/* Rank 0: links and files as they belong to the state that was loaded. */
static enum status relink(const struct trainer *trainer)
{
    struct best_list best;
    struct checkpoint_options options = trainer_checkpoints(trainer);
    validation_best(trainer, &best);
    return checkpoint_relink(&options, trainer->state.update, &best);
}

static enum status go_on(struct trainer *trainer, struct checkpoint *checkpoint)
{
    const struct run_state *state = &trainer->state;
    const char *init = trainer->config->run.init, *path = checkpoint_path(checkpoint);
    if (init)
        log_line(LOG_INFO, "run.init %s is passed over: the run goes on from its own %s", init, path);
    TRY(resume_from(trainer, checkpoint));
    TRY(status_agree(memory_text(&trainer->origin, "trainer", path)));
    TRY(status_agree(world()->rank == 0 ? relink(trainer) : STATUS_OK));
    log_line(LOG_INFO, "resumed from %s: update %lld, epoch %lld", path, (long long)state->update,
            (long long)state->epoch + 1);
    return STATUS_OK;
}

enum status trainer_resume(struct trainer *trainer, bool *resumed)
{
    struct checkpoint *checkpoint = NULL;
    enum status status = status_agree(choose(&checkpoint, trainer));
    *resumed = status == STATUS_OK && checkpoint;
    if (*resumed)
        status = go_on(trainer, checkpoint);
    checkpoint_close(checkpoint);
    return status;
}
