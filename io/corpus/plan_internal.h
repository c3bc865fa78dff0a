/* Inside the batch plan: plan.c deals an epoch, plan_window.c cuts a slot's windows. */
#ifndef IO_PLAN_INTERNAL_H
#define IO_PLAN_INTERNAL_H

#include "io/plan.h"

enum { LENGTH_PAIRS = 1 << 14 }; /* whose lengths are read at once, at most */

/* Sites of random_stream() with RANDOM_SHUFFLE: the epoch's chunks, then for each window its pairs and its micro-batches. */
enum { SITE_CHUNKS = 0, SITE_WINDOWS = 1, SITES_PER_WINDOW = 2 };

/* What an epoch deals: a chunk, or at the ends of a fraction a part of one. */
struct use {
    struct plan_run run;
    size_t tokens; /* both sides */
};

/* A pair in a window. */
struct item {
    struct plan_item given;
    uint32_t lengths[SIDES];
    uint32_t place; /* after the shuffle: the last sorting key */
};

struct slot {
    const size_t *uses; /* dealt to it, in order */
    size_t use_count, use_next;
    /* the window */
    int64_t number;
    struct plan_run *runs;
    size_t run_count, run_room;
    struct item *items;      /* sorted */
    struct plan_item *given; /* the items', for the caller */
    size_t item_count, item_room;
    size_t *starts; /* of micro-batches among the items, and one more */
    size_t *order;  /* in which they are given */
    size_t batch_count, batch_room, batch_next;
};

/* One of the corpora. */
struct part {
    struct corpus *corpus;
    size_t first, pairs; /* pair numbers */
    size_t first_chunk, chunk_count;
    uint32_t whole;  /* times that each pair comes in an epoch */
    double fraction; /* of the pairs that come once more */
    size_t *ring;    /* [chunk_count] chunks as the fraction goes round them; NULL without one */
};

struct plan {
    const struct corpora *corpora;
    struct plan_options options;
    struct part *parts;
    size_t part_count, chunk_pairs;
    size_t *chunk_tokens; /* both sides */
    int64_t epoch;
    struct use *uses; /* of the dealt epoch */
    size_t use_count, use_room, tokens;
    size_t *dealt;    /* uses, slot by slot */
    size_t *shuffled; /* uses as the epoch draws them */
    int *owners;      /* slot of shuffled[i] */
    int64_t *offsets[SIDES];
    struct slot *slots;
};

/* Offsets of pairs [first, first + count) of a corpus, count <= LENGTH_PAIRS, into plan->offsets. */
enum status plan_read_offsets(struct plan *plan, struct corpus *corpus, size_t first, size_t count);

/* Of the i-th of the pairs read last. */
size_t plan_length(const struct plan *plan, int side, size_t i);

void plan_slot_release(struct slot *slot);

#endif
