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

static enum status declare_pieces(struct attention_file *file, enum side side)
{
    static const char *const names[SIDES][2] = {
            {"/source/pieces", "/source/offsets"}, {"/target/pieces", "/target/offsets"}};
    static const char *const descriptions[SIDES] = {
            "pieces of the source sentences, end to end, each with </s>",
            "pieces of their translations, end to end, each with </s> where it was reached"};
    struct attention_stream *stream = &file->pieces[side];
    stream->bytes = vocabulary_longest_piece(file->vocabularies[side]);
    const struct h5_array array = {.type = H5_TEXT,
            .text_bytes = stream->bytes,
            .chunk_rows = PIECE_ROWS,
            .description = descriptions[side]};
    TRY(declare(file, &array, names[side][0], &stream->values));
    return declare_offsets(file, stream, names[side][1], "sentence i has pieces[offsets[i]:offsets[i+1]]");
}

static enum status declare_weights(struct attention_file *file, struct attention_planes planes)
{
    const struct h5_array array = {.type = H5_FLOAT32,
            .chunk_rows = WEIGHT_ROWS,
            .description = "attention of each target piece to the source pieces: each row sums to 1, with "
                           "luong_local_p to less"};
    TRY(declare(file, &array, "/attention/weights", &file->weights.values));
    TRY(declare_offsets(file, &file->weights, "/attention/offsets",
            "sentence i has weights[offsets[i]:offsets[i+1]] as [layers, heads, target pieces, source "
            "pieces]"));
    TRY(h5_put_int(file->file, "/attention/layers", (int64_t)planes.layers, "decoder layers that attend"));
    return h5_put_int(file->file, "/attention/heads", (int64_t)planes.heads, "heads of each");
}

static enum status declare_all(struct attention_file *file, struct attention_planes planes)
{
    for (int side = 0; side < SIDES; side++)
        TRY(declare_pieces(file, (enum side)side));
    return declare_weights(file, planes);
}

/* ---- the life of a file ---- */

enum status attention_file_open(struct attention_file *out, const char *path,
        struct vocabulary *const *vocabularies, struct attention_planes planes)
{
    *out = (struct attention_file){.vocabularies = vocabularies};
    CHECK(strcmp(path, "-") != 0, STATUS_USAGE,
            "--attention -: standard output cannot hold an HDF5 file: name a file");
    TRY(h5_create(&out->file, path, H5_ATTENTION));
    enum status status = declare_all(out, planes);
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
    TRY(add_pieces(file, SOURCE, line->source, line->source_tokens, false));
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
