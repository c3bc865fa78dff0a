#include "models/decode/cache.h"

#include <string.h>

enum { FIRST_ROOM = 32 };

static float *block_take(struct cache *cache, size_t room)
{
    size_t floats;
    if (!size_multiply(&floats, room, cache->columns) || !size_multiply(&floats, floats, cache->planes))
        return NULL;
    return arena_take(cache->arena, floats, sizeof(float));
}

static enum status memory_ended(const struct cache *cache)
{
    enum status status = arena_status(cache->arena);
    return status != STATUS_OK ? status
                               : status_fail(STATUS_INTERNAL,
                                         "keys and values of %zu rows exceed the address space", cache->rows);
}

enum status cache_start(struct cache *cache, struct arena *arena, size_t rows, size_t planes, size_t columns)
{
    *cache = (struct cache){.arena = arena, .rows = rows, .planes = planes, .columns = columns};
    cache->blocks = arena_take_zeroed(arena, rows, sizeof *cache->blocks);
    return cache->blocks ? STATUS_OK : memory_ended(cache);
}

static void block_copy(const struct cache *cache, float *to, size_t to_room, const float *from)
{
    for (size_t plane = 0; plane < cache->planes && cache->length > 0; plane++)
        memcpy(to + plane * to_room * cache->columns, from + plane * cache->room * cache->columns,
                cache->length * cache->columns * sizeof *to);
}

enum status cache_extend(struct cache *cache)
{
    if (cache->length == cache->room) {
        size_t room = cache->room ? 2 * cache->room : FIRST_ROOM;
        for (size_t r = 0; r < cache->rows; r++) {
            float *block = block_take(cache, room);
            if (!block)
                return memory_ended(cache);
            block_copy(cache, block, room, cache->blocks[r]);
            cache->blocks[r] = block;
        }
        cache->room = room;
    }
    cache->length++;
    return STATUS_OK;
}

void cache_put(struct cache *cache, size_t plane, const float *from, size_t stride)
{
    size_t place = (plane * cache->room + cache->length - 1) * cache->columns;
    for (size_t r = 0; r < cache->rows; r++)
        memcpy(cache->blocks[r] + place, from + r * stride, cache->columns * sizeof *from);
}

const float *cache_row(const struct cache *cache, size_t row, size_t plane)
{
    return cache->blocks[row] + plane * cache->room * cache->columns;
}

enum status cache_keep(struct cache *cache, const int32_t *parents, size_t rows)
{
    float **blocks = arena_take_zeroed(cache->arena, rows, sizeof *blocks);
    float **heirs = arena_take_zeroed(cache->arena, cache->rows, sizeof *heirs);
    if (!blocks || !heirs)
        return memory_ended(cache);
    for (size_t r = 0; r < rows; r++) { /* a first child takes its parent's block */
        int32_t parent = parents[r];
        if (!heirs[parent])
            heirs[parent] = blocks[r] = cache->blocks[parent];
    }
    size_t spare = 0;
    for (size_t r = 0; r < rows; r++) { /* the others copy, into the blocks of rows that ended first */
        if (blocks[r])
            continue;
        while (spare < cache->rows && heirs[spare])
            spare++;
        blocks[r] = spare < cache->rows ? cache->blocks[spare++] : block_take(cache, cache->room);
        if (!blocks[r])
            return memory_ended(cache);
        block_copy(cache, blocks[r], cache->room, heirs[parents[r]]);
    }
    cache->blocks = blocks;
    cache->rows = rows;
    return STATUS_OK;
}
