/*
 * What `seqtrain prepare` does: text to vocabularies (one pass, unless they exist), then text to a corpus file.
 */
#ifndef TRAIN_PREPARE_H
#define TRAIN_PREPARE_H

#include "io/corpus.h"
#include "io/pairs.h"

struct prepare_options {
    struct text_list text[SIDES];
    char *output, *vocab;
    int64_t vocab_size, vocab_sample;
    const struct kind *vocab_kind, *bad_lines;
    bool joint, separate;
    int64_t max_length, compression, seed;
    bool text_kept;
};

extern const struct kind_table bad_line_kinds; /* refuse, skip */

/* Whether a faulty line is left out rather than an error. */
bool prepare_skips_bad(const struct prepare_options *options);

/* Learns the vocabularies from a seeded sample of the pairs, or reads those of options->vocab. The same pointer twice:
 * joint. The caller closes with prepare_release_vocabularies(). */
enum status prepare_vocabularies(
        const struct prepare_options *options, struct pairs *pairs, struct vocabulary *out[SIDES]);
void prepare_release_vocabularies(struct vocabulary *vocabularies[SIDES]);

struct prepare_counts {
    int64_t pairs, tokens[SIDES], unknown[SIDES], skipped[SKIP_REASONS];
};

/* Writes options->output. STATUS_DATA if no pair is left. */
enum status prepare_corpus(const struct prepare_options *options, struct pairs *pairs,
        struct vocabulary *const vocabularies[SIDES], struct prepare_counts *counts);

#endif
