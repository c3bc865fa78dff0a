/*
 * models/: the mathematics. A model is built from options, keeps its parameters in one flat buffer, gives the loss of a
 * micro-batch with its gradient, and translates groups of sentences.
 *
 *     TRY(model_open(&model, &options, rows, joint));
 *     model_initialise(model, seed);
 *     TRY(model_loss(model, &batch, &pass, &loss));              forward and, with pass.gradient, backward
 *     TRY(decode_group(&ensemble, &decode, &task, translations));
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
    int64_t image_stages;        /* with a source of images */
    const struct kind *tie;      /* all, decoder, none */
    const struct kind *start;    /* bos, zero */
    bool embedding_scale;        /* by sqrt(width) */
    double dropout, attention_dropout, activation_dropout;

    struct source_form source; /* set by commands; no row */

    /* recurrent */
    const struct kind *cell; /* rnn, gru, lstm */
    bool encoder_bidirectional;
    bool residual, layer_norm;
    const struct kind *bridge;    /* linear, none, zero */
    const struct kind *attention; /* none, bahdanau, luong_dot ... */
    bool input_feeding;
    int64_t window;              /* of local attention: tokens to each side */
    const struct kind *coverage; /* none, sum */
    const struct kind *context;  /* start, every_step */
};

extern const struct option_group model_group;
extern const struct kind_table architecture_kinds, norm_kinds, position_kinds, tie_kinds, start_kinds;
extern const struct kind_table cell_kinds, bridge_kinds, attention_kinds, coverage_kinds, context_kinds;

struct model;

/* Checks the options together (STATUS_CONFIG), declares and allocates parameters (zero). rows:
 * vocabulary rows per side. */
enum status model_open(
        struct model **out, const struct model_options *options, const size_t rows[SIDES], bool joint);
void model_close(struct model *model);

/* To read or change. Decoding keeps copies of weights: whoever changes them asks anew each time, which lets go of these. */
struct parameters *model_parameters(struct model *model);
const struct model_options *model_options(const struct model *model);
void model_initialise(struct model *model, uint64_t seed);

/* Tokens of the longest sentence the model takes, on either side; SIZE_MAX without a limit. */
size_t model_longest(const struct model *model);

/* One way through the model. */
struct pass {
    bool training; /* dropout on */
    bool recompute; /* backward makes the inner values of layers again instead of keeping them: the same bits */
    uint64_t seed, update; /* with `slot`: key of the dropout */
    uint32_t slot;
    double label_smoothing;
    double r_drop; /* weight of R-Drop, which takes every sentence twice (ops.h); 0: off */
    const struct kind *
            guide; /* of guide_kinds; NULL: none. Counts where the batch has an alignment and the model attention */
    double guide_weight;
    double sampling;    /* of recurrent models: see tape_sampling(); 0: teacher forcing */
    float *gradient;    /* flat buffer that the gradient is added to; NULL: forward only */
    const bool *frozen; /* [parameters]: whose gradient is not made; NULL: none */
    void (*ready)(void *context, size_t first);       /* see exchange_ready(); may be NULL */
    enum status (*needed)(void *context, size_t end); /* parameters [0, end) will be read; may be NULL */
    void *context;
    float *log_probabilities; /* [target tokens] or NULL; without R-Drop */
    struct profile *profile;  /* of the ops, with a gradient only (profile.h); NULL: none */
};

/* The loss summed over target tokens. STATUS_CONFIG naming the limit if a sentence is longer than
 * the positions. */
enum status model_loss(
        struct model *model, const struct batch *batch, const struct pass *pass, struct loss *out);

/* Logits [target tokens, pieces of the target vocabulary] of teacher forcing, dropout off. For
 * tests and peers. */
enum status model_logits(struct model *model, const struct batch *batch, float *out);

/* Layers and heads whose attention to the source decoding can tell; none of a model without. They see the tokens of the
 * source, but of an image the cells of a grid, row by row from the top. */
struct attention_planes {
    size_t layers, heads;
    size_t height, width; /* of that grid; 0: there is none */
};
struct attention_planes model_attention(const struct model *model);

/* What they see of a source of so many tokens. */
static inline size_t attention_columns(const struct attention_planes *planes, size_t source_tokens)
{
    return planes->height > 0 ? planes->height * planes->width : source_tokens;
}

/* Most bytes the step arena ever held. */
size_t model_peak_bytes(const struct model *model);

/* ---- decoding (decode/) ---- */

/*
 * Beam search; greedy is a beam of one; with `sample` tokens are drawn instead of the best ones taken. At each step the
 * 2·beam most probable ways on are looked at, ties going to the better hypothesis before and then to the lower token:
 * </s> among the first `beam` finishes a hypothesis, others go on until there are `beam` of them. A sentence is done
 * when `beam` hypotheses are finished and none of them scores less than the best unfinished one would if it ended here,
 * so that improbable ends do not crowd out a probable translation; or earlier when none that is unfinished can reach the
 * nbest. At the length limit a hypothesis counts with what it has.
 *
 *     score = log probability / divisor(length) - word_penalty · length
 *     divisor     none: 1    average: length^alpha    gnmt: ((5 + length) / 6)^alpha    (length: tokens, </s> too)
 *
 * Samples: softmax(logits / temperature), of it the top_k largest, of those the top_p share, drawn by the random number
 * of (seed, sentence, sample, position). The log probabilities told are the models' own, without temperature, cuts or
 * blocked n-grams, so that they are what scoring the translation gives.
 */

/* Rows: none, average, gnmt. */
extern const struct kind_table length_penalty_kinds;

struct decode_options {
    int64_t beam;  /* hypotheses kept at each step; 0: 5, unused with `sample` */
    int64_t nbest; /* >= 1; with `sample`, that many samples */

    const struct kind *length_penalty; /* NULL: none */
    double length_alpha, word_penalty;
    int64_t no_repeat_ngram; /* no n tokens twice in a hypothesis; 0: they may be */

    bool sample;
    double temperature, top_p; /* 1: as the models say; all of them */
    int64_t top_k;             /* 0: all */
    int64_t seed;

    double max_length_ratio; /* target tokens without </s> <= ratio · source tokens + max_length_extra */
    int64_t max_length_extra;
    int64_t batch; /* sentences decoded at once */

    bool token_scores, alignment, attention; /* set by commands; no rows */
};
extern const struct option_group decode_group_options; /* undotted switches of translate */

/* What they are when nothing is given. */
enum status decode_defaults(struct decode_options *out);

/* Models that vote: a token's probability is the weighted mean of theirs. Each is a struct model of its own; equal
 * vocabularies. */
struct ensemble {
    struct model *const *models;
    const double *weights; /* [count], sum 1; NULL: equal */
    size_t count;
};

/* Tokens of the longest sentence that all models take (see model_longest()). */
size_t ensemble_longest(const struct ensemble *ensemble);

struct decode_task {
    const int32_t *ids, *offsets; /* source sentences as in a batch, longest first; </s> included */
    size_t count;
    const int32_t *prefix_ids, *prefix_offsets; /* first target tokens that each is forced to; NULL: none */
    const int64_t *numbers; /* [count] of sentences in the whole input, for sampling; NULL: 0, 1, 2 ... */
};

struct hypothesis {
    int32_t *ids; /* without </s>; memory_new(), NULL if there are none */
    size_t count;
    double log_probability; /* </s> included when it was reached */
    double score;           /* what hypotheses are ranked by */
    bool ended;             /* </s> was reached */

    /* Of each token, </s> last (zeros if it was not reached). NULL unless asked for. Columns: attention_columns(). */
    float *log_probabilities; /* [count + 1] */
    float *alignment;         /* [count + 1, columns] attention when it was chosen (struct step_attention) */

    /* What every layer and head attended to, by tokens (</s> if it was reached) [layers, heads, count + ended, columns]:
     * of the best translation. NULL unless asked for. */
    float *attention;
    size_t attention_count;
};

struct translation {
    struct hypothesis *items; /* best first, at most options->nbest */
    size_t count;
};

/* Refuses options that do not go together (STATUS_USAGE, naming both; see options_check_needs() for the rest), and
 * models that are no ensemble (STATUS_DATA). ensemble NULL: the options alone. */
enum status decode_check(const struct decode_options *options, const struct ensemble *ensemble);

/* Fills out[task->count] in the task's order; the caller gives it back to translations_release(). The result depends on the
 * sentences of the task alone. On failure nothing is left to free. */
enum status decode_group(const struct ensemble *ensemble, const struct decode_options *options,
        const struct decode_task *task, struct translation *out);
void translations_release(struct translation *translations, size_t count);

#endif
