#include "models/recurrent.h"
#include "models/ops/kernels.h"
#include "models/profile.h"

#include <string.h>

/*
 * Steps from the first to the last: z = H Uᵀ of the sentences that still go on, one product; then the cell, row by row.
 * H and the other states lie in order of length, so that those that go on come first.
 *
 * Backward from the last step to the first: dz by the cell, dH += dz U; then dU = dZᵀ H_before over all steps at once.
 */
struct recurrent {
    struct recurrence shape;
    struct steps steps;
    float *gates; /* [n, G·d] */
    float *kept;  /* [n, kept·d] */
};

/* Sentences of one task. */
enum { TILE_SENTENCES = 16 };

/* Row of the token that sentence `sorted` has at step t. */
static size_t token_row(const struct recurrent *r, size_t sorted, size_t t)
{
    const int32_t *ends = r->shape.offsets + r->steps.order[sorted];
    return r->shape.reversed ? (size_t)ends[1] - 1 - t : (size_t)ends[0] + t;
}

/* How far the row of the step before is, as an index. */
static size_t row_before(const struct recurrent *r, size_t row)
{
    return r->shape.reversed ? row + 1 : row - 1;
}

/* Rows of `from` [B, columns], which are sentences, in order of length; back with `into_sorted` false. */
static void sort_rows(
        const struct steps *steps, const float *from, size_t columns, bool into_sorted, float *to)
{
    for (size_t s = 0; s < steps->sentences; s++) {
        size_t sentence = (size_t)steps->order[s];
        memcpy(to + (into_sorted ? s : sentence) * columns, from + (into_sorted ? sentence : s) * columns,
                columns * sizeof *to);
    }
}

/* ---- forward ---- */

struct forward {
    const struct recurrent *recurrent;
    const struct tensor *x;
    const float *bias;
    struct tensor *y;
    float *state; /* [B, S·d] */
    float *z;     /* [B, G·d] */
    bool keeps;   /* for backward; else z and `kept` [B, kept·d] are written over */
    float *kept;
};

static void run_row(const struct forward *f, size_t s, size_t t)
{
    const struct recurrent *r = f->recurrent;
    const struct cell_kind *cell = r->shape.cell;
    const size_t d = f->y->columns, gates = cell->gates * d, row = token_row(r, s, t);
    float *h = f->state + s * cell->states * d, *c = cell->states > 1 ? h + d : NULL;
    const struct cell_step step = {
            .x = f->x->value + row * gates,
            .z = f->z + s * gates,
            .bias = f->bias,
            .h_before = h,
            .c_before = c,
            .h = h,
            .c = c,
            .gates = f->keeps ? r->gates + row * gates : f->z + s * gates,
            .kept = f->keeps ? r->kept + row * cell->kept * d : f->kept + s * cell->kept * d,
    };
    cell->forward(&step, d);
    memcpy(f->y->value + row * d, h, d * sizeof *h);
}

static void forward_steps(const struct forward *f, const struct packed *weight, bool from_zero)
{
    const struct recurrent *r = f->recurrent;
    const size_t d = f->y->columns, gates = r->shape.cell->gates * d;
    for (size_t t = 0; t < r->steps.count; t++) {
        size_t active = steps_active(&r->steps, t);
        if (t == 0 && from_zero)
            memset(f->z, 0, active * gates * sizeof *f->z);
        else
            gemm_packed(&(struct packed_product){.m = active,
                    .n = gates,
                    .a = f->state,
                    .lda = r->shape.cell->states * d,
                    .b = weight,
                    .c = f->z,
                    .ldc = gates});
#pragma omp parallel for schedule(dynamic)
        for (size_t tile = 0; tile < tiles_of(active, TILE_SENTENCES); tile++)
            for (size_t s = tile * TILE_SENTENCES; s < smaller((tile + 1) * TILE_SENTENCES, active); s++)
                run_row(f, s, t);
    }
}

/* ---- backward ---- */

struct backward {
    const struct recurrent *recurrent;
    const struct tensor *y, *start;
    const float *zeros;                   /* [S·d] */
    float *state;                         /* [B, S·d]: gradient of the state after the step, then before */
    float *dz;                            /* [B, G·d] */
    float *dx, *dweight, *dbias, *dstart; /* NULL: not wanted */
    bool add_x, add_weight, add_bias;
};

/* The state before the step: h, and c if the cell has it. */
static void find_before(const struct backward *b, size_t s, size_t t, size_t row, struct cell_slope *out)
{
    const struct recurrent *r = b->recurrent;
    const size_t d = b->y->columns, states = r->shape.cell->states;
    if (t == 0) {
        out->h_before = b->start ? b->start->value + (size_t)r->steps.order[s] * states * d : b->zeros;
        out->c_before = states > 1 ? out->h_before + d : NULL;
    } else {
        size_t before = row_before(r, row);
        out->h_before = b->y->value + before * d;
        out->c_before = states > 1 ? r->kept + before * d : NULL;
    }
}

static void return_row(const struct backward *b, size_t s, size_t t)
{
    const struct recurrent *r = b->recurrent;
    const struct cell_kind *cell = r->shape.cell;
    const size_t d = b->y->columns, gates = cell->gates * d, row = token_row(r, s, t);
    float *dh = b->state + s * cell->states * d;
    struct cell_slope slope = {
            .h = b->y->value + row * d,
            .kept = r->kept + row * cell->kept * d,
            .gates = r->gates + row * gates,
            .dz = b->dz + s * gates,
            .dh = dh,
            .dc = cell->states > 1 ? dh + d : NULL,
    };
    find_before(b, s, t, row, &slope);
    if (b->y->gradient)
        floats_add(dh, b->y->gradient + row * d, d);
    cell->backward(&slope, d);
    floats_put(b->dx ? b->dx + row * gates : NULL, slope.gates, b->add_x, gates);
    memcpy(slope.gates, slope.dz, gates * sizeof *slope.dz); /* for dU */
}

/* weight: Uᵀ in panels. */
static void backward_steps(const struct backward *b, const struct packed *weight)
{
    const struct recurrent *r = b->recurrent;
    const size_t d = b->y->columns, gates = r->shape.cell->gates * d;
    for (size_t t = r->steps.count; t-- > 0;) {
        size_t active = steps_active(&r->steps, t);
#pragma omp parallel for schedule(dynamic)
        for (size_t tile = 0; tile < tiles_of(active, TILE_SENTENCES); tile++)
            for (size_t s = tile * TILE_SENTENCES; s < smaller((tile + 1) * TILE_SENTENCES, active); s++)
                return_row(b, s, t);
        if (t > 0 || b->start)
            gemm_packed(&(struct packed_product){.m = active,
                    .n = d,
                    .a = b->dz,
                    .lda = gates,
                    .b = weight,
                    .add = true,
                    .c = b->state,
                    .ldc = r->shape.cell->states * d});
    }
}

/* h before each token, in packed order [n, d]. */
static void states_before(const struct backward *b, float *out)
{
    const struct recurrent *r = b->recurrent;
    const size_t d = b->y->columns;
#pragma omp parallel for schedule(dynamic)
    for (size_t s = 0; s < r->steps.sentences; s++) {
        const int32_t *ends = r->shape.offsets + r->steps.order[s];
        for (size_t t = 0; t < (size_t)(ends[1] - ends[0]); t++) {
            struct cell_slope slope = {0};
            size_t row = token_row(r, s, t);
            find_before(b, s, t, row, &slope);
            memcpy(out + row * d, slope.h_before, d * sizeof *out);
        }
    }
}

/* dz of all steps stands in the place of the gates. */
static void backward_weight(struct tape *tape, const struct backward *b, const struct tensor *weight)
{
    const struct recurrent *r = b->recurrent;
    float *before =
            b->dweight ? arena_take(tape_arena(tape), b->y->rows * b->y->columns, sizeof *before) : NULL;
    if (!before)
        return;
    states_before(b, before);
    gemm(tape_arena(tape), &(struct product){.transpose_a = true,
                                   .m = weight->rows,
                                   .n = weight->columns,
                                   .k = b->y->rows,
                                   .a = r->gates,
                                   .lda = weight->rows,
                                   .b = before,
                                   .ldb = weight->columns,
                                   .add = b->add_weight,
                                   .c = b->dweight,
                                   .ldc = weight->columns});
}

static void backward_start(const struct backward *b)
{
    const struct steps *steps = &b->recurrent->steps;
    const size_t columns = b->start ? b->start->columns : 0;
    for (size_t s = 0; b->dstart && s < steps->sentences; s++)
        floats_add(b->dstart + (size_t)steps->order[s] * columns, b->state + s * columns, columns);
}

/* The working space of backward, and the gradient that comes from `end`. */
static bool take_space(struct tape *tape, struct backward *b, const struct tensor *end, struct packed *weight)
{
    const struct recurrent *r = b->recurrent;
    struct arena *arena = tape_arena(tape);
    const size_t d = b->y->columns, columns = r->shape.cell->states * d, gates = r->shape.cell->gates * d;
    b->zeros = arena_take_zeroed(arena, columns, sizeof(float));
    b->state = arena_take_zeroed(arena, r->shape.sentences * columns, sizeof(float));
    b->dz = arena_take(arena, r->shape.sentences * gates, sizeof(float));
    if (!packed_take(weight, arena, d, gates) || tape_status(tape) != STATUS_OK)
        return false;
    if (end && end->gradient)
        sort_rows(&r->steps, end->gradient, columns, true, b->state);
    return true;
}

static void backward(struct tape *tape, struct node *node)
{
    struct tensor *x = node->inputs[0], *weight = node->inputs[1], *bias = node->inputs[2],
                  *start = node->inputs[3];
    struct backward b = {.recurrent = node->data, .y = node->outputs[0], .start = start};
    struct packed transposed;
    b.dx = tensor_gradient(tape, x, &b.add_x);
    b.dweight = tensor_gradient(tape, weight, &b.add_weight);
    b.dbias = tensor_gradient(tape, bias, &b.add_bias);
    b.dstart = tensor_gradient_part(tape, start);
    struct arena_mark mark = arena_mark(tape_arena(tape));
    if (!take_space(tape, &b, node->outputs[1], &transposed))
        return;
    packed_fill(&transposed, weight->value, weight->columns, true);
    backward_steps(&b, &transposed);
    backward_weight(tape, &b, weight);
    if (b.dbias)
        rows_sum_blocks(tape_arena(tape), b.recurrent->gates, b.y->rows, bias->columns, b.add_bias, b.dbias);
    backward_start(&b);
    arena_reset(tape_arena(tape), mark);
}

static void work(const struct node *node, struct op_work *out)
{
    const struct recurrent *r = node->data;
    const struct tensor *weight = node->inputs[1], *y = node->outputs[0];
    size_t gates = weight->rows, d = weight->columns, skip = node->inputs[3] ? 0 : r->shape.sentences;
    for (size_t t = node->inputs[3] ? 0 : 1; t < r->steps.count; t++) {
        size_t m = steps_active(&r->steps, t);
        out->operations[FORWARD] += 2 * (double)m * (double)gates * (double)d;
        out->operations[BACKWARD] += 2 * (double)m * (double)gates * (double)d;
    }
    if (weight->wants_gradient)
        out->operations[BACKWARD] += 2 * (double)(y->rows - skip) * (double)gates * (double)d;
    out->bytes[FORWARD] += (double)y->rows * (double)(3 * gates + d) * sizeof(float);
    out->bytes[BACKWARD] += (double)y->rows * (double)(4 * gates + 2 * d) * sizeof(float);
}

const struct op recurrent_op = {"recurrent", "a cell over all steps of sentences", backward, work, NULL};

/* ---- the op ---- */

/* The gates take the place of x where nothing else needs it. */
static struct recurrent *recurrent_make(
        struct tape *tape, const struct recurrence *shape, struct tensor *x, size_t d)
{
    struct arena *arena = tape_arena(tape);
    struct recurrent *r = arena_take_zeroed(arena, 1, sizeof *r);
    if (!r)
        return NULL;
    r->shape = *shape;
    r->steps = steps_make(tape, shape->offsets, shape->sentences);
    if (tape_recording(tape)) {
        r->gates = x->expendable ? x->value : arena_take(arena, x->rows * x->columns, sizeof(float));
        r->kept = arena_take(arena, x->rows * shape->cell->kept * d, sizeof(float));
    }
    return tape_status(tape) == STATUS_OK ? r : NULL;
}

static void run_forward(struct tape *tape, struct forward *f, const struct tensor *weight,
        const struct tensor *start, struct tensor *end)
{
    const struct recurrent *r = f->recurrent;
    const struct cell_kind *cell = r->shape.cell;
    const size_t B = r->shape.sentences, d = f->y->columns, columns = cell->states * d;
    struct arena_mark mark = arena_mark(tape_arena(tape));
    struct packed own;
    const struct packed *packed = tape_panels(tape, weight, &own);
    f->z = arena_take(tape_arena(tape), B * cell->gates * d, sizeof *f->z);
    f->state = arena_take_zeroed(tape_arena(tape), B * columns, sizeof *f->state);
    f->kept = arena_take(tape_arena(tape), B * cell->kept * d, sizeof *f->kept);
    if (tape_status(tape) != STATUS_OK)
        return;
    if (start)
        sort_rows(&r->steps, start->value, columns, true, f->state);
    forward_steps(f, packed, !start);
    if (end)
        sort_rows(&r->steps, f->state, columns, false, end->value);
    arena_reset(tape_arena(tape), mark);
}

struct tensor *op_recurrent(struct tape *tape, const struct recurrence *recurrence, struct tensor *x,
        struct tensor *weight, struct tensor *bias, struct tensor *start, struct tensor **end)
{
    const struct cell_kind *cell = recurrence->cell;
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    const size_t d = weight->columns;
    ASSERT(weight->rows == cell->gates * d && x->columns == weight->rows && bias->columns == weight->rows);
    ASSERT(!x->fleeting && (!start || start->columns == cell->states * d));
    struct tensor *y = tape_tensor(tape, x->rows, d);
    struct tensor *last = end ? tape_tensor(tape, recurrence->sentences, cell->states * d) : NULL;
    struct recurrent *r = recurrent_make(tape, recurrence, x, d);
    if (!y || !r || (end && !last))
        return NULL;
    struct forward f = {.recurrent = r, .x = x, .bias = bias->value, .y = y, .keeps = tape_recording(tape)};
    run_forward(tape, &f, weight, start, last);
    tape_record(tape, &recurrent_op, r, (struct tensor *[]){x, weight, bias, start}, 4,
            (struct tensor *[]){y, last}, 2);
    if (end)
        *end = last;
    return y;
}
