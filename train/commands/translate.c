/*
 * seqtrain translate: lines from rank 0's input, rounds of them to all ranks, translations back in input order.
 */
#include "comm/memory.h"
#include "io/text.h"
#include "train/command.h"
#include "train/inference/attention_file.h"
#include "train/inference/rounds.h"
#include "train/inference/translation_format.h"
#include "train/inference/translation_record.h"
#include "train/inference/weights.h"

#include <string.h>

struct settings {
    char *input, *output, *prefix, *attention;
    int64_t group;
    struct ensemble_options ensemble;
    struct weights_options weights;
    struct decode_options decode;
    struct format_options format;
};

static const struct option rows[] = {
        {"input", OPTION_TEXT, offsetof(struct settings, input), .value = "-", .placeholder = "FILE",
                .help = "text to translate, a sentence a line; - is standard input, .gz is read as it is; "
                        "for a model of frames or images what prepare takes"},
        {"output", OPTION_TEXT, offsetof(struct settings, output), .value = "-", .placeholder = "FILE",
                .help = "translations, a line for each; - is standard output"},
        {"prefix", OPTION_TEXT, offsetof(struct settings, prefix), .placeholder = "FILE",
                .help = "text that translations must begin with, line by line with the input"},
        {"attention", OPTION_TEXT, offsetof(struct settings, attention), .placeholder = "FILE.h5",
                .help = "stores what the pieces of the best translation look at, in every layer and head, "
                        "with the pieces; of images the cells of a grid"},
        {"group", OPTION_INTEGER, offsetof(struct settings, group), .value = "1024", .minimum = 1,
                .maximum = 1 << 20,
                .help = "lines that are sorted by length together; 1 answers line by line"},
};
static const struct option_group group = OPTION_GROUP("translate", "what is read and written", rows);
static const struct option_place places[] = {{&group, 0}, {&format_group, offsetof(struct settings, format)},
        {&decode_group_options, offsetof(struct settings, decode)},
        {&weights_group, offsetof(struct settings, weights)},
        {&ensemble_group, offsetof(struct settings, ensemble)}};
static const struct schema schema = {places, sizeof places / sizeof *places};

struct translating {
    const struct settings *settings;
    struct decode_options decode;
    struct rounds rounds;
    struct text *text[SIDES];          /* rank 0: the input, the prefixes or NULL */
    struct source_reader *source;      /* rank 0: the input if it is not text */
    struct sentence_list round[SIDES]; /* sentences, prefixes */
    struct sentence_list batch[SIDES];
    int64_t *numbers;            /* [decode.batch] of the lines of a batch */
    struct translation *found;   /* [decode.batch] */
    struct translation *results; /* [sentences of the round], rank 0 */
    size_t result_count;
    struct translation_writer writer;
    struct attention_file attention; /* rank 0; not open unless asked for */
};

/* ---- reading ---- */

static enum status open_attention(struct translating *t, const struct text_list *files)
{
    const char *path = t->settings->attention;
    TRY(text_check_result("attention", path, files));
    CHECK(strcmp(path, t->settings->output) != 0, STATUS_USAGE,
            "--attention and --output are both %s: give one another name", path);
    return attention_file_open(&t->attention, path, t->rounds.saved.vocabularies,
            model_attention(t->rounds.saved.ensemble.models[0]));
}

static enum status open_texts(void *context)
{
    struct translating *t = context;
    char *paths[SIDES] = {t->settings->input, t->settings->prefix};
    const struct text_list files = {paths, t->settings->prefix ? SIDES : 1};
    t->writer.vocabularies = t->rounds.saved.vocabularies;
    TRY(decode_check(&t->decode, &t->rounds.saved.ensemble));
    TRY(text_check_inputs(&files, 1));
    TRY(text_check_output(t->settings->output, &files));
    const struct source_form *form = saved_ensemble_form(&t->rounds.saved);
    CHECK(form->kind == SOURCE_TEXT || !t->decode.alignment, STATUS_USAGE,
            "--alignment tells pieces of text, but the source of this model is none: use --attention FILE");
    if (form->kind == SOURCE_TEXT)
        TRY(text_open(&t->text[SOURCE], t->settings->input));
    else
        TRY(source_open(&t->source, t->settings->input, form));
    if (t->settings->prefix)
        TRY(text_open(&t->text[TARGET], t->settings->prefix));
    return t->settings->attention ? open_attention(t, &files) : STATUS_OK;
}

/* `shorter` has ended: reads the other to its end to tell both counts. */
static enum status fail_counts(struct text *shorter, struct text *longer)
{
    const char *line;
    size_t bytes;
    enum text_fault fault;
    do
        TRY(text_next(longer, &line, &bytes, &fault));
    while (line);
    return status_fail(STATUS_DATA, "%s has %lld lines, but %s has %lld lines", text_path(shorter),
            (long long)text_line_number(shorter), text_path(longer), (long long)text_line_number(longer));
}

/* An empty line is no sentence, and has an empty translation, unless there is a prefix to go on from. */
static enum status read_line(struct translating *t, bool *end)
{
    bool prefix_end = false;
    enum line_form form = LINE_OR_NOTHING;
    if (t->text[TARGET]) {
        struct sentence_list *prefixes = &t->round[TARGET];
        TRY(saved_ensemble_read(
                &t->rounds.saved, TARGET, t->text[TARGET], LINE_PREFIX, prefixes, &prefix_end));
        if (!prefix_end && sentence_list_length(prefixes, prefixes->count - 1) > 0)
            form = LINE_SENTENCE;
    }
    if (t->source) {
        TRY(saved_ensemble_read_source(&t->rounds.saved, t->source, &t->round[SOURCE], end));
        CHECK(!t->text[TARGET] || *end == prefix_end, STATUS_DATA,
                "expected as many lines in %s as sentences in %s, found %s", text_path(t->text[TARGET]),
                source_path(t->source), *end ? "more" : "fewer");
        return STATUS_OK;
    }
    TRY(saved_ensemble_read(&t->rounds.saved, SOURCE, t->text[SOURCE], form, &t->round[SOURCE], end));
    if (t->text[TARGET] && *end != prefix_end)
        return fail_counts(t->text[*end ? SOURCE : TARGET], t->text[*end ? TARGET : SOURCE]);
    return STATUS_OK;
}

static enum status read_round(void *context)
{
    struct translating *t = context;
    for (int side = 0; side < SIDES; side++)
        sentence_list_clear(&t->round[side]);
    bool end = false;
    while (!end && !rounds_full(&t->rounds))
        TRY(read_line(t, &end));
    TRY(memory_new(&t->results, "translations", t->round[SOURCE].count, sizeof *t->results));
    t->result_count = t->round[SOURCE].count;
    return STATUS_OK;
}

/* ---- a batch ---- */

static size_t length(void *context, size_t item)
{
    return sentence_list_length(&((struct translating *)context)->round[SOURCE], item);
}

/* The first `count` of the items as a task that lives in `t`. */
static enum status make_task(
        struct translating *t, const size_t *items, size_t count, struct decode_task *task)
{
    TRY(sentence_list_pick(&t->batch[SOURCE], &t->round[SOURCE], items, count));
    *task = (struct decode_task){.ids = t->batch[SOURCE].ids,
            .offsets = t->batch[SOURCE].offsets,
            .count = count,
            .numbers = t->numbers};
    for (size_t i = 0; i < count; i++)
        t->numbers[i] = t->rounds.before + (int64_t)items[i];
    if (!t->settings->prefix)
        return STATUS_OK;
    TRY(sentence_list_pick(&t->batch[TARGET], &t->round[TARGET], items, count));
    task->prefix_ids = t->batch[TARGET].ids;
    task->prefix_offsets = t->batch[TARGET].offsets;
    return STATUS_OK;
}

static enum status put(const struct translation *translation, size_t source_tokens, struct results *results)
{
    void *record;
    size_t bytes;
    TRY(translation_pack(&record, &bytes, translation, source_tokens));
    enum status status = results_put(results, record, bytes);
    memory_free(record);
    return status;
}

static enum status work(void *context, const size_t *items, size_t count, struct results *results)
{
    static const struct translation nothing;
    struct translating *t = context;
    struct decode_task task;
    size_t full = count; /* items are sorted: empty ones come last */
    while (full > 0 && length(t, items[full - 1]) == 0)
        full--;
    TRY(make_task(t, items, full, &task));
    TRY(decode_group(&t->rounds.saved.ensemble, &t->decode, &task, t->found));
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = put(i < full ? &t->found[i] : &nothing, length(t, items[i]), results);
    translations_release(t->found, full);
    return status;
}

static enum status take(void *context, size_t item, const void *record, size_t bytes)
{
    (void)bytes;
    return translation_unpack(&((struct translating *)context)->results[item], record);
}

/* ---- the results of a round ---- */

static enum status write_round(void *context)
{
    struct translating *t = context;
    const struct sentence_list *sources = &t->round[SOURCE];
    for (size_t s = 0; s < sources->count; s++) {
        const struct translation_line line = {.number = t->rounds.before + (int64_t)s,
                .source = sources->ids + sources->offsets[s],
                .source_tokens = sentence_list_length(sources, s),
                .translation = &t->results[s]};
        TRY(translation_write(&t->writer, &line));
        if (t->attention.file)
            TRY(attention_file_add(&t->attention, &line));
    }
    return output_flush(&t->rounds.output);
}

static enum status finish(void *context)
{
    struct translating *t = context;
    return t->attention.file ? attention_file_commit(&t->attention) : STATUS_OK;
}

static void free_round(void *context)
{
    struct translating *t = context;
    if (t->results)
        translations_release(t->results, t->result_count);
    memory_free(t->results);
    t->results = NULL;
}

/* ---- the command ---- */

static void release(struct translating *t)
{
    source_close(t->source);
    for (int side = 0; side < SIDES; side++) {
        text_close(t->text[side]);
        sentence_list_release(&t->round[side]);
        sentence_list_release(&t->batch[side]);
    }
    memory_free(t->numbers);
    memory_free(t->found);
    translation_writer_release(&t->writer);
    attention_file_discard(&t->attention);
}

static enum status run_rounds(struct translating *t, const struct text_list *models)
{
    const struct settings *settings = t->settings;
    size_t batch = (size_t)settings->decode.batch;
    TRY(memory_new(&t->numbers, "translations", batch, sizeof *t->numbers));
    TRY(memory_new(&t->found, "translations", batch, sizeof *t->found));
    t->decode = settings->decode;
    t->decode.token_scores = settings->format.word_scores;
    t->decode.alignment = format_aligns(&settings->format);
    t->decode.attention = settings->attention != NULL;
    t->rounds = (struct rounds){
            .open = open_texts,
            .read = read_round,
            .write = write_round,
            .finish = finish,
            .free = free_round,
            .lists = {&t->round[SOURCE], settings->prefix ? &t->round[TARGET] : NULL},
            .output_path = settings->output,
            .parameters = settings->weights.parameters,
            .ensemble = &settings->ensemble,
            .spread = {.length = length,
                    .window = (size_t)settings->group,
                    .batch = batch,
                    .work = work,
                    .take = take,
                    .context = t},
    };
    t->writer = (struct translation_writer){
            .options = &settings->format, .output = &t->rounds.output, .nbest = settings->decode.nbest};
    return rounds_run(&t->rounds, models);
}

static enum status translate(const void *given, const struct text_list *words)
{
    const struct settings *settings = given;
    TRY(options_check_needs(&schema, settings));
    TRY(format_check(&settings->format, settings->decode.nbest));
    TRY(decode_check(&settings->decode, NULL));
    struct translating t = {.settings = settings};
    enum status status = run_rounds(&t, words);
    release(&t);
    return status;
}

static enum status run(int argc, char **argv)
{
    struct settings settings = {0}; /* decode options that commands set have no rows */
    return command_run(&translate_command, &settings, argc, argv, translate);
}

const struct command translate_command = {
        .name = "translate",
        .summary = "translates text with trained models",
        .usage = "MODEL... [--input FILE] [--output FILE] [--SWITCH VALUE]...",
        .examples = "seqtrain translate runs/demo --input test.en --output test.de\n"
                    "mpirun -n 4 seqtrain translate runs/demo <test.en >test.de\n"
                    "seqtrain translate runs/a runs/b --weights 0.7 0.3 --nbest 5 <test.en\n"
                    "seqtrain translate runs/demo --sample --seed 7 --word-scores <test.en\n"
                    "seqtrain translate runs/demo --attention weights.h5 <test.en >test.de",
        .schemas = {&schema},
        .ranks = true,
        .run = run,
};
