#include "models/peak.h"

#include "comm/clock.h"
#include "models/architecture.h"
#include "models/ops/kernels.h"

#include <string.h>

enum { ROUNDS = 2, COPY_FLOATS = 1 << 23, COPY_TILE = 1 << 16 };
static const double least_seconds = 2e-3; /* of one measurement: short products are repeated */

static void by_blas(struct arena *arena, const struct product *p)
{
    (void)arena;
    gemm_single(p);
}

static void in_rows_of_256(struct arena *arena, const struct product *p)
{
    (void)arena;
    gemm_tiles(p, 256, p->n);
}

static void in_rows_of_512(struct arena *arena, const struct product *p)
{
    (void)arena;
    gemm_tiles(p, 512, p->n);
}

const char *const peak_ways[PEAK_WAYS] = {"model", "blas", "rows_256", "rows_512"};

/* Outside a parallel region BLAS uses its own threads. */
static void (*const runs[PEAK_WAYS])(struct arena *, const struct product *) = {
        gemm, by_blas, in_rows_of_256, in_rows_of_512};

/* ---- products ---- */

enum matrix { MATRIX_A, MATRIX_B, MATRIX_C, MATRICES };

static void floats_of(const struct product_shape *s, size_t out[MATRICES])
{
    out[MATRIX_A] = s->m * s->k;
    out[MATRIX_B] = s->k * s->n;
    out[MATRIX_C] = s->m * s->n;
}

static void fill(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(i % 17) / 16 - 0.5f;
}

/* Room for the largest of each matrix. */
static enum status matrices_take(float *out[MATRICES], const struct product_list *list, struct arena *arena)
{
    size_t most[MATRICES] = {0}, floats[MATRICES];
    for (size_t i = 0; i < list->count; i++) {
        floats_of(&list->items[i], floats);
        for (int x = 0; x < MATRICES; x++)
            most[x] = floats[x] > most[x] ? floats[x] : most[x];
    }
    for (int x = 0; x < MATRICES; x++) {
        out[x] = arena_take(arena, most[x], sizeof(float));
        if (!out[x])
            return arena_status(arena);
        fill(out[x], most[x]);
    }
    return STATUS_OK;
}

static double time_way(int way, struct arena *arena, const struct product *product)
{
    double start = clock_now(), now;
    int times = 0;
    do {
        runs[way](arena, product);
        times++;
        now = clock_now();
    } while (now - start < least_seconds);
    return (now - start) / times;
}

/* Ways alternate, so that what disturbs the machine meanwhile meets all of them. */
static void measure(struct peak_product *out, struct arena *arena, const struct product *product)
{
    for (int round = 0; round < ROUNDS; round++)
        for (int way = 0; way < PEAK_WAYS; way++) {
            double seconds = time_way(way, arena, product);
            if (out->seconds[way] == 0 || seconds < out->seconds[way])
                out->seconds[way] = seconds;
        }
}

enum status peak_products(struct peak_product *out, const struct product_list *list, struct model *model)
{
    float *matrices[MATRICES];
    arena_clear(model->step);
    TRY(matrices_take(matrices, list, model->step));
    for (size_t i = 0; i < list->count; i++) {
        const struct product_shape *s = &list->items[i];
        measure(&out[i], model->step,
                &(struct product){.transpose_a = s->transpose_a,
                        .transpose_b = s->transpose_b,
                        .m = s->m,
                        .n = s->n,
                        .k = s->k,
                        .a = matrices[MATRIX_A],
                        .lda = s->transpose_a ? s->m : s->k,
                        .b = matrices[MATRIX_B],
                        .ldb = s->transpose_b ? s->k : s->n,
                        .c = matrices[MATRIX_C],
                        .ldc = s->n});
    }
    enum status status = arena_status(model->step);
    arena_clear(model->step);
    return status;
}

double peak_best(const struct peak_product *product)
{
    double best = product->seconds[1];
    for (int way = 2; way < PEAK_WAYS; way++)
        best = product->seconds[way] < best ? product->seconds[way] : best;
    return best;
}

/* ---- memory ---- */

static void copy(float *to, const float *from)
{
#pragma omp parallel for schedule(static, 1)
    for (size_t tile = 0; tile < COPY_FLOATS / COPY_TILE; tile++)
        memcpy(to + tile * COPY_TILE, from + tile * COPY_TILE, COPY_TILE * sizeof *to);
}

enum status peak_memory(double *bytes_per_second)
{
    float *values = NULL;
    TRY(memory_take(&values, "peak", 2 * (size_t)COPY_FLOATS, sizeof *values));
    fill(values, 2 * (size_t)COPY_FLOATS);
    *bytes_per_second = 0;
    for (int round = 0; round < 3 * ROUNDS; round++) {
        double start = clock_now();
        copy(values + COPY_FLOATS, values);
        double rate = 2.0 * COPY_FLOATS * sizeof *values / (clock_now() - start);
        *bytes_per_second = rate > *bytes_per_second ? rate : *bytes_per_second;
    }
    memory_free(values);
    return STATUS_OK;
}
