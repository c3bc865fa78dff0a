/*
 * The batch plan: which pairs make which micro-batch. A pure function of (corpus lengths, seed, epoch, options), never
 * of ranks.
 *
 *     epoch    chunks (runs of consecutive pairs) are shuffled and dealt, balanced by tokens, to V slots
 *     slot     a window of its chunks is shuffled, sorted by length and cut into micro-batches, which are shuffled
 *     update   takes the next micro-batch of every slot that has one; no update spans two epochs
 */
#ifndef IO_PLAN_H
#define IO_PLAN_H

#include "io/batch.h"

struct plan_options {
    size_t tokens; /* batch.tokens: most tokens per side of a micro-batch */
    int slots;     /* batch.micro_batches: V */
    uint64_t seed;
};

struct plan;

/* Sees every sentence length once; STATUS_CONFIG naming the pair if a sentence is longer than
 * options.tokens. The corpus stays the caller's and must outlive the plan. */
enum status plan_open(struct plan **out, struct corpus *corpus, const struct plan_options *options);
void plan_close(struct plan *plan);

/* Deals the chunks of an epoch (from 0) to the slots. */
enum status plan_epoch(struct plan *plan, int64_t epoch);

/* The next micro-batch of a slot in the dealt epoch, as pair numbers (borrowed until the slot's
 * next call; *count 0: the slot is dry). *more tells whether another follows. The offsets of the
 * window are read from the corpus. */
enum status plan_next(struct plan *plan, int slot, const int64_t **pairs, size_t *count, bool *more);

/* Where the micro-batch that plan_next() gave last comes from: the runs of consecutive pairs of its window. `number`
 * counts the windows of the slot in this epoch, from 1. Borrowed likewise. For a reader that loads whole windows. */
struct plan_run {
    size_t first, count; /* pairs */
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

/* Tokens of all slots on both sides in an epoch. */
size_t plan_epoch_tokens(const struct plan *plan);

#endif
