/*
 * seqtrain score: the log probability of each target line given its source line.
 */
#include "comm/memory.h"
#include "io/text.h"
#include "train/command.h"
#include "train/rounds.h"
#include "train/sentence_list.h"
#include "train/weights.h"

#include <string.h>

struct settings {
    char *text[SIDES];
    char *output;
    struct weights_options weights;
};

static const struct option rows[] = {
        {"source", OPTION_TEXT, offsetof(struct settings, text[SOURCE]), .required = true,
                .placeholder = "FILE", .help = "source text, a sentence a line"},
        {"target", OPTION_TEXT, offsetof(struct settings, text[TARGET]), .required = true,
                .placeholder = "FILE", .help = "target text, line by line with the source"},
        {"output", OPTION_TEXT, offsetof(struct settings, output), .value = "-", .placeholder = "FILE",
                .help = "log probabilities (natural, </s> included), a line for each; - is standard output"},
};
static const struct option_group group = OPTION_GROUP("score", "what is read and written", rows);
static const struct option_place places[] = {
        {&group, 0}, {&weights_group, offsetof(struct settings, weights)}};
static const struct schema schema = {places, sizeof places / sizeof *places};

/* Pairs sorted together, pairs of a batch, tokens that go through the model at once, and pairs read before all
 * ranks work on them. */
enum { WINDOW = 1024, BATCH = 64, PASS_TOKENS = 4096, ROUND = 8 * WINDOW, ROUND_TOKENS = 1 << 23 };

struct scoring {
    const struct settings *settings;
    struct rounds rounds;
    struct text *text[SIDES];          /* rank 0 */
    struct sentence_list round[SIDES]; /* pairs read */
    struct sentence_list pass[SIDES];  /* pairs that go through the model at once */
    double *results;                   /* [pairs of the round], rank 0 */
};

/* ---- reading ---- */

static enum status open_texts(void *context)
{
    struct scoring *s = context;
    for (int side = 0; side < SIDES; side++)
        TRY(text_open(&s->text[side], s->settings->text[side]));
    return STATUS_OK;
}

static enum status read_round(void *context)
{
    struct scoring *s = context;
    bool end[SIDES] = {false, false};
    size_t tokens = 0;
    for (int side = 0; side < SIDES; side++)
        sentence_list_clear(&s->round[side]);
    while (!end[SOURCE] && s->round[SOURCE].count < ROUND && tokens < ROUND_TOKENS) {
        tokens = 0;
        for (int side = 0; side < SIDES; side++) {
            TRY(saved_ensemble_read(&s->rounds.saved, (enum side)side, s->text[side], LINE_SENTENCE,
                    &s->round[side], &end[side]));
            tokens += sentence_list_tokens(&s->round[side]);
        }
        if (end[SOURCE] != end[TARGET])
            return rounds_fail_counts(
                    s->text[end[SOURCE] ? SOURCE : TARGET], s->text[end[SOURCE] ? TARGET : SOURCE]);
    }
    return memory_new(&s->results, "scores", s->round[SOURCE].count, sizeof *s->results);
}

/* ---- a batch ---- */

static size_t length(void *context, size_t item)
{
    struct scoring *s = context;
    return sentence_list_length(&s->round[SOURCE], item) + sentence_list_length(&s->round[TARGET], item);
}

static enum status put_sums(
        const struct sentence_list *target, const float *log_probabilities, struct results *results)
{
    for (size_t p = 0; p < target->count; p++) {
        double sum = 0;
        for (int32_t t = target->offsets[p]; t < target->offsets[p + 1]; t++)
            sum += (double)log_probabilities[t];
        TRY(results_put(results, &sum, sizeof sum));
    }
    return STATUS_OK;
}

static enum status pass_through(struct scoring *s, const size_t *items, size_t count, struct results *results)
{
    struct batch batch;
    struct loss loss;
    struct pass pass = {0};
    TRY(sentence_list_batch(&batch, s->pass, s->round, items, count));
    TRY(memory_new(&pass.log_probabilities, "scores", batch.tokens[TARGET], sizeof(float)));
    enum status status = model_loss(s->rounds.saved.models[0], &batch, &pass, &loss);
    if (status == STATUS_OK)
        status = put_sums(&s->pass[TARGET], pass.log_probabilities, results);
    memory_free(pass.log_probabilities);
    return status;
}

static enum status work(void *context, const size_t *items, size_t count, struct results *results)
{
    const struct scoring *s = context;
    for (size_t first = 0, size; first < count; first += size) {
        size = sentence_list_fitting(s->round, items + first, count - first, PASS_TOKENS);
        TRY(pass_through(context, items + first, size, results));
    }
    return STATUS_OK;
}

static enum status take(void *context, size_t item, const void *record, size_t bytes)
{
    struct scoring *s = context;
    ASSERT(bytes == sizeof s->results[item]);
    memcpy(&s->results[item], record, bytes);
    return STATUS_OK;
}

/* ---- the results of a round ---- */

static enum status write_round(void *context)
{
    struct scoring *s = context;
    for (size_t p = 0; p < s->round[SOURCE].count; p++) {
        char line[64];
        int bytes = snprintf(line, sizeof line, "%.6f\n", s->results[p]);
        TRY(output_write(&s->rounds.output, line, (size_t)bytes));
    }
    return STATUS_OK;
}

static void free_round(void *context)
{
    struct scoring *s = context;
    memory_free(s->results);
    s->results = NULL;
}

/* ---- the command ---- */

static enum status score(const void *given, const struct text_list *words)
{
    const struct settings *settings = given;
    TRY(saved_model_check_one("score", words));
    TRY(options_check_required(&schema, settings));
    struct scoring s = {.settings = settings};
    s.rounds = (struct rounds){
            .open = open_texts,
            .read = read_round,
            .write = write_round,
            .free = free_round,
            .lists = {&s.round[SOURCE], &s.round[TARGET]},
            .output_path = settings->output,
            .parameters = settings->weights.parameters,
            .spread = {.length = length,
                    .window = WINDOW,
                    .batch = BATCH,
                    .work = work,
                    .take = take,
                    .context = &s},
    };
    enum status status = rounds_run(&s.rounds, words);
    for (int side = 0; side < SIDES; side++) {
        text_close(s.text[side]);
        sentence_list_release(&s.round[side]);
        sentence_list_release(&s.pass[side]);
    }
    return status;
}

static enum status run(int argc, char **argv)
{
    struct settings settings;
    return command_run(&score_command, &settings, argc, argv, score);
}

const struct command score_command = {
        .name = "score",
        .summary = "prints the log probability of each pair of lines",
        .usage = "MODEL --source FILE --target FILE [--output FILE]",
        .examples = "seqtrain score runs/demo --source test.en --target test.de",
        .schemas = {&schema},
        .ranks = true,
        .run = run,
};
