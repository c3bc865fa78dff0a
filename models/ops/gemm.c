#include "models/ops.h"
#include "models/ops/kernels.h"

#include <cblas.h>
#include <limits.h>
#include <string.h>

/*
 * Gradients of weights, the products of a transposed A, are BLAS's: a kernel of our own was 0.86 to 1.15 times as fast.
 * All others are packed.c's.
 *
 * Measured on AVX-512 cores at widths 256 to 2048: BLAS packs both operands at every call, which tiles of 512 by 512
 * pay for. Smaller ones, down to LEAST, only where there would be too few to share out evenly.
 */
enum { TILE_ROWS = 512, TILE_COLUMNS = 512, TILE_LEAST = 128 * 128, TILE_WORK = 1 << 22 };

/* Parts of k where there are fewer tiles than that, and how long one must be. */
enum { PARTS = 4, PART_LEAST = 256 };

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
            p->b, (int)p->ldb, p->add ? 1 : 0, p->c, (int)p->ldc);
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

/* ---- weights' gradients ---- */

/* C = or += the sum of `parts` matrices [m, n], in their order. */
static void add_parts(const struct product *p, const float *sums, size_t parts)
{
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < p->m; row++) {
        float *c = p->c + row * p->ldc;
        for (size_t part = 0; part < parts; part++) {
            const float *sum = sums + (part * p->m + row) * p->n;
            if (part == 0 && !p->add)
                memcpy(c, sum, p->n * sizeof *c);
            else
                floats_add(c, sum, p->n);
        }
    }
}

/* A small C of a long k: parts of k side by side, since tiles would be too few or too small. */
static void gemm_parts(struct arena *arena, const struct product *p, size_t parts)
{
    struct arena_mark mark = arena_mark(arena);
    float *sums = arena_take(arena, parts * p->m * p->n, sizeof *sums);
    if (!sums)
        return;
    const size_t length = part_of(p->k, parts);
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < parts; i++) {
        size_t first = smaller(i * length, p->k);
        struct product part = *p;
        part.k = smaller(length, p->k - first);
        part.a += first * (p->transpose_a ? p->lda : 1);
        part.b += first * (p->transpose_b ? 1 : p->ldb);
        part.add = false;
        part.c = sums + i * p->m * p->n;
        part.ldc = p->n;
        gemm_single(&part);
    }
    add_parts(p, sums, parts);
    arena_reset(arena, mark);
}

static void gemm_blas(struct arena *arena, const struct product *p)
{
    size_t rows, columns;
    tile_size(p->m, p->n, p->k, &rows, &columns);
    size_t tiles = tiles_of(p->m, rows) * tiles_of(p->n, columns);
    if (tiles < PARTS && p->k >= PARTS * PART_LEAST)
        gemm_parts(arena, p, PARTS);
    else
        gemm_tiles(p, rows, columns);
}

/* ---- the rest ---- */

static void gemm_own(struct arena *arena, const struct product *p)
{
    struct arena_mark mark = arena_mark(arena);
    struct packed b;
    if (!packed_take(&b, arena, p->n, p->k))
        return;
    packed_fill(&b, p->b, p->ldb, !p->transpose_b);
    gemm_packed(&(struct packed_product){.m = p->m,
            .n = p->n,
            .a = p->a,
            .lda = p->lda,
            .b = &b,
            .add = p->add,
            .c = p->c,
            .ldc = p->ldc,
            .finish = p->finish,
            .context = p->context});
    arena_reset(arena, mark);
}

void gemm(struct arena *arena, const struct product *p)
{
    ASSERT(!p->transpose_a || !p->finish);
    if (p->m == 0 || p->n == 0)
        return;
    if (p->transpose_a)
        gemm_blas(arena, p);
    else
        gemm_own(arena, p);
}
