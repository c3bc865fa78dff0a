/*
 * What the kernels of this folder share: fixed tiles over products, masks of dropout, sums over rows. Nothing here
 * knows tensors; every cut is a function of shapes alone.
 */
#ifndef MODELS_OPS_KERNELS_H
#define MODELS_OPS_KERNELS_H

#include "models/tape.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t tiles_of(size_t count, size_t tile)
{
    return (count + tile - 1) / tile;
}

/* The rows of ops[]. */
extern const struct op embedding_op, linear_op, convolution_op, attention_op, attention_mean_op, guide_op,
        attend_op, weight_norm_op, residual_norm_op, loss_op;
extern const struct op recurrent_op, cell_op, stepwise_op, stepwise_start_op, beside_op, part_op, rows_op,
        mean_op, join_op, sum_op, tanh_op, sigmoid_op;

/* Rows of one task in passes over rows; also the blocks whose partial sums are added in block order. */
enum { ROW_BLOCK = 64 };

/* The floats of a block of such rows, in a matrix [rows, columns]. */
struct floats {
    size_t first, count;
};

static inline struct floats row_block(size_t rows, size_t columns, size_t block)
{
    size_t first = block * ROW_BLOCK;
    return (struct floats){first * columns, smaller(ROW_BLOCK, rows - first) * columns};
}

/* ---- products (gemm.c) ---- */

/* Tiles of packed products begin at multiples of that many columns. */
enum { TILE_STEP = 64 };

/* A rectangle of C. */
struct tile {
    size_t row, rows, column, columns;
};

/* C [m,n] = or += op(A) op(B); op(A) is [m,k], op(B) is [k,n]. */
struct product {
    bool transpose_a, transpose_b;
    size_t m, n, k;
    const float *a;
    size_t lda;
    const float *b;
    size_t ldb;
    bool add;
    float *c;
    size_t ldc;
    /* Called for each tile as soon as it is complete, on its thread; NULL: not, as it must be with transpose_a. */
    void (*finish)(const void *context, struct tile tile);
    const void *context;
};

/* Working space is the arena's and goes back; without it nothing is done: arena_status(). */
void gemm(struct arena *arena, const struct product *product);

/* The same by BLAS in tiles of a size of one's own; m and n are not 0. */
void gemm_tiles(const struct product *product, size_t rows, size_t columns);

/* The product by BLAS on the calling thread alone, which must be inside a parallel region. */
void gemm_single(const struct product *product);

/* ---- products with a matrix laid out for them (packed.c) ---- */

struct block;

/* What a level of CPUs does best. */
struct packed_level {
    const char *name;
    size_t panel; /* rows of B side by side */
    void (*run)(const struct block *block, size_t rows);
};

/* The levels that run here, best first; NULL after the last. */
const struct packed_level *packed_level(int number);

/* B [rows, columns] in panels. */
struct packed {
    const struct packed_level *level;
    size_t rows, columns;
    float *panels; /* [packed_floats()], aligned to 64; NULL: not made yet */
};

size_t packed_floats(const struct packed_level *level, size_t rows, size_t columns);

/* Room for B on the arena, for the best level. False without: arena_status(). */
bool packed_take(struct packed *out, struct arena *arena, size_t rows, size_t columns);

/* Lays out b, which is B, or Bᵀ if `transposed`. */
void packed_fill(struct packed *packed, const float *b, size_t ldb, bool transposed);

/* C [m,n] = or += A [m, B's columns] Bᵀ, of B's first n rows. A row of C depends on nothing but its row of A (and what
 * it held), bit for bit. */
struct packed_product {
    size_t m, n;
    const float *a;
    size_t lda;
    const struct packed *b;
    bool add;
    float *c;
    size_t ldc;
    void (*finish)(const void *context,
            struct tile tile); /* as in struct product; tiles begin at multiples of TILE_STEP */
    const void *context;
};

void gemm_packed(const struct packed_product *product);

/* ---- products too small for BLAS (small.c) ---- */

/* Floats side by side; B must be readable up to whole lanes. */
enum { SMALL_LANES = 16 };

/* C [m,n] = or += A B; element (i, p) of A [m,k] is a[i·down + p·along], B [k, n rounded up to lanes] and C have
 * strides ldb and ldc. Only n columns of C are written. */
struct small_product {
    size_t m, n, k;
    const float *a;
    size_t down, along;
    const float *b;
    size_t ldb;
    bool add;
    float *c;
    size_t ldc;
};

void small_product(const struct small_product *product);

/* to [width, stride] = fromᵀ, from [rows, width], zero beyond `rows`; stride is whole lanes. */
void small_transpose(const float *from, size_t rows, size_t width, size_t ld, float *to, size_t stride);

/* ---- softmax of attention (softmax.c): matrices [keys, columns], a column for each query ---- */

enum { SOFTMAX_ALL = INT32_MAX / 2 };

struct softmax {
    size_t columns, keys; /* columns: whole lanes; what they hold beyond the queries is finite */
    float scale;
    int32_t last; /* the last key that column 0 sees, each later one one more; or SOFTMAX_ALL */
};

/* Scores become P = softmax(scale · scores) of each column; lse [columns]: log-sum-exps, which make P again. */
void softmax_forward(const struct softmax *softmax, float *scores, float *lse);

/* Scores become P ∘ u, dp (the gradient of P ∘ u) that of the scores; mask: u, or NULL for 1. */
void softmax_backward(
        const struct softmax *softmax, float *scores, const float *lse, const float *mask, float *dp);

/* ---- draws (draw.c) ---- */

/* The largest. */
float logits_maximum(const float *logits, size_t classes);

/* weights[c] = e^((logits[c] - maximum) · factor); they may lie where the logits do. */
void logits_weigh(const float *logits, float maximum, float factor, size_t classes, float *weights);

/* The first class up to which the weights sum to more than `share`, in [0, 1), of all. */
size_t weights_at(const float *weights, size_t classes, double share);

/* ---- dropout (dropout.c) ---- */

/* Whether anything is dropped. */
bool dropout_active(const struct dropout *dropout);

/* 1 / (share that survives). */
float dropout_scale(const struct dropout *dropout);

/* mask[i] = 0 or dropout_scale() for elements [first, first + count) of the place. An element's fate depends on its
 * number alone, so that forward and backward may cut their work differently. */
void dropout_mask(const struct dropout *dropout, uint64_t first, size_t count, float *mask);

/* x[i] *= the mask of element first + i. Nothing if the dropout is not active. */
void dropout_apply(const struct dropout *dropout, uint64_t first, float *x, size_t count);

/* ---- loops over floats (floats.c); x and y do not overlap ---- */

void floats_add(float *x, const float *y, size_t count);           /* x += y */
void floats_put(float *x, const float *y, bool add, size_t count); /* x = or += y; x NULL: nothing */
void floats_add_scaled(float *x, const float *y, float factor, size_t count); /* x += factor · y */
void floats_scale(float *x, float factor, size_t count);                      /* x *= factor */
void floats_multiply(float *x, const float *y, size_t count);                 /* x *= y, element by element */
float floats_dot(const float *x, const float *y, size_t count);

/* sum[j] = or += x[0][j] + x[1][j] + ... over `rows` rows of `stride` floats, in row order. */
void rows_sum(const float *x, size_t rows, size_t columns, size_t stride, bool add, float *sum);

/* The same of x [rows, columns] by many threads: blocks of ROW_BLOCK rows first, then these. Working space as gemm()'s. */
void rows_sum_blocks(struct arena *arena, const float *x, size_t rows, size_t columns, bool add, float *sum);

#endif
