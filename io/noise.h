/*
 * Noise at read: sentences are changed a little each time they are read, so that a model learns less by heart.
 *
 *     other pieces    data.sampling: words are cut anew (segment.h), on both sides
 *     word dropout    data.word_dropout_source, _target: a token becomes <unk> with a probability; on the target side
 *                     only as the decoder sees it, what it is to predict stays (Sennrich et al. 2016, Edinburgh's
 *                     systems; Bowman et al. 2016)
 *
 * </s> is never touched. What happens to a sentence is a function of (seed, epoch, pair, occurrence) alone.
 */
#ifndef IO_NOISE_H
#define IO_NOISE_H

#include "io/corpora.h"
#include "io/plan.h"

struct noise_options {
    double word_dropout[SIDES];
    double sampling;
    double sampling_alpha; /* 0: SAMPLING_ALPHA; only unigram vocabularies take another */
    size_t longest;        /* a sentence that would become longer keeps its pieces; </s> counted */
    uint64_t seed;
};

struct noise;

/* STATUS_CONFIG naming the setting where the vocabularies do not allow it. The corpora must outlive it. One thread at a
 * time. */
enum status noise_open(
        struct noise **out, const struct corpora *corpora, const struct noise_options *options);
void noise_close(struct noise *noise); /* NULL is allowed */

/* Other pieces for a sentence (</s> included): *ids and *count become those, borrowed until the next call. */
enum status noise_pieces(struct noise *noise, enum side side, int64_t epoch, const struct plan_item *item,
        const int32_t **ids, size_t *count);

/* Whether tokens of the side are dropped at all; and drops those of a sentence in place. */
bool noise_drops(const struct noise *noise, enum side side);
void noise_drop(const struct noise *noise, enum side side, int64_t epoch, const struct plan_item *item,
        int32_t *ids, size_t count);

#endif
