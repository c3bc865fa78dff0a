#include "models/ops/kernels.h"
#include "models/profile.h"
#include "models/recurrent.h"

#include <string.h>

/*
 * The weight is laid out once for all steps, forwards and backwards. A node before the steps, which runs backwards after
 * them, makes the gradients out of what they leave: their inputs and slopes, one after the other, in the gradients of two
 * tensors that have no value.
 */
struct stepwise {
    struct tensor *weight, *bias;
    const struct packed *panels;
    struct packed own, transposed;
    size_t rows, used;
    struct tensor *inputs, *slopes; /* [rows, in], [rows, out] */
};

struct step {
    struct stepwise *stepwise;
    size_t number, rows; /* among those of all steps */
    struct row_range base;
};

/* ---- the weight's node ---- */

static void weight_backward(struct tape *tape, struct node *node)
{
    const struct stepwise *s = node->data;
    const size_t in = s->weight->columns, out = s->weight->rows;
    bool add_weight, add_bias;
    float *dweight = tensor_gradient(tape, s->weight, &add_weight);
    float *dbias = tensor_gradient(tape, s->bias, &add_bias);
    const float *slopes = s->slopes->gradient;
    if (tape_status(tape) != STATUS_OK || !slopes)
        return;
    if (dbias)
        rows_sum_blocks(tape_arena(tape), slopes, s->used, out, add_bias, dbias);
    if (dweight)
        gemm(tape_arena(tape), &(struct product){.transpose_a = true,
                                       .m = out,
                                       .n = in,
                                       .k = s->used,
                                       .a = slopes,
                                       .lda = out,
                                       .b = s->inputs->gradient,
                                       .ldb = in,
                                       .add = add_weight,
                                       .c = dweight,
                                       .ldc = in});
}

/* Forwards the weight is laid out. */
static void weight_work(const struct node *node, struct op_work *out)
{
    const struct stepwise *s = node->data;
    double floats = (double)s->weight->rows * (double)s->weight->columns;
    out->bytes[FORWARD] += 2 * floats * sizeof(float);
    if (s->weight->wants_gradient)
        out->operations[BACKWARD] += 2 * floats * (double)s->rows;
}

const struct op stepwise_start_op = {
        "stepwise_weight", "the weight of products at many steps", weight_backward, weight_work, NULL};

static bool lay_out(struct tape *tape, struct stepwise *s)
{
    const struct tensor *weight = s->weight;
    s->panels = tape_panels(tape, weight, &s->own);
    if (tape_recording(tape) && tape_status(tape) == STATUS_OK &&
            packed_take(&s->transposed, tape_arena(tape), weight->columns, weight->rows))
        packed_fill(&s->transposed, weight->value, weight->columns, true);
    return tape_status(tape) == STATUS_OK;
}

struct stepwise *stepwise_start(struct tape *tape, struct tensor *weight, struct tensor *bias, size_t rows)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    ASSERT(!bias || bias->columns == weight->rows);
    struct stepwise *s = arena_take_zeroed(tape_arena(tape), 1, sizeof *s);
    if (!s)
        return NULL;
    *s = (struct stepwise){.weight = weight, .bias = bias, .rows = rows};
    s->inputs = tape_input(tape, rows, weight->columns, NULL, true);
    s->slopes = tape_input(tape, rows, weight->rows, NULL, true);
    if (!lay_out(tape, s))
        return NULL;
    tape_record(tape, &stepwise_start_op, s, (struct tensor *[]){weight, bias}, 2,
            (struct tensor *[]){s->inputs, s->slopes}, 2);
    return s;
}

/* ---- a step ---- */

/* Leaves the input and slopes of the step for the weight's node. */
static void leave(struct tape *tape, const struct step *step, struct tensor *x, const struct tensor *y)
{
    struct stepwise *s = step->stepwise;
    const size_t in = x->columns, out = y->columns;
    bool add;
    if (!s->weight->wants_gradient && !(s->bias && s->bias->wants_gradient))
        return;
    float *inputs = tensor_gradient(tape, s->inputs, &add);
    float *slopes = tensor_gradient(tape, s->slopes, &add);
    const float *value = tape_value(tape, x);
    if (tape_status(tape) != STATUS_OK)
        return;
    memcpy(inputs + step->number * in, value, step->rows * in * sizeof *inputs);
    memcpy(slopes + step->number * out, y->gradient, step->rows * out * sizeof *slopes);
    tape_forget(tape, x);
}

static void backward(struct tape *tape, struct node *node)
{
    const struct step *step = node->data;
    struct tensor *x = node->inputs[0], *y = node->outputs[0], *base = node->inputs[3];
    leave(tape, step, x, y);
    bool add = true;
    float *dx = x->rows == step->rows ? tensor_gradient(tape, x, &add) : tensor_gradient_part(tape, x);
    float *dbase = tensor_gradient_part(tape, base);
    if (tape_status(tape) != STATUS_OK)
        return;
    if (dbase)
        floats_add(dbase + step->base.first * y->columns, y->gradient, step->rows * y->columns);
    if (dx)
        gemm_packed(&(struct packed_product){.m = step->rows,
                .n = x->columns,
                .a = y->gradient,
                .lda = y->columns,
                .b = &step->stepwise->transposed,
                .add = add,
                .c = dx,
                .ldc = x->columns});
}

static void work(const struct node *node, struct op_work *out)
{
    const struct step *step = node->data;
    const struct tensor *weight = node->inputs[1];
    double operations = 2 * (double)step->rows * (double)weight->rows * (double)weight->columns;
    out->operations[FORWARD] += operations;
    if (node->inputs[0]->wants_gradient)
        out->operations[BACKWARD] += operations;
}

const struct op stepwise_op = {"stepwise", "x Wᵀ + b at one step of many", backward, work, NULL};

/* What the product is added to. False if there is nothing. */
static bool fill(const struct step *step, struct tensor *y)
{
    const struct tensor *base = step->base.tensor, *bias = step->stepwise->bias;
    if (base)
        memcpy(y->value, base->value + step->base.first * y->columns, y->rows * y->columns * sizeof(float));
    for (size_t i = 0; bias && i < y->rows; i++)
        memcpy(y->value + i * y->columns, bias->value, y->columns * sizeof(float));
    return base || bias;
}

struct tensor *op_stepwise(
        struct tape *tape, struct stepwise *s, struct tensor *x, size_t rows, struct row_range base)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    ASSERT(x->columns == s->weight->columns && x->rows >= rows && s->used + rows <= s->rows);
    ASSERT(!base.tensor || (!s->bias && base.tensor->columns == s->weight->rows));
    struct tensor *y = tape_tensor(tape, rows, s->weight->rows);
    struct step *step = arena_take(tape_arena(tape), 1, sizeof *step);
    if (!y || !step)
        return NULL;
    *step = (struct step){s, s->used, rows, base};
    s->used += rows;
    gemm_packed(&(struct packed_product){.m = rows,
            .n = y->columns,
            .a = x->value,
            .lda = x->columns,
            .b = s->panels,
            .add = fill(step, y),
            .c = y->value,
            .ldc = y->columns});
    tape_record(tape, &stepwise_op, step, (struct tensor *[]){x, s->weight, s->bias, base.tensor}, 4, &y, 1);
    return y;
}
