/*
 * Ranks that are slow all the time: everybody waits for them, and only their host can tell why. What each rank computed
 * travels with the agreement of the update; over a window rank 0 compares, and names who took more than 1.5 times the
 * median: once, and again only after the rank has been as fast as the others. Nothing else depends on it.
 */
#ifndef TRAIN_STRAGGLER_H
#define TRAIN_STRAGGLER_H

#include "comm/clock.h"
#include "comm/exchange.h"

#include <stdbool.h>

/* A window is at least both. */
enum { STRAGGLER_UPDATES = 50 };
#define STRAGGLER_SECONDS 30.0

struct straggler {
    int ranks, slots;
    double before[PHASES]; /* of this rank, when it was last asked */
    /* rank 0's window */
    double began; /* clock */
    int64_t updates;
    double (*sums)[AGREE_SECONDS]; /* [ranks] seconds in each phase */
    bool *named;                   /* [ranks] */
    char (*hosts)[64];             /* [ranks] */
};

/* Collective. */
enum status straggler_open(struct straggler *straggler, int slots);
void straggler_close(struct straggler *straggler);

/* What this rank computed since it was last asked: for the agreement. */
void straggler_seconds(struct straggler *straggler, double out[AGREE_SECONDS]);

/* After the agreement. Rank 0 counts, and tells when a window is full. */
void straggler_add(struct straggler *straggler, const struct exchange *exchange);

/* A slow rank of a window: by how many times the median, and where most of it goes. */
struct slow {
    double times;
    enum phase phase;
};

/* What the sums say of each rank: out [ranks]. A slot counts as a slot, however many a rank has. */
enum status straggler_judge(const struct straggler *straggler, struct slow *out);

#endif
