/*
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011).
 *
 * A number is a pure function of (seed, purpose, update, slot, site, index): no generator state
 * exists, so none is saved, and no number depends on the rank or thread that draws it.
 *
 *     counter  | index (64 bits)         | update (32 bits) | slot (12) site (20) |
 *     key      | mix of seed and purpose (64 bits)          |
 */
#ifndef COMM_RANDOM_H
#define COMM_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum random_purpose {
    RANDOM_INITIALISE = 1, /* site: the parameter */
    RANDOM_SHUFFLE,        /* update: the epoch */
    RANDOM_DROPOUT,        /* site: the place in the model */
    RANDOM_GENERATE,       /* built-in corpora */
    RANDOM_SAMPLE,         /* lines the vocabulary learns from; decoding */
    RANDOM_TEST,           /* tests */
    RANDOM_RESAMPLE,       /* lines of a bootstrap sample; update: the sample */
    RANDOM_RING,           /* slot: the corpus, of whose chunks a fraction comes in turn */
    RANDOM_NOISE,          /* update: the epoch; slot: the occurrence of a pair in it */
    RANDOM_INPUT /* decoder inputs drawn in training; site: whether, which; index: the target token */
};

struct random_stream {
    uint32_t key[2];
    uint32_t counter[2]; /* the two high words; the low ones are the index */
};

enum { RANDOM_SITES = 1 << 20, RANDOM_SLOTS = 1 << 12 };

/* slot < RANDOM_SLOTS, site < RANDOM_SITES, update < 2^32. */
struct random_stream random_stream(
        uint64_t seed, enum random_purpose purpose, uint64_t update, uint32_t slot, uint32_t site);

/* The four words of block `index`. */
void random_block(const struct random_stream *stream, uint64_t index, uint32_t out[4]);

/* 64 random bits, a uniform in [0, 1), a standard normal (Box-Muller), an integer below n > 0
 * (Lemire, unbiased up to 2^-32 for n < 2^32): each a function of `index`. */
uint64_t random_bits(const struct random_stream *stream, uint64_t index);
double random_uniform(const struct random_stream *stream, uint64_t index);
double random_normal(const struct random_stream *stream, uint64_t index);
uint64_t random_below(const struct random_stream *stream, uint64_t index, uint64_t n);

/* Fisher-Yates over `count` items. */
void random_shuffle(const struct random_stream *stream, size_t *items, size_t count);

#endif
