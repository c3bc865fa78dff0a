#include "comm/fixed.h"

#include "comm/world.h"

#include <math.h>

enum {
    DIGIT_BITS = 40,
    VALUE_BITS = FIXED_DIGITS * DIGIT_BITS - 2
}; /* the sums of rounded values may exceed bound */

int fixed_shift(double bound)
{
    int exponent;
    (void)frexp(bound, &exponent);
    return VALUE_BITS - exponent;
}

void fixed_add(struct fixed_sum *sum, double value, int shift)
{
    static const double units[FIXED_DIGITS] = {1, 0x1p40, 0x1p80};
    if (!(value > 0 && isfinite(value)))
        return;
    double rest = ldexp(value, shift);
    for (int i = FIXED_DIGITS - 1; i >= 0; i--) {
        double unit = units[i];
        int64_t digit = (int64_t)(rest / unit);
        rest -= (double)digit * unit; /* exact: digits are a part of the bits of `value` */
#pragma omp atomic
        sum->digits[i] += digit;
    }
}

double fixed_value(const struct fixed_sum *sum, int shift)
{
    double value = 0;
    for (int i = FIXED_DIGITS - 1; i >= 0; i--)
        value = value * (double)((int64_t)1 << DIGIT_BITS) + (double)sum->digits[i];
    return ldexp(value, -shift);
}

enum status fixed_join(struct fixed_sum *sums, size_t count)
{
    return world_sum_integers(sums->digits, count * FIXED_DIGITS);
}
