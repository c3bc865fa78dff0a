/*
 * Beam search without anything that makes it fast: every hypothesis is fed from its beginning, every way on is sorted.
 */
#ifndef TESTS_MODELS_PLAIN_SEARCH_H
#define TESTS_MODELS_PLAIN_SEARCH_H

#include "tests/models/tiny.h"

enum { PLAIN_TOKENS = 48, PLAIN_HYPOTHESES = 4096 };

struct plain_hypothesis {
    int32_t ids[PLAIN_TOKENS]; /* </s> included when it was reached */
    size_t count;
    double log_probability, score;
};

/* The log of the weighted mean of the probabilities of the token after `ids` [count], for one source sentence. */
void plain_next(const struct ensemble *ensemble, const int32_t *source, size_t source_tokens,
        const int32_t *ids, size_t count, double out[TINY_PIECES]);

/* Of a finished hypothesis. */
double plain_score(const struct decode_options *options, double log_probability, size_t count);

/* The best hypotheses, best first; at most options->nbest into `out`. Returns their number. */
size_t plain_search(const struct ensemble *ensemble, const struct decode_options *options,
        const int32_t *source, size_t source_tokens, size_t limit, struct plain_hypothesis *out);

#endif
