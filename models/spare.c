#include "models/spare.h"

/* In the memory itself. */
struct spare_range {
    struct spare_range *next;
    size_t bytes;
};

_Static_assert(
        sizeof(struct spare_range) <= MEMORY_ALIGNMENT, "the smallest range holds what is known of it");

static size_t rounded(size_t bytes)
{
    return (bytes + MEMORY_ALIGNMENT - 1) / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
}

static char *end_of(struct spare_range *range)
{
    return (char *)range + range->bytes;
}

void *spare_take(struct spare *spare, size_t bytes)
{
    size_t wanted = rounded(bytes);
    for (struct spare_range **at = &spare->first; *at; at = &(*at)->next) {
        struct spare_range *found = *at, *next = found->next;
        if (found->bytes < wanted)
            continue;
        if (found->bytes > wanted) {
            struct spare_range *rest = (struct spare_range *)((char *)found + wanted);
            memory_unguard(rest, sizeof *rest);
            *rest = (struct spare_range){next, found->bytes - wanted};
            next = rest;
        }
        *at = next;
        memory_unguard(found, bytes);
        return found;
    }
    return arena_take(spare->arena, bytes, 1);
}

/* Joins a range with the one after it if they touch. */
static void join(struct spare_range *range)
{
    struct spare_range *next = range->next;
    if (!next || end_of(range) != (char *)next)
        return;
    *range = (struct spare_range){next->next, range->bytes + next->bytes};
    memory_guard(next, sizeof *next);
}

void spare_give(struct spare *spare, void *start, size_t bytes)
{
    struct spare_range **at = &spare->first, *before = NULL, *range = start;
    if (bytes == 0)
        return;
    for (; *at && (char *)*at < (char *)start; at = &(*at)->next)
        before = *at;
    ASSERT(!before || end_of(before) <= (char *)start);
    ASSERT(!*at || (char *)start + rounded(bytes) <= (char *)*at);
    memory_guard(start, rounded(bytes));
    memory_unguard(range, sizeof *range);
    *range = (struct spare_range){*at, rounded(bytes)};
    *at = range;
    join(range);
    if (before && end_of(before) == start) {
        join(before);
        range = before;
    }
    if (end_of(range) != arena_mark(spare->arena).end)
        return;
    for (at = &spare->first; *at != range; at = &(*at)->next)
        ;
    *at = NULL; /* nothing lies behind it */
    arena_reset(spare->arena, (struct arena_mark){(char *)range});
}
