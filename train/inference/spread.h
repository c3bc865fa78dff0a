/*
 * Work on many items spread over the ranks, with the same result on any number of them.
 *
 *     items     | window 0          | window 1          | ...     in input order
 *     sorted    | longest..shortest | longest..shortest |         inside each window
 *     batches   |  0 |  1 |  2 |  3 |  4 |  5 |  6 |  7 |         batch b is rank (b mod N)'s
 *     results   taken by rank 0, batch after batch
 *
 * What is worked on together depends on the items alone, so that no bit depends on the ranks.
 */
#ifndef TRAIN_SPREAD_H
#define TRAIN_SPREAD_H

#include "comm/status.h"

#include <stddef.h>
#include <stdint.h>

/* What a rank has to tell rank 0: one record for each item, in the order they were given. */
struct results;
enum status results_put(struct results *results, const void *record, size_t bytes);

struct spread {
    size_t items;
    size_t (*length)(void *context, size_t item); /* what items are sorted by */
    size_t window, batch;
    /* Any rank: works on a batch. */
    enum status (*work)(void *context, const size_t *items, size_t count, struct results *results);
    /* Rank 0: the record of an item, borrowed; not aligned. */
    enum status (*take)(void *context, size_t item, const void *record, size_t bytes);
    void *context;
};

/* Collective. A failure on any rank is everyone's. */
enum status spread_run(const struct spread *spread);

#endif
