/*
 * When a run has to end by the clock: train.time_limit after its start, and before the end of its batch job, early enough
 * to have saved by then. Rank 0's clock decides; the others learn of it when they agree on an update.
 *
 *     SEQTRAIN_END_TIME     seconds since 1970, or 2026-01-31T12:00:00 in local time as `squeue -o %e` prints it
 *     SLURM_JOB_END_TIME    the same, by Slurm itself; looked at where the first is not set
 *
 * The time of day is read once, at the start: from then on only CLOCK_MONOTONIC counts.
 */
#ifndef TRAIN_DEADLINE_H
#define TRAIN_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

struct deadline {
    double limit;  /* clock: train.time_limit is over; INFINITY: never */
    double end;    /* clock: the job ends; INFINITY: it does not, or that is not known */
    double margin; /* seconds: to end the processes, and for what takes longer than ever before */
    double save, update, validation; /* seconds that it takes at most, by what was measured of late */
    bool measured_save;
    char words[64]; /* "2026-01-31T12:00:00 by SLURM_JOB_END_TIME" */
};

enum deadline_cause { DEADLINE_NONE, DEADLINE_LIMIT, DEADLINE_JOB };

/* `seconds`: train.time_limit from the clock `started` on, 0: none. `bytes`: of the state, for a guess of what a save takes
 * before one was measured. Tells the end of the job, and warns of one that makes no sense: rank 0 looks for it, the others
 * have none. */
void deadline_open(struct deadline *deadline, double started, double seconds, double bytes);

/* What something took, in seconds: a save from its start until the file is complete. */
void deadline_saved(struct deadline *deadline, double seconds);
void deadline_updated(struct deadline *deadline, double seconds);
void deadline_validated(struct deadline *deadline, double seconds);

/* The clock at which the last save must begin. */
double deadline_last_save(const struct deadline *deadline);

/* Why the run is to stop at the clock `now`, between two updates. `saving`: a save is under way, which the last one would
 * wait for; `validating`: a validation comes before the next update. */
enum deadline_cause deadline_reached(
        const struct deadline *deadline, double now, bool saving, bool validating);

/* Seconds since 1970 of one of the variables. False: `text` is none of a time; *seconds 0: it says that there is none. */
bool deadline_parse(const char *text, int64_t *seconds);

#endif
