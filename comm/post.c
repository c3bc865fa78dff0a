/*
 * Point to point: a message is its length (8 bytes), then its bytes in pieces of at most the message limit, all with
 * the caller's tag; MPI keeps them in order.
 */
#include "comm/world_internal.h"

#include "comm/memory.h"
#include "comm/watch_internal.h"
#include "comm/world.h"

#include <string.h>

struct world_request {
    uint64_t bytes; /* travels first */
    size_t count;
    MPI_Request parts[];
};

static size_t parts_of(size_t bytes)
{
    size_t limit = world_message_limit();
    return 1 + bytes / limit + (bytes % limit != 0);
}

enum status world_send_start(struct world_request **out, const void *data, size_t bytes, int to, int tag)
{
    ASSERT(world_is_shared());
    size_t parts = parts_of(bytes), limit = world_message_limit();
    struct world_request *request;
    *out = NULL;
    TRY(memory_new(&request, "message", 1, sizeof *request + parts * sizeof request->parts[0]));
    request->bytes = bytes;
    int code = MPI_Isend(&request->bytes, 1, MPI_UINT64_T, to, tag, MPI_COMM_WORLD, &request->parts[0]);
    for (request->count = 1; code == MPI_SUCCESS && request->count < parts; request->count++) {
        size_t done = (request->count - 1) * limit;
        size_t part = bytes - done < limit ? bytes - done : limit;
        code = MPI_Isend((const char *)data + done, (int)part, MPI_BYTE, to, tag, MPI_COMM_WORLD,
                &request->parts[request->count]);
    }
    *out = request; /* also after a failure: what is under way still needs its buffers */
    return mpi_status(code, "MPI_Isend", to);
}

/* Nobody can be told in time that a message got lost between two ranks. */
static void end_if_failed(int code, const char *call, int peer)
{
    if (mpi_status(code, call, peer) != STATUS_OK)
        world_abort(STATUS_IO);
}

bool world_send_done(struct world_request **request)
{
    if (!*request)
        return true;
    int done = 0;
    int code = MPI_Testall((int)(*request)->count, (*request)->parts, &done, MPI_STATUSES_IGNORE);
    end_if_failed(code, "MPI_Testall", -1);
    if (!done)
        return false;
    memory_free(*request);
    *request = NULL;
    return true;
}

/* Lengths that have come, whose bytes have not been taken yet. */
struct announced {
    int from, tag;
    uint64_t bytes;
};

static struct {
    struct announced *items;
    size_t count, room;
} waiting;

static struct announced *find_announced(int from, int tag)
{
    for (size_t i = 0; i < waiting.count; i++)
        if (waiting.items[i].from == from && waiting.items[i].tag == tag)
            return &waiting.items[i];
    return NULL;
}

/* Takes the length of the next message, waiting for it. */
static enum status take_length(int from, int tag)
{
    if (waiting.count == waiting.room) {
        size_t room = 2 * waiting.room + 16;
        TRY(memory_resize(&waiting.items, "message", room, sizeof *waiting.items));
        waiting.room = room;
    }
    struct announced *item = &waiting.items[waiting.count];
    *item = (struct announced){.from = from, .tag = tag};
    int code =
            WATCH_WAIT(MPI_Recv(&item->bytes, 1, MPI_UINT64_T, from, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    TRY(mpi_status(code, "MPI_Recv", from));
    waiting.count++;
    return STATUS_OK;
}

bool world_probe(int from, int tag, size_t *bytes)
{
    if (!world_is_shared())
        return false;
    struct announced *item = find_announced(from, tag);
    if (!item) {
        int there = 0;
        end_if_failed(MPI_Iprobe(from, tag, MPI_COMM_WORLD, &there, MPI_STATUS_IGNORE), "MPI_Iprobe", from);
        if (!there)
            return false;
        if (take_length(from, tag) != STATUS_OK)
            world_abort(STATUS_IO);
        item = find_announced(from, tag);
    }
    *bytes = item->bytes;
    return true;
}

enum status world_receive(void *data, size_t bytes, int from, int tag)
{
    ASSERT(world_is_shared());
    if (!find_announced(from, tag))
        TRY(take_length(from, tag));
    struct announced *item = find_announced(from, tag);
    CHECK(item->bytes == bytes, STATUS_INTERNAL,
            "expected a message of %zu bytes from rank %d (tag %d), found one of %zu", bytes, from, tag,
            (size_t)item->bytes);
    *item = waiting.items[--waiting.count];
    size_t limit = world_message_limit();
    for (size_t done = 0, part; done < bytes; done += part) {
        part = bytes - done < limit ? bytes - done : limit;
        int code = WATCH_WAIT(MPI_Recv(
                (char *)data + done, (int)part, MPI_BYTE, from, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
        TRY(mpi_status(code, "MPI_Recv", from));
    }
    return STATUS_OK;
}

enum status world_receive_start(struct world_request **out, void *data, size_t bytes, int from, int tag)
{
    struct announced *item = find_announced(from, tag);
    ASSERT(item && item->bytes == bytes);
    size_t parts = parts_of(bytes) - 1, limit = world_message_limit();
    struct world_request *request;
    TRY(memory_new(&request, "message", 1, sizeof *request + parts * sizeof request->parts[0]));
    *item = waiting.items[--waiting.count];
    int code = MPI_SUCCESS;
    for (; code == MPI_SUCCESS && request->count < parts; request->count++) {
        size_t done = request->count * limit, part = bytes - done < limit ? bytes - done : limit;
        code = MPI_Irecv((char *)data + done, (int)part, MPI_BYTE, from, tag, MPI_COMM_WORLD,
                &request->parts[request->count]);
    }
    *out = request;
    return mpi_status(code, "MPI_Irecv", from);
}

void post_close(void)
{
    memory_free(waiting.items);
    memset(&waiting, 0, sizeof waiting);
}
