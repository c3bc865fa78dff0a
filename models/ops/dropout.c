#include "models/ops/kernels.h"
#include "models/vector.h"

#include <string.h>

/*
 * A pass is 128 elements from LANES Philox blocks (random.h) computed side by side. Element e takes 16 bits:
 *
 *     e = 128·pass + 16·piece + lane      block 16·pass + lane, bits 16·piece .. 16·piece + 15 of its 128
 */
enum { LANES = 16, PIECES = 8, PASS = LANES * PIECES, LEVELS = 1 << 16 };

/* An element is dropped if its 16 bits are below this. */
static uint32_t dropped_below(const struct dropout *dropout)
{
    return (uint32_t)(dropout->rate * (float)LEVELS + 0.5f);
}

bool dropout_active(const struct dropout *dropout)
{
    return dropped_below(dropout) > 0;
}

/* Of the rate as rounded to 16 bits, so that the mean is kept exactly. */
float dropout_scale(const struct dropout *dropout)
{
    uint32_t below = dropped_below(dropout);
    return below < LEVELS ? (float)LEVELS / (float)(LEVELS - below) : 0.0f;
}

/* Philox4x32-10 as in random_block(), a block in each lane. */
CLONES static void pass_mask(
        const struct random_stream *stream, uint64_t pass, uint32_t below, float scale, float *mask)
{
    uint32_t words[4][LANES];
    const uint32_t low = (uint32_t)(pass * LANES), high = (uint32_t)((pass * LANES) >> 32);
    const uint32_t update = stream->counter[0], place = stream->counter[1];
    const uint32_t k0 = stream->key[0], k1 = stream->key[1];
#pragma omp simd
    for (uint32_t i = 0; i < LANES; i++) {
        uint32_t a = low + i, b = high, c = update, d = place;
#pragma GCC unroll 10
        for (uint32_t round = 0; round < 10; round++) {
            uint64_t p = (uint64_t)0xD2511F53u * a, q = (uint64_t)0xCD9E8D57u * c;
            a = (uint32_t)(q >> 32) ^ b ^ (k0 + round * 0x9E3779B9u);
            b = (uint32_t)q;
            c = (uint32_t)(p >> 32) ^ d ^ (k1 + round * 0xBB67AE85u);
            d = (uint32_t)p;
        }
        words[0][i] = a;
        words[1][i] = b;
        words[2][i] = c;
        words[3][i] = d;
    }
    for (int piece = 0; piece < PIECES; piece++) {
        const uint32_t *word = words[piece / 2], shift = piece % 2 * 16;
#pragma omp simd
        for (int i = 0; i < LANES; i++)
            mask[piece * LANES + i] = ((word[i] >> shift) & 0xffffu) >= below ? scale : 0.0f;
    }
}

void dropout_mask(const struct dropout *dropout, uint64_t first, size_t count, float *mask)
{
    uint32_t below = dropped_below(dropout);
    float scale = dropout_scale(dropout), whole[PASS];
    while (count > 0) {
        size_t skip = first % PASS, take = smaller(PASS - skip, count);
        bool direct = take == PASS;
        pass_mask(&dropout->stream, first / PASS, below, scale, direct ? mask : whole);
        if (!direct)
            memcpy(mask, whole + skip, take * sizeof *mask);
        first += take;
        mask += take;
        count -= take;
    }
}

void dropout_apply(const struct dropout *dropout, uint64_t first, float *x, size_t count)
{
    enum { CHUNK = 8 * PASS };
    float mask[CHUNK];
    if (!dropout_active(dropout))
        return;
    while (count > 0) {
        size_t take = smaller(CHUNK - first % CHUNK, count);
        dropout_mask(dropout, first, take, mask);
        floats_multiply(x, mask, take);
        first += take;
        x += take;
        count -= take;
    }
}
