/*
 * Learning-rate schedules: rows of a table. Each gives a factor for the base learning rate, a pure function of where the
 * run stands: of its state, not of ranks or time.
 *
 *     rate                     warm-up: linear from 0 over schedule.warmup updates, whatever the kind
 *       ^     ____             after it: factor(), which is 1 where the warm-up ends (noam: see there)
 *       |    /    `--.._
 *       |   /           `--.._ schedule.floor
 *       +--+-----------------+--> update
 *        warmup            schedule.total
 */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "io/options.h"

struct schedule_options {
    const struct kind *kind; /* into schedule_kinds */
    int64_t warmup;          /* updates of linear rise from 0 */
    struct period
            total; /* u, e: where linear, cosine and polynomial end; 0: train.until, until config_resolve() */
    double floor;  /* least factor */
    double power;  /* polynomial */
    struct period every; /* u, e: a step */
    double factor;       /* of a step, of a cut on a plateau */
    int64_t patience;    /* validations without improvement before a cut */
};

extern const struct kind_table
        schedule_kinds; /* constant, inverse_sqrt, noam, linear, cosine, polynomial, step, plateau */
extern const struct option_group schedule_group;

/* Where the run stands before an update. */
struct schedule_place {
    int64_t update; /* its number, from 1 */
    int64_t epoch;  /* completed */
    double epochs;  /* completed, with the part of the epoch under way that is done, by tokens */
    int64_t width;  /* of the model */
    int64_t cuts;   /* on plateaus so far */
};

/* What the rows cannot check alone (STATUS_CONFIG). */
enum status schedule_check(const struct schedule_options *options);

/* Whether schedule.total counts. */
bool schedule_has_total(const struct schedule_options *options);

/* Whether the kind follows validations: schedule_cuts(). */
bool schedule_is_plateau(const struct schedule_options *options);

/* Base rate x warm-up x factor. */
double schedule_rate(const struct schedule_options *options, double base, const struct schedule_place *place);

/* Whether a validation, the `waited`-th in a row without improvement (history_waiting()), cuts the rate on a plateau: every
 * schedule.patience of them. */
bool schedule_cuts(const struct schedule_options *options, int64_t waited);

#endif
