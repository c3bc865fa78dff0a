#include "io/vocabulary_model.h"

#include "comm/memory.h"
#include "io/text.h"
#include "io/text/proto.h"
#include "io/vocabulary.h"

#include <stdio.h>
#include <string.h>

/* Numbers of fields: of the model, of a piece in it, of the settings it was trained with. */
enum { MODEL_PIECE = 1, MODEL_TRAINER = 2, MODEL_NORMALIZER = 3 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum { TRAINER_KIND = 3 };
enum { NORMALIZER_NAME = 1 };

static const char *const kind_names[] = {"unigram", "bpe", "word", "char"}; /* numbered from 1 */
enum { KIND_NAMES = sizeof kind_names / sizeof kind_names[0] };

static bool read_piece(struct proto_cursor body, struct model_piece *out)
{
    struct proto_field field;
    *out = (struct model_piece){.text = "", .type = PIECE_NORMAL};
    while (body.at < body.end) {
        if (!proto_next(&body, &field))
            return false;
        size_t bytes = (size_t)(field.body.end - field.body.at);
        if (field.number == PIECE_TEXT && bytes > 0) {
            out->text = (const char *)field.body.at;
            out->bytes = bytes;
        } else if (field.number == PIECE_SCORE && bytes == sizeof out->score) {
            memcpy(&out->score, field.body.at, bytes);
        } else if (field.number == PIECE_TYPE) {
            out->type = (enum piece_type)field.value;
        }
    }
    return true;
}

static bool read_kind(struct proto_cursor body, uint64_t *kind)
{
    struct proto_field field;
    while (body.at < body.end) {
        if (!proto_next(&body, &field))
            return false;
        if (field.number == TRAINER_KIND)
            *kind = field.value;
    }
    return *kind >= 1 && *kind <= KIND_NAMES;
}

/* Counts the pieces where `pieces` is NULL, else fills them in. */
static bool read_model(struct proto_cursor model, uint64_t *kind, struct model_piece *pieces, size_t *count)
{
    struct proto_field field;
    *count = 0;
    while (model.at < model.end) {
        if (!proto_next(&model, &field))
            return false;
        if (field.number == MODEL_TRAINER && !read_kind(field.body, kind))
            return false;
        if (field.number != MODEL_PIECE)
            continue;
        if (pieces && !read_piece(field.body, &pieces[*count]))
            return false;
        ++*count;
    }
    return *count > 0;
}

enum status vocabulary_model_read(const void *model, size_t bytes, const char *where,
        const struct kind **kind, struct model_piece **pieces, size_t *count)
{
    uint64_t number = 1;
    struct proto_cursor cursor = {model, (const uint8_t *)model + bytes};
    *pieces = NULL;
    bool good = read_model(cursor, &number, NULL, count);
    if (good) {
        TRY(memory_new(pieces, "vocabulary", *count, sizeof **pieces));
        good = read_model(cursor, &number, *pieces, count);
    }
    if (!good) {
        memory_free(*pieces);
        *pieces = NULL;
        return status_fail(
                STATUS_DATA, "%s: expected a SentencePiece model, found %zu other bytes", where, bytes);
    }
    *kind = kind_find(&vocabulary_kinds, kind_names[number - 1]);
    return STATUS_OK;
}

bool model_piece_crosses_words(const struct model_piece *piece)
{
    return piece->bytes > 0 && memmem(piece->text + 1, piece->bytes - 1, WORD_MARK, strlen(WORD_MARK));
}

/* The body of the last field of that number; empty if there is none. */
static struct proto_cursor find_field(struct proto_cursor message, uint64_t number)
{
    struct proto_cursor found = {message.end, message.end};
    struct proto_field field;
    while (message.at < message.end && proto_next(&message, &field))
        if (field.number == number && field.body.at)
            found = field.body;
    return found;
}

void vocabulary_model_rules(const void *model, size_t bytes, char out[MODEL_RULES_BYTES])
{
    struct proto_cursor cursor = {model, (const uint8_t *)model + bytes};
    struct proto_cursor name = find_field(find_field(cursor, MODEL_NORMALIZER), NORMALIZER_NAME);
    snprintf(out, MODEL_RULES_BYTES, "%.*s", (int)(name.end - name.at), (const char *)name.at);
}

/* ---- lists for people ---- */

size_t vocabulary_shown_bytes(const struct vocabulary *vocabulary, int32_t id)
{
    const char *piece = vocabulary_piece(vocabulary, id);
    size_t bytes = strlen(piece);
    return bytes <= VOCABULARY_SHOWN_BYTES ? bytes : text_valid_utf8(piece, VOCABULARY_SHOWN_BYTES);
}

size_t vocabulary_longest_piece(const struct vocabulary *vocabulary)
{
    size_t longest = 1;
    for (size_t id = 0; id < vocabulary_rows(vocabulary); id++) {
        size_t bytes = vocabulary_shown_bytes(vocabulary, (int32_t)id);
        longest = bytes > longest ? bytes : longest;
    }
    return longest;
}
