#include "train/inference/saved_ensemble.h"

#include "comm/memory.h"
#include "comm/world.h"

#include <string.h>

static const struct option rows[] = {
        {"weights", OPTION_LIST, offsetof(struct ensemble_options, weights), .placeholder = "W",
                .commas = true,
                .help = "how much the probabilities of each MODEL count, in their order; divided by their "
                        "sum"},
};
const struct option_group ensemble_group = OPTION_GROUP("ensemble", "several models that vote", rows);

/* What one of --weights may be. */
static const struct option weight_rows[] = {
        {"weights", OPTION_REAL, 0, .value = "1", .minimum = 1e-6, .maximum = 1e6, .help = "one weight"}};
static const struct option_group weight_group = OPTION_GROUP("weights", "one weight", weight_rows);
static const struct option_place weight_place = {&weight_group, 0};
static const struct schema weight_schema = {&weight_place, 1};

static enum status read_weights(double *out, const struct text_list *texts, size_t models)
{
    double sum = 0;
    for (size_t i = 0; i < models; i++) {
        TRY(options_set(&weight_schema, &out[i], "weights", texts->items[i], NULL));
        sum += out[i];
    }
    for (size_t i = 0; i < models; i++)
        out[i] /= sum;
    return STATUS_OK;
}

static enum status prepare(
        struct saved_ensemble *out, const struct text_list *models, const struct ensemble_options *options)
{
    size_t count = models->count, weights = options ? options->weights.count : 0;
    CHECK(count > 0, STATUS_USAGE, "expected a MODEL (a run directory or a checkpoint), found none");
    CHECK(weights == 0 || count > 1, STATUS_USAGE,
            "--weights counts only with several MODELs, found one: leave it out");
    CHECK(weights == 0 || weights == count, STATUS_USAGE,
            "--weights expects one number for each MODEL: %zu, found %zu", count, weights);
    TRY(memory_new(&out->items, "ensemble", count, sizeof *out->items));
    TRY(memory_new(&out->models, "ensemble", count, sizeof *out->models));
    if (weights == 0)
        return STATUS_OK;
    TRY(memory_new(&out->weights, "ensemble", count, sizeof *out->weights));
    return read_weights(out->weights, &options->weights, count);
}

static bool same_vocabulary(const struct vocabulary *a, const struct vocabulary *b)
{
    size_t bytes[2];
    const void *models[2] = {vocabulary_model(a, &bytes[0]), vocabulary_model(b, &bytes[1])};
    return bytes[0] == bytes[1] && memcmp(models[0], models[1], bytes[0]) == 0;
}

static enum status check_vocabularies(const struct saved_model *first, const struct saved_model *member)
{
    for (int side = 0; side < SIDES; side++)
        CHECK(same_vocabulary(first->vocabularies[side], member->vocabularies[side]), STATUS_DATA,
                "%s and %s: expected models of the same vocabularies, found different ones of the %s",
                first->path, member->path, side_names[side]);
    return STATUS_OK;
}

static enum status open_member(struct saved_ensemble *out, const char *model, const struct kind *parameters)
{
    struct saved_model *member = &out->items[out->count];
    TRY(saved_model_open(member, model, parameters));
    out->models[out->count++] = member->model;
    if (member == out->items)
        return STATUS_OK;
    TRY(status_agree(check_vocabularies(out->items, member)));
    saved_model_close_vocabularies(member);
    return STATUS_OK;
}

enum status saved_ensemble_open(struct saved_ensemble *out, const struct text_list *models,
        const struct kind *parameters, const struct ensemble_options *options)
{
    *out = (struct saved_ensemble){0};
    enum status status = status_agree(prepare(out, models, options));
    for (size_t i = 0; status == STATUS_OK && i < models->count; i++)
        status = open_member(out, models->items[i], parameters);
    if (status != STATUS_OK) {
        saved_ensemble_close(out);
        return status;
    }
    out->vocabularies = out->items[0].vocabularies;
    out->ensemble = (struct ensemble){(struct model *const *)out->models, out->weights, out->count};
    return STATUS_OK;
}

void saved_ensemble_close(struct saved_ensemble *saved)
{
    for (size_t i = 0; i < saved->count; i++)
        saved_model_close(&saved->items[i]);
    memory_free(saved->weights);
    memory_free(saved->models);
    memory_free(saved->items);
    *saved = (struct saved_ensemble){0};
}

/* A line, and where it stands. */
struct text_line {
    const char *text, *path;
    size_t bytes;
    int64_t number;
};

static enum status add_line(const struct saved_ensemble *saved, enum side side, const struct text_line *line,
        enum line_form form, struct sentence_list *list)
{
    TRY(sentence_list_add(list, saved->vocabularies[side], line->text, line->bytes, form));
    size_t tokens = sentence_list_length(list, list->count - 1), longest = ensemble_longest(&saved->ensemble);
    CHECK(tokens <= longest, STATUS_CONFIG,
            "%s:%lld: a sentence of %zu tokens is longer than the model's positions (model.position_limit "
            "%zu)",
            line->path, (long long)line->number, tokens, longest);
    return STATUS_OK;
}

enum status saved_ensemble_read(const struct saved_ensemble *saved, enum side side, struct text *text,
        enum line_form form, struct sentence_list *list, bool *end)
{
    struct text_line line = {.path = text_path(text)};
    TRY(text_next_good(text, &line.text, &line.bytes));
    line.number = text_line_number(text);
    *end = line.text == NULL;
    return *end ? STATUS_OK : add_line(saved, side, &line, form, list);
}

const struct source_form *saved_ensemble_form(const struct saved_ensemble *saved)
{
    return vocabulary_form(saved->vocabularies[SOURCE]);
}

static enum status add_source(const struct saved_ensemble *saved, const char *path, int64_t number,
        const void *tokens, size_t count, struct sentence_list *list)
{
    const struct source_form *form = saved_ensemble_form(saved);
    size_t longest = ensemble_longest(&saved->ensemble);
    CHECK(count > 0 && count <= longest, STATUS_CONFIG,
            "%s: sentence %lld: expected from 1 to %zu frames (model.position_limit), found %zu", path,
            (long long)number, longest, count);
    return sentence_list_add_tokens(list, source_words(form), tokens, count);
}

enum status saved_ensemble_read_source(const struct saved_ensemble *saved, struct source_reader *source,
        struct sentence_list *list, bool *end)
{
    const void *tokens;
    size_t count;
    TRY(source_next(source, &tokens, &count));
    *end = tokens == NULL;
    return *end ? STATUS_OK
                : add_source(saved, source_path(source), source_number(source), tokens, count, list);
}

enum status saved_ensemble_open_pairs(
        const struct saved_ensemble *saved, struct pairs **out, const struct text_list files[SIDES])
{
    struct source_reader *source;
    const struct source_form *form = saved_ensemble_form(saved);
    if (form->kind == SOURCE_TEXT)
        return pairs_open(out, files, false);
    TRY(source_open(&source, files[SOURCE].items[0], form));
    return pairs_open_source(out, source, &files[TARGET], false);
}

enum status saved_ensemble_read_pair(const struct saved_ensemble *saved, struct pairs *pairs,
        struct sentence_list lists[SIDES], struct pair *pair)
{
    TRY(pairs_next(pairs, pair));
    if (!pair->text[SOURCE])
        return STATUS_OK;
    if (!pair_is_good(pair))
        return pairs_fail(pairs, pair);
    size_t words = source_words(saved_ensemble_form(saved));
    bool text = saved_ensemble_form(saved)->kind == SOURCE_TEXT;
    if (!text)
        TRY(add_source(saved, pairs_path(pairs, SOURCE), pair->number, pair->text[SOURCE],
                pair->bytes[SOURCE] / (words * sizeof(int32_t)), &lists[SOURCE]));
    for (int side = text ? SOURCE : TARGET; side < SIDES; side++) {
        const struct text_line line = {.text = pair->text[side],
                .path = pairs_path(pairs, (enum side)side),
                .bytes = pair->bytes[side],
                .number = pair->number};
        TRY(add_line(saved, (enum side)side, &line, LINE_SENTENCE, &lists[side]));
    }
    return STATUS_OK;
}
