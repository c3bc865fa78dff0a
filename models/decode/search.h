/*
 * Inside decode/: the search for translations.
 *
 *     group.c    sentences of a group, which come longest first, a batch at a time
 *     search.c   a batch: each row of the models' input is an unfinished hypothesis; a step extends all of them
 *     choose.c   a row: its most probable tokens, or drawn ones
 *     beam.c     a sentence: which rows go on, which hypotheses are finished, how they rank
 *     vote.c     what the models of an ensemble predict together
 *
 * Greedy search is a beam of one; sampling is the same search with tokens drawn instead of the best ones taken.
 */
#ifndef MODELS_DECODE_SEARCH_H
#define MODELS_DECODE_SEARCH_H

#include "models/architecture.h"

/* A row of length_penalty_kinds. */
struct length_penalty_kind {
    struct kind kind;
    /* What the log probability of `length` tokens is divided by; does not fall as the length grows. */
    double (*divisor)(double length, double alpha);
};

/* Hypotheses of a sentence that are searched side by side: the beam, or the samples. */
size_t decode_width(const struct decode_options *options);

/* log probability / divisor(length) - word_penalty · length. */
double decode_score(const struct decode_options *options, double log_probability, size_t length);

/* No hypothesis that goes on from here, to at most `longest` tokens, scores more. */
double decode_best_score(
        const struct decode_options *options, double log_probability, size_t length, size_t longest);

/* ---- hypotheses ---- */

/* The last token of a hypothesis. Hypotheses share their beginnings: each is a way from a leaf to the root of a tree on
 * the arena of a batch, so that nothing is copied when one is extended. */
struct trace {
    const struct trace *parent; /* NULL: the first token */
    size_t length;              /* tokens up to this one */
    const float *attention;     /* [layers, heads, columns]; NULL unless asked for */
    double log_probability;     /* of this token */
    int32_t token;
};

/* An unfinished hypothesis. */
struct path {
    size_t sentence;          /* of the batch */
    const struct trace *last; /* NULL: no token yet */
    double log_probability;   /* of all its tokens */
    size_t sample, samples; /* it stands for samples [sample, sample + samples): all before the first draw */
};

static inline size_t path_length(const struct path *path)
{
    return path->last ? path->last->length : 0;
}

/* ---- a row (choose.c) ---- */

struct choice {
    double log_probability;
    int32_t token;
    uint32_t sample, samples; /* sampling: it is chosen for [sample, sample + samples) of the sentence */
};

/* What the models predict after a path, and what is chosen from it. */
struct row {
    float *logits;
    size_t classes;
    double log_sum;         /* log of the sum of exponentials: log probability = logit - log_sum */
    float *attention;       /* [layers, heads, columns] or NULL */
    float *weights;         /* [classes] room for sampling */
    struct choice *choices; /* best first, or in order of samples */
    size_t count;
};

double logits_log_sum(const float *logits, size_t classes);

/* Makes logits of tokens -infinity that would end an n-gram for the second time. `last` may be NULL. */
void row_block_repeats(struct row *row, const struct trace *last, size_t n);

/* These fill the choices of a row that has none. The token that was asked for, once for all samples of the path. */
void row_force(struct row *row, const struct path *path, int32_t token);

/* The `count` most probable tokens; of equal ones the lower comes first. */
void row_choose_best(struct row *row, size_t count);

/* Draws a token for each sample of the path of sentence `number`. */
void row_sample(
        struct row *row, const struct decode_options *options, const struct path *path, int64_t number);

/* ---- the models (vote.c) ---- */

/* logits[m] [rows, classes] are those of model m; weights NULL: equal. Leaves the log of the weighted mean of the
 * probabilities in row `row` of logits[0]. Returns its log sum, not finite if the logits are not. */
double vote(float *const *logits, size_t row, size_t classes, const double *weights, size_t count);

/* ---- a sentence (beam.c) ---- */

struct finished {
    const struct trace *last; /* </s> if it was reached */
    double log_probability, score;
};

/* The search for one sentence's translations. */
struct beam {
    size_t limit; /* most target tokens without </s> */
    const int32_t *prefix;
    size_t prefix_count;
    int64_t number;                 /* of the sentence in the whole input */
    struct attention_planes planes; /* of the attention of a token; one of one: the mean is enough */
    size_t columns;                 /* of each plane */
    struct finished *finished;      /* [width] best first */
    size_t kept;                    /* held in `finished` */
};

/* Where the hypotheses that go on are put, over all sentences of a batch. */
struct next {
    struct arena *arena;
    struct path *paths; /* [sentences · width] */
    int32_t *parents;
    size_t rows;
};

/* Extends the paths of one sentence, whose rows are [first, first + count), by the best of their choices. */
enum status beam_advance(struct beam *beam, const struct decode_options *options, const struct path *paths,
        const struct row *rows, size_t first, size_t count, struct next *next);

/* The finished hypotheses as the caller gets them. */
enum status beam_translation(
        const struct beam *beam, const struct decode_options *options, struct translation *out);

/* ---- a batch (search.c) ---- */

/* Finds the translations of `source`; beams [source->count] come with what is known of each sentence. What they hold
 * then is on the first model's arena until its next search. */
enum status search_batch(const struct ensemble *ensemble, const struct decode_options *options,
        const struct sentences *source, struct beam *beams);

#endif
