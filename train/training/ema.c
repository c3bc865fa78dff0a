#include "train/training/ema.h"

#include "comm/memory.h"
#include "comm/vector.h"

#include <string.h>

enum status ema_open(struct ema *out, double decay, const struct blocks *blocks, int rank)
{
    *out = (struct ema){.decay = decay, .rank = rank};
    if (decay == 0)
        return STATUS_OK;
    return memory_new(&out->values, "moving average", blocks_own_floats(blocks, rank), sizeof(float));
}

void ema_close(struct ema *ema)
{
    memory_free(ema->values);
    *ema = (struct ema){0};
}

double ema_share(double decay, int64_t update)
{
    double t = (double)update, early = (1 + t) / (10 + t);
    return 1 - (early < decay ? early : decay);
}

void ema_start(struct ema *ema, const struct blocks *blocks, const float *parameters)
{
    for (size_t bucket = 0; ema->values && bucket < blocks_buckets(blocks); bucket++) {
        struct run run = blocks_run(blocks, bucket, ema->rank);
        if (run.count > 0)
            memcpy(ema->values + run.own, parameters + run.first, run.count * sizeof *parameters);
    }
}

/* In this form the average stands still where the weights equal it, however `share` is rounded. */
VECTOR_CLONES static void update_tile(
        float share, size_t count, float *restrict average, const float *restrict parameters)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        average[i] += share * (parameters[i] - average[i]);
}

void ema_update(struct ema *ema, const struct blocks *blocks, int64_t update, const float *parameters)
{
    float share = (float)ema_share(ema->decay, update);
    for (size_t bucket = 0; ema->values && bucket < blocks_buckets(blocks); bucket++) {
        struct run run = blocks_run(blocks, bucket, ema->rank);
#pragma omp parallel for schedule(static)
        for (size_t first = 0; first < run.count; first += BLOCK_FLOATS) {
            size_t count = run.count - first < BLOCK_FLOATS ? run.count - first : BLOCK_FLOATS;
            update_tile(share, count, ema->values + run.own + first, parameters + run.first + first);
        }
    }
}

static void swap(float *restrict a, float *restrict b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float value = a[i];
        a[i] = b[i];
        b[i] = value;
    }
}

enum status ema_swap(struct ema *ema, struct exchange *exchange, float *parameters)
{
    const struct blocks *blocks = exchange_blocks(exchange);
    if (!ema->values)
        return STATUS_OK;
    for (size_t bucket = 0; bucket < blocks_buckets(blocks); bucket++) {
        struct run run = blocks_run(blocks, bucket, ema->rank);
        swap(ema->values + run.own, parameters + run.first, run.count);
    }
    TRY(exchange_spread(exchange, parameters));
    return exchange_spread_wait(exchange, SIZE_MAX);
}
