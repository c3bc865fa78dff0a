#include "comm/memory.h"
#include "train/report/report.h"

#include <math.h>
#include <string.h>

/* The plot leaves room for numbers and names of the axes. */
enum { LEFT = 78, RIGHT = 436, TOP = 12, BOTTOM = 236, BINS = 240, MARKS_MOST = 60 };

struct axis {
    double first, last, step;
};

struct plot {
    struct axis x, y;
};

/* ---- axes ---- */

/* Whole steps around [lowest, highest]. */
static struct axis axis_around(double lowest, double highest, int parts)
{
    double range = highest - lowest;
    if (!(range > 0))
        range = highest != 0 ? fabs(highest) : 1;
    double step = figure_step(range, parts);
    struct axis axis = {floor(lowest / step + 1e-9) * step, ceil(highest / step - 1e-9) * step, step};
    if (!(axis.last > axis.first))
        axis.last = axis.first + step;
    return axis;
}

static double place_x(const struct plot *plot, double x)
{
    return LEFT + (RIGHT - LEFT) * (x - plot->x.first) / (plot->x.last - plot->x.first);
}

static double place_y(const struct plot *plot, double y)
{
    return BOTTOM - (BOTTOM - TOP) * (y - plot->y.first) / (plot->y.last - plot->y.first);
}

/* All of an axis in thousands, or millions, where its end is large. */
static void format_tick(char out[32], double value, const struct axis *axis)
{
    double most = fmax(fabs(axis->first), fabs(axis->last));
    double unit = most >= 1e6 ? 1e6 : most >= 1e4 ? 1e3 : 1;
    if (fabs(value) < axis->step / 1e6)
        value = 0;
    const char *suffix = value == 0 || unit < 1e3 ? "" : unit < 1e6 ? "k" : "M";
    snprintf(out, 32, "%.6g%s", value / unit, suffix);
}

static enum status draw_axes(struct output *page, const struct plot *plot, const char *unit)
{
    char tick[32];
    for (double y = plot->y.first; y < plot->y.last + plot->y.step / 2; y += plot->y.step) {
        double at = place_y(plot, y);
        format_tick(tick, y, &plot->y);
        TRY(output_print(page, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, at, RIGHT));
        TRY(output_print(
                page, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>", LEFT - 6, at + 4, tick));
    }
    for (double x = plot->x.first; x < plot->x.last + plot->x.step / 2; x += plot->x.step) {
        double at = place_x(plot, x);
        format_tick(tick, x, &plot->x);
        TRY(output_print(page, "<path class=\"axis\" d=\"M%.1f %dv4\"/>", at, BOTTOM));
        TRY(output_print(
                page, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>", at, BOTTOM + 18, tick));
    }
    TRY(output_print(page, "<path class=\"axis\" d=\"M%d %dH%d\"/>", LEFT, BOTTOM, RIGHT));
    TRY(output_print(page, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">update</text>", (LEFT + RIGHT) / 2,
            BOTTOM + 37));
    TRY(output_print(page, "<text transform=\"translate(14 %d) rotate(-90)\" text-anchor=\"middle\">",
            (TOP + BOTTOM) / 2));
    TRY(page_text(page, unit));
    return page_html(page, "</text>\n");
}

/* ---- series ---- */

static void include(double value, double *lowest, double *highest)
{
    *lowest = fmin(*lowest, value);
    *highest = fmax(*highest, value);
}

/* Means of the values in each part of the horizontal axis. */
struct means {
    double x[BINS], y[BINS];
    size_t counts[BINS];
};

static void make_means(struct means *means, const struct points *points, double first, double last)
{
    memset(means, 0, sizeof *means);
    for (size_t i = 0; i < points->count; i++) {
        double share = last > first ? ((double)points->updates[i] - first) / (last - first) : 0;
        size_t bin = (size_t)(share * (BINS - 1) + 0.5);
        if (!isfinite(points->values[i]))
            continue;
        means->x[bin] += (double)points->updates[i];
        means->y[bin] += points->values[i];
        means->counts[bin]++;
    }
    for (size_t b = 0; b < BINS; b++)
        if (means->counts[b] > 0) {
            means->x[b] /= (double)means->counts[b];
            means->y[b] /= (double)means->counts[b];
        }
}

/* Means that stand for each finite point, if there are few, so that lines and marks are drawn alike. */
static enum status draw_line(
        struct output *page, const struct plot *plot, const struct means *means, const struct look *look)
{
    struct place places[BINS];
    size_t count = 0;
    for (size_t b = 0; b < BINS; b++)
        if (means->counts[b] > 0)
            places[count++] = (struct place){place_x(plot, means->x[b]), place_y(plot, means->y[b])};
    return figure_line(page, look, places, count);
}

static enum status draw_marks(
        struct output *page, const struct plot *plot, const struct points *points, const struct look *look)
{
    char words[64];
    for (size_t i = 0; i < points->count; i++) {
        struct place place = {place_x(plot, (double)points->updates[i]), place_y(plot, points->values[i])};
        snprintf(words, sizeof words, "update %lld: %.6g", (long long)points->updates[i], points->values[i]);
        TRY(figure_mark(page, look, &place, words));
    }
    return STATUS_OK;
}

static void find_axes(
        struct plot *plot, const struct chart *chart, double first, double last, struct means *means)
{
    double lowest = INFINITY, highest = -INFINITY;
    for (size_t s = 0; s < chart->count; s++) {
        make_means(&means[s], chart->series[s].points, first, last);
        for (size_t b = 0; b < BINS; b++)
            if (means[s].counts[b] > 0)
                include(means[s].y[b], &lowest, &highest);
        for (size_t i = 0; chart->series[s].marked && i < chart->series[s].points->count; i++)
            if (isfinite(chart->series[s].points->values[i]))
                include(chart->series[s].points->values[i], &lowest, &highest);
    }
    plot->y = lowest <= highest ? axis_around(lowest, highest, 5) : (struct axis){0};
    plot->x = (struct axis){first, last, fmax(1, figure_step(last - first, 5))};
    plot->x.first = ceil(first / plot->x.step - 1) * plot->x.step;
    plot->x.last = ceil(last / plot->x.step) * plot->x.step;
}

/* ---- the figure ---- */

/* How those with points are drawn; series[look.number - 1] is its own. */
static size_t choose_looks(const struct chart *chart, struct look looks[REPORT_RUNS])
{
    size_t count = 0;
    for (size_t s = 0; s < chart->count; s++)
        if (chart->series[s].points->count > 0)
            looks[count++] = (struct look){.label = chart->series[s].label,
                    .number = s + 1,
                    .line = true,
                    .marked = chart->series[s].marked,
                    .apart = chart->apart};
    return count;
}

static enum status draw(
        struct output *page, const struct chart *chart, const struct plot *plot, const struct means *means)
{
    struct look looks[REPORT_RUNS];
    size_t count = choose_looks(chart, looks);
    struct figure figure = {.title = chart->title, .looks = looks};
    figure.count = count > 1 || chart->apart ? count : 0;
    TRY(figure_open(page, &figure));
    TRY(draw_axes(page, plot, chart->unit));
    for (size_t i = 0; i < count; i++) {
        size_t s = looks[i].number - 1;
        const struct points *points = chart->series[s].points;
        TRY(draw_line(page, plot, &means[s], &looks[i]));
        if (chart->series[s].marked && points->count <= MARKS_MOST)
            TRY(draw_marks(page, plot, points, &looks[i]));
    }
    return figure_close(page, &figure);
}

enum status chart_write(struct output *page, const struct chart *chart)
{
    struct plot plot;
    struct means *means;
    double first = INFINITY, last = -INFINITY;
    for (size_t s = 0; s < chart->count; s++)
        for (size_t i = 0; i < chart->series[s].points->count; i++)
            if (isfinite(chart->series[s].points->values[i]))
                include((double)chart->series[s].points->updates[i], &first, &last);
    if (!(first < last))
        return STATUS_OK;
    TRY(memory_new(&means, "report", REPORT_RUNS, sizeof *means));
    find_axes(&plot, chart, first, last, means);
    enum status status = draw(page, chart, &plot, means);
    memory_free(means);
    return status;
}
