/* Models that tests of all of them walk. */
#ifndef TESTS_MODELS_VARIANTS_H
#define TESTS_MODELS_VARIANTS_H

#include "tests/models/tiny.h"

/* Each row is a model that differs in what a mistake could hide in. */
struct variant {
    const char *what;
    bool joint;
    const char *changes[9];
};

extern const struct variant variants[];
extern const size_t variant_count;

/* The source of a variant is what its name begins with, or text. */
struct model_options variant_options(const struct variant *variant);
struct model *variant_model(const struct variant *variant);
void variant_batch(
        const struct variant *variant, struct tiny_batch *tiny, size_t pairs, size_t longest, uint64_t seed);

/* Dropout wherever the model has it. */
void variant_drop(struct model_options *options, double rate);

#endif
