/*
 * Ops of recurrent layers, beside those of ops.h: cells over whole sentences or one step at a time, and what moves rows
 * between packed order and steps.
 *
 * Symbols: n rows (tokens), d width of a cell, G gates, S states of it, B sentences. Gates, states and formulas are as in
 * PyTorch: input products x = W x_t + b come from elsewhere (op_linear), of all steps at once; here stand those with the
 * state before, z = U h + b'.
 */
#ifndef MODELS_RECURRENT_H
#define MODELS_RECURRENT_H

#include "models/ops.h"

/* ---- cells (ops/cells.c) ---- */

/* One step of one sentence. What is written may lie over x or z. */
struct cell_step {
    const float *x, *z;               /* [G·d] */
    const float *bias;                /* [G·d], added to z */
    const float *h_before, *c_before; /* [d]; c: cells of two states */
    float *h, *c;                     /* [d], may be those before */
    float *gates;                     /* [G·d] after activation, for backward */
    float *kept;                      /* [kept·d], for backward */
};

/* Backward of it. dh, dc: of the state after; they become those of the state before, without what comes through z. */
struct cell_slope {
    const float *h, *h_before, *c_before, *kept;
    float *gates; /* becomes dx */
    float *dz;
    float *dh, *dc;
};

/* A row of the table. State columns are h, then c. */
struct cell_kind {
    struct kind kind;
    size_t gates, states, kept;
    struct {
        size_t first, count;
    } open; /* gates whose bias begins at 1, so that the state lasts from the start (Jozefowicz et al. 2015) */
    void (*forward)(const struct cell_step *step, size_t d);
    void (*backward)(const struct cell_slope *slope, size_t d);
};

/* Rows: rnn (tanh), gru (gates r, z, n), lstm (i, f, g, o). */
extern const struct kind_table cell_kinds;

/* ---- sentences step by step (ops/steps.c) ---- */

/* Longest first, of equal length in their order: step t is of the sentences order[0 .. first[t + 1] - first[t]), whose
 * rows in step order are those from first[t] on. */
struct steps {
    size_t sentences, count;
    const int32_t *order; /* [sentences] */
    const int32_t *first; /* [count + 1] */
};

static inline size_t steps_active(const struct steps *steps, size_t step)
{
    return (size_t)(steps->first[step + 1] - steps->first[step]);
}

/* On the tape's arena; count 0 on a tape that failed. */
struct steps steps_make(struct tape *tape, const int32_t *offsets, size_t sentences);

/* ---- a layer over all steps (ops/recurrent.c) ---- */

struct recurrence {
    const struct cell_kind *cell;
    size_t sentences;
    const int32_t *offsets; /* [sentences + 1]; must live as long as the tape */
    bool reversed;          /* from the last token of each sentence to its first */
};

/* x [n, G·d] has no other reader; weight U [G·d, d], bias [1, G·d]; start [B, S·d] or NULL: zeros. Returns h [n, d]; *end,
 * if asked for, is the state after each sentence [B, S·d]. A sentence's rows depend on nothing but the sentence, bit for
 * bit. */
struct tensor *op_recurrent(struct tape *tape, const struct recurrence *recurrence, struct tensor *x,
        struct tensor *weight, struct tensor *bias, struct tensor *start, struct tensor **end);

/* ---- one step (ops/cell.c) ---- */

/* x, z [r, G·d] have no other reader; z = U h + b' of the first r rows of h. h [>= r, d], c [>= r, d] or NULL: the state
 * before, of which the first r rows go on. Returns h [r, d]; *c_after is set for cells of two states. */
struct tensor *op_cell(struct tape *tape, const struct cell_kind *cell, struct tensor *x, struct tensor *z,
        struct tensor *h, struct tensor *c, struct tensor **c_after);

/* ---- products of one weight at many steps (ops/stepwise.c): laid out once, and its gradient one product ---- */

struct stepwise;

/* `rows`: of all steps together, at most; weight [out, in], bias [1, out] or NULL. NULL on a tape that failed. */
struct stepwise *stepwise_start(struct tape *tape, struct tensor *weight, struct tensor *bias, size_t rows);

/* Rows of a tensor from one on; tensor NULL: none. */
struct row_range {
    struct tensor *tensor;
    size_t first;
};

/* x Wᵀ + bias of the first `rows` rows of x [>= rows, in], + rows of `base` (which then has the bias); [rows, out]. */
struct tensor *op_stepwise(
        struct tape *tape, struct stepwise *stepwise, struct tensor *x, size_t rows, struct row_range base);

/* ---- rows (ops/rows.c); inputs may be fleeting ---- */

/* The columns of `count` tensors of equal rows side by side. */
struct tensor *op_beside(struct tape *tape, struct tensor *const *parts, size_t count);

/* Columns [first, first + columns) of x. */
struct tensor *op_part(struct tape *tape, struct tensor *x, size_t first, size_t columns);

/* y_i = x[index_i]; index [rows] must live as long as the tape. */
struct tensor *op_rows(struct tape *tape, struct tensor *x, const int32_t *index, size_t rows);

/* y_s = the mean of the rows of sentence s, of which it has at least one [sentences, d] (ops/mean.c); offsets
 * [sentences + 1] must live as long as the tape. */
struct tensor *op_mean(struct tape *tape, struct tensor *x, const int32_t *offsets, size_t sentences);

/* The rows of one tensor after those of another; `parts` must live as long as the tape. */
struct tensor *op_join(struct tape *tape, struct tensor *const *parts, size_t count);

/* x + dropout(f); x may be NULL. */
struct tensor *op_sum(struct tape *tape, struct tensor *x, struct tensor *f, struct dropout dropout);

struct tensor *op_tanh(struct tape *tape, struct tensor *x);
struct tensor *op_sigmoid(struct tape *tape, struct tensor *x);

#endif
