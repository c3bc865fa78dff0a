/*
 * A model on pairs of lines. Rounds of pairs as in rounds.h; a batch is translated and goes through the model with its
 * references. Batches are those of `translate`, so that translations are, too.
 */
#include "comm/memory.h"
#include "io/pairs.h"
#include "train/inference/evaluation.h"
#include "train/inference/rounds.h"
#include "train/inference/sentence_list.h"

#include <string.h>

/* Tokens of both sides that go through the model at once. */
enum { PASS_TOKENS = 8192 };

/* Raw lines, packed. */
struct lines {
    char *bytes;
    size_t *ends;
    size_t byte_room, end_room, count;
};

struct evaluating {
    const struct evaluate_options *options;
    struct evaluation *evaluation; /* rank 0 */
    struct rounds rounds;
    struct text_list files[SIDES];
    struct pairs *pairs;               /* rank 0 */
    struct lines references;           /* of the round, rank 0 */
    struct sentence_list round[SIDES]; /* pairs read */
    struct sentence_list pass[SIDES];  /* pairs that go through the model at once */
    struct hypothesis *results;        /* [pairs of the round], rank 0 */
    uint8_t *record;
    size_t record_room;
    char *line; /* of the vocabulary, between calls */
    size_t line_room;
};

/* ---- reading ---- */

static size_t line_start(const struct lines *lines, size_t line)
{
    return line == 0 ? 0 : lines->ends[line - 1];
}

static enum status lines_add(struct lines *lines, const char *line, size_t bytes)
{
    size_t start = line_start(lines, lines->count);
    TRY(memory_grow(&lines->ends, "text", &lines->end_room, lines->count + 1, sizeof *lines->ends));
    TRY(memory_grow(&lines->bytes, "text", &lines->byte_room, start + bytes + 1, 1));
    memcpy(lines->bytes + start, line, bytes);
    lines->ends[lines->count++] = start + bytes;
    return STATUS_OK;
}

static enum status open_pairs(void *context)
{
    struct evaluating *e = context;
    for (int side = 0; side < SIDES; side++)
        TRY(text_check_output(e->options->output, &e->files[side]));
    return saved_ensemble_open_pairs(&e->rounds.saved, &e->pairs, e->files);
}

static enum status read_round(void *context)
{
    struct evaluating *e = context;
    struct pair pair;
    e->references.count = 0;
    for (int side = 0; side < SIDES; side++)
        sentence_list_clear(&e->round[side]);
    do {
        TRY(saved_ensemble_read_pair(&e->rounds.saved, e->pairs, e->round, &pair));
        if (pair.text[SOURCE])
            TRY(lines_add(&e->references, pair.text[TARGET], pair.bytes[TARGET]));
    } while (pair.text[SOURCE] && !rounds_full(&e->rounds));
    return memory_new(&e->results, "translations", e->round[SOURCE].count, sizeof *e->results);
}

/* ---- a batch ---- */

static size_t length(void *context, size_t item)
{
    return sentence_list_length(&((struct evaluating *)context)->round[SOURCE], item);
}

static enum status add_losses(struct evaluating *e, const size_t *items, size_t count, struct validation *sum)
{
    for (size_t first = 0, size; first < count; first += size) {
        struct batch batch;
        struct loss loss;
        const struct pass pass = {0};
        size = sentence_list_fitting(e->round, items + first, count - first, PASS_TOKENS);
        TRY(sentence_list_batch(&batch, e->pass, e->round, items + first, size));
        TRY(model_loss(e->rounds.saved.models[0], &batch, &pass, &loss));
        validation_add(sum, &loss, size);
    }
    return STATUS_OK;
}

/* A record: what the item adds to the loss, then the ids of its translation. The first item of a batch has the loss of
 * all. */
static enum status put(struct evaluating *e, struct results *results, const struct validation *loss,
        const struct hypothesis *translation)
{
    size_t bytes = translation->count * sizeof *translation->ids;
    TRY(memory_grow(&e->record, "results", &e->record_room, sizeof *loss + bytes, 1));
    memcpy(e->record, loss, sizeof *loss);
    if (bytes > 0)
        memcpy(e->record + sizeof *loss, translation->ids, bytes);
    return results_put(results, e->record, sizeof *loss + bytes);
}

static enum status put_all(struct evaluating *e, struct results *results, size_t count,
        const struct validation *sum, const struct translation *found, size_t full)
{
    const struct validation none = {0};
    for (size_t i = 0; i < count; i++) {
        const struct hypothesis empty = {0};
        TRY(put(e, results, i == 0 ? sum : &none,
                i < full && found[i].count > 0 ? &found[i].items[0] : &empty));
    }
    return STATUS_OK;
}

/* Items are sorted: those of </s> alone come last, and have empty translations. */
static enum status translate(
        struct evaluating *e, const size_t *items, size_t full, int64_t *numbers, struct translation *found)
{
    for (size_t i = 0; i < full; i++)
        numbers[i] = e->rounds.before + (int64_t)items[i];
    TRY(sentence_list_pick(&e->pass[SOURCE], &e->round[SOURCE], items, full));
    const struct decode_task task = {.ids = e->pass[SOURCE].ids,
            .offsets = e->pass[SOURCE].offsets,
            .count = full,
            .numbers = numbers};
    return decode_group(&e->rounds.saved.ensemble, &e->options->decode, &task, found);
}

static enum status work(void *context, const size_t *items, size_t count, struct results *results)
{
    struct evaluating *e = context;
    struct validation sum = {0};
    struct translation *found = NULL;
    int64_t *numbers = NULL;
    size_t full = count;
    bool text = saved_ensemble_form(&e->rounds.saved)->kind == SOURCE_TEXT;
    while (text && full > 0 && length(e, items[full - 1]) == 1)
        full--;
    TRY(add_losses(e, items, count, &sum));
    enum status status = memory_new(&found, "translations", count, sizeof *found);
    if (status == STATUS_OK)
        status = memory_new(&numbers, "translations", count, sizeof *numbers);
    if (status == STATUS_OK)
        status = translate(e, items, full, numbers, found);
    if (status == STATUS_OK) {
        status = put_all(e, results, count, &sum, found, full);
        translations_release(found, full);
    }
    memory_free(numbers);
    memory_free(found);
    return status;
}

static enum status take(void *context, size_t item, const void *record, size_t bytes)
{
    struct evaluating *e = context;
    struct validation part;
    struct hypothesis *result = &e->results[item];
    ASSERT(bytes >= sizeof part);
    memcpy(&part, record, sizeof part);
    validation_join(&e->evaluation->loss, &part);
    bytes -= sizeof part;
    result->count = bytes / sizeof *result->ids;
    return bytes ? memory_copy(&result->ids, "translations", (const char *)record + sizeof part, bytes)
                 : STATUS_OK;
}

/* ---- the results of a round ---- */

static enum status evaluate_line(struct evaluating *e, size_t item)
{
    const struct hypothesis *result = &e->results[item];
    size_t bytes, start = line_start(&e->references, item);
    TRY(vocabulary_decode(e->rounds.saved.vocabularies[TARGET], result->ids, result->count, &e->line,
            &e->line_room, &bytes));
    TRY(evaluation_add(e->evaluation, EVALUATION_OWN, e->line, bytes, e->references.bytes + start,
            e->references.ends[item] - start));
    e->line[bytes] = '\n'; /* in place of its end mark */
    return e->options->output ? output_write(&e->rounds.output, e->line, bytes + 1) : STATUS_OK;
}

static enum status write_round(void *context)
{
    struct evaluating *e = context;
    for (size_t i = 0; i < e->round[SOURCE].count; i++)
        TRY(evaluate_line(e, i));
    return STATUS_OK;
}

static void free_round(void *context)
{
    struct evaluating *e = context;
    for (size_t i = 0; e->results && i < e->round[SOURCE].count; i++)
        memory_free(e->results[i].ids);
    memory_free(e->results);
    e->results = NULL;
}

static void release(struct evaluating *e)
{
    pairs_close(e->pairs);
    for (int side = 0; side < SIDES; side++) {
        sentence_list_release(&e->round[side]);
        sentence_list_release(&e->pass[side]);
    }
    memory_free(e->references.bytes);
    memory_free(e->references.ends);
    memory_free(e->record);
    memory_free(e->line);
}

enum status evaluate_model(
        struct evaluation *evaluation, const struct evaluate_options *options, const struct text_list *model)
{
    struct evaluating e = {.options = options, .evaluation = evaluation};
    char *files[SIDES] = {options->source, options->target};
    for (int side = 0; side < SIDES; side++)
        e.files[side] = (struct text_list){&files[side], 1};
    e.rounds = (struct rounds){
            .open = open_pairs,
            .read = read_round,
            .write = write_round,
            .free = free_round,
            .lists = {&e.round[SOURCE], &e.round[TARGET]},
            .output_path = options->output,
            .parameters = options->weights.parameters,
            .spread = {.length = length,
                    .window = (size_t)options->group,
                    .batch = (size_t)options->decode.batch,
                    .work = work,
                    .take = take,
                    .context = &e},
    };
    enum status status = rounds_run(&e.rounds, model);
    evaluation->has_loss = true;
    release(&e);
    return status;
}
