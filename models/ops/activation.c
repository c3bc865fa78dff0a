#include "models/ops.h"
#include "models/vector.h"

/*
 * Activations. To add one: a forward and a backward on vectors, and a row below.
 */

CLONES static void relu(const float *x, float *out, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        out[i] = x[i] < 0.0f ? 0.0f : x[i];
}

CLONES static void relu_backward(const float *x, float *gradient, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        gradient[i] = x[i] > 0.0f ? gradient[i] : 0.0f;
}

/* x Φ(x), Φ the normal distribution function. */
CLONES static void gelu(const float *x, float *out, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        out[i] = 0.5f * x[i] * (1.0f + vector_erf(x[i] * 0.707106781f));
}

/* Φ(x) + x φ(x) */
CLONES static void gelu_backward(const float *x, float *gradient, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float density = 0.398942280f * vector_exp(-0.5f * x[i] * x[i]);
        gradient[i] *= 0.5f + 0.5f * vector_erf(x[i] * 0.707106781f) + x[i] * density;
    }
}

/* u = sqrt(2/π) (x + 0.044715 x³); x/2 (1 + tanh u) */
CLONES static void gelu_tanh(const float *x, float *out, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float u = 0.797884561f * x[i] * (1.0f + 0.044715f * x[i] * x[i]);
        out[i] = 0.5f * x[i] * (1.0f + vector_tanh(u));
    }
}

CLONES static void gelu_tanh_backward(const float *x, float *gradient, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float square = x[i] * x[i];
        float t = vector_tanh(0.797884561f * x[i] * (1.0f + 0.044715f * square));
        float slope = 0.797884561f * (1.0f + 0.134145f * square);
        gradient[i] *= 0.5f * (1.0f + t) + 0.5f * x[i] * (1.0f - t * t) * slope;
    }
}

/* x σ(x) */
CLONES static void silu(const float *x, float *out, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        out[i] = x[i] * vector_sigmoid(x[i]);
}

/* σ (1 + x (1 - σ)) */
CLONES static void silu_backward(const float *x, float *gradient, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float s = vector_sigmoid(x[i]);
        gradient[i] *= s * (1.0f + x[i] * (1.0f - s));
    }
}

static const struct activation_kind rows[] = {
        {{"relu", "max(x, 0)", NULL}, relu, relu_backward, true},
        {{"gelu", "x times the normal distribution function, by erf", "Hendrycks & Gimpel 2016"}, gelu,
                gelu_backward, false},
        {{"gelu_tanh", "gelu by its tanh approximation", "Hendrycks & Gimpel 2016"}, gelu_tanh,
                gelu_tanh_backward, false},
        {{"silu", "x times the logistic function", "Elfwing et al. 2018"}, silu, silu_backward, false},
};

const struct kind_table activation_kinds = KIND_TABLE("activation", rows);
