/*
 * Functions for `#pragma omp simd` loops: branch-free polynomials in float, the same bits in vector body and remainder,
 * which libm's are not without -ffast-math. A function whose loops should use what the CPU has is marked CLONES:
 *
 *     CLONES static void scale(const float *x, float *out, size_t count)
 *     {
 *     #pragma omp simd
 *         for (size_t i = 0; i < count; i++)
 *             out[i] = vector_exp(x[i]);
 *     }
 *
 * Errors against exact values, each tested: below 3e-7 relative (log near 1: 2e-7 absolute). NaN gives NaN; infinities
 * give the limits.
 */
#ifndef MODELS_VECTOR_H
#define MODELS_VECTOR_H

#include "comm/vector.h"

#include <stdint.h>
#include <string.h>

#define CLONES VECTOR_CLONES

/* Inlined into every clone, or it would be code for the oldest CPU. */
#define VECTOR_FUNCTION static inline __attribute__((always_inline))

VECTOR_FUNCTION float vector_from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

VECTOR_FUNCTION uint32_t vector_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

VECTOR_FUNCTION float vector_absolute(float x)
{
    return vector_from_bits(vector_bits(x) & 0x7fffffffu);
}

/* |x| with the sign of y. */
VECTOR_FUNCTION float vector_copy_sign(float x, float y)
{
    return vector_from_bits((vector_bits(x) & 0x7fffffffu) | (vector_bits(y) & 0x80000000u));
}

/* e^x = 2^n e^r, |r| <= ln 2 / 2. Adding 1.5 · 2^23 rounds to an integer that lies in the low bits; 2^n is two factors,
 * so that results below 2^-126 and 2^128 itself need no branch. Polynomial: Moshier (Cephes, expf). */
VECTOR_FUNCTION float vector_exp(float x)
{
    const float shift = 12582912.0f;
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    float shifted = x * 1.44269504f + shift;
    float n = shifted - shift;
    float r = x - n * 0.693145752f;
    r = r - n * 1.42860677e-6f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t exponent = (int32_t)(vector_bits(shifted) - vector_bits(shift));
    int32_t half = exponent >> 1;
    float low = vector_from_bits((uint32_t)(half + 127) << 23);
    float high = vector_from_bits((uint32_t)(exponent - half + 127) << 23);
    return p * low * high;
}

/* log x = n log 2 + log m, m in [sqrt(1/2), sqrt(2)); the polynomial is Moshier's (Cephes, logf). */
VECTOR_FUNCTION float vector_log(float x)
{
    /* Numbers below 2^-126 have no exponent of their own: scaled up first. */
    float tiny = x < 1.17549435e-38f ? 1.0f : 0.0f;
    float scaled = tiny > 0.0f ? x * 8388608.0f : x;
    uint32_t bits = vector_bits(scaled) - 0x3f3504f3u; /* sqrt(1/2) */
    float n = (float)((int32_t)bits >> 23) - tiny * 23.0f;
    float m = vector_from_bits((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float z = m * m;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    float y = p * m * z;
    y = n * -2.12194440e-4f + y;
    y = y - 0.5f * z;
    y = n * 0.693359375f + (m + y);
    y = x == 0.0f ? -__builtin_inff() : y;
    y = x < 0.0f ? __builtin_nanf("") : y;
    y = x > 3.40282347e+38f ? x : y;
    return x == x ? y : x;
}

/* tanh x = 1 - 2 / (e^2x + 1); near 0, where that cancels, Moshier's polynomial (Cephes, tanhf). */
VECTOR_FUNCTION float vector_tanh(float x)
{
    float size = vector_absolute(x), z = x * x;
    float far = vector_copy_sign(1.0f - 2.0f / (vector_exp(2.0f * size) + 1.0f), x);
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    float near = p * z * x + x;
    return size < 0.625f ? near : far;
}

/* erf x; far from 0 as 1 - e^p(|x|). Both minimax polynomials by N. Juffa. */
VECTOR_FUNCTION float vector_erf(float x)
{
    float t = vector_absolute(x), z = x * x;
    t = t > 4.0f ? 4.0f : t;
    float s = t * t;
    float a = -1.72853470e-5f * t + 3.83197126e-4f;
    float b = -3.88396438e-3f * t + 2.42546219e-2f;
    a = a * s + b;
    a = a * t - 1.06777877e-1f;
    a = a * t - 6.34846687e-1f;
    a = a * t - 1.28717512e-1f;
    a = a * t - t;
    float far = vector_copy_sign(1.0f - vector_exp(a), x);
    float p = -5.96761703e-4f;
    p = p * z + 4.99119423e-3f;
    p = p * z - 2.67681349e-2f;
    p = p * z + 1.12819925e-1f;
    p = p * z - 3.76125336e-1f;
    p = p * z + 1.28379166e-1f;
    float near = p * x + x;
    return t > 0.927734375f ? far : near;
}

/* 1 / (1 + e^-x); 0 where that is below 2^-126. */
VECTOR_FUNCTION float vector_sigmoid(float x)
{
    return 1.0f / (1.0f + vector_exp(-x));
}

#endif
