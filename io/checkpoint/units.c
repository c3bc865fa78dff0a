#include "io/checkpoint/internal.h"

#include <stdio.h>

static size_t row_floats(const struct flat_array *array)
{
    size_t floats = 1;
    for (int i = 1; i < array->rank; i++)
        floats *= array->shape[i];
    return floats;
}

/* Whole rows, at least one, at most UNIT_FLOATS floats where that is possible. */
static size_t unit_rows(const struct flat_array *array)
{
    size_t rows = UNIT_FLOATS / row_floats(array);
    rows = rows ? rows : 1;
    return rows < array->shape[0] ? rows : array->shape[0];
}

size_t unit_floats(const struct flat_array *array)
{
    return unit_rows(array) * row_floats(array);
}

const struct flat_array *plane_array(
        const struct flat_plane *plane, const struct flat_array *arrays, size_t number)
{
    return plane->arrays ? &plane->arrays[number] : &arrays[number];
}

struct unit_walk units_start(const struct flat_array *arrays, size_t array_count,
        const struct flat_plane *planes, size_t plane_count)
{
    return (struct unit_walk){
            .arrays = arrays, .planes = planes, .array_count = array_count, .plane_count = plane_count};
}

bool units_next(struct unit_walk *walk, struct unit *out)
{
    struct unit *next = &walk->next;
    if (next->plane >= walk->plane_count || walk->array_count == 0)
        return false;
    const struct flat_array *array = plane_array(&walk->planes[next->plane], walk->arrays, next->array);
    size_t floats = array->shape[0] * row_floats(array), from = next->chunk * unit_floats(array);
    size_t count = floats - from < unit_floats(array) ? floats - from : unit_floats(array);
    *out = *next;
    out->first = array->offset + from;
    out->count = count;
    out->shape = array;
    next->chunk++;
    if (from + count == floats) {
        next->chunk = 0;
        next->array++;
    }
    if (next->array == walk->array_count) {
        next->array = 0;
        next->plane++;
    }
    return true;
}

struct h5_array unit_dataset(const struct flat_array *array, const struct flat_plane *plane, int compression)
{
    struct h5_array out = {.type = H5_FLOAT32,
            .rank = array->rank,
            .chunk_rows = unit_rows(array),
            .compression = compression,
            .description = array->description ? array->description : plane->description};
    int length = snprintf(out.name, sizeof out.name, "/%s/%s", plane->group, array->name);
    ASSERT(length > 0 && (size_t)length < sizeof out.name);
    ASSERT(array->rank >= 1 && array->rank <= H5_RANK_LIMIT);
    for (int i = 0; i < array->rank; i++)
        out.shape[i] = array->shape[i];
    return out;
}

bool part_next(const struct blocks *blocks, size_t *position, size_t end, struct part *out)
{
    if (*position >= end)
        return false;
    out->first = *position;
    out->owner = blocks_owner(blocks, *position, &out->own);
    struct run run = blocks_run(blocks, *position / blocks->bucket_floats, out->owner);
    size_t stop = run.first + run.count < end ? run.first + run.count : end;
    out->count = stop - *position;
    *position = stop;
    return true;
}
