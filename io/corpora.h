/*
 * Several corpora as one, as data.train lists them: "news.h5 talks.h5:2 web.h5:0.5". They share their vocabularies.
 * Their pairs stand one after another in one space of pair numbers; a weight says how often the pairs of a corpus come
 * in an epoch (plan.h).
 */
#ifndef IO_CORPORA_H
#define IO_CORPORA_H

#include "io/corpus.h"

enum { CORPORA_WEIGHT_MOST = 1000, CORPORA_MOST = 1000 };

struct corpora;

/* "F.h5:2" is the file F.h5 with weight 2; what has no number after its last colon is a path, with weight 1. *path:
 * allocated. STATUS_CONFIG for a weight that is not above 0 or above CORPORA_WEIGHT_MOST, and for an empty path. */
enum status corpora_parse(const char *text, char **path, double *weight);

/* Opens the files of a list. STATUS_DATA naming both files where vocabularies differ; STATUS_CONFIG if the weights are
 * so small that an epoch may be empty. Collective. */
enum status corpora_open(struct corpora **out, const char *const *texts, size_t count);
void corpora_close(struct corpora *corpora); /* NULL is allowed */

size_t corpora_count(const struct corpora *corpora);
struct corpus *corpora_at(
        const struct corpora *corpora, size_t i); /* borrowed; the vocabularies of any are those of all */
double corpora_weight(const struct corpora *corpora, size_t i);

/* Number of the first pair of corpus i; of corpus `count`: how many there are in all. */
size_t corpora_first(const struct corpora *corpora, size_t i);

/* The corpus that a pair is of. */
struct corpus *corpora_of(const struct corpora *corpora, size_t pair, size_t *pair_within);

/* Whether all have an alignment. */
bool corpora_aligned(const struct corpora *corpora);

/* Tokens on both sides in an epoch, on average: weights counted. */
double corpora_epoch_tokens(const struct corpora *corpora);

/* Of one corpus of weight 1 its own; else all fingerprints with their weights, in order. Borrowed. */
const char *corpora_fingerprint(const struct corpora *corpora);

#endif
