/* Models that tests of all of them walk. */
#ifndef TESTS_MODELS_VARIANTS_H
#define TESTS_MODELS_VARIANTS_H

#include "tests/models/tiny.h"

enum { VARIANT_WORDS = 64 };

struct variant {
    const char *what;
    bool joint;
    const char *changes[VARIANT_WORDS]; /* "name value" pairs, NULL at the end */
};

/* First those of a table, each of which differs in what a mistake could hide in; then those that choices.h draws. */
size_t variant_count(void);
const struct variant *variant_at(size_t i);

/* The source of a variant is what its name begins with, or text. */
struct model_options variant_options(const struct variant *variant);
struct model *variant_model(const struct variant *variant);
void variant_batch(
        const struct variant *variant, struct tiny_batch *tiny, size_t pairs, size_t longest, uint64_t seed);

/* Whether its attention is to tokens that may be aligned; those of images are not. */
bool variant_can_be_guided(const struct variant *variant);

/* Dropout wherever the model has it. */
void variant_drop(struct model_options *options, double rate);

#endif
