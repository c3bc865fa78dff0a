/*
 * What SentencePiece's library does not tell of a model: its kind, and the type of each piece. Read from the bytes, by
 * the field numbers of sentencepiece_model.proto.
 */
#ifndef IO_VOCABULARY_MODEL_H
#define IO_VOCABULARY_MODEL_H

#include "comm/kind.h"
#include "comm/status.h"

#include <stdbool.h>
#include <stddef.h>

/* As the file numbers them. */
enum piece_type {
    PIECE_NORMAL = 1,
    PIECE_UNKNOWN,
    PIECE_CONTROL,
    PIECE_USER_DEFINED,
    PIECE_UNUSED,
    PIECE_BYTE
};

struct model_piece {
    const char *text; /* borrowed from the model; no 0 at its end */
    size_t bytes;
    float score;
    enum piece_type type;
};

/* U+2581, which begins words. */
#define WORD_MARK "\xE2\x96\x81"

/* Whether it holds a word mark past its beginning. */
bool model_piece_crosses_words(const struct model_piece *piece);

/* *kind: into vocabulary_kinds. *pieces: in order of ids, allocated. STATUS_DATA naming `where` if the bytes are no
 * model. */
enum status vocabulary_model_read(const void *model, size_t bytes, const char *where,
        const struct kind **kind, struct model_piece **pieces, size_t *count);

/* Whether the table of its normalisation leads nowhere but into itself: SentencePiece follows it wherever it leads. False
 * too for bytes that are no model. STATUS_INTERNAL if memory ends. */
enum status vocabulary_model_is_sound(bool *sound, const void *model, size_t bytes);

enum { MODEL_RULES_BYTES = 64 };

/* The name of the normalisation: "nmt_nfkc"; "" where the bytes tell none. */
void vocabulary_model_rules(const void *model, size_t bytes, char out[MODEL_RULES_BYTES]);

#endif
