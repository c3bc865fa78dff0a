#include "comm/vector.h"

VECTOR_CLONES double vector_square(const float *x, size_t count)
{
    enum { LANES = 16 }; /* a power of two; whatever the vector length, the same order */
    double lanes[LANES] = {0};
    size_t whole = count - count % LANES;
    for (size_t i = 0; i < whole; i += LANES)
#pragma omp simd
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += (double)x[i + lane] * (double)x[i + lane]; /* exact: 2 x 24 bits fit into 53 */
    for (size_t i = whole; i < count; i++)
        lanes[i - whole] += (double)x[i] * (double)x[i];
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            lanes[lane] += lanes[lane + half];
    return lanes[0];
}
