#include "comm/memory.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(start, bytes)   ASAN_POISON_MEMORY_REGION(start, bytes)
#define UNPOISON(start, bytes) ASAN_UNPOISON_MEMORY_REGION(start, bytes)
#else
#define POISON(start, bytes)   ((void)(start), (void)(bytes))
#define UNPOISON(start, bytes) ((void)(start), (void)(bytes))
#endif

/* Of the addresses that a process may use where they are limited: many arenas can be open at once, one or two large. */
enum { LARGE_OF_LIMIT = 4, OTHERS_OF_LIMIT = 32 };

struct arena {
    const char *label;
    struct pages pages;
    size_t used, peak;
    enum status status;
};

/* More than an arena can ever use, or a part of the limit. */
static size_t addresses(size_t part)
{
    size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
            limit.rlim_cur / part < memory)
        return (size_t)limit.rlim_cur / part;
    return memory;
}

static enum status hold(struct arena *arena, size_t bytes)
{
    size_t before = arena->pages.bytes;
    TRY(pages_hold(&arena->pages, bytes));
    POISON(arena->pages.start + before, arena->pages.bytes - before);
    return STATUS_OK;
}

static enum status open_part(struct arena **out, const char *label, size_t bytes, size_t part)
{
    struct arena *arena;
    TRY(memory_new(&arena, label, 1, sizeof *arena));
    arena->label = label;
    enum status status = pages_open(&arena->pages, label, addresses(part));
    if (status == STATUS_OK)
        status = hold(arena, bytes);
    if (status != STATUS_OK) {
        arena_close(arena);
        return status;
    }
    *out = arena;
    return STATUS_OK;
}

enum status arena_open(struct arena **out, const char *label, size_t bytes)
{
    return open_part(out, label, bytes, OTHERS_OF_LIMIT);
}

enum status arena_open_large(struct arena **out, const char *label)
{
    return open_part(out, label, 0, LARGE_OF_LIMIT);
}

void arena_close(struct arena *arena)
{
    if (!arena)
        return;
    UNPOISON(arena->pages.start, arena->pages.bytes);
    pages_close(&arena->pages);
    memory_free(arena);
}

/* So many items, rounded up to the alignment; at least one byte, so that each has an address of its own. */
static enum status rounded_bytes(const struct arena *arena, size_t count, size_t size, size_t *out)
{
    size_t bytes, end;
    CHECK(size_multiply(&bytes, count, size) && size_add(&end, bytes, arena->used + MEMORY_ALIGNMENT),
            STATUS_INTERNAL, "%zu items of %zu bytes in arena '%s' are too many", count, size, arena->label);
    bytes = bytes > 0 ? bytes : 1;
    *out = (bytes + MEMORY_ALIGNMENT - 1) / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
    return STATUS_OK;
}

void *arena_take(struct arena *arena, size_t count, size_t size)
{
    size_t bytes = 0;
    enum status status = rounded_bytes(arena, count, size, &bytes);
    if (status == STATUS_OK)
        status = hold(arena, arena->used + bytes);
    if (status != STATUS_OK) {
        arena->status = status;
        return NULL;
    }
    char *taken = arena->pages.start + arena->used;
    arena->used += bytes;
    arena->peak = arena->used > arena->peak ? arena->used : arena->peak;
    UNPOISON(taken, count * size);
    return taken;
}

void *arena_take_zeroed(struct arena *arena, size_t count, size_t size)
{
    void *taken = arena_take(arena, count, size);
    if (taken)
        memset(taken, 0, count * size);
    return taken;
}

void memory_guard(void *start, size_t bytes)
{
    POISON(start, bytes);
}

void memory_unguard(void *start, size_t bytes)
{
    UNPOISON(start, bytes);
}

enum status arena_status(const struct arena *arena)
{
    return arena->status;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){arena->pages.start + arena->used};
}

void arena_reset(struct arena *arena, struct arena_mark mark)
{
    size_t used = (size_t)(mark.end - arena->pages.start);
    ASSERT(used <= arena->used);
    POISON(mark.end, arena->used - used);
    arena->used = used;
}

void arena_clear(struct arena *arena)
{
    arena_reset(arena, (struct arena_mark){arena->pages.start});
    arena->status = STATUS_OK;
}

size_t arena_peak(const struct arena *arena)
{
    return arena->peak;
}
