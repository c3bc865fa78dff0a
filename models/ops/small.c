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

/* ---- transposition ---- */

enum { SQUARE = 4 };
typedef float square_row __attribute__((vector_size(SQUARE * sizeof(float)), aligned(sizeof(float))));
typedef int32_t square_order __attribute__((vector_size(SQUARE * sizeof(int32_t))));

/* Of the items of a and, numbered on, of b those that `order` names. */
static inline square_row mixed(square_row a, square_row b, square_order order)
{
#ifdef __clang__
    square_row out = {0};
    for (int i = 0; i < SQUARE; i++)
        out[i] = order[i] < SQUARE ? a[order[i]] : b[order[i] - SQUARE];
    return out;
#else
    return __builtin_shuffle(a, b, order);
#endif
}

/* to [SQUARE, SQUARE] = fromᵀ, of which there are `count` rows; zeros for the rest. */
static inline void transpose_square(const float *from, size_t count, size_t ld, float *to, size_t stride)
{
    const square_order low = {0, 4, 1, 5}, high = {2, 6, 3, 7}, first = {0, 1, 4, 5}, last = {2, 3, 6, 7};
    square_row rows[SQUARE], out[SQUARE];
    for (size_t i = 0; i < SQUARE; i++)
        rows[i] = i < count ? *(const square_row *)(from + i * ld) : (square_row){0};
    square_row low01 = mixed(rows[0], rows[1], low), low23 = mixed(rows[2], rows[3], low);
    square_row high01 = mixed(rows[0], rows[1], high), high23 = mixed(rows[2], rows[3], high);
    out[0] = mixed(low01, low23, first);
    out[1] = mixed(low01, low23, last);
    out[2] = mixed(high01, high23, first);
    out[3] = mixed(high01, high23, last);
    for (size_t i = 0; i < SQUARE; i++)
        *(square_row *)(to + i * stride) = out[i];
}

void small_transpose(const float *from, size_t rows, size_t width, size_t ld, float *to, size_t stride)
{
    const size_t across = width / SQUARE * SQUARE;
    size_t i = 0;
    for (; i + SQUARE <= rows; i += SQUARE)
        for (size_t c = 0; c < across; c += SQUARE)
            transpose_square(from + i * ld + c, SQUARE, ld, to + c * stride + i, stride);
    for (; i < stride; i += SQUARE)
        for (size_t c = 0; c < across; c += SQUARE)
            transpose_square(from + i * ld + c, i < rows ? rows - i : 0, ld, to + c * stride + i, stride);
    for (size_t c = across; c < width; c++)
        for (i = 0; i < stride; i++)
            to[c * stride + i] = i < rows ? from[i * ld + c] : 0;
}
