#include "models/ops/kernels.h"
#include "models/vector.h"

#include <string.h>

/*
 * C = A Bᵀ with B in panels: PANEL rows of B side by side, element p of each after element p - 1 of all. A block of
 * BLOCK_ROWS rows of A and a panel meet in registers, over the whole of k at once; A is read where it is. Panels are
 * what BLAS makes anew in every call, which costs more than a product of few rows (measured, k 512, Zen 5, one thread:
 * 66 rows 245 against 170 GFLOP/s, 1536 rows 240 against 220).
 *
 * Each row of C is a chain of sums over k of its own, whatever rows stand beside it and however the work is cut.
 */
enum {
    LANES = 16,
    PANEL_VECTORS = 4,
    PANEL = LANES * PANEL_VECTORS,
    BLOCK_ROWS = 6,
    TILE_ROWS = 96,
    TILE_PANELS = 4
};

/* Tiles that share out well over a few threads. */
enum { ENOUGH_TILES = 16 };

typedef float vector __attribute__((vector_size(LANES * sizeof(float))));
typedef float loose_vector __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float))));

/* A block: C [rows, PANEL] = A [rows, k] · panel. */
struct block {
    size_t k, lda, ldc;
    const float *a, *panel;
    float *c;
};

typedef void run_block(const struct block *block, size_t rows);

/* `rows` and `vectors` are constants wherever this is inlined, so that the sums live in registers. */
VECTOR_FUNCTION void block_columns(
        const struct block *s, const size_t rows, const size_t vectors, size_t column)
{
    vector sums[BLOCK_ROWS][PANEL_VECTORS];
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (size_t j = 0; j < vectors; j++)
            sums[i][j] = (vector){0};
    const float *a = s->a, *panel = s->panel + column;
    for (size_t p = 0; p < s->k; p++, panel += PANEL) {
        vector b[PANEL_VECTORS];
#pragma GCC unroll 4
        for (size_t j = 0; j < vectors; j++)
            b[j] = ((const vector *)panel)[j];
#pragma GCC unroll 6
        for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (size_t j = 0; j < vectors; j++)
                sums[i][j] += a[i * s->lda + p] * b[j];
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (size_t j = 0; j < vectors; j++)
            ((loose_vector *)(s->c + i * s->ldc + column))[j] = sums[i][j];
}

/* Columns of a panel are done as many at once as there are registers for. */
VECTOR_FUNCTION void block_rows(const struct block *s, const size_t rows, const size_t vectors)
{
    for (size_t column = 0; column < PANEL; column += vectors * LANES)
        block_columns(s, rows, vectors, column);
}

VECTOR_FUNCTION void block(const struct block *s, size_t rows, const size_t vectors)
{
    switch (rows) {
    case 1:
        block_rows(s, 1, vectors);
        break;
    case 2:
        block_rows(s, 2, vectors);
        break;
    case 3:
        block_rows(s, 3, vectors);
        break;
    case 4:
        block_rows(s, 4, vectors);
        break;
    case 5:
        block_rows(s, 5, vectors);
        break;
    default:
        block_rows(s, BLOCK_ROWS, vectors);
    }
}

#ifdef VECTOR_LEVELS
/* 32 registers of a whole vector, or 16 of half a one. */
__attribute__((target("arch=x86-64-v4"))) static void block_v4(const struct block *s, size_t rows)
{
    block(s, rows, PANEL_VECTORS);
}

__attribute__((target("arch=x86-64-v3"))) static void block_v3(const struct block *s, size_t rows)
{
    block(s, rows, 1);
}
#endif

static void block_plain(const struct block *s, size_t rows)
{
    block(s, rows, 1);
}

static run_block *block_of_cpu(void)
{
#ifdef VECTOR_LEVELS
    if (__builtin_cpu_supports("x86-64-v4"))
        return block_v4;
    if (__builtin_cpu_supports("x86-64-v3"))
        return block_v3;
#endif
    return block_plain;
}

/* ---- packing ---- */

size_t packed_floats(size_t rows, size_t columns)
{
    return tiles_of(rows, PANEL) * PANEL * columns;
}

/* One panel, LANES columns of B at a time, which stay in the nearest cache while all rows are walked. */
CLONES static void fill_panel(const float *b, size_t rows, size_t columns, size_t ldb, float *panel)
{
    if (rows < PANEL)
        memset(panel, 0, PANEL * columns * sizeof *panel);
    for (size_t first = 0; first < columns; first += LANES)
        for (size_t r = 0; r < rows; r++)
            for (size_t p = first; p < smaller(first + LANES, columns); p++)
                panel[p * PANEL + r] = b[r * ldb + p];
}

void packed_fill(struct packed *packed, const float *b, size_t rows, size_t columns, size_t ldb)
{
    packed->rows = rows;
    packed->columns = columns;
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < rows; first += PANEL)
        fill_panel(b + first * ldb, smaller(PANEL, rows - first), columns, ldb,
                packed->panels + first * columns);
}

/* ---- products ---- */

/* A tile within one panel; where C ends within it, by way of memory of our own. */
static void run_panel(const struct packed_product *p, struct tile tile, run_block *run)
{
    float own[BLOCK_ROWS * PANEL] __attribute__((aligned(64)));
    const bool whole = tile.columns == PANEL;
    struct block s = {.k = p->b->columns,
            .lda = p->lda,
            .ldc = whole ? p->ldc : PANEL,
            .panel = p->b->panels + tile.column * p->b->columns};
    for (size_t row = tile.row; row < tile.row + tile.rows; row += BLOCK_ROWS) {
        size_t rows = smaller(BLOCK_ROWS, tile.row + tile.rows - row);
        float *c = p->c + row * p->ldc + tile.column;
        s.a = p->a + row * p->lda;
        s.c = whole ? c : own;
        run(&s, rows);
        for (size_t i = 0; i < rows && !whole; i++)
            memcpy(c + i * p->ldc, own + i * PANEL, tile.columns * sizeof *own);
    }
}

static void run_tile(const struct packed_product *p, struct tile tile, run_block *run)
{
    for (size_t column = tile.column; column < tile.column + tile.columns; column += PANEL) {
        size_t columns = smaller(PANEL, tile.column + tile.columns - column);
        run_panel(p, (struct tile){tile.row, tile.rows, column, columns}, run);
    }
    if (p->finish)
        p->finish(p->context, tile);
}

void gemm_packed(const struct packed_product *p)
{
    run_block *run = block_of_cpu();
    size_t down = tiles_of(p->m, TILE_ROWS), panels = TILE_PANELS;
    while (panels > 1 && down * tiles_of(p->n, panels * PANEL) < ENOUGH_TILES)
        panels /= 2;
    size_t columns = panels * PANEL, across = tiles_of(p->n, columns);
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < down * across; i++) {
        size_t row = i / across * TILE_ROWS, column = i % across * columns;
        run_tile(p,
                (struct tile){row, smaller(TILE_ROWS, p->m - row), column, smaller(columns, p->n - column)},
                run);
    }
}
