/*
 * How fast this machine trains a model: one micro-batch, when in it which parameters are needed and which gradients are
 * final, so that what ranks exchange meanwhile can be told (forecast.h).
 */
#ifndef TRAIN_PACE_H
#define TRAIN_PACE_H

#include "train/training/trainer.h"

enum { PACE_POINTS = 512 };

/* Places in the flat buffer, and seconds after the start of the micro-batch. */
struct pace_points {
    size_t count;
    struct pace_point {
        size_t place;
        double seconds;
    } points[PACE_POINTS];
};

struct pace {
    double tokens;             /* of the micro-batch measured, source and target */
    double step_seconds;       /* optimiser and average, of the rank's own parameters */
    struct pace_points needed; /* from then on forward reads parameters up to the place */
    struct pace_points ready;  /* from then on the gradient is final from the place on; the last: the end */
};

/* Means of several times. Parameters and moments move; trainer_open_moments() was with these blocks. */
enum status pace_measure(struct pace *out, struct trainer *trainer, const struct blocks *blocks,
        const struct batch *batch, float *gradient);

double pace_seconds(const struct pace *pace); /* of the micro-batch */

/* As on a machine that takes so many times as long. */
void pace_stretch(struct pace *pace, double times);

#endif
