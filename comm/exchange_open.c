#include "comm/exchange_internal.h"

#include "comm/memory.h"
#include "comm/world.h"

static const struct reduce_kind rows[] = {
        {{"ordered", "along one tree over the micro-batches: the same bits for any number of ranks", NULL},
                &reduction_ordered},
        {{"native",
                 "by MPI_Iallreduce, for networks that sum in hardware: the bits depend on the number of "
                 "ranks",
                 NULL},
                &reduction_native},
};

const struct kind_table reduce_kinds = KIND_TABLE("reduction", rows);

/* 256 MiB: the counts of all pieces of a bucket fit MPI's int. */
enum { BUCKET_FLOATS_MOST = 1 << 26 };

int exchange_first_slot(int slots, int ranks, int rank)
{
    return (int)((int64_t)slots * rank / ranks);
}

/* The subtrees of the tree over the slots that `rank` sums by itself. */
static int pieces_of(int slots, int ranks, int rank)
{
    struct tree_node pieces[TREE_PIECES_MOST];
    return tree_pieces(slots, exchange_first_slot(slots, ranks, rank),
            exchange_first_slot(slots, ranks, rank + 1), pieces);
}

static bool is_good(int slots, int ranks)
{
    for (int rank = 0; rank < ranks; rank++)
        if (pieces_of(slots, ranks, rank) != 1)
            return false;
    return true;
}

void exchange_good_ranks(int slots, int ranks, int *below, int *above)
{
    for (*below = ranks; !is_good(slots, *below); --*below) /* one rank is good */
        ;
    for (*above = ranks; !is_good(slots, *above); ++*above) /* so are as many as slots */
        ;
}

/* This rank's slots, and its stack of gradients. */
static enum status open_slots(struct exchange *x)
{
    x->first_slot = x->next_slot = exchange_first_slot(x->slots, x->ranks, x->rank);
    x->end_slot = exchange_first_slot(x->slots, x->ranks, x->rank + 1);
    TRY(memory_new(&x->facts, "exchange", (size_t)(x->end_slot - x->first_slot), sizeof *x->facts));
    x->buffers = tree_stack(x->slots, x->first_slot, x->end_slot);
    for (int i = 0; i < x->buffers; i++)
        TRY(memory_new(&x->buffer[i], "gradient", x->blocks.floats, sizeof *x->buffer[i]));
    return STATUS_OK;
}

static enum status open_requests(struct exchange *x)
{
    size_t count = FLIGHTS * (size_t)x->rounds;
    TRY(memory_new(&x->requests, "exchange", count, sizeof *x->requests));
    for (size_t i = 0; i < count; i++)
        x->requests[i] = MPI_REQUEST_NULL;
    for (size_t i = 0; i < FLIGHTS; i++)
        x->flights[i].requests = x->requests + i * (size_t)x->rounds;
    for (int s = 0; s <= x->stage_count; s++)
        x->spread[s] = blocks_buckets(&x->blocks);
    return STATUS_OK;
}

static enum status open_parts(struct exchange *x)
{
    TRY(open_slots(x));
    TRY(exchange_count_pieces(x));
    exchange_lay_stages(x);
    if (world_is_shared())
        TRY(x->reduction->open(x));
    TRY(exchange_open_stages(x));
    TRY(exchange_packet_open(x));
    return open_requests(x);
}

/* 1 if all ranks are on one node, or the kind of sum knows no nodes. */
static enum status choose_node_ranks(int *out, const struct exchange_kinds *kinds, int ranks, int node_ranks)
{
    const struct reduction *reduction = ((const struct reduce_kind *)kinds->reduce)->reduction;
    int64_t asked = kinds->node_ranks;
    CHECK(asked == 0 || asked >= ranks || ranks % asked == 0, STATUS_CONFIG,
            "comm.node_ranks: expected as many ranks on each node, found %d ranks on nodes of %lld", ranks,
            (long long)asked);
    int64_t wide = asked > 0 ? asked : node_ranks;
    bool in_stages = reduction->in_stages && wide > 1 && wide < ranks && ranks % wide == 0;
    *out = in_stages ? (int)wide : 1;
    return STATUS_OK;
}

enum status exchange_make_blocks(struct blocks *out, const struct exchange_kinds *kinds, size_t floats,
        size_t bucket_floats, int ranks, int node_ranks)
{
    *out = blocks_make(floats, bucket_floats, ranks);
    size_t most = world_message_limit() / sizeof(float);
    if (most > BUCKET_FLOATS_MOST)
        most = BUCKET_FLOATS_MOST;
    if (out->bucket_floats > most)
        *out = blocks_make(floats, most < BLOCK_FLOATS ? BLOCK_FLOATS : most - most % BLOCK_FLOATS, ranks);
    return choose_node_ranks(&out->node_ranks, kinds, ranks, node_ranks);
}

enum status exchange_open(struct exchange **out, const struct exchange_kinds *kinds, size_t floats, int slots,
        size_t bucket_floats)
{
    int ranks = world()->size;
    struct blocks blocks;
    *out = NULL;
    CHECK(slots >= ranks, STATUS_CONFIG,
            "%d ranks share the %d micro-batches of an update: expected one rank for each at most; start %d "
            "ranks, or set batch.micro_batches: %d (an update then takes that many)",
            ranks, slots, slots, ranks);
    TRY(exchange_make_blocks(&blocks, kinds, floats, bucket_floats, ranks, world()->even_ranks));
    struct exchange *x = NULL;
    enum status status = memory_new(&x, "exchange", 1, sizeof *x);
    if (status == STATUS_OK) {
        *x = (struct exchange){.reduction = ((const struct reduce_kind *)kinds->reduce)->reduction,
                .wire = (const struct wire_kind *)kinds->wire,
                .blocks = blocks,
                .rank = world()->rank,
                .ranks = ranks,
                .slots = slots};
        status = open_parts(x);
    }
    status = status_agree(status);
    if (status == STATUS_OK && world_is_shared())
        status = exchange_connect_stages(x);
    if (status == STATUS_OK)
        *out = x;
    else
        exchange_close(x);
    return status;
}

static void free_flight(struct flight *flight)
{
    for (int s = 0; s < STAGES_MOST; s++) {
        memory_free(flight->loads[s].arrived);
        memory_free(flight->loads[s].leaving);
        memory_free(flight->loads[s].sums);
    }
}

void exchange_close(struct exchange *x)
{
    if (!x)
        return;
    exchange_close_stages(x);
    for (int i = 0; i < TREE_PIECES_MOST; i++)
        memory_free(x->buffer[i]);
    for (int i = 0; i < FLIGHTS; i++)
        free_flight(&x->flights[i]);
    memory_free(x->facts);
    memory_free(x->unpacked);
    memory_free(x->requests);
    memory_free(x->squares);
    memory_free(x->packet);
    memory_free(x->packets);
    memory_free(x->packet_bytes);
    memory_free(x->packet_first);
    memory_free(x);
}

const struct blocks *exchange_blocks(const struct exchange *x)
{
    return &x->blocks;
}
