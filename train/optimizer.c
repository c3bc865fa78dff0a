#include "train/optimizer.h"

#include "comm/vector.h"

#include <math.h>

/*
 * Adam (Kingma & Ba 2015), as torch.optim.Adam computes it:
 *     m = beta1 m + (1 - beta1) g        v = beta2 v + (1 - beta2) g²
 *     p -= rate / (1 - beta1^t) · m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
 */
struct adam_factors {
    float scale, beta1, one_minus_beta1, beta2, one_minus_beta2;
    float rate, correction; /* rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
    float epsilon;
};

VECTOR_CLONES static void adam_tile(struct adam_factors f, size_t count, float *restrict parameters,
        const float *restrict gradient, float *restrict m, float *restrict v)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float g = gradient[i] * f.scale;
        m[i] = f.beta1 * m[i] + f.one_minus_beta1 * g;
        v[i] = f.beta2 * v[i] + f.one_minus_beta2 * (g * g);
        parameters[i] -= f.rate * m[i] / (sqrtf(v[i]) * f.correction + f.epsilon);
    }
}

static void adam_update(const struct optimizer_step *step, size_t count, float *parameters,
        const float *gradient, float *const moments[OPTIMIZER_MOMENTS])
{
    const struct optimizer_options *o = step->options;
    double t = (double)step->update;
    struct adam_factors factors = {
            .scale = (float)step->scale,
            .beta1 = (float)o->beta1,
            .one_minus_beta1 = (float)(1 - o->beta1),
            .beta2 = (float)o->beta2,
            .one_minus_beta2 = (float)(1 - o->beta2),
            .rate = (float)(step->learning_rate / (1 - pow(o->beta1, t))),
            .correction = (float)(1 / sqrt(1 - pow(o->beta2, t))),
            .epsilon = (float)o->epsilon,
    };
    adam_tile(factors, count, parameters, gradient, moments[0], moments[1]);
}

/* Stochastic gradient descent with heavy-ball momentum, as torch.optim.SGD: b = momentum b + g, p -= rate b. */
VECTOR_CLONES static void sgd_tile(float scale, float momentum, float rate, size_t count,
        float *restrict parameters, const float *restrict gradient, float *restrict velocity)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        velocity[i] = momentum * velocity[i] + gradient[i] * scale;
        parameters[i] -= rate * velocity[i];
    }
}

static void sgd_update(const struct optimizer_step *step, size_t count, float *parameters,
        const float *gradient, float *const moments[OPTIMIZER_MOMENTS])
{
    sgd_tile((float)step->scale, (float)step->options->momentum, (float)step->learning_rate, count,
            parameters, gradient, moments[0]);
}

static const struct optimizer_kind kinds[] = {
        {{"adam", "Adam with decoupled weight decay", "Kingma & Ba 2015; Loshchilov & Hutter 2019"},
                {"m", "v"}, adam_update},
        {{"sgd", "stochastic gradient descent with momentum", "Polyak 1964"}, {"momentum", NULL}, sgd_update},
};

const struct kind_table optimizer_kinds = KIND_TABLE("optimizer", kinds);

VECTOR_CLONES static void decay_tile(
        float rate, size_t count, float *restrict parameters, const float *restrict decay)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        parameters[i] -= rate * decay[i] * parameters[i];
}

void optimizer_update(const struct optimizer_step *step, size_t count, float *parameters,
        const float *gradient, const float *decay, float *const moments[OPTIMIZER_MOMENTS])
{
    const struct optimizer_kind *kind = (const struct optimizer_kind *)step->options->kind;
    float decay_rate = (float)(step->learning_rate * step->options->weight_decay);
    size_t tiles = (count + BLOCK_FLOATS - 1) / BLOCK_FLOATS;
#pragma omp parallel for schedule(static)
    for (size_t tile = 0; tile < tiles; tile++) {
        size_t first = tile * BLOCK_FLOATS;
        size_t floats = count - first < BLOCK_FLOATS ? count - first : BLOCK_FLOATS;
        float *of_tile[OPTIMIZER_MOMENTS];
        for (int k = 0; k < OPTIMIZER_MOMENTS; k++)
            of_tile[k] = kind->moments[k] ? moments[k] + first : NULL;
        if (decay_rate != 0)
            decay_tile(decay_rate, floats, parameters + first, decay + first);
        kind->update(step, floats, parameters + first, gradient + first, of_tile);
    }
}

static const struct option rows[] = {
        {"optimizer.kind", OPTION_CHOICE, offsetof(struct optimizer_options, kind), .value = "adam",
                .kinds = &optimizer_kinds, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "how parameters follow the gradient\nAnother kind on resume starts with empty "
                        "moments."},
        {"optimizer.learning_rate", OPTION_REAL, offsetof(struct optimizer_options, learning_rate),
                .value = "0.001", .minimum = 0, .maximum = 1e6, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "highest learning rate; the schedule multiplies it"},
        {"optimizer.beta1", OPTION_REAL, offsetof(struct optimizer_options, beta1), .value = "0.9",
                .minimum = 0, .maximum = 0.9999999, .change = CHANGE_NOTED, .shapes_result = true,
                .needs = "optimizer.kind=adam", .help = "decay of the mean gradient"},
        {"optimizer.beta2", OPTION_REAL, offsetof(struct optimizer_options, beta2), .value = "0.98",
                .minimum = 0, .maximum = 0.9999999, .change = CHANGE_NOTED, .shapes_result = true,
                .needs = "optimizer.kind=adam", .help = "decay of the mean squared gradient"},
        {"optimizer.epsilon", OPTION_REAL, offsetof(struct optimizer_options, epsilon), .value = "1e-9",
                .minimum = 1e-30, .maximum = 1, .change = CHANGE_NOTED, .shapes_result = true,
                .needs = "optimizer.kind=adam", .help = "added to the root of the mean square"},
        {"optimizer.weight_decay", OPTION_REAL, offsetof(struct optimizer_options, weight_decay),
                .value = "0", .minimum = 0, .maximum = 1, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "decoupled weight decay; biases and norms are left alone"},
        {"optimizer.momentum", OPTION_REAL, offsetof(struct optimizer_options, momentum), .value = "0",
                .minimum = 0, .maximum = 0.9999999, .change = CHANGE_NOTED, .shapes_result = true,
                .needs = "optimizer.kind=sgd", .help = "share of the last step that is kept"},
};

const struct option_group optimizer_group = OPTION_GROUP("optimizer", "the step from gradients", rows);
