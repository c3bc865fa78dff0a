#include "train/report/report.h"

#include <math.h>
#include <stdio.h>

/* Groups of lengths, the last one open; the plot leaves room for names and counts of the groups. */
enum { GROUPS = 7, LEFT = 62, RIGHT = 448, TOP = 26, BOTTOM = 220 };

#define TITLE "BLEU by sentence length"

struct lengths {
    size_t step; /* group g: up to (below + g + 1) · step pieces or frames, of the first run where they differ */
    size_t below; /* steps of the first group beside its own */
    const char *unit;
    size_t groups, longest;
    double top, tick; /* of the axis */
    size_t sentences[GROUPS];
    int64_t counts[REPORT_RUNS][GROUPS][METRIC_COUNTS];
};

static const struct text_metric_kind *bleu(void)
{
    return (const struct text_metric_kind *)kind_find(&text_metric_kinds, "bleu");
}

/* Pieces without </s>, or frames. */
static size_t length_of(const struct sample *sample, size_t i)
{
    return sentence_list_length(&sample->sources, i) - sample_ends(sample);
}

static const char *unit_of(const struct sample *sample)
{
    return saved_ensemble_form(&sample->saved)->kind == SOURCE_TEXT ? "pieces" : "frames";
}

/* Sentences of at most `length` pieces. */
static size_t count_within(const struct sample *sample, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < sample->scored; i++)
        count += length_of(sample, i) <= length;
    return count;
}

static bool few(const struct sample *sample, size_t sentences)
{
    return sentences * 50 < sample->scored;
}

/* The smallest of 1, 2, 5, 10 ... pieces that leave at most one sentence in fifty to an open group; a group of fewer at either end
 * is part of its neighbour. */
static void choose_groups(struct lengths *lengths, const struct sample *sample)
{
    lengths->longest = 1;
    for (size_t i = 0; i < sample->scored; i++)
        if (length_of(sample, i) > lengths->longest)
            lengths->longest = length_of(sample, i);
    lengths->step = 1;
    while (lengths->step * GROUPS < lengths->longest &&
            count_within(sample, lengths->step * (GROUPS - 1)) * 50 < sample->scored * 49)
        lengths->step = (size_t)figure_step((double)lengths->step + 0.5, 1);
    size_t groups = (lengths->longest + lengths->step - 1) / lengths->step;
    lengths->groups = groups < GROUPS ? groups : GROUPS;
    while (lengths->groups > 1 &&
            few(sample, sample->scored - count_within(sample, lengths->step * (lengths->groups - 1))))
        lengths->groups--;
    for (; lengths->groups > 1 && few(sample, count_within(sample, lengths->step * (lengths->below + 1)));
            lengths->groups--)
        lengths->below++;
}

static size_t group_of(const struct lengths *lengths, const struct sample *sample, size_t i)
{
    size_t length = length_of(sample, i), group = length > 0 ? (length - 1) / lengths->step : 0;
    group -= group < lengths->below ? group : lengths->below;
    return group < lengths->groups ? group : lengths->groups - 1;
}

static enum status count_run(struct lengths *lengths, const struct report *report, size_t run)
{
    const struct text_metric_options *options = &report->runs[0].info.config.validate.text;
    struct sample *sample = &report->runs[run].sample;
    for (size_t i = 0; i < sample->scored; i++) {
        size_t group = group_of(lengths, &report->runs[0].sample, i), bytes;
        const char *text, *reference = sample->references + sample->starts[i];
        TRY(sample_translation(sample, i, &text, &bytes));
        TRY(text_metric_count(bleu(), options, text, bytes, reference,
                (size_t)(sample->starts[i + 1] - sample->starts[i]), lengths->counts[run][group]));
        lengths->sentences[group] += run == 0;
    }
    return STATUS_OK;
}

/* BLEU of all groups together. */
static double value_of_all(const struct lengths *lengths, size_t run)
{
    int64_t sum[METRIC_COUNTS] = {0};
    for (size_t g = 0; g < lengths->groups; g++)
        for (size_t c = 0; c < METRIC_COUNTS; c++)
            sum[c] += lengths->counts[run][g][c];
    return bleu()->value(sum);
}

/* ---- the plot ---- */

static double value_of(const struct lengths *lengths, size_t run, size_t g)
{
    return lengths->sentences[g] ? bleu()->value(lengths->counts[run][g]) : 0;
}

static void choose_axis(struct lengths *lengths, size_t runs)
{
    double highest = 1;
    for (size_t r = 0; r < runs; r++)
        for (size_t g = 0; g < lengths->groups; g++)
            highest = fmax(highest, value_of(lengths, r, g));
    lengths->tick = figure_step(highest, 5);
    lengths->top = ceil(highest / lengths->tick - 1e-9) * lengths->tick;
}

static double group_width(const struct lengths *lengths)
{
    return (double)(RIGHT - LEFT) / (double)lengths->groups;
}

/* The middle of a group, at a value. */
static struct place place_of(const struct lengths *lengths, size_t g, double value)
{
    return (struct place){
            LEFT + group_width(lengths) * ((double)g + 0.5), BOTTOM - (BOTTOM - TOP) * value / lengths->top};
}

enum { NAME_BYTES = 64 };

static void name_group(const struct lengths *lengths, size_t g, char out[NAME_BYTES])
{
    size_t first = g > 0 ? (lengths->below + g) * lengths->step + 1 : 1;
    size_t last = (lengths->below + g + 1) * lengths->step;
    bool open = g + 1 == lengths->groups && lengths->longest > last;
    if (open || first == last)
        snprintf(out, NAME_BYTES, "%zu%s", first, open ? "+" : "");
    else
        snprintf(out, NAME_BYTES, "%zu–%zu", first, last);
}

static enum status draw_groups(struct output *page, const struct lengths *lengths)
{
    char name[NAME_BYTES];
    for (size_t g = 0; g < lengths->groups; g++) {
        double middle = place_of(lengths, g, 0).x;
        name_group(lengths, g, name);
        TRY(output_print(page, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>", middle,
                BOTTOM + 18, name));
        TRY(output_print(page,
                "<text class=\"count\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">n=%zu</text>\n", middle,
                BOTTOM + 34, lengths->sentences[g]));
    }
    return STATUS_OK;
}

static enum status draw_axes(struct output *page, const struct lengths *lengths)
{
    for (double y = 0; y < lengths->top + lengths->tick / 2; y += lengths->tick) {
        double at = place_of(lengths, 0, y).y;
        TRY(output_print(page, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, at, RIGHT));
        TRY(output_print(
                page, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>", LEFT - 6, at + 4, y));
    }
    TRY(output_print(page, "<path class=\"axis\" d=\"M%d %dH%d\"/>", LEFT, BOTTOM, RIGHT));
    TRY(output_print(
            page, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + RIGHT) / 2, BOTTOM + 54));
    TRY(output_print(page, "length of the source (%s); n: sentences</text>", lengths->unit));
    TRY(output_print(page,
            "<text transform=\"translate(14 %d) rotate(-90)\" text-anchor=\"middle\">BLEU</text>\n",
            (TOP + BOTTOM) / 2));
    return draw_groups(page, lengths);
}

/* ---- of one run: bars; of several: lines ---- */

static enum status draw_bars(struct output *page, const struct lengths *lengths)
{
    double width = group_width(lengths) * 0.76;
    for (size_t g = 0; g < lengths->groups; g++) {
        struct place top = place_of(lengths, g, value_of(lengths, 0, g));
        if (lengths->sentences[g] == 0)
            continue;
        TRY(output_print(page, "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                top.x - width / 2, top.y, width, BOTTOM - top.y));
        TRY(output_print(page, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.1f</text>\n", top.x,
                top.y - 5, value_of(lengths, 0, g)));
    }
    return STATUS_OK;
}

static enum status draw_curve(
        struct output *page, const struct lengths *lengths, size_t run, const struct look *look)
{
    struct place places[GROUPS];
    char name[NAME_BYTES], words[2 * NAME_BYTES];
    size_t count = 0;
    for (size_t g = 0; g < lengths->groups; g++)
        if (lengths->sentences[g] > 0)
            places[count++] = place_of(lengths, g, value_of(lengths, run, g));
    TRY(figure_line(page, look, places, count));
    for (size_t g = 0; g < lengths->groups; g++) {
        struct place place = place_of(lengths, g, value_of(lengths, run, g));
        name_group(lengths, g, name);
        snprintf(words, sizeof words, "%s %s: %.1f BLEU", name, lengths->unit, value_of(lengths, run, g));
        if (lengths->sentences[g] > 0)
            TRY(figure_mark(page, look, &place, words));
    }
    return STATUS_OK;
}

/* ---- the figure ---- */

static enum status draw(struct output *page, const struct report *report, const struct lengths *lengths,
        const struct figure *figure)
{
    TRY(figure_open(page, figure));
    TRY(draw_axes(page, lengths));
    if (report->count == 1)
        TRY(draw_bars(page, lengths));
    for (size_t r = 0; r < figure->count; r++)
        TRY(draw_curve(page, lengths, r, &figure->looks[r]));
    return figure_close(page, figure);
}

static enum status draw_figure(
        struct output *page, const struct report *report, const struct lengths *lengths)
{
    char signature[METRIC_TEXT], note[METRIC_TEXT + 64];
    struct look looks[REPORT_RUNS];
    const struct sample *sample = &report->runs[0].sample;
    text_metric_signature(bleu(), &report->runs[0].info.config.validate.text, signature, sizeof signature);
    snprintf(note, sizeof note, "%zu sentences, beam of %lld; %s", sample->scored,
            (long long)report->settings->beam, signature);
    for (size_t r = 0; r < report->count; r++) {
        looks[r] = (struct look){
                .label = report->runs[r].name, .number = r + 1, .line = true, .marked = true, .apart = true};
        snprintf(looks[r].detail, sizeof looks[r].detail, " (BLEU %.1f)", value_of_all(lengths, r));
    }
    const struct figure figure = {.title = TITLE,
            .caption = "BLEU of sentences of ",
            .of = sample->path,
            .looks = looks,
            .count = report->count > 1 ? report->count : 0,
            .note = note,
            .alone = !chart_of(report->settings)->page};
    return draw(page, report, lengths, &figure);
}

enum status lengths_write(struct output *page, const struct report *report)
{
    struct lengths lengths = {.unit = unit_of(&report->runs[0].sample)};
    choose_groups(&lengths, &report->runs[0].sample);
    for (size_t r = 0; r < report->count; r++)
        TRY(count_run(&lengths, report, r));
    choose_axis(&lengths, report->count);
    return draw_figure(page, report, &lengths);
}

bool lengths_known(const struct report *report)
{
    const struct sample *sample = &report->runs[0].sample;
    return report->translated && sample->starts && sample->scored > 0;
}
