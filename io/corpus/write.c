#include "io/corpus/names.h"

#include "comm/memory.h"
#include "io/text.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* Rows per chunk: about 256 KiB of each array, so that a reader of a few thousand pairs unpacks little else. */
enum {
    TOKEN_ROWS = 1 << 16,
    OFFSET_ROWS = 1 << 15,
    POINT_ROWS = 1 << 15,
    TEXT_ROWS = 1 << 18,
    SKIP_ROWS = 1 << 12
};

struct stream {
    int tokens, offsets; /* array numbers in the file */
    int64_t end;         /* tokens so far */
    uint32_t token_crc, offset_crc;
};

struct corpus_writer {
    struct h5_writer *file;
    struct corpus_settings settings;
    struct stream streams[SIDES];
    int points, point_offsets, text, text_offsets, skipped_line, skipped_reason;
    int64_t text_end, pairs, skipped;
    int64_t point_end, aligned; /* points, and pairs that have theirs */
    uint32_t point_crc;
};

static const struct source_form *form_of(const struct corpus_writer *writer)
{
    return vocabulary_form(writer->settings.vocabularies[SOURCE]);
}

static enum status declare(struct corpus_writer *writer, const char *name, enum h5_type type, size_t rows,
        const char *description, int *id)
{
    struct h5_array array = {.type = type,
            .text_bytes = type == H5_TEXT ? SKIP_TEXT_BYTES : 0,
            .rank = 1,
            .chunk_rows = rows,
            .compression = writer->settings.compression,
            .description = description};
    snprintf(array.name, sizeof array.name, "%s", name);
    return h5_declare(writer->file, &array, id);
}

/* The next value of an offsets array. */
static enum status add_offset(struct corpus_writer *writer, struct stream *stream)
{
    stream->offset_crc =
            (uint32_t)crc32_z(stream->offset_crc, (const Bytef *)&stream->end, sizeof stream->end);
    return h5_append(writer->file, stream->offsets, &stream->end, 1);
}

/* A row for each frame, about as many bytes a chunk as of token ids. */
static enum status declare_frames(struct corpus_writer *writer, const struct source_form *form, int *id)
{
    const struct source_array *kind = &corpus_sources[form->kind];
    size_t values = source_values(form), rows = TOKEN_ROWS / source_words(form);
    struct h5_array array = {.type = kind->type,
            .rank = 2,
            .shape = {0, values},
            .chunk_rows = rows > 0 ? rows : 1,
            .compression = writer->settings.compression,
            .description = kind->description};
    snprintf(array.name, sizeof array.name, "%s", kind->name);
    return h5_declare(writer->file, &array, id);
}

static enum status declare_side(struct corpus_writer *writer, enum side side)
{
    struct stream *stream = &writer->streams[side];
    const struct source_form *form = form_of(writer);
    if (side == SOURCE && form->kind != SOURCE_TEXT)
        TRY(declare_frames(writer, form, &stream->tokens));
    else
        TRY(declare(writer, corpus_names[side].tokens, H5_INT32, TOKEN_ROWS,
                "token ids of all sentences, end to end; each ends with </s> (0)", &stream->tokens));
    TRY(declare(writer, corpus_names[side].offsets, H5_INT64, OFFSET_ROWS,
            "sentence i is tokens[offsets[i]:offsets[i+1]]", &stream->offsets));
    return add_offset(writer, stream);
}

static enum status declare_all(struct corpus_writer *writer)
{
    for (int side = 0; side < SIDES; side++)
        TRY(declare_side(writer, (enum side)side));
    if (writer->settings.keep_text) {
        TRY(declare(writer, CORPUS_TEXT, H5_BYTE, TEXT_ROWS, "target lines as they were (UTF-8), end to end",
                &writer->text));
        TRY(declare(writer, CORPUS_TEXT_OFFSETS, H5_INT64, OFFSET_ROWS,
                "line i is text[text_offsets[i]:text_offsets[i+1]]", &writer->text_offsets));
        TRY(h5_append(writer->file, writer->text_offsets, &writer->text_end, 1));
    }
    TRY(declare(writer, CORPUS_SKIPPED_LINE, H5_INT64, SKIP_ROWS,
            "line numbers that were left out, from 1, counted over all files", &writer->skipped_line));
    return declare(writer, CORPUS_SKIPPED_REASON, H5_TEXT, SKIP_ROWS, "why each was left out",
            &writer->skipped_reason);
}

static enum status declare_alignment(struct corpus_writer *writer)
{
    struct h5_array points = {.name = CORPUS_ALIGNMENT_POINTS,
            .type = H5_INT32,
            .rank = 2,
            .shape = {0, sizeof(struct corpus_point) / sizeof(int32_t)},
            .chunk_rows = POINT_ROWS,
            .compression = writer->settings.compression,
            .description = "source token and target token that belong together, from 0 in their sentences"};
    if (!writer->settings.aligned)
        return STATUS_OK;
    TRY(h5_declare(writer->file, &points, &writer->points));
    TRY(declare(writer, CORPUS_ALIGNMENT_OFFSETS, H5_INT64, OFFSET_ROWS,
            "pair i has points[offsets[i]:offsets[i+1]]", &writer->point_offsets));
    return h5_append(writer->file, writer->point_offsets, &writer->point_end, 1);
}

/* ---- vocabularies ---- */

static enum status put_pieces(
        struct corpus_writer *writer, const struct vocabulary *vocabulary, const char *name)
{
    struct h5_array array = {.type = H5_TEXT,
            .text_bytes = vocabulary_longest_piece(vocabulary),
            .rank = 1,
            .shape = {vocabulary_rows(vocabulary)},
            .description = "the piece of each token id"};
    snprintf(array.name, sizeof array.name, "%s", name);
    char *pieces = NULL;
    TRY(memory_new(&pieces, "vocabulary", array.shape[0], array.text_bytes));
    for (size_t i = 0; i < array.shape[0]; i++)
        memcpy(pieces + i * array.text_bytes, vocabulary_piece(vocabulary, (int32_t)i),
                vocabulary_shown_bytes(vocabulary, (int32_t)i));
    enum status status = h5_put(writer->file, &array, pieces);
    memory_free(pieces);
    return status;
}

static enum status put_vocabulary(struct corpus_writer *writer, const struct vocabulary *vocabulary,
        const struct vocabulary_names *names)
{
    struct h5_array array = {
            .type = H5_BYTE, .rank = 1, .description = "SentencePiece model, as a .model file"};
    if (vocabulary_form(vocabulary)->kind != SOURCE_TEXT)
        array.description = "what a source is that is not text";
    snprintf(array.name, sizeof array.name, "%s", names->model);
    const void *model = vocabulary_model(vocabulary, &array.shape[0]);
    TRY(h5_put(writer->file, &array, model));
    return put_pieces(writer, vocabulary, names->pieces);
}

static enum status put_vocabularies(struct corpus_writer *writer)
{
    const struct vocabulary *const *both = writer->settings.vocabularies;
    if (both[SOURCE] == both[TARGET])
        return put_vocabulary(writer, both[SOURCE], &corpus_joint);
    for (int side = 0; side < SIDES; side++)
        TRY(put_vocabulary(writer, both[side], &corpus_names[side].vocabulary));
    return STATUS_OK;
}

/* ---- the life of a writer ---- */

enum status corpus_create(
        struct corpus_writer **out, const char *path, const struct corpus_settings *settings)
{
    struct corpus_writer *writer = NULL;
    TRY(memory_new(&writer, "corpus", 1, sizeof *writer));
    writer->settings = *settings;
    enum status status = h5_create(&writer->file, path, H5_CORPUS);
    if (status == STATUS_OK)
        status = declare_all(writer);
    if (status == STATUS_OK)
        status = declare_alignment(writer);
    if (status == STATUS_OK)
        status = put_vocabularies(writer);
    if (status != STATUS_OK) {
        corpus_discard(writer);
        return status;
    }
    *out = writer;
    return STATUS_OK;
}

/* `words`: of each token. */
static enum status add_tokens(struct corpus_writer *writer, struct stream *stream, const int32_t *tokens,
        size_t count, size_t words)
{
    stream->token_crc =
            (uint32_t)crc32_z(stream->token_crc, (const Bytef *)tokens, count * words * sizeof *tokens);
    stream->end += (int64_t)count;
    return h5_append(writer->file, stream->tokens, tokens, count);
}

enum status corpus_add(struct corpus_writer *writer, const int32_t *const ids[SIDES],
        const size_t counts[SIDES], const char *text, size_t text_bytes)
{
    static const int32_t end_mark = TOKEN_END;
    for (int side = 0; side < SIDES; side++) {
        struct stream *stream = &writer->streams[side];
        bool is_text = side == TARGET || form_of(writer)->kind == SOURCE_TEXT;
        TRY(add_tokens(writer, stream, ids[side], counts[side], is_text ? 1 : source_words(form_of(writer))));
        if (is_text)
            TRY(add_tokens(writer, stream, &end_mark, 1, 1));
        TRY(add_offset(writer, stream));
    }
    if (writer->settings.keep_text) {
        writer->text_end += (int64_t)text_bytes;
        TRY(h5_append(writer->file, writer->text, text, text_bytes));
        TRY(h5_append(writer->file, writer->text_offsets, &writer->text_end, 1));
    }
    writer->pairs++;
    return STATUS_OK;
}

enum status corpus_align(struct corpus_writer *writer, const struct corpus_point *points, size_t count)
{
    writer->aligned++;
    ASSERT(writer->settings.aligned && writer->aligned == writer->pairs);
    writer->point_end += (int64_t)count;
    if (count > 0) {
        writer->point_crc =
                (uint32_t)crc32_z(writer->point_crc, (const Bytef *)points, count * sizeof *points);
        TRY(h5_append(writer->file, writer->points, points, count));
    }
    writer->point_crc =
            (uint32_t)crc32_z(writer->point_crc, (const Bytef *)&writer->point_end, sizeof writer->point_end);
    return h5_append(writer->file, writer->point_offsets, &writer->point_end, 1);
}

enum status corpus_skip(struct corpus_writer *writer, int64_t line, enum skip_reason reason)
{
    char text[SKIP_TEXT_BYTES] = {0};
    memcpy(text, skip_texts[reason], strlen(skip_texts[reason]));
    writer->skipped++;
    TRY(h5_append(writer->file, writer->skipped_line, &line, 1));
    return h5_append(writer->file, writer->skipped_reason, text, 1);
}

static enum status put_facts(struct corpus_writer *writer)
{
    const struct stream *source = &writer->streams[SOURCE], *target = &writer->streams[TARGET];
    char fingerprint[sizeof((struct corpus_facts *)NULL)->fingerprint];
    int used = snprintf(fingerprint, sizeof fingerprint, "%lld-%08x%08x-%08x%08x", (long long)writer->pairs,
            source->token_crc, source->offset_crc, target->token_crc, target->offset_crc);
    if (writer->settings.aligned)
        snprintf(fingerprint + used, sizeof fingerprint - (size_t)used, "-%08x", writer->point_crc);
    TRY(h5_put_int(writer->file, CORPUS_PAIRS, writer->pairs, "sentence pairs"));
    return h5_put_text(writer->file, CORPUS_FINGERPRINT, fingerprint,
            writer->settings.aligned
                    ? "pairs and the CRC-32s of tokens and offsets of both sides, and of the alignment"
                    : "pairs and the CRC-32s of tokens and offsets of both sides");
}

enum status corpus_commit(struct corpus_writer *writer)
{
    enum status status = put_facts(writer);
    if (status != STATUS_OK) {
        corpus_discard(writer);
        return status;
    }
    status = h5_commit(writer->file);
    memory_free(writer);
    return status;
}

void corpus_discard(struct corpus_writer *writer)
{
    if (!writer)
        return;
    h5_discard(writer->file);
    memory_free(writer);
}
