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

int exchange_pieces(int slots, int ranks, int rank)
{
    struct tree_node pieces[TREE_PIECES_MOST];
    return tree_pieces(slots, exchange_first_slot(slots, ranks, rank),
            exchange_first_slot(slots, ranks, rank + 1), pieces);
}

static bool is_good(int slots, int ranks)
{
    for (int rank = 0; rank < ranks; rank++)
        if (exchange_pieces(slots, ranks, rank) != 1)
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

/* This rank's slots, its stack of gradients, and how many pieces every rank has. */
static enum status open_slots(struct exchange *x)
{
    x->first_slot = x->next_slot = exchange_first_slot(x->slots, x->ranks, x->rank);
    x->end_slot = exchange_first_slot(x->slots, x->ranks, x->rank + 1);
    TRY(memory_new(&x->facts, "exchange", (size_t)(x->end_slot - x->first_slot), sizeof *x->facts));
    TRY(memory_new(&x->first_piece, "exchange", (size_t)x->ranks + 1, sizeof *x->first_piece));
    for (int r = 0; r < x->ranks; r++)
        x->first_piece[r + 1] = x->first_piece[r] + exchange_pieces(x->slots, x->ranks, r);
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
    x->gathered = x->spread = blocks_buckets(&x->blocks);
    return STATUS_OK;
}

static enum status open_parts(struct exchange *x)
{
    TRY(open_slots(x));
    if (world_is_shared())
        TRY(x->reduction->open(x));
    TRY(exchange_cut_open(x));
    TRY(exchange_packet_open(x));
    return open_requests(x);
}

struct blocks exchange_make_blocks(size_t floats, size_t bucket_floats, int ranks)
{
    struct blocks blocks = blocks_make(floats, bucket_floats, ranks);
    size_t most = world_message_limit() / sizeof(float);
    if (most > BUCKET_FLOATS_MOST)
        most = BUCKET_FLOATS_MOST;
    if (blocks.bucket_floats > most)
        blocks = blocks_make(floats, most < BLOCK_FLOATS ? BLOCK_FLOATS : most - most % BLOCK_FLOATS, ranks);
    return blocks;
}

enum status exchange_open(struct exchange **out, const struct exchange_kinds *kinds, size_t floats, int slots,
        size_t bucket_floats)
{
    int ranks = world()->size;
    *out = NULL;
    CHECK(slots >= ranks, STATUS_CONFIG,
            "%d ranks share the %d micro-batches of an update: expected one rank for each at most; start %d "
            "ranks, or set batch.micro_batches: %d (an update then takes that many)",
            ranks, slots, slots, ranks);
    struct exchange *x = NULL;
    enum status status = memory_new(&x, "exchange", 1, sizeof *x);
    if (status == STATUS_OK) {
        *x = (struct exchange){.reduction = ((const struct reduce_kind *)kinds->reduce)->reduction,
                .wire = (const struct wire_kind *)kinds->wire,
                .spreaders = MPI_COMM_NULL,
                .blocks = exchange_make_blocks(floats, bucket_floats, ranks),
                .rank = world()->rank,
                .ranks = ranks,
                .slots = slots};
        status = open_parts(x);
    }
    status = status_agree(status);
    if (status == STATUS_OK && world_is_shared())
        status = mpi_status(MPI_Comm_dup(MPI_COMM_WORLD, &x->spreaders), "MPI_Comm_dup", -1);
    if (status == STATUS_OK)
        *out = x;
    else
        exchange_close(x);
    return status;
}

void exchange_close(struct exchange *x)
{
    if (!x)
        return;
    if (x->spreaders != MPI_COMM_NULL)
        MPI_Comm_free(&x->spreaders);
    for (int i = 0; i < TREE_PIECES_MOST; i++)
        memory_free(x->buffer[i]);
    memory_free(x->facts);
    memory_free(x->first_piece);
    memory_free(x->steps);
    for (int i = 0; i < FLIGHTS; i++) {
        memory_free(x->flights[i].arrived);
        memory_free(x->flights[i].leaving);
    }
    memory_free(x->unpacked);
    memory_free(x->requests);
    memory_free(x->cut_lists);
    memory_free(x->cut_memory);
    memory_free(x->squares);
    memory_free(x->packet);
    memory_free(x->packets);
    memory_free(x->packet_bytes);
    memory_free(x);
}

const struct blocks *exchange_blocks(const struct exchange *x)
{
    return &x->blocks;
}
