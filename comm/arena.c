#include "comm/memory.h"

#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(start, bytes)   ASAN_POISON_MEMORY_REGION(start, bytes)
#define UNPOISON(start, bytes) ASAN_UNPOISON_MEMORY_REGION(start, bytes)
#else
#define POISON(start, bytes)   ((void)0)
#define UNPOISON(start, bytes) ((void)0)
#endif

enum { CHUNK_LIMIT = 48 }; /* each at least half of all before it: 48 reach any address space */

struct chunk {
    char *memory;
    size_t bytes, used;
};

struct arena {
    const char *label;
    struct chunk chunks[CHUNK_LIMIT];
    size_t count, current; /* chunks held; the one taken from */
    size_t peak;
    enum status status;
};

static size_t total_bytes(const struct arena *arena)
{
    size_t total = 0;
    for (size_t i = 0; i < arena->count; i++)
        total += arena->chunks[i].bytes;
    return total;
}

static enum status add_chunk(struct arena *arena, size_t bytes)
{
    CHECK(arena->count < CHUNK_LIMIT, STATUS_INTERNAL, "arena '%s' needs more than %d chunks", arena->label,
            CHUNK_LIMIT);
    struct chunk *chunk = &arena->chunks[arena->count];
    TRY(memory_take(&chunk->memory, arena->label, bytes, 1));
    chunk->bytes = bytes;
    chunk->used = 0;
    POISON(chunk->memory, bytes);
    arena->count++;
    return STATUS_OK;
}

static void drop_chunks(struct arena *arena)
{
    while (arena->count > 0) {
        struct chunk *chunk = &arena->chunks[--arena->count];
        UNPOISON(chunk->memory, chunk->bytes);
        memory_free(chunk->memory);
    }
    arena->current = 0;
}

enum status arena_open(struct arena **out, const char *label, size_t bytes)
{
    struct arena *arena;
    TRY(memory_new(&arena, label, 1, sizeof *arena));
    arena->label = label;
    enum status status = add_chunk(arena, bytes > 0 ? bytes : MEMORY_ALIGNMENT);
    if (status != STATUS_OK) {
        memory_free(arena);
        return status;
    }
    *out = arena;
    return STATUS_OK;
}

void arena_close(struct arena *arena)
{
    if (!arena)
        return;
    drop_chunks(arena);
    memory_free(arena);
}

/* Makes `current` a chunk with room for `bytes`; chunks further on are empty. */
static enum status find_room(struct arena *arena, size_t bytes)
{
    for (;; arena->current++) {
        if (arena->current == arena->count) {
            size_t half = total_bytes(arena) / 2;
            enum status status = add_chunk(arena, bytes > half ? bytes : half);
            if (status != STATUS_OK) {
                arena->current = arena->count > 0 ? arena->count - 1 : 0;
                return status;
            }
        }
        struct chunk *chunk = &arena->chunks[arena->current];
        if (chunk->bytes - chunk->used >= bytes)
            return STATUS_OK;
    }
}

static void note_peak(struct arena *arena)
{
    size_t used = 0;
    for (size_t i = 0; i <= arena->current; i++)
        used += arena->chunks[i].used;
    if (used > arena->peak)
        arena->peak = used;
}

void *arena_take(struct arena *arena, size_t count, size_t size)
{
    size_t bytes, rounded;
    if (!size_multiply(&bytes, count, size) || !size_add(&rounded, bytes, MEMORY_ALIGNMENT - 1)) {
        arena->status = status_fail(STATUS_INTERNAL, "%zu items of %zu bytes in arena '%s' are too many",
                count, size, arena->label);
        return NULL;
    }
    rounded = rounded / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
    enum status status = find_room(arena, rounded > 0 ? rounded : MEMORY_ALIGNMENT);
    if (status != STATUS_OK) {
        arena->status = status;
        return NULL;
    }
    struct chunk *chunk = &arena->chunks[arena->current];
    char *taken = chunk->memory + chunk->used;
    chunk->used += rounded > 0 ? rounded : MEMORY_ALIGNMENT;
    UNPOISON(taken, bytes);
    note_peak(arena);
    return taken;
}

void *arena_take_zeroed(struct arena *arena, size_t count, size_t size)
{
    void *taken = arena_take(arena, count, size);
    if (taken)
        memset(taken, 0, count * size);
    return taken;
}

enum status arena_status(const struct arena *arena)
{
    return arena->status;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){arena->current, arena->chunks[arena->current].used};
}

void arena_reset(struct arena *arena, struct arena_mark mark)
{
    ASSERT(mark.chunk <= arena->current && mark.used <= arena->chunks[mark.chunk].used);
    for (size_t i = mark.chunk; i < arena->count; i++) {
        struct chunk *chunk = &arena->chunks[i];
        chunk->used = i == mark.chunk ? mark.used : 0;
        POISON(chunk->memory + chunk->used, chunk->bytes - chunk->used);
    }
    arena->current = mark.chunk;
}

void arena_clear(struct arena *arena)
{
    if (arena->count > 1) {
        /* As much as was ever in use, not as was held. Should there be no memory for it in one piece: start small again
         * and grow. */
        drop_chunks(arena);
        if (add_chunk(arena, arena->peak) != STATUS_OK)
            arena->status = add_chunk(arena, MEMORY_ALIGNMENT);
    } else {
        arena_reset(arena, (struct arena_mark){0, 0});
    }
    if (arena->count > 0)
        arena->status = STATUS_OK;
}

size_t arena_peak(const struct arena *arena)
{
    return arena->peak;
}
