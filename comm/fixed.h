/*
 * Sums of non-negative numbers in fixed point: integers add up to the same bits in any order, so that ranks and threads
 * may add as they come. For sums whose parts are spread over many owners (rows and columns of a matrix); where the parts
 * are few, adding doubles in a fixed order is simpler (exchange_agree()).
 *
 *     int shift = fixed_shift(bound);                 nothing, and no sum, exceeds `bound`
 *     fixed_add(&sums[i], value, shift);              any thread
 *     TRY(fixed_join(sums, count));                   the sum over ranks
 *     fixed_value(&sums[i], shift);
 *
 * A sum is three digits of 40 bits: what is below bound / 2^118 is cut off. A digit has room for 2^23 additions.
 */
#ifndef COMM_FIXED_H
#define COMM_FIXED_H

#include "comm/status.h"

#include <stddef.h>
#include <stdint.h>

enum { FIXED_DIGITS = 3 };

/* All zero: nothing added. */
struct fixed_sum {
    int64_t digits[FIXED_DIGITS]; /* least first */
};

/* How far numbers up to `bound` (finite, at least 0) are shifted. */
int fixed_shift(double bound);

/* What is not finite adds nothing: no integer stands for it, and whoever has a bound has looked for it. */
void fixed_add(struct fixed_sum *sum, double value, int shift);
double fixed_value(const struct fixed_sum *sum, int shift);

/* sums[count] become their sums over all ranks. Collective. */
enum status fixed_join(struct fixed_sum *sums, size_t count);

#endif
