#include "models/ops/kernels.h"
#include "models/profile.h"
#include "models/recurrent.h"

/* y_s = 1/n_s · sum of the rows of sentence s; dx_i = dy_s / n_s. */
static float share_of(const int32_t *offsets, size_t sentence)
{
    return 1.0f / (float)(offsets[sentence + 1] - offsets[sentence]);
}

static void backward(struct tape *tape, struct node *node)
{
    const struct tensor *y = node->outputs[0];
    const int32_t *offsets = node->data;
    const size_t columns = y->columns;
    float *dx = tensor_gradient_part(tape, node->inputs[0]);
    if (!dx)
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t s = 0; s < y->rows; s++)
        for (int32_t i = offsets[s]; i < offsets[s + 1]; i++)
            floats_add_scaled(
                    dx + (size_t)i * columns, y->gradient + s * columns, share_of(offsets, s), columns);
}

/* Rows read, and of the gradient read and written. */
static void work(const struct node *node, struct op_work *out)
{
    const struct tensor *x = node->inputs[0];
    double bytes = (double)x->rows * (double)x->columns * sizeof(float);
    out->bytes[FORWARD] += bytes;
    out->bytes[BACKWARD] += 2 * bytes;
}

const struct op mean_op = {"mean", "mean of the rows of a sentence", backward, work, NULL};

struct tensor *op_mean(struct tape *tape, struct tensor *x, const int32_t *offsets, size_t sentences)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    const size_t columns = x->columns;
    struct tensor *y = tape_tensor(tape, sentences, columns);
    if (!y)
        return NULL;
    y->expendable = true;
#pragma omp parallel for schedule(dynamic)
    for (size_t s = 0; s < sentences; s++) {
        float *row = y->value + s * columns;
        rows_sum(x->value + (size_t)offsets[s] * columns, (size_t)(offsets[s + 1] - offsets[s]), columns,
                columns, false, row);
        floats_scale(row, share_of(offsets, s), columns);
    }
    tape_record(tape, &mean_op, (void *)offsets, &x, 1, &y, 1);
    return y;
}
