#include "comm/memory.h"
#include "io/corpus.h"
#include "io/pairs.h"
#include "train/inference/spread.h"
#include "train/inference/translation_record.h"
#include "train/report/report.h"

#include <string.h>

enum { WINDOW = 1024 };

/* Tokens of a source that a heat map shows well. */
static const size_t usual_lengths[] = {[SOURCE_TEXT] = 40, [SOURCE_FRAMES] = 400, [SOURCE_IMAGES] = SIZE_MAX};

static enum source_kind kind_of(const struct sample *sample)
{
    return saved_ensemble_form(&sample->saved)->kind;
}

/* ---- sources and references ---- */

static enum status add_reference(struct sample *sample, const char *line, size_t bytes)
{
    size_t lines = sample->sources.count; /* that are read, this one too */
    TRY(memory_grow(&sample->starts, "report", &sample->start_room, lines + 1, sizeof *sample->starts));
    size_t start = lines > 1 ? (size_t)sample->starts[lines - 1] : 0;
    TRY(memory_grow(&sample->references, "report", &sample->reference_room, start + bytes + 1, 1));
    memcpy(sample->references + start, line, bytes);
    sample->starts[lines] = (int64_t)(start + bytes);
    return STATUS_OK;
}

static enum status read_pairs(struct sample *sample, size_t most)
{
    struct report_settings settings = *sample->settings;
    const struct text_list files[SIDES] = {{&settings.source, 1}, {&settings.target, 1}};
    struct sentence_list lists[SIDES] = {{0}};
    struct pairs *pairs;
    struct pair pair;
    TRY(saved_ensemble_open_pairs(&sample->saved, &pairs, files));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && sample->sources.count < most) {
        status = saved_ensemble_read_pair(&sample->saved, pairs, lists, &pair);
        sample->sources = lists[SOURCE];
        if (status != STATUS_OK || !pair.text[SOURCE])
            break;
        status = add_reference(sample, pair.text[TARGET], pair.bytes[TARGET]);
    }
    sentence_list_release(&lists[TARGET]);
    pairs_close(pairs);
    return status;
}

static enum status read_lines(struct sample *sample, size_t most)
{
    struct text *text;
    bool end = false;
    TRY(text_open(&text, sample->settings->source));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !end && sample->sources.count < most)
        status = saved_ensemble_read(&sample->saved, SOURCE, text, LINE_SENTENCE, &sample->sources, &end);
    text_close(text);
    return status;
}

static enum status read_others(struct sample *sample, size_t most)
{
    struct source_reader *source;
    bool end = false;
    TRY(source_open(&source, sample->settings->source, saved_ensemble_form(&sample->saved)));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !end && sample->sources.count < most)
        status = saved_ensemble_read_source(&sample->saved, source, &sample->sources, &end);
    source_close(source);
    return status;
}

static enum status check_vocabulary(const struct sample *sample, const struct corpus *corpus)
{
    size_t bytes, expected;
    const void *found = corpus_vocabulary(corpus, SOURCE, &bytes);
    const void *model = vocabulary_model(sample->saved.vocabularies[SOURCE], &expected);
    CHECK(bytes == expected && memcmp(found, model, bytes) == 0, STATUS_DATA,
            "%s has another vocabulary than the model", corpus_path(corpus));
    return STATUS_OK;
}

static enum status read_corpus(struct sample *sample, struct corpus *corpus, size_t most)
{
    size_t pairs = corpus_facts(corpus)->pairs, count = pairs < most ? pairs : most;
    TRY(check_vocabulary(sample, corpus));
    TRY(sentence_list_read(&sample->sources, corpus, SOURCE, 0, count));
    if (!corpus_facts(corpus)->has_text)
        return STATUS_OK;
    TRY(memory_new(&sample->starts, "report", count + 1, sizeof *sample->starts));
    return corpus_text(corpus, 0, count, &sample->references, &sample->reference_room, sample->starts);
}

static enum status read_sources(struct sample *sample, size_t most)
{
    struct corpus *corpus;
    if (sample->settings->source && sample->settings->target)
        return read_pairs(sample, most);
    if (sample->settings->source)
        return kind_of(sample) == SOURCE_TEXT ? read_lines(sample, most) : read_others(sample, most);
    TRY(corpus_open(&corpus, sample->path));
    enum status status = read_corpus(sample, corpus, most);
    corpus_close(corpus);
    return status;
}

/* ---- which are shown ---- */

/* The first ones; of a corpus those that are not long. */
static enum status choose_shown(struct sample *sample)
{
    size_t most = (size_t)sample->settings->lines;
    TRY(memory_new(&sample->shown, "report", most, sizeof *sample->shown));
    for (size_t i = 0; i < sample->sources.count && sample->shown_count < most; i++) {
        size_t length = sentence_list_length(&sample->sources, i);
        if (length > sample_ends(sample) &&
                (sample->settings->source || length <= usual_lengths[kind_of(sample)]))
            sample->shown[sample->shown_count++] = i;
    }
    return STATUS_OK;
}

/* ---- translating ---- */

struct work {
    struct sample *sample;
    struct decode_options options;
    const size_t *numbers; /* of the sentences that are translated; NULL: from 0 on */
};

static size_t number_of(const struct work *work, size_t item)
{
    return work->numbers ? work->numbers[item] : item;
}

static size_t length(void *context, size_t item)
{
    const struct work *work = context;
    return sentence_list_length(&work->sample->sources, number_of(work, item));
}

static enum status put_all(const struct work *work, const size_t *items, size_t count,
        const struct translation *found, struct results *results)
{
    static const struct translation nothing;
    size_t ends = sample_ends(work->sample);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        size_t tokens = length((void *)work, items[i]), bytes;
        void *record;
        TRY(translation_pack(&record, &bytes, tokens > ends ? &found[i] : &nothing, tokens));
        status = results_put(results, record, bytes);
        memory_free(record);
    }
    return status;
}

/* Items are sorted: those that are empty come last, and have no translation. */
static enum status translate_items(struct work *work, const size_t *items, size_t count,
        struct sentence_list *batch, size_t *numbers, struct translation *found)
{
    size_t full = count;
    while (full > 0 && length(work, items[full - 1]) == sample_ends(work->sample))
        full--;
    for (size_t i = 0; i < full; i++)
        numbers[i] = number_of(work, items[i]);
    TRY(sentence_list_pick(batch, &work->sample->sources, numbers, full));
    const struct decode_task task = {.ids = batch->ids, .offsets = batch->offsets, .count = full};
    return decode_group(&work->sample->saved.ensemble, &work->options, &task, found);
}

static enum status translate(void *context, const size_t *items, size_t count, struct results *results)
{
    struct work *work = context;
    struct sentence_list batch = {0};
    struct translation *found = NULL;
    size_t *numbers = NULL;
    enum status status = memory_new(&found, "report", count, sizeof *found);
    if (status == STATUS_OK)
        status = memory_new(&numbers, "report", count, sizeof *numbers);
    if (status == STATUS_OK)
        status = translate_items(work, items, count, &batch, numbers, found);
    if (status == STATUS_OK)
        status = put_all(work, items, count, found, results);
    if (found)
        translations_release(found, count);
    sentence_list_release(&batch);
    memory_free(numbers);
    memory_free(found);
    return status;
}

static enum status take(void *context, size_t item, const void *record, size_t bytes)
{
    struct work *work = context;
    struct translation *out = &work->sample->found[number_of(work, item)];
    (void)bytes;
    translations_release(out, 1);
    return translation_unpack(out, record);
}

/* All without attention, which takes memory; then those that are shown with it, which changes no translation. */
static enum status translate_all(struct sample *sample)
{
    struct work work = {.sample = sample};
    TRY(decode_defaults(&work.options));
    work.options.beam = sample->settings->beam;
    TRY(decode_check(&work.options, &sample->saved.ensemble));
    struct spread spread = {.items = sample->scored,
            .length = length,
            .window = WINDOW,
            .batch = (size_t)work.options.batch,
            .work = translate,
            .take = take,
            .context = &work};
    TRY(spread_run(&spread));
    work.options.attention = sample->planes.layers > 0;
    work.numbers = sample->shown;
    spread.items = sample->shown_count;
    return spread_run(&spread);
}

/* ---- the life of a sample ---- */

static enum status fill(struct sample *sample)
{
    size_t sentences = (size_t)sample->settings->sentences, lines = (size_t)sample->settings->lines;
    if (kind_of(sample) == SOURCE_IMAGES)
        sentences = 0; /* they are all equally long */
    sample->planes = model_attention(sample->saved.models[0]);
    TRY(read_sources(sample, sentences > lines ? sentences : lines));
    size_t count = sample->sources.count;
    if (sample->starts)
        sample->scored = count < sentences ? count : sentences;
    TRY(choose_shown(sample));
    TRY(memory_new(&sample->found, "report", count, sizeof *sample->found));
    return translate_all(sample);
}

enum status sample_open(
        struct sample *out, const char *run, const struct report_settings *settings, const char *valid)
{
    char *model = (char *)run;
    *out = (struct sample){.settings = settings, .path = settings->source ? settings->source : valid};
    CHECK(out->path, STATUS_MISSING, "the run has no data.valid: name sentences with --source");
    TRY(saved_ensemble_open(&out->saved, &(struct text_list){&model, 1}, settings->weights.parameters, NULL));
    enum status status = fill(out);
    if (status != STATUS_OK)
        sample_close(out);
    return status;
}

void sample_close(struct sample *sample)
{
    if (sample->found)
        translations_release(sample->found, sample->sources.count);
    memory_free(sample->found);
    memory_free(sample->shown);
    memory_free(sample->starts);
    memory_free(sample->references);
    memory_free(sample->text);
    sentence_list_release(&sample->sources);
    saved_ensemble_close(&sample->saved);
    *sample = (struct sample){0};
}

size_t sample_ends(const struct sample *sample)
{
    return kind_of(sample) == SOURCE_TEXT;
}

enum status sample_translation(struct sample *sample, size_t i, const char **text, size_t *bytes)
{
    const struct translation *found = &sample->found[i];
    const struct hypothesis *best = found->count ? found->items : &(struct hypothesis){0};
    return sample_text(sample, TARGET, best->ids, best->count, text, bytes);
}

enum status sample_text(struct sample *sample, enum side side, const int32_t *ids, size_t count,
        const char **text, size_t *bytes)
{
    TRY(vocabulary_decode(
            sample->saved.vocabularies[side], ids, count, &sample->text, &sample->text_room, bytes));
    *text = sample->text;
    return STATUS_OK;
}
