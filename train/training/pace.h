/*
 * How fast this machine trains a model: one micro-batch, and when in it which gradients are final, so that what ranks
 * exchange meanwhile can be told (forecast.h).
 */
#ifndef TRAIN_PACE_H
#define TRAIN_PACE_H

#include "train/training/trainer.h"

enum { PACE_POINTS = 512 };

struct pace {
    double tokens;       /* of the micro-batch measured, source and target */
    double step_seconds; /* optimiser and average, of the rank's own parameters */
    size_t count;
    struct pace_point {
        size_t first;   /* the flat gradient is final from here on ... */
        double seconds; /* ... so long after the start of the micro-batch; its end with the last point */
    } points[PACE_POINTS];
};

/* Means of several times. Parameters and moments move; trainer_open_moments() was with these blocks. */
enum status pace_measure(struct pace *out, struct trainer *trainer, const struct blocks *blocks,
        const struct batch *batch, float *gradient);

double pace_seconds(const struct pace *pace); /* of the micro-batch */

#endif
