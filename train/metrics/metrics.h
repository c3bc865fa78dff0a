/*
 * Metrics of text: how near translations come to their references. Values, tokenisers and signatures are sacrebleu's
 * (Post, "A call for clarity in reporting BLEU scores", WMT 2018), one reference a line.
 *
 *     int64_t counts[METRIC_COUNTS] = {0};
 *     for each pair: TRY(text_metric_count(metric, &options, hypothesis, bytes, reference, reference_bytes, counts));
 *     metric->value(counts)                                     0 to 100 (ter: may be more)
 *
 * A metric is integer statistics of pairs, which add up, and a value of their sum: so any grouping over ranks gives the
 * same value, and samples of lines cost a sum each (bootstrap_compare()).
 *
 * Lower-casing is Python's str.lower() of Unicode 14, for every character; see metrics/unicode.c for the one letter that
 * looks at its neighbours, the capital sigma. It needs no locale.
 * To add a metric: a row in metrics/metrics.c, a file in metrics/.
 */
#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H

#include "comm/kind.h"
#include "comm/status.h"
#include "io/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { METRIC_COUNTS = 24, METRIC_TEXT = 160, TEXT_METRICS = 16 /* at least as many as there are */ };

struct text_metric_options {
    const struct kind *tokenizer; /* into text_tokenizer_kinds */
    bool lowercase;
};

extern const struct kind_table text_tokenizer_kinds; /* 13a, none, char */

struct arena;
struct symbols;

struct text_metric_kind {
    struct kind kind;
    const char *label; /* as sacrebleu prints it: chrF2++ */
    bool higher_is_better;
    bool tokenized; /* options->tokenizer counts */
    bool cased;     /* options->lowercase counts; else all is lower-cased */
    size_t counts;  /* used of METRIC_COUNTS */
    /* Behind text_metric_count(). */
    enum status (*add)(struct arena *arena, const struct text_metric_options *options,
            const struct symbols *hypothesis, const struct symbols *reference, int64_t *counts);
    double (*value)(const int64_t *counts);
    /* The part of the signature that is the metric's own. */
    void (*signature)(const struct text_metric_options *options, char *out, size_t room);
    /* What sacrebleu prints after the value; NULL: nothing. */
    void (*details)(const int64_t *counts, char *out, size_t room);
};

extern const struct kind_table text_metric_kinds; /* bleu, chrf, chrf++, ter, exact */

/* That `names`, as the list `option` gives them, are rows of `kinds`, each once; else `code`. */
enum status metrics_check_names(
        const char *option, const struct text_list *names, const struct kind_table *kinds, enum status code);

/* That one of the metrics looks at whatever of the options is not their default; else `code`. `prefix`: before their
 * names, "validate."; `lists`: where metrics are named. */
enum status text_metrics_check(const struct text_metric_options *options,
        const struct text_metric_kind *const *metrics, size_t count, const char *prefix, const char *lists,
        enum status code);

/* Adds to counts[metric->counts] what a pair contributes. Texts are UTF-8 without line ends; a byte that is not counts as
 * U+FFFD. */
enum status text_metric_count(const struct text_metric_kind *metric,
        const struct text_metric_options *options, const char *hypothesis, size_t bytes,
        const char *reference, size_t reference_bytes, int64_t *counts);

/* "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:seqtrain". METRIC_TEXT is room enough. */
void text_metric_signature(const struct text_metric_kind *metric, const struct text_metric_options *options,
        char *out, size_t room);

/* ---- comparing two translations of the same lines ---- */

struct bootstrap {
    double value, baseline;
    double lower, upper; /* 95 % of the samples' differences (value less baseline) lie within */
    double better;       /* share of samples in which the translation beats the baseline */
    double p_value;      /* two-sided: of a difference like this by chance */
};

/*
 * Paired bootstrap resampling (Koehn, "Statistical significance tests for machine translation evaluation", EMNLP 2004):
 * each sample draws `lines` lines with replacement, the same for both sides and for every metric.
 * counts, baseline [lines, metric->counts].
 *
 * The p-value is that of sacrebleu's --paired-bs: with d the difference and d(s) that of sample s, the share
 * (1 + #{s: |d(s)| - mean |d(.)| > |d|}) / (1 + samples). Numbers come from Philox, not from NumPy, so that the two agree
 * within the noise of the samples, not digit for digit. sacrebleu's interval is that of each value, ours of the difference.
 */
enum status bootstrap_compare(struct bootstrap *out, const struct text_metric_kind *metric,
        const int64_t *counts, const int64_t *baseline, size_t lines, size_t samples, uint64_t seed);

#endif
