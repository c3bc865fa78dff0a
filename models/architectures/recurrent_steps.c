#include "models/architectures/recurrent.h"

#include <string.h>

/* Weights that every step uses. */
struct step_weights {
    struct stepwise *query, *fed, *combine, *centre, *centre_score; /* NULL where there is none */
    struct stepwise **input, **hidden; /* [layers]; input of the first: where E comes step by step */
};

static struct stepwise *use(struct tape *tape, size_t weight, size_t rows)
{
    return stepwise_start(tape, tape_parameter(tape, weight), NULL, rows);
}

static struct stepwise *use_layer(struct tape *tape, const struct linear_layer *layer, size_t rows)
{
    return stepwise_start(tape, tape_parameter(tape, layer->weight), tape_parameter(tape, layer->bias), rows);
}

/* at_once: what only E goes into is not made step by step. */
static struct step_weights *weights_start(
        const struct model *model, struct tape *tape, size_t rows, bool at_once)
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
    w->fed = recurrent_feeds(model) ? use(tape, r->fed, rows) : NULL;
    for (size_t i = 0; i < layers; i++) {
        const struct cell_layer *layer = &r->decoder.items[i].ways[FORWARDS];
        w->input[i] = i > 0 || !at_once ? use_layer(tape, &layer->input, rows) : NULL;
        w->hidden[i] = use_layer(tape, &layer->hidden, rows);
    }
    w->combine = kind->attends && !(kind->before && at_once) ? use_layer(tape, &r->combine, rows) : NULL;
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
        const struct recurrent_reach *reach, size_t rows, struct tensor *embedded,
        struct tensor *const *starts)
{
    const struct recurrent_layout *r = recurrent_layout(model);
    const size_t layers = r->decoder.layers;
    *out = (struct recurrent_stepper){.model = model, .tape = tape, .reach = *reach};
    if (recurrent_covers(model) && !out->reach.told)
        out->reach.told = &out->told;
    struct tensor **state = arena_take_zeroed(tape_arena(tape), 2 * layers, sizeof(struct tensor *));
    if (!state || tape_status(tape) != STATUS_OK)
        return false;
    out->h = state;
    out->c = state + layers;
    if (embedded)
        out->products = linear_apply(
                tape, &r->decoder.items[0].ways[FORWARDS].input, embedded, NULL, (struct dropout){0});
    out->weights = weights_start(model, tape, rows, embedded);
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

/* Adds the weights of the step to those so far, of which the first are of the same pairs. */
static void cover(struct recurrent_stepper *s)
{
    struct tensor *told = *s->reach.told, *before = s->reach.covered;
    if (tape_status(s->tape) != STATUS_OK)
        return;
    if (before)
        told = op_sum(s->tape, op_part(s->tape, before, 0, told->columns), told, (struct dropout){0});
    s->reach.covered = told;
}

/* The context of the first `rows` pairs, for a state of at least as many rows. */
static struct tensor *attend(struct recurrent_stepper *s, struct tensor *state, size_t rows)
{
    struct tensor *query = state;
    s->reach.pairs = rows;
    find_place(s, state, rows);
    if (s->weights->query)
        query = op_stepwise(s->tape, s->weights->query, query, rows, (struct row_range){0});
    if (tape_status(s->tape) != STATUS_OK)
        return NULL;
    struct tensor *context = recurrent_attend(s->model, s->tape, query, &s->reach);
    if (recurrent_covers(s->model))
        cover(s);
    return context;
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

/* What goes into the cells of the first layer. */
static struct tensor *first_input(struct recurrent_stepper *s, size_t rows, size_t first)
{
    const bool before = recurrent_attention(s->model)->before;
    if (s->weights->fed)
        return op_stepwise(s->tape, s->weights->fed, before ? s->context : s->hidden, rows,
                (struct row_range){s->products, first});
    if (!s->repeated)
        return s->products;
    return op_sum(s->tape, op_rows(s->tape, s->repeated, s->order, rows), s->products, (struct dropout){0});
}

/* Attention after the cells, or its rows put together with what went into them; without attention the output as it is. */
static struct tensor *last_output(struct recurrent_stepper *s, size_t rows)
{
    const struct attention_kind *kind = recurrent_attention(s->model);
    if (!kind->attends)
        return s->s;
    if (!kind->before)
        s->context = attend(s, s->s, rows);
    if (!s->weights->combine)
        return NULL;
    struct tensor *before[] = {s->s, s->context, s->embedded}, *after[] = {s->context, s->s};
    struct tensor *all = kind->before ? op_beside(s->tape, before, 3) : op_beside(s->tape, after, 2);
    return op_tanh(s->tape, op_stepwise(s->tape, s->weights->combine, all, rows, (struct row_range){0}));
}

bool recurrent_step(struct recurrent_stepper *s, size_t rows, size_t first)
{
    if (recurrent_attention(s->model)->before)
        s->context = attend(s, s->h[recurrent_layout(s->model)->decoder.layers - 1], rows);
    s->s = run_layers(s, first_input(s, rows, first), rows);
    s->hidden = last_output(s, rows);
    s->step++;
    return tape_status(s->tape) == STATUS_OK;
}

bool recurrent_step_embedded(struct recurrent_stepper *s, struct tensor *embedded)
{
    if (tape_status(s->tape) != STATUS_OK)
        return false;
    s->embedded = embedded;
    s->products = op_stepwise(s->tape, s->weights->input[0], embedded, embedded->rows, (struct row_range){0});
    return tape_status(s->tape) == STATUS_OK && recurrent_step(s, embedded->rows, 0);
}

struct tensor *recurrent_deep_output(const struct model *model, struct tape *tape, struct tensor *s,
        struct tensor *context, struct tensor *embedded)
{
    struct tensor *parts[] = {s, context, embedded};
    struct tensor *all = op_beside(tape, parts, 3);
    return op_tanh(
            tape, linear_apply(tape, &recurrent_layout(model)->combine, all, NULL, (struct dropout){0}));
}
