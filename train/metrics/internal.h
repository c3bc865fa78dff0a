/*
 * What the metrics share: a text as numbered symbols, and n-grams of those. All of it lives in an arena that belongs to
 * one pair of lines.
 *
 *     bytes --characters_open()--> characters --tokenise--> words (spans of characters) --words_number()--> words as ids
 */
#ifndef TRAIN_METRICS_METRICS_INTERNAL_H
#define TRAIN_METRICS_METRICS_INTERNAL_H

#include "comm/memory.h"
#include "train/metrics/metrics.h"

/* Code points, or ids of words. */
struct symbols {
    uint32_t *items;
    size_t count;
};

/* ---- unicode.c ---- */

enum { UNICODE_REPLACEMENT = 0xFFFD };

/* The code points of UTF-8. */
enum status characters_open(
        struct symbols *out, struct arena *arena, const char *text, size_t bytes, bool lowercase);

/* As Python's str.isspace(). */
bool character_is_space(uint32_t character);

/* ---- tokenise.c ---- */

struct text_tokenizer_kind {
    struct kind kind;
    /* `text` with blanks where words end. */
    enum status (*tokenise)(struct symbols *out, struct arena *arena, const struct symbols *text);
};

/* A word: count > 0 characters from `first` on. */
struct span {
    size_t first, count;
};
struct words {
    const struct symbols *text; /* borrowed */
    struct span *items;
    size_t count;
};

/* Splits at white space. */
enum status words_split(struct words *out, struct arena *arena, const struct symbols *text);

/* ---- ngrams.c ---- */

/* Words of a reference and a hypothesis as ids: equal words, equal ids; SYMBOL_NONE for a word the reference lacks. */
#define SYMBOL_NONE UINT32_MAX
enum status words_number(struct symbols *hypothesis, struct symbols *reference, struct arena *arena,
        const struct words *hypothesis_words, const struct words *reference_words);

/* n-grams of one order: in the hypothesis, in the reference, and in both, each as often as it is in both. */
struct ngram_counts {
    int64_t hypothesis, reference, matches;
};

/* out [orders]: n-grams of 1 to `orders` symbols. */
enum status ngrams_count(struct ngram_counts *out, size_t orders, struct arena *arena,
        const struct symbols *hypothesis, const struct symbols *reference);

/* ---- the metrics: functions of their rows in metrics.c ---- */

/* {hypothesis words, reference words, matches [4], n-grams of the hypothesis [4]}. */
enum { BLEU_ORDERS = 4, BLEU_COUNTS = 2 + 2 * BLEU_ORDERS };
enum status bleu_add(struct arena *arena, const struct text_metric_options *options,
        const struct symbols *hypothesis, const struct symbols *reference, int64_t *counts);
double bleu_value(const int64_t *counts);
void bleu_signature(const struct text_metric_options *options, char *out, size_t room);
void bleu_details(const int64_t *counts, char *out, size_t room);

/* {hypothesis, reference, matches} of each order: characters, then words. */
enum { CHRF_CHARACTERS = 6, CHRF_WORDS = 2 };
enum status chrf_add(struct arena *arena, const struct text_metric_options *options,
        const struct symbols *hypothesis, const struct symbols *reference, int64_t *counts);
double chrf_value(const int64_t *counts);
void chrf_signature(const struct text_metric_options *options, char *out, size_t room);
enum status chrf_words_add(struct arena *arena, const struct text_metric_options *options,
        const struct symbols *hypothesis, const struct symbols *reference, int64_t *counts);
double chrf_words_value(const int64_t *counts);
void chrf_words_signature(const struct text_metric_options *options, char *out, size_t room);

/* {edits, words of the reference}. */
enum { TER_COUNTS = 2 };
enum status ter_add(struct arena *arena, const struct text_metric_options *options,
        const struct symbols *hypothesis, const struct symbols *reference, int64_t *counts);
double ter_value(const int64_t *counts);
void ter_signature(const struct text_metric_options *options, char *out, size_t room);

/* ter_shift.c: the edits, shifts of blocks included, that make the hypothesis the reference. */
enum status ter_edits(
        int64_t *out, struct arena *arena, const struct symbols *hypothesis, const struct symbols *reference);

/* {equal lines, lines}. */
enum { EXACT_COUNTS = 2 };
enum status exact_add(struct arena *arena, const struct text_metric_options *options,
        const struct symbols *hypothesis, const struct symbols *reference, int64_t *counts);
double exact_value(const int64_t *counts);
void exact_signature(const struct text_metric_options *options, char *out, size_t room);

/* "lc" or "mixed". */
const char *metric_case(const struct text_metric_options *options);

#endif
