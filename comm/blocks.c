#include "comm/blocks.h"

#include "comm/status.h"

enum { DEFAULT_BUCKET_FLOATS = 1 << 20 };

static size_t up_to_blocks(size_t floats)
{
    return floats / BLOCK_FLOATS + (floats % BLOCK_FLOATS != 0);
}

struct blocks blocks_make(size_t floats, size_t bucket_floats, int ranks)
{
    ASSERT(ranks >= 1);
    size_t bucket_blocks = up_to_blocks(bucket_floats);
    if (bucket_blocks == 0) {
        bucket_blocks = DEFAULT_BUCKET_FLOATS / BLOCK_FLOATS;
        if (bucket_blocks < (size_t)ranks) /* else the last ranks would own nothing of any bucket */
            bucket_blocks = (size_t)ranks;
    }
    return (struct blocks){
            .floats = floats, .bucket_floats = bucket_blocks * BLOCK_FLOATS, .ranks = ranks, .node_ranks = 1};
}

size_t blocks_count(const struct blocks *blocks)
{
    return up_to_blocks(blocks->floats);
}

size_t blocks_buckets(const struct blocks *blocks)
{
    return blocks->floats / blocks->bucket_floats + (blocks->floats % blocks->bucket_floats != 0);
}

int blocks_rank(const struct blocks *blocks, int place)
{
    int nodes = blocks->ranks / blocks->node_ranks;
    return place % nodes * blocks->node_ranks + place / nodes;
}

int blocks_place(const struct blocks *blocks, int rank)
{
    int nodes = blocks->ranks / blocks->node_ranks;
    return rank % blocks->node_ranks * nodes + rank / blocks->node_ranks;
}

/* Inside a bucket of n blocks the owner at place p has the blocks [n·p/N, n·(p+1)/N). */
static size_t first_block(size_t bucket_blocks, int place, int ranks)
{
    return bucket_blocks * (size_t)place / (size_t)ranks;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t blocks_bucket_floats(const struct blocks *blocks, size_t bucket)
{
    return least(blocks->bucket_floats, blocks->floats - bucket * blocks->bucket_floats);
}

struct run blocks_stretch(const struct blocks *blocks, size_t bucket, int place, int count)
{
    size_t start = bucket * blocks->bucket_floats, full = blocks->bucket_floats / BLOCK_FLOATS;
    size_t length = blocks_bucket_floats(blocks, bucket), n = up_to_blocks(length);
    int ranks = blocks->ranks, end = place + count;
    size_t from = least(first_block(n, place, ranks) * BLOCK_FLOATS, length);
    size_t to = least(first_block(n, end, ranks) * BLOCK_FLOATS, length);
    size_t before = bucket * (first_block(full, end, ranks) - first_block(full, place, ranks));
    return (struct run){.first = start + from, .count = to - from, .own = before * BLOCK_FLOATS};
}

size_t blocks_stretch_floats(const struct blocks *blocks, int place, int count)
{
    size_t buckets = blocks_buckets(blocks);
    if (buckets == 0)
        return 0;
    struct run last = blocks_stretch(blocks, buckets - 1, place, count);
    return last.own + last.count;
}

struct run blocks_run(const struct blocks *blocks, size_t bucket, int rank)
{
    return blocks_stretch(blocks, bucket, blocks_place(blocks, rank), 1);
}

size_t blocks_own_floats(const struct blocks *blocks, int rank)
{
    return blocks_stretch_floats(blocks, blocks_place(blocks, rank), 1);
}

int blocks_owner(const struct blocks *blocks, size_t position, size_t *own)
{
    ASSERT(position < blocks->floats);
    size_t bucket = position / blocks->bucket_floats;
    size_t start = bucket * blocks->bucket_floats;
    size_t n = up_to_blocks(blocks_bucket_floats(blocks, bucket));
    /* The largest p with n·p/N rounded down at or before this block. */
    size_t block = (position - start) / BLOCK_FLOATS;
    int place = (int)(((block + 1) * (size_t)blocks->ranks - 1) / n);
    if (own) {
        struct run run = blocks_stretch(blocks, bucket, place, 1);
        *own = run.own + (position - run.first);
    }
    return blocks_rank(blocks, place);
}
