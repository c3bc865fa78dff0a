#include "models/architectures/recurrent.h"

#include <string.h>

/* Weights that every step uses. */
struct step_weights {
    struct stepwise *query, *fed, *combine, *centre, *centre_score; /* NULL where there is none */
    struct stepwise **input, **hidden; /* [layers]; input: from the second layer on */
};

static struct stepwise *use(struct tape *tape, size_t weight, size_t rows)
{
    return stepwise_start(tape, tape_parameter(tape, weight), NULL, rows);
}

static struct stepwise *use_layer(struct tape *tape, const struct linear_layer *layer, size_t rows)
{
    return stepwise_start(tape, tape_parameter(tape, layer->weight), tape_parameter(tape, layer->bias), rows);
}

static struct step_weights *weights_start(const struct model *model, struct tape *tape, size_t rows)
{
    const struct recurrent_layout *r = recurrent_layout(model);
    const struct attention_kind *kind = recurrent_attention(model);
    const size_t layers = r->decoder.layers;
    struct step_weights *w = arena_take_zeroed(tape_arena(tape), 1, sizeof *w);
    struct stepwise **of_layers = arena_take_zeroed(tape_arena(tape), 2 * layers, sizeof(struct stepwise *));
    if (!w || !of_layers)
        return NULL;
    w->input = of_layers;
    w->hidden = of_layers + layers;
    w->query = kind->query ? use(tape, r->query, rows) : NULL;
    w->centre = kind->predicted ? use(tape, r->centre, rows) : NULL;
    w->centre_score = kind->predicted ? use(tape, r->centre_score, rows) : NULL;
    w->fed = use(tape, r->fed, rows);
    for (size_t i = 0; i < layers; i++) {
        const struct cell_layer *layer = &r->decoder.items[i].ways[FORWARDS];
        w->input[i] = i > 0 ? use_layer(tape, &layer->input, rows) : NULL;
        w->hidden[i] = use_layer(tape, &layer->hidden, rows);
    }
    w->combine = kind->before ? NULL : use_layer(tape, &r->combine, rows);
    return w;
}

static struct tensor *zeros(struct tape *tape, size_t rows, size_t columns)
{
    float *values = arena_take_zeroed(tape_arena(tape), rows * columns, sizeof *values);
    return values ? tape_input(tape, rows, columns, values, false) : NULL;
}

/* h and c out of states side by side. */
static void take_state(struct recurrent_stepper *s, size_t layer, struct tensor *start)
{
    const size_t width = (size_t)s->model->options.width, rows = s->reach.pairs;
    const bool two = model_cell(s->model)->states > 1;
    s->h[layer] = start ? op_part(s->tape, start, 0, width) : zeros(s->tape, rows, width);
    if (two)
        s->c[layer] = start ? op_part(s->tape, start, width, width) : zeros(s->tape, rows, width);
}

bool recurrent_steps_start(struct recurrent_stepper *out, const struct model *model, struct tape *tape,
        const struct recurrent_reach *reach, struct tensor *embedded, struct tensor *const *starts)
{
    const struct recurrent_layout *r = recurrent_layout(model);
    const size_t layers = r->decoder.layers;
    *out = (struct recurrent_stepper){.model = model, .tape = tape, .reach = *reach};
    struct tensor **state = arena_take_zeroed(tape_arena(tape), 2 * layers, sizeof(struct tensor *));
    if (!state || tape_status(tape) != STATUS_OK)
        return false;
    out->h = state;
    out->c = state + layers;
    out->products = linear_apply(
            tape, &r->decoder.items[0].ways[FORWARDS].input, embedded, NULL, (struct dropout){0});
    out->weights = weights_start(model, tape, embedded->rows);
    for (size_t i = 0; i < layers; i++)
        take_state(out, i, starts[i]);
    out->hidden = zeros(tape, reach->pairs, (size_t)model->options.width);
    return tape_status(tape) == STATUS_OK;
}

/* Where local attention looks: at the step's own place, or where the state tells. */
static void find_place(struct recurrent_stepper *s, struct tensor *state, size_t rows)
{
    const struct attention_kind *kind = recurrent_attention(s->model);
    const struct row_range none = {0};
    if (kind->predicted) {
        struct tensor *inner = op_tanh(s->tape, op_stepwise(s->tape, s->weights->centre, state, rows, none));
        s->reach.centre =
                op_sigmoid(s->tape, op_stepwise(s->tape, s->weights->centre_score, inner, rows, none));
    } else if (kind->local) {
        int32_t *positions = arena_take(tape_arena(s->tape), rows, sizeof *positions);
        for (size_t i = 0; positions && i < rows; i++)
            positions[i] = (int32_t)s->step;
        s->reach.positions = positions;
    }
}

/* The context of the first `rows` pairs, for a state of at least as many rows. */
static struct tensor *attend(struct recurrent_stepper *s, struct tensor *state, size_t rows)
{
    struct tensor *query = state;
    s->reach.pairs = rows;
    find_place(s, state, rows);
    if (s->weights->query)
        query = op_stepwise(s->tape, s->weights->query, query, rows, (struct row_range){0});
    return tape_status(s->tape) == STATUS_OK ? recurrent_attend(s->model, s->tape, query, &s->reach) : NULL;
}

/* The layers; x: input products of the first. */
static struct tensor *run_layers(struct recurrent_stepper *s, struct tensor *x, size_t rows)
{
    const struct recurrent_layout *r = recurrent_layout(s->model);
    const struct row_range none = {0};
    struct tensor *y = NULL;
    for (size_t i = 0; i < r->decoder.layers && tape_status(s->tape) == STATUS_OK; i++) {
        if (i > 0)
            x = op_stepwise(s->tape, s->weights->input[i], y, rows, none);
        struct tensor *z = op_stepwise(s->tape, s->weights->hidden[i], s->h[i], rows, none);
        s->h[i] = op_cell(s->tape, model_cell(s->model), x, z, s->h[i], s->c[i], &s->c[i]);
        y = recurrent_finish(s->model, s->tape, &r->decoder, i, y, s->h[i]);
    }
    return y;
}

bool recurrent_step(struct recurrent_stepper *s, size_t rows, size_t first)
{
    const bool before = recurrent_attention(s->model)->before;
    if (before)
        s->context = attend(s, s->h[recurrent_layout(s->model)->decoder.layers - 1], rows);
    struct tensor *x = op_stepwise(s->tape, s->weights->fed, before ? s->context : s->hidden, rows,
            (struct row_range){s->products, first});
    s->s = run_layers(s, x, rows);
    if (!before) {
        s->context = attend(s, s->s, rows);
        struct tensor *both = op_beside(s->tape, (struct tensor *[]){s->context, s->s}, 2);
        s->hidden = op_tanh(
                s->tape, op_stepwise(s->tape, s->weights->combine, both, rows, (struct row_range){0}));
    }
    s->step++;
    return tape_status(s->tape) == STATUS_OK;
}

struct tensor *recurrent_deep_output(const struct model *model, struct tape *tape, struct tensor *s,
        struct tensor *context, struct tensor *embedded)
{
    struct tensor *parts[] = {s, context, embedded};
    struct tensor *all = op_beside(tape, parts, 3);
    return op_tanh(
            tape, linear_apply(tape, &recurrent_layout(model)->combine, all, NULL, (struct dropout){0}));
}

/* ---- teacher forcing ---- */

/* Target sentences in step order. */
struct order {
    struct steps steps;
    int32_t *ids;                   /* [tokens] decoder input in step order */
    int32_t *place;                 /* [tokens] in packed order: row in step order */
    int32_t *tokens;                /* [tokens] in step order: row in packed order */
    int32_t *key_first, *key_count; /* [sentences] */
    struct tensor **s, **context;   /* [steps] */
};

static bool order_make(struct order *o, struct tape *tape, const struct sentences sides[SIDES], int32_t start)
{
    const struct sentences *source = &sides[SOURCE], *target = &sides[TARGET];
    struct arena *arena = tape_arena(tape);
    const int32_t *ids = shifted_ids(tape, target, start);
    o->steps = steps_make(tape, target->offsets, target->count);
    o->ids = arena_take(arena, target->tokens, sizeof *o->ids);
    o->place = arena_take(arena, target->tokens, sizeof *o->place);
    o->tokens = arena_take(arena, target->tokens, sizeof *o->tokens);
    o->key_first = arena_take(arena, target->count, sizeof *o->key_first);
    o->key_count = arena_take(arena, target->count, sizeof *o->key_count);
    o->s = arena_take_zeroed(arena, o->steps.count, sizeof *o->s);
    o->context = arena_take_zeroed(arena, o->steps.count, sizeof *o->context);
    if (tape_status(tape) != STATUS_OK)
        return false;
    for (size_t i = 0; i < target->count; i++) {
        size_t sentence = (size_t)o->steps.order[i];
        o->key_first[i] = source->offsets[sentence];
        o->key_count[i] = source->offsets[sentence + 1] - source->offsets[sentence];
        for (int32_t t = target->offsets[sentence], step = 0; t < target->offsets[sentence + 1];
                t++, step++) {
            o->place[t] = o->steps.first[step] + (int32_t)i;
            o->tokens[o->place[t]] = t;
            o->ids[o->place[t]] = ids[t];
        }
    }
    return true;
}

/* States of sentences in step order. */
static struct tensor **sort_starts(
        const struct model *model, struct tape *tape, const struct steps *steps, struct tensor *const *starts)
{
    const size_t layers = recurrent_layout(model)->decoder.layers;
    struct tensor **sorted = arena_take_zeroed(tape_arena(tape), layers, sizeof(struct tensor *));
    for (size_t i = 0; sorted && i < layers; i++)
        sorted[i] = starts[i] ? op_rows(tape, starts[i], steps->order, steps->sentences) : NULL;
    return sorted;
}

struct tensor *recurrent_by_steps(struct model *model, struct tape *tape,
        const struct recurrent_source *source, const struct sentences sides[SIDES], const struct guide *guide)
{
    const bool before = recurrent_attention(model)->before;
    struct order o;
    struct recurrent_stepper stepper;
    if (!order_make(&o, tape, sides, model_start_id(model)))
        return NULL;
    struct tensor *x =
            embedding_apply(model, tape, &recurrent_layout(model)->target, o.ids, NULL, sides[TARGET].tokens);
    struct tensor **starts = sort_starts(model, tape, &o.steps, source->starts);
    const struct recurrent_reach reach = {.memory = source->memory,
            .keys = source->keys,
            .pairs = o.steps.sentences,
            .key_first = o.key_first,
            .key_count = o.key_count,
            .guide = guide};
    bool good = starts && recurrent_steps_start(&stepper, model, tape, &reach, x, starts);
    for (size_t t = 0; good && t < o.steps.count; t++) {
        stepper.reach.tokens = o.tokens + o.steps.first[t];
        good = recurrent_step(&stepper, steps_active(&o.steps, t), (size_t)o.steps.first[t]);
        o.s[t] = before ? stepper.s : stepper.hidden;
        o.context[t] = stepper.context;
    }
    if (!good)
        return NULL;
    struct tensor *hidden = op_join(tape, o.s, o.steps.count);
    if (before)
        hidden = recurrent_deep_output(model, tape, hidden, op_join(tape, o.context, o.steps.count), x);
    return op_rows(tape, hidden, o.place, sides[TARGET].tokens);
}
