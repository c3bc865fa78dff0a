/*
 * What the validations of a run have found: the value of every metric at each of them. It is state: the best checkpoints,
 * patience, and a schedule that waits for improvement all follow from it, so that a resume knows them, too.
 */
#ifndef TRAIN_HISTORY_H
#define TRAIN_HISTORY_H

#include "comm/kind.h"
#include "io/checkpoint.h"

#include <stdbool.h>

/* Metrics are numbered as metric_kinds (validate.h) lists them. */
enum { METRICS_LIMIT = BEST_LIMIT - 1 };

/* {0} is an empty history. */
struct history {
    struct field_row updates; /* of each validation, rising */
    struct field_row
            values[METRICS_LIMIT]; /* of each metric; none until it is computed first, NaN where it was not */
};

void history_release(struct history *history);

/* The fields of a checkpoint that hold it, for saving and loading: names [HISTORY_FIELDS] is room for what they are called.
 * Returns how many there are. */
enum { HISTORY_FIELDS = 1 + METRICS_LIMIT };
size_t history_fields(struct history *history, struct field *out, char (*names)[H5_NAME_LIMIT]);

/* A validation after `update`: values [METRICS_LIMIT], NaN for what was not computed. */
enum status history_add(struct history *history, int64_t update, const double *values);

/* What was read from the file at `path`: STATUS_DATA unless rows are equally long and updates rise. */
enum status history_check(const struct history *history, const char *path);

/* The first of the best validations by `metric`; update 0 if there is none. */
struct history_best {
    int64_t update;
    double value;
};
struct history_best history_best(const struct history *history, const struct kind *metric);

/* Validations by `metric` since the last one that beat all before it by more than min_delta. */
int64_t history_waiting(const struct history *history, const struct kind *metric, double min_delta);

#endif
