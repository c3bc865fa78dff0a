/*
 * seqtrain bench: how fast a run of these settings trains here, where its time goes, and how fast it could be.
 */
#include "train/bench/bench.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "train/command.h"
#include "train/training/stop.h"

#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct bench_options, field)

static const struct option rows[] = {
        {"updates", OPTION_INTEGER, AT(updates), .value = "20", .minimum = 1, .maximum = 1e6,
                .help = "updates that count\nThe run is a temporary one: run.directory, run.resume, "
                        "train.until, train.time_limit, validate.patience and log.level of CONFIG.yaml do "
                        "not count."},
        {"warm-up", OPTION_INTEGER, AT(warm_up), .value = "3", .minimum = 1, .maximum = 1e6,
                .help = "updates before them"},
        {"folder", OPTION_TEXT, AT(folder), .value = ".", .placeholder = "FOLDER",
                .help = "where the temporary folder with all that is written is made; other nodes must see "
                        "it"},
        {"json", OPTION_BOOL, AT(json), .value = "false",
                .help = "print one JSON object; operations, bytes and seconds"},
};
static const struct option_group group = OPTION_GROUP("bench", "what is measured", rows);
static const struct option_place places[] = {{&group, 0}};
static const struct schema schema = {places, sizeof places / sizeof *places};

/* Settings of a run in its CONFIG.yaml that bench has its own values for. */
static const char *const own_settings[] = {
        "run.directory", "run.resume", "train.until", "train.time_limit", "validate.patience"};

static enum status check_own(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof own_settings / sizeof *own_settings; i++)
        CHECK(!options_given(argc, argv, own_settings[i]), STATUS_CONFIG,
                "bench trains --updates updates in a temporary folder (--folder): --%s does not count here",
                own_settings[i]);
    return STATUS_OK;
}

static enum status read_settings(struct config *config, struct bench_options *options, int argc, char **argv)
{
    const struct option_target own = {&schema, options};
    TRY(options_defaults(&schema, options));
    TRY(options_defaults(&config_schema, config));
    TRY(config_read(config, "bench", &own, argc, argv));
    if (options_given(argc, argv, "log.level"))
        log_set_level(((const struct log_level_kind *)config->log.level)->level);
    else
        log_set_level(LOG_WARNING);
    return check_own(argc, argv);
}

static enum status set_text(char **field, const char *text)
{
    memory_free(*field);
    *field = NULL;
    return memory_text(field, "options", text);
}

/* The run is a temporary one and ends after some updates, with a validation if there is data for it. */
static enum status settle(struct config *config, const struct bench_options *options, const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/run", folder);
    TRY(set_text(&config->run.directory, path));
    TRY(set_text(&config->run.resume, "auto"));
    snprintf(path, sizeof path, "%s/train.h5", folder);
    if (config->data.train.count == 0)
        TRY(text_list_add(&config->data.train, path));
    TRY(config_complete(config));
    const struct period end = {.value = (double)(options->warm_up + options->updates), .unit = 'u'};
    struct period *every = &config->validate.every;
    if (every->value > 0 && (every->unit != 'u' || every->value > end.value))
        *every = end;
    config->train.until = end;
    config->train.time_limit.value = 0;
    config->validate.patience = 0;
    return config_check(config, world()->size);
}

static enum status measure(struct config *config, const struct bench_options *options, const char *folder)
{
    struct bench bench;
    bool generated = config->data.train.count == 0;
    TRY(status_agree(settle(config, options, folder)));
    if (generated)
        TRY(bench_corpus_make(folder, config->data.train.items[0]));
    enum status status = bench_run(&bench, config, options);
    if (status == STATUS_STOPPED)
        return status_fail(STATUS_STOPPED, "stopped on a signal; nothing is kept");
    TRY(status);
    if (world()->rank == 0 && options->json)
        status = bench_print_json(&bench);
    else if (world()->rank == 0)
        bench_print(&bench);
    bench_release(&bench);
    return status_agree(status);
}

static enum status bench(struct config *config, const struct bench_options *options)
{
    char *folder = NULL;
    enum status status = bench_folder_make(&folder, options->folder);
    if (status == STATUS_OK)
        status = measure(config, options, folder);
    bench_folder_remove(folder);
    memory_free(folder);
    return status;
}

static enum status run(int argc, char **argv)
{
    struct config config = {0};
    struct bench_options options = {0};
    stop_watch();
    enum status status = read_settings(&config, &options, argc, argv);
    enum status opened = world_open(status == STATUS_OK ? (int)config.comm.threads : 0);
    if (opened == STATUS_OK)
        opened = status_agree(status);
    if (opened == STATUS_OK)
        opened = bench(&config, &options);
    options_release(&config_schema, &config);
    options_release(&schema, &options);
    return opened;
}

const struct command bench_command = {
        .name = "bench",
        .summary = "measures the speed of training, where time goes, and the limit",
        .usage = "[CONFIG.yaml] [--KEY VALUE]... [--updates N] [--json]",
        .examples = "seqtrain bench config.yaml\n"
                    "seqtrain bench --model.width 512          # on built-in text\n"
                    "mpirun -n 2 seqtrain bench config.yaml --comm.threads 1 --updates 50 --json\n",
        .schemas = {&schema, &config_schema},
        .ranks = true,
        .run = run,
};
