#include "comm/random.h"

#include <math.h>

enum { PHILOX_ROUNDS = 10 };

#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

/* Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. */
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

struct random_stream random_stream(
        uint64_t seed, enum random_purpose purpose, uint64_t update, uint32_t slot, uint32_t site)
{
    uint64_t key = mix(mix(seed) + (uint64_t)purpose);
    return (struct random_stream){
            .key = {(uint32_t)key, (uint32_t)(key >> 32)},
            .counter = {(uint32_t)update, slot << 20 | (site & (RANDOM_SITES - 1))},
    };
}

void random_block(const struct random_stream *stream, uint64_t index, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32);
    uint32_t c2 = stream->counter[0], c3 = stream->counter[1];
    uint32_t k0 = stream->key[0], k1 = stream->key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint64_t random_bits(const struct random_stream *stream, uint64_t index)
{
    uint32_t words[4];
    random_block(stream, index, words);
    return (uint64_t)words[1] << 32 | words[0];
}

double random_uniform(const struct random_stream *stream, uint64_t index)
{
    return (double)(random_bits(stream, index) >> 11) * 0x1p-53;
}

double random_normal(const struct random_stream *stream, uint64_t index)
{
    uint32_t words[4];
    random_block(stream, index, words);
    double u = ((double)words[0] + 0.5) * 0x1p-32, v = (double)words[1] * 0x1p-32;
    return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

uint64_t random_below(const struct random_stream *stream, uint64_t index, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)random_bits(stream, index) * n) >> 64);
}

void random_shuffle(const struct random_stream *stream, size_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = random_below(stream, i, i);
        size_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}
