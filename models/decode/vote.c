#include "models/decode/search.h"
#include "models/vector.h"

#include <math.h>

CLONES static void add_constant(float *x, float constant, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        x[i] += constant;
}

/* x = log(e^x + e^(y + constant)). */
CLONES static void add_in_logs(float *x, const float *y, float constant, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        float z = y[i] + constant;
        float larger = x[i] > z ? x[i] : z, smaller = x[i] > z ? z : x[i];
        x[i] = larger + vector_log(1.0f + vector_exp(smaller - larger));
    }
}

double vote(float *const *logits, size_t row, size_t classes, const double *weights, size_t count)
{
    float *voted = logits[0] + row * classes;
    double first_sum = logits_log_sum(voted, classes), checked = first_sum;
    for (size_t m = 0; m < count && count > 1; m++) {
        const float *own = logits[m] + row * classes;
        double log_sum = m == 0 ? first_sum : logits_log_sum(own, classes);
        float constant = (float)(log(weights ? weights[m] : 1 / (double)count) - log_sum);
        if (m == 0)
            add_constant(voted, constant, classes);
        else
            add_in_logs(voted, own, constant, classes);
        checked += log_sum;
    }
    return count == 1 || !isfinite(checked) ? checked : 0;
}
