#include "train/info/info.h"

#include "comm/memory.h"
#include "train/training/validate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Lines of a curve, columns of the numbers beside it. */
enum { LINES = 10, LABEL = 10, COLUMNS_MOST = 160, COLUMNS_LEAST = 40 };

int info_columns(void)
{
    struct winsize size;
    int columns = 80;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        columns = size.ws_col;
    return columns < COLUMNS_LEAST ? COLUMNS_LEAST : columns > COLUMNS_MOST ? COLUMNS_MOST : columns;
}

struct canvas {
    char lines[LINES][COLUMNS_MOST + 1];
    double sums[COLUMNS_MOST]; /* of the dots in each column */
    size_t counts[COLUMNS_MOST];
    int width;
    int64_t first, last;    /* updates */
    double lowest, highest; /* values */
};

static int column_of(const struct canvas *canvas, int64_t update)
{
    double share = canvas->last > canvas->first
                           ? (double)(update - canvas->first) / (double)(canvas->last - canvas->first)
                           : 0;
    return (int)(share * (canvas->width - 1) + 0.5);
}

static void include_updates(struct canvas *canvas, const struct points *points)
{
    for (size_t i = 0; i < points->count; i++) {
        int64_t update = points->updates[i];
        canvas->first = update < canvas->first ? update : canvas->first;
        canvas->last = update > canvas->last ? update : canvas->last;
    }
}

static void include_value(struct canvas *canvas, double value)
{
    if (!isfinite(value))
        return;
    canvas->lowest = fmin(canvas->lowest, value);
    canvas->highest = fmax(canvas->highest, value);
}

static void average(struct canvas *canvas, const struct points *dots)
{
    for (size_t i = 0; i < dots->count; i++) {
        int column = column_of(canvas, dots->updates[i]);
        if (isfinite(dots->values[i])) {
            canvas->sums[column] += dots->values[i];
            canvas->counts[column]++;
        }
    }
    for (int column = 0; column < canvas->width; column++)
        if (canvas->counts[column] > 0)
            include_value(canvas, canvas->sums[column] / (double)canvas->counts[column]);
}

static void draw(struct canvas *canvas, int column, double value, char with)
{
    double range = canvas->highest - canvas->lowest;
    double share = range > 0 ? (canvas->highest - value) / range : 0;
    if (isfinite(value))
        canvas->lines[(int)(share * (LINES - 1) + 0.5)][column] = with;
}

static void fill(struct canvas *canvas, const struct points *dots, const struct points *marks)
{
    include_updates(canvas, dots);
    include_updates(canvas, marks);
    average(canvas, dots);
    for (size_t i = 0; i < marks->count; i++)
        include_value(canvas, marks->values[i]);
    for (int line = 0; line < LINES; line++)
        memset(canvas->lines[line], ' ', (size_t)canvas->width);
    for (int column = 0; column < canvas->width; column++)
        if (canvas->counts[column] > 0)
            draw(canvas, column, canvas->sums[column] / (double)canvas->counts[column], '.');
    for (size_t i = 0; i < marks->count; i++)
        draw(canvas, column_of(canvas, marks->updates[i]), marks->values[i], 'o');
}

static void print_canvas(FILE *out, const struct canvas *canvas)
{
    char first[32], last[32];
    for (int line = 0; line < LINES; line++) {
        int length = canvas->width;
        while (length > 0 && canvas->lines[line][length - 1] == ' ')
            length--;
        bool bottom = line == LINES - 1 && canvas->lowest < canvas->highest;
        if (line == 0 || bottom)
            fprintf(out, "%*.4g |", LABEL, line == 0 ? canvas->highest : canvas->lowest);
        else
            fprintf(out, "%*s |", LABEL, "");
        fprintf(out, "%.*s\n", length, canvas->lines[line]);
    }
    fprintf(out, "%*s +", LABEL, "");
    for (int column = 0; column < canvas->width; column++)
        fputc('-', out);
    snprintf(first, sizeof first, "%lld", (long long)canvas->first);
    snprintf(last, sizeof last, "%lld", (long long)canvas->last);
    fprintf(out, "\n%*s  %s%*s\n", LABEL, "", first, canvas->width - (int)strlen(first), last);
}

void curve_print(
        FILE *out, const char *title, const struct points *dots, const struct points *marks, int columns)
{
    struct canvas canvas = {.width = columns - LABEL - 2,
            .first = INT64_MAX,
            .last = 0,
            .lowest = INFINITY,
            .highest = -INFINITY};
    fill(&canvas, dots, marks);
    if (canvas.first >= canvas.last || canvas.highest < canvas.lowest)
        return; /* one point is no curve */
    fprintf(out, "\n%s by update%s%s\n", title, dots->count ? "   . training" : "",
            marks->count ? "   o validation" : "");
    print_canvas(out, &canvas);
}

/* ---- what is drawn ---- */

static enum status print_metric(const struct info *info, const struct kind *metric, const struct points *dots)
{
    struct points marks = {0};
    enum status status = points_of_history(&marks, &info->history, metric);
    if (status == STATUS_OK)
        curve_print(stdout, metric->name, dots, &marks, info_columns());
    points_release(&marks);
    return status;
}

enum status info_print_curves(const struct info *info)
{
    const struct points none = {0};
    const struct kind *loss = kind_find(&metric_kinds, "loss"), *metric = info->config.validate.metric;
    TRY(print_metric(info, loss, &info->losses));
    return info->configured && metric != loss ? print_metric(info, metric, &none) : STATUS_OK;
}
