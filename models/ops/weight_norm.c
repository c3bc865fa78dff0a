#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/profile.h"

#include <math.h>

/*
 * y = g u, u = v / |v|
 *
 * dg = u · dy;  dv = g / |v| · (dy - u (u · dy))
 */
struct weight_norm {
    float inverse; /* 1 / |v| */
};

static void backward(struct tape *tape, struct node *node)
{
    const float inverse = ((const struct weight_norm *)node->data)->inverse;
    struct tensor *v = node->inputs[0], *length = node->inputs[1];
    const float *dy = node->outputs[0]->gradient;
    const float along = floats_dot(v->value, dy, v->columns) * inverse, slope = length->value[0] * inverse;
    bool add_v, add_length;
    float *dv = tensor_gradient(tape, v, &add_v), *dlength = tensor_gradient(tape, length, &add_length);
    if (dlength)
        dlength[0] = (add_length ? dlength[0] : 0) + along;
    for (size_t j = 0; dv && j < v->columns; j++)
        dv[j] = (add_v ? dv[j] : 0) + slope * (dy[j] - v->value[j] * inverse * along);
}

static void work(const struct node *node, struct op_work *out)
{
    const double bytes = (double)node->outputs[0]->columns * sizeof(float);
    out->bytes[FORWARD] += 2 * bytes;
    out->bytes[BACKWARD] += 3 * bytes;
}

const struct op weight_norm_op = {"weight_norm", "g v / |v|", backward, work, NULL};

struct tensor *op_weight_norm(struct tape *tape, struct tensor *v, struct tensor *length)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    ASSERT(v->rows == 1 && length->rows == 1 && length->columns == 1);
    struct tensor *y = tape_tensor(tape, 1, v->columns);
    struct weight_norm *norm = arena_take(tape_arena(tape), 1, sizeof *norm);
    if (!y || !norm)
        return NULL;
    norm->inverse = 1 / sqrtf(floats_dot(v->value, v->value, v->columns));
    for (size_t j = 0; j < v->columns; j++)
        y->value[j] = length->value[0] * norm->inverse * v->value[j];
    tape_record(tape, &weight_norm_op, norm, (struct tensor *[]){v, length}, 2, &y, 1);
    return y;
}
