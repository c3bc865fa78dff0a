/*
 * How a bucket is cut among ranks, in the counts and offsets that MPI wants. They are the same for every full bucket,
 * so there are two sets: for those and for the last bucket.
 */
#include "comm/exchange_internal.h"

#include "comm/memory.h"

const struct cut *exchange_cut(const struct exchange *x, size_t bucket)
{
    return &x->cuts[bucket + 1 == blocks_buckets(&x->blocks)];
}

static struct stretches take(int **memory, int ranks)
{
    struct stretches stretches = {.counts = *memory, .offsets = *memory + ranks};
    *memory += 2 * ranks;
    return stretches;
}

/* The i-th piece of this rank goes to the owners of its floats, but not to itself. */
static void cut_sent(const struct exchange *x, const struct cut *cut, int i)
{
    int own = x->first_piece[x->rank + 1] - x->first_piece[x->rank];
    for (int r = 0; r < x->ranks; r++) {
        cut->sent[i].counts[r] = i < own && r != x->rank ? cut->owned.counts[r] : 0;
        cut->sent[i].offsets[r] = i < own ? cut->owned.offsets[r] : 0;
    }
}

/* The i-th pieces of the others: all foreign pieces lie one after the other in slot order. */
static void cut_arrived(const struct exchange *x, const struct cut *cut, int i)
{
    int own = x->first_piece[x->rank + 1] - x->first_piece[x->rank], stretch = cut->owned.counts[x->rank];
    for (int r = 0; r < x->ranks; r++) {
        int pieces = x->first_piece[r + 1] - x->first_piece[r];
        bool comes = i < pieces && r != x->rank;
        int index = x->first_piece[r] + i - (r > x->rank ? own : 0);
        cut->arrived[i].counts[r] = comes ? stretch : 0;
        cut->arrived[i].offsets[r] = comes ? index * stretch : 0;
    }
}

static void cut_bucket(const struct exchange *x, const struct cut *cut, size_t bucket)
{
    for (int r = 0; r < x->ranks; r++) {
        struct run run = blocks_run(&x->blocks, bucket, r);
        cut->owned.counts[r] = (int)run.count;
        cut->owned.offsets[r] = (int)(run.first - bucket * x->blocks.bucket_floats);
    }
    for (int i = 0; i < x->rounds; i++) {
        cut_sent(x, cut, i);
        cut_arrived(x, cut, i);
    }
}

enum status exchange_cut_open(struct exchange *x)
{
    size_t buckets = blocks_buckets(&x->blocks), rounds = (size_t)x->rounds, ranks = (size_t)x->ranks;
    struct stretches *lists;
    TRY(memory_new(&x->cut_lists, "exchange", 4 * rounds, sizeof *lists));
    TRY(memory_new(&x->cut_memory, "exchange", 2 * (1 + 2 * rounds) * 2 * ranks, sizeof(int)));
    int *memory = x->cut_memory;
    lists = x->cut_lists;
    for (int c = 0; c < 2; c++) {
        struct cut *cut = &x->cuts[c];
        cut->owned = take(&memory, x->ranks);
        cut->sent = lists + (size_t)c * 2 * rounds;
        cut->arrived = cut->sent + rounds;
        for (int i = 0; i < x->rounds; i++) {
            cut->sent[i] = take(&memory, x->ranks);
            cut->arrived[i] = take(&memory, x->ranks);
        }
    }
    if (buckets > 0) {
        cut_bucket(x, &x->cuts[0], 0);
        cut_bucket(x, &x->cuts[1], buckets - 1);
    }
    return STATUS_OK;
}
