/*
 * Parameters: all of a model in one flat buffer, in the order they are declared (first used first),
 * each starting on a 64-byte boundary; the gaps are zeros and stay zero. Gradients, moments and
 * averages use the same layout.
 */
#ifndef MODELS_PARAMETERS_H
#define MODELS_PARAMETERS_H

#include "comm/status.h"
#include "io/checkpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum initialiser {
    INITIALISE_ZERO,
    INITIALISE_ONE,
    INITIALISE_XAVIER, /* uniform, ±sqrt(6 / (in + out)): Glorot & Bengio 2010 */
    INITIALISE_NORMAL  /* normal of standard deviation `scale` */
};

struct parameter {
    struct flat_array array; /* name, shape, offset */
    size_t floats;
    enum initialiser initialiser;
    double scale;
    size_t fan_in, fan_out; /* XAVIER: of each part when several matrices are stacked */
    size_t zero_rows;       /* rows at the end kept zero (the <pad> row) */
    struct {
        size_t first, count;
    } ones;      /* elements that begin as 1, whatever the others do */
    bool decays; /* weight decay applies (not to biases and norms) */
};

struct parameters {
    struct parameter *items;
    size_t count, capacity;
    size_t floats; /* of the flat buffer */
    float *values; /* [floats], after parameters_allocate() */
};

void parameters_init(struct parameters *parameters);
void parameters_release(struct parameters *parameters);

/* Declares one more; `parameter` has all but offset and floats. *out: its number. STATUS_INTERNAL
 * for a name used twice. */
enum status parameters_declare(struct parameters *parameters, const struct parameter *parameter, size_t *out);

/* After the last declaration: the flat buffer, zeroed. */
enum status parameters_allocate(struct parameters *parameters);

/* Initial values, a function of (seed, name of the parameter, element) alone. */
void parameters_initialise(struct parameters *parameters, uint64_t seed);

/* The trainable values, gaps not counted. */
size_t parameters_count(const struct parameters *parameters);

/* The parameter called `name`, or NULL. */
const struct parameter *parameters_find(const struct parameters *parameters, const char *name);

#endif
