/*
 * seqtrain score: the log probability of each target line given its source line.
 */
#include "comm/memory.h"
#include "io/pairs.h"
#include "train/command.h"
#include "train/inference/rounds.h"
#include "train/inference/sentence_list.h"
#include "train/inference/weights.h"

struct settings {
    char *text[SIDES];
    char *output;
    bool normalise, word_scores;
    struct weights_options weights;
};

static const struct option rows[] = {
        {"source", OPTION_TEXT, offsetof(struct settings, text[SOURCE]), .required = true,
                .placeholder = "FILE", .help = "source text, a sentence a line"},
        {"target", OPTION_TEXT, offsetof(struct settings, text[TARGET]), .required = true,
                .placeholder = "FILE", .help = "target text, line by line with the source"},
        {"output", OPTION_TEXT, offsetof(struct settings, output), .value = "-", .placeholder = "FILE",
                .help = "log probabilities (natural, </s> included), a line for each; - is standard output"},
        {"normalise", OPTION_BOOL, offsetof(struct settings, normalise), .value = "false",
                .help = "divides each by its number of pieces, </s> included"},
        {"word-scores", OPTION_BOOL, offsetof(struct settings, word_scores), .value = "false",
                .help = "adds ||| WordScores= and the log probability of each piece and of </s>"},
};
static const struct option_group group = OPTION_GROUP("score", "what is read and written", rows);
static const struct option_place places[] = {
        {&group, 0}, {&weights_group, offsetof(struct settings, weights)}};
static const struct schema schema = {places, sizeof places / sizeof *places};

/* Pairs sorted together, pairs of a batch, and tokens that go through the model at once. */
enum { WINDOW = 1024, BATCH = 64, PASS_TOKENS = 4096 };

/* A pair: a log probability of each target token. */
struct scored {
    float *log_probabilities; /* [tokens] */
    size_t tokens;
};

struct scoring {
    const struct settings *settings;
    struct rounds rounds;
    struct text_list files[SIDES];
    struct pairs *pairs;               /* rank 0 */
    struct sentence_list round[SIDES]; /* pairs read */
    struct sentence_list pass[SIDES];  /* pairs that go through the model at once */
    struct scored *results;            /* [result_count], rank 0 */
    size_t result_count;
};

/* ---- reading ---- */

static enum status open_pairs(void *context)
{
    struct scoring *s = context;
    for (int side = 0; side < SIDES; side++)
        TRY(text_check_output(s->settings->output, &s->files[side]));
    return saved_ensemble_open_pairs(&s->rounds.saved, &s->pairs, s->files);
}

static enum status read_round(void *context)
{
    struct scoring *s = context;
    struct pair pair;
    for (int side = 0; side < SIDES; side++)
        sentence_list_clear(&s->round[side]);
    do
        TRY(saved_ensemble_read_pair(&s->rounds.saved, s->pairs, s->round, &pair));
    while (pair.text[SOURCE] && !rounds_full(&s->rounds));
    TRY(memory_new(&s->results, "scores", s->round[SOURCE].count, sizeof *s->results));
    s->result_count = s->round[SOURCE].count;
    return STATUS_OK;
}

/* ---- a batch ---- */

static size_t length(void *context, size_t item)
{
    struct scoring *s = context;
    return sentence_list_length(&s->round[SOURCE], item) + sentence_list_length(&s->round[TARGET], item);
}

static enum status put_all(
        const struct sentence_list *target, const float *log_probabilities, struct results *results)
{
    for (size_t p = 0; p < target->count; p++)
        TRY(results_put(results, log_probabilities + target->offsets[p],
                sentence_list_length(target, p) * sizeof *log_probabilities));
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
        status = put_all(&s->pass[TARGET], pass.log_probabilities, results);
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
    struct scored *scored = &((struct scoring *)context)->results[item];
    scored->tokens = bytes / sizeof *scored->log_probabilities;
    return memory_copy(&scored->log_probabilities, "scores", record, bytes);
}

/* ---- the results of a round ---- */

static enum status write_pair(struct scoring *s, const struct scored *scored)
{
    const struct settings *settings = s->settings;
    double sum = 0;
    for (size_t t = 0; t < scored->tokens; t++)
        sum += (double)scored->log_probabilities[t];
    TRY(output_print(&s->rounds.output, "%.6f", settings->normalise ? sum / (double)scored->tokens : sum));
    if (settings->word_scores)
        TRY(output_print(&s->rounds.output, " ||| WordScores="));
    for (size_t t = 0; settings->word_scores && t < scored->tokens; t++)
        TRY(output_print(&s->rounds.output, " %.6f", (double)scored->log_probabilities[t]));
    return output_print(&s->rounds.output, "\n");
}

static enum status write_round(void *context)
{
    struct scoring *s = context;
    for (size_t p = 0; p < s->result_count; p++)
        TRY(write_pair(s, &s->results[p]));
    return STATUS_OK;
}

static void free_round(void *context)
{
    struct scoring *s = context;
    for (size_t p = 0; s->results && p < s->result_count; p++)
        memory_free(s->results[p].log_probabilities);
    memory_free(s->results);
    s->results = NULL;
}

/* ---- the command ---- */

static enum status score(const void *given, const struct text_list *words)
{
    const struct settings *settings = given;
    TRY(saved_model_check_one("score", words));
    TRY(options_check_required(&schema, settings));
    char *paths[SIDES] = {settings->text[SOURCE], settings->text[TARGET]};
    struct scoring s = {.settings = settings, .files = {{&paths[SOURCE], 1}, {&paths[TARGET], 1}}};
    s.rounds = (struct rounds){
            .open = open_pairs,
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
    pairs_close(s.pairs);
    for (int side = 0; side < SIDES; side++) {
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
        .usage = "MODEL --source FILE --target FILE [--SWITCH VALUE]...",
        .examples = "seqtrain score runs/demo --source test.en --target test.de\n"
                    "seqtrain score runs/demo --source test.en --target test.de --normalise",
        .schemas = {&schema},
        .ranks = true,
        .run = run,
};
