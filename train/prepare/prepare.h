/*
 * What `seqtrain prepare` does: text to vocabularies (one pass, unless they exist), then text to a corpus file.
 */
#ifndef TRAIN_PREPARE_H
#define TRAIN_PREPARE_H

#include "io/corpus.h"
#include "io/pairs.h"
#include "train/prepare/alignment.h"
#include "train/prepare/duplicates.h"

struct prepare_options {
    struct text_list text[SIDES], joined; /* two files side by side, or files that hold both sides */
    char *features, *images, *image_size; /* a source that is not text */
    bool image_grey;
    char *alignments; /* NULL: none */
    char *output, *vocab;
    int64_t vocab_size, vocab_sample;
    const struct kind *vocab_kind;
    double coverage;
    bool byte_fallback, joint, separate;
    int64_t min_length, max_length; /* tokens, </s> included */
    double max_ratio;               /* 0: any */
    const struct kind *bad_lines, *identical, *duplicates;
    int64_t compression, seed;
    bool text_kept;
};

/* ---- what is left out (filters.c) ---- */

extern const struct kind_table bad_line_kinds; /* refuse, skip */
extern const struct kind_table pair_way_kinds; /* keep, drop */

/* The text that is prepared, with what is known of it. */
struct prepare_text {
    const struct prepare_options *options;
    struct source_form form; /* of the source */
    struct pairs *pairs;
    struct duplicates *duplicates; /* NULL: not looked for */
    struct aligner *aligner;       /* NULL: nothing is aligned */
};

enum status prepare_open_text(struct prepare_text *text, const struct prepare_options *options);
void prepare_close_text(struct prepare_text *text);

/* The next pair, as pairs_next() has it, and why it is left out as far as its text tells. STATUS_DATA for a pair that
 * is not good, unless such are skipped. */
enum status prepare_next(const struct prepare_text *text, struct pair *pair, enum skip_reason *reason);

/* Whether the source is text, and what it is if not. */
bool prepare_is_text(const struct prepare_options *options);

/* Why a pair is left out as far as its numbers of tokens, </s> included, tell. */
enum skip_reason prepare_filter_tokens(const struct prepare_options *options, const size_t lengths[SIDES]);

enum { PREPARE_TOLD = 512 }; /* bytes enough for all reasons */

/* "2 with an empty line, 1 longer than --max-length", or "none". Returns out. */
const char *prepare_tell_skipped(const int64_t skipped[SKIP_REASONS], char *out, size_t bytes);

/* ---- the work ---- */

/* Learns the vocabularies from a seeded sample of the pairs, or reads those of options->vocab. The same pointer twice:
 * joint. The caller closes with prepare_release_vocabularies(). */
enum status prepare_vocabularies(const struct prepare_text *text, struct vocabulary *out[SIDES]);
/* What the source of such a file as --vocab names is. */
enum status prepare_vocabulary_form(const char *path, struct source_form *out);
void prepare_release_vocabularies(struct vocabulary *vocabularies[SIDES]);

struct prepare_counts {
    int64_t pairs, tokens[SIDES], unknown[SIDES], points, skipped[SKIP_REASONS];
};

/* Writes options->output. STATUS_DATA if no pair is left. */
enum status prepare_corpus(const struct prepare_text *text, struct vocabulary *const vocabularies[SIDES],
        struct prepare_counts *counts);

/* All of it: text, vocabularies, corpus. `tell` gets what became of them; may be NULL. */
typedef void prepare_tell(const struct prepare_options *options, struct vocabulary *const vocabularies[SIDES],
        const struct prepare_counts *counts);
enum status prepare_run(const struct prepare_options *options, prepare_tell *tell);

#endif
