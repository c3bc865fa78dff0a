/*
 * What `seqtrain report` writes: a run as one HTML file that needs no network, nor scripts but for the choice of layers and
 * heads.
 *
 *     info_run() ------------------------> curves of metrics.jsonl            (chart.c)
 *     sample_open(): translations -------> BLEU by length of the source       (lengths.c)
 *         of a few also the attention ---> heat maps                          (heat.c)
 *     page.c: the page around them; style.c: its style and script
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

struct report_settings {
    char *output, *source, *target; /* source NULL: data.valid of the run */
    int64_t lines, sentences, beam;
    struct weights_options weights;
};

/* ---- translations (sample.c) ---- */

struct sample {
    const struct report_settings *settings;
    struct saved_ensemble saved;
    const char *path;             /* of the sources, borrowed */
    struct sentence_list sources; /* </s> included */
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
void sample_close(struct sample *sample);

/* Ids as text, which is borrowed until the next call. */
enum status sample_text(struct sample *sample, enum side side, const int32_t *ids, size_t count,
        const char **text, size_t *bytes);

/* ---- HTML (page.c) ---- */

/* As it is; as text, with what HTML reads otherwise escaped. */
enum status page_html(struct output *page, const char *html);
enum status page_text(struct output *page, const char *text);

/* JSON inside a script element: no byte of it ends that. */
enum status page_json(struct output *page, const cJSON *json);

struct report {
    const struct report_settings *settings;
    const struct info *info;
    struct sample *sample; /* NULL: nothing could be translated, for the reason */
    const char *reason;
};

/* The whole page. */
enum status page_write(struct output *page, const struct report *report);

extern const char page_style[], page_script[]; /* style.c */

/* ---- curves (chart.c) ---- */

enum { CHART_SERIES = 6 };

struct chart {
    const char *title, *unit; /* of the vertical axis; the other one's is the update */
    struct {
        const char *label;
        const struct points *points;
        bool marked; /* each point, else a line of means */
    } series[CHART_SERIES];
    size_t count;
};

/* A figure, or nothing where there are no two updates to join. */
enum status chart_write(struct output *page, const struct chart *chart);

/* A step of 1, 2 or 5 times a power of ten that cuts `range` (> 0) into at most `parts`. */
double chart_step(double range, int parts);

/* ---- sections ---- */

/* BLEU of the translations whose sources are about equally long (lengths.c). */
enum status lengths_write(struct output *page, const struct report *report);

/* Attention of the sentences shown: the mean over heads of the last layer, and the data of all for the script (heat.c). */
enum status heat_write(struct output *page, const struct report *report);

#endif
