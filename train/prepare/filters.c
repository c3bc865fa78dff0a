#include "train/prepare/prepare.h"

#include <stdio.h>
#include <string.h>

enum { BAD_REFUSE, BAD_SKIP };

static const struct kind bad_lines[] = {
        [BAD_REFUSE] = {"refuse", "stop with an error that names file and line", NULL},
        [BAD_SKIP] = {"skip", "leave the pair out and list it", NULL},
};
const struct kind_table bad_line_kinds = KIND_TABLE("way with bad lines", bad_lines);

enum { PAIRS_KEEP, PAIRS_DROP };

static const struct kind pair_ways[] = {
        [PAIRS_KEEP] = {"keep", "use them like others", NULL},
        [PAIRS_DROP] = {"drop", "leave them out and list them", NULL},
};
const struct kind_table pair_way_kinds = KIND_TABLE("way with pairs", pair_ways);

/* Completes "3 pairs ...". */
static const char *const reasons[SKIP_REASONS] = {
        [SKIP_EMPTY] = "with an empty line",
        [SKIP_SHORT] = "shorter than --min-length",
        [SKIP_LONG] = "longer than --max-length",
        [SKIP_UNEVEN] = "more uneven than --max-ratio",
        [SKIP_IDENTICAL] = "with the same line on both sides",
        [SKIP_DUPLICATE] = "that were there before",
        [SKIP_UNDIVIDED] = "without exactly one tab",
        [SKIP_BAD] = "that are no text",
};

/* Passes over the text once. */
static enum status find_duplicates(struct prepare_text *text)
{
    struct duplicates *duplicates;
    struct pair pair;
    enum skip_reason reason;
    TRY(duplicates_open(&duplicates));
    enum status status = prepare_next(text, &pair, &reason);
    while (status == STATUS_OK && pair.text[SOURCE]) {
        if (reason == SKIP_NOT)
            status = duplicates_add(duplicates, &pair);
        if (status == STATUS_OK)
            status = prepare_next(text, &pair, &reason);
    }
    if (status == STATUS_OK)
        status = duplicates_find(duplicates);
    if (status != STATUS_OK) {
        duplicates_close(duplicates);
        return status;
    }
    pairs_rewind(text->pairs);
    text->duplicates = duplicates;
    return STATUS_OK;
}

/* What images become: --image-size, or what --vocab says. */
static enum status image_form(const struct prepare_options *options, struct source_form *form)
{
    int end = 0;
    *form = (struct source_form){.kind = SOURCE_IMAGES, .channels = options->image_grey ? 1 : 3};
    if (!options->image_size && options->vocab)
        TRY(prepare_vocabulary_form(options->vocab, form));
    CHECK(form->kind == SOURCE_IMAGES && (options->image_size || options->vocab), STATUS_USAGE,
            "--source-images %s needs --image-size HEIGHTxWIDTH, as 32x32", options->images);
    if (!options->image_size)
        return STATUS_OK;
    int found = sscanf(options->image_size, "%4zux%4zu%n", &form->height, &form->width, &end);
    CHECK(found == 2 && !options->image_size[end] && source_is_possible(form), STATUS_USAGE,
            "--image-size %s: expected HEIGHTxWIDTH, as 32x48, of at most %d each and a multiple of 4 pixels "
            "wide",
            options->image_size, SOURCE_PIXELS_MOST);
    return STATUS_OK;
}

static enum status open_source(struct prepare_text *text, bool again)
{
    const struct prepare_options *options = text->options;
    struct source_form form = {.kind = SOURCE_FRAMES};
    struct source_reader *source;
    if (options->images)
        TRY(image_form(options, &form));
    TRY(source_open(&source, options->images ? options->images : options->features, &form));
    text->form = *source_reader_form(source);
    return pairs_open_source(&text->pairs, source, &options->text[TARGET], again);
}

static enum status open_pairs(struct prepare_text *text, bool again)
{
    const struct prepare_options *options = text->options;
    if (!prepare_is_text(options))
        return open_source(text, again);
    return options->joined.count ? pairs_open_joined(&text->pairs, &options->joined, again)
                                 : pairs_open(&text->pairs, options->text, again);
}

enum status prepare_open_text(struct prepare_text *text, const struct prepare_options *options)
{
    bool unique = options->duplicates == &pair_ways[PAIRS_DROP];
    *text = (struct prepare_text){.options = options};
    TRY(open_pairs(text, unique || !options->vocab));
    enum status status = unique ? find_duplicates(text) : STATUS_OK;
    if (status == STATUS_OK && options->alignments)
        status = aligner_open(&text->aligner, options->alignments);
    if (status != STATUS_OK)
        prepare_close_text(text);
    return status;
}

void prepare_close_text(struct prepare_text *text)
{
    pairs_close(text->pairs);
    duplicates_close(text->duplicates);
    aligner_close(text->aligner);
}

static bool is_identical(const struct pair *pair)
{
    size_t bytes = pair->bytes[SOURCE];
    return bytes == pair->bytes[TARGET] && memcmp(pair->text[SOURCE], pair->text[TARGET], bytes) == 0;
}

static enum skip_reason filter_text(const struct prepare_text *text, const struct pair *pair)
{
    if (pair->faults[SOURCE] != TEXT_GOOD || pair->faults[TARGET] != TEXT_GOOD)
        return SKIP_BAD;
    if (pair->undivided)
        return SKIP_UNDIVIDED;
    if (pair->bytes[SOURCE] == 0 || pair->bytes[TARGET] == 0)
        return SKIP_EMPTY;
    if (text->options->identical == &pair_ways[PAIRS_DROP] && is_identical(pair))
        return SKIP_IDENTICAL;
    if (text->duplicates && duplicates_has(text->duplicates, pair->number))
        return SKIP_DUPLICATE;
    return SKIP_NOT;
}

enum status prepare_next(const struct prepare_text *text, struct pair *pair, enum skip_reason *reason)
{
    TRY(pairs_next(text->pairs, pair));
    if (!pair->text[SOURCE])
        return STATUS_OK;
    if (!pair_is_good(pair) && text->options->bad_lines == &bad_lines[BAD_REFUSE])
        return pairs_fail(text->pairs, pair);
    *reason = filter_text(text, pair);
    return STATUS_OK;
}

bool prepare_is_text(const struct prepare_options *options)
{
    return !options->features && !options->images;
}

enum skip_reason prepare_filter_tokens(const struct prepare_options *options, const size_t lengths[SIDES])
{
    bool source_is_longer = lengths[SOURCE] > lengths[TARGET];
    int64_t longer = (int64_t)lengths[source_is_longer && !options->images ? SOURCE : TARGET];
    int64_t shorter = (int64_t)lengths[source_is_longer || options->images ? TARGET : SOURCE];
    if (lengths[TARGET] == 1 || lengths[SOURCE] == prepare_is_text(options))
        return SKIP_EMPTY;
    if (longer > options->max_length)
        return SKIP_LONG;
    if (shorter < options->min_length)
        return SKIP_SHORT;
    if (options->max_ratio > 0 && (double)longer > options->max_ratio * (double)shorter)
        return SKIP_UNEVEN;
    return SKIP_NOT;
}

const char *prepare_tell_skipped(const int64_t skipped[SKIP_REASONS], char *out, size_t bytes)
{
    size_t used = 0;
    snprintf(out, bytes, "none");
    for (size_t reason = 0; reason < SKIP_REASONS; reason++)
        if (skipped[reason] && used < bytes)
            used += (size_t)snprintf(out + used, bytes - used, "%s%lld %s", used ? ", " : "",
                    (long long)skipped[reason], reasons[reason]);
    return out;
}
