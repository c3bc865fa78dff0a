/*
 * Inside models/: what a model kind is. To add one: write architectures/NAME.c, which ends in a `const struct
 * architecture`, out of the parts in layers/; then give it a row in model_options.c. Options, help, loss, decoding,
 * checkpoints and tests follow from the row.
 *
 * A kind builds the hidden rows that a vocabulary is predicted from; loss, logits and search are the same for all.
 */
#ifndef MODELS_ARCHITECTURE_H
#define MODELS_ARCHITECTURE_H

#include "models/models.h"

/* Sentences packed row by row, as one side of a batch. */
struct sentences {
    size_t count, tokens, longest;
    const int32_t *ids;     /* [tokens], or of a source that is not text [tokens · words] */
    const int32_t *offsets; /* [count + 1] */
};

/* What classes are predicted from: logits = hidden Wᵀ + b over the first `classes` rows of W. */
struct prediction {
    struct tensor *hidden; /* [rows, width] */
    struct tensor *weight; /* [>= classes, width] */
    struct tensor *bias;   /* [1, >= classes] or NULL */
    size_t classes;
};

/* Where a step adds how much each row attends to the tokens of its source sentence, or an image's cells, times `weight`:
 * the mean over heads of the last layer, or the weights of every layer and head. They sum to 1 over a sentence, or less
 * where a Gaussian stands after the softmax (luong_local_p). */
struct step_attention {
    float *const *rows; /* [rows], each [attention_columns()] or, if `apart`, [layers, heads, the same] */
    float weight;
    bool apart;
};

struct architecture {
    /* Options that rows cannot check alone; STATUS_CONFIG naming both. */
    enum status (*check)(const struct model_options *options, bool joint);
    /* Declares the parameters in order of use and leaves their numbers in model->layout (on model->lasting). */
    enum status (*declare)(struct model *model);
    /* Teacher forcing: one hidden row for each target token. NULL hidden on a tape that failed. `guide`: what the attention
     * that a step tells is guided by, if the model has any; NULL: nothing. */
    struct prediction (*predict)(struct model *model, struct tape *tape, const struct sentences sides[SIDES],
            const struct guide *guide);

    /* Cached decoding. `*state` and all it holds live on model->decode until the next start. */
    enum status (*decode_start)(struct model *model, const struct sentences *source, void **state);
    /* The next token of each row: ids[r] is the token chosen last (the start id at first). Rows begin as one per
     * sentence, in order. `attention` NULL: not asked for. */
    enum status (*decode_step)(void *state, struct tape *tape, const int32_t *ids,
            const struct step_attention *attention, struct prediction *prediction);
    /* From now on there are `rows` rows and row r goes on from what was row parents[r]: rows that ended are left out,
     * a row may have several children (beam). */
    enum status (*decode_keep)(void *state, const int32_t *parents, size_t rows);
    bool (*attends)(const struct model *model);                      /* a step can tell its attention: */
    struct attention_planes (*attention)(const struct model *model); /* layers, heads; NULL: one each */
};

extern const struct architecture transformer_architecture, recurrent_architecture;

/* Rows of the tables of choices; each begins with its struct kind. */
struct architecture_kind {
    struct kind kind;
    const struct architecture *architecture;
};

struct norm_kind {
    struct kind kind;
    bool before; /* the norm stands before the sub-layer, inside the residual branch */
};

struct position_kind {
    struct kind kind;
    bool learned; /* rows are parameters: model.position_limit of them */
    /* Constant rows [first, end) of a table [*, width]; NULL if there is none. */
    void (*fill)(float *table, size_t first, size_t end, size_t width);
};

struct tie_kind {
    struct kind kind;
    bool sides;  /* one embedding for source and target */
    bool output; /* the output projection is the target embedding */
};

struct start_kind {
    struct kind kind;
    int32_t id; /* first decoder input; -1: a zero vector */
};

/* How the decoder's state begins, given the encoder's end. */
struct bridge_kind {
    struct kind kind;
    bool learned, zero; /* tanh of a linear layer; zeros; else as it is */
};

/* Attention of a recurrent decoder. */
struct attention_kind {
    struct kind kind;
    bool attends;
    bool before; /* the state before a step asks, and what it gets goes into the cells; else the one after */
    int score;   /* of score_kinds */
    bool query, key; /* products before the score: of the state, of the encoder's rows */
    bool scaled;     /* by 1 / sqrt(width) */
    bool normed;     /* length and direction of an additive score's weight are apart, keys have a bias */
    bool local;      /* model.window tokens to each side of the target's place, or of one that is */
    bool predicted;
};

struct coverage_kind {
    struct kind kind;
    bool sums; /* a score knows the weights that its source token had at all steps before */
};

struct context_kind {
    struct kind kind;
    bool every; /* the encoder's end goes into every step */
};

struct model {
    struct model_options options; /* head_width resolved */
    const struct architecture *architecture;
    size_t rows[SIDES]; /* of the vocabularies, <mask> and <pad> included */
    bool joint;
    struct parameters parameters;
    struct arena *lasting;  /* as long as the model: layout */
    struct arena *step;     /* one pass, or one step of decoding */
    struct arena *decode;   /* one batch of decoding: keys and values */
    struct arena *packed;   /* weights in panels, until somebody asks for the parameters */
    struct packing packing; /* items NULL: the panels are not those of the parameters */
    void *layout;           /* the architecture's own */
    float *positions;       /* constant position rows so far */
    size_t position_rows;
};

static inline const struct norm_kind *model_norm(const struct model *model)
{
    return (const struct norm_kind *)model->options.norm;
}

static inline const struct position_kind *model_position(const struct model *model)
{
    return (const struct position_kind *)model->options.position;
}

static inline const struct tie_kind *model_tie(const struct model *model)
{
    return (const struct tie_kind *)model->options.tie;
}

/* Decoder input that comes before the first token. */
static inline int32_t model_start_id(const struct model *model)
{
    return ((const struct start_kind *)model->options.start)->id;
}

/* 4-byte words of a source token (io/source.h). */
static inline size_t model_source_words(const struct model *model)
{
    return source_words(&model->options.source);
}

/* Fills in `longest`. */
struct sentences sentences_make(const int32_t *ids, const int32_t *offsets, size_t count);

/* Room for the constant positions of sentences of `longest` tokens; STATUS_CONFIG if the model has fewer learned ones.
 * Call before the tape starts: the table may move. */
enum status model_reserve_positions(struct model *model, size_t longest);

/* out [hidden rows, classes]; see tape_status(). */
static inline void prediction_logits(struct tape *tape, const struct prediction *prediction, float *out)
{
    op_logits(tape, prediction->hidden, prediction->weight, prediction->bias, prediction->classes, out);
}

/* The start of decode_start(): model->decode is empty and weights may be packed. */
enum status model_start_decoding(struct model *model);

#endif
