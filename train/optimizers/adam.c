/*
 * Adam and AdamW, as torch.optim.Adam and torch.optim.AdamW compute them:
 *     Adam: g += decay · p                AdamW: p -= rate · decay · p
 *     m = beta1 m + (1 - beta1) g         v = beta2 v + (1 - beta2) g²
 *     p -= rate / (1 - beta1^t) · m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
 */
#include "comm/vector.h"
#include "train/optimizers/internal.h"

#include <math.h>

struct factors {
    float scale, coupled, shrink; /* of the gradient; decay that is part of it; rate · decay outside of it */
    float beta1, one_minus_beta1, beta2, one_minus_beta2;
    float rate, correction; /* rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
    float epsilon;
};

VECTOR_CLONES static void adam_tile(struct factors f, size_t count, float *restrict parameters,
        const float *restrict gradient, float *restrict m, float *restrict v)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float p = parameters[i] - f.shrink * parameters[i];
        float g = gradient[i] * f.scale + f.coupled * p;
        m[i] = f.beta1 * m[i] + f.one_minus_beta1 * g;
        v[i] = f.beta2 * v[i] + f.one_minus_beta2 * (g * g);
        parameters[i] = p - f.rate * m[i] / (sqrtf(v[i]) * f.correction + f.epsilon);
    }
}

static void update(
        const struct optimizer *optimizer, const struct optimizer_step *step, const struct tile *tile)
{
    const struct optimizer_options *o = optimizer->options;
    bool decoupled = optimizer->method == &optimizer_adamw;
    double t = (double)step->update;
    struct factors factors = {
            .scale = (float)step->scale,
            .coupled = decoupled ? 0 : (float)tile->decay,
            .shrink = decoupled ? (float)(step->learning_rate * tile->decay) : 0,
            .beta1 = (float)o->beta1,
            .one_minus_beta1 = (float)(1 - o->beta1),
            .beta2 = (float)o->beta2,
            .one_minus_beta2 = (float)(1 - o->beta2),
            .rate = (float)(step->learning_rate / (1 - pow(o->beta1, t))),
            .correction = (float)(1 / sqrt(1 - pow(o->beta2, t))),
            .epsilon = (float)o->epsilon,
    };
    adam_tile(factors, tile->count, tile->values, tile->gradient, tile->moments[0], tile->moments[1]);
}

const struct optimizer_method optimizer_adam = {
        .moments = {"optimizer/m", "optimizer/v"},
        .update = update,
};

const struct optimizer_method optimizer_adamw = {
        .moments = {"optimizer/m", "optimizer/v"},
        .update = update,
};
