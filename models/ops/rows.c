#include "models/ops/kernels.h"
#include "models/profile.h"
#include "models/recurrent.h"
#include "models/vector.h"

#include <string.h>

/* Rows moved: each output row is read and written once, and so are gradients. */
static void count_moves(const struct node *node, struct op_work *out)
{
    const struct tensor *y = node->outputs[0];
    double bytes = (double)y->rows * (double)y->columns * sizeof(float);
    out->bytes[FORWARD] += 2 * bytes;
    out->bytes[BACKWARD] += 2 * bytes;
}

/* ---- columns side by side ---- */

static void beside_backward(struct tape *tape, struct node *node)
{
    const struct tensor *y = node->outputs[0];
    for (size_t p = 0, column = 0; p < NODE_INPUTS && node->inputs[p]; column += node->inputs[p++]->columns) {
        const size_t columns = node->inputs[p]->columns;
        bool add;
        float *to = tensor_gradient(tape, node->inputs[p], &add);
        if (!to)
            continue;
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < y->rows; i++)
            floats_put(to + i * columns, y->gradient + i * y->columns + column, add, columns);
    }
}

const struct op beside_op = {"beside", "columns side by side", beside_backward, count_moves, NULL};

struct tensor *op_beside(struct tape *tape, struct tensor *const *parts, size_t count)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    ASSERT(count > 0 && count <= NODE_INPUTS);
    size_t columns = 0, column = 0;
    for (size_t p = 0; p < count; p++)
        columns += parts[p]->columns;
    struct tensor *y = tape_tensor(tape, parts[0]->rows, columns);
    if (!y)
        return NULL;
    y->expendable = true;
    for (size_t p = 0; p < count; column += parts[p++]->columns) {
        const struct tensor *part = parts[p];
        ASSERT(part->rows == y->rows);
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < y->rows; i++)
            memcpy(y->value + i * columns + column, part->value + i * part->columns,
                    part->columns * sizeof *y->value);
    }
    tape_record(tape, &beside_op, NULL, parts, count, &y, 1);
    return y;
}

/* ---- a part of the columns ---- */

static void part_backward(struct tape *tape, struct node *node)
{
    const struct tensor *x = node->inputs[0], *y = node->outputs[0];
    const size_t *first = node->data;
    float *dx = tensor_gradient_part(tape, node->inputs[0]);
    for (size_t i = 0; dx && i < y->rows; i++)
        floats_add(dx + i * x->columns + *first, y->gradient + i * y->columns, y->columns);
}

const struct op part_op = {"part", "a part of the columns", part_backward, count_moves, NULL};

struct tensor *op_part(struct tape *tape, struct tensor *x, size_t first, size_t columns)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    ASSERT(first + columns <= x->columns);
    struct tensor *y = tape_tensor(tape, x->rows, columns);
    size_t *kept = arena_take(tape_arena(tape), 1, sizeof *kept);
    if (!y || !kept)
        return NULL;
    *kept = first;
    y->expendable = true;
    for (size_t i = 0; i < x->rows; i++)
        memcpy(y->value + i * columns, x->value + i * x->columns + first, columns * sizeof *y->value);
    tape_record(tape, &part_op, kept, &x, 1, &y, 1);
    return y;
}

/* ---- rows by number ---- */

/* Columns of one task of a scatter: two cache lines. */
enum { SCATTER_COLUMNS = 32 };

static void rows_backward(struct tape *tape, struct node *node)
{
    const struct tensor *y = node->outputs[0];
    const int32_t *index = node->data;
    const size_t columns = y->columns;
    float *dx = tensor_gradient_part(tape, node->inputs[0]);
    if (!dx)
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t tile = 0; tile < tiles_of(columns, SCATTER_COLUMNS); tile++) {
        size_t first = tile * SCATTER_COLUMNS, width = smaller(SCATTER_COLUMNS, columns - first);
        for (size_t i = 0; i < y->rows; i++)
            floats_add(dx + (size_t)index[i] * columns + first, y->gradient + i * columns + first, width);
    }
}

const struct op rows_op = {"rows", "rows by number", rows_backward, count_moves, NULL};

struct tensor *op_rows(struct tape *tape, struct tensor *x, const int32_t *index, size_t rows)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    struct tensor *y = tape_tensor(tape, rows, x->columns);
    if (!y)
        return NULL;
    y->expendable = true;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < rows; i++)
        memcpy(y->value + i * x->columns, x->value + (size_t)index[i] * x->columns,
                x->columns * sizeof *y->value);
    tape_record(tape, &rows_op, (void *)index, &x, 1, &y, 1);
    return y;
}

/* ---- rows one after the other ---- */

struct join {
    struct tensor *const *parts;
    size_t count;
};

static void join_backward(struct tape *tape, struct node *node)
{
    const struct join *join = node->data;
    const float *from = node->outputs[0]->gradient;
    for (size_t p = 0; p < join->count; p++) {
        size_t count = join->parts[p]->rows * join->parts[p]->columns;
        bool add;
        float *to = tensor_gradient(tape, join->parts[p], &add);
        floats_put(to, from, add, count);
        from += count;
    }
}

const struct op join_op = {"join", "rows one after the other", join_backward, count_moves, NULL};

struct tensor *op_join(struct tape *tape, struct tensor *const *parts, size_t count)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    size_t rows = 0, columns = parts[0]->columns;
    for (size_t p = 0; p < count; p++)
        rows += parts[p]->rows;
    struct tensor *y = tape_tensor(tape, rows, columns);
    struct join *join = arena_take(tape_arena(tape), 1, sizeof *join);
    if (!y || !join)
        return NULL;
    *join = (struct join){parts, count};
    y->expendable = true;
    float *to = y->value;
    for (size_t p = 0; p < count; to += parts[p++]->rows * columns) {
        ASSERT(parts[p]->columns == columns);
        memcpy(to, parts[p]->value, parts[p]->rows * columns * sizeof *to);
    }
    tape_record(tape, &join_op, join, NULL, 0, &y, 1);
    return y;
}

/* ---- sum ---- */

static void sum_backward(struct tape *tape, struct node *node)
{
    const struct dropout *dropout = node->data;
    const struct tensor *y = node->outputs[0];
    bool add_x, add_f;
    float *dx = tensor_gradient(tape, node->inputs[0], &add_x);
    float *df = tensor_gradient(tape, node->inputs[1], &add_f);
    if (tape_status(tape) != STATUS_OK)
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t block = 0; block < tiles_of(y->rows, ROW_BLOCK); block++) {
        struct floats part = row_block(y->rows, y->columns, block);
        floats_put(dx ? dx + part.first : NULL, y->gradient + part.first, add_x, part.count);
        dropout_apply(dropout, part.first, y->gradient + part.first, part.count);
        floats_put(df ? df + part.first : NULL, y->gradient + part.first, add_f, part.count);
    }
}

const struct op sum_op = {"sum", "x + dropout(f)", sum_backward, count_moves, NULL};

struct tensor *op_sum(struct tape *tape, struct tensor *x, struct tensor *f, struct dropout dropout)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    ASSERT(!x || (x->rows == f->rows && x->columns == f->columns));
    struct tensor *y = tape_tensor(tape, f->rows, f->columns);
    struct dropout *kept = arena_take(tape_arena(tape), 1, sizeof *kept);
    if (!y || !kept)
        return NULL;
    *kept = dropout;
    y->expendable = true;
#pragma omp parallel for schedule(dynamic)
    for (size_t block = 0; block < tiles_of(y->rows, ROW_BLOCK); block++) {
        struct floats part = row_block(y->rows, y->columns, block);
        memcpy(y->value + part.first, f->value + part.first, part.count * sizeof *y->value);
        dropout_apply(&dropout, part.first, y->value + part.first, part.count);
        if (x)
            floats_add(y->value + part.first, x->value + part.first, part.count);
    }
    tape_record(tape, &sum_op, kept, (struct tensor *[]){x, f}, 2, &y, 1);
    return y;
}

/* ---- tanh and the logistic function, with slopes out of what they give ---- */

CLONES static void tanh_rows(const float *x, float *y, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        y[i] = vector_tanh(x[i]);
}

CLONES static void tanh_slopes(const float *y, float *gradient, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        gradient[i] *= 1.0f - y[i] * y[i];
}

CLONES static void sigmoid_rows(const float *x, float *y, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        y[i] = vector_sigmoid(x[i]);
}

CLONES static void sigmoid_slopes(const float *y, float *gradient, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        gradient[i] *= y[i] * (1.0f - y[i]);
}

static void bend_backward(
        struct tape *tape, struct node *node, void (*slopes)(const float *y, float *gradient, size_t count))
{
    const struct tensor *y = node->outputs[0];
    bool add;
    float *dx = tensor_gradient(tape, node->inputs[0], &add);
    if (!dx)
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t block = 0; block < tiles_of(y->rows, ROW_BLOCK); block++) {
        struct floats part = row_block(y->rows, y->columns, block);
        slopes(y->value + part.first, y->gradient + part.first, part.count);
        floats_put(dx + part.first, y->gradient + part.first, add, part.count);
    }
}

static struct tensor *bend(struct tape *tape, struct tensor *x, const struct op *op,
        void (*rows)(const float *x, float *y, size_t count))
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    struct tensor *y = tape_tensor(tape, x->rows, x->columns);
    if (!y)
        return NULL;
#pragma omp parallel for schedule(dynamic)
    for (size_t block = 0; block < tiles_of(y->rows, ROW_BLOCK); block++) {
        struct floats part = row_block(y->rows, y->columns, block);
        rows(x->value + part.first, y->value + part.first, part.count);
    }
    tape_record(tape, op, NULL, &x, 1, &y, 1);
    return y;
}

static void tanh_backward(struct tape *tape, struct node *node)
{
    bend_backward(tape, node, tanh_slopes);
}

const struct op tanh_op = {"tanh", "tanh(x)", tanh_backward, count_moves, NULL};

struct tensor *op_tanh(struct tape *tape, struct tensor *x)
{
    return bend(tape, x, &tanh_op, tanh_rows);
}

static void sigmoid_backward(struct tape *tape, struct node *node)
{
    bend_backward(tape, node, sigmoid_slopes);
}

const struct op sigmoid_op = {"sigmoid", "1 / (1 + exp(-x))", sigmoid_backward, count_moves, NULL};

struct tensor *op_sigmoid(struct tape *tape, struct tensor *x)
{
    return bend(tape, x, &sigmoid_op, sigmoid_rows);
}
