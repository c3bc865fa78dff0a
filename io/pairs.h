/*
 * Sentence pairs: source and target files read side by side, several files one after the other.
 */
#ifndef IO_PAIRS_H
#define IO_PAIRS_H

#include "io/corpus.h"
#include "io/options.h"
#include "io/text.h"

struct pairs;

struct pair {
    const char *text[SIDES]; /* NULL at the end; borrowed until the next call */
    size_t bytes[SIDES];
    enum text_fault faults[SIDES];
    int64_t number; /* from 1, over all files */
};

/* files[SOURCE] and files[TARGET], as many of each (else STATUS_USAGE), stay the caller's. `-` is standard input, at
 * most once; with `again` it is copied to a temporary file, so that pairs_rewind() can go back. */
enum status pairs_open(struct pairs **out, const struct text_list files[SIDES], bool again);
void pairs_close(struct pairs *pairs);

/* STATUS_DATA if one file of two has more lines, with both counts, or is empty. */
enum status pairs_next(struct pairs *pairs, struct pair *out);

/* STATUS_DATA naming file and line for a pair with a faulty line. */
enum status pairs_fail(const struct pairs *pairs, const struct pair *pair);

/* Back to the first pair. */
void pairs_rewind(struct pairs *pairs);

#endif
