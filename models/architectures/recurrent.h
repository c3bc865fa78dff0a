/*
 * The recurrent encoder-decoder inside: recurrent.c declares it and runs it over whole sentences, recurrent_steps.c makes
 * one step after the other, for decoders whose input depends on the step before: in training (recurrent_training.c) and in
 * decoding (recurrent_decode.c).
 *
 *     s       state of the decoder's last layer          memory    the encoder's rows, which attention looks at; of an
 *                                                                  image the cells of its grid (Xu et al. 2015)
 *     E       embedded target tokens                     fed       what goes into the cells beside E:
 *         attention before the cells (Bahdanau et al. 2015):          c_t = attend(s before), hidden = tanh(W [s; c; E])
 *         after them, with input feeding (Luong et al. 2015):         hidden of the step before
 *         none, model.context every_step (Cho et al. 2014):           the encoder's end
 *     after them: c_t = attend(s), hidden = tanh(W [c; s]); without attention hidden = s.
 */
#ifndef MODELS_ARCHITECTURES_RECURRENT_H
#define MODELS_ARCHITECTURES_RECURRENT_H

#include "models/layers/recurrent.h"

struct recurrent_layout {
    struct source_layer source;
    struct embedding_layer target;
    struct recurrent_stack encoder, decoder; /* of images there is no encoder: 0 layers, one way */
    struct linear_layer *bridge;             /* [decoder_layers], if learned */
    size_t fed;                              /* [G·width, columns fed] of the decoder's first layer */
    size_t query, key;           /* [width, width], [width, memory columns]: products before the score */
    size_t score;                /* [1, width] of additive scores */
    size_t key_bias, length;     /* [width], [1], if they are normed */
    size_t cover;                /* [width, 1], if it covers */
    size_t centre, centre_score; /* [width, width], [1, width] of a place that the state tells */
    struct linear_layer combine; /* of s, c ... to hidden */
    struct output_layer output;
};

static inline const struct recurrent_layout *recurrent_layout(const struct model *model)
{
    return model->layout;
}

static inline const struct attention_kind *recurrent_attention(const struct model *model)
{
    return (const struct attention_kind *)model->options.attention;
}

/* Whether a step needs what the attention of a step gave. */
static inline bool recurrent_feeds(const struct model *model)
{
    const struct attention_kind *kind = recurrent_attention(model);
    return kind->attends && (kind->before || model->options.input_feeding);
}

/* Whether a step knows the weights of those before. */
static inline bool recurrent_covers(const struct model *model)
{
    return ((const struct coverage_kind *)model->options.coverage)->sums;
}

/* Whether the encoder's end goes into every step. */
static inline bool recurrent_repeats(const struct model *model)
{
    return !recurrent_attention(model)->attends &&
           ((const struct context_kind *)model->options.context)->every;
}

/* What the decoder takes from the encoder, whose end is of an image the mean of its cells. */
struct recurrent_source {
    struct sentences rows;        /* of the source, as attention sees it; no ids */
    struct tensor *memory, *keys; /* [rows.tokens, ...]; keys: after their product */
    struct tensor **starts;       /* [decoder_layers] states [sentences, S·width]; NULL: zeros */
    struct tensor *fed; /* [sentences, G·width] products of the encoder's end, if it repeats; else NULL */
};

/* False on a tape that failed. */
bool recurrent_encode(
        struct model *model, struct tape *tape, const struct sentences *source, struct recurrent_source *out);

/* Who asks whom: the keys of each pair, as in struct attend. */
struct recurrent_reach {
    struct tensor *memory, *keys;
    size_t pairs;
    const int32_t *query_offsets; /* NULL: a query each */
    const int32_t *key_first, *key_count;
    const int32_t *positions;       /* [queries] place of each in its sentence, if local; NULL: 0, 1 ... */
    struct tensor *centre;          /* [queries, 1], if predicted */
    struct tensor *covered, **told; /* as in struct attend */
    const struct guide *guide;      /* NULL: none */
    const int32_t *tokens;          /* [queries] target tokens, for the guide; NULL: 0, 1 ... */
};

/* The context of each query [queries, memory columns]; query: after its product. */
struct tensor *recurrent_attend(const struct model *model, struct tape *tape, struct tensor *query,
        const struct recurrent_reach *reach);

/* Attention after the cells, all steps at once: hidden rows of s. */
struct tensor *recurrent_look_back(
        const struct model *model, struct tape *tape, struct tensor *s, const struct recurrent_reach *reach);

/* ---- step by step (recurrent_steps.c), if it feeds, or is given tokens of its own ---- */

/* The decoder between two steps, whose rows are the pairs of the reach. */
struct recurrent_stepper {
    const struct model *model;
    struct tape *tape;
    struct recurrent_reach reach;
    size_t step;             /* steps taken */
    struct tensor **h, **c;  /* [decoder_layers] the state */
    struct tensor *s;        /* output of the last layer at the last step */
    struct tensor *context;  /* of the last step */
    struct tensor *told;     /* weights of the last step, if it covers; reach.covered: of all */
    struct tensor *hidden;   /* of the last step, zeros before; NULL: see recurrent_deep_output() */
    struct tensor *embedded; /* E of the last step, where it comes step by step */
    struct tensor *products; /* of E with the first input weights: of all steps in order, or of the last */
    struct tensor *repeated; /* the source's `fed`, of sentences in their own order; NULL: none */
    const int32_t *order;    /* of the pairs among them */
    struct step_weights *weights;
};

/* rows: of all steps; embedded: E of them, in step order, or NULL: it comes step by step. The state begins with
 * starts[layer], [pairs, S·width], NULL for zeros. False on a tape that failed. */
bool recurrent_steps_start(struct recurrent_stepper *out, const struct model *model, struct tape *tape,
        const struct recurrent_reach *reach, size_t rows, struct tensor *embedded,
        struct tensor *const *starts);

/* One step of the first `rows` pairs, whose rows of E are those from `first` on; or of those that `embedded` has a row
 * for. False on a tape that failed. */
bool recurrent_step(struct recurrent_stepper *stepper, size_t rows, size_t first);
bool recurrent_step_embedded(struct recurrent_stepper *stepper, struct tensor *embedded);

/* Hidden rows of steps whose s, c and E are these; attention before the cells. */
struct tensor *recurrent_deep_output(const struct model *model, struct tape *tape, struct tensor *s,
        struct tensor *context, struct tensor *embedded);

/* ---- training step by step (recurrent_training.c) ---- */

/* Teacher forcing, or scheduled sampling if tape_sampling() has a rate: hidden [target tokens, width] in packed order.
 * Tokens are drawn without the dropout of hidden rows, and no gradient goes through the choice. */
struct tensor *recurrent_by_steps(struct model *model, struct tape *tape,
        const struct recurrent_source *source, const struct sentences sides[SIDES],
        const struct guide *guide);

/* ---- decoding (recurrent_decode.c) ---- */

enum status recurrent_decode_start(struct model *model, const struct sentences *source, void **state);
enum status recurrent_decode_step(void *state, struct tape *tape, const int32_t *ids,
        const struct step_attention *attention, struct prediction *prediction);
enum status recurrent_decode_keep(void *state, const int32_t *parents, size_t rows);

#endif
