#include "models/ops/kernels.h"
#include "models/vector.h"

#include <string.h>

CLONES void floats_add(float *x, const float *y, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        x[i] += y[i];
}

CLONES void floats_add_scaled(float *x, const float *y, float factor, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        x[i] += factor * y[i];
}

CLONES void floats_scale(float *x, float factor, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        x[i] *= factor;
}

CLONES void floats_multiply(float *x, const float *y, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        x[i] *= y[i];
}

CLONES float floats_dot(const float *x, const float *y, size_t count)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < count; i++)
        sum += x[i] * y[i];
    return sum;
}

CLONES void rows_sum(const float *x, size_t rows, size_t columns, size_t stride, bool add, float *sum)
{
    if (!add)
        memset(sum, 0, columns * sizeof *sum);
    for (size_t i = 0; i < rows; i++) {
        const float *row = x + i * stride;
#pragma omp simd
        for (size_t j = 0; j < columns; j++)
            sum[j] += row[j];
    }
}
