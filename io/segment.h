/*
 * Segmentation drawn anew: other pieces for the same words, so that a model sees a word in many forms.
 *
 *     bpe       BPE-dropout: pieces are merged from characters, the best merge first, and at each step each merge is
 *               passed over with a probability (Provilkov et al. 2020, algorithm 1)
 *     unigram   subword regularisation: with a probability a word is drawn from all its segmentations x in proportion
 *               to P(x)^alpha, by filtering forward and sampling backward (Kudo 2018)
 *
 * Words are treated one by one: no piece crosses the word mark. A word keeps its pieces where one of them is no text
 * (<unk>, a byte, a mark) and where it has more than SEGMENT_WORD_MOST characters.
 */
#ifndef IO_SEGMENT_H
#define IO_SEGMENT_H

#include "comm/random.h"
#include "comm/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEGMENT_WORD_MOST = 512 };

struct segmenter;

/* From the bytes of a SentencePiece model, which must outlive it; STATUS_CONFIG for a word or char vocabulary, and for
 * pieces that cross words. One thread at a time. */
enum status segmenter_open(struct segmenter **out, const void *model, size_t bytes, const char *where);
void segmenter_close(struct segmenter *segmenter); /* NULL is allowed */
bool segmenter_is_unigram(const struct segmenter *segmenter);

/* Ids of a sentence, </s> not included, into *out, which grows with memory_grow(). Numbers are drawn from `stream` from
 * `index` on. */
enum status segmenter_draw(struct segmenter *segmenter, double probability, double alpha,
        const struct random_stream *stream, uint64_t index, const int32_t *ids, size_t count, int32_t **out,
        size_t *room, size_t *out_count);

/* Of a word's ids, by a unigram vocabulary: the log-probability of its likeliest segmentation, and by how much it leads
 * that of the next likeliest (INFINITY: there is none). *known: whether all of its pieces and characters are plain text
 * in the vocabulary; without, nothing else is told. */
enum status segmenter_lead(struct segmenter *segmenter, const int32_t *ids, size_t count, double *score,
        double *lead, bool *known);

#endif
