/*
 * The sum of the MPI library: for networks that reduce in hardware. Its order depends on the number of ranks.
 */
#include "comm/exchange_internal.h"

static enum status native_open(struct exchange *x)
{
    ASSERT(!x->wire->pack);
    x->rounds = 1;
    return STATUS_OK;
}

static enum status native_start(struct exchange *x, size_t bucket, MPI_Request *requests)
{
    size_t first = bucket * x->blocks.bucket_floats;
    size_t count = blocks_bucket_floats(&x->blocks, bucket);
    for (int i = x->first_piece[x->rank] + 1; i < x->first_piece[x->rank + 1]; i++)
        exchange_add(x->buffer[0] + first, x->buffer[i - x->first_piece[x->rank]] + first, count);
    int code = MPI_Iallreduce(
            MPI_IN_PLACE, x->buffer[0] + first, (int)count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, requests);
    return mpi_status(code, "MPI_Iallreduce", -1);
}

/* As a ring would: each float but the own ones once. */
static size_t native_floats_sent(const struct exchange *x)
{
    return x->blocks.floats - blocks_own_floats(&x->blocks, x->rank);
}

/* In place. */
static size_t native_room_bytes(const struct exchange *x)
{
    (void)x;
    return 0;
}

const struct reduction reduction_native = {
        .open = native_open,
        .start = native_start,
        .floats_sent = native_floats_sent,
        .room_bytes = native_room_bytes,
};
