/*
 * Tiny models and batches for tests of models/ and what stands on it.
 */
#ifndef TESTS_MODELS_TINY_H
#define TESTS_MODELS_TINY_H

#include "models/models.h"

enum { TINY_PIECES = 13, TINY_ROWS = TINY_PIECES + VOCABULARY_EXTRA, TINY_TOKENS = 4096, TINY_PAIRS = 64 };

/* The defaults with width 8, two layers a side, two heads, inner width 12, gelu (smooth); then "name value" pairs, NULL at the end. */
struct model_options tiny_options(const char *const *changes);

/* An open model with random values; also what starts as 0 or 1. */
struct model *tiny_model(const struct model_options *options, bool joint);

struct tiny_batch {
    int32_t ids[SIDES][TINY_TOKENS];
    int32_t offsets[SIDES][TINY_PAIRS + 1];
    size_t words; /* of a source token; 0: 1 */
    int32_t point_offsets[TINY_TOKENS + 1], points[TINY_TOKENS];
    struct batch batch;
};

/* Pairs of random sentences, each of 1 to `longest` tokens with </s> at the end. */
void tiny_batch_fill(struct tiny_batch *tiny, size_t pairs, size_t longest, uint64_t seed);

/* As tiny_batch_fill(), then the sources longest first. */
void tiny_batch_fill_sorted(struct tiny_batch *tiny, size_t pairs, size_t longest, uint64_t seed);

/* The sources become random ones of this form, frames as many as there were tokens; nothing to do for text. */
void tiny_batch_source(struct tiny_batch *tiny, const struct source_form *form);

/* Aligns most target tokens with one or two source tokens of their pair. */
void tiny_batch_align(struct tiny_batch *tiny);

/* Pair `pair` of a batch as a batch of its own. */
void tiny_batch_one(struct tiny_batch *tiny, const struct tiny_batch *from, size_t pair);

/* A pass of training, label smoothing and all; gradient may be NULL. */
struct pass tiny_pass(float *gradient);

/* Zeros, to be freed with memory_free(). */
float *tiny_floats(size_t count);

/* For cmocka, after a group: fails if memory is left. */
int tiny_nothing_is_left(void **state);

#endif
