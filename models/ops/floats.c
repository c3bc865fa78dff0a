#include "models/ops/kernels.h"
#include "models/vector.h"

#include <string.h>

CLONES void floats_add(float *x, const float *y, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        x[i] += y[i];
}

void floats_put(float *x, const float *y, bool add, size_t count)
{
    if (x && add)
        floats_add(x, y, count);
    else if (x)
        memcpy(x, y, count * sizeof *x);
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

void rows_sum_blocks(struct arena *arena, const float *x, size_t rows, size_t columns, bool add, float *sum)
{
    const size_t blocks = tiles_of(rows, ROW_BLOCK);
    struct arena_mark mark = arena_mark(arena);
    float *partial = arena_take(arena, blocks * columns, sizeof *partial);
    if (!partial)
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t block = 0; block < blocks; block++)
        rows_sum(x + block * ROW_BLOCK * columns, smaller(ROW_BLOCK, rows - block * ROW_BLOCK), columns,
                columns, false, partial + block * columns);
    rows_sum(partial, blocks, columns, columns, add, sum);
    arena_reset(arena, mark);
}
