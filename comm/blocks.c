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
    return (struct blocks){.floats = floats, .bucket_floats = bucket_blocks * BLOCK_FLOATS, .ranks = ranks};
}

size_t blocks_count(const struct blocks *blocks)
{
    return up_to_blocks(blocks->floats);
}

size_t blocks_buckets(const struct blocks *blocks)
{
    return blocks->floats / blocks->bucket_floats + (blocks->floats % blocks->bucket_floats != 0);
}

/* Inside a bucket of n blocks rank r owns the blocks [n·r/N, n·(r+1)/N). */
static size_t first_block(size_t bucket_blocks, int rank, int ranks)
{
    return bucket_blocks * (size_t)rank / (size_t)ranks;
}

/* Floats of `rank` in any bucket that is full. */
static size_t share_of_full(const struct blocks *blocks, int rank)
{
    size_t n = blocks->bucket_floats / BLOCK_FLOATS;
    return (first_block(n, rank + 1, blocks->ranks) - first_block(n, rank, blocks->ranks)) * BLOCK_FLOATS;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t blocks_bucket_floats(const struct blocks *blocks, size_t bucket)
{
    return least(blocks->bucket_floats, blocks->floats - bucket * blocks->bucket_floats);
}

struct run blocks_run(const struct blocks *blocks, size_t bucket, int rank)
{
    size_t start = bucket * blocks->bucket_floats;
    size_t length = blocks_bucket_floats(blocks, bucket);
    size_t n = up_to_blocks(length);
    size_t from = least(first_block(n, rank, blocks->ranks) * BLOCK_FLOATS, length);
    size_t to = least(first_block(n, rank + 1, blocks->ranks) * BLOCK_FLOATS, length);
    return (struct run){
            .first = start + from, .count = to - from, .own = bucket * share_of_full(blocks, rank)};
}

size_t blocks_own_floats(const struct blocks *blocks, int rank)
{
    size_t buckets = blocks_buckets(blocks);
    if (buckets == 0)
        return 0;
    struct run last = blocks_run(blocks, buckets - 1, rank);
    return last.own + last.count;
}

int blocks_owner(const struct blocks *blocks, size_t position, size_t *own)
{
    ASSERT(position < blocks->floats);
    size_t bucket = position / blocks->bucket_floats;
    size_t start = bucket * blocks->bucket_floats;
    size_t n = up_to_blocks(blocks_bucket_floats(blocks, bucket));
    /* The largest r with n·r/N rounded down at or before this block. */
    size_t block = (position - start) / BLOCK_FLOATS;
    int rank = (int)(((block + 1) * (size_t)blocks->ranks - 1) / n);
    if (own) {
        struct run run = blocks_run(blocks, bucket, rank);
        *own = run.own + (position - run.first);
    }
    return rank;
}
