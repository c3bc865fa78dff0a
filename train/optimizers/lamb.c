/*
 * LAMB (You et al. 2020, algorithm 2, phi the identity), for each parameter as a whole:
 *     m = beta1 m + (1 - beta1) g         v = beta2 v + (1 - beta2) g²
 *     u = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + decay · p
 *     p -= rate · |p| / |u| · u
 * As in the authors' code, the ratio of norms is 1 for biases and norms, which weight decay leaves alone, and where |p|
 * or |u| is 0.
 */
#include "comm/vector.h"
#include "train/optimizers/internal.h"

#include <math.h>

struct factors {
    float scale, beta1, one_minus_beta1, beta2, one_minus_beta2;
    float first, second; /* 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
    float epsilon, decay;
};

static struct factors factors_of(
        const struct optimizer *optimizer, const struct optimizer_step *step, const struct tile *tile)
{
    const struct optimizer_options *o = optimizer->options;
    double t = (double)step->update;
    return (struct factors){
            .scale = (float)step->scale,
            .beta1 = (float)o->beta1,
            .one_minus_beta1 = (float)(1 - o->beta1),
            .beta2 = (float)o->beta2,
            .one_minus_beta2 = (float)(1 - o->beta2),
            .first = (float)(1 / (1 - pow(o->beta1, t))),
            .second = (float)(1 / sqrt(1 - pow(o->beta2, t))),
            .epsilon = (float)o->epsilon,
            .decay = (float)tile->decay,
    };
}

VECTOR_CLONES static void moments_tile(
        struct factors f, size_t count, const float *restrict gradient, float *restrict m, float *restrict v)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float g = gradient[i] * f.scale;
        m[i] = f.beta1 * m[i] + f.one_minus_beta1 * g;
        v[i] = f.beta2 * v[i] + f.one_minus_beta2 * (g * g);
    }
}

VECTOR_CLONES static void direction_tile(struct factors f, size_t count, const float *restrict parameters,
        const float *restrict m, const float *restrict v, float *restrict u)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        u[i] = f.first * m[i] / (sqrtf(v[i]) * f.second + f.epsilon) + f.decay * parameters[i];
}

VECTOR_CLONES static void move_tile(
        float rate, size_t count, float *restrict parameters, const float *restrict u)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        parameters[i] -= rate * u[i];
}

enum { PARAMETER, DIRECTION }; /* sums of squares */

static enum status prepare(
        struct optimizer *o, const struct optimizer_step *step, float *values, const float *gradient)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->mine_count; i++) {
        float u[BLOCK_FLOATS];
        struct tile tile = optimizer_tile(o, i, values, gradient);
        struct factors factors = factors_of(o, step, &tile);
        moments_tile(factors, tile.count, tile.gradient, tile.moments[0], tile.moments[1]);
        direction_tile(factors, tile.count, tile.values, tile.moments[0], tile.moments[1], u);
        o->partial[i][PARAMETER] = vector_square(tile.values, tile.count);
        o->partial[i][DIRECTION] = vector_square(u, tile.count);
    }
    return optimizer_sum(o);
}

static double norm_ratio(const struct optimizer *o, size_t parameter)
{
    const double *squares = o->sums[parameter];
    if (!o->parameters->items[parameter].decays || squares[PARAMETER] == 0 || squares[DIRECTION] == 0)
        return 1;
    return sqrt(squares[PARAMETER] / squares[DIRECTION]);
}

static void update(const struct optimizer *o, const struct optimizer_step *step, const struct tile *tile)
{
    float u[BLOCK_FLOATS];
    direction_tile(
            factors_of(o, step, tile), tile->count, tile->values, tile->moments[0], tile->moments[1], u);
    move_tile((float)(step->learning_rate * norm_ratio(o, tile->parameter)), tile->count, tile->values, u);
}

const struct optimizer_method optimizer_lamb = {
        .moments = {"optimizer/m", "optimizer/v"},
        .needs_sums = true,
        .prepare = prepare,
        .update = update,
};
