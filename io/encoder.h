/*
 * Text to tokens, as vocabulary_encode() has it, but words that come again are looked up: text is mostly words seen
 * before, and looking one up is many times faster.
 *
 * Exactly the same tokens: a line is put together from words only where that is certain. Words count where no piece
 * crosses from one to the next, where normalisation leaves them as they are, and where all their pieces are plain text.
 * Of a unigram vocabulary, whose library compares sums over the line rounded to 24 bits, a word counts only where its
 * likeliest pieces lead the next likeliest by more than all that rounding. Any other line goes to the library whole.
 */
#ifndef IO_ENCODER_H
#define IO_ENCODER_H

#include "io/vocabulary.h"

struct encoder;

/* The vocabulary must outlive it. One thread at a time; memory: 5 MB. */
enum status encoder_open(struct encoder **out, const struct vocabulary *vocabulary);
void encoder_close(struct encoder *encoder); /* NULL is allowed */

/* Ids of a line, </s> not included, into *ids as with vocabulary_encode(). */
enum status encoder_encode(struct encoder *encoder, const char *line, size_t bytes, int32_t **ids,
        size_t *capacity, size_t *count);

/* Lines so far that words were enough for. */
size_t encoder_from_words(const struct encoder *encoder);

#endif
