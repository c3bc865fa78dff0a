/*
 * Ops: coarse steps of a model, forward and backward side by side in models/ops/, each on packed
 * rows.
 *
 * Symbols: n rows (tokens), d width, B sentence pairs. Linear weights are [out, in]. Kernels get
 * pointers and sizes only. Work is cut into tiles whose size depends on shapes alone, each done by
 * one thread with single-threaded BLAS, so that results do not depend on the number of threads.
 * Backward adds into gradients (see tensor_gradient()).
 */
#ifndef MODELS_OPS_H
#define MODELS_OPS_H

#include "comm/kind.h"
#include "models/tape.h"

#include <stdint.h>

/* All ops, for tests and benchmarks: pointers to rows, NULL at the end. */
extern const struct op *const ops[];

/* ---- activations (ops/activation.c) ---- */

/* Rows: relu, gelu (erf), gelu_tanh, silu. */
extern const struct kind_table activation_kinds;
struct activation_kind {
    struct kind kind;
    /* out[i] = f(x[i]); out may be x. */
    void (*forward)(const float *x, float *out, size_t count);
    /* gradient[i] *= f'(x[i]). */
    void (*backward)(const float *x, float *gradient, size_t count);
    bool gated; /* f' is 1 where f > 0 and 0 elsewhere: backward may be given f(x) for x */
};

/* ---- linear (ops/linear.c): y = dropout(f(x Wᵀ + b)) ---- */

/* x [n, in], weight [out, in], bias [1, out] or NULL, activation or NULL. Returns [n, out]. */
struct tensor *op_linear(struct tape *tape, struct tensor *x, struct tensor *weight, struct tensor *bias,
        const struct activation_kind *activation, struct dropout dropout);

/* out [n, rows] = x Wᵀ + b of the first `rows` rows of W and b (or NULL), not recorded: logits. */
void op_logits(struct tape *tape, const struct tensor *x, const struct tensor *weight,
        const struct tensor *bias, size_t rows, float *out);

/* ---- convolution (ops/convolution.c): y = f(x * W + b) over images, as torch.nn.Conv2d ---- */

struct grid {
    size_t images, height, width, channels; /* of the input: rows are pixels, line by line from the top */
    size_t kernel, stride, padding;         /* the same across and down; zeros around */
};

/* Of a side of the input so many cells: (side + 2·padding - kernel) / stride + 1. */
size_t grid_out(size_t side, const struct grid *grid);

/* x [images·height·width, channels]; weight [out, channels·kernel·kernel]: columns as in [out, channels,
 * kernel, kernel]; bias [1, out]; activation or NULL. Returns [images·cells, out]. What an image becomes depends on
 * nothing else, bit for bit. */
struct tensor *op_convolution(struct tape *tape, const struct grid *grid, struct tensor *x,
        struct tensor *weight, struct tensor *bias, const struct activation_kind *activation);

/* ---- embedding (ops/embedding.c): y_i = dropout(scale · E[id_i] + P[p_i]) ---- */

struct embedding {
    const int32_t *ids;       /* [rows]; -1: a zero vector; not copied: must live as long as the tape */
    const int32_t *positions; /* [rows] from 0; NULL without positions */
    size_t rows;
    float scale;
};

/* table [V, d]; fixed_positions [*, d] constants or NULL; learned_positions [P, d] or NULL (at most
 * one of the two). */
struct tensor *op_embedding(struct tape *tape, const struct embedding *embedding, struct tensor *table,
        const float *fixed_positions, struct tensor *learned_positions, struct dropout dropout);

/* ---- attention (ops/attention.c): O = dropout(softmax(scale · Q Kᵀ + mask)) V per pair and head
 * (Vaswani et al. 2017) ---- */

struct attention_shape {
    size_t pairs;
    const int32_t *query_offsets,
            *key_offsets; /* [pairs + 1]; equal for self-attention; must live as long as the tape */
    size_t heads;
    size_t key_width, value_width; /* per head */
    float scale;                   /* 1 / sqrt(key_width) */
    bool causal;                   /* query i sees keys 0..i of its sentence */
};

/* Head h of a part is columns [column + h·width, column + (h+1)·width) of its tensor, so that fused
 * products need no copy. */
struct attention_part {
    struct tensor *tensor;
    size_t column;
};

/* Returns [query rows, heads · value_width], fleeting (tape.h); no part may be. Probabilities are not stored: backward
 * computes them again. */
struct tensor *op_attention(struct tape *tape, const struct attention_shape *shape,
        struct attention_part query, struct attention_part key, struct attention_part value,
        struct dropout dropout);

/* One step of cached decoding, no tape: row r has one query and lengths[r] keys. query [rows,
 * heads·key_width] with row stride query_stride; keys[r], values[r] point to the first cached row
 * of row r, `stride` floats from position to position. out [rows, heads·value_width]. */
void attention_step(size_t rows, size_t heads, size_t key_width, size_t value_width, float scale,
        const float *query, size_t query_stride, const float *const *keys, const float *const *values,
        size_t stride, const int32_t *lengths, float *out);

/* Adds the probabilities behind such a step times `weight` to out[r]: [heads, lengths[r]] if `apart`, else their mean over
 * heads [lengths[r]], which is the same bits as the mean of those. */
void attention_step_weights(size_t rows, size_t heads, size_t key_width, float scale, const float *query,
        size_t query_stride, const float *const *keys, size_t stride, const int32_t *lengths, float weight,
        bool apart, float *const *out);

/* The mean over heads of softmax(scale · Q Kᵀ), each query's weights after the one's before it [1, sum over pairs of
 * queries · keys] (ops/attention_mean.c). The same bits as attention_step_weights(); not causal. */
struct tensor *op_attention_mean(struct tape *tape, const struct attention_shape *shape,
        struct attention_part query, struct attention_part key);

/* ---- guided alignment (ops/guide.c; Chen et al. 2016): weights of attention learn an alignment that is given ---- */

/* A target token with points; its alignment A gives each of them 1 / points. */
struct guide_task {
    const float *weights; /* a [keys] */
    size_t keys;
    const int32_t *points; /* [point_count] keys, rising */
    size_t point_count;
};

/* Rows: none, ce, mse, mult. */
extern const struct kind_table guide_kinds;
struct guide_kind {
    struct kind kind;
    /* The cost of a token; adds factor · its derivative by a to gradient [keys], which may be NULL. NULL: none. */
    double (*cost)(const struct guide_task *task, float factor, float *gradient);
};

static inline bool guide_is_on(const struct kind *kind)
{
    return kind && ((const struct guide_kind *)kind)->cost;
}

/* Pointers must live as long as the tape. */
struct guide {
    const struct guide_kind *kind;
    const int32_t *offsets,
            *points; /* target token t's: points[offsets[t]:offsets[t + 1]], in its source sentence */
    float weight;    /* of a cost in the objective */
    double *costs;   /* [target tokens] written, without the weight; 0 of tokens without points */
};

/* Whose weights they are. */
struct guide_rows {
    size_t pairs;
    const int32_t *query_offsets; /* [pairs + 1]; NULL: one row each */
    const int32_t *key_count;     /* [pairs] */
    const int32_t *tokens;        /* [rows] target token of each row; NULL: 0, 1, 2 ... */
};

/* weights as op_attend() and op_attention_mean() tell them. */
void op_guide(
        struct tape *tape, const struct guide *guide, const struct guide_rows *rows, struct tensor *weights);

/* ---- attention of recurrent decoders (ops/attend.c, ops/scores.c): c = sum over j of dropout(a_j) · v_j, one head,
 * a = softmax over the keys of the query's sentence of scale · score(q, k_j) ---- */

struct score_task {
    const float *query;  /* [width] */
    const float *keys;   /* [count, width] */
    const float *weight; /* [width] if the score has one */
    size_t count, width;
};

/* Of the parts of a task, added to; query and keys may be NULL. */
struct score_gradients {
    float *query, *keys, *weight;
};

struct score_kind {
    struct kind kind;
    bool weighted; /* the score has a weight */
    void (*forward)(const struct score_task *task, float *scores);
    void (*backward)(const struct score_task *task, const float *gradient, const struct score_gradients *to);
};

/* dot: q · k (Luong et al. 2015; "general" after a product of the keys); additive: weight · tanh(q + k) (Bahdanau et al.
 * 2015, after products of both). */
enum { SCORE_DOT, SCORE_ADDITIVE, SCORES };
extern const struct score_kind score_kinds[SCORES];

/* Pointers must live as long as the tape. */
struct attend {
    size_t pairs;
    const int32_t *query_offsets; /* [pairs + 1] rows of `query`; NULL: one each */
    const int32_t *key_first,
            *key_count; /* [pairs]: rows of `key` and `value`, at least one, in any order; some may
                                             be nobody's, and two pairs may share them if the tape does not record */
    const struct score_kind *score;
    float scale;
    struct tensor *query, *key,
            *value;        /* [nq, k], [nk, k], [nk, v], none fleeting; key and value may be the same */
    struct tensor *weight; /* [1, k]; NULL if the score has none */
    /* Local attention (Luong et al. 2015): only keys p - reach .. p + reach are looked at; 0: all. */
    size_t reach;
    const int32_t *
            positions; /* [nq]: p, or the last key where there are fewer; NULL: the query's number in its sentence */
    struct tensor
            *centre; /* [nq, 1] in (0, 1); NULL, or p = centre · keys of the sentence, of which the nearest
                                 is the middle, and a_j becomes a_j · exp(-(j - p)² / (2 (reach/2)²)) */
    /* Coverage (See et al. 2017): key j of a query is compared as k_j + covered_j · cover; NULL: as it is. */
    struct tensor *covered; /* [1, at least all weights], in their order */
    struct tensor *cover;   /* [k, 1] */
    struct dropout dropout;
    struct tensor **
            told; /* is given the a of each query, one after the other [1, sum of them], without dropout, as a
                             tensor whose gradient flows too; NULL: not asked for */
};

/* Returns [nq, v]. Nothing of size nq · nk · k is kept: backward computes additive scores again. */
struct tensor *op_attend(struct tape *tape, const struct attend *attend);

/* ---- weight normalisation (ops/weight_norm.c; Salimans & Kingma 2016) ---- */

/* v [1, d], length [1, 1]. Returns length · v / |v| [1, d]. */
struct tensor *op_weight_norm(struct tape *tape, struct tensor *v, struct tensor *length);

/* ---- residual and norm (ops/norm.c): s = x + dropout(f); y = (s - mean) / sqrt(var + epsilon) ·
 * gain + bias ---- */

/* Layer normalisation (Ba et al. 2016). x may be NULL (s = f); f [n, d] has no other reader and is not fleeting; gain,
 * bias [1, d]. Returns y, fleeting (tape.h); *sum, if asked for, is s as a tensor of its own whose gradient flows too (pre-norm). */
struct tensor *op_residual_norm(struct tape *tape, struct tensor *x, struct tensor *f, struct dropout dropout,
        struct tensor *gain, struct tensor *bias, float epsilon, struct tensor **sum);

/* ---- tokens drawn from what rows predict (ops/draw.c), not recorded ---- */

/* The token that is drawn where `share` of the probability, in order of tokens, is passed. */
struct draw {
    size_t row;
    double share; /* in [0, 1) */
    int32_t token;
};

/* What the draws of many steps use: the weight is laid out once. */
struct drawing;

/* p = softmax(x Wᵀ + b) over the first `classes` rows of the weight [>= classes, d]; bias [1, >= classes] or NULL. NULL on
 * a tape that failed. */
struct drawing *drawing_start(
        struct tape *tape, const struct tensor *weight, const struct tensor *bias, size_t classes);

/* Sets the token of each draw from a row of x [n, d]; a token depends on its row and share alone. */
void op_draw(struct tape *tape, const struct drawing *drawing, const struct tensor *x, struct draw *draws,
        size_t count);

/* ---- output projection and label-smoothed cross-entropy (ops/loss.c), in row blocks: [n, classes]
 * never exists whole ---- */

struct loss_task {
    size_t classes;           /* C: the first rows of the weight */
    const int32_t *targets;   /* [n] */
    double smoothing;         /* e */
    double r_drop;            /* r; 0: off */
    float *log_probabilities; /* [n] of the targets, written; may be NULL, and is with R-Drop */
};

struct loss {
    double objective;     /* nats, summed over targets in order: what is minimised */
    double cross_entropy; /* without smoothing, R-Drop and guided alignment */
    int64_t tokens, correct;
    double alignment; /* cost of guided alignment, summed over the `aligned` tokens, without its weight */
    int64_t aligned;
};

/* x [n, d], weight [>= C, d], bias [1, >= C] or NULL; p = softmax(x Wᵀ + b). For each target t
 *
 *     L = -(1-e) log p[t] - e/C · sum_c log p[c]
 *
 * R-Drop (Liang et al. 2021): x [2n, d], rows i and n + i being two draws of target i, with L1 and p1, L2 and p2:
 *
 *     (L1 + L2) / 2 + r/4 · (KL(p1 || p2) + KL(p2 || p1))
 *
 * which is half of the paper's loss with alpha = r, so that it compares with L; cross_entropy is the mean of both draws,
 * `correct` counts the first. Gradients are computed here, in the same pass, and handed on by backward; they are not
 * divided by anything. */
void op_loss(struct tape *tape, struct tensor *x, struct tensor *weight, struct tensor *bias,
        const struct loss_task *task, struct loss *out);

#endif
