/*
 * What this machine could do at best: products of given shapes alone, and memory that is copied; by all threads of this
 * rank.
 */
#ifndef MODELS_PEAK_H
#define MODELS_PEAK_H

#include "models/models.h"
#include "models/profile.h"

/* Ways to do a product: "model" is how the model does it; of BLAS, "blas" has its own threads, others cut rows into
 * tiles. */
enum { PEAK_WAYS = 4 };
extern const char *const peak_ways[PEAK_WAYS];

struct peak_product {
    double seconds[PEAK_WAYS]; /* of one product, the fastest so far; 0: none yet */
};

/* Improves out [list->count]; takes seconds. Works in the model's step memory, so that the process grows no larger than
 * training makes it: between passes. */
enum status peak_products(struct peak_product *out, const struct product_list *list, struct model *model);

/* Seconds of the fastest way of BLAS. */
double peak_best(const struct peak_product *product);

/* Bytes read and written in a second. */
enum status peak_memory(double *bytes_per_second);

#endif
