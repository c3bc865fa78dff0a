/*
 * The ordered sum: every piece goes to the owners of its floats, who add the pieces of all ranks along the tree.
 *
 * One call moves one piece of each rank, straight from the gradient buffers (nothing is packed); ranks with fewer
 * pieces than the most send nothing in the last rounds. Own pieces stay where they are.
 */
#include "comm/exchange_internal.h"

#include "comm/memory.h"

#include <string.h>

static int all_pieces(const struct exchange *x)
{
    return x->first_piece[x->ranks];
}

static int own_pieces(const struct exchange *x)
{
    return x->first_piece[x->rank + 1] - x->first_piece[x->rank];
}

static size_t foreign_pieces(const struct exchange *x)
{
    return (size_t)(all_pieces(x) - own_pieces(x));
}

/* The pieces of the whole tree, and the order in which they are added. */
static enum status plan_steps(struct exchange *x)
{
    struct tree_node own[TREE_PIECES_MOST], *pieces;
    size_t count = (size_t)all_pieces(x);
    TRY(memory_new(&pieces, "exchange", count, sizeof *pieces));
    for (int r = 0; r < x->ranks; r++) {
        int n = tree_pieces(x->slots, exchange_first_slot(x->slots, x->ranks, r),
                exchange_first_slot(x->slots, x->ranks, r + 1), own);
        memcpy(pieces + x->first_piece[r], own, (size_t)n * sizeof *own);
    }
    enum status status = memory_new(&x->steps, "exchange", count, sizeof *x->steps);
    if (status == STATUS_OK)
        tree_steps(x->slots, pieces, (int)count, x->steps);
    memory_free(pieces);
    return status;
}

/* Floats of the longest own stretch: a last bucket of fewer blocks may hold one more of this rank's. */
static size_t longest_stretch(const struct exchange *x)
{
    size_t buckets = blocks_buckets(&x->blocks);
    if (buckets == 0)
        return 0;
    size_t full = blocks_run(&x->blocks, 0, x->rank).count;
    size_t last = blocks_run(&x->blocks, buckets - 1, x->rank).count;
    return full > last ? full : last;
}

static size_t flights_used(const struct exchange *x)
{
    size_t buckets = blocks_buckets(&x->blocks);
    return buckets < FLIGHTS ? buckets : FLIGHTS;
}

static enum status ordered_open(struct exchange *x)
{
    for (int r = 0; r < x->ranks; r++)
        if (x->first_piece[r + 1] - x->first_piece[r] > x->rounds)
            x->rounds = x->first_piece[r + 1] - x->first_piece[r];
    TRY(plan_steps(x));
    size_t floats;
    CHECK(size_multiply(&floats, longest_stretch(x), foreign_pieces(x)), STATUS_CONFIG,
            "%zu parameters and %zu pieces from other ranks pass what memory can address", x->blocks.floats,
            foreign_pieces(x));
    for (size_t i = 0; i < flights_used(x); i++)
        TRY(memory_new(&x->flights[i].arrived, "exchange", floats, sizeof(float)));
    return STATUS_OK;
}

static enum status ordered_start(struct exchange *x, size_t bucket, MPI_Request *requests)
{
    const struct cut *cut = exchange_cut(x, bucket);
    size_t first = bucket * x->blocks.bucket_floats;
    float *into = exchange_flight(x, bucket)->arrived;
    for (int i = 0; i < x->rounds; i++) {
        const float *from = i < own_pieces(x) ? x->buffer[i] + first : x->buffer[0];
        int code = MPI_Ialltoallv(from, cut->sent[i].counts, cut->sent[i].offsets, MPI_FLOAT, into,
                cut->arrived[i].counts, cut->arrived[i].offsets, MPI_FLOAT, MPI_COMM_WORLD, &requests[i]);
        TRY(mpi_status(code, "MPI_Ialltoallv", -1));
    }
    return STATUS_OK;
}

/* Where `piece` keeps the float at `position` of the own stretch `run` of a bucket. */
static float *piece_at(
        const struct exchange *x, float *arrived, int piece, const struct run *run, size_t position)
{
    int own = x->first_piece[x->rank];
    if (piece >= own && piece < own + own_pieces(x))
        return x->buffer[piece - own] + position;
    size_t index = (size_t)(piece < own ? piece : piece - own_pieces(x));
    return arrived + index * run->count + (position - run->first);
}

static void ordered_finish(struct exchange *x, size_t bucket, size_t position, size_t count)
{
    struct run run = blocks_run(&x->blocks, bucket, x->rank);
    float *arrived = exchange_flight(x, bucket)->arrived;
    for (int i = 0; i < all_pieces(x) - 1; i++)
        exchange_add(piece_at(x, arrived, x->steps[i].left, &run, position),
                piece_at(x, arrived, x->steps[i].right, &run, position), count);
    if (x->first_piece[x->rank] != 0)
        memcpy(x->buffer[0] + position, piece_at(x, arrived, 0, &run, position), count * sizeof(float));
}

static size_t ordered_floats_sent(const struct exchange *x)
{
    return (size_t)own_pieces(x) * (x->blocks.floats - blocks_own_floats(&x->blocks, x->rank));
}

static size_t ordered_floats_received(const struct exchange *x)
{
    return flights_used(x) * foreign_pieces(x) * longest_stretch(x);
}

const struct reduction reduction_ordered = {
        .open = ordered_open,
        .start = ordered_start,
        .finish = ordered_finish,
        .floats_sent = ordered_floats_sent,
        .floats_received = ordered_floats_received,
};
