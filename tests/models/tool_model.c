/*
 * Writes a checkpoint of a small random model, so that commands which read one are tested without training:
 *
 *     tool_model FOLDER [KEY VALUE]...      FOLDER/checkpoints/update-00000001.h5, FOLDER/last.h5
 *
 * The joint vocabulary is that of the words "zero" to "nine".
 */
#include "comm/memory.h"
#include "comm/world.h"
#include "io/checkpoint.h"
#include "train/config.h"

#include <stdio.h>
#include <string.h>

struct made {
    struct config config;
    char *yaml, *vocabulary_model;
    size_t vocabulary_bytes;
    struct vocabulary *vocabulary;
    struct model *model;
    struct flat_array *arrays;
    struct checkpointer *checkpointer;
};

static enum status read_settings(struct made *made, int argc, char **argv)
{
    static const char *const small[] = {"model.width", "16", "model.encoder_layers", "2",
            "model.decoder_layers", "2", "model.heads", "2", "model.ffn_width", "24"};
    TRY(options_defaults(&config_schema, &made->config));
    for (size_t i = 0; i + 1 < sizeof small / sizeof *small; i += 2)
        TRY(options_set(&config_schema, &made->config, small[i], small[i + 1], "tool"));
    for (int i = 0; i + 1 < argc; i += 2)
        TRY(options_set(&config_schema, &made->config, argv[i], argv[i + 1], "command line"));
    return options_write_yaml(&made->yaml, &config_schema, &made->config, true);
}

static enum status learn_vocabulary(struct made *made)
{
    static const char line[] = "zero one two three four five six seven eight nine";
    const char *lines[] = {line};
    const size_t bytes[] = {sizeof line - 1};
    const struct vocabulary_settings settings = {
            .kind = kind_find(&vocabulary_kinds, "word"), .size = 13, .coverage = 1};
    TRY(vocabulary_train(
            &made->vocabulary_model, &made->vocabulary_bytes, "joint", &settings, lines, bytes, 1));
    return vocabulary_open(&made->vocabulary, made->vocabulary_model, made->vocabulary_bytes, "tool");
}

/* Random values; </s> likely enough that sentences end. */
static enum status build_model(struct made *made)
{
    size_t rows = vocabulary_rows(made->vocabulary);
    TRY(model_open(&made->model, &made->config.model, (const size_t[SIDES]){rows, rows}, true));
    model_initialise(made->model, 3);
    struct parameters *parameters = model_parameters(made->model);
    parameters->values[parameters_find(parameters, "output/bias")->array.offset + TOKEN_END] = 1.5f;
    TRY(memory_new(&made->arrays, "tool", parameters->count, sizeof *made->arrays));
    for (size_t i = 0; i < parameters->count; i++)
        made->arrays[i] = parameters->items[i].array;
    return STATUS_OK;
}

static enum status save(struct made *made, const char *folder)
{
    char checkpoints[4096];
    snprintf(checkpoints, sizeof checkpoints, "%s/checkpoints", folder);
    struct parameters *parameters = model_parameters(made->model);
    struct blocks blocks = blocks_make(parameters->floats, 0, 1);
    const struct checkpoint_options options = {.folder = checkpoints, .keep = 1, .compression = 1};
    const struct flat_plane plane = {
            .group = "model", .values = parameters->values, .flat = true, .description = "parameter"};
    const struct checkpoint_contents contents = {
            .arrays = made->arrays,
            .array_count = parameters->count,
            .planes = &plane,
            .plane_count = 1,
            .config = made->yaml,
            .vocabulary = {made->vocabulary_model, made->vocabulary_model},
            .vocabulary_bytes = {made->vocabulary_bytes, made->vocabulary_bytes},
            .joint = true,
    };
    TRY(checkpointer_open(&made->checkpointer, &options, &blocks));
    TRY(checkpoint_save(made->checkpointer, &contents, 1, NULL));
    return checkpoint_wait(made->checkpointer);
}

static enum status make(struct made *made, int argc, char **argv)
{
    CHECK(argc >= 2, STATUS_USAGE, "usage: tool_model FOLDER [KEY VALUE]...");
    TRY(read_settings(made, argc - 2, argv + 2));
    TRY(learn_vocabulary(made));
    TRY(build_model(made));
    return save(made, argv[1]);
}

int main(int argc, char **argv)
{
    struct made made = {0};
    enum status status = make(&made, argc, argv);
    if (status != STATUS_OK)
        fprintf(stderr, "tool_model: %s\n", status_message());
    if (made.checkpointer)
        checkpointer_close(made.checkpointer);
    memory_free(made.arrays);
    model_close(made.model);
    vocabulary_close(made.vocabulary);
    memory_free(made.vocabulary_model);
    memory_free(made.yaml);
    options_release(&config_schema, &made.config);
    return (int)status;
}
