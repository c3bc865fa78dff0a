/*
 * What `seqtrain report` writes: runs as one HTML file that needs no network, nor scripts but for the choice of layers and
 * heads; or one chart of them as an SVG file.
 *
 *     info_run() ------------------------> curves of metrics.jsonl            (curves.c)
 *     sample_open(): translations -------> BLEU by length of the source       (lengths.c)
 *         of a few also the attention ---> heat maps, or over pictures        (sentences.c: heat.c, picture.c)
 *     page.c: the page around them; figure.c: what frames a chart and tells its series apart; chart.c: values by update;
 *     style.c: style and script
 *
 * One run is drawn as what it is, several beside each other: the same chart with a series for each. To add a chart that
 * can stand by itself: a row of chart_kinds in page.c.
 *
 * All text that comes from elsewhere goes through page_text(). Equal runs give equal bytes. Private to train/report/ and the
 * command.
 */
#ifndef TRAIN_REPORT_REPORT_H
#define TRAIN_REPORT_REPORT_H

#include "train/inference/output.h"
#include "train/inference/saved_ensemble.h"
#include "train/inference/weights.h"
#include "train/info/info.h"

enum { REPORT_RUNS = 6 /* as many as there are colours */ };

struct report_settings {
    char *output, *source, *target; /* source NULL: data.valid of the first run */
    struct text_list names;         /* of the runs; none: their paths */
    const struct kind *chart;       /* into chart_kinds */
    int64_t lines, sentences, beam;
    struct weights_options weights;
};

/* ---- translations (sample.c) ---- */

struct sample {
    const struct report_settings *settings;
    struct saved_ensemble saved;
    const char *path;             /* of the sources, borrowed */
    struct sentence_list sources; /* </s> of text included */
    char *references;             /* end to end; line i is references[starts[i]:starts[i + 1]] */
    int64_t *starts;              /* NULL: there are none */
    size_t reference_room, start_room;
    struct translation *found; /* [sources.count] */
    size_t scored;             /* the first of them that BLEU is made of */
    size_t *shown;             /* [shown_count] numbers of those with a heat map */
    size_t shown_count;
    struct attention_planes planes;
    char *text; /* of the vocabulary, between calls */
    size_t text_room;
};

/* Translates lines of settings->source, or pairs of `valid` (NULL: there is none, nor --source: then nothing is found), with
 * the model of `run`. On failure nothing is left to close. Collective. */
enum status sample_open(
        struct sample *out, const char *run, const struct report_settings *settings, const char *valid);
void sample_close(struct sample *sample); /* {0} is allowed */

/* Tokens at the end of each source that are no part of it: </s> of text. */
size_t sample_ends(const struct sample *sample);

/* Ids as text, which is borrowed until the next call. */
enum status sample_text(struct sample *sample, enum side side, const int32_t *ids, size_t count,
        const char **text, size_t *bytes);

/* The translation of sentence i as text, borrowed until the next call. */
enum status sample_translation(struct sample *sample, size_t i, const char **text, size_t *bytes);

/* ---- what is reported ---- */

struct reported {
    const char *name;
    struct info info;
    struct sample sample;
};

struct report {
    const struct report_settings *settings;
    struct reported *runs; /* [count], at least one, at most REPORT_RUNS */
    size_t count;
    bool translated;    /* all have a sample, */
    const char *reason; /* or why not */
};

/* ---- HTML (page.c) ---- */

/* As it is; as text, with what HTML reads otherwise escaped. */
enum status page_html(struct output *page, const char *html);
enum status page_text(struct output *page, const char *text);

/* JSON inside a script element: no byte of it ends that. */
enum status page_json(struct output *page, const cJSON *json);

/* What may be written: all as a page, or a chart that stands by itself. */
struct chart_kind {
    struct kind kind;
    const char *output; /* the usual file */
    bool page;
    enum status (*write)(struct output *page, const struct report *report);
};
extern const struct kind_table chart_kinds;

static inline const struct chart_kind *chart_of(const struct report_settings *settings)
{
    return (const struct chart_kind *)settings->chart;
}

extern const char page_colours[], figure_style[], page_style[], page_script[]; /* style.c */

/* ---- figures (figure.c): a drawing, part of a page or a file of its own ---- */

enum { FIGURE_WIDTH = 460, FIGURE_HEIGHT = 280 }; /* of the drawing, in its own units */

/* How the series of a chart are drawn. Several runs differ by more than colour. */
struct look {
    const char *label;
    char detail[32]; /* after it */
    size_t number;   /* of its colour, from 1 */
    bool line, marked, apart;
};

struct figure {
    const char *title;
    const char *caption, *of; /* on a page in place of the title, followed by `of`; NULL: none */
    const struct look *looks; /* [count] of the legend; none if there is nothing to tell apart */
    size_t count;
    const char *note; /* below; NULL: none */
    bool alone;       /* a file of its own */
};

/* The frame; between them the drawing is written, 0 0 FIGURE_WIDTH FIGURE_HEIGHT. */
enum status figure_open(struct output *page, const struct figure *figure);
enum status figure_close(struct output *page, const struct figure *figure);

/* A line from point to point, and a mark at one, which says `words` under the pointer. */
struct place {
    double x, y;
};
enum status figure_line(
        struct output *page, const struct look *look, const struct place *places, size_t count);
enum status figure_mark(
        struct output *page, const struct look *look, const struct place *place, const char *words);

/* A step of 1, 2 or 5 times a power of ten that cuts `range` (> 0) into at most `parts`. */
double figure_step(double range, int parts);

/* ---- values by update (chart.c) ---- */

struct chart {
    const char *title, *unit; /* of the vertical axis; the other one's is the update */
    bool apart;               /* a series a run */
    struct {
        const char *label;
        const struct points *points; /* none: it is left out */
        bool marked;                 /* each point, else a line of means */
    } series[REPORT_RUNS];
    size_t count;
};

/* A figure, or nothing where there are no two updates to join. */
enum status chart_write(struct output *page, const struct chart *chart);

/* ---- sections ---- */

/* Loss, metrics, learning rate and speed by update (curves.c). */
enum status curves_write(struct output *page, const struct report *report);

/* BLEU of the translations whose sources are about equally long, where there are references (lengths.c). */
bool lengths_known(const struct report *report);
enum status lengths_write(struct output *page, const struct report *report);

/* Sentences and their translations; of one run also what they look at: the mean over heads of the last layer, and the data of
 * all for the script (sentences.c). */
enum status sentences_write(struct output *page, const struct report *report);

/* ---- what the translation of a sentence looks at ---- */

struct map {
    const struct source_form *form;
    const struct vocabulary *const *vocabularies;
    const int32_t *source;
    size_t columns, rows; /* rows: of the target, with </s> where it was reached */
    const struct hypothesis *best;
    struct attention_planes planes;
};

/* The piece of a row; the mean over heads of the last layer; and the weight that is drawn as all there is: 1, or where there are
 * many columns the largest of the row. */
const char *map_target(const struct map *map, size_t t);
float map_mean(const struct map *map, size_t t, size_t s);
float map_whole(const struct map *map, size_t t);

/* Rows and columns of cells, for text and frames (heat.c). */
enum status heat_draw(struct output *page, const struct map *map);

/* The picture; if it `attends`, once more for each row with what it looks at (picture.c). `number` tells pictures of a page
 * apart. */
enum status picture_draw(struct output *page, const struct map *map, size_t number, bool attends);

#endif
