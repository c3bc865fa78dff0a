#include "io/corpus/names.h"

#include "comm/memory.h"
#include "comm/world.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHECK_ROWS = 1 << 15 }; /* rows checked at once */

struct side_data {
    struct h5_reader *tokens, *offsets;
    void *model; /* NULL on the target side of a joint vocabulary */
    size_t model_bytes, rows;
    struct source_form form;
};

struct corpus {
    struct h5_file *file;
    struct corpus_facts facts;
    struct side_data sides[SIDES];
    struct h5_reader *text, *text_offsets;    /* NULL without text */
    struct h5_reader *points, *point_offsets; /* NULL without an alignment */
};

static size_t array_rows(const struct h5_reader *reader)
{
    return h5_reader_array(reader)->shape[0];
}

/* ---- opening ---- */

/* The bytes of a model, and its rows as SentencePiece and the list of pieces agree on them. */
static enum status open_vocabulary(
        struct corpus *corpus, struct side_data *side, const struct vocabulary_names *names)
{
    struct h5_array model;
    const char *path = h5_path(corpus->file);
    TRY(h5_check_rows(corpus->file, names->model, VOCABULARY_MODEL_LIMIT));
    TRY(h5_get(corpus->file, names->model, H5_BYTE, 1, &side->model, &model));
    side->model_bytes = model.shape[0];
    struct vocabulary *vocabulary;
    TRY(vocabulary_open(&vocabulary, side->model, side->model_bytes, path));
    side->rows = vocabulary_rows(vocabulary);
    side->form = *vocabulary_form(vocabulary);
    vocabulary_close(vocabulary);
    struct h5_reader *list;
    TRY(h5_reader_open(&list, corpus->file, names->pieces, H5_TEXT, 1));
    size_t pieces = array_rows(list);
    h5_reader_close(list);
    CHECK(pieces == side->rows, STATUS_DATA, "%s: expected %zu rows in %s as in its model, found %zu", path,
            side->rows, names->pieces, pieces);
    return STATUS_OK;
}

static enum status open_vocabularies(struct corpus *corpus)
{
    corpus->facts.joint = h5_has(corpus->file, corpus_joint.model);
    struct side_data *sides = corpus->sides;
    if (!corpus->facts.joint) {
        for (int side = 0; side < SIDES; side++)
            TRY(open_vocabulary(corpus, &sides[side], &corpus_names[side].vocabulary));
        corpus->facts.form = sides[SOURCE].form;
        CHECK(sides[TARGET].form.kind == SOURCE_TEXT, STATUS_DATA,
                "%s: expected a vocabulary in %s, found a form", h5_path(corpus->file),
                corpus_names[TARGET].vocabulary.model);
        return STATUS_OK;
    }
    TRY(open_vocabulary(corpus, &sides[SOURCE], &corpus_joint));
    sides[TARGET].rows = sides[SOURCE].rows;
    return STATUS_OK;
}

/* The tokens of a source that is not text, a row for each. */
static enum status open_frames(struct corpus *corpus)
{
    const struct source_array *names = &corpus_sources[corpus->facts.form.kind];
    size_t values = source_values(&corpus->facts.form);
    struct side_data *data = &corpus->sides[SOURCE];
    TRY(h5_reader_open(&data->tokens, corpus->file, names->name, names->type, 2));
    CHECK(h5_reader_array(data->tokens)->shape[1] == values, STATUS_DATA,
            "%s: %s: expected %zu values a row as in %s, found %zu", h5_path(corpus->file), names->name,
            values, corpus_names[SOURCE].vocabulary.model, h5_reader_array(data->tokens)->shape[1]);
    return STATUS_OK;
}

static enum status open_sides(struct corpus *corpus)
{
    for (int side = 0; side < SIDES; side++) {
        struct side_data *data = &corpus->sides[side];
        const struct side_arrays *names = &corpus_names[side];
        if (side == SOURCE && corpus->facts.form.kind != SOURCE_TEXT)
            TRY(open_frames(corpus));
        else
            TRY(h5_reader_open(&data->tokens, corpus->file, names->tokens, H5_INT32, 1));
        TRY(h5_reader_open(&data->offsets, corpus->file, names->offsets, H5_INT64, 1));
        corpus->facts.tokens[side] = array_rows(data->tokens);
        CHECK(array_rows(data->offsets) == corpus->facts.pairs + 1, STATUS_DATA,
                "%s: %s: expected %zu offsets for %zu pairs, found %zu", h5_path(corpus->file),
                names->offsets, corpus->facts.pairs + 1, corpus->facts.pairs, array_rows(data->offsets));
    }
    return STATUS_OK;
}

static enum status read_facts(struct corpus *corpus)
{
    struct corpus_facts *facts = &corpus->facts;
    int64_t pairs;
    char *fingerprint;
    TRY(h5_get_int(corpus->file, CORPUS_PAIRS, &pairs));
    CHECK(pairs > 0 && pairs < INT64_MAX / 16, STATUS_DATA, "%s: %s: expected at least one pair, found %lld",
            h5_path(corpus->file), CORPUS_PAIRS, (long long)pairs);
    facts->pairs = (size_t)pairs;
    facts->has_text = h5_has(corpus->file, CORPUS_TEXT);
    facts->aligned = h5_has(corpus->file, CORPUS_ALIGNMENT_POINTS);
    TRY(h5_get_text(corpus->file, CORPUS_FINGERPRINT, &fingerprint));
    snprintf(facts->fingerprint, sizeof facts->fingerprint, "%s", fingerprint);
    memory_free(fingerprint);
    struct h5_reader *skipped;
    TRY(h5_reader_open(&skipped, corpus->file, CORPUS_SKIPPED_LINE, H5_INT64, 1));
    facts->skipped = array_rows(skipped);
    h5_reader_close(skipped);
    return STATUS_OK;
}

/* ---- checking what is inside, each rank its part ---- */

/* Offsets [first, first + count]: they rise from sentence to sentence, from 0 to the number of tokens. */
static enum status check_offsets(
        struct corpus *corpus, enum side side, size_t first, size_t count, int64_t *offsets)
{
    const char *path = h5_path(corpus->file), *name = corpus_names[side].offsets;
    int64_t tokens = (int64_t)corpus->facts.tokens[side];
    size_t *longest = &corpus->facts.longest[side];
    TRY(corpus_offsets(corpus, side, first, count, offsets));
    CHECK(first > 0 || offsets[0] == 0, STATUS_DATA, "%s: %s[0]: expected 0, found %lld", path, name,
            (long long)offsets[0]);
    for (size_t i = 1; i <= count; i++) {
        CHECK(offsets[i] > offsets[i - 1] && offsets[i] <= tokens, STATUS_DATA,
                "%s: %s[%zu]: expected more than %lld and at most %lld, found %lld", path, name, first + i,
                (long long)offsets[i - 1], (long long)tokens, (long long)offsets[i]);
        size_t length = (size_t)(offsets[i] - offsets[i - 1]);
        *longest = length > *longest ? length : *longest;
        const struct source_form *form = &corpus->facts.form;
        CHECK(side == TARGET || form->kind != SOURCE_IMAGES || length == form->height, STATUS_DATA,
                "%s: %s[%zu]: expected an image of %zu rows, found %zu", path, name, first + i, form->height,
                length);
    }
    CHECK(first + count < corpus->facts.pairs || offsets[count] == tokens, STATUS_DATA,
            "%s: %s[%zu]: expected %lld, the number of tokens, found %lld", path, name, first + count,
            (long long)tokens, (long long)offsets[count]);
    return STATUS_OK;
}

/* Frames are finite; `values` has room for CHECK_ROWS words. */
static enum status check_frames(struct corpus *corpus, size_t first, size_t count, float *values)
{
    size_t width = source_values(&corpus->facts.form), step = CHECK_ROWS / width ? CHECK_ROWS / width : 1;
    for (size_t done = 0, rows; done < count; done += rows) {
        rows = count - done < step ? count - done : step;
        TRY(h5_read_rows(corpus->sides[SOURCE].tokens, first + done, rows, values));
        for (size_t i = 0; i < rows * width; i++)
            CHECK(isfinite(values[i]), STATUS_DATA, "%s: %s[%zu]: expected finite values, found %g",
                    h5_path(corpus->file), corpus_sources[SOURCE_FRAMES].name, first + done + i / width,
                    (double)values[i]);
    }
    return STATUS_OK;
}

static enum status check_tokens(
        struct corpus *corpus, enum side side, size_t first, size_t count, int32_t *tokens)
{
    if (side == SOURCE && corpus->facts.form.kind != SOURCE_TEXT)
        return corpus->facts.form.kind == SOURCE_FRAMES ? check_frames(corpus, first, count, (void *)tokens)
                                                        : STATUS_OK;
    int64_t pieces = (int64_t)corpus_rows(corpus, side) - VOCABULARY_EXTRA;
    TRY(corpus_tokens(corpus, side, (int64_t)first, count, tokens));
    for (size_t i = 0; i < count; i++)
        CHECK(tokens[i] >= 0 && tokens[i] < pieces, STATUS_DATA,
                "%s: %s[%zu]: expected a token id below %lld, found %d", h5_path(corpus->file),
                corpus_names[side].tokens, first + i, (long long)pieces, tokens[i]);
    return STATUS_OK;
}

/* This rank's stretch of `count` rows, in whole steps. */
static void own_rows(size_t count, size_t *first, size_t *end)
{
    size_t steps = (count + CHECK_ROWS - 1) / CHECK_ROWS;
    size_t rank = (size_t)world()->rank, size = (size_t)world()->size;
    *first = steps * rank / size * CHECK_ROWS;
    *end = steps * (rank + 1) / size * CHECK_ROWS;
    *end = *end < count ? *end : count;
}

static enum status check_side(struct corpus *corpus, enum side side, void *buffer)
{
    size_t first, end;
    own_rows(corpus->facts.pairs, &first, &end);
    for (; first < end; first += CHECK_ROWS)
        TRY(check_offsets(corpus, side, first, end - first < CHECK_ROWS ? end - first : CHECK_ROWS, buffer));
    own_rows(corpus->facts.tokens[side], &first, &end);
    for (; first < end; first += CHECK_ROWS)
        TRY(check_tokens(corpus, side, first, end - first < CHECK_ROWS ? end - first : CHECK_ROWS, buffer));
    return STATUS_OK;
}

static enum status check_sides(struct corpus *corpus)
{
    int64_t *buffer = NULL; /* token ids are checked in it too */
    size_t room = source_words(&corpus->facts.form) > CHECK_ROWS ? SOURCE_WIDTH_MOST : CHECK_ROWS;
    TRY(memory_new(&buffer, "corpus", room + 1, sizeof *buffer));
    enum status status = STATUS_OK;
    for (int side = 0; side < SIDES && status == STATUS_OK; side++)
        status = check_side(corpus, (enum side)side, buffer);
    memory_free(buffer);
    return status;
}

/* Offsets of pairs into an array. */
static enum status open_offsets(struct corpus *corpus, const char *name, struct h5_reader **out)
{
    const size_t pairs = corpus->facts.pairs;
    TRY(h5_reader_open(out, corpus->file, name, H5_INT64, 1));
    CHECK(array_rows(*out) == pairs + 1, STATUS_DATA, "%s: %s: expected %zu offsets for %zu pairs, found %zu",
            h5_path(corpus->file), name, pairs + 1, pairs, array_rows(*out));
    return STATUS_OK;
}

static enum status open_text(struct corpus *corpus)
{
    if (!corpus->facts.has_text)
        return STATUS_OK;
    TRY(h5_reader_open(&corpus->text, corpus->file, CORPUS_TEXT, H5_BYTE, 1));
    return open_offsets(corpus, CORPUS_TEXT_OFFSETS, &corpus->text_offsets);
}

static enum status open_alignment(struct corpus *corpus)
{
    const size_t columns = sizeof(struct corpus_point) / sizeof(int32_t);
    if (!corpus->facts.aligned)
        return STATUS_OK;
    TRY(h5_reader_open(&corpus->points, corpus->file, CORPUS_ALIGNMENT_POINTS, H5_INT32, 2));
    size_t found = h5_reader_array(corpus->points)->shape[1];
    CHECK(found == columns, STATUS_DATA, "%s: %s: expected %zu values a row, found %zu",
            h5_path(corpus->file), CORPUS_ALIGNMENT_POINTS, columns, found);
    corpus->facts.points = array_rows(corpus->points);
    return open_offsets(corpus, CORPUS_ALIGNMENT_OFFSETS, &corpus->point_offsets);
}

static enum status open_parts(struct corpus *corpus)
{
    TRY(read_facts(corpus));
    TRY(open_vocabularies(corpus));
    TRY(open_sides(corpus));
    TRY(open_text(corpus));
    TRY(open_alignment(corpus));
    return check_sides(corpus);
}

/* Every rank has seen a part of the sentences. */
static enum status join_longest(struct corpus *corpus)
{
    double longest[SIDES];
    for (int side = 0; side < SIDES; side++)
        longest[side] = (double)corpus->facts.longest[side];
    TRY(world_maximum(longest, SIDES));
    for (int side = 0; side < SIDES; side++)
        corpus->facts.longest[side] = (size_t)longest[side];
    return STATUS_OK;
}

enum status corpus_open(struct corpus **out, const char *path)
{
    struct h5_file *file;
    TRY(h5_open(&file, path, H5_CORPUS, true));
    struct corpus *corpus = NULL;
    enum status status = memory_new(&corpus, "corpus", 1, sizeof *corpus);
    if (status == STATUS_OK) {
        corpus->file = file;
        status = open_parts(corpus);
    } else {
        h5_close(file);
    }
    status = status_agree(status);
    if (status == STATUS_OK)
        status = join_longest(corpus);
    if (status != STATUS_OK) {
        corpus_close(corpus);
        return status;
    }
    *out = corpus;
    return STATUS_OK;
}

void corpus_close(struct corpus *corpus)
{
    if (!corpus)
        return;
    for (int side = 0; side < SIDES; side++) {
        h5_reader_close(corpus->sides[side].tokens);
        h5_reader_close(corpus->sides[side].offsets);
        memory_free(corpus->sides[side].model);
    }
    h5_reader_close(corpus->text);
    h5_reader_close(corpus->text_offsets);
    h5_reader_close(corpus->points);
    h5_reader_close(corpus->point_offsets);
    h5_close(corpus->file);
    memory_free(corpus);
}

/* ---- reading ---- */

const struct corpus_facts *corpus_facts(const struct corpus *corpus)
{
    return &corpus->facts;
}

const char *corpus_path(const struct corpus *corpus)
{
    return h5_path(corpus->file);
}

const void *corpus_vocabulary(const struct corpus *corpus, enum side side, size_t *bytes)
{
    const struct side_data *data = &corpus->sides[corpus->facts.joint ? SOURCE : side];
    *bytes = data->model_bytes;
    return data->model;
}

size_t corpus_rows(const struct corpus *corpus, enum side side)
{
    return corpus->sides[side].rows;
}

size_t corpus_words(const struct corpus *corpus, enum side side)
{
    return side == SOURCE ? source_words(&corpus->facts.form) : 1;
}

enum status corpus_offsets(struct corpus *corpus, enum side side, size_t first, size_t count, int64_t *out)
{
    return h5_read_rows(corpus->sides[side].offsets, first, count + 1, out);
}

enum status corpus_tokens(struct corpus *corpus, enum side side, int64_t first, size_t count, int32_t *out)
{
    return h5_read_rows(corpus->sides[side].tokens, (size_t)first, count, out);
}

/* Offsets [first, first + count] into `rows` rows: they never fall. */
static enum status read_offsets(struct corpus *corpus, struct h5_reader *reader, const char *name,
        size_t rows, size_t first, size_t count, int64_t *out)
{
    TRY(h5_read_rows(reader, first, count + 1, out));
    for (size_t i = 0; i <= count; i++)
        CHECK(out[i] >= (i ? out[i - 1] : 0) && out[i] <= (int64_t)rows, STATUS_DATA,
                "%s: %s[%zu]: expected a place in order among %zu rows, found %lld", corpus_path(corpus),
                name, first + i, rows, (long long)out[i]);
    return STATUS_OK;
}

enum status corpus_point_offsets(struct corpus *corpus, size_t first, size_t count, int64_t *out)
{
    return read_offsets(
            corpus, corpus->point_offsets, CORPUS_ALIGNMENT_OFFSETS, corpus->facts.points, first, count, out);
}

enum status corpus_points(struct corpus *corpus, int64_t first, size_t count, struct corpus_point *out)
{
    return h5_read_rows(corpus->points, (size_t)first, count, out);
}

enum status corpus_text(
        struct corpus *corpus, size_t first, size_t count, char **text, size_t *room, int64_t *offsets)
{
    CHECK(corpus->text, STATUS_CONFIG, "%s holds no target lines: prepare it without --no-text",
            corpus_path(corpus));
    TRY(read_offsets(corpus, corpus->text_offsets, CORPUS_TEXT_OFFSETS, array_rows(corpus->text), first,
            count, offsets));
    int64_t start = offsets[0];
    size_t size = (size_t)(offsets[count] - start);
    TRY(memory_grow(text, "text", room, size + 1, 1));
    TRY(h5_read_rows(corpus->text, (size_t)start, size, *text));
    for (size_t i = 0; i <= count; i++)
        offsets[i] -= start;
    return STATUS_OK;
}
