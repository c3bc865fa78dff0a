/*
 * Adagrad, as torch.optim.Adagrad:
 *     g += decay · p        s += g²        p -= rate · g / (sqrt(s) + epsilon)
 */
#include "comm/vector.h"
#include "train/optimizers/internal.h"

#include <math.h>

struct factors {
    float scale, decay, rate, epsilon;
};

VECTOR_CLONES static void adagrad_tile(struct factors f, size_t count, float *restrict parameters,
        const float *restrict gradient, float *restrict sum)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float g = gradient[i] * f.scale + f.decay * parameters[i];
        sum[i] += g * g;
        parameters[i] -= f.rate * g / (sqrtf(sum[i]) + f.epsilon);
    }
}

static void update(
        const struct optimizer *optimizer, const struct optimizer_step *step, const struct tile *tile)
{
    struct factors factors = {(float)step->scale, (float)tile->decay, (float)step->learning_rate,
            (float)optimizer->options->epsilon};
    adagrad_tile(factors, tile->count, tile->values, tile->gradient, tile->moments[0]);
}

const struct optimizer_method optimizer_adagrad = {
        .moments = {"optimizer/sum"},
        .update = update,
};
