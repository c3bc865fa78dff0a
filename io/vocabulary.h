/*
 * Vocabularies: SentencePiece models behind one small C face. vocabulary.cc is the only C++ file of
 * the project.
 *
 * Ids: </s> 0 (also separator), <unk> 1, <s> 2 (also class token), pieces ..., <mask> last but one,
 * <pad> last. <mask> and <pad> are rows of the model only; SentencePiece does not know them.
 * vocabulary_pieces() counts all but those two, vocabulary_rows() all.
 */
#ifndef IO_VOCABULARY_H
#define IO_VOCABULARY_H

#include "comm/kind.h"
#include "comm/status.h"
#include "io/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TOKEN_END = 0, TOKEN_UNKNOWN = 1, TOKEN_START = 2, TOKEN_FIRST_PIECE = 3, VOCABULARY_EXTRA = 2 };

/* Bytes of a model in a file: far more than any has. */
enum { VOCABULARY_MODEL_LIMIT = 1 << 28 };

/* unigram, bpe, word, char. */
extern const struct kind_table vocabulary_kinds;

struct vocabulary;

/* How a vocabulary is learned. */
struct vocabulary_settings {
    const struct kind *kind;
    size_t size; /* pieces, <mask> and <pad> not counted */
    double coverage; /* share of the text's characters that have pieces, 0.98 to 1; the rarest others are unknown */
    bool bytes; /* 256 of the pieces are single bytes, and what would be unknown is written in them */
};

/* Bytes. SentencePiece learns bpe with positions in a word of 15 bits (past them it crashes), and its normalisation makes
 * up to two characters of a byte: U+3316. */
enum { VOCABULARY_LINE_LIMIT = ((1 << 15) - 2) / 2 };

/* Learns from lines in memory, passing over those longer than VOCABULARY_LINE_LIMIT; `what` names the text in messages:
 * "source". *model: the bytes of a SentencePiece model, allocated with memory_new(). The same lines give the same bytes. STATUS_DATA naming a possible size if the
 * text cannot give so many pieces; STATUS_CONFIG for a kind that cannot be written in bytes (word). */
enum status vocabulary_train(char **model, size_t *model_bytes, const char *what,
        const struct vocabulary_settings *settings, const char *const *lines, const size_t *line_bytes,
        size_t lines_count);

/* From the bytes of a SentencePiece model, or of the form of a source that is not text (source.h), which has no pieces and
 * encodes nothing. STATUS_DATA if they are neither, or if </s>, <unk>, <s> are not 0, 1, 2. */
enum status vocabulary_open(struct vocabulary **out, const void *model, size_t bytes, const char *where);
void vocabulary_close(struct vocabulary *vocabulary);

const struct source_form *vocabulary_form(const struct vocabulary *vocabulary); /* text: of a vocabulary */
size_t vocabulary_pieces(const struct vocabulary *vocabulary);
size_t vocabulary_rows(const struct vocabulary *vocabulary);
const char *vocabulary_piece(const struct vocabulary *vocabulary, int32_t id); /* borrowed; id < rows */

/* In lists for people longer pieces are cut: bytes of one there, and of the longest, at least 1. */
enum { VOCABULARY_SHOWN_BYTES = 256 };
size_t vocabulary_shown_bytes(const struct vocabulary *vocabulary, int32_t id);
size_t vocabulary_longest_piece(const struct vocabulary *vocabulary);

/* Ids of a line, </s> not included. *ids is the caller's buffer of *capacity ids, which
 * memory_grow() enlarges. */
enum status vocabulary_encode(const struct vocabulary *vocabulary, const char *line, size_t bytes,
        int32_t **ids, size_t *capacity, size_t *count);

/* Words of a line, from 0: what stands between blanks and tabs. */
struct word_range {
    int32_t first, last;
};

/* As vocabulary_encode(), with the words that each id is of: one, or several where they became one <unk>. *words is the
 * caller's likewise; *word_count: words of the line. */
enum status vocabulary_encode_words(const struct vocabulary *vocabulary, const char *line, size_t bytes,
        int32_t **ids, size_t *capacity, size_t *count, struct word_range **words, size_t *words_capacity,
        size_t *word_count);

/* Text of ids, always one line: of single bytes, \n, \r and 0 give a blank; </s>, <s>, <mask>, <pad> give nothing. *text grows
 * likewise and ends in 0. */
enum status vocabulary_decode(const struct vocabulary *vocabulary, const int32_t *ids, size_t count,
        char **text, size_t *capacity, size_t *bytes);

/* The bytes of the model, borrowed. */
const void *vocabulary_model(const struct vocabulary *vocabulary, size_t *bytes);

#ifdef __cplusplus
}
#endif
#endif
