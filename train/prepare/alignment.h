/*
 * Word alignments beside the text, in the format of Pharaoh: a line for each pair, "0-0 1-2 2-1" or empty, source word and
 * target word, both from 0; words are what stands between blanks and tabs of the lines as they were. They become points
 * of tokens: every token of a source word with every token of a target word.
 */
#ifndef TRAIN_PREPARE_ALIGNMENT_H
#define TRAIN_PREPARE_ALIGNMENT_H

#include "io/corpus.h"

struct aligner;

enum status aligner_open(struct aligner **out, const char *path);
void aligner_close(struct aligner *aligner); /* NULL is allowed */

/* The line of the next pair, borrowed until the next call. STATUS_DATA with both counts if there is none. */
enum status aligner_next(struct aligner *aligner, int64_t pair, const char **line, size_t *bytes);

/* After the last pair: STATUS_DATA if the file has more lines. */
enum status aligner_end(struct aligner *aligner);

/* A line of text as tokens. */
struct token_words {
    const struct word_range *of; /* [tokens] */
    size_t tokens, words;
};

/* Points of a pair out of its line of the file, without doubles and in order as corpus_align() wants them, borrowed until
 * the next call. STATUS_DATA naming file, line, what was expected and what was found. */
enum status aligner_points(struct aligner *aligner, int64_t pair, const char *line, size_t bytes,
        const struct token_words sides[SIDES], const struct corpus_point **points, size_t *count);

#endif
