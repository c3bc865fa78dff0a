#include "train/optimizers/internal.h"

#include "comm/memory.h"
#include "comm/world.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* ---- segments ---- */

/* Those of one parameter; out NULL: only their number. */
static size_t cut_parameter(const struct optimizer *o, size_t number, struct segment *out)
{
    const struct parameter *item = &o->parameters->items[number];
    size_t from = item->array.offset, to = from + item->floats, count = 0;
    for (size_t block = from / BLOCK_FLOATS; block * BLOCK_FLOATS < to; block++, count++) {
        if (!out)
            continue;
        struct segment *s = &out[count];
        s->start = most(from, block * BLOCK_FLOATS);
        s->count = least(to, (block + 1) * BLOCK_FLOATS) - s->start;
        s->owner = blocks_owner(&o->blocks, s->start, &s->own);
        s->parameter = number;
    }
    return count;
}

static size_t cut_all(struct optimizer *o, const bool *frozen, struct segment *out)
{
    size_t count = 0;
    for (size_t i = 0; i < o->parameters->count; i++)
        if (!frozen || !frozen[i])
            count += cut_parameter(o, i, out ? out + count : NULL);
    return count;
}

static enum status open_segments(struct optimizer *o, const bool *frozen)
{
    o->segment_count = cut_all(o, frozen, NULL);
    TRY(memory_new(&o->segments, "optimizer", o->segment_count, sizeof *o->segments));
    cut_all(o, frozen, o->segments);
    for (size_t i = 0; i < o->segment_count; i++)
        o->mine_count += o->segments[i].owner == o->rank;
    TRY(memory_new(&o->mine, "optimizer", o->mine_count, sizeof *o->mine));
    for (size_t i = 0, at = 0; i < o->segment_count; i++)
        if (o->segments[i].owner == o->rank)
            o->mine[at++] = o->segments[i];
    return STATUS_OK;
}

struct tile optimizer_tile(const struct optimizer *o, size_t i, float *values, const float *gradient)
{
    const struct segment *s = &o->mine[i];
    const struct parameter *item = &o->parameters->items[s->parameter];
    struct tile tile = {.count = s->count,
            .parameter = s->parameter,
            .first = s->start - item->array.offset,
            .values = values + s->start,
            .gradient = gradient + s->start,
            .decay = item->decays ? o->options->weight_decay : 0};
    for (int k = 0; k < OPTIMIZER_MOMENTS; k++)
        tile.moments[k] = o->moments[k] ? o->moments[k] + s->own : NULL;
    return tile;
}

/* ---- sums over parameters ---- */

static enum status open_sums(struct optimizer *o)
{
    size_t ranks = (size_t)o->blocks.ranks;
    TRY(memory_new(&o->partial, "optimizer", o->mine_count, sizeof *o->partial));
    TRY(memory_new(&o->gathered, "optimizer", o->segment_count, sizeof *o->gathered));
    TRY(memory_new(&o->sums, "optimizer", o->parameters->count, sizeof *o->sums));
    TRY(memory_new(&o->bytes, "optimizer", ranks, sizeof *o->bytes));
    TRY(memory_new(&o->cursor, "optimizer", ranks, sizeof *o->cursor));
    for (size_t i = 0; i < o->segment_count; i++)
        o->bytes[o->segments[i].owner] += sizeof *o->partial;
    return STATUS_OK;
}

enum status optimizer_sum(struct optimizer *o)
{
    size_t at = 0;
    if (o->blocks.ranks > 1)
        TRY(world_gather_parts(o->partial, o->gathered, o->bytes));
    else
        memcpy(o->gathered, o->partial, o->bytes[0]);
    for (int r = 0; r < o->blocks.ranks; r++) {
        o->cursor[r] = at;
        at += o->bytes[r] / sizeof *o->partial;
    }
    memset(o->sums, 0, o->parameters->count * sizeof *o->sums);
    for (size_t i = 0; i < o->segment_count; i++) {
        const double *part = o->gathered[o->cursor[o->segments[i].owner]++];
        for (int k = 0; k < OPTIMIZER_SUMS; k++)
            o->sums[o->segments[i].parameter][k] += part[k];
    }
    return STATUS_OK;
}

/* ---- the optimiser ---- */

/* The group of moments number k; NULL if there are none. */
static const char *moments_name(const struct optimizer *o, int k)
{
    return o->method->forgets && o->method->forgets(o->options) ? NULL : o->method->moments[k];
}

static enum status open_all(struct optimizer *o, const bool *frozen)
{
    size_t own = blocks_own_floats(&o->blocks, o->rank);
    TRY(open_segments(o, frozen));
    for (int k = 0; k < OPTIMIZER_MOMENTS; k++)
        if (moments_name(o, k))
            TRY(memory_new(&o->moments[k], "moments", own, sizeof(float)));
    if (o->method->needs_sums)
        TRY(open_sums(o));
    return o->method->open ? o->method->open(o) : STATUS_OK;
}

enum status optimizer_open(struct optimizer **out, const struct optimizer_options *options,
        const struct parameters *parameters, const struct blocks *blocks, int rank, const bool *frozen)
{
    struct optimizer *o;
    TRY(memory_new(&o, "optimizer", 1, sizeof *o));
    o->options = options;
    o->method = ((const struct optimizer_kind *)options->kind)->method;
    o->parameters = parameters;
    o->blocks = *blocks;
    o->rank = rank;
    enum status status = open_all(o, frozen);
    if (status != STATUS_OK)
        optimizer_close(o);
    else
        *out = o;
    return status;
}

void optimizer_close(struct optimizer *o)
{
    if (!o)
        return;
    if (o->method->close)
        o->method->close(o);
    for (int k = 0; k < OPTIMIZER_MOMENTS; k++)
        memory_free(o->moments[k]);
    memory_free(o->segments);
    memory_free(o->mine);
    memory_free(o->partial);
    memory_free(o->gathered);
    memory_free(o->sums);
    memory_free(o->bytes);
    memory_free(o->cursor);
    memory_free(o);
}

enum status optimizer_step(
        struct optimizer *o, const struct optimizer_step *step, float *values, const float *gradient)
{
    if (o->method->prepare)
        TRY(o->method->prepare(o, step, values, gradient));
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->mine_count; i++) {
        struct tile tile = optimizer_tile(o, i, values, gradient);
        o->method->update(o, step, &tile);
    }
    return STATUS_OK;
}

size_t optimizer_planes(struct optimizer *o, struct flat_plane out[OPTIMIZER_PLANES])
{
    size_t count = 0;
    for (int k = 0; k < OPTIMIZER_MOMENTS && moments_name(o, k); k++)
        out[count++] = (struct flat_plane){.group = moments_name(o, k),
                .values = o->moments[k],
                .description = "moment of the optimiser"};
    return o->method->planes ? o->method->planes(o, out) : count;
}
