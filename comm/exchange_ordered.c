/*
 * The ordered sum: every piece goes to the owners of its floats, who add the pieces of all ranks along the tree.
 *
 * One call moves one piece of each rank, straight from the gradient buffers unless the wire format packs it; ranks with
 * fewer pieces than the most send nothing in the last rounds. Own pieces stay where they are.
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

static size_t longest_bucket(const struct exchange *x)
{
    return x->blocks.bucket_floats < x->blocks.floats ? x->blocks.bucket_floats : x->blocks.floats;
}

/* Floats of a bucket's own pieces, if they are packed. */
static size_t packed_floats(const struct exchange *x)
{
    return x->wire->pack ? longest_bucket(x) * (size_t)own_pieces(x) : 0;
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
    for (size_t i = 0; i < flights_used(x); i++) {
        TRY(memory_new(&x->flights[i].arrived, "exchange", floats, x->wire->bytes));
        TRY(memory_new(&x->flights[i].leaving, "exchange", packed_floats(x), x->wire->bytes));
    }
    return memory_new(&x->unpacked, "exchange", x->wire->unpack ? floats : 0, sizeof(float));
}

static unsigned char *leaving_piece(struct exchange *x, size_t bucket, int i)
{
    unsigned char *leaving = exchange_flight(x, bucket)->leaving;
    return leaving + (size_t)i * longest_bucket(x) * x->wire->bytes;
}

/* All but the own stretch, which stays; stretches are whole blocks. */
static void pack_bucket(struct exchange *x, size_t bucket)
{
    struct run own = blocks_run(&x->blocks, bucket, x->rank);
    size_t first = bucket * x->blocks.bucket_floats;
    size_t end = first + blocks_bucket_floats(&x->blocks, bucket);
#pragma omp parallel for schedule(static)
    for (size_t at = first; at < end; at += BLOCK_FLOATS) {
        size_t count = end - at < BLOCK_FLOATS ? end - at : BLOCK_FLOATS;
        bool stays = at >= own.first && at < own.first + own.count;
        for (int i = 0; i < own_pieces(x) && !stays; i++)
            x->wire->pack(
                    leaving_piece(x, bucket, i) + (at - first) * x->wire->bytes, x->buffer[i] + at, count);
    }
}

/* Where own piece i leaves from; ranks with fewer pieces than rounds send nothing, from anywhere. */
static const void *sent_from(struct exchange *x, size_t bucket, int i)
{
    if (i >= own_pieces(x))
        return x->buffer[0];
    return x->wire->pack ? (const void *)leaving_piece(x, bucket, i)
                         : x->buffer[i] + bucket * x->blocks.bucket_floats;
}

static enum status ordered_start(struct exchange *x, size_t bucket, MPI_Request *requests)
{
    const struct cut *cut = exchange_cut(x, bucket);
    MPI_Datatype type = x->wire->pack ? MPI_UINT16_T : MPI_FLOAT;
    if (x->wire->pack)
        pack_bucket(x, bucket);
    for (int i = 0; i < x->rounds; i++) {
        int code = MPI_Ialltoallv(sent_from(x, bucket, i), cut->sent[i].counts, cut->sent[i].offsets, type,
                exchange_flight(x, bucket)->arrived, cut->arrived[i].counts, cut->arrived[i].offsets, type,
                MPI_COMM_WORLD, &requests[i]);
        TRY(mpi_status(code, "MPI_Ialltoallv", -1));
    }
    return STATUS_OK;
}

/* What has arrived of one block of the own stretch, as floats in the same places; returned from where it starts. */
static float *unpack_block(struct exchange *x, size_t bucket, size_t offset, size_t count)
{
    const unsigned char *arrived = exchange_flight(x, bucket)->arrived;
    size_t stretch = blocks_run(&x->blocks, bucket, x->rank).count;
    if (!x->wire->unpack)
        return exchange_flight(x, bucket)->arrived;
    for (size_t i = 0; i < foreign_pieces(x); i++) {
        size_t at = i * stretch + offset;
        x->wire->unpack(x->unpacked + at, arrived + at * x->wire->bytes, count);
    }
    return x->unpacked;
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
    float *arrived = unpack_block(x, bucket, position - run.first, count);
    for (int i = 0; i < all_pieces(x) - 1; i++)
        x->wire->add(piece_at(x, arrived, x->steps[i].left, &run, position),
                piece_at(x, arrived, x->steps[i].right, &run, position), count);
    if (x->first_piece[x->rank] != 0)
        memcpy(x->buffer[0] + position, piece_at(x, arrived, 0, &run, position), count * sizeof(float));
}

static size_t ordered_floats_sent(const struct exchange *x)
{
    return (size_t)own_pieces(x) * (x->blocks.floats - blocks_own_floats(&x->blocks, x->rank));
}

static size_t ordered_room_bytes(const struct exchange *x)
{
    size_t arrived = foreign_pieces(x) * longest_stretch(x);
    size_t unpacked = x->wire->unpack ? arrived * sizeof(float) : 0;
    return flights_used(x) * (arrived + packed_floats(x)) * x->wire->bytes + unpacked;
}

const struct reduction reduction_ordered = {
        .open = ordered_open,
        .start = ordered_start,
        .finish = ordered_finish,
        .floats_sent = ordered_floats_sent,
        .room_bytes = ordered_room_bytes,
};
