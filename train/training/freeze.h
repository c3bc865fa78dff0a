/*
 * Parameters that do not learn: `train.freeze` names them by patterns. Their gradient is not made: zeros in the sum and in
 * the norm; the optimiser passes them over.
 */
#ifndef TRAIN_FREEZE_H
#define TRAIN_FREEZE_H

#include "io/options.h"
#include "models/parameters.h"

/* *out [parameters->count]: which ones a shell pattern matches (`*` matches `/`, too); NULL without patterns.
 * memory_new(). STATUS_CONFIG for a pattern that matches none, or if nothing is left to learn. */
enum status freeze_open(bool **out, const struct parameters *parameters, const struct text_list *patterns);

#endif
