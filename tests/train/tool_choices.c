/*
 * Trains models in which every choice stands (tests/models/choices.h), each in a run directory of its own, or goes on:
 *
 *     tool_choices CONFIG.yaml FOLDER UPDATES THREADS TEXT.h5 FRAMES.h5 IMAGES.h5      FOLDER/0, FOLDER/1 ...
 *
 * Rank 0 prints a line for each: its number, and what it is.
 */
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "tests/models/choices.h"
#include "train/config.h"
#include "train/training/loop.h"

#include <stdio.h>
#include <stdlib.h>

struct task {
    const char *yaml, *folder, *const *corpora; /* corpora: of each kind of source */
    int64_t updates;
};

static enum status set(struct config *config, const char *name, const char *value)
{
    return options_set(&config_schema, config, name, value, "tool");
}

static enum status settle(
        struct config *config, const struct task *task, const struct variant *variant, size_t number)
{
    char directory[4096], until[32];
    snprintf(directory, sizeof directory, "%s/%zu", task->folder, number);
    snprintf(until, sizeof until, "%lldu", (long long)task->updates);
    TRY(options_defaults(&config_schema, config));
    TRY(options_read_yaml(&config_schema, config, task->yaml));
    config->model = variant_options(variant);
    config->model.position_limit = 1024;
    variant_drop(&config->model, 0.1);
    TRY(set(config, "run.directory", directory));
    TRY(set(config, "train.until", until));
    TRY(set(config, "data.train", task->corpora[config->model.source.kind]));
    config_resolve(config);
    return config_check(config, world()->size);
}

static enum status train(const struct config *config)
{
    struct trainer trainer;
    enum status status = trainer_open(&trainer, config);
    if (status == STATUS_OK)
        status = loop_run(&trainer);
    trainer_close(&trainer);
    return status;
}

static enum status train_variant(const struct task *task, const struct variant *variant, size_t number)
{
    struct config config = {0};
    enum status status = status_agree(settle(&config, task, variant, number));
    if (status == STATUS_OK)
        status = train(&config);
    options_release(&config_schema, &config);
    if (status == STATUS_OK && world()->rank == 0)
        printf("%zu %s\n", number, variant->what);
    return status == STATUS_OK ? status : status_fail(status, "%s: %s", variant->what, status_message());
}

int main(int argc, char **argv)
{
    int threads = argc == 8 ? atoi(argv[4]) : 1;
    world_prepare(argv, threads);
    enum status status = world_open(threads);
    log_set_level(LOG_WARNING);
    if (argc != 8)
        status = status_fail(STATUS_USAGE, "expected 7 words, found %d", argc - 1);
    static struct variant drawn[CHOICES_MOST];
    size_t count = status == STATUS_OK ? choices_draw(drawn, 1) : 0;
    for (size_t v = 0; status == STATUS_OK && v < count; v++) {
        const char *const corpora[] = {argv[5], argv[6], argv[7]};
        const struct task task = {argv[1], argv[2], corpora, atoll(argv[3])};
        status = train_variant(&task, &drawn[v], v);
    }
    if (status != STATUS_OK && world()->rank == 0)
        fprintf(stderr, "tool_choices: %s\n", status_message());
    world_close();
    return (int)status;
}
