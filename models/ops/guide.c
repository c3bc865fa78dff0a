#include "models/ops.h"
#include "models/ops/kernels.h"

#include <math.h>

/*
 * Guided alignment (Chen et al. 2016): of each target token with points, A being 1 / points at each of them and 0 elsewhere,
 *
 *     ce      -sum of A log(a + e)          mse     sum of (a - A)² / 2          mult    -log(sum of A a + e)
 *
 * Tokens without points are not guided. e keeps weights that have vanished from giving infinity.
 */
#define EPSILON 1e-6

static double cross_entropy(const struct guide_task *t, float factor, float *gradient)
{
    const double share = 1 / (double)t->point_count;
    double cost = 0;
    for (size_t i = 0; i < t->point_count; i++) {
        double weight = (double)t->weights[t->points[i]] + EPSILON;
        cost -= share * log(weight);
        if (gradient)
            gradient[t->points[i]] -= factor * (float)(share / weight);
    }
    return cost;
}

static double squared_error(const struct guide_task *t, float factor, float *gradient)
{
    const float share = 1.0f / (float)t->point_count;
    double cost = 0;
    for (size_t j = 0, i = 0; j < t->keys; j++) {
        bool here = i < t->point_count && (size_t)t->points[i] == j;
        float error = t->weights[j] - (here ? share : 0);
        cost += (double)(error * error) / 2;
        i += here;
        if (gradient)
            gradient[j] += factor * error;
    }
    return cost;
}

static double multiplied(const struct guide_task *t, float factor, float *gradient)
{
    const double share = 1 / (double)t->point_count;
    double sum = EPSILON;
    for (size_t i = 0; i < t->point_count; i++)
        sum += share * (double)t->weights[t->points[i]];
    for (size_t i = 0; gradient && i < t->point_count; i++)
        gradient[t->points[i]] -= factor * (float)(share / sum);
    return -log(sum);
}

static const struct guide_kind kinds[] = {
        {{"none", "attention finds its own alignment", NULL}, NULL},
        {{"ce", "cross entropy of the alignment and the weights of attention", "Chen et al. 2016"},
                cross_entropy},
        {{"mse", "half the squared distance of the two", "Liu et al. 2016"}, squared_error},
        {{"mult", "minus the log of the weight that aligned tokens have together", "Liu et al. 2016"},
                multiplied},
};
const struct kind_table guide_kinds = KIND_TABLE("guided alignment", kinds);

/* ---- the op ---- */

struct guided {
    const struct guide *guide;
    struct guide_rows rows;
};

/* Rows in order; of their gradients too if there is one. */
static void run(const struct guided *guided, const float *weights, float *gradient)
{
    const struct guide *guide = guided->guide;
    const struct guide_rows *rows = &guided->rows;
    size_t first = 0;
    for (size_t pair = 0; pair < rows->pairs; pair++) {
        size_t row = rows->query_offsets ? (size_t)rows->query_offsets[pair] : pair;
        size_t end = rows->query_offsets ? (size_t)rows->query_offsets[pair + 1] : pair + 1;
        for (size_t keys = (size_t)rows->key_count[pair]; row < end; row++, first += keys) {
            size_t token = rows->tokens ? (size_t)rows->tokens[row] : row;
            const int32_t *offset = guide->offsets + token;
            const struct guide_task task = {
                    weights + first, keys, guide->points + offset[0], (size_t)(offset[1] - offset[0])};
            guide->costs[token] = 0;
            if (task.point_count > 0)
                guide->costs[token] =
                        guide->kind->cost(&task, guide->weight, gradient ? gradient + first : NULL);
        }
    }
}

static void backward(struct tape *tape, struct node *node)
{
    struct tensor *weights = node->inputs[0];
    float *gradient = tensor_gradient_part(tape, weights);
    if (gradient)
        run(node->data, weights->value, gradient);
}

const struct op guide_op = {"guide", "cost of attention against an alignment", backward, NULL, NULL};

void op_guide(
        struct tape *tape, const struct guide *guide, const struct guide_rows *rows, struct tensor *weights)
{
    if (tape_status(tape) != STATUS_OK)
        return;
    struct guided *guided = arena_take(tape_arena(tape), 1, sizeof *guided);
    if (!guided)
        return;
    *guided = (struct guided){guide, *rows};
    run(guided, weights->value, NULL);
    tape_record(tape, &guide_op, guided, &weights, 1, NULL, 0);
}
