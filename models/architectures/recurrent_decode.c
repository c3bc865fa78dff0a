/* Cached decoding: what each row of a search goes on from is its state, what is fed, and where its source lies. */
#include "models/architectures/recurrent.h"

#include <string.h>

/* Floats of every row, in one of two places. */
struct plane {
    size_t columns;
    float *now, *next; /* [room, columns] */
};

struct decoding {
    struct model *model;
    struct plane *planes; /* [plane_count]: states; what is fed; weights so far, if it covers */
    size_t plane_count;
    size_t rows, room, step;
    int32_t *first, *count; /* [rows] rows of the memory of each */
    float *memory, *keys;   /* [memory_rows, ...], if it attends */
    size_t memory_rows, memory_columns;
};

static size_t layers_of(const struct model *model)
{
    return recurrent_layout(model)->decoder.layers;
}

/* ---- start ---- */

static enum status make_room(struct decoding *d, size_t rows)
{
    for (size_t p = 0; p < d->plane_count && rows > d->room; p++) {
        struct plane *plane = &d->planes[p];
        float *now = plane->now;
        plane->now = arena_take_zeroed(d->model->decode, rows * plane->columns, sizeof(float));
        plane->next = arena_take_zeroed(d->model->decode, rows * plane->columns, sizeof(float));
        TRY(arena_status(d->model->decode));
        if (now)
            memcpy(plane->now, now, d->rows * plane->columns * sizeof *now);
    }
    d->room = rows > d->room ? rows : d->room;
    return STATUS_OK;
}

static void keep_tensor(struct plane *plane, const struct tensor *tensor)
{
    if (tensor)
        memcpy(plane->now, tensor->value, tensor->rows * tensor->columns * sizeof(float));
}

static float *copy_of(struct arena *arena, const struct tensor *tensor)
{
    float *copy = arena_take(arena, tensor->rows * tensor->columns, sizeof *copy);
    if (copy)
        memcpy(copy, tensor->value, tensor->rows * tensor->columns * sizeof *copy);
    return copy;
}

/* The encoder's rows are made on the step arena; what the decoder needs of them is kept. */
static enum status encode(struct decoding *d, const struct sentences *source)
{
    struct model *model = d->model;
    struct recurrent_source encoded;
    arena_clear(model->step);
    struct tape *tape =
            tape_start(model->step, &model->parameters, &(struct tape_options){.packing = &model->packing});
    if (!tape)
        return arena_status(model->step);
    if (!recurrent_encode(model, tape, source, &encoded))
        return tape_status(tape);
    for (size_t i = 0; i < layers_of(model); i++)
        keep_tensor(&d->planes[i], encoded.starts[i]);
    keep_tensor(&d->planes[layers_of(model)], encoded.fed);
    for (size_t s = 0; s < source->count; s++) {
        d->first[s] = encoded.rows.offsets[s];
        d->count[s] = encoded.rows.offsets[s + 1] - d->first[s];
    }
    if (!recurrent_attention(model)->attends)
        return STATUS_OK;
    d->memory_rows = encoded.rows.tokens;
    d->memory_columns = encoded.memory->columns;
    d->memory = copy_of(model->decode, encoded.memory);
    d->keys = encoded.keys == encoded.memory ? d->memory : copy_of(model->decode, encoded.keys);
    return arena_status(model->decode);
}

enum status recurrent_decode_start(struct model *model, const struct sentences *source, void **state)
{
    TRY(model_start_decoding(model));
    const size_t width = (size_t)model->options.width, layers = layers_of(model);
    struct decoding *d = arena_take_zeroed(model->decode, 1, sizeof *d);
    const size_t plane_count = layers + 1 + recurrent_covers(model);
    struct plane *planes = arena_take_zeroed(model->decode, plane_count, sizeof *planes);
    int32_t *first = arena_take(model->decode, source->count, sizeof *first);
    int32_t *count = arena_take(model->decode, source->count, sizeof *count);
    TRY(arena_status(model->decode));
    *d = (struct decoding){.model = model,
            .planes = planes,
            .plane_count = plane_count,
            .rows = source->count,
            .first = first,
            .count = count};
    for (size_t i = 0; i < layers; i++)
        planes[i].columns = model_cell(model)->states * width;
    planes[layers].columns = recurrent_repeats(model) ? model_cell(model)->gates * width : width;
    if (recurrent_covers(model)) {
        const struct grid grid = image_grid(model);
        planes[layers + 1].columns =
                model->options.source.kind == SOURCE_IMAGES ? grid.height * grid.width : source->longest;
    }
    TRY(make_room(d, source->count));
    *state = d;
    return encode(d, source);
}

/* ---- a step ---- */

static struct tensor *plane_tensor(struct decoding *d, struct tape *tape, size_t plane)
{
    return tape_input(tape, d->rows, d->planes[plane].columns, d->planes[plane].now, false);
}

/* h, and c beside it. */
static void keep_state(struct decoding *d, size_t layer, const struct tensor *h, const struct tensor *c)
{
    struct plane *plane = &d->planes[layer];
    for (size_t r = 0; r < d->rows; r++) {
        float *row = plane->now + r * plane->columns;
        memcpy(row, h->value + r * h->columns, h->columns * sizeof *row);
        if (c)
            memcpy(row + h->columns, c->value + r * c->columns, c->columns * sizeof *row);
    }
}

/* Adds the weights of each row, which lie one after the other; NULL: nobody asked. */
static void tell(const struct decoding *d, const struct tensor *told, const struct step_attention *attention)
{
    const float *weights = told ? told->value : NULL;
    for (size_t r = 0; weights && r < d->rows; r++)
        for (int32_t j = 0; j < d->count[r]; j++)
            attention->rows[r][j] += attention->weight * *weights++;
}

static struct recurrent_reach reach_of(struct decoding *d, struct tape *tape, struct tensor **told)
{
    struct recurrent_reach reach = {.pairs = d->rows, .key_first = d->first, .key_count = d->count};
    reach.memory = tape_input(tape, d->memory_rows, d->memory_columns, d->memory, false);
    reach.keys = reach.memory;
    if (d->keys != d->memory)
        reach.keys = tape_input(tape, d->memory_rows, (size_t)d->model->options.width, d->keys, false);
    int32_t *positions = arena_take(tape_arena(tape), d->rows, sizeof *positions);
    for (size_t r = 0; positions && r < d->rows; r++)
        positions[r] = (int32_t)d->step;
    reach.positions = positions;
    reach.told = told;
    return reach;
}

/* The weights so far, one row's after the other's. */
static struct tensor *covered_tensor(struct decoding *d, struct tape *tape)
{
    const struct plane *plane = &d->planes[layers_of(d->model) + 1];
    size_t count = 0;
    float *values = arena_take(tape_arena(tape), d->rows * plane->columns, sizeof *values);
    for (size_t r = 0; values && r < d->rows; count += (size_t)d->count[r++])
        memcpy(values + count, plane->now + r * plane->columns, (size_t)d->count[r] * sizeof *values);
    return values ? tape_input(tape, 1, count, values, false) : NULL;
}

static void keep_covered(struct decoding *d, const struct tensor *covered)
{
    struct plane *plane = &d->planes[layers_of(d->model) + 1];
    const float *values = covered->value;
    for (size_t r = 0; r < d->rows; values += d->count[r++])
        memcpy(plane->now + r * plane->columns, values, (size_t)d->count[r] * sizeof *values);
}

/* Attention that feeds. */
static struct tensor *step_feeding(
        struct decoding *d, struct tape *tape, struct tensor *x, const struct step_attention *attention)
{
    const size_t layers = layers_of(d->model);
    struct tensor *told = NULL;
    struct recurrent_reach reach = reach_of(d, tape, attention ? &told : NULL);
    struct tensor **starts = arena_take(tape_arena(tape), layers, sizeof(struct tensor *));
    struct recurrent_stepper stepper;
    for (size_t i = 0; starts && i < layers; i++)
        starts[i] = plane_tensor(d, tape, i);
    if (!x || !starts || !recurrent_steps_start(&stepper, d->model, tape, &reach, d->rows, x, starts))
        return NULL;
    stepper.hidden = plane_tensor(d, tape, layers);
    stepper.step = d->step;
    if (recurrent_covers(d->model))
        stepper.reach.covered = covered_tensor(d, tape);
    if (!recurrent_step(&stepper, d->rows, 0))
        return NULL;
    for (size_t i = 0; i < layers; i++)
        keep_state(d, i, stepper.h[i], stepper.c[i]);
    tell(d, told, attention);
    if (recurrent_covers(d->model))
        keep_covered(d, stepper.reach.covered);
    if (recurrent_attention(d->model)->before)
        return recurrent_deep_output(d->model, tape, stepper.s, stepper.context, x);
    keep_tensor(&d->planes[layers], stepper.hidden);
    return stepper.hidden;
}

/* The layers over sentences of one token each. */
static struct tensor *step_whole(struct decoding *d, struct tape *tape, struct tensor *x)
{
    const size_t layers = layers_of(d->model);
    struct tensor **starts = arena_take(tape_arena(tape), layers, sizeof(struct tensor *));
    struct tensor **ends = arena_take_zeroed(tape_arena(tape), layers, sizeof(struct tensor *));
    int32_t *offsets = arena_take(tape_arena(tape), d->rows + 1, sizeof *offsets);
    if (!x || !starts || !ends || !offsets)
        return NULL;
    for (size_t r = 0; r <= d->rows; r++)
        offsets[r] = (int32_t)r;
    for (size_t i = 0; i < layers; i++)
        starts[i] = plane_tensor(d, tape, i);
    struct stack_run run = {.sentences = d->rows, .offsets = offsets, .starts = starts, .ends = ends};
    if (recurrent_repeats(d->model))
        run.context = plane_tensor(d, tape, layers);
    struct tensor *s = stack_apply(d->model, tape, &recurrent_layout(d->model)->decoder, x, &run);
    for (size_t i = 0; s && i < layers; i++)
        keep_tensor(&d->planes[i], ends[i]);
    return s;
}

static struct tensor *look_back(
        struct decoding *d, struct tape *tape, struct tensor *s, const struct step_attention *attention)
{
    struct tensor *told = NULL;
    struct recurrent_reach reach = reach_of(d, tape, attention ? &told : NULL);
    if (!s || tape_status(tape) != STATUS_OK)
        return NULL;
    struct tensor *hidden = recurrent_look_back(d->model, tape, s, &reach);
    if (hidden)
        tell(d, told, attention);
    return hidden;
}

enum status recurrent_decode_step(void *state, struct tape *tape, const int32_t *ids,
        const struct step_attention *attention, struct prediction *prediction)
{
    struct decoding *d = state;
    const struct recurrent_layout *r = recurrent_layout(d->model);
    struct tensor *x = embedding_apply(d->model, tape, &r->target, ids, NULL, d->rows), *hidden;
    if (recurrent_feeds(d->model))
        hidden = step_feeding(d, tape, x, attention);
    else {
        hidden = step_whole(d, tape, x);
        if (recurrent_attention(d->model)->attends)
            hidden = look_back(d, tape, hidden, attention);
    }
    d->step++;
    *prediction = output_apply(d->model, tape, &r->output, hidden);
    return tape_status(tape);
}

enum status recurrent_decode_keep(void *state, const int32_t *parents, size_t rows)
{
    struct decoding *d = state;
    TRY(make_room(d, rows));
    int32_t *first = arena_take(d->model->decode, rows, sizeof *first);
    int32_t *count = arena_take(d->model->decode, rows, sizeof *count);
    TRY(arena_status(d->model->decode));
    for (size_t p = 0; p < d->plane_count; p++) {
        struct plane *plane = &d->planes[p];
        for (size_t r = 0; r < rows; r++)
            memcpy(plane->next + r * plane->columns, plane->now + (size_t)parents[r] * plane->columns,
                    plane->columns * sizeof(float));
        float *now = plane->now;
        plane->now = plane->next;
        plane->next = now;
    }
    for (size_t r = 0; r < rows; r++) {
        first[r] = d->first[parents[r]];
        count[r] = d->count[parents[r]];
    }
    d->first = first;
    d->count = count;
    d->rows = rows;
    return STATUS_OK;
}
