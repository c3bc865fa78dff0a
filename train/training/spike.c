#include "train/training/spike.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double deviations = 6, normal = 1.4826, least = 0.01;

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Sorts the values. */
static double median_of(double values[SPIKE_WINDOW])
{
    qsort(values, SPIKE_WINDOW, sizeof *values, compare);
    return (values[SPIKE_WINDOW / 2 - 1] + values[SPIKE_WINDOW / 2]) / 2;
}

static bool stands_out(const struct spike *spike, double loss, double *median)
{
    double sorted[SPIKE_WINDOW];
    memcpy(sorted, spike->losses, sizeof sorted);
    *median = median_of(sorted);
    for (int i = 0; i < SPIKE_WINDOW; i++)
        sorted[i] = fabs(spike->losses[i] - *median);
    return loss > *median + deviations * fmax(normal * median_of(sorted), least * fabs(*median));
}

bool spike_see(struct spike *spike, double loss, double *median)
{
    if (!isfinite(loss))
        return false;
    bool tells = spike->seen >= SPIKE_WINDOW && spike->seen >= spike->quiet_until &&
                 stands_out(spike, loss, median);
    spike->losses[spike->seen++ % SPIKE_WINDOW] = loss;
    if (tells)
        spike->quiet_until = spike->seen + SPIKE_WINDOW;
    return tells;
}
