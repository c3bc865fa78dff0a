#include "train/inference/translation_format.h"

#include "comm/memory.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

struct translation_format {
    struct kind kind;
    bool several; /* hypotheses of a line */
    enum status (*write)(struct translation_writer *writer, const struct translation_line *line);
};

struct alignment_kind {
    struct kind kind;
    enum status (*write)(struct output *output, const struct hypothesis *hypothesis, size_t source_tokens);
    cJSON *(*json)(const struct hypothesis *hypothesis, size_t source_tokens);
};

static const struct alignment_kind *alignment_of(const struct format_options *options)
{
    return (const struct alignment_kind *)options->alignment;
}

bool format_aligns(const struct format_options *options)
{
    return alignment_of(options)->write != NULL;
}

/* ---- alignments ---- */

/* The source piece that the t-th piece looks at most, the first of equals; </s> is none. */
static size_t most_looked_at(const struct hypothesis *hypothesis, size_t t, size_t source_tokens)
{
    const float *row = hypothesis->alignment + t * source_tokens;
    size_t best = 0;
    for (size_t s = 1; s + 1 < source_tokens; s++)
        if (row[s] > row[best])
            best = s;
    return best;
}

/* A source of </s> alone has no pieces. */
static size_t hard_pairs(const struct hypothesis *hypothesis, size_t source_tokens)
{
    return hypothesis->alignment && source_tokens > 1 ? hypothesis->count : 0;
}

static enum status write_hard(
        struct output *output, const struct hypothesis *hypothesis, size_t source_tokens)
{
    for (size_t t = 0; t < hard_pairs(hypothesis, source_tokens); t++)
        TRY(output_print(
                output, "%s%zu-%zu", t > 0 ? " " : "", most_looked_at(hypothesis, t, source_tokens), t));
    return STATUS_OK;
}

static cJSON *json_hard(const struct hypothesis *hypothesis, size_t source_tokens)
{
    cJSON *pairs = cJSON_CreateArray();
    for (size_t t = 0; t < hard_pairs(hypothesis, source_tokens); t++) {
        const int pair[] = {(int)most_looked_at(hypothesis, t, source_tokens), (int)t};
        cJSON_AddItemToArray(pairs, cJSON_CreateIntArray(pair, 2));
    }
    return pairs;
}

static enum status write_soft(
        struct output *output, const struct hypothesis *hypothesis, size_t source_tokens)
{
    for (size_t t = 0; hypothesis->alignment && t <= hypothesis->count; t++)
        for (size_t s = 0; s < source_tokens; s++)
            TRY(output_print(output, "%s%.6f",
                    s > 0   ? ","
                    : t > 0 ? " "
                            : "",
                    (double)hypothesis->alignment[t * source_tokens + s]));
    return STATUS_OK;
}

/* Six digits after the point; what is no number is null. */
static cJSON *json_number(double value)
{
    char text[64];
    snprintf(text, sizeof text, "%.6f", value);
    return isfinite(value) ? cJSON_CreateRaw(text) : cJSON_CreateNull();
}

static cJSON *json_numbers(const float *values, size_t count)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; values && i < count; i++)
        cJSON_AddItemToArray(array, json_number((double)values[i]));
    return array;
}

static cJSON *json_soft(const struct hypothesis *hypothesis, size_t source_tokens)
{
    cJSON *rows = cJSON_CreateArray();
    for (size_t t = 0; hypothesis->alignment && t <= hypothesis->count; t++)
        cJSON_AddItemToArray(rows, json_numbers(hypothesis->alignment + t * source_tokens, source_tokens));
    return rows;
}

static const struct alignment_kind alignments[] = {
        {{"none", "no alignment", NULL}, NULL, NULL},
        {{"hard", "S-T, both from 0: for each piece T the source piece S it looks at most", NULL}, write_hard,
                json_hard},
        {{"soft", "for each piece and </s> the weights of all source pieces and </s>", NULL}, write_soft,
                json_soft},
};
const struct kind_table alignment_kinds = KIND_TABLE("alignment", alignments);

/* ---- text ---- */

static enum status write_text(struct output *output, const char *text)
{
    return output_write(output, text, strlen(text));
}

static enum status write_words(struct translation_writer *writer, const struct hypothesis *hypothesis)
{
    const struct vocabulary *vocabulary = writer->vocabularies[TARGET];
    size_t bytes;
    for (size_t t = 0; writer->options->pieces && t < hypothesis->count; t++) {
        TRY(write_text(writer->output, t > 0 ? " " : ""));
        TRY(write_text(writer->output, vocabulary_piece(vocabulary, hypothesis->ids[t])));
    }
    if (writer->options->pieces)
        return STATUS_OK;
    TRY(vocabulary_decode(
            vocabulary, hypothesis->ids, hypothesis->count, &writer->text, &writer->room, &bytes));
    return output_write(writer->output, writer->text, bytes);
}

static enum status write_hypothesis(struct translation_writer *writer, const struct translation_line *line,
        const struct hypothesis *hypothesis)
{
    const struct format_options *options = writer->options;
    TRY(write_words(writer, hypothesis));
    if (format_aligns(options)) {
        TRY(write_text(writer->output, " ||| "));
        TRY(alignment_of(options)->write(writer->output, hypothesis, line->source_tokens));
    }
    if (options->word_scores) {
        TRY(write_text(writer->output, " ||| WordScores="));
        for (size_t t = 0; hypothesis->log_probabilities && t <= hypothesis->count; t++)
            TRY(output_print(writer->output, " %.6f", (double)hypothesis->log_probabilities[t]));
    }
    return STATUS_OK;
}

static const struct hypothesis nothing;

static const struct hypothesis *hypothesis_at(const struct translation_line *line, size_t i)
{
    return line->translation->count > 0 ? &line->translation->items[i] : &nothing;
}

/* Every line has one: tools that read n-best lists look for it. */
static size_t hypotheses_shown(const struct translation_line *line)
{
    return line->translation->count > 0 ? line->translation->count : 1;
}

static enum status write_best(struct translation_writer *writer, const struct translation_line *line)
{
    TRY(write_hypothesis(writer, line, hypothesis_at(line, 0)));
    return write_text(writer->output, "\n");
}

static enum status write_nbest(struct translation_writer *writer, const struct translation_line *line)
{
    for (size_t i = 0; i < hypotheses_shown(line); i++) {
        const struct hypothesis *hypothesis = hypothesis_at(line, i);
        TRY(output_print(writer->output, "%lld ||| ", (long long)line->number));
        TRY(write_hypothesis(writer, line, hypothesis));
        TRY(output_print(
                writer->output, " ||| F0= %.6f ||| %.6f\n", hypothesis->log_probability, hypothesis->score));
    }
    return STATUS_OK;
}

static enum status write_auto(struct translation_writer *writer, const struct translation_line *line)
{
    return writer->nbest > 1 ? write_nbest(writer, line) : write_best(writer, line);
}

/* ---- JSON ---- */

static cJSON *json_pieces(const struct vocabulary *vocabulary, const int32_t *ids, size_t count)
{
    cJSON *pieces = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(pieces, cJSON_CreateString(vocabulary_piece(vocabulary, ids[i])));
    return pieces;
}

static cJSON *json_hypothesis(const struct translation_writer *writer, const struct translation_line *line,
        const struct hypothesis *hypothesis)
{
    const struct format_options *options = writer->options;
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "text", writer->text);
    cJSON_AddItemToObject(object, "log_probability", json_number(hypothesis->log_probability));
    cJSON_AddItemToObject(object, "score", json_number(hypothesis->score));
    if (options->pieces || options->word_scores || format_aligns(options))
        cJSON_AddItemToObject(object, "pieces",
                json_pieces(writer->vocabularies[TARGET], hypothesis->ids, hypothesis->count));
    if (options->word_scores)
        cJSON_AddItemToObject(
                object, "piece_scores", json_numbers(hypothesis->log_probabilities, hypothesis->count + 1));
    if (format_aligns(options))
        cJSON_AddItemToObject(
                object, "alignment", alignment_of(options)->json(hypothesis, line->source_tokens));
    return object;
}

static enum status json_line(
        struct translation_writer *writer, const struct translation_line *line, cJSON *object)
{
    cJSON_AddNumberToObject(object, "line", (double)line->number);
    if (format_aligns(writer->options))
        cJSON_AddItemToObject(object, "source_pieces",
                json_pieces(writer->vocabularies[SOURCE], line->source,
                        line->source_tokens - (line->source_tokens > 0)));
    cJSON *translations = cJSON_AddArrayToObject(object, "translations");
    for (size_t i = 0; i < hypotheses_shown(line); i++) {
        const struct hypothesis *hypothesis = hypothesis_at(line, i);
        size_t bytes;
        TRY(vocabulary_decode(writer->vocabularies[TARGET], hypothesis->ids, hypothesis->count, &writer->text,
                &writer->room, &bytes));
        cJSON_AddItemToArray(translations, json_hypothesis(writer, line, hypothesis));
    }
    return STATUS_OK;
}

static enum status write_json(struct translation_writer *writer, const struct translation_line *line)
{
    cJSON *object = cJSON_CreateObject();
    enum status status = json_line(writer, line, object);
    char *text = status == STATUS_OK ? cJSON_PrintUnformatted(object) : NULL;
    if (status == STATUS_OK && !text)
        status = status_fail(STATUS_INTERNAL, "no memory for a line of JSON");
    if (status == STATUS_OK)
        status = write_text(writer->output, text);
    if (status == STATUS_OK)
        status = write_text(writer->output, "\n");
    cJSON_free(text);
    cJSON_Delete(object);
    return status;
}

/* ---- options ---- */

static const struct translation_format formats[] = {
        {{"auto", "nbest where --nbest is more than 1, else text", NULL}, true, write_auto},
        {{"text", "the best translation", NULL}, false, write_best},
        {{"nbest", "LINE ||| TEXT ||| F0= LOGPROBABILITY ||| SCORE, lines from 0", NULL}, true, write_nbest},
        {{"json", "an object with all translations", NULL}, true, write_json},
};
const struct kind_table translation_formats = KIND_TABLE("translation format", formats);

static const struct option rows[] = {
        {"format", OPTION_CHOICE, offsetof(struct format_options, format), .value = "auto",
                .kinds = &translation_formats, .help = "what is written for a line"},
        {"alignment", OPTION_CHOICE, offsetof(struct format_options, alignment), .value = "none",
                .kinds = &alignment_kinds, .help = "adds ||| and what each piece looked at"},
        {"word-scores", OPTION_BOOL, offsetof(struct format_options, word_scores), .value = "false",
                .help = "adds ||| WordScores= and the log probability of each piece and of </s>"},
        {"pieces", OPTION_BOOL, offsetof(struct format_options, pieces), .value = "false",
                .help = "shows pieces as they are, not their text; json: both"},
};
const struct option_group format_group = OPTION_GROUP("format", "how translations are written", rows);

enum status format_check(const struct format_options *options, int64_t nbest)
{
    const struct translation_format *format = (const struct translation_format *)options->format;
    CHECK(format->several || nbest <= 1, STATUS_USAGE,
            "--format %s shows one translation of a line: expected --nbest 1, found %lld", format->kind.name,
            (long long)nbest);
    return STATUS_OK;
}

enum status translation_write(struct translation_writer *writer, const struct translation_line *line)
{
    return ((const struct translation_format *)writer->options->format)->write(writer, line);
}

void translation_writer_release(struct translation_writer *writer)
{
    memory_free(writer->text);
    *writer = (struct translation_writer){0};
}
