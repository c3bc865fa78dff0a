/*
 * The batch plan: which pairs make which micro-batch. A pure function of (corpus lengths, weights, seed, epoch, options),
 * never of ranks.
 *
 *     epoch    chunks (runs of consecutive pairs of one corpus) are shuffled and dealt, balanced by tokens, to V slots
 *     slot     a window of its chunks is shuffled, sorted by length and cut into micro-batches, which are shuffled
 *     update   takes the next micro-batch of every slot that has one; no update spans two epochs
 *
 * A corpus of weight w gives each of its n pairs floor(w) times an epoch, and a part of them once more: its chunks stand
 * in a ring, in an order drawn once from the seed, and epoch e takes the pairs from e·f·n to (e+1)·f·n of it, with
 * f = w - floor(w). So after any number of epochs its pairs have come equally often, but for one time.
 */
#ifndef IO_PLAN_H
#define IO_PLAN_H

#include "io/batch.h"
#include "io/corpora.h"

struct plan_options {
    size_t tokens; /* batch.tokens: most tokens per side of a micro-batch */
    int slots;     /* batch.micro_batches: V */
    uint64_t seed;
};

struct plan;

/* Sees every sentence length once; STATUS_CONFIG naming the pair if a sentence is longer than
 * options.tokens. The corpora stay the caller's and must outlive the plan. */
enum status plan_open(struct plan **out, const struct corpora *corpora, const struct plan_options *options);
void plan_close(struct plan *plan);

/* Deals the chunks of an epoch (from 0) to the slots. */
enum status plan_epoch(struct plan *plan, int64_t epoch);

/* A pair in a micro-batch. Of weight 2 a pair comes twice an epoch, as occurrences 0 and 1. */
struct plan_item {
    int64_t pair;        /* over all corpora */
    uint32_t occurrence; /* in this epoch */
    uint32_t run;        /* of the window, where the pair stands */
};

/* The next micro-batch of a slot in the dealt epoch (borrowed until the slot's
 * next call; *count 0: the slot is dry). *more tells whether another follows. The offsets of the
 * window are read from the corpora. */
enum status plan_next(struct plan *plan, int slot, const struct plan_item **items, size_t *count, bool *more);

/* Where the micro-batch that plan_next() gave last comes from: the runs of consecutive pairs of its window, each in one
 * corpus. `number` counts the windows of the slot in this epoch, from 1. Borrowed likewise. For a reader that loads
 * whole windows. */
struct plan_run {
    size_t first, count; /* pairs */
    uint32_t occurrence;
};
struct plan_window {
    int64_t number;
    size_t count;
    const struct plan_run *runs;
};
void plan_window(const struct plan *plan, int slot, struct plan_window *out);

/* Whether the slot has another micro-batch in the dealt epoch. */
bool plan_more(const struct plan *plan, int slot);

/* Passes over the next `updates` micro-batches of a slot, reading lengths only. */
enum status plan_skip(struct plan *plan, int slot, int64_t updates);

/* Tokens of all slots on both sides in the dealt epoch. */
size_t plan_epoch_tokens(const struct plan *plan);

#endif
