/*
 * What `seqtrain evaluate` finds out: text metrics of a translation, and beside them the loss of a model, or how a second
 * translation compares.
 *
 *     TRY(evaluation_open(&evaluation, &options));
 *     TRY(evaluation_add(&evaluation, EVALUATION_OWN, line, bytes, reference, reference_bytes));   for each pair
 *     TRY(evaluation_print(&evaluation, &options));
 */
#ifndef TRAIN_EVALUATION_H
#define TRAIN_EVALUATION_H

#include "io/options.h"
#include "models/models.h"
#include "train/inference/weights.h"
#include "train/metrics/metrics.h"
#include "train/training/validate.h"

struct evaluate_options {
    char *source, *target, *output; /* output: NULL: translations are not kept */
    char *translation, *baseline;
    struct text_list metrics; /* none: bleu, chrf */
    struct text_metric_options text;
    int64_t resamples, resample_seed, group;
    bool json;
    struct decode_options decode;
    struct weights_options weights;
};

enum evaluation_side { EVALUATION_OWN, EVALUATION_BASELINE, EVALUATION_SIDES };

struct scored_metric {
    const struct text_metric_kind *metric;
    int64_t sum[METRIC_COUNTS];       /* of EVALUATION_OWN */
    int64_t *lines[EVALUATION_SIDES]; /* [pairs, metric->counts]; NULL unless there is a baseline */
    size_t line_room[EVALUATION_SIDES];
};

struct evaluation {
    struct text_metric_options options;
    struct scored_metric *items; /* [count] */
    size_t count;
    size_t pairs[EVALUATION_SIDES];
    bool compared; /* there is a baseline */
    bool has_loss; /* there is a model */
    struct validation loss;
};

/* STATUS_USAGE: a metric that is none or named twice, a setting that none of the metrics looks at. */
enum status evaluation_open(struct evaluation *out, const struct evaluate_options *options);
void evaluation_close(struct evaluation *evaluation);

/* A translated line and its reference. */
enum status evaluation_add(struct evaluation *evaluation, enum evaluation_side side, const char *line,
        size_t bytes, const char *reference, size_t reference_bytes);

/* To standard output. */
enum status evaluation_print(const struct evaluation *evaluation, const struct evaluate_options *options);

/* Translates options->source with `model`, which is one, and evaluates that, and the loss, into `evaluation` (rank 0's). Collective. */
enum status evaluate_model(
        struct evaluation *evaluation, const struct evaluate_options *options, const struct text_list *model);

#endif
