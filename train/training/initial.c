/*
 * Where a new run starts from: random parameters, or those of another run (run.init).
 */
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "train/inference/weights.h"
#include "train/training/trainer.h"

#include <string.h>

/* The weights mean something in the same model only; what else they were trained with does not matter. */
static enum status on_difference(
        void *context, const struct option *option, const char *then, const char *now)
{
    const struct checkpoint *const *checkpoint = context;
    CHECK(!config_is_of_model(option), STATUS_CONFIG,
            "%s is %s in %s of run.init and %s now: set it to %s, or leave run.init out", option->name, then,
            checkpoint_path(*checkpoint), now, then);
    return STATUS_OK;
}

static enum status check_settings(const struct trainer *trainer, const struct checkpoint *checkpoint)
{
    const char *then = checkpoint_config(checkpoint);
    TRY(options_compare(&config_schema, trainer->config, then, strlen(then), on_difference, &checkpoint));
    return trainer_check_vocabulary(trainer, checkpoint);
}

static enum status load_weights(struct trainer *trainer, struct checkpoint *checkpoint)
{
    struct flat_plane plane = {.values = model_parameters(trainer->model)->values, .flat = true};
    TRY(status_agree(check_settings(trainer, checkpoint)));
    TRY(weights_choose(&plane.group, NULL, checkpoint));
    TRY(checkpoint_load(checkpoint, NULL, trainer->arrays, trainer->array_count, &plane, 1, NULL, 0));
    log_line(LOG_INFO, "run.init: a new run from the %sweights of %s",
            strcmp(plane.group, WEIGHTS_EMA) == 0 ? "averaged " : "", checkpoint_path(checkpoint));
    return STATUS_OK;
}

static enum status initialise_from(struct trainer *trainer, const char *model)
{
    char *path = NULL;
    struct checkpoint *checkpoint = NULL;
    enum status status = checkpoint_resolve(&path, model);
    if (status == STATUS_OK)
        status = checkpoint_open(&checkpoint, path);
    if (status == STATUS_OK)
        status = load_weights(trainer, checkpoint);
    checkpoint_close(checkpoint);
    memory_free(path);
    return status;
}

enum status trainer_start(struct trainer *trainer)
{
    const struct config *config = trainer->config;
    struct run_state *state = &trainer->state;
    *state = (struct run_state){.seed = config->run.seed, .slots = config->batch.micro_batches};
    TRY(status_agree(memory_text(&state->fingerprint, "trainer", corpora_fingerprint(trainer->corpora))));
    if (config->run.init)
        TRY(initialise_from(trainer, config->run.init));
    else
        model_initialise(trainer->model, (uint64_t)config->run.seed);
    ema_start(&trainer->ema, exchange_blocks(trainer->exchange), model_parameters(trainer->model)->values);
    return STATUS_OK;
}
