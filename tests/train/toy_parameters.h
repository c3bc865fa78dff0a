/* A few parameters of awkward shapes, and gradients for them, for tests of the optimisers. */
#ifndef TESTS_TRAIN_TOY_PARAMETERS_H
#define TESTS_TRAIN_TOY_PARAMETERS_H

#include "train/optimizers/optimizer.h"

enum { TOY_PARAMETERS = 5 };

/* Matrices that end within blocks, a row longer than a block, biases; random values. Decay: the matrices only. */
void toy_open(struct parameters *out);

/* gradient [parameters->floats] of an update, gaps 0. Returns its sum of squares. */
double toy_gradient(const struct parameters *parameters, int update, float *gradient);

struct optimizer_options toy_options(const char *kind);

/* Update `number`, with the gradient scaled by 0.5. */
struct optimizer_step toy_step(const struct optimizer_options *options, int number, double square_norm);

/* `updates` updates of a whole copy of the parameters by one rank, into values [parameters->floats]. */
void toy_run(const struct parameters *parameters, const struct optimizer_options *options, const bool *frozen,
        int updates, float *values);

#endif
