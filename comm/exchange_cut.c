/*
 * How a bucket is cut among the members of a stage, in the counts and offsets that MPI wants. They are the same for every
 * full bucket, so there are two sets: for those and for the last bucket.
 */
#include "comm/exchange_internal.h"

#include "comm/memory.h"

const struct cut *exchange_cut(const struct exchange *x, const struct stage *stage, size_t bucket)
{
    return &stage->cuts[bucket + 1 == blocks_buckets(&x->blocks)];
}

static struct stretches take(int **memory, int size)
{
    struct stretches stretches = {.counts = *memory, .offsets = *memory + size};
    *memory += 2 * size;
    return stretches;
}

/* The i-th piece of this rank goes to those who get its floats, but not to itself. */
static void cut_sent(const struct stage *stage, const struct cut *cut, int i)
{
    bool goes = i < stage_own_pieces(stage);
    for (int m = 0; m < stage->size; m++) {
        cut->sent[i].counts[m] = goes && m != stage->member ? cut->got.counts[m] : 0;
        cut->sent[i].offsets[m] = goes ? cut->got.offsets[m] - cut->got.offsets[0] : 0;
    }
}

/* The i-th pieces of the others: all foreign pieces lie one after the other in slot order. */
static void cut_arrived(const struct stage *stage, const struct cut *cut, int i)
{
    int own = stage_own_pieces(stage), stretch = cut->got.counts[stage->member];
    for (int m = 0; m < stage->size; m++) {
        int first = stage->first_piece[m] - stage->first_piece[0];
        bool comes = i < stage->first_piece[m + 1] - stage->first_piece[m] && m != stage->member;
        int index = first + i - (m > stage->member ? own : 0);
        cut->arrived[i].counts[m] = comes ? stretch : 0;
        cut->arrived[i].offsets[m] = comes ? index * stretch : 0;
    }
}

static void cut_bucket(
        const struct exchange *x, const struct stage *stage, const struct cut *cut, size_t bucket)
{
    for (int m = 0; m < stage->size; m++) {
        struct run run = stage_stretch(x, stage, bucket, m);
        cut->got.counts[m] = (int)run.count;
        cut->got.offsets[m] = (int)(run.first - bucket * x->blocks.bucket_floats);
    }
    for (int i = 0; i < stage->rounds; i++) {
        cut_sent(stage, cut, i);
        cut_arrived(stage, cut, i);
    }
}

enum status exchange_open_cuts(const struct exchange *x, struct stage *stage)
{
    size_t buckets = blocks_buckets(&x->blocks), rounds = (size_t)stage->rounds, size = (size_t)stage->size;
    TRY(memory_new(&stage->cut_lists, "exchange", 4 * rounds, sizeof *stage->cut_lists));
    TRY(memory_new(&stage->cut_memory, "exchange", 2 * (1 + 2 * rounds) * 2 * size, sizeof(int)));
    int *memory = stage->cut_memory;
    for (int c = 0; c < 2; c++) {
        struct cut *cut = &stage->cuts[c];
        cut->got = take(&memory, stage->size);
        cut->sent = stage->cut_lists + (size_t)c * 2 * rounds;
        cut->arrived = cut->sent + rounds;
        for (int i = 0; i < stage->rounds; i++) {
            cut->sent[i] = take(&memory, stage->size);
            cut->arrived[i] = take(&memory, stage->size);
        }
    }
    if (buckets > 0) {
        cut_bucket(x, stage, &stage->cuts[0], 0);
        cut_bucket(x, stage, &stage->cuts[1], buckets - 1);
    }
    return STATUS_OK;
}
