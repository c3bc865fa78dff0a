#include "train/inference/attention_file.h"

#include "io/h5.h"

#include <stdio.h>
#include <string.h>

/* Rows per chunk, and the level of compression: of floats the exponents alone (io/h5.h). */
enum { WEIGHT_ROWS = 1 << 16, OFFSET_ROWS = 1 << 12, PIECE_ROWS = 1 << 12, COMPRESSION = 1 };

/* ---- the arrays ---- */

static enum status declare(
        struct attention_file *file, const struct h5_array *like, const char *name, int *id)
{
    struct h5_array array = *like;
    array.rank = 1;
    array.compression = COMPRESSION;
    snprintf(array.name, sizeof array.name, "%s", name);
    return h5_declare(file->file, &array, id);
}

/* Offsets begin with 0. */
static enum status declare_offsets(struct attention_file *file, struct attention_stream *stream,
        const char *name, const char *description)
{
    const struct h5_array array = {.type = H5_INT64, .chunk_rows = OFFSET_ROWS, .description = description};
    TRY(declare(file, &array, name, &stream->offsets));
    return h5_append(file->file, stream->offsets, &stream->end, 1);
}

/* What the columns of the weights are, by kind of source. */
static const struct {
    const char *offsets, *weights;
} columns[] = {
        [SOURCE_TEXT] = {"sentence i has pieces[offsets[i]:offsets[i+1]]",
                "sentence i has weights[offsets[i]:offsets[i+1]] as [layers, heads, target pieces, source "
                "pieces]"},
        [SOURCE_FRAMES] = {"sentence i has offsets[i+1] - offsets[i] frames",
                "sentence i has weights[offsets[i]:offsets[i+1]] as [layers, heads, target pieces, frames]"},
        [SOURCE_IMAGES] = {"image i has offsets[i+1] - offsets[i] cells",
                "image i has weights[offsets[i]:offsets[i+1]] as [layers, heads, target pieces, height, "
                "width]"},
};

static enum source_kind source_kind_of(const struct attention_file *file)
{
    return vocabulary_form(file->vocabularies[SOURCE])->kind;
}

/* Of a source that is no text there are none to tell. */
static enum status declare_pieces(struct attention_file *file, enum side side)
{
    static const char *const names[SIDES][2] = {
            {"/source/pieces", "/source/offsets"}, {"/target/pieces", "/target/offsets"}};
    static const char *const descriptions[SIDES] = {
            "pieces of the source sentences, end to end, each with </s>",
            "pieces of their translations, end to end, each with </s> where it was reached"};
    enum source_kind kind = side == SOURCE ? source_kind_of(file) : SOURCE_TEXT;
    struct attention_stream *stream = &file->pieces[side];
    if (kind != SOURCE_TEXT)
        return declare_offsets(file, stream, names[side][1], columns[kind].offsets);
    stream->bytes = vocabulary_longest_piece(file->vocabularies[side]);
    const struct h5_array array = {.type = H5_TEXT,
            .text_bytes = stream->bytes,
            .chunk_rows = PIECE_ROWS,
            .description = descriptions[side]};
    TRY(declare(file, &array, names[side][0], &stream->values));
    return declare_offsets(file, stream, names[side][1], columns[SOURCE_TEXT].offsets);
}

static enum status declare_weights(struct attention_file *file)
{
    const struct attention_planes *planes = &file->planes;
    const struct h5_array array = {.type = H5_FLOAT32,
            .chunk_rows = WEIGHT_ROWS,
            .description = "attention of each target piece to the source: each row sums to 1, with "
                           "luong_local_p to less"};
    TRY(declare(file, &array, "/attention/weights", &file->weights.values));
    TRY(declare_offsets(file, &file->weights, "/attention/offsets", columns[source_kind_of(file)].weights));
    TRY(h5_put_int(file->file, "/attention/layers", (int64_t)planes->layers, "decoder layers that attend"));
    TRY(h5_put_int(file->file, "/attention/heads", (int64_t)planes->heads, "heads of each"));
    if (planes->height == 0)
        return STATUS_OK;
    TRY(h5_put_int(file->file, "/attention/height", (int64_t)planes->height, "cells of an image, down"));
    return h5_put_int(file->file, "/attention/width", (int64_t)planes->width, "cells of an image, across");
}

static enum status declare_all(struct attention_file *file)
{
    for (int side = 0; side < SIDES; side++)
        TRY(declare_pieces(file, (enum side)side));
    return declare_weights(file);
}

/* ---- the life of a file ---- */

enum status attention_file_open(struct attention_file *out, const char *path,
        struct vocabulary *const *vocabularies, struct attention_planes planes)
{
    *out = (struct attention_file){.vocabularies = vocabularies, .planes = planes};
    CHECK(strcmp(path, "-") != 0, STATUS_USAGE,
            "--attention -: standard output cannot hold an HDF5 file: name a file");
    TRY(h5_create(&out->file, path, H5_ATTENTION));
    enum status status = declare_all(out);
    if (status != STATUS_OK)
        attention_file_discard(out);
    return status;
}

static enum status end_sentence(struct attention_file *file, struct attention_stream *stream, size_t count)
{
    stream->end += (int64_t)count;
    return h5_append(file->file, stream->offsets, &stream->end, 1);
}

static enum status add_piece(struct attention_file *file, enum side side, int32_t id)
{
    char piece[VOCABULARY_SHOWN_BYTES] = {0};
    const struct vocabulary *vocabulary = file->vocabularies[side];
    memcpy(piece, vocabulary_piece(vocabulary, id), vocabulary_shown_bytes(vocabulary, id));
    return h5_append(file->file, file->pieces[side].values, piece, 1);
}

static enum status add_pieces(
        struct attention_file *file, enum side side, const int32_t *ids, size_t count, bool ended)
{
    for (size_t i = 0; i < count; i++)
        TRY(add_piece(file, side, ids[i]));
    if (ended)
        TRY(add_piece(file, side, TOKEN_END));
    return end_sentence(file, &file->pieces[side], count + ended);
}

enum status attention_file_add(struct attention_file *file, const struct translation_line *line)
{
    static const struct hypothesis nothing;
    const struct hypothesis *best = line->translation->count > 0 ? line->translation->items : &nothing;
    if (source_kind_of(file) == SOURCE_TEXT)
        TRY(add_pieces(file, SOURCE, line->source, line->source_tokens, false));
    else
        TRY(end_sentence(file, &file->pieces[SOURCE], attention_columns(&file->planes, line->source_tokens)));
    TRY(add_pieces(file, TARGET, best->ids, best->count, best->ended));
    TRY(h5_append(file->file, file->weights.values, best->attention, best->attention_count));
    return end_sentence(file, &file->weights, best->attention_count);
}

enum status attention_file_commit(struct attention_file *file)
{
    struct h5_writer *writer = file->file;
    file->file = NULL;
    return h5_commit(writer);
}

void attention_file_discard(struct attention_file *file)
{
    h5_discard(file->file);
    file->file = NULL;
}
