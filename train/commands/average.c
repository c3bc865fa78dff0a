/*
 * seqtrain average: the mean of the weights of several checkpoints as a checkpoint of its own.
 */
#include "comm/memory.h"
#include "io/checkpoint.h"
#include "io/text.h"
#include "train/command.h"
#include "train/config.h"
#include "train/inference/weights.h"

#include <string.h>
#include <sys/stat.h>

struct settings {
    char *output;
    int64_t last;
    const struct kind *parameters;
};

static const struct option rows[] = {
        {"output", OPTION_TEXT, offsetof(struct settings, output), .required = true, .placeholder = "OUT.h5",
                .help = "the checkpoint to be written"},
        {"last", OPTION_INTEGER, offsetof(struct settings, last), .value = "off", .minimum = 1,
                .maximum = 100000, .zero = "off",
                .help = "of RUN, take so many of its newest checkpoints (checkpoint.keep)"},
        {"parameters", OPTION_CHOICE, offsetof(struct settings, parameters), .value = "raw",
                .kinds = &weights_kinds, .help = "which weights of the checkpoints"},
};
static const struct option_group group = OPTION_GROUP("average", "what is averaged", rows);
static const struct option_place places[] = {{&group, 0}};
static const struct schema schema = {places, sizeof places / sizeof *places};

/* ---- which checkpoints ---- */

static enum status resolve_words(struct text_list *paths, const struct text_list *words)
{
    for (size_t i = 0; i < words->count; i++) {
        char *path = NULL;
        TRY(checkpoint_resolve(&path, words->items[i]));
        enum status status = text_list_add(paths, path);
        memory_free(path);
        TRY(status);
    }
    return STATUS_OK;
}

static enum status choose(
        struct text_list *paths, const struct settings *settings, const struct text_list *words)
{
    struct stat facts;
    if (settings->last > 0) {
        CHECK(words->count == 1, STATUS_USAGE,
                "average --last %lld takes one RUN, a run directory, found %zu words",
                (long long)settings->last, words->count);
        if (stat(words->items[0], &facts) != 0)
            return status_fail_errno("open", words->items[0]);
        CHECK(S_ISDIR(facts.st_mode), STATUS_USAGE,
                "average --last %lld takes a run directory, found the file %s", (long long)settings->last,
                words->items[0]);
        return checkpoint_newest(paths, words->items[0], (size_t)settings->last);
    }
    CHECK(words->count > 0, STATUS_USAGE,
            "average takes the checkpoints to be averaged (run directories: their best), found none");
    return resolve_words(paths, words);
}

/* ---- whether they go together ---- */

struct comparison {
    const struct checkpoint *one, *two;
};

/* Only settings of the model count: weights of equal shapes mean something else in another one. */
static enum status on_difference(
        void *context, const struct option *option, const char *then, const char *now)
{
    const struct comparison *comparison = context;
    CHECK(!config_is_of_model(option), STATUS_DATA,
            "%s is %s in %s and %s in %s: expected the same model in both", option->name, then,
            checkpoint_path(comparison->two), now, checkpoint_path(comparison->one));
    return STATUS_OK;
}

static enum status compare(const struct config *config, struct checkpoint *const *checkpoints, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct comparison comparison = {checkpoints[0], checkpoints[i]};
        const char *yaml = checkpoint_config(checkpoints[i]);
        TRY(options_compare(&config_schema, config, yaml, strlen(yaml), on_difference, &comparison));
    }
    return STATUS_OK;
}

static enum status check_settings(struct checkpoint *const *checkpoints, size_t count)
{
    struct config config;
    const char *yaml = checkpoint_config(checkpoints[0]);
    TRY(options_defaults(&config_schema, &config));
    enum status status =
            options_parse_yaml(&config_schema, &config, yaml, strlen(yaml), checkpoint_path(checkpoints[0]));
    if (status == STATUS_OK)
        status = compare(&config, checkpoints, count);
    options_release(&config_schema, &config);
    return status;
}

/* ---- the command ---- */

static enum status choose_weights(const char **out, const struct settings *settings,
        struct checkpoint *const *checkpoints, size_t count)
{
    TRY(weights_choose(out, settings->parameters, checkpoints[0]));
    for (size_t i = 1; i < count; i++) {
        const char *other;
        TRY(weights_choose(&other, settings->parameters, checkpoints[i]));
        CHECK(strcmp(other, *out) == 0, STATUS_DATA,
                "--parameters %s means /%s in %s and /%s in %s: expected the same in both; give --parameters "
                "raw",
                settings->parameters->name, *out, checkpoint_path(checkpoints[0]), other,
                checkpoint_path(checkpoints[i]));
    }
    return STATUS_OK;
}

static enum status average_all(
        const struct settings *settings, struct checkpoint *const *checkpoints, size_t count)
{
    const char *weights;
    TRY(choose_weights(&weights, settings, checkpoints, count));
    TRY(check_settings(checkpoints, count));
    TRY(checkpoint_average(settings->output, checkpoints, count, weights));
    printf("%s: the mean of /%s of %zu %s\n", settings->output, weights, count,
            count == 1 ? "checkpoint" : "checkpoints");
    for (size_t i = 0; i < count; i++)
        printf("  %s\n", checkpoint_path(checkpoints[i]));
    return STATUS_OK;
}

static enum status average_paths(const struct settings *settings, const struct text_list *paths)
{
    struct checkpoint **checkpoints = NULL;
    TRY(memory_new(&checkpoints, "average", paths->count, sizeof(struct checkpoint *)));
    enum status status = STATUS_OK;
    for (size_t i = 0; i < paths->count && status == STATUS_OK; i++)
        status = checkpoint_open(&checkpoints[i], paths->items[i]);
    if (status == STATUS_OK)
        status = average_all(settings, checkpoints, paths->count);
    for (size_t i = 0; i < paths->count; i++)
        checkpoint_close(checkpoints[i]);
    memory_free(checkpoints);
    return status;
}

static enum status average(const void *given, const struct text_list *words)
{
    const struct settings *settings = given;
    struct text_list paths = {0};
    TRY(options_check_required(&schema, settings));
    enum status status = choose(&paths, settings, words);
    if (status == STATUS_OK)
        status = text_check_output(settings->output, &paths);
    if (status == STATUS_OK)
        status = average_paths(settings, &paths);
    text_list_release(&paths);
    return status;
}

static enum status run(int argc, char **argv)
{
    struct settings settings;
    return command_run(&average_command, &settings, argc, argv, average);
}

const struct command average_command = {
        .name = "average",
        .summary = "makes one checkpoint of the mean of several",
        .usage = "--output OUT.h5 CHECKPOINT...\n--output OUT.h5 --last N RUN",
        .examples = "seqtrain average --output mean.h5 --last 10 runs/demo\n"
                    "seqtrain translate mean.h5 <test.en >test.de",
        .schemas = {&schema},
        .ranks = false,
        .run = run,
};
