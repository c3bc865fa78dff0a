/*
 * seqtrain translate: lines from rank 0's input, rounds of them to all ranks, translations back in input order.
 */
#include "comm/memory.h"
#include "comm/world.h"
#include "io/text.h"
#include "train/command.h"
#include "train/rounds.h"
#include "train/sentence_list.h"
#include "train/weights.h"

#include <string.h>

struct settings {
    char *input, *output;
    int64_t group;
    struct weights_options weights;
    struct decode_options decode;
};

static const struct option rows[] = {
        {"input", OPTION_TEXT, offsetof(struct settings, input), .value = "-", .placeholder = "FILE",
                .help = "text to translate, a sentence a line; - is standard input, .gz is read as it is"},
        {"output", OPTION_TEXT, offsetof(struct settings, output), .value = "-", .placeholder = "FILE",
                .help = "translations, a line for each; - is standard output"},
        {"group", OPTION_INTEGER, offsetof(struct settings, group), .value = "1024", .minimum = 1,
                .maximum = 1 << 20,
                .help = "lines that are sorted by length together; 1 answers line by line"},
};
static const struct option_group group = OPTION_GROUP("translate", "what is read and written", rows);
static const struct option_place places[] = {{&group, 0},
        {&weights_group, offsetof(struct settings, weights)},
        {&decode_group_options, offsetof(struct settings, decode)}};
static const struct schema schema = {places, sizeof places / sizeof *places};

/* Batches a rank gets in a round, and tokens after which no more lines are read: bound memory. */
enum { ROUND_BATCHES = 4, ROUND_TOKENS = 1 << 23 };

struct translating {
    const struct settings *settings;
    struct rounds rounds;
    struct text *input; /* rank 0 */
    struct sentence_list round, batch;
    struct hypothesis *results; /* [round.count], rank 0 */
    char *line;                 /* of the vocabulary, between calls */
    size_t line_room;
};

/* ---- a round ---- */

/* Groups read before all ranks work on them: as few as keep the ranks busy, so that answers come early. */
static size_t round_groups(const struct settings *settings)
{
    if (world()->size == 1)
        return 1;
    size_t batches = (size_t)((settings->group + settings->decode.batch - 1) / settings->decode.batch);
    return ((size_t)world()->size * ROUND_BATCHES + batches - 1) / batches;
}

static enum status open_input(void *context)
{
    struct translating *t = context;
    return text_open(&t->input, t->settings->input);
}

static enum status read_round(void *context)
{
    struct translating *t = context;
    sentence_list_clear(&t->round);
    size_t most = round_groups(t->settings) * (size_t)t->settings->group;
    bool end = false;
    while (!end && t->round.count < most && sentence_list_tokens(&t->round) < ROUND_TOKENS)
        TRY(saved_model_read(&t->rounds.model, SOURCE, t->input, true, &t->round, &end));
    return memory_new(&t->results, "translations", t->round.count, sizeof *t->results);
}

static size_t length(void *context, size_t item)
{
    return sentence_list_length(&((struct translating *)context)->round, item);
}

static enum status work(void *context, const size_t *items, size_t count, struct results *results)
{
    struct translating *t = context;
    size_t full = count; /* items are sorted: empty ones come last, and have empty translations */
    while (full > 0 && sentence_list_length(&t->round, items[full - 1]) == 0)
        full--;
    TRY(sentence_list_pick(&t->batch, &t->round, items, full));
    struct translation *found;
    TRY(memory_new(&found, "translations", count, sizeof *found));
    const struct ensemble ensemble = {.models = &t->rounds.model.model, .count = 1};
    const struct decode_task task = {.ids = t->batch.ids, .offsets = t->batch.offsets, .count = full};
    enum status status = decode_group(&ensemble, &t->settings->decode, &task, found);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct hypothesis best = i < full ? found[i].items[0] : (struct hypothesis){0};
        status = results_put(results, best.ids, best.count * sizeof *best.ids);
    }
    translations_release(found, full);
    memory_free(found);
    return status;
}

static enum status take(void *context, size_t item, const void *record, size_t bytes)
{
    struct translating *t = context;
    struct hypothesis *result = &t->results[item];
    result->count = bytes / sizeof *result->ids;
    return bytes ? memory_copy(&result->ids, "translations", record, bytes) : STATUS_OK;
}

static enum status write_round(void *context)
{
    struct translating *t = context;
    for (size_t s = 0; s < t->round.count; s++) {
        size_t bytes;
        TRY(vocabulary_decode(t->rounds.model.vocabularies[TARGET], t->results[s].ids, t->results[s].count,
                &t->line, &t->line_room, &bytes));
        t->line[bytes] = '\n'; /* in place of its end mark */
        TRY(output_write(&t->rounds.output, t->line, bytes + 1));
    }
    return output_flush(&t->rounds.output);
}

static void free_round(void *context)
{
    struct translating *t = context;
    for (size_t s = 0; t->results && s < t->round.count; s++)
        memory_free(t->results[s].ids);
    memory_free(t->results);
    t->results = NULL;
}

/* ---- the command ---- */

static enum status translate(const void *given, const struct text_list *words)
{
    const struct settings *settings = given;
    const char *model;
    TRY(saved_model_named(&model, "translate", words));
    struct translating t = {.settings = settings};
    t.rounds = (struct rounds){
            .open = open_input,
            .read = read_round,
            .write = write_round,
            .free = free_round,
            .lists = {&t.round},
            .output_path = settings->output,
            .parameters = settings->weights.parameters,
            .spread = {.length = length,
                    .window = (size_t)settings->group,
                    .batch = (size_t)settings->decode.batch,
                    .work = work,
                    .take = take,
                    .context = &t},
    };
    enum status status = rounds_run(&t.rounds, model);
    text_close(t.input);
    memory_free(t.line);
    sentence_list_release(&t.batch);
    sentence_list_release(&t.round);
    return status;
}

static enum status run(int argc, char **argv)
{
    struct settings settings;
    return command_run(&translate_command, &settings, argc, argv, translate);
}

const struct command translate_command = {
        .name = "translate",
        .summary = "translates text with a trained model",
        .usage = "MODEL [--input FILE] [--output FILE] [--SWITCH VALUE]...",
        .examples = "seqtrain translate runs/demo --input test.en --output test.de\n"
                    "mpirun -n 4 seqtrain translate runs/demo <test.en >test.de",
        .schemas = {&schema},
        .ranks = true,
        .run = run,
};
