/*
 * Parameters that do not learn: `train.freeze` names them by patterns. Their gradient is cleared before it is summed, so
 * that it neither travels nor counts in the norm; the optimiser passes them over.
 */
#ifndef TRAIN_FREEZE_H
#define TRAIN_FREEZE_H

#include "io/options.h"
#include "models/parameters.h"

/* *out [parameters->count]: which ones a shell pattern matches (`*` matches `/`, too); NULL without patterns.
 * memory_new(). STATUS_CONFIG for a pattern that matches none, or if nothing is left to learn. */
enum status freeze_open(bool **out, const struct parameters *parameters, const struct text_list *patterns);

/* Zeros the gradient [parameters->floats] of frozen parameters in [from, to). */
void freeze_clear(
        const bool *frozen, const struct parameters *parameters, float *gradient, size_t from, size_t to);

#endif
