/*
 * models/: the mathematics. A model is built from options, keeps its parameters in one flat buffer, gives the loss of a
 * micro-batch with its gradient, and translates groups of sentences.
 *
 *     TRY(model_open(&model, &options, rows, joint));
 *     model_initialise(model, seed);
 *     TRY(model_loss(model, &batch, &pass, &loss));              forward and, with pass.gradient, backward
 *     TRY(decode_group(model, &decode, ids, offsets, count, out));
 *
 * tape.h, ops.h: tensors and steps. architectures/: one file per model kind. decode/: search over an architecture's step.
 */
#ifndef MODELS_MODELS_H
#define MODELS_MODELS_H

#include "io/batch.h"
#include "io/options.h"
#include "models/ops.h"
#include "models/parameters.h"

struct model_options {
    const struct kind *kind; /* into architecture_kinds */
    int64_t width, encoder_layers, decoder_layers, heads, head_width /* 0: width / heads */, ffn_width;
    const struct kind *activation;
    const struct kind *norm; /* post, pre */
    double norm_epsilon;
    const struct kind *position; /* none, sinusoidal, learned */
    int64_t position_limit;      /* rows of learned positions */
    const struct kind *tie;      /* all, decoder, none */
    const struct kind *start;    /* bos, zero */
    bool embedding_scale;        /* by sqrt(width) */
    double dropout, attention_dropout, activation_dropout;
};

extern const struct option_group model_group;
extern const struct kind_table architecture_kinds, norm_kinds, position_kinds, tie_kinds, start_kinds;

struct model;

/* Checks the options together (STATUS_CONFIG), declares and allocates parameters (zero). rows:
 * vocabulary rows per side. */
enum status model_open(
        struct model **out, const struct model_options *options, const size_t rows[SIDES], bool joint);
void model_close(struct model *model);

struct parameters *model_parameters(struct model *model);
const struct model_options *model_options(const struct model *model);
void model_initialise(struct model *model, uint64_t seed);

/* Tokens of the longest sentence the model takes, on either side; SIZE_MAX without a limit. */
size_t model_longest(const struct model *model);

/* One way through the model. */
struct pass {
    bool training;         /* dropout on */
    uint64_t seed, update; /* with `slot`: key of the dropout */
    uint32_t slot;
    double label_smoothing;
    float *gradient; /* flat buffer that the gradient is added to; NULL: forward only */
    void (*ready)(void *context, size_t first); /* see exchange_ready(); may be NULL */
    void *context;
    float *log_probabilities; /* [target tokens] or NULL */
};

/* The loss summed over target tokens. STATUS_CONFIG naming the limit if a sentence is longer than
 * the positions. */
enum status model_loss(
        struct model *model, const struct batch *batch, const struct pass *pass, struct loss *out);

/* Logits [target tokens, pieces of the target vocabulary] of teacher forcing, dropout off. For
 * tests and peers. */
enum status model_logits(struct model *model, const struct batch *batch, float *out);

/* Most bytes the step arena ever held. */
size_t model_peak_bytes(const struct model *model);

/* ---- decoding (decode/) ---- */

struct decode_options {
    double max_length_ratio; /* target tokens without </s> <= ratio · source tokens + max_length_extra */
    int64_t max_length_extra;
    int64_t batch; /* sentences decoded at once */
};
extern const struct option_group decode_group_options; /* undotted switches of translate */

struct hypothesis {
    int32_t *ids; /* without </s>; memory_new(), NULL if there are none */
    size_t count;
    double score; /* log probability, </s> included when it was reached */
};

/* Sentences as in a batch's source side; </s> included. out[count] is filled in input order; the
 * caller frees ids. The result depends on the sentences of the group alone. On failure nothing is left to free. */
enum status decode_group(struct model *model, const struct decode_options *options, const int32_t *ids,
        const int32_t *offsets, size_t count, struct hypothesis *out);

#endif
