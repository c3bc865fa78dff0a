#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/profile.h"

/*
 * y = dropout(f(z)), z = x Wᵀ + b
 *
 * dz = dropout(dy) · f'(z);  dx = dz W;  dW = dzᵀ x;  db = sum of the rows of dz
 */
struct linear {
    const struct activation_kind *activation;
    struct dropout dropout;
    float *z; /* [n, out]; NULL if backward can do without */
};

/* What a finished tile of z needs. */
struct finish {
    const struct linear *linear;
    const float *bias;
    float *z, *y; /* may be the same */
    size_t columns;
};

static void finish_tile(const void *context, struct tile tile)
{
    const struct finish *f = context;
    const struct linear *linear = f->linear;
    for (size_t i = tile.row; i < tile.row + tile.rows; i++) {
        size_t at = i * f->columns + tile.column;
        float *z = f->z + at;
        if (f->bias)
            floats_add(z, f->bias + tile.column, tile.columns);
        if (linear->activation)
            linear->activation->forward(z, f->y + at, tile.columns);
        dropout_apply(&linear->dropout, at, f->y + at, tile.columns);
    }
}

/* dy becomes dz. With a gated activation y tells all: it is 0 where f' or the mask is. */
static void differentiate(
        const struct linear *linear, const float *y, uint64_t first, float *gradient, size_t count)
{
    const struct activation_kind *activation = linear->activation;
    if (activation && activation->gated) {
        activation->backward(y + first, gradient, count);
        if (dropout_active(&linear->dropout))
            floats_scale(gradient, dropout_scale(&linear->dropout), count);
        return;
    }
    dropout_apply(&linear->dropout, first, gradient, count);
    if (activation)
        activation->backward(linear->z + first, gradient, count);
}

/* dz in place of y's gradient, and the sums of its rows by blocks into partial [blocks, out] unless NULL. */
static void backward_rows(const struct linear *linear, const struct tensor *y, float *partial)
{
    size_t columns = y->columns, blocks = tiles_of(y->rows, ROW_BLOCK);
    if (!partial && !linear->activation && !dropout_active(&linear->dropout))
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t block = 0; block < blocks; block++) {
        size_t row = block * ROW_BLOCK, rows = smaller(ROW_BLOCK, y->rows - row);
        float *dz = y->gradient + row * columns;
        differentiate(linear, y->value, row * columns, dz, rows * columns);
        if (partial)
            rows_sum(dz, rows, columns, columns, false, partial + block * columns);
    }
}

static void backward(struct tape *tape, struct node *node)
{
    const struct linear *linear = node->data;
    struct tensor *x = node->inputs[0], *weight = node->inputs[1], *bias = node->inputs[2];
    struct tensor *y = node->outputs[0];
    bool add_x, add_weight, add_bias;
    float *dx = tensor_gradient(tape, x, &add_x);
    float *dweight = tensor_gradient(tape, weight, &add_weight);
    float *dbias = tensor_gradient(tape, bias, &add_bias);

    struct arena_mark mark = arena_mark(tape_arena(tape));
    size_t blocks = tiles_of(y->rows, ROW_BLOCK);
    float *partial = dbias ? arena_take(tape_arena(tape), blocks * y->columns, sizeof *partial) : NULL;
    if (tape_status(tape) != STATUS_OK)
        return;
    backward_rows(linear, y, partial);
    if (dbias)
        rows_sum(partial, blocks, y->columns, y->columns, add_bias, dbias);
    arena_reset(tape_arena(tape), mark);

    const float *dz = y->gradient;
    const float *value = dweight ? tape_value(tape, x) : NULL;
    if (value)
        gemm(tape_arena(tape), &(struct product){.transpose_a = true,
                                       .m = y->columns,
                                       .n = x->columns,
                                       .k = x->rows,
                                       .a = dz,
                                       .lda = y->columns,
                                       .b = value,
                                       .ldb = x->columns,
                                       .add = add_weight,
                                       .c = dweight,
                                       .ldc = x->columns});
    if (dweight)
        tape_forget(tape, x);
    if (dx)
        gemm(tape_arena(tape), &(struct product){.m = x->rows,
                                       .n = x->columns,
                                       .k = y->columns,
                                       .a = dz,
                                       .lda = y->columns,
                                       .b = weight->value,
                                       .ldb = x->columns,
                                       .add = add_x,
                                       .c = dx,
                                       .ldc = x->columns});
}

static void work(const struct node *node, struct op_work *out)
{
    const struct tensor *x = node->inputs[0], *weight = node->inputs[1];
    size_t rows = x->rows, in = weight->columns, to = weight->rows;
    op_work_product(out, FORWARD, (struct product_shape){.transpose_b = true, .m = rows, .n = to, .k = in});
    if (weight->wants_gradient)
        op_work_product(
                out, BACKWARD, (struct product_shape){.transpose_a = true, .m = to, .n = in, .k = rows});
    if (x->wants_gradient)
        op_work_product(out, BACKWARD, (struct product_shape){.m = rows, .n = in, .k = to});
}

const struct op linear_op = {"linear", "dropout(f(x Wᵀ + b))", backward, work, NULL};

/* z [x's rows, rows] = x Wᵀ of the first `rows` rows of W, by the panels of a tape that packs. */
static void multiply(struct tape *tape, const struct tensor *x, const struct tensor *weight, size_t rows,
        float *z, void (*finish)(const void *context, struct tile tile), const void *context)
{
    const struct packed *packed = tape_packed(tape, weight);
    if (tape_status(tape) != STATUS_OK)
        return;
    if (packed)
        gemm_packed(&(struct packed_product){.m = x->rows,
                .n = rows,
                .a = x->value,
                .lda = x->columns,
                .b = packed,
                .c = z,
                .ldc = rows,
                .finish = finish,
                .context = context});
    else
        gemm(tape_arena(tape), &(struct product){.transpose_b = true,
                                       .m = x->rows,
                                       .n = rows,
                                       .k = x->columns,
                                       .a = x->value,
                                       .lda = x->columns,
                                       .b = weight->value,
                                       .ldb = weight->columns,
                                       .c = z,
                                       .ldc = rows,
                                       .finish = finish,
                                       .context = context});
}

struct tensor *op_linear(struct tape *tape, struct tensor *x, struct tensor *weight, struct tensor *bias,
        const struct activation_kind *activation, struct dropout dropout)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    ASSERT(x->columns == weight->columns && (!bias || bias->columns == weight->rows));
    struct tensor *y = tape_tensor(tape, x->rows, weight->rows);
    struct linear *linear = arena_take(tape_arena(tape), 1, sizeof *linear);
    if (!y || !linear)
        return NULL;
    *linear = (struct linear){.activation = activation, .dropout = dropout};
    y->expendable = !activation || !activation->gated;
    float *z = y->value;
    if (tape_recording(tape) && activation && !activation->gated) {
        z = linear->z = arena_take(tape_arena(tape), y->rows * y->columns, sizeof *z);
        if (!z)
            return NULL;
    }
    struct finish finish = {linear, bias ? bias->value : NULL, z, y->value, y->columns};
    bool plain = !bias && !activation && !dropout_active(&dropout);
    multiply(tape, x, weight, weight->rows, z, plain ? NULL : finish_tile, &finish);
    tape_record(tape, &linear_op, linear, (struct tensor *[]){x, weight, bias}, 3, &y, 1);
    return y;
}

struct logits {
    const float *bias;
    float *out;
    size_t columns;
};

static void add_bias(const void *context, struct tile tile)
{
    const struct logits *logits = context;
    for (size_t i = tile.row; i < tile.row + tile.rows; i++)
        floats_add(logits->out + i * logits->columns + tile.column, logits->bias + tile.column, tile.columns);
}

void op_logits(struct tape *tape, const struct tensor *x, const struct tensor *weight,
        const struct tensor *bias, size_t rows, float *out)
{
    struct logits logits = {bias ? bias->value : NULL, out, rows};
    multiply(tape, x, weight, rows, out, bias ? add_bias : NULL, &logits);
}
