#include "train/training/validate_text.h"

#include "comm/log.h"
#include "comm/memory.h"
#include "comm/watch.h"
#include "comm/world.h"
#include "train/inference/sentence_list.h"
#include "train/inference/spread.h"
#include "train/training/stop.h"

#include <string.h>

enum { WINDOW = 1024 }; /* pairs sorted together */

typedef int64_t text_counts[METRIC_COUNTS];

struct text_work {
    const struct text_validation_options *options;
    struct model *model;
    struct corpus *corpus;
    struct decode_options decode;
    struct vocabulary *vocabularies[SIDES];
    size_t pairs;
    int64_t *starts; /* [pairs + 1] of the source sentences, in tokens */
    /* the window from pair `first` on, `count` pairs; 0: none yet */
    size_t first, count;
    struct sentence_list sources, targets;
    int64_t *lines; /* [WINDOW + 1] where its reference lines start in `text` */
    char *text;
    size_t text_room;
    /* a batch */
    struct sentence_list batch;
    size_t *places;                 /* [decode.batch] in the window */
    struct translation *translated; /* [decode.batch] */
    char *line;                     /* a translation as text */
    size_t line_room, line_bytes;
    text_counts counts[TEXT_METRICS]; /* of this rank, then of all */
    char **samples;                   /* [options->samples] translations, rank 0 */
};

/* ---- opening ---- */

static enum status open_vocabularies(struct text_work *work)
{
    for (enum side side = SOURCE; side < SIDES; side++) {
        size_t bytes;
        const void *model = corpus_vocabulary(work->corpus, side, &bytes);
        TRY(vocabulary_open(&work->vocabularies[side], model, bytes, corpus_path(work->corpus)));
    }
    return STATUS_OK;
}

static enum status open_work(struct text_work *work)
{
    const struct text_validation_options *options = work->options;
    size_t pairs = corpus_facts(work->corpus)->pairs;
    TRY(decode_defaults(&work->decode));
    work->decode.beam = options->beam;
    size_t batch = (size_t)work->decode.batch;
    work->pairs = options->count > 0 || pairs < options->samples ? pairs : options->samples;
    TRY(open_vocabularies(work));
    TRY(memory_new(&work->starts, "validation", work->pairs + 1, sizeof *work->starts));
    TRY(memory_new(&work->lines, "validation", WINDOW + 1, sizeof *work->lines));
    TRY(memory_new(&work->places, "validation", batch, sizeof *work->places));
    TRY(memory_new(&work->translated, "validation", batch, sizeof *work->translated));
    TRY(memory_new(&work->samples, "validation", options->samples, sizeof *work->samples));
    return corpus_offsets(work->corpus, SOURCE, 0, work->pairs, work->starts);
}

static void close_work(struct text_work *work)
{
    for (int side = 0; side < SIDES; side++)
        vocabulary_close(work->vocabularies[side]);
    for (size_t i = 0; work->samples && i < work->options->samples; i++)
        memory_free(work->samples[i]);
    memory_free(work->samples);
    sentence_list_release(&work->sources);
    sentence_list_release(&work->targets);
    sentence_list_release(&work->batch);
    memory_free(work->translated);
    memory_free(work->places);
    memory_free(work->starts);
    memory_free(work->lines);
    memory_free(work->text);
    memory_free(work->line);
}

/* ---- a batch ---- */

static size_t length(void *context, size_t item)
{
    const int64_t *starts = ((const struct text_work *)context)->starts;
    return (size_t)(starts[item + 1] - starts[item]);
}

static enum status read_window(struct text_work *work, size_t item)
{
    size_t first = item / WINDOW * WINDOW, count = work->pairs - first;
    count = count < WINDOW ? count : WINDOW;
    if (work->count > 0 && work->first == first)
        return STATUS_OK;
    work->first = first;
    work->count = count;
    TRY(sentence_list_read(&work->sources, work->corpus, SOURCE, first, count));
    if (corpus_facts(work->corpus)->has_text)
        return corpus_text(work->corpus, first, count, &work->text, &work->text_room, work->lines);
    return sentence_list_read(&work->targets, work->corpus, TARGET, first, count);
}

/* The ids as text in work->line. */
static enum status to_text(struct text_work *work, enum side side, const int32_t *ids, size_t count)
{
    return vocabulary_decode(
            work->vocabularies[side], ids, count, &work->line, &work->line_room, &work->line_bytes);
}

static enum status count_pair(struct text_work *work, size_t place, const struct translation *translation)
{
    const struct text_validation_options *options = work->options;
    TRY(to_text(work, TARGET, translation->items[0].ids, translation->items[0].count));
    for (size_t m = 0; m < options->count; m++)
        TRY(text_metric_count(options->metrics[m], &options->text, work->line, work->line_bytes,
                work->text + work->lines[place], (size_t)(work->lines[place + 1] - work->lines[place]),
                work->counts[m]));
    return STATUS_OK;
}

static enum status translate(struct text_work *work, size_t count)
{
    const struct ensemble ensemble = {.models = &work->model, .count = 1};
    const struct decode_task task = {.ids = work->batch.ids, .offsets = work->batch.offsets, .count = count};
    return decode_group(&ensemble, &work->decode, &task, work->translated);
}

/* A record is the translation of a sample; other items have none. */
static enum status work_batch(void *context, const size_t *items, size_t count, struct results *results)
{
    struct text_work *work = context;
    watch_beat();
    CHECK(!stop_is_due(), STATUS_STOPPED, "validation was interrupted");
    TRY(read_window(work, items[0]));
    for (size_t i = 0; i < count; i++)
        work->places[i] = items[i] - work->first;
    TRY(sentence_list_pick(&work->batch, &work->sources, work->places, count));
    TRY(translate(work, count));
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = count_pair(work, work->places[i], &work->translated[i]);
        if (status == STATUS_OK)
            status = results_put(
                    results, work->line, items[i] < work->options->samples ? work->line_bytes : 0);
    }
    translations_release(work->translated, count);
    return status;
}

static enum status take(void *context, size_t item, const void *record, size_t bytes)
{
    struct text_work *work = context;
    if (item >= work->options->samples)
        return STATUS_OK;
    return memory_copy(&work->samples[item], "validation", record, bytes);
}

/* ---- what it comes to ---- */

static enum status show_source(struct text_work *work, size_t sample)
{
    size_t ids = sentence_list_length(&work->sources, sample);
    char form[SOURCE_FORM_BYTES];
    if (corpus_facts(work->corpus)->form.kind != SOURCE_TEXT) {
        source_describe(&corpus_facts(work->corpus)->form, form);
        log_line(LOG_INFO, "sample %zu  source       %zu of %s", sample + 1, ids, form);
        return STATUS_OK;
    }
    TRY(to_text(work, SOURCE, work->sources.ids + work->sources.offsets[sample], ids));
    log_line(LOG_INFO, "sample %zu  source       %s", sample + 1, work->line);
    return STATUS_OK;
}

static enum status show_reference(struct text_work *work, size_t sample)
{
    static const char format[] = "          reference    %.*s";
    if (work->text) {
        int bytes = (int)(work->lines[sample + 1] - work->lines[sample]);
        log_line(LOG_INFO, format, bytes, work->text + work->lines[sample]);
        return STATUS_OK;
    }
    TRY(to_text(work, TARGET, work->targets.ids + work->targets.offsets[sample],
            sentence_list_length(&work->targets, sample)));
    log_line(LOG_INFO, format, (int)work->line_bytes, work->line);
    return STATUS_OK;
}

static enum status show_samples(struct text_work *work)
{
    size_t samples = work->options->samples;
    if (samples > 0)
        TRY(read_window(work, 0));
    for (size_t i = 0; i < samples && i < work->pairs; i++) {
        TRY(show_source(work, i));
        TRY(show_reference(work, i));
        log_line(LOG_INFO, "          translation  %s", work->samples[i]);
    }
    return STATUS_OK;
}

static enum status run(struct text_work *work, double *values)
{
    const struct text_validation_options *options = work->options;
    TRY(status_agree(open_work(work)));
    struct spread spread = {.items = work->pairs,
            .length = length,
            .window = WINDOW,
            .batch = (size_t)work->decode.batch,
            .work = work_batch,
            .take = take,
            .context = work};
    TRY(spread_run(&spread));
    TRY(world_sum_integers(work->counts[0], TEXT_METRICS * METRIC_COUNTS));
    for (size_t m = 0; m < options->count; m++)
        values[m] = options->metrics[m]->value(work->counts[m]);
    return status_agree(world()->rank == 0 ? show_samples(work) : STATUS_OK);
}

enum status validate_text(double *values, struct model *model, struct corpus *corpus,
        const struct text_validation_options *options)
{
    struct text_work work = {.options = options, .model = model, .corpus = corpus};
    enum status status = run(&work, values);
    close_work(&work);
    return status;
}
