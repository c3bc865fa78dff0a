/*
 * Optimisers: rows of a table. State is moments in the own-buffer layout of blocks.h; a moment has a name in
 * checkpoints. A new optimiser is one row: its formula over a tile, and the names of its moments.
 */
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include "comm/blocks.h"
#include "io/options.h"

enum { OPTIMIZER_MOMENTS = 2 };

struct optimizer_options {
    const struct kind *kind; /* into optimizer_kinds */
    double learning_rate, beta1, beta2, epsilon, weight_decay, momentum;
};

extern const struct kind_table optimizer_kinds; /* adam, sgd */
extern const struct option_group optimizer_group;

struct optimizer_step {
    const struct optimizer_options *options;
    double learning_rate; /* after the schedule */
    int64_t update;       /* from 1, for bias correction */
    double scale;         /* gradient factor: 1 / target tokens, times clipping */
};

struct optimizer_kind {
    struct kind kind;
    const char *moments[OPTIMIZER_MOMENTS]; /* names, NULL where unused: "m", "v" */
    /* One tile of at most BLOCK_FLOATS: parameters, summed gradient and moments, `count` each. */
    void (*update)(const struct optimizer_step *step, size_t count, float *parameters, const float *gradient,
            float *const moments[OPTIMIZER_MOMENTS]);
};

/* One stretch, in tiles of a block over the threads. decay [count]: 1 where weight decay applies, else 0; may be NULL
 * when options->weight_decay is 0. Weight decay is decoupled (Loshchilov & Hutter 2019) for every kind:
 * p -= learning_rate · weight_decay · p, before the step. */
void optimizer_update(const struct optimizer_step *step, size_t count, float *parameters,
        const float *gradient, const float *decay, float *const moments[OPTIMIZER_MOMENTS]);

#endif
