/*
 * TER (Snover et al., AMTA 2006): edits a reference word, with the limits of Tercom as sacrebleu has them; ter_shift.c
 * counts the edits. Text is lower-cased and split at white space, nothing else.
 */
#include "train/metrics/internal.h"

#include <stdio.h>

enum status ter_add(struct arena *arena, const struct text_metric_options *options,
        const struct symbols *hypothesis, const struct symbols *reference, int64_t *counts)
{
    (void)options;
    struct words hypothesis_words, reference_words;
    struct symbols hypothesis_ids, reference_ids;
    int64_t edits;
    TRY(words_split(&hypothesis_words, arena, hypothesis));
    TRY(words_split(&reference_words, arena, reference));
    TRY(words_number(&hypothesis_ids, &reference_ids, arena, &hypothesis_words, &reference_words));
    TRY(ter_edits(&edits, arena, &hypothesis_ids, &reference_ids));
    counts[0] += edits;
    counts[1] += (int64_t)reference_ids.count;
    return STATUS_OK;
}

double ter_value(const int64_t *counts)
{
    if (counts[1] == 0)
        return counts[0] ? 100 : 0;
    return 100 * (double)counts[0] / (double)counts[1];
}

void ter_signature(const struct text_metric_options *options, char *out, size_t room)
{
    (void)options;
    snprintf(out, room, "case:lc|tok:tercom|norm:no|punct:yes|asian:no");
}
