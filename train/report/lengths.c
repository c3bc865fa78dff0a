#include "comm/memory.h"
#include "train/report/report.h"

#include <math.h>

/* Groups of lengths, the last one open; the drawing is as those of chart.c. */
enum { GROUPS = 7, WIDTH = 460, HEIGHT = 280, LEFT = 62, RIGHT = 448, TOP = 26, BOTTOM = 220 };

struct lengths {
    size_t step; /* group g: g · step + 1 to (g + 1) · step pieces */
    size_t groups, longest;
    double top, tick; /* of the axis */
    size_t sentences[GROUPS];
    int64_t counts[GROUPS][METRIC_COUNTS];
};

static const struct text_metric_kind *bleu(void)
{
    return (const struct text_metric_kind *)kind_find(&text_metric_kinds, "bleu");
}

/* Pieces without </s>. */
static size_t length_of(const struct sample *sample, size_t i)
{
    return sentence_list_length(&sample->sources, i) - 1;
}

/* Sentences of at most `length` pieces. */
static size_t count_within(const struct sample *sample, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < sample->scored; i++)
        count += length_of(sample, i) <= length;
    return count;
}

/* The smallest of 1, 2, 5, 10 ... pieces that leave at most one sentence in fifty to an open group. */
static void choose_groups(struct lengths *lengths, const struct sample *sample)
{
    lengths->longest = 1;
    for (size_t i = 0; i < sample->scored; i++)
        if (length_of(sample, i) > lengths->longest)
            lengths->longest = length_of(sample, i);
    lengths->step = 1;
    while (lengths->step * GROUPS < lengths->longest &&
            count_within(sample, lengths->step * (GROUPS - 1)) * 50 < sample->scored * 49)
        lengths->step = (size_t)chart_step((double)lengths->step + 0.5, 1);
    size_t groups = (lengths->longest + lengths->step - 1) / lengths->step;
    lengths->groups = groups < GROUPS ? groups : GROUPS;
}

static enum status count_sentence(struct lengths *lengths, const struct report *report, size_t i)
{
    struct sample *sample = report->sample;
    size_t length = length_of(sample, i), bytes, start = (size_t)sample->starts[i];
    size_t group = length > 0 ? (length - 1) / lengths->step : 0;
    group = group < lengths->groups ? group : lengths->groups - 1;
    const struct translation *found = &sample->found[i];
    const char *text;
    TRY(sample_text(sample, TARGET, found->count ? found->items[0].ids : NULL,
            found->count ? found->items[0].count : 0, &text, &bytes));
    lengths->sentences[group]++;
    return text_metric_count(bleu(), &report->info->config.validate.text, text, bytes,
            sample->references + start, (size_t)sample->starts[i + 1] - start, lengths->counts[group]);
}

/* ---- the drawing ---- */

static double place_y(const struct lengths *lengths, double value)
{
    return BOTTOM - (BOTTOM - TOP) * value / lengths->top;
}

static void choose_axis(struct lengths *lengths)
{
    double highest = 1;
    for (size_t g = 0; g < lengths->groups; g++)
        highest = fmax(highest, lengths->sentences[g] ? bleu()->value(lengths->counts[g]) : 0);
    lengths->tick = chart_step(highest, 5);
    lengths->top = ceil(highest / lengths->tick - 1e-9) * lengths->tick;
}

static enum status draw_bar(struct output *page, const struct lengths *lengths, size_t g)
{
    double width = (double)(RIGHT - LEFT) / (double)lengths->groups, left = LEFT + width * (double)g;
    double value = bleu()->value(lengths->counts[g]), middle = left + width / 2;
    char label[64];
    bool open = g + 1 == lengths->groups && lengths->longest > lengths->groups * lengths->step;
    if (open || lengths->step == 1)
        snprintf(label, sizeof label, "%zu%s", g * lengths->step + 1, open ? "+" : "");
    else
        snprintf(label, sizeof label, "%zu–%zu", g * lengths->step + 1, (g + 1) * lengths->step);
    TRY(output_print(
            page, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>", middle, BOTTOM + 18, label));
    TRY(output_print(page, "<text class=\"count\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">n=%zu</text>\n",
            middle, BOTTOM + 34, lengths->sentences[g]));
    if (lengths->sentences[g] == 0)
        return STATUS_OK;
    TRY(output_print(page, "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
            left + width * 0.12, place_y(lengths, value), width * 0.76, BOTTOM - place_y(lengths, value)));
    return output_print(page, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.1f</text>\n", middle,
            place_y(lengths, value) - 5, value);
}

static enum status draw_axes(struct output *page, const struct lengths *lengths)
{
    for (double y = 0; y < lengths->top + lengths->tick / 2; y += lengths->tick) {
        double at = place_y(lengths, y);
        TRY(output_print(page, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, at, RIGHT));
        TRY(output_print(
                page, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>", LEFT - 6, at + 4, y));
    }
    TRY(output_print(page, "<path class=\"axis\" d=\"M%d %dH%d\"/>", LEFT, BOTTOM, RIGHT));
    TRY(output_print(
            page, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + RIGHT) / 2, BOTTOM + 54));
    TRY(page_html(page, "length of the source (pieces); n: sentences</text>"));
    return output_print(page,
            "<text transform=\"translate(14 %d) rotate(-90)\" text-anchor=\"middle\">BLEU</text>\n",
            (TOP + BOTTOM) / 2);
}

static enum status draw(struct output *page, const struct report *report, const struct lengths *lengths)
{
    char signature[METRIC_TEXT];
    text_metric_signature(bleu(), &report->info->config.validate.text, signature, sizeof signature);
    TRY(page_html(
            page, "<section><h2>BLEU by sentence length</h2>\n<figure><figcaption>BLEU of sentences of "));
    TRY(page_text(page, report->sample->path));
    TRY(page_html(page,
            "</figcaption>\n<svg class=\"chart\" role=\"img\" aria-label=\"BLEU by sentence length\" "));
    TRY(output_print(page, "viewBox=\"0 0 %d %d\">\n", WIDTH, HEIGHT));
    TRY(draw_axes(page, lengths));
    for (size_t g = 0; g < lengths->groups; g++)
        TRY(draw_bar(page, lengths, g));
    TRY(page_html(page, "</svg></figure>\n<p class=\"note\">"));
    TRY(output_print(page, "%zu sentences, beam of %lld; ", report->sample->scored,
            (long long)report->settings->beam));
    TRY(page_text(page, signature));
    return page_html(page, "</p></section>\n");
}

enum status lengths_write(struct output *page, const struct report *report)
{
    struct lengths lengths = {0};
    struct sample *sample = report->sample;
    if (!sample || !sample->starts || sample->scored == 0)
        return STATUS_OK;
    choose_groups(&lengths, sample);
    for (size_t i = 0; i < sample->scored; i++)
        TRY(count_sentence(&lengths, report, i));
    choose_axis(&lengths);
    return draw(page, report, &lengths);
}
