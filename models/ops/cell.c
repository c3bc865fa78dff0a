#include "models/ops/kernels.h"
#include "models/profile.h"
#include "models/recurrent.h"

/* One step of a cell: rows apart, dealt out in fixed tiles. */
struct cell {
    const struct cell_kind *kind;
    float *gates;       /* [r, G·d] */
    float *kept;        /* [r, kept·d] */
    const float *zeros; /* [G·d]: z has its bias */
};

enum { TILE_SENTENCES = 16 };

static void forward_row(const struct cell *cell, const struct node *parts, size_t i)
{
    struct tensor *const *in = parts->inputs, *const *out = parts->outputs;
    const size_t d = out[0]->columns, gates = cell->kind->gates * d;
    const struct cell_step step = {
            .x = in[0]->value + i * gates,
            .z = in[1]->value + i * gates,
            .bias = cell->zeros,
            .h_before = in[2]->value + i * d,
            .c_before = in[3] ? in[3]->value + i * d : NULL,
            .h = out[0]->value + i * d,
            .c = out[1] ? out[1]->value + i * d : NULL,
            .gates = cell->gates + i * gates,
            .kept = cell->kept + i * cell->kind->kept * d,
    };
    cell->kind->forward(&step, d);
}

struct cell_gradients {
    float *x, *dz, *h, *c; /* NULL: not wanted; h and c are added to */
    float *z;              /* what dz is added to; NULL: dz is z's */
    bool add_x;
};

static void backward_row(
        const struct cell *cell, const struct node *node, const struct cell_gradients *g, size_t i)
{
    struct tensor *const *in = node->inputs, *const *out = node->outputs;
    const size_t d = out[0]->columns, gates = cell->kind->gates * d;
    const struct cell_slope slope = {
            .h = out[0]->value + i * d,
            .h_before = in[2]->value + i * d,
            .c_before = in[3] ? in[3]->value + i * d : NULL,
            .kept = cell->kept + i * cell->kind->kept * d,
            .gates = cell->gates + i * gates,
            .dz = g->dz + i * gates,
            .dh = out[0]->gradient + i * d,
            .dc = out[1] ? out[1]->gradient + i * d : NULL,
    };
    cell->kind->backward(&slope, d);
    floats_put(g->x ? g->x + i * gates : NULL, slope.gates, g->add_x, gates);
    if (g->z)
        floats_add(g->z + i * gates, slope.dz, gates);
    if (g->h)
        floats_add(g->h + i * d, slope.dh, d);
    if (g->c)
        floats_add(g->c + i * d, slope.dc, d);
}

static void backward(struct tape *tape, struct node *node)
{
    const struct cell *cell = node->data;
    const size_t rows = node->outputs[0]->rows;
    struct tensor *z = node->inputs[1];
    struct cell_gradients g;
    bool add_z;
    g.x = tensor_gradient(tape, node->inputs[0], &g.add_x);
    g.dz = tensor_gradient(tape, z, &add_z);
    g.h = tensor_gradient_part(tape, node->inputs[2]);
    g.c = tensor_gradient_part(tape, node->inputs[3]);
    for (size_t i = 0; i < NODE_OUTPUTS; i++) /* zeros where no step came after */
        if (node->outputs[i] && !node->outputs[i]->has_gradient)
            (void)tensor_gradient_part(tape, node->outputs[i]);
    struct arena_mark mark = arena_mark(tape_arena(tape));
    g.z = add_z ? g.dz : NULL;
    if (add_z || !g.dz)
        g.dz = arena_take(tape_arena(tape), rows * z->columns, sizeof *g.dz);
    if (tape_status(tape) != STATUS_OK)
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t tile = 0; tile < tiles_of(rows, TILE_SENTENCES); tile++)
        for (size_t i = tile * TILE_SENTENCES; i < smaller((tile + 1) * TILE_SENTENCES, rows); i++)
            backward_row(cell, node, &g, i);
    arena_reset(tape_arena(tape), mark);
}

/* x and z read, gates written; gates read, dx and dz written. */
static void work(const struct node *node, struct op_work *out)
{
    const struct tensor *z = node->inputs[1], *h = node->outputs[0];
    double bytes = ((double)(3 * z->columns) + 3.0 * (double)h->columns) * (double)h->rows * sizeof(float);
    out->bytes[FORWARD] += bytes;
    out->bytes[BACKWARD] += bytes;
}

const struct op cell_op = {"cell", "one step of a cell", backward, work, NULL};

struct tensor *op_cell(struct tape *tape, const struct cell_kind *kind, struct tensor *x, struct tensor *z,
        struct tensor *h, struct tensor *c, struct tensor **c_after)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    const size_t rows = x->rows, d = h->columns;
    ASSERT(x->columns == kind->gates * d && z->columns == x->columns && z->rows == rows && h->rows >= rows);
    ASSERT((kind->states > 1) == (c != NULL) && (!c || c->rows >= rows));
    struct tensor *outputs[NODE_OUTPUTS] = {tape_tensor(tape, rows, d)};
    if (c)
        outputs[1] = tape_tensor(tape, rows, d);
    struct cell *cell = arena_take(tape_arena(tape), 1, sizeof *cell);
    if (!cell || tape_status(tape) != STATUS_OK)
        return NULL;
    cell->kind = kind;
    cell->gates = z->value; /* z is not needed again */
    cell->kept = arena_take(tape_arena(tape), rows * kind->kept * d, sizeof *cell->kept);
    cell->zeros = arena_take_zeroed(tape_arena(tape), kind->gates * d, sizeof(float));
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    const struct node parts = {.inputs = {x, z, h, c}, .outputs = {outputs[0], outputs[1]}};
#pragma omp parallel for schedule(dynamic)
    for (size_t tile = 0; tile < tiles_of(rows, TILE_SENTENCES); tile++)
        for (size_t i = tile * TILE_SENTENCES; i < smaller((tile + 1) * TILE_SENTENCES, rows); i++)
            forward_row(cell, &parts, i);
    tape_record(tape, &cell_op, cell, parts.inputs, 4, parts.outputs, 2);
    if (c_after)
        *c_after = outputs[1];
    return outputs[0];
}
