/*
 * Optimisers: rows of a table. A new one is a file in this folder (see internal.h) and its row.
 *
 *     TRY(optimizer_open(&optimizer, &options, parameters, blocks, rank, frozen));
 *     TRY(optimizer_step(optimizer, &step, values, sum));        own stretches of values move
 *
 * Moments have the layout of this rank's own buffer (blocks.h), and names in checkpoints. Work is cut into tiles: what a
 * block and a parameter have in common, at most BLOCK_FLOATS. Gaps and frozen parameters have none: they never move.
 */
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include "comm/blocks.h"
#include "io/options.h"
#include "models/parameters.h"

enum { OPTIMIZER_PLANES = 2 };

struct optimizer_options {
    const struct kind *kind; /* into optimizer_kinds */
    double learning_rate, beta1, beta2, epsilon, weight_decay, momentum;
    bool nesterov;
};

extern const struct kind_table optimizer_kinds; /* adam, adamw, sgd, adagrad, adafactor, lamb */
extern const struct option_group optimizer_group;

/* What the rows cannot check alone (STATUS_CONFIG). */
enum status optimizer_check(const struct optimizer_options *options);

struct optimizer;

struct optimizer_step {
    double learning_rate; /* after the schedule */
    int64_t update;       /* from 1, since the moments were zero */
    double scale;         /* gradient factor: 1 / target tokens, times clipping */
    double square_norm;   /* of the sum of gradients, before `scale` */
};

/* State of `options->kind`, all zero. options and parameters are borrowed. frozen [parameters->count], or NULL:
 * none is. */
enum status optimizer_open(struct optimizer **out, const struct optimizer_options *options,
        const struct parameters *parameters, const struct blocks *blocks, int rank, const bool *frozen);
void optimizer_close(struct optimizer *optimizer); /* NULL is allowed */

/* One update of this rank's stretches of values [parameters->floats], from its stretches of the summed gradient.
 * Collective, unless the blocks are of one rank. */
enum status optimizer_step(
        struct optimizer *optimizer, const struct optimizer_step *step, float *values, const float *gradient);

/* The state as planes of a checkpoint, borrowed; their number is returned. */
size_t optimizer_planes(struct optimizer *optimizer, struct flat_plane out[OPTIMIZER_PLANES]);

#endif
