#include "models/ops/kernels.h"
#include "models/vector.h"

/* Rows whose sums are held in registers. */
enum { ROWS = 6 };

/* `rows` is a constant wherever this is inlined, so that the sums live in registers. */
VECTOR_FUNCTION void block_product(
        const size_t rows, const struct small_product *s, size_t row, size_t column)
{
    const float *a = s->a + row * s->down, *b = s->b + column;
    const size_t columns = smaller(SMALL_LANES, s->n - column);
    float sum[ROWS][SMALL_LANES];
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++)
#pragma omp simd
        for (int j = 0; j < SMALL_LANES; j++)
            sum[i][j] = 0;
    for (size_t p = 0; p < s->k; p++) {
        const float *y = b + p * s->ldb;
#pragma GCC unroll 6
        for (size_t i = 0; i < rows; i++) {
            float x = a[i * s->down + p * s->along];
#pragma omp simd
            for (int j = 0; j < SMALL_LANES; j++)
                sum[i][j] += x * y[j];
        }
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++) {
        float *c = s->c + (row + i) * s->ldc + column;
        if (columns == SMALL_LANES) {
#pragma omp simd
            for (int j = 0; j < SMALL_LANES; j++)
                c[j] = s->add ? c[j] + sum[i][j] : sum[i][j];
        } else
            for (size_t j = 0; j < columns; j++)
                c[j] = s->add ? c[j] + sum[i][j] : sum[i][j];
    }
}

CLONES void small_product(const struct small_product *s)
{
    for (size_t column = 0; column < s->n; column += SMALL_LANES)
        for (size_t row = 0; row < s->m; row += ROWS)
            switch (s->m - row) {
            case 1:
                block_product(1, s, row, column);
                break;
            case 2:
                block_product(2, s, row, column);
                break;
            case 3:
                block_product(3, s, row, column);
                break;
            case 4:
                block_product(4, s, row, column);
                break;
            case 5:
                block_product(5, s, row, column);
                break;
            default:
                block_product(ROWS, s, row, column);
            }
}
