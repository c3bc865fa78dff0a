/*
 * When a period is due. Updates and epochs steer what shapes the result; clock units only what does not, by rank 0's
 * clock.
 */
#ifndef TRAIN_PERIOD_H
#define TRAIN_PERIOD_H

#include "io/options.h"

/* Where a run stands after an update. */
struct place {
    int64_t update; /* done since the start of the run */
    int64_t epoch;  /* completed */
    bool epoch_end; /* the update was its epoch's last */
};

/* Whether a period of updates or epochs ends at `place`; false for clock units and for 0. */
bool period_due(struct period period, struct place place);

/* Whether `place` has reached `limit`, in updates or epochs; 0 is reached at the start. */
bool period_reached(struct period limit, struct place place);

/* Seconds of a period in s, m or h; 0 for other units. */
double period_seconds(struct period period);

#endif
