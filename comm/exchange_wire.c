/*
 * What gradients travel as.
 *
 * bfloat16 is the upper half of a float: its sign, its exponent and 7 bits of its fraction. What travels is rounded to
 * the nearest, ties to even; and so that the number of ranks changes no bit, whatever is added is rounded, also within
 * a rank: a node of the tree is r(left) + r(right). Its root, which never travels, stays as it is.
 */
#include "comm/exchange_internal.h"

#include "comm/vector.h"

#include <string.h>

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The bits of x, rounded; the lower half is zero. A NaN could round to infinity or to zero: its fraction is cut. */
static inline uint32_t rounded_bits(float x)
{
    uint32_t bits = bits_of(x), nearest = bits + 0x7fff + (bits >> 16 & 1);
    bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
    return (is_nan ? bits | 0x00400000 : nearest) & 0xffff0000;
}

VECTOR_CLONES static void add_rounded(float *to, const float *from, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        to[i] = float_of(rounded_bits(to[i])) + float_of(rounded_bits(from[i]));
}

VECTOR_CLONES static void pack_rounded(void *to, const float *from, size_t count)
{
    uint16_t *halves = to;
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        halves[i] = (uint16_t)(rounded_bits(from[i]) >> 16);
}

VECTOR_CLONES static void unpack_rounded(float *to, const void *from, size_t count)
{
    const uint16_t *halves = from;
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        to[i] = float_of((uint32_t)halves[i] << 16);
}

static const struct wire_kind rows[] = {
        {{"float32", "as they are", NULL}, sizeof(float), exchange_add, NULL, NULL},
        {{"bfloat16",
                 "rounded, in half the bytes, for slow networks; the same bits for any number of ranks, but "
                 "others than float32",
                 "Kalamkar et al. 2019, A study of bfloat16 for deep learning training"},
                sizeof(uint16_t), add_rounded, pack_rounded, unpack_rounded},
};

const struct kind_table wire_kinds = KIND_TABLE("wire format", rows);
