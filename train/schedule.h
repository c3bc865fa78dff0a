/*
 * Learning-rate schedules: rows of a table; each gives a factor for the base learning rate as a
 * function of the update alone.
 */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "io/options.h"

struct schedule_options {
    const struct kind *kind; /* constant, inverse_sqrt */
    int64_t warmup;          /* updates of linear rise from 0 */
};

extern const struct kind_table schedule_kinds;
extern const struct option_group schedule_group;

struct schedule_kind {
    struct kind kind;
    double (*factor)(
            const struct schedule_options *options, int64_t update); /* update from 1, after the warm-up */
};

/* Base rate x warm-up x schedule for update (from 1). */
double schedule_rate(const struct schedule_options *options, double base, int64_t update);

#endif
