/*
 * Sentence pairs: source and target files read side by side, or files whose lines hold both sides with a tab between,
 * or a source that is not text (source.h) beside the lines of its targets; several files one after the other.
 */
#ifndef IO_PAIRS_H
#define IO_PAIRS_H

#include "io/corpus.h"
#include "io/options.h"
#include "io/source.h"
#include "io/text.h"

struct pairs;

struct pair {
    const char *text[SIDES]; /* NULL at the end; borrowed until the next call; no 0 need follow */
    size_t bytes[SIDES];     /* a source that is not text: tokens as they are, of so many bytes together */
    enum text_fault faults[SIDES];
    bool undivided; /* a line that should hold both sides has not exactly one tab: all of it is the source */
    int64_t number; /* from 1, over all files */
};

/* files[SOURCE] and files[TARGET], as many of each (else STATUS_USAGE), stay the caller's. `-` is standard input, at
 * most once. With `again` that, and whatever else is no regular file, is copied to a temporary file, one after another,
 * so that pairs_rewind() can go back. What is missing or must not be read is told at once. */
enum status pairs_open(struct pairs **out, const struct text_list files[SIDES], bool again);
/* As pairs_open(), for files that hold both sides: source, tab, target. */
enum status pairs_open_joined(struct pairs **out, const struct text_list *files, bool again);
/* As pairs_open(), for sentences of `source`, which becomes the pairs' own, also on failure. */
enum status pairs_open_source(
        struct pairs **out, struct source_reader *source, const struct text_list *targets, bool again);
void pairs_close(struct pairs *pairs);

/* STATUS_DATA if one file of two has more lines, with both counts, or is empty. */
enum status pairs_next(struct pairs *pairs, struct pair *out);

/* Whether both sides are there and are text. */
bool pair_is_good(const struct pair *pair);

/* STATUS_DATA naming file and line for a pair that is not good. */
enum status pairs_fail(const struct pairs *pairs, const struct pair *pair);

/* The file of a side of the last pair, borrowed as its lines are. */
const char *pairs_path(const struct pairs *pairs, enum side side);

/* Back to the first pair. */
void pairs_rewind(struct pairs *pairs);

#endif
