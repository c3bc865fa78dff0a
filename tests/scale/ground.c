#include "tests/scale/ground.h"

#include "comm/memory.h"
#include "comm/world_internal.h"
#include "tests/scale/collectives.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer than any message that must arrive as it was sent. */
enum { LONG_BYTES = 1 << 20 };

static struct world worlds[GROUND_RANKS];

const struct world *world(void)
{
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    struct world *w = &worlds[rank];
    if (w->size == 0) {
        *w = (struct world){.rank = rank,
                .node_size = 1,
                .even_ranks = cluster.node_ranks,
                .threads = 1,
                .cores = 1,
                .host = "a simulated host"};
        MPI_Comm_size(MPI_COMM_WORLD, &w->size);
    }
    return w;
}

bool world_is_shared(void)
{
    return world()->size > 1;
}

void world_abort(enum status status)
{
    fprintf(stderr, "[rank %d] %s: %s\n", world()->rank, status_text(status), status_message());
    MPI_Abort(MPI_COMM_WORLD, (int)status);
    abort();
}

void *ground_noise(void)
{
    static void *noise;
    if (!noise)
        noise = SMPI_SHARED_MALLOC(GROUND_BYTES);
    return noise;
}

bool size_multiply(size_t *out, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}

enum status memory_new(void *out, const char *label, size_t count, size_t size)
{
    size_t bytes = count * size;
    void *block = bytes < LONG_BYTES ? calloc(1, bytes + 1) : ground_noise();
    CHECK(block && bytes <= GROUND_BYTES, STATUS_INTERNAL, "out of memory: %zu bytes for '%s'", bytes, label);
    memcpy(out, &block, sizeof block);
    return STATUS_OK;
}

enum status memory_resize(void *out, const char *label, size_t count, size_t size)
{
    (void)out, (void)count, (void)size;
    return status_fail(STATUS_INTERNAL, "a block of '%s' does not grow in a simulation", label);
}

void memory_free(void *block)
{
    if (block != ground_noise())
        free(block);
}
