#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/vector.h"

static void dot(const struct score_task *t, float *scores)
{
    for (size_t j = 0; j < t->count; j++)
        scores[j] = floats_dot(t->query, t->keys + j * t->width, t->width);
}

static void dot_backward(const struct score_task *t, const float *gradient, const struct score_gradients *to)
{
    for (size_t j = 0; j < t->count; j++) {
        size_t key = j * t->width;
        if (to->query)
            floats_add_scaled(to->query, t->keys + key, gradient[j], t->width);
        if (to->keys)
            floats_add_scaled(to->keys + key, t->query, gradient[j], t->width);
    }
}

CLONES static void additive(const struct score_task *t, float *scores)
{
    const float *query = t->query, *weight = t->weight;
    for (size_t j = 0; j < t->count; j++) {
        const float *key = t->keys + j * t->width;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t i = 0; i < t->width; i++)
            sum += weight[i] * vector_tanh(query[i] + key[i]);
        scores[j] = sum;
    }
}

/* Columns whose slopes are held at once. */
enum { SLOPES = 128 };

/* slope[i] = the derivative of gradient · weight · tanh(q + k) by element i of q or k; the weight's is added to. */
CLONES static void additive_slopes(const struct score_task *t, const float *key, size_t first, size_t count,
        float gradient, float *slope, float *weight_gradient)
{
    const float *query = t->query + first, *weight = t->weight + first;
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float y = vector_tanh(query[i] + key[i]);
        slope[i] = gradient * weight[i] * (1.0f - y * y);
        weight_gradient[i] += gradient * y;
    }
}

static void additive_backward(
        const struct score_task *t, const float *gradient, const struct score_gradients *to)
{
    float slope[SLOPES];
    for (size_t j = 0; j < t->count; j++)
        for (size_t first = 0; first < t->width; first += SLOPES) {
            size_t count = smaller(SLOPES, t->width - first), key = j * t->width + first;
            additive_slopes(t, t->keys + key, first, count, gradient[j], slope, to->weight + first);
            if (to->query)
                floats_add(to->query + first, slope, count);
            if (to->keys)
                floats_add(to->keys + key, slope, count);
        }
}

const struct score_kind score_kinds[SCORES] = {
        [SCORE_DOT] = {{"dot", "q · k", "Luong et al. 2015"}, false, dot, dot_backward},
        [SCORE_ADDITIVE] = {{"additive", "weight · tanh(q + k)", "Bahdanau et al. 2015"}, true, additive,
                additive_backward},
};
