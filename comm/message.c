#include "comm/world_internal.h"

#include "comm/memory.h"
#include "comm/watch_internal.h"
#include "comm/world.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 4096, SUM_VALUES = 64 };

static size_t message_limit = (size_t)1 << 30;

/* Taken once at the start, so that no rank can fail to allocate between two collective calls. */
static struct {
    int *counts, *offsets; /* [size] */
    double *values;        /* [size][SUM_VALUES] */
} scratch;

enum status message_open(void)
{
    size_t size = (size_t)world()->size;
    TRY(memory_new(&scratch.counts, "world", size, sizeof(int)));
    TRY(memory_new(&scratch.offsets, "world", size, sizeof(int)));
    return memory_new(&scratch.values, "world", size * SUM_VALUES, sizeof(double));
}

void message_close(void)
{
    memory_free(scratch.counts);
    memory_free(scratch.offsets);
    memory_free(scratch.values);
    memset(&scratch, 0, sizeof scratch);
}

size_t world_message_limit(void)
{
    return message_limit;
}

void world_set_message_limit(size_t bytes)
{
    ASSERT(bytes > 0 && bytes <= (size_t)1 << 30);
    message_limit = bytes;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum status mpi_status(int code, const char *call, int peer)
{
    if (code == MPI_SUCCESS)
        return STATUS_OK;
    char reason[MPI_MAX_ERROR_STRING] = "unknown reason", who[32] = "all ranks";
    int length;
    MPI_Error_string(code, reason, &length);
    if (peer >= 0)
        snprintf(who, sizeof who, "rank %d", peer);
    return status_fail(STATUS_IO, "%s between rank %d on %s and %s failed: %s", call, world()->rank,
            world()->host, who, reason);
}

enum status status_share(enum status code, int from)
{
    char text[MESSAGE_BYTES] = "";
    const struct world *w = world();
    if (w->rank == from && from == 0)
        snprintf(text, sizeof text, "%s", status_message());
    else if (w->rank == from)
        snprintf(text, sizeof text, "rank %d on %s: %s", from, w->host, status_message());
    TRY(mpi_status(
            WATCH_MEET(MPI_Bcast(text, MESSAGE_BYTES, MPI_CHAR, from, MPI_COMM_WORLD)), "MPI_Bcast", from));
    return status_fail(code, "%s", text);
}

enum status status_agree(enum status mine)
{
    if (!world_is_shared())
        return mine;
    struct {
        int rank, code;
    } own = {mine == STATUS_OK ? world()->size : world()->rank, (int)mine}, lowest;
    TRY(mpi_status(WATCH_MEET(MPI_Allreduce(&own, &lowest, 1, MPI_2INT, MPI_MINLOC, MPI_COMM_WORLD)),
            "MPI_Allreduce", -1));
    if (lowest.rank == world()->size)
        return STATUS_OK;
    return status_share((enum status)lowest.code, lowest.rank);
}

enum status world_broadcast(void *data, size_t bytes, int root)
{
    if (!world_is_shared())
        return STATUS_OK;
    for (size_t done = 0, part; done < bytes; done += part) {
        part = least(bytes - done, message_limit);
        TRY(mpi_status(WATCH_MEET(MPI_Bcast((char *)data + done, (int)part, MPI_BYTE, root, MPI_COMM_WORLD)),
                "MPI_Bcast", root));
    }
    return STATUS_OK;
}

/* Parts that go in one call, back to back. */
static void lay_out(const size_t *bytes)
{
    for (int r = 0, at = 0; r < world()->size; at += (int)bytes[r], r++) {
        scratch.counts[r] = (int)bytes[r];
        scratch.offsets[r] = at;
    }
}

/* For what is too long for one call: one rank after the other. */
static enum status gather_by_broadcast(char *out, const size_t *bytes)
{
    for (int r = 0; r < world()->size; r++) {
        TRY(world_broadcast(out, bytes[r], r));
        out += bytes[r];
    }
    return STATUS_OK;
}

enum status world_gather_parts(const void *mine, void *out, const size_t *bytes)
{
    const struct world *w = world();
    size_t total = 0, own = 0;
    for (int r = 0; r < w->size; r++) {
        if (r == w->rank)
            own = total;
        total += bytes[r];
    }
    if (bytes[w->rank] > 0)
        memcpy((char *)out + own, mine, bytes[w->rank]);
    if (!world_is_shared())
        return STATUS_OK;
    if (total > message_limit)
        return gather_by_broadcast(out, bytes);
    lay_out(bytes);
    return mpi_status(WATCH_MEET(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_BYTE, out, scratch.counts,
                              scratch.offsets, MPI_BYTE, MPI_COMM_WORLD)),
            "MPI_Allgatherv", -1);
}

/* What is laid out, to rank 0. */
static enum status collect(const void *mine, void *out)
{
    return mpi_status(WATCH_MEET(MPI_Gatherv(mine, scratch.counts[world()->rank], MPI_BYTE, out,
                              scratch.counts, scratch.offsets, MPI_BYTE, 0, MPI_COMM_WORLD)),
            "MPI_Gatherv", -1);
}

/* One rank after the other, in pieces: each in a call to which the others give nothing. */
static enum status collect_pieces(const char *mine, char *out, const size_t *bytes)
{
    const struct world *w = world();
    memset(scratch.counts, 0, (size_t)w->size * sizeof *scratch.counts);
    memset(scratch.offsets, 0, (size_t)w->size * sizeof *scratch.offsets);
    for (int r = 0; r < w->size; r++) {
        for (size_t done = 0, part; done < bytes[r]; done += part) {
            part = least(bytes[r] - done, message_limit);
            scratch.counts[r] = (int)part;
            TRY(collect(w->rank == r ? mine + done : NULL, out));
            out = w->rank == 0 ? out + part : NULL;
        }
        scratch.counts[r] = 0;
    }
    return STATUS_OK;
}

enum status world_collect_parts(const void *mine, void *out, const size_t *bytes)
{
    size_t total = 0;
    for (int r = 0; r < world()->size; r++)
        total += bytes[r];
    if (!world_is_shared()) {
        if (total > 0)
            memcpy(out, mine, total);
        return STATUS_OK;
    }
    if (total > message_limit)
        return collect_pieces(mine, out, bytes);
    lay_out(bytes);
    return collect(mine, out);
}

enum status world_gather(const void *mine, void *out, size_t bytes)
{
    const struct world *w = world();
    if (bytes > 0)
        memcpy((char *)out + (size_t)w->rank * bytes, mine, bytes);
    if (!world_is_shared())
        return STATUS_OK;
    if (bytes > message_limit / (size_t)w->size) {
        for (int r = 0; r < w->size; r++)
            TRY(world_broadcast((char *)out + (size_t)r * bytes, bytes, r));
        return STATUS_OK;
    }
    return mpi_status(
            WATCH_MEET(MPI_Allgather(MPI_IN_PLACE, 0, MPI_BYTE, out, (int)bytes, MPI_BYTE, MPI_COMM_WORLD)),
            "MPI_Allgather", -1);
}

enum status world_sum(double *values, size_t count)
{
    if (!world_is_shared())
        return STATUS_OK;
    for (size_t done = 0, part; done < count; done += part) {
        part = least(count - done, SUM_VALUES);
        TRY(world_gather(values + done, scratch.values, part * sizeof(double)));
        for (size_t i = 0; i < part; i++) {
            double sum = 0;
            for (int r = 0; r < world()->size; r++)
                sum += scratch.values[(size_t)r * part + i];
            values[done + i] = sum;
        }
    }
    return STATUS_OK;
}

enum status world_sum_integers(int64_t *values, size_t count)
{
    if (!world_is_shared())
        return STATUS_OK;
    size_t most = message_limit / sizeof *values ? message_limit / sizeof *values : 1;
    for (size_t done = 0, part; done < count; done += part) {
        part = least(count - done, most);
        TRY(mpi_status(WATCH_MEET(MPI_Allreduce(
                               MPI_IN_PLACE, values + done, (int)part, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD)),
                "MPI_Allreduce", -1));
    }
    return STATUS_OK;
}

enum status world_maximum(double *values, size_t count)
{
    if (!world_is_shared())
        return STATUS_OK;
    for (size_t done = 0, part; done < count; done += part) {
        part = least(count - done, SUM_VALUES);
        TRY(mpi_status(WATCH_MEET(MPI_Allreduce(
                               MPI_IN_PLACE, values + done, (int)part, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD)),
                "MPI_Allreduce", -1));
    }
    return STATUS_OK;
}

enum status world_barrier(void)
{
    return world_is_shared() ? mpi_status(WATCH_MEET(MPI_Barrier(MPI_COMM_WORLD)), "MPI_Barrier", -1)
                             : STATUS_OK;
}

enum status world_broadcast_text(char **text, int root)
{
    if (!world_is_shared())
        return STATUS_OK;
    uint64_t bytes = world()->rank == root ? strlen(*text) + 1 : 0;
    TRY(world_broadcast(&bytes, sizeof bytes, root));
    enum status status = STATUS_OK;
    if (world()->rank != root)
        status = memory_new(text, "text", bytes, 1);
    TRY(status_agree(status));
    return world_broadcast(*text, bytes, root);
}
