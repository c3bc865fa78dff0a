/*
 * Layers: the parts architectures are put together from. Each has a struct of parameter numbers, a function that
 * declares them and one that applies them on a tape. Declare in the order of use: the gradients at the end of the flat
 * buffer are complete first.
 *
 * Dropout sites are counted in order of calls, so every apply function passes every site, whatever the rate.
 */
#ifndef MODELS_LAYERS_H
#define MODELS_LAYERS_H

#include "models/architecture.h"

/* ---- parameters (layers/linear.c) ---- */

/* Declares `parameter` under "PREFIX/NAME"; *out is its number. */
enum status layer_declare(
        struct model *model, struct parameter *parameter, const char *prefix, const char *name, size_t *out);

struct linear_layer {
    size_t weight, bias; /* [parts·out, in], [parts·out] */
};

struct linear_shape {
    size_t in, out, parts; /* parts: matrices stacked in one product, initialised each by itself */
};

/* A matrix "PREFIX/weight" without a bias. */
enum status weight_declare(size_t *out, struct model *model, const char *prefix,
        const struct linear_shape *shape, const char *description);
enum status linear_declare(struct linear_layer *out, struct model *model, const char *prefix,
        const struct linear_shape *shape, const char *description);
struct tensor *linear_apply(struct tape *tape, const struct linear_layer *layer, struct tensor *x,
        const struct activation_kind *activation, struct dropout dropout);

/* ---- residual connections and norms (layers/residual.c) ---- */

struct norm_layer {
    size_t gain, bias; /* [width] each */
};

/* Over rows of model.width, or of a width of one's own. */
enum status norm_declare(struct norm_layer *out, struct model *model, const char *prefix);
enum status norm_declare_over(struct norm_layer *out, struct model *model, const char *prefix, size_t width);

/*
 * The way through a stack of sub-layers f1, f2 ...
 *
 *     post    y = norm1(x + f1(x)),  y = norm2(y + f2(y)) ...            the norm after each sub-layer is its own
 *     pre     s = x + f1(norm1(x)),  s = s + f2(norm2(s)) ... norm(s)    the norm after each is the next one's
 *
 * so that both run as "sub-layer, then residual and norm in one op".
 */
struct residual {
    struct tensor *sum; /* what the next sub-layer's output is added to */
    struct tensor *y;   /* what the next sub-layer takes */
};

struct residual residual_start(
        const struct model *model, struct tape *tape, struct tensor *x, const struct norm_layer *first);

/* Adds the output `f` of a sub-layer whose norm is `own`; `next` is that of the sub-layer after it, or with `last` that
 * of the stack. */
void residual_add(const struct model *model, struct tape *tape, struct residual *residual, struct tensor *f,
        const struct norm_layer *own, const struct norm_layer *next, bool last);

/* ---- attention (layers/attention.c) ---- */

struct attention_layer {
    struct linear_layer input;  /* self: queries, keys, values stacked; cross: queries */
    struct linear_layer output; /* of all heads back to the width */
    struct norm_layer norm;
};

/* heads · head_width. */
size_t attention_width(const struct model *model);
float attention_scale(const struct model *model); /* 1 / sqrt(head_width) */

/* The norm is declared where the arrangement uses it: before or after the products. */
enum status attention_declare(
        struct attention_layer *out, struct model *model, const char *prefix, bool cross);

/* Every token of a sentence to the tokens of the same sentence; causal: to those up to itself. */
struct tensor *attention_self(const struct model *model, struct tape *tape, struct tensor *qkv,
        const struct sentences *sentences, bool causal);

/* `memory` holds keys from `column` on, then values; its rows are the tokens of `source`. */
struct tensor *attention_cross(const struct model *model, struct tape *tape, struct tensor *query,
        const struct sentences *target, struct tensor *memory, size_t column, const struct sentences *source);

/* What that attends to, as the mean over heads, learns from an alignment. */
void attention_guide(const struct model *model, struct tape *tape, const struct guide *guide,
        struct tensor *query, const struct sentences *target, struct tensor *memory, size_t column,
        const struct sentences *source);

/* ---- feed-forward (layers/feed_forward.c): outer(activation(inner(x))) ---- */

struct feed_forward_layer {
    struct linear_layer inner, outer;
    struct norm_layer norm;
};

enum status feed_forward_declare(struct feed_forward_layer *out, struct model *model, const char *prefix);
struct tensor *feed_forward_apply(const struct model *model, struct tape *tape,
        const struct feed_forward_layer *layer, struct tensor *x);

/* ---- embeddings, positions and the output projection (layers/embedding.c, layers/position.c) ---- */

struct embedding_layer {
    size_t table;    /* [rows, width] */
    size_t position; /* [position_limit, width], learned positions only */
};

struct output_layer {
    size_t weight, bias; /* [rows, width], [rows] */
};

/* tie all: the target's table is the source's, if that is text (`source` not NULL). */
enum status embedding_declare(struct embedding_layer *out, struct model *model, enum side side,
        const struct embedding_layer *source);
enum status output_declare(
        struct output_layer *out, struct model *model, const struct embedding_layer *target);

/* Learned positions of a side, where the model has them. */
enum status positions_declare(struct embedding_layer *out, struct model *model, enum side side);

/* Rows of ids (-1: zero vector) at `positions`; both must live as long as the tape. */
struct tensor *embedding_apply(const struct model *model, struct tape *tape,
        const struct embedding_layer *layer, const int32_t *ids, const int32_t *positions, size_t rows);
struct prediction output_apply(const struct model *model, struct tape *tape, const struct output_layer *layer,
        struct tensor *hidden);

/* x_i + P[p_i], with dropout: rows that are no embeddings at their positions, which live as long as the tape. `constant`:
 * the constant positions, where the model has such. */
struct tensor *positions_apply(const struct model *model, struct tape *tape,
        const struct embedding_layer *layer, const float *constant, struct tensor *x,
        const int32_t *positions);

/* The target moved one place to the right, as it is fed to the decoder: each token is predicted from those before it.
 * On the tape's arena; NULL on a tape that failed. */
int32_t *shifted_ids(struct tape *tape, const struct sentences *target, int32_t start);

/* 0, 1, 2 ... within each sentence, on the tape's arena; NULL on a tape that failed. */
int32_t *positions_of(struct tape *tape, const struct sentences *sentences);

/* [sentences] tokens of each, likewise. */
int32_t *sentence_lengths(struct tape *tape, const struct sentences *sentences);

/* ---- images (layers/image.c): convolutions that leave a grid of cells ---- */

/* s = halving(x);  norm1(s + second(activation(first(norm0(s)))))   (He et al. 2016, with layer norms) */
struct image_stage {
    struct linear_layer halving, first, second; /* [out, in, 3, 3]; the halving is of stride 2 */
    struct norm_layer norms[2];
};

struct image_layer {
    struct image_stage *stages; /* [image_stages] */
    float *positions;           /* [cells, width] constant ones; NULL without */
};

/* STATUS_CONFIG if there are more stages than there is to halve. */
enum status image_check(const struct model_options *options);
enum status image_declare(struct image_layer *out, struct model *model);

/* The cells that are left of an image, height · width of them, row by row from the top; and those of all images
 * [images·cells, width]. */
struct grid image_grid(const struct model *model);
struct tensor *image_apply(const struct model *model, struct tape *tape, const struct image_layer *layer,
        const struct sentences *source);

/* ---- the source, text or not (layers/source.c) ---- */

struct source_layer {
    struct embedding_layer embedding; /* text: its table; positions */
    struct linear_layer frames;       /* values of a frame to the width */
    struct image_layer image;
};

/* What its options ask of a source, whatever the architecture: STATUS_CONFIG. */
enum status source_check(const struct model_options *options, bool joint);
enum status source_declare(struct source_layer *out, struct model *model);

/* What an encoder starts from [rows->tokens, width]. *rows: its sentences, those of `source` but for images, whose rows
 * are cells; their offsets are on the tape's arena. */
struct tensor *source_apply(const struct model *model, struct tape *tape, const struct source_layer *layer,
        const struct sentences *source, struct sentences *rows);

#endif
