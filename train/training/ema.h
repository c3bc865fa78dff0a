/*
 * The exponential moving average of the weights (Polyak & Juditsky 1992), with Marian's warm-up: after update t
 *
 *     d = min(decay, (1 + t) / (10 + t))        average = d · average + (1 - d) · weights
 *
 * Owners hold it in the layout of their own buffer (blocks.h), as moments are. A decay of 0: there is none, and all
 * functions do nothing.
 */
#ifndef TRAIN_EMA_H
#define TRAIN_EMA_H

#include "comm/exchange.h"

struct ema {
    double decay;
    int rank;      /* whose own buffer it is */
    float *values; /* own buffer */
};

/* Room for the average, of the blocks that `rank` owns. */
enum status ema_open(struct ema *out, double decay, const struct blocks *blocks, int rank);
void ema_close(struct ema *ema);

/* The average is the weights as they are. parameters [floats]: the flat buffer. */
void ema_start(struct ema *ema, const struct blocks *blocks, const float *parameters);

/* Takes in the own stretches of parameters [floats], which are those after update `update`. */
void ema_update(struct ema *ema, const struct blocks *blocks, int64_t update, const float *parameters);

/* The share 1 - d of the weights after update `update`. */
double ema_share(double decay, int64_t update);

/* Averages and weights change places: parameters [floats] hold the averages on every rank, and the own buffer the
 * weights, bit by bit; a second call changes them back. Collective. */
enum status ema_swap(struct ema *ema, struct exchange *exchange, float *parameters);

#endif
