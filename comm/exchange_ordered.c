/*
 * The ordered sum: in each stage every piece goes to those who get its floats, and they add the pieces of all members along
 * the tree.
 *
 * One call moves one piece of each rank, straight from where it lies unless the wire format packs it; ranks with fewer
 * pieces than the most send nothing in the last rounds. Own pieces stay where they are.
 */
#include "comm/exchange_internal.h"

#include "comm/memory.h"

#include <string.h>

static size_t foreign_pieces(const struct stage *stage)
{
    return (size_t)(stage_pieces(stage) - stage_own_pieces(stage));
}

/* Floats of the longest stretch that those at `count` places have: a last bucket of fewer blocks may hold one more. */
static size_t longest_stretch(const struct exchange *x, int place, int count)
{
    size_t buckets = blocks_buckets(&x->blocks);
    if (buckets == 0)
        return 0;
    size_t full = blocks_stretch(&x->blocks, 0, place, count).count;
    size_t last = blocks_stretch(&x->blocks, buckets - 1, place, count).count;
    return full > last ? full : last;
}

static size_t longest_got(const struct exchange *x, const struct stage *stage)
{
    return longest_stretch(x, stage->first_place + stage->member * stage->places, stage->places);
}

static size_t longest_cut(const struct exchange *x, const struct stage *stage)
{
    return longest_stretch(x, stage->first_place, stage->size * stage->places);
}

static size_t flights_used(const struct exchange *x)
{
    size_t buckets = blocks_buckets(&x->blocks);
    return buckets < FLIGHTS ? buckets : FLIGHTS;
}

static size_t arrived_floats(const struct exchange *x, const struct stage *stage)
{
    return foreign_pieces(stage) * longest_got(x, stage);
}

/* Of own pieces, if they are packed. */
static size_t packed_floats(const struct exchange *x, const struct stage *stage)
{
    return x->wire->pack ? longest_cut(x, stage) * (size_t)stage_own_pieces(stage) : 0;
}

/* Of what goes on to the next stage. */
static size_t sum_floats(const struct exchange *x, int s)
{
    if (s + 1 == x->stage_count)
        return 0;
    return (size_t)stage_own_pieces(&x->stages[s + 1]) * longest_got(x, &x->stages[s]);
}

/* Scratch for all stages. */
static size_t unpacked_floats(const struct exchange *x)
{
    size_t most = 0;
    for (int s = 0; s < x->stage_count && x->wire->unpack; s++)
        if (arrived_floats(x, &x->stages[s]) > most)
            most = arrived_floats(x, &x->stages[s]);
    return most;
}

static enum status open_loads(struct exchange *x, int s)
{
    const struct stage *stage = &x->stages[s];
    size_t floats;
    CHECK(size_multiply(&floats, longest_got(x, stage), foreign_pieces(stage)), STATUS_CONFIG,
            "%zu parameters and %zu pieces from other ranks pass what memory can address", x->blocks.floats,
            foreign_pieces(stage));
    for (size_t i = 0; i < flights_used(x); i++) {
        struct load *load = &x->flights[i].loads[s];
        TRY(memory_new(&load->arrived, "exchange", floats, x->wire->bytes));
        TRY(memory_new(&load->leaving, "exchange", packed_floats(x, stage), x->wire->bytes));
        TRY(memory_new(&load->sums, "exchange", sum_floats(x, s), sizeof *load->sums));
    }
    return STATUS_OK;
}

static enum status ordered_open(struct exchange *x)
{
    for (int s = 0; s < x->stage_count; s++) {
        struct stage *stage = &x->stages[s];
        for (int m = 0; m < stage->size; m++)
            if (stage->first_piece[m + 1] - stage->first_piece[m] > stage->rounds)
                stage->rounds = stage->first_piece[m + 1] - stage->first_piece[m];
        TRY(open_loads(x, s));
    }
    return memory_new(&x->unpacked, "exchange", unpacked_floats(x), sizeof *x->unpacked);
}

static struct load *load_of(struct exchange *x, size_t bucket, int s)
{
    return &exchange_flight(x, bucket)->loads[s];
}

/* Where own piece i that enters stage `s` keeps the float at `position`; what leaves the last stage enters none, and is
 * the sum. */
static float *entering(struct exchange *x, size_t bucket, int s, int i, size_t position)
{
    if (s == 0 || s == x->stage_count)
        return x->buffer[i] + position;
    struct run cut = stage_cut(x, &x->stages[s], bucket);
    return load_of(x, bucket, s - 1)->sums + (size_t)i * cut.count + (position - cut.first);
}

/* ---- leaving ---- */

static unsigned char *leaving_piece(struct exchange *x, size_t bucket, int s, int i)
{
    unsigned char *leaving = load_of(x, bucket, s)->leaving;
    return leaving + (size_t)i * longest_cut(x, &x->stages[s]) * x->wire->bytes;
}

/* All but what this rank itself gets, which stays; stretches are whole blocks. */
static void pack_bucket(struct exchange *x, size_t bucket, int s)
{
    const struct stage *stage = &x->stages[s];
    struct run cut = stage_cut(x, stage, bucket), got = stage_got(x, stage, bucket);
#pragma omp parallel for schedule(static)
    for (size_t at = cut.first; at < cut.first + cut.count; at += BLOCK_FLOATS) {
        size_t left = cut.first + cut.count - at, count = left < BLOCK_FLOATS ? left : BLOCK_FLOATS;
        bool stays = at >= got.first && at < got.first + got.count;
        for (int i = 0; i < stage_own_pieces(stage) && !stays; i++)
            x->wire->pack(leaving_piece(x, bucket, s, i) + (at - cut.first) * x->wire->bytes,
                    entering(x, bucket, s, i, at), count);
    }
}

/* Where own piece i leaves from; ranks with fewer pieces than rounds send nothing, from anywhere. */
static const void *sent_from(struct exchange *x, size_t bucket, int s, int i)
{
    const struct stage *stage = &x->stages[s];
    if (i >= stage_own_pieces(stage))
        return x->buffer[0];
    return x->wire->pack ? (const void *)leaving_piece(x, bucket, s, i)
                         : entering(x, bucket, s, i, stage_cut(x, stage, bucket).first);
}

static enum status ordered_start(struct exchange *x, size_t bucket, int s, MPI_Request *requests)
{
    const struct stage *stage = &x->stages[s];
    const struct cut *cut = exchange_cut(x, stage, bucket);
    MPI_Datatype type = x->wire->pack ? MPI_UINT16_T : MPI_FLOAT;
    if (x->wire->pack)
        pack_bucket(x, bucket, s);
    for (int i = 0; i < stage->rounds; i++) {
        int code = MPI_Ialltoallv(sent_from(x, bucket, s, i), cut->sent[i].counts, cut->sent[i].offsets, type,
                load_of(x, bucket, s)->arrived, cut->arrived[i].counts, cut->arrived[i].offsets, type,
                stage->summers, &requests[i]);
        TRY(mpi_status(code, "MPI_Ialltoallv", -1));
    }
    return STATUS_OK;
}

/* ---- adding ---- */

/* One block of what this rank gets of a bucket, and where its pieces lie. */
struct block {
    size_t bucket;
    int s;
    size_t position;
    struct run got;
    float *arrived; /* as floats */
};

/* What has arrived, as floats in the same places; returned from where it starts. */
static float *unpack_block(struct exchange *x, const struct block *block, size_t count)
{
    unsigned char *arrived = load_of(x, block->bucket, block->s)->arrived;
    if (!x->wire->unpack)
        return (float *)(void *)arrived;
    for (size_t i = 0; i < foreign_pieces(&x->stages[block->s]); i++) {
        size_t at = i * block->got.count + (block->position - block->got.first);
        x->wire->unpack(x->unpacked + at, arrived + at * x->wire->bytes, count);
    }
    return x->unpacked;
}

static float *piece_at(struct exchange *x, const struct block *block, int piece)
{
    const struct stage *stage = &x->stages[block->s];
    int first = stage_first_piece(stage), own = stage_own_pieces(stage);
    if (piece >= first && piece < first + own)
        return entering(x, block->bucket, block->s, piece - first, block->position);
    size_t index = (size_t)(piece < first ? piece : piece - own);
    return block->arrived + index * block->got.count + (block->position - block->got.first);
}

static void ordered_add(struct exchange *x, size_t bucket, int s, size_t position, size_t count)
{
    const struct stage *stage = &x->stages[s];
    struct block block = {bucket, s, position, stage_got(x, stage, bucket), NULL};
    block.arrived = unpack_block(x, &block, count);
    for (int i = 0; i < stage_pieces(stage) - stage->sums; i++)
        x->wire->add(
                piece_at(x, &block, stage->steps[i].left), piece_at(x, &block, stage->steps[i].right), count);
    for (int i = 0; i < stage->sums; i++) {
        float *to = entering(x, bucket, s + 1, i, position), *from = piece_at(x, &block, stage->held[i]);
        if (to != from)
            memcpy(to, from, count * sizeof *to);
    }
}

/* ---- costs ---- */

static size_t ordered_room_bytes(const struct exchange *x)
{
    size_t bytes = 0;
    for (int s = 0; s < x->stage_count; s++)
        bytes += (arrived_floats(x, &x->stages[s]) + packed_floats(x, &x->stages[s])) * x->wire->bytes +
                 sum_floats(x, s) * sizeof(float);
    return flights_used(x) * bytes + unpacked_floats(x) * sizeof(float);
}

const struct reduction reduction_ordered = {
        .open = ordered_open,
        .start = ordered_start,
        .add = ordered_add,
        .copies_sent = stage_own_pieces,
        .room_bytes = ordered_room_bytes,
        .in_stages = true,
};
