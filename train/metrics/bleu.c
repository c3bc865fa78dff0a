/*
 * BLEU (Papineni et al., ACL 2002) of a corpus with the "exp" smoothing of mteval-v13a: the k-th order without a match
 * counts 1 / 2^k matches.
 *
 *     BLEU = min(1, exp(1 - r / h)) · exp(sum over n of log p(n) / 4)        r, h: words of reference and hypothesis
 *
 * An order of which the corpus has no n-gram at all makes it 0 ("effective order" off).
 */
#include "train/metrics/internal.h"

#include <math.h>
#include <stdio.h>

static enum status to_words(struct words *out, struct symbols *tokens, struct arena *arena,
        const struct text_metric_options *options, const struct symbols *text)
{
    const struct text_tokenizer_kind *tokenizer = (const struct text_tokenizer_kind *)options->tokenizer;
    TRY(tokenizer->tokenise(tokens, arena, text));
    return words_split(out, arena, tokens);
}

enum status bleu_add(struct arena *arena, const struct text_metric_options *options,
        const struct symbols *hypothesis, const struct symbols *reference, int64_t *counts)
{
    struct symbols hypothesis_tokens, reference_tokens, hypothesis_ids, reference_ids;
    struct words hypothesis_words, reference_words;
    struct ngram_counts ngrams[BLEU_ORDERS];
    TRY(to_words(&hypothesis_words, &hypothesis_tokens, arena, options, hypothesis));
    TRY(to_words(&reference_words, &reference_tokens, arena, options, reference));
    TRY(words_number(&hypothesis_ids, &reference_ids, arena, &hypothesis_words, &reference_words));
    TRY(ngrams_count(ngrams, BLEU_ORDERS, arena, &hypothesis_ids, &reference_ids));
    counts[0] += (int64_t)hypothesis_ids.count;
    counts[1] += (int64_t)reference_ids.count;
    for (size_t n = 0; n < BLEU_ORDERS; n++) {
        counts[2 + n] += ngrams[n].matches;
        counts[2 + BLEU_ORDERS + n] += ngrams[n].hypothesis;
    }
    return STATUS_OK;
}

/* Percent. All 0 without any match. */
static void precisions(const int64_t *counts, double out[BLEU_ORDERS])
{
    double halves = 1;
    bool any = false;
    for (size_t n = 0; n < BLEU_ORDERS; n++) {
        any = any || counts[2 + n] > 0;
        out[n] = 0;
    }
    for (size_t n = 0; n < BLEU_ORDERS && any; n++) {
        double matches = (double)counts[2 + n], total = (double)counts[2 + BLEU_ORDERS + n];
        if (total == 0)
            return;
        if (matches == 0)
            matches = 1 / (halves *= 2);
        out[n] = 100 * matches / total;
    }
}

static double brevity_penalty(const int64_t *counts)
{
    double hypothesis = (double)counts[0], reference = (double)counts[1];
    if (hypothesis >= reference)
        return 1;
    return hypothesis > 0 ? exp(1 - reference / hypothesis) : 0;
}

double bleu_value(const int64_t *counts)
{
    double p[BLEU_ORDERS], sum = 0;
    precisions(counts, p);
    for (size_t n = 0; n < BLEU_ORDERS; n++) {
        if (p[n] == 0)
            return 0;
        sum += log(p[n] / 100);
    }
    return 100 * brevity_penalty(counts) * exp(sum / BLEU_ORDERS);
}

void bleu_signature(const struct text_metric_options *options, char *out, size_t room)
{
    snprintf(out, room, "case:%s|eff:no|tok:%s|smooth:exp", metric_case(options), options->tokenizer->name);
}

void bleu_details(const int64_t *counts, char *out, size_t room)
{
    double p[BLEU_ORDERS];
    precisions(counts, p);
    snprintf(out, room, "%.1f/%.1f/%.1f/%.1f (BP = %.3f ratio = %.3f hyp_len = %lld ref_len = %lld)", p[0],
            p[1], p[2], p[3], brevity_penalty(counts), counts[1] ? (double)counts[0] / (double)counts[1] : 0,
            (long long)counts[0], (long long)counts[1]);
}
