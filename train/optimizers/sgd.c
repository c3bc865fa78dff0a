/*
 * Stochastic gradient descent with momentum, as torch.optim.SGD:
 *     g += decay · p        b = momentum · b + g
 *     p -= rate · b         (Nesterov: p -= rate · (g + momentum · b))
 */
#include "comm/vector.h"
#include "train/optimizers/internal.h"

struct factors {
    float scale, decay, momentum;
    float by_gradient, by_velocity; /* the step */
};

VECTOR_CLONES static void sgd_tile(struct factors f, size_t count, float *restrict parameters,
        const float *restrict gradient, float *restrict velocity)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float g = gradient[i] * f.scale + f.decay * parameters[i];
        velocity[i] = f.momentum * velocity[i] + g;
        parameters[i] -= f.by_gradient * g + f.by_velocity * velocity[i];
    }
}

VECTOR_CLONES static void plain_tile(
        struct factors f, size_t count, float *restrict parameters, const float *restrict gradient)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        parameters[i] -= f.by_velocity * (gradient[i] * f.scale + f.decay * parameters[i]);
}

static bool forgets(const struct optimizer_options *options)
{
    return options->momentum == 0;
}

static void update(
        const struct optimizer *optimizer, const struct optimizer_step *step, const struct tile *tile)
{
    const struct optimizer_options *o = optimizer->options;
    double rate = step->learning_rate;
    struct factors factors = {
            .scale = (float)step->scale,
            .decay = (float)tile->decay,
            .momentum = (float)o->momentum,
            .by_gradient = o->nesterov ? (float)rate : 0,
            .by_velocity = (float)(o->nesterov ? rate * o->momentum : rate),
    };
    if (tile->moments[0])
        sgd_tile(factors, tile->count, tile->values, tile->gradient, tile->moments[0]);
    else
        plain_tile(factors, tile->count, tile->values, tile->gradient);
}

const struct optimizer_method optimizer_sgd = {
        .moments = {"optimizer/momentum"},
        .forgets = forgets,
        .update = update,
};
