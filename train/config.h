/*
 * The settings of a training run: one struct, one schema. Each group's rows live with their owner;
 * config.c places them.
 */
#ifndef TRAIN_CONFIG_H
#define TRAIN_CONFIG_H

#include "comm/exchange.h"
#include "comm/log.h"
#include "io/options.h"
#include "models/models.h"
#include "train/metrics/metrics.h"
#include "train/optimizers/optimizer.h"
#include "train/training/sampling.h"
#include "train/training/schedule.h"

struct run_options {
    char *directory;
    int64_t seed;
    char *resume; /* auto, never, require, or a checkpoint FILE */
    char *init;   /* checkpoint or run directory */
};

struct data_options {
    struct text_list train; /* corpora_parse() reads them */
    char *valid;
    double word_dropout[SIDES];
    double sampling, sampling_alpha; /* alpha 0: auto */
};

struct batch_options {
    int64_t tokens, micro_batches;
};

struct train_options {
    struct period until;      /* u, e */
    struct period time_limit; /* s, m, h */
    struct text_list freeze;  /* patterns of parameter names */
    double label_smoothing, r_drop, clip_norm;
    const struct kind *guided_alignment; /* into guide_kinds */
    double guided_weight;
    struct sampling_options sampling;
    double ema; /* decay of ema.h; 0: off */
    bool recompute;
    const struct kind *on_nan; /* into on_nan_kinds */
};

struct validate_options {
    struct period every;       /* u, e */
    const struct kind *metric; /* into metric_kinds of validate.h */
    struct text_list metrics;  /* names of others */
    int64_t patience;          /* validations; 0: off */
    double min_delta;
    struct text_metric_options text;
    int64_t beam, samples;
};

struct checkpoint_settings {
    struct period every; /* u, e, s, m, h */
    int64_t keep, compression;
    const struct kind *on_failure; /* into save_failure_kinds of saving.h */
    bool verify;
};

struct comm_options {
    struct exchange_kinds exchange;
    int64_t threads;       /* 0: auto */
    int64_t verify_every;  /* updates; 0: never */
    struct period timeout; /* s, m, h; 0: never */
};

struct log_options {
    struct period every;      /* u, s, m */
    const struct kind *level; /* into log_level_kinds */
    bool tensorboard;
};

struct config {
    struct run_options run;
    struct data_options data;
    struct model_options model;
    struct batch_options batch;
    struct optimizer_options optimizer;
    struct schedule_options schedule;
    struct train_options train;
    struct validate_options validate;
    struct checkpoint_settings checkpoint;
    struct comm_options comm;
    struct log_options log;
};

extern const struct schema config_schema;

struct log_level_kind {
    struct kind kind;
    enum log_level level;
};
extern const struct kind_table log_level_kinds; /* error, warning, info, detail */

/* Whether weights mean something else under another value of this option. */
bool config_is_of_model(const struct option *option);

/* Defaults that follow another setting (schedule.total: train.until), so that records hold what counts. */
void config_resolve(struct config *config);

/* Settings as a command finds them: the defaults it holds, then the one CONFIG.yaml among the words, if any, then the
 * switches. `more`: the command's own switches, or NULL. The config is the caller's to release in any case. */
enum status config_read(
        struct config *config, const char *command, const struct option_target *more, int argc, char **argv);

/* Once all is read: what the rows say must be given, and what they need of one another; then config_resolve(). */
enum status config_complete(struct config *config);

/* What rows cannot check alone: settings against one another and against the number of ranks
 * (STATUS_CONFIG). */
enum status config_check(const struct config *config, int ranks);

/* STATUS_CONFIG naming the rank and the setting, unless all ranks have read the same settings; comm.threads may differ.
 * Collective. */
enum status config_compare_ranks(const struct config *config);

#endif
