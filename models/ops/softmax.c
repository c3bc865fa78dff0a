#include "models/ops/kernels.h"
#include "models/vector.h"

#include <math.h>

/* Strips of SMALL_LANES columns, each gone through along its keys: sums and maxima stay in one register. */

/* Scores are scaled, those of hidden keys become -infinity. */
VECTOR_FUNCTION void scale_strip(
        const struct softmax s, float *scores, size_t column, float maximum[SMALL_LANES])
{
#pragma omp simd
    for (int i = 0; i < SMALL_LANES; i++)
        maximum[i] = -INFINITY;
    for (size_t j = 0; j < s.keys; j++) {
        float *row = scores + j * s.columns + column;
        const int32_t hidden = (int32_t)j - s.last - (int32_t)column; /* from fewer columns of the strip */
#pragma omp simd
        for (int i = 0; i < SMALL_LANES; i++) {
            float score = i < hidden ? -INFINITY : row[i] * s.scale;
            maximum[i] = score > maximum[i] ? score : maximum[i];
            row[i] = score;
        }
    }
}

/* Scores become e^(score - maximum). */
VECTOR_FUNCTION void exponential_strip(const struct softmax s, float *scores, size_t column,
        const float maximum[SMALL_LANES], float sum[SMALL_LANES])
{
#pragma omp simd
    for (int i = 0; i < SMALL_LANES; i++)
        sum[i] = 0;
    for (size_t j = 0; j < s.keys; j++) {
        float *row = scores + j * s.columns + column;
#pragma omp simd
        for (int i = 0; i < SMALL_LANES; i++) {
            float e = vector_exp(row[i] - maximum[i]);
            sum[i] += e;
            row[i] = e;
        }
    }
}

CLONES void softmax_forward(const struct softmax *softmax, float *scores, float *lse)
{
    const struct softmax s = *softmax; /* else each store might change it */
    for (size_t column = 0; column < s.columns; column += SMALL_LANES) {
        float maximum[SMALL_LANES], sum[SMALL_LANES];
        scale_strip(s, scores, column, maximum);
        exponential_strip(s, scores, column, maximum, sum);
#pragma omp simd
        for (int i = 0; i < SMALL_LANES; i++) {
            lse[column + (size_t)i] = maximum[i] + vector_log(sum[i]);
            sum[i] = 1.0f / sum[i];
        }
        for (size_t j = 0; j < s.keys; j++) {
            float *row = scores + j * s.columns + column;
#pragma omp simd
            for (int i = 0; i < SMALL_LANES; i++)
                row[i] *= sum[i];
        }
    }
}

/* `masked` is a constant wherever this is inlined. Scores become P, dp that of P; sum: of P ∘ dP. */
VECTOR_FUNCTION void again_strip(const struct softmax s, float *scores, const float *lse, const bool masked,
        const float *mask, float *dp, size_t column, float sum[SMALL_LANES])
{
#pragma omp simd
    for (int i = 0; i < SMALL_LANES; i++)
        sum[i] = 0;
    for (size_t j = 0; j < s.keys; j++) {
        const size_t row = j * s.columns + column;
        const int32_t hidden = (int32_t)j - s.last - (int32_t)column;
#pragma omp simd
        for (int i = 0; i < SMALL_LANES; i++) {
            float p = vector_exp(scores[row + (size_t)i] * s.scale - lse[column + (size_t)i]);
            float d = masked ? dp[row + (size_t)i] * mask[row + (size_t)i] : dp[row + (size_t)i];
            p = i < hidden ? 0 : p;
            sum[i] += p * d;
            scores[row + (size_t)i] = p;
            dp[row + (size_t)i] = d;
        }
    }
}

VECTOR_FUNCTION void differentiate(const struct softmax s, float *scores, const float *lse, const bool masked,
        const float *mask, float *dp)
{
    for (size_t column = 0; column < s.columns; column += SMALL_LANES) {
        float sum[SMALL_LANES];
        again_strip(s, scores, lse, masked, mask, dp, column, sum);
        for (size_t j = 0; j < s.keys; j++) {
            const size_t row = j * s.columns + column;
#pragma omp simd
            for (int i = 0; i < SMALL_LANES; i++) {
                float p = scores[row + (size_t)i];
                dp[row + (size_t)i] = s.scale * p * (dp[row + (size_t)i] - sum[i]);
                scores[row + (size_t)i] = masked ? p * mask[row + (size_t)i] : p;
            }
        }
    }
}

CLONES void softmax_backward(
        const struct softmax *softmax, float *scores, const float *lse, const float *mask, float *dp)
{
    if (mask)
        differentiate(*softmax, scores, lse, true, mask, dp);
    else
        differentiate(*softmax, scores, lse, false, NULL, dp);
}
