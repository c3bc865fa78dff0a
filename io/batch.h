/*
 * A micro-batch: sentence pairs packed row by row, no padding. The ids of pair p on side s are
 * ids[s][offsets[s][p]] ... ids[s][offsets[s][p + 1] - 1]; each sentence ends in </s>.
 */
#ifndef IO_BATCH_H
#define IO_BATCH_H

#include "io/corpus.h"

/* The source tokens that target token t of the batch is aligned with, rising, counted within its sentence:
 * points[offsets[t]:offsets[t + 1]]. */
struct alignment {
    const int32_t *offsets; /* [tokens[TARGET] + 1]; NULL: nothing is known */
    const int32_t *points;
};

struct batch {
    size_t pairs;
    size_t tokens[SIDES];
    size_t longest[SIDES];         /* sentence */
    size_t stored_tokens;          /* of both sides as they are stored, before sampling cuts them anew */
    const int32_t *ids[SIDES];     /* [tokens]; of a source that is not text [tokens · words] (source.h) */
    const int32_t *offsets[SIDES]; /* [pairs + 1] */
    const int32_t *inputs; /* [tokens[TARGET]] target ids as the decoder sees them; NULL: ids[TARGET] */
    struct alignment alignment;
    const int64_t *pair_numbers; /* [pairs] over all corpora, or NULL */
};

/* All of a micro-batch as bytes, which another rank can make it from: *out is the caller's, memory_free(). words: 4-byte
 * words of a token of each side (corpus_words()). */
enum status batch_pack(void **out, size_t *bytes, const struct batch *batch, const size_t words[SIDES]);

/* Borrows `packed`. STATUS_INTERNAL if that is not what batch_pack() made. */
enum status batch_unpack(struct batch *out, const void *packed, size_t bytes, const size_t words[SIDES]);

#endif
