#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/profile.h"
#include "models/vector.h"

#include <math.h>
#include <string.h>

/*
 * s = x + dropout(f);  h = (s - mean) / sqrt(var + epsilon);  y = h · gain + bias
 *
 * g = dy · gain;  ds = (g - mean(g) - h · mean(g · h)) / sqrt(var + epsilon) + what flows into s itself
 * dx = ds;  df = dropout(ds);  dgain = sum of the rows of dy · h;  dbias = sum of the rows of dy
 */
struct moments {
    float mean, inverse; /* 1 / sqrt(var + epsilon) */
};

struct norm {
    struct dropout dropout;
    float epsilon;
    bool made;               /* s is made here; else it is f as it came */
    float *s;                /* [n, d] */
    struct moments *moments; /* [n] */
};

CLONES static struct moments moments_of(const float *s, float epsilon, size_t d)
{
    float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < d; j++)
        sum += s[j];
    const float mean = sum / (float)d;
#pragma omp simd reduction(+ : squares)
    for (size_t j = 0; j < d; j++)
        squares += (s[j] - mean) * (s[j] - mean);
    return (struct moments){mean, 1.0f / sqrtf(squares / (float)d + epsilon)};
}

CLONES static void normalise(
        const float *s, struct moments m, const float *gain, const float *bias, float *y, size_t d)
{
#pragma omp simd
    for (size_t j = 0; j < d; j++)
        y[j] = (s[j] - m.mean) * m.inverse * gain[j] + bias[j];
}

/* dy becomes ds; the row's share is added to dgain and dbias. */
CLONES static void differentiate(
        const float *s, struct moments m, const float *gain, float *dy, float *dgain, float *dbias, size_t d)
{
    float sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
    for (size_t j = 0; j < d; j++) {
        float h = (s[j] - m.mean) * m.inverse, g = dy[j] * gain[j];
        dgain[j] += dy[j] * h;
        dbias[j] += dy[j];
        sum += g;
        product += g * h;
    }
    const float mean = sum / (float)d, slope = product / (float)d;
#pragma omp simd
    for (size_t j = 0; j < d; j++) {
        float h = (s[j] - m.mean) * m.inverse;
        dy[j] = (dy[j] * gain[j] - mean - h * slope) * m.inverse;
    }
}

/* Where the gradients of a node go. */
struct targets {
    float *x, *f; /* NULL: not wanted */
    bool add_x, add_f;
    float *gain, *bias; /* partial sums [blocks, d] */
};

static void backward_block(const struct norm *norm, struct node *node, const struct targets *to, size_t block)
{
    struct tensor *y = node->outputs[0], *sum = node->outputs[1];
    const float *gain = node->inputs[2]->value;
    size_t d = y->columns, first = block * ROW_BLOCK, rows = smaller(ROW_BLOCK, y->rows - first);
    float *dgain = to->gain + block * d, *dbias = to->bias + block * d;
    memset(dgain, 0, d * sizeof *dgain);
    memset(dbias, 0, d * sizeof *dbias);
    for (size_t i = first; i < first + rows; i++) {
        size_t at = i * d;
        float *ds = y->gradient + at;
        differentiate(norm->s + at, norm->moments[i], gain, ds, dgain, dbias, d);
        if (sum && sum->has_gradient)
            floats_add(ds, sum->gradient + at, d);
        floats_put(to->x ? to->x + at : NULL, ds, to->add_x, d);
        dropout_apply(&norm->dropout, at, ds, d);
        floats_put(to->f ? to->f + at : NULL, ds, to->add_f, d);
    }
}

static void backward(struct tape *tape, struct node *node)
{
    const struct norm *norm = node->data;
    struct tensor *y = node->outputs[0];
    bool add_gain, add_bias;
    struct targets to;
    to.x = tensor_gradient(tape, node->inputs[0], &to.add_x);
    to.f = tensor_gradient(tape, node->inputs[1], &to.add_f);
    float *dgain = tensor_gradient(tape, node->inputs[2], &add_gain);
    float *dbias = tensor_gradient(tape, node->inputs[3], &add_bias);

    struct arena_mark mark = arena_mark(tape_arena(tape));
    size_t blocks = tiles_of(y->rows, ROW_BLOCK);
    to.gain = arena_take(tape_arena(tape), blocks * y->columns, sizeof(float));
    to.bias = arena_take(tape_arena(tape), blocks * y->columns, sizeof(float));
    if (tape_status(tape) != STATUS_OK)
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t block = 0; block < blocks; block++)
        backward_block(norm, node, &to, block);
    if (dgain)
        rows_sum(to.gain, blocks, y->columns, y->columns, add_gain, dgain);
    if (dbias)
        rows_sum(to.bias, blocks, y->columns, y->columns, add_bias, dbias);
    arena_reset(tape_arena(tape), mark);
}

/* Matrices read and written: f, x, s and y; then dy, s, what flows into s, dx and df. */
static void work(const struct node *node, struct op_work *out)
{
    const struct tensor *x = node->inputs[0], *y = node->outputs[0], *sum = node->outputs[1];
    const struct norm *norm = node->data;
    double matrix = (double)y->rows * (double)y->columns * sizeof(float);
    out->bytes[FORWARD] += matrix * (2 + (x ? 1 : 0) + (norm->made ? 1 : 0));
    out->bytes[BACKWARD] += matrix * (3 + (x ? 1 : 0) + (sum ? 1 : 0));
}

static void again(struct tape *tape, const struct node *node, float *value)
{
    const struct norm *norm = node->data;
    const float *gain = node->inputs[2]->value, *bias = node->inputs[3]->value;
    const struct tensor *y = node->outputs[0];
    const size_t d = y->columns;
    (void)tape;
#pragma omp parallel for schedule(dynamic)
    for (size_t block = 0; block < tiles_of(y->rows, ROW_BLOCK); block++)
        for (size_t i = block * ROW_BLOCK; i < smaller((block + 1) * ROW_BLOCK, y->rows); i++)
            normalise(norm->s + i * d, norm->moments[i], gain, bias, value + i * d, d);
}

const struct op residual_norm_op = {"residual_norm", "layer norm of x + dropout(f)", backward, work, again};

static void forward_block(const struct norm *norm, struct node *parts, size_t block)
{
    const struct tensor *x = parts->inputs[0], *f = parts->inputs[1];
    const float *gain = parts->inputs[2]->value, *bias = parts->inputs[3]->value;
    struct tensor *y = parts->outputs[0];
    size_t d = f->columns, first = block * ROW_BLOCK, rows = smaller(ROW_BLOCK, f->rows - first);
    for (size_t i = first; i < first + rows; i++) {
        float *s = norm->s + i * d;
        if (norm->made) {
            if (norm->s != f->value)
                memcpy(s, f->value + i * d, d * sizeof *s);
            dropout_apply(&norm->dropout, i * d, s, d);
            if (x)
                floats_add(s, x->value + i * d, d);
        }
        norm->moments[i] = moments_of(s, norm->epsilon, d);
        normalise(s, norm->moments[i], gain, bias, y->value + i * d, d);
    }
}

struct tensor *op_residual_norm(struct tape *tape, struct tensor *x, struct tensor *f, struct dropout dropout,
        struct tensor *gain, struct tensor *bias, float epsilon, struct tensor **sum)
{
    if (sum)
        *sum = NULL;
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    ASSERT(gain->columns == f->columns && bias->columns == f->columns);
    ASSERT(!x || (x->rows == f->rows && x->columns == f->columns));
    struct arena *arena = tape_arena(tape);
    ASSERT(!f->fleeting);
    struct tensor *y = tape_fleeting(tape, f->rows, f->columns);
    struct norm *norm = arena_take(arena, 1, sizeof *norm);
    if (!y || !norm)
        return NULL;
    *norm = (struct norm){.dropout = dropout, .epsilon = epsilon, .s = f->value};
    norm->made = x || dropout_active(&dropout);
    if (norm->made && !f->expendable)
        norm->s = arena_take(arena, f->rows * f->columns, sizeof *norm->s);
    norm->moments = arena_take(arena, f->rows, sizeof *norm->moments);
    struct tensor *s = sum ? tape_input(tape, f->rows, f->columns, norm->s, true) : NULL;
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    struct node parts = {.inputs = {x, f, gain, bias}, .outputs = {y, s}};
#pragma omp parallel for schedule(dynamic)
    for (size_t block = 0; block < tiles_of(f->rows, ROW_BLOCK); block++)
        forward_block(norm, &parts, block);
    tape_record(tape, &residual_norm_op, norm, parts.inputs, 4, parts.outputs, 2);
    if (sum)
        *sum = s;
    return y;
}
