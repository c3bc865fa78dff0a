/*
 * What the files of the optimisers share; nobody else includes it.
 *
 * Adding an optimiser: a file optimizers/NAME.c with its formula over a tile and its struct optimizer_method, a line
 * below, and its row in options.c. An optimiser that needs sums over whole parameters has a `prepare` step.
 */
#ifndef TRAIN_OPTIMIZER_INTERNAL_H
#define TRAIN_OPTIMIZER_INTERNAL_H

#include "train/optimizers/optimizer.h"

enum { OPTIMIZER_MOMENTS = 2, OPTIMIZER_SUMS = 2 };

/* What a block and a parameter that learns have in common. */
struct segment {
    size_t start, own, count; /* in the flat buffer; in its owner's own buffer */
    size_t parameter;
    int owner;
};

/* A segment of this rank with its values. */
struct tile {
    size_t count, parameter;
    size_t first; /* in the parameter */
    float *values;
    const float *gradient;
    float *moments[OPTIMIZER_MOMENTS];
    double decay; /* options->weight_decay, or 0 where it does not apply */
};

struct optimizer {
    const struct optimizer_options *options;
    const struct optimizer_method *method;
    const struct parameters *parameters;
    struct blocks blocks;
    int rank;
    struct segment *segments; /* [segment_count] of all ranks, in the order of the flat buffer */
    struct segment *mine;     /* [mine_count] this rank's */
    size_t segment_count, mine_count;
    float *moments[OPTIMIZER_MOMENTS]; /* own buffers */
    /* for sums over parameters */
    double (*partial)[OPTIMIZER_SUMS];  /* [mine_count] */
    double (*gathered)[OPTIMIZER_SUMS]; /* [segment_count] rank after rank */
    double (*sums)[OPTIMIZER_SUMS];     /* [parameters] */
    size_t *bytes, *cursor;             /* [ranks] */
    void *state;                        /* the method's own */
};

struct optimizer_method {
    const char *moments[OPTIMIZER_MOMENTS]; /* groups in checkpoints: "optimizer/m"; NULL where unused */
    /* Whether options leave the moments without use: then there are none. NULL: they never do. */
    bool (*forgets)(const struct optimizer_options *options);
    bool needs_sums;
    /* State of its own, and how checkpoints see it; NULL: none. */
    enum status (*open)(struct optimizer *optimizer);
    void (*close)(struct optimizer *optimizer); /* tolerates half-opened state */
    size_t (*planes)(struct optimizer *optimizer, struct flat_plane *out);
    /* What depends on whole parameters, before the tiles are updated; NULL: nothing. Collective. */
    enum status (*prepare)(struct optimizer *optimizer, const struct optimizer_step *step, float *values,
            const float *gradient);
    void (*update)(
            const struct optimizer *optimizer, const struct optimizer_step *step, const struct tile *tile);
};

extern const struct optimizer_method optimizer_adam, optimizer_adamw, optimizer_sgd, optimizer_adagrad,
        optimizer_adafactor, optimizer_lamb;

struct optimizer_kind {
    struct kind kind;
    const struct optimizer_method *method;
};

/* The i-th of this rank's tiles. */
struct tile optimizer_tile(const struct optimizer *optimizer, size_t i, float *values, const float *gradient);

/* optimizer->partial of all tiles of all ranks, added up for each parameter in the order of the flat buffer, into
 * optimizer->sums. Collective, unless the blocks are of one rank. */
enum status optimizer_sum(struct optimizer *optimizer);

#endif
