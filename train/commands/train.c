#include "comm/log.h"
#include "comm/memory.h"
#include "comm/watch.h"
#include "comm/world.h"
#include "train/command.h"
#include "train/config.h"
#include "train/training/loop.h"
#include "train/training/stop.h"
#include "train/training/trainer.h"

#include <stdio.h>

struct switches {
    bool config_dump;
};

static const struct option rows[] = {
        {"config-dump", OPTION_BOOL, offsetof(struct switches, config_dump), .value = "false",
                .help = "prints all settings as they would be used, as YAML; trains nothing"},
};
static const struct option_group group = OPTION_GROUP("command", "instead of training", rows);
static const struct option_place places[] = {{&group, 0}};
static const struct schema schema = {places, sizeof places / sizeof *places};

/* The last words, for log.txt: main() tells them to people when the log is closed. */
static void record_end(enum status status)
{
    if (status != STATUS_OK)
        log_record(status == STATUS_STOPPED ? LOG_INFO : LOG_ERROR, "%s", status_message());
}

/* From the run's newest checkpoint to its end. *goes_back: it is to be done once more (train.on_nan). */
static enum status train_on(const struct config *config, bool *goes_back)
{
    struct trainer trainer;
    enum status status = trainer_open(&trainer, config);
    trainer.went_back = *goes_back;
    if (status == STATUS_OK)
        status = loop_run(&trainer);
    *goes_back = trainer.goes_back;
    record_end(status);
    char reason[4096]; /* closing waits for a save, which may fail, too */
    snprintf(reason, sizeof reason, "%s", status_message());
    trainer_close(&trainer);
    return status == STATUS_OK ? STATUS_OK : status_fail(status, "%s", reason);
}

static enum status train(const struct config *config)
{
    TRY(config_compare_ranks(config));
    TRY(config_check(config, world()->size));
    log_set_level(((const struct log_level_kind *)config->log.level)->level);
    bool goes_back = false;
    enum status status = train_on(config, &goes_back);
    if (goes_back) {
        log_line(LOG_WARNING, "%s", status_message());
        log_line(LOG_WARNING, "going back to the newest checkpoint, once (train.on_nan %s)",
                config->train.on_nan->name);
        status = train_on(config, &goes_back);
    }
    return status;
}

/* Needs no world: what asks may run where no rank can be started. */
static enum status dump(const struct config *config)
{
    char *yaml;
    TRY(config_check(config, world_launch_size()));
    TRY(options_write_yaml(&yaml, &config_schema, config, false));
    if (world_launch_rank() == 0)
        fputs(yaml, stdout);
    memory_free(yaml);
    return STATUS_OK;
}

static enum status open_and_train(const struct config *config, enum status status)
{
    if (status == STATUS_OK) /* before MPI starts, which may hang, too; main() stops it when MPI has ended */
        status = watch_start(period_seconds(config->comm.timeout));
    enum status opened = world_open(status == STATUS_OK ? (int)config->comm.threads : 0);
    if (opened == STATUS_OK)
        opened = status_agree(status);
    if (opened == STATUS_OK)
        opened = train(config);
    return opened;
}

/* Every rank reads the settings; what is wrong with them is told once, when the ranks have met. */
static enum status run(int argc, char **argv)
{
    struct config config = {0};
    struct switches switches = {0};
    const struct option_target own = {&schema, &switches};
    stop_watch();
    enum status status = options_defaults(&schema, &switches);
    if (status == STATUS_OK)
        status = options_defaults(&config_schema, &config);
    if (status == STATUS_OK)
        status = config_read(&config, "train", &own, argc, argv);
    if (status == STATUS_OK)
        status = config_complete(&config);
    if (!switches.config_dump)
        status = open_and_train(&config, status);
    else if (status == STATUS_OK)
        status = dump(&config);
    options_release(&config_schema, &config);
    return status;
}

const struct command train_command = {
        .name = "train",
        .summary = "trains a model, or goes on with a run",
        .usage = "[CONFIG.yaml] [--KEY VALUE]...",
        .examples = "seqtrain train --data.train train.h5 --data.valid valid.h5 --run.directory run\n"
                    "mpirun -n 4 seqtrain train config.yaml --optimizer.learning_rate 0.0005\n"
                    "seqtrain train config.yaml        # again after a stop: goes on where it was\n"
                    "seqtrain train config.yaml --config-dump >all.yaml\n",
        .schemas = {&config_schema, &schema},
        .ranks = true,
        .run = run,
};
