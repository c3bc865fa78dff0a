#include "train/report/report.h"

#include <math.h>

/* Of a file of its own: rows of title and legend above the drawing, and the note below. */
enum { MARGIN = 14, TITLE_ROW = 30, LEGEND_ROW = 20, NOTE_ROW = 24, KEY_WIDTH = 30, ZOOM_PERCENT = 150 };

/* Marks of the same extent, a shape for each number; the first is that of all where colour is enough. */
static const char *const shapes[REPORT_RUNS] = {"M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
        "M-3.4-3.4h6.8v6.8h-6.8z", "M0-4.4L4.4 3.2H-4.4z", "M0-4.8L4.8 0L0 4.8L-4.8 0z",
        "M0 4.4L4.4-3.2H-4.4z", "M-1.4-4.4h2.8v3h3v2.8h-3v3h-2.8v-3h-3v-2.8h3z"};

double figure_step(double range, int parts)
{
    double least = range / parts, power = pow(10, floor(log10(least)));
    const double steps[] = {1, 2, 5, 10};
    for (int i = 0; i < 3; i++)
        if (steps[i] * power >= least * (1 - 1e-9))
            return steps[i] * power;
    return 10 * power;
}

/* ---- series ---- */

static enum status open_series(struct output *page, const char *what, const struct look *look)
{
    TRY(output_print(page, "<path class=\"%s s%zu", what, look->number));
    return look->apart ? output_print(page, " d%zu\"", look->number) : page_html(page, "\"");
}

enum status figure_line(
        struct output *page, const struct look *look, const struct place *places, size_t count)
{
    TRY(open_series(page, "line", look));
    TRY(page_html(page, " d=\""));
    for (size_t i = 0; i < count; i++)
        TRY(output_print(page, "%s%.1f %.1f", i == 0 ? "M" : "L", places[i].x, places[i].y));
    return page_html(page, "\"/>\n");
}

enum status figure_mark(
        struct output *page, const struct look *look, const struct place *place, const char *words)
{
    TRY(open_series(page, "mark", look));
    TRY(output_print(page, " transform=\"translate(%.1f %.1f)\" d=\"%s\">", place->x, place->y,
            shapes[look->apart ? look->number - 1 : 0]));
    TRY(page_html(page, "<title>"));
    TRY(page_text(page, words));
    return page_html(page, "</title></path>\n");
}

/* What stands for a series in the legend, `KEY_WIDTH` wide around y = 0. */
static enum status draw_key(struct output *page, const struct look *look)
{
    const struct place ends[] = {{0, 0}, {KEY_WIDTH - 6, 0}}, middle = {(KEY_WIDTH - 6) / 2.0, 0};
    if (look->line)
        TRY(figure_line(page, look, ends, 2));
    return look->marked ? figure_mark(page, look, &middle, look->label) : STATUS_OK;
}

/* ---- part of a page ---- */

static enum status put_legend(struct output *page, const struct figure *figure)
{
    TRY(page_html(page, "<p class=\"legend\">"));
    for (size_t i = 0; i < figure->count; i++) {
        TRY(output_print(page, "<span><i class=\"key\"><svg viewBox=\"-3 -6 %d 12\" aria-hidden=\"true\">",
                KEY_WIDTH));
        TRY(draw_key(page, &figure->looks[i]));
        TRY(page_html(page, "</svg></i>"));
        TRY(page_text(page, figure->looks[i].label));
        TRY(page_text(page, figure->looks[i].detail));
        TRY(page_html(page, "</span> "));
    }
    return page_html(page, "</p>\n");
}

static enum status open_part(struct output *page, const struct figure *figure)
{
    TRY(page_html(page, "<figure><figcaption>"));
    TRY(page_text(page, figure->caption ? figure->caption : figure->title));
    TRY(page_text(page, figure->of ? figure->of : ""));
    TRY(page_html(page, "</figcaption>\n"));
    if (figure->count > 0)
        TRY(put_legend(page, figure));
    TRY(output_print(page, "<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
            FIGURE_WIDTH, FIGURE_HEIGHT));
    TRY(page_text(page, figure->title));
    return page_html(page, "\">\n");
}

static enum status close_part(struct output *page, const struct figure *figure)
{
    TRY(page_html(page, "</svg></figure>\n"));
    if (!figure->note)
        return STATUS_OK;
    TRY(page_html(page, "<p class=\"note\">"));
    TRY(page_text(page, figure->note));
    return page_html(page, "</p>\n");
}

/* ---- a file of its own ---- */

static int rows_above(const struct figure *figure)
{
    return TITLE_ROW + (int)figure->count * LEGEND_ROW;
}

static enum status draw_heading(struct output *out, const struct figure *figure)
{
    int y = MARGIN + 8 - rows_above(figure);
    TRY(output_print(out, "<text class=\"title\" x=\"%d\" y=\"%d\">", MARGIN, y));
    TRY(page_text(out, figure->title));
    TRY(page_html(out, "</text>\n"));
    for (size_t i = 0; i < figure->count; i++) {
        y += LEGEND_ROW;
        TRY(output_print(out, "<g transform=\"translate(%d %d)\">", MARGIN, y - 4));
        TRY(draw_key(out, &figure->looks[i]));
        TRY(output_print(out, "</g><text x=\"%d\" y=\"%d\">", MARGIN + KEY_WIDTH, y));
        TRY(page_text(out, figure->looks[i].label));
        TRY(page_text(out, figure->looks[i].detail));
        TRY(page_html(out, "</text>\n"));
    }
    return STATUS_OK;
}

static enum status open_file(struct output *out, const struct figure *figure)
{
    int above = rows_above(figure), height = above + FIGURE_HEIGHT + (figure->note ? NOTE_ROW : 0);
    TRY(output_print(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" ",
            FIGURE_WIDTH * ZOOM_PERCENT / 100, height * ZOOM_PERCENT / 100));
    TRY(output_print(out, "viewBox=\"0 %d %d %d\" role=\"img\" aria-label=\"", -above, FIGURE_WIDTH, height));
    TRY(page_text(out, figure->title));
    TRY(page_html(out, "\">\n<style>\n"));
    TRY(page_html(out, page_colours));
    TRY(page_html(out, figure_style));
    TRY(output_print(out, "</style>\n<rect class=\"ground\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", -above,
            FIGURE_WIDTH, height));
    return draw_heading(out, figure);
}

static enum status close_file(struct output *out, const struct figure *figure)
{
    if (figure->note) {
        TRY(output_print(out, "<text class=\"small\" x=\"%d\" y=\"%d\">", MARGIN, FIGURE_HEIGHT + 12));
        TRY(page_text(out, figure->note));
        TRY(page_html(out, "</text>\n"));
    }
    return page_html(out, "</svg>\n");
}

enum status figure_open(struct output *page, const struct figure *figure)
{
    return figure->alone ? open_file(page, figure) : open_part(page, figure);
}

enum status figure_close(struct output *page, const struct figure *figure)
{
    return figure->alone ? close_file(page, figure) : close_part(page, figure);
}
