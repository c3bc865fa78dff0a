/*
 * The sum of the MPI library: for networks that reduce in hardware. Its order depends on the number of ranks.
 */
#include "comm/exchange_internal.h"

static enum status native_open(struct exchange *x)
{
    ASSERT(!x->wire->pack);
    x->stages[0].rounds = 1;
    return STATUS_OK;
}

static enum status native_start(struct exchange *x, size_t bucket, int s, MPI_Request *requests)
{
    size_t first = bucket * x->blocks.bucket_floats;
    size_t count = blocks_bucket_floats(&x->blocks, bucket);
    for (int i = 1; i < stage_own_pieces(&x->stages[s]); i++)
        exchange_add(x->buffer[0] + first, x->buffer[i] + first, count);
    int code = MPI_Iallreduce(MPI_IN_PLACE, x->buffer[0] + first, (int)count, MPI_FLOAT, MPI_SUM,
            x->stages[s].summers, requests);
    return mpi_status(code, "MPI_Iallreduce", -1);
}

/* As a ring would. */
static int native_copies_sent(const struct stage *stage)
{
    (void)stage;
    return 1;
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
        .copies_sent = native_copies_sent,
        .room_bytes = native_room_bytes,
};
