#include "train/metrics/internal.h"

#include <stdio.h>
#include <string.h>

static const struct text_metric_kind metrics[] = {
        {{"bleu", "word n-grams up to 4, precision with a brevity penalty", "Papineni et al., ACL 2002"},
                "BLEU", true, true, true, BLEU_COUNTS, bleu_add, bleu_value, bleu_signature, bleu_details},
        {{"chrf", "character n-grams up to 6, F2 score", "Popović, WMT 2015"}, "chrF2", true, false, true,
                3 * CHRF_CHARACTERS, chrf_add, chrf_value, chrf_signature, NULL},
        {{"chrf++", "chrf with words and pairs of words", "Popović, WMT 2017"}, "chrF2++", true, false, true,
                3 * (CHRF_CHARACTERS + CHRF_WORDS), chrf_words_add, chrf_words_value, chrf_words_signature,
                NULL},
        {{"ter", "edits a reference word, shifts of blocks included; lower is better",
                 "Snover et al., AMTA 2006"},
                "TER", false, false, false, TER_COUNTS, ter_add, ter_value, ter_signature, NULL},
        {{"exact", "share of lines that equal their reference", NULL}, "exact", true, false, true,
                EXACT_COUNTS, exact_add, exact_value, exact_signature, NULL},
};

const struct kind_table text_metric_kinds = KIND_TABLE("metric", metrics);

_Static_assert(sizeof metrics / sizeof *metrics <= TEXT_METRICS, "room for all metrics");
_Static_assert((int)METRIC_COUNTS >= 3 * (CHRF_CHARACTERS + CHRF_WORDS), "room for all counts");

/* Bytes that most pairs of lines do with. */
enum { ARENA_BYTES = 1 << 16 };

enum status text_metric_count(const struct text_metric_kind *metric,
        const struct text_metric_options *options, const char *hypothesis, size_t bytes,
        const char *reference, size_t reference_bytes, int64_t *counts)
{
    bool lowercase = options->lowercase || !metric->cased;
    struct symbols hypothesis_text, reference_text;
    struct arena *arena;
    TRY(arena_open(&arena, "metrics", ARENA_BYTES));
    enum status status = characters_open(&hypothesis_text, arena, hypothesis, bytes, lowercase);
    if (status == STATUS_OK)
        status = characters_open(&reference_text, arena, reference, reference_bytes, lowercase);
    if (status == STATUS_OK)
        status = metric->add(arena, options, &hypothesis_text, &reference_text, counts);
    arena_close(arena);
    return status;
}

void text_metric_signature(const struct text_metric_kind *metric, const struct text_metric_options *options,
        char *out, size_t room)
{
    char own[METRIC_TEXT];
    metric->signature(options, own, sizeof own);
    snprintf(out, room, "nrefs:1|%s|version:seqtrain", own);
}

const char *metric_case(const struct text_metric_options *options)
{
    return options->lowercase ? "lc" : "mixed";
}

/* ---- exact ---- */

enum status exact_add(struct arena *arena, const struct text_metric_options *options,
        const struct symbols *hypothesis, const struct symbols *reference, int64_t *counts)
{
    (void)arena;
    (void)options;
    size_t count = hypothesis->count;
    counts[0] += count == reference->count && (count == 0 || memcmp(hypothesis->items, reference->items,
                                                                     count * sizeof *reference->items) == 0);
    counts[1]++;
    return STATUS_OK;
}

double exact_value(const int64_t *counts)
{
    return counts[1] ? 100 * (double)counts[0] / (double)counts[1] : 0;
}

void exact_signature(const struct text_metric_options *options, char *out, size_t room)
{
    snprintf(out, room, "case:%s", metric_case(options));
}
