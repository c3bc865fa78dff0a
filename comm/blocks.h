/*
 * Who owns what of the flat parameter buffer.
 *
 *     floats    |0        4096      8192 ...                                        |   block = 4,096 floats
 *     buckets   |------- bucket 0 -------|------- bucket 1 -------|--- bucket 2 ----|   travel one by one
 *     owners    | rank 0 | rank 1 | r. 2 | rank 0 | rank 1 | r. 2 | rank 0 | ...    |   inside each bucket
 *
 * The owner of a block adds up its gradient, updates it and holds its optimiser state. What a rank owns, laid end to
 * end in the order of the flat buffer, is its *own* buffer (blocks_own_floats() long): optimiser moments live there.
 * Owners never enter a result: sums are per element, norms per block.
 *
 * Inside a bucket owners stand at places. With nodes of n ranks those of one column, the i-th ranks of all nodes, stand
 * side by side, so that what they own together is one stretch; n = 2 and 6 ranks: rank 0, 2, 4, 1, 3, 5.
 */
#ifndef COMM_BLOCKS_H
#define COMM_BLOCKS_H

#include <stddef.h>

enum { BLOCK_FLOATS = 4096, UNIT_FLOATS = 65536 };

struct blocks {
    size_t floats;        /* of the flat buffer */
    size_t bucket_floats; /* a multiple of BLOCK_FLOATS */
    int ranks;
    int node_ranks; /* divides ranks; 1: places are ranks */
};

/* A stretch of the flat buffer; `own` is where it starts in its owner's own buffer. */
struct run {
    size_t first, count, own;
};

/* bucket_floats is rounded up to whole blocks; 0: the default (1 Mi floats). node_ranks is 1. */
struct blocks blocks_make(size_t floats, size_t bucket_floats, int ranks);

size_t blocks_count(const struct blocks *blocks);
size_t blocks_buckets(const struct blocks *blocks);

/* Of `bucket`, which starts at bucket · bucket_floats; the last may be shorter. */
size_t blocks_bucket_floats(const struct blocks *blocks, size_t bucket);

/* The rank at a place in [0, ranks), and the place of a rank. */
int blocks_rank(const struct blocks *blocks, int place);
int blocks_place(const struct blocks *blocks, int rank);

/* What the owners at `count` places from `place` on have: of `bucket`, `own` counting what they have of the buckets
 * before; and in all. */
struct run blocks_stretch(const struct blocks *blocks, size_t bucket, int place, int count);
size_t blocks_stretch_floats(const struct blocks *blocks, int place, int count);

/* The stretch of `bucket` that `rank` owns; count 0 if none. */
struct run blocks_run(const struct blocks *blocks, size_t bucket, int rank);

/* Floats that `rank` owns in all. */
size_t blocks_own_floats(const struct blocks *blocks, int rank);

/* The owner of the float at `position`, and where in its own buffer it lies (`own` may be NULL). */
int blocks_owner(const struct blocks *blocks, size_t position, size_t *own);

#endif
