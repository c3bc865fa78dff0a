/*
 * Naive twins of the ops: the formulas of ops.h in double, one element after the other. Forward only: gradients are
 * differences of these.
 */
#ifndef TESTS_MODELS_NAIVE_H
#define TESTS_MODELS_NAIVE_H

#include "models/ops.h"

/* 0 or 1 / (share that survives) for element `element` of the place. */
double naive_mask(const struct dropout *dropout, uint64_t element);

/* f(x) of the activation called `name`; NULL: x. */
double naive_activation(const char *name, double x);

/* y [n, out]; bias may be NULL. */
void naive_linear(size_t n, size_t in, size_t out, const double *x, const double *weight, const double *bias,
        const char *activation, const struct dropout *dropout, double *y);

/* x [images, height, width, channels], weight [out, channels, kernel, kernel], y [images, cells, out]. */
void naive_convolution(const struct grid *grid, size_t out, const double *x, const double *weight,
        const double *bias, const char *activation, double *y);

/* y [rows, d]; positions may be NULL. */
void naive_embedding(const struct embedding *embedding, size_t d, const double *table,
        const double *positions, const struct dropout *dropout, double *y);

/* Head h of a part is columns [column + h·width, ...) of rows of `stride` values. */
struct naive_part {
    const double *values;
    size_t stride, column;
};

void naive_attention(const struct attention_shape *shape, struct naive_part query, struct naive_part key,
        struct naive_part value, const struct dropout *dropout, double *out);

/* As struct attend (ops.h). */
struct naive_attend {
    size_t pairs;
    const int32_t *query_offsets, *key_first, *key_count;
    bool additive;
    double scale;
    size_t width, value_width;
    const double *query, *key, *value, *weight;
    size_t reach;
    const int32_t *positions;
    const double *centre;
    const double *covered, *cover; /* NULL: keys are compared as they are */
};

/* out [queries, value_width]; weights: of each query, one after the other, without dropout; NULL: not asked for. */
void naive_attend(
        const struct naive_attend *attend, const struct dropout *dropout, double *out, double *weights);

/* x, sum may be NULL. */
void naive_residual_norm(size_t n, size_t d, const double *x, const double *f, const struct dropout *dropout,
        const double *gain, const double *bias, double epsilon, double *y, double *sum);

/* x [n, d], twice as many rows with R-Drop; bias may be NULL. */
struct loss naive_loss(size_t n, size_t d, const struct loss_task *task, const double *x,
        const double *weight, const double *bias);

#endif
