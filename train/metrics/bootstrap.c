#include "comm/memory.h"
#include "comm/random.h"
#include "train/metrics/metrics.h"

#include <math.h>
#include <stdlib.h>

/* The counts of `lines` lines drawn with replacement, the same ones for both sides. */
static void draw(const struct random_stream *stream, size_t width, const int64_t *counts,
        const int64_t *baseline, size_t lines, int64_t sums[2][METRIC_COUNTS])
{
    for (size_t c = 0; c < width; c++)
        sums[0][c] = sums[1][c] = 0;
    for (size_t i = 0; i < lines; i++) {
        size_t line = (size_t)random_below(stream, i, lines);
        for (size_t c = 0; c < width; c++) {
            sums[0][c] += counts[line * width + c];
            sums[1][c] += baseline[line * width + c];
        }
    }
}

static double value_of_all(const struct text_metric_kind *metric, const int64_t *counts, size_t lines)
{
    int64_t sum[METRIC_COUNTS] = {0};
    for (size_t i = 0; i < lines; i++)
        for (size_t c = 0; c < metric->counts; c++)
            sum[c] += counts[i * metric->counts + c];
    return metric->value(sum);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the differences. */
static void judge(struct bootstrap *out, bool higher_is_better, double *differences, size_t samples)
{
    double real = fabs(out->value - out->baseline), mean = 0;
    size_t beyond = 0, better = 0;
    for (size_t s = 0; s < samples; s++) {
        mean += fabs(differences[s]) / (double)samples;
        better += higher_is_better ? differences[s] > 0 : differences[s] < 0;
    }
    for (size_t s = 0; s < samples; s++)
        beyond += fabs(differences[s]) - mean > real;
    qsort(differences, samples, sizeof *differences, ascending);
    out->better = (double)better / (double)samples;
    out->p_value = (double)(beyond + 1) / (double)(samples + 1);
    out->lower = differences[samples / 40];
    out->upper = differences[samples - 1 - samples / 40];
}

enum status bootstrap_compare(struct bootstrap *out, const struct text_metric_kind *metric,
        const int64_t *counts, const int64_t *baseline, size_t lines, size_t samples, uint64_t seed)
{
    double *differences;
    ASSERT(lines > 0 && samples > 0);
    *out = (struct bootstrap){
            .value = value_of_all(metric, counts, lines), .baseline = value_of_all(metric, baseline, lines)};
    TRY(memory_new(&differences, "bootstrap", samples, sizeof *differences));
    for (size_t s = 0; s < samples; s++) {
        struct random_stream stream = random_stream(seed, RANDOM_RESAMPLE, s, 0, 0);
        int64_t sums[2][METRIC_COUNTS];
        draw(&stream, metric->counts, counts, baseline, lines, sums);
        differences[s] = metric->value(sums[0]) - metric->value(sums[1]);
    }
    judge(out, metric->higher_is_better, differences, samples);
    memory_free(differences);
    return STATUS_OK;
}
