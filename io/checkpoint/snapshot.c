#include "io/checkpoint/internal.h"

#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"

#include <stdlib.h>
#include <string.h>

enum { PARTS_TAG = 7001, ARENA_BYTES = 1 << 16 };

/* ---- a copy of what the caller gave ---- */

static void *copy(struct arena *arena, const void *from, size_t bytes)
{
    void *to = from ? arena_take(arena, bytes ? bytes : 1, 1) : NULL;
    if (to && bytes)
        memcpy(to, from, bytes);
    return to;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    return copy(arena, text, text ? strlen(text) + 1 : 0);
}

static void copy_field(struct arena *arena, struct field *field)
{
    field->name = copy_text(arena, field->name);
    field->description = copy_text(arena, field->description);
    if (field->type == FIELD_TEXT) {
        const char *text = copy_text(arena, *(char **)field->value);
        field->value = copy(arena, &text, sizeof text);
    } else if (field->type == FIELD_INTEGERS || field->type == FIELD_REALS) {
        struct field_row row = *(struct field_row *)field->value;
        row.integers = copy(arena, row.integers, row.count * sizeof *row.integers);
        field->value = copy(arena, &row, sizeof row);
    } else {
        field->value = copy(arena, field->value, sizeof(int64_t));
    }
}

/* NULL if there are none, or no room (the arena knows). */
static const struct flat_array *copy_arrays(struct arena *arena, const struct flat_array *from, size_t count)
{
    struct flat_array *to = copy(arena, from, count * sizeof *to);
    for (size_t i = 0; to && i < count; i++)
        to[i].description = copy_text(arena, to[i].description);
    return to;
}

static enum status copy_contents(struct save *save, const struct checkpoint_contents *from)
{
    struct checkpoint_contents *to = &save->contents;
    TRY(arena_open(&save->arena, "checkpoint", ARENA_BYTES));
    struct arena *arena = save->arena;
    *to = *from;
    struct flat_plane *planes = copy(arena, from->planes, from->plane_count * sizeof *planes);
    struct field *fields = copy(arena, from->fields, from->field_count * sizeof *fields);
    TRY(arena_status(arena));
    for (size_t i = 0; i < from->plane_count; i++) {
        planes[i].group = copy_text(arena, planes[i].group);
        planes[i].description = copy_text(arena, planes[i].description);
        planes[i].values = NULL;
        planes[i].arrays = copy_arrays(arena, planes[i].arrays, from->array_count);
    }
    for (size_t i = 0; i < from->field_count; i++)
        copy_field(arena, &fields[i]);
    to->arrays = copy_arrays(arena, from->arrays, from->array_count);
    to->planes = planes;
    to->fields = fields;
    to->config = copy_text(arena, from->config);
    for (int side = 0; side < SIDES; side++)
        to->vocabulary[side] = copy(arena, from->vocabulary[side], from->vocabulary_bytes[side]);
    return arena_status(arena);
}

/* ---- the values of this rank's units ---- */

/* What one rank's parts of other ranks' units come to; data goes in file order, so both ends know its layout. */
struct traffic {
    float *values;
    size_t floats, done;
    struct world_request *request;
};

struct gathering {
    struct save *save;
    const struct blocks *blocks;
    const struct checkpoint_contents *contents;
    int rank;                 /* whose; of blocks->ranks */
    struct traffic *out, *in; /* [ranks] */
    size_t gathered_floats;   /* of own units */
};

enum step {
    STEP_COUNT, /* how much goes where */
    STEP_COPY,  /* own parts into place, other ranks' into their messages */
    STEP_PLACE  /* what came into place */
};

static void handle_part(struct gathering *g, enum step step, const struct part *part, const float *own,
        int unit_owner, float *to)
{
    int rank = g->rank;
    if (part->owner == rank && unit_owner == rank) {
        if (step == STEP_COPY)
            memcpy(to, own + part->own, part->count * sizeof *to);
        return;
    }
    struct traffic *traffic = part->owner == rank ? &g->out[unit_owner] : &g->in[part->owner];
    if (step == STEP_COUNT)
        traffic->floats += part->count;
    else if (step == STEP_COPY && part->owner == rank)
        memcpy(traffic->values + traffic->done, own + part->own, part->count * sizeof *to);
    else if (step == STEP_PLACE && part->owner != rank)
        memcpy(to, traffic->values + traffic->done, part->count * sizeof *to);
    else
        return;
    traffic->done += part->count;
}

/* `to` (own units, when they are copied): where its values go. */
static void handle_unit(struct gathering *g, enum step step, const struct unit *unit, float *to)
{
    const struct flat_plane *plane = &g->contents->planes[unit->plane]; /* with its values */
    if (to && step == STEP_COPY)
        memset(to + unit->count, 0, (unit_floats(unit->shape) - unit->count) * sizeof *to);
    if (plane->flat) {
        if (to && step == STEP_COPY)
            memcpy(to, plane->values + unit->first, unit->count * sizeof *to);
        return;
    }
    int rank = g->rank, unit_owner = blocks_owner(g->blocks, unit->first, NULL);
    size_t position = unit->first;
    struct part part;
    while (part_next(g->blocks, &position, unit->first + unit->count, &part))
        if (part.owner == rank || unit_owner == rank)
            handle_part(
                    g, step, &part, plane->values, unit_owner, to ? to + (part.first - unit->first) : NULL);
}

/* Whether the values of an own unit lie in one piece as they go into the file: then *first is where, in those of its
 * plane. */
static bool in_place(const struct gathering *g, const struct unit *unit, size_t *first)
{
    struct part part;
    size_t position = unit->first, end = unit->first + unit->count;
    *first = unit->first;
    if (unit->count < unit_floats(unit->shape))
        return false; /* the last one of its array is filled up with zeros */
    if (g->contents->planes[unit->plane].flat)
        return true;
    (void)blocks_owner(g->blocks, unit->first, first);
    while (part_next(g->blocks, &position, end, &part))
        if (part.owner != g->rank || part.own - *first != part.first - unit->first)
            return false;
    return true;
}

static void handle_own_unit(
        struct gathering *g, enum step step, const struct unit *unit, struct own_unit *mine)
{
    size_t first;
    bool stays = in_place(g, unit, &first);
    float *to = stays || step == STEP_COUNT ? NULL : g->save->gathered + g->gathered_floats;
    if (step != STEP_COUNT)
        *mine = (struct own_unit){.unit = *unit,
                .values = stays ? g->contents->planes[unit->plane].values + first : to,
                .in_place = stays,
                .place = g->save->place_floats};
    if (!stays)
        handle_unit(g, step, unit, to);
    *(stays ? &g->save->place_floats : &g->gathered_floats) += unit_floats(unit->shape);
}

/* Walks all units; counts and marks this rank's. */
static void walk(struct gathering *g, enum step step)
{
    const struct checkpoint_contents *contents = &g->save->contents;
    struct unit_walk units =
            units_start(contents->arrays, contents->array_count, contents->planes, contents->plane_count);
    struct unit unit;
    size_t own = 0;
    g->gathered_floats = g->save->place_floats = 0;
    for (int r = 0; r < g->blocks->ranks; r++)
        g->out[r].done = g->in[r].done = 0;
    while (units_next(&units, &unit)) {
        bool is_own = blocks_owner(g->blocks, unit.first, NULL) == g->rank;
        if (is_own)
            handle_own_unit(g, step, &unit, step == STEP_COUNT ? NULL : &g->save->units[own]);
        else
            handle_unit(g, step, &unit, NULL);
        own += is_own;
    }
    g->save->unit_count = own;
}

/* Values are written once, by walk(): clearing them all first would lengthen the pause. */
static enum status allocate(struct gathering *g)
{
    TRY(memory_new(&g->save->units, "checkpoint", g->save->unit_count, sizeof *g->save->units));
    TRY(memory_take(&g->save->gathered, "checkpoint", g->gathered_floats, sizeof(float)));
    for (int r = 0; r < world()->size; r++) {
        if (g->out[r].floats)
            TRY(memory_take(&g->out[r].values, "checkpoint", g->out[r].floats, sizeof(float)));
        if (g->in[r].floats)
            TRY(memory_take(&g->in[r].values, "checkpoint", g->in[r].floats, sizeof(float)));
    }
    return STATUS_OK;
}

/* All sends are under way before the first receive waits. */
static void exchange_parts(struct gathering *g)
{
    enum status status = STATUS_OK;
    int size = world()->size;
    for (int r = 0; r < size && status == STATUS_OK; r++)
        if (g->out[r].floats)
            status = world_send_start(
                    &g->out[r].request, g->out[r].values, g->out[r].floats * sizeof(float), r, PARTS_TAG);
    for (int r = 0; r < size && status == STATUS_OK; r++)
        if (g->in[r].floats)
            status = world_receive(g->in[r].values, g->in[r].floats * sizeof(float), r, PARTS_TAG);
    if (status != STATUS_OK) {
        /* Others wait for what will not come. */
        log_rank(LOG_ERROR, "cannot gather the checkpoint: %s", status_message());
        world_abort(status);
    }
    for (int r = 0; r < size; r++)
        while (!world_send_done(&g->out[r].request))
            ;
}

/* What is copied, sent and received. */
static enum status count(struct gathering *g)
{
    size_t size = (size_t)g->blocks->ranks;
    TRY(memory_new(&g->out, "checkpoint", size, sizeof *g->out));
    TRY(memory_new(&g->in, "checkpoint", size, sizeof *g->in));
    walk(g, STEP_COUNT);
    return STATUS_OK;
}

static enum status gather_units(struct gathering *g)
{
    enum status status = count(g);
    if (status == STATUS_OK)
        status = allocate(g);
    TRY(status_agree(status));
    walk(g, STEP_COPY);
    exchange_parts(g);
    walk(g, STEP_PLACE);
    return STATUS_OK;
}

enum status snapshot_take(
        struct save *save, const struct blocks *blocks, const struct checkpoint_contents *contents)
{
    struct gathering g = {.save = save, .blocks = blocks, .contents = contents, .rank = world()->rank};
    enum status status = status_agree(copy_contents(save, contents));
    if (status == STATUS_OK)
        status = gather_units(&g);
    for (int r = 0; r < world()->size; r++) {
        if (g.out)
            memory_free(g.out[r].values);
        if (g.in)
            memory_free(g.in[r].values);
    }
    memory_free(g.out);
    memory_free(g.in);
    return status;
}

enum status checkpoint_held_bytes(
        size_t *out, const struct blocks *blocks, int rank, const struct checkpoint_contents *contents)
{
    struct save save = {.contents = *contents};
    struct gathering g = {.save = &save, .blocks = blocks, .contents = contents, .rank = rank};
    enum status status = count(&g);
    size_t floats = g.gathered_floats + save.place_floats;
    for (int r = 0; status == STATUS_OK && r < blocks->ranks; r++)
        floats += g.out[r].floats + g.in[r].floats;
    *out = floats * sizeof(float); /* what is packed and waits to be written is not copied any more */
    memory_free(g.out);
    memory_free(g.in);
    return status;
}

void snapshot_release(struct save *save)
{
    memory_free(save->units);
    memory_free(save->gathered);
    memory_free(save->settled);
    save->units = NULL;
    save->gathered = save->settled = NULL;
    if (save->arena)
        arena_close(save->arena);
    save->arena = NULL;
}
