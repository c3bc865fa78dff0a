#include "models/ops.h"
#include "models/ops/kernels.h"

#include <cblas.h>
#include <limits.h>

/* Measured on AVX-512 cores at widths 256 to 2048: BLAS packs both operands at every call, which tiles of 512 by 512
 * pay for. Smaller ones, down to LEAST, only where there would be too few to share out evenly. */
enum { TILE_ROWS = 512, TILE_COLUMNS = 512, TILE_LEAST = 128 * 128, TILE_WORK = 1 << 22 };

/* The size of each of `parts` nearly equal parts, in whole registers of 16. */
static size_t part_of(size_t count, size_t parts)
{
    return tiles_of(tiles_of(count, parts), 16) * 16;
}

/* Whether `tiles` share out well enough over a few threads, seeing that splitting leaves `area` elements each. */
static bool enough(size_t tiles, size_t area)
{
    if (area < 2 * TILE_LEAST)
        return tiles >= 4;
    return tiles >= 32 || (tiles >= 8 && tiles % 4 == 0);
}

static void tile_size(size_t m, size_t n, size_t k, size_t *rows, size_t *columns)
{
    size_t down = tiles_of(m, TILE_ROWS), across = tiles_of(n, TILE_COLUMNS);
    *rows = part_of(m, down);
    *columns = part_of(n, across);
    for (;;) {
        size_t area = *rows * *columns / 2;
        if (enough(down * across, area) || area < TILE_LEAST || area * k < TILE_WORK)
            return;
        if (*rows >= *columns)
            *rows = part_of(m, ++down);
        else
            *columns = part_of(n, ++across);
    }
}

void gemm_single(const struct product *p)
{
    ASSERT(p->m <= INT_MAX && p->n <= INT_MAX && p->k <= INT_MAX);
    ASSERT(p->lda <= INT_MAX && p->ldb <= INT_MAX && p->ldc <= INT_MAX);
    cblas_sgemm(CblasRowMajor, p->transpose_a ? CblasTrans : CblasNoTrans,
            p->transpose_b ? CblasTrans : CblasNoTrans, (int)p->m, (int)p->n, (int)p->k, 1, p->a, (int)p->lda,
            p->b, (int)p->ldb, p->beta, p->c, (int)p->ldc);
}

static void gemm_tile(const struct product *p, struct tile tile)
{
    struct product part = *p;
    part.m = tile.rows;
    part.n = tile.columns;
    part.a += tile.row * (p->transpose_a ? 1 : p->lda);
    part.b += tile.column * (p->transpose_b ? p->ldb : 1);
    part.c += tile.row * p->ldc + tile.column;
    gemm_single(&part);
    if (p->finish)
        p->finish(p->context, tile);
}

void gemm_tiles(const struct product *p, size_t rows, size_t columns)
{
    size_t down = tiles_of(p->m, rows), across = tiles_of(p->n, columns);
    /* Even a single tile is done in a parallel region: outside one, BLAS would start threads of its own. */
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < down * across; i++) {
        size_t row = i / across * rows, column = i % across * columns;
        gemm_tile(p, (struct tile){row, smaller(rows, p->m - row), column, smaller(columns, p->n - column)});
    }
}

void gemm(const struct product *p)
{
    if (p->m == 0 || p->n == 0)
        return;
    size_t rows, columns;
    tile_size(p->m, p->n, p->k, &rows, &columns);
    gemm_tiles(p, rows, columns);
}

void gemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float beta,
        float *c, size_t ldc)
{
    gemm(&(struct product){false, true, m, n, k, a, lda, b, ldb, beta, c, ldc, NULL, NULL});
}

void gemm_nn(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float beta,
        float *c, size_t ldc)
{
    gemm(&(struct product){false, false, m, n, k, a, lda, b, ldb, beta, c, ldc, NULL, NULL});
}

void gemm_tn(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float beta,
        float *c, size_t ldc)
{
    gemm(&(struct product){true, false, m, n, k, a, lda, b, ldb, beta, c, ldc, NULL, NULL});
}
