#include "train/inference/saved_model.h"

#include "comm/memory.h"
#include "comm/world.h"
#include "io/checkpoint.h"
#include "train/inference/weights.h"

#include <string.h>

enum status saved_model_check_one(const char *command, const struct text_list *words)
{
    CHECK(words->count == 1, STATUS_USAGE,
            "%s takes one MODEL (a run directory or a checkpoint), found %zu words", command, words->count);
    return STATUS_OK;
}

static enum status open_vocabularies(struct saved_model *saved, const struct checkpoint *checkpoint)
{
    for (int side = 0; side < SIDES; side++) {
        size_t bytes;
        const void *model = checkpoint_vocabulary(checkpoint, (enum side)side, &bytes, &saved->joint);
        if (side == TARGET && saved->joint)
            saved->vocabularies[TARGET] = saved->vocabularies[SOURCE];
        else
            TRY(vocabulary_open(&saved->vocabularies[side], model, bytes, saved->path));
    }
    CHECK(vocabulary_form(saved->vocabularies[TARGET])->kind == SOURCE_TEXT, STATUS_DATA,
            "%s: expected a vocabulary of the target, found the form of a source that is not text",
            saved->path);
    return STATUS_OK;
}

static enum status build(struct saved_model *saved, const struct checkpoint *checkpoint)
{
    const char *yaml = checkpoint_config(checkpoint);
    TRY(options_defaults(&config_schema, &saved->config));
    TRY(options_parse_yaml(&config_schema, &saved->config, yaml, strlen(yaml), saved->path));
    TRY(open_vocabularies(saved, checkpoint));
    const size_t rows[SIDES] = {
            vocabulary_rows(saved->vocabularies[SOURCE]), vocabulary_rows(saved->vocabularies[TARGET])};
    saved->config.model.source = *vocabulary_form(saved->vocabularies[SOURCE]);
    return model_open(&saved->model, &saved->config.model, rows, saved->joint);
}

static enum status load(struct saved_model *saved, struct checkpoint *checkpoint, const struct kind *weights)
{
    struct parameters *parameters = model_parameters(saved->model);
    struct flat_plane plane = {.values = parameters->values, .flat = true};
    TRY(weights_choose(&plane.group, weights, checkpoint));
    struct flat_array *arrays = NULL;
    enum status status = memory_new(&arrays, "parameters", parameters->count, sizeof *arrays);
    for (size_t i = 0; status == STATUS_OK && i < parameters->count; i++)
        arrays[i] = parameters->items[i].array;
    status = status_agree(status);
    if (status == STATUS_OK)
        status = checkpoint_load(checkpoint, NULL, arrays, parameters->count, &plane, 1, NULL, 0);
    memory_free(arrays);
    return status;
}

enum status saved_model_open(struct saved_model *out, const char *model, const struct kind *parameters)
{
    struct checkpoint *checkpoint = NULL;
    *out = (struct saved_model){0};
    enum status status = checkpoint_resolve(&out->path, model);
    if (status == STATUS_OK)
        status = checkpoint_open(&checkpoint, out->path);
    if (status == STATUS_OK)
        status = status_agree(build(out, checkpoint));
    if (status == STATUS_OK)
        status = load(out, checkpoint, parameters);
    checkpoint_close(checkpoint);
    if (status != STATUS_OK)
        saved_model_close(out);
    return status;
}

void saved_model_close_vocabularies(struct saved_model *saved)
{
    if (saved->vocabularies[TARGET] != saved->vocabularies[SOURCE])
        vocabulary_close(saved->vocabularies[TARGET]);
    vocabulary_close(saved->vocabularies[SOURCE]);
    saved->vocabularies[SOURCE] = saved->vocabularies[TARGET] = NULL;
}

void saved_model_close(struct saved_model *saved)
{
    model_close(saved->model);
    saved_model_close_vocabularies(saved);
    options_release(&config_schema, &saved->config);
    memory_free(saved->path);
    *saved = (struct saved_model){0};
}
