/*
 * chrF (Popović, WMT 2015): the F2 score of character n-grams up to 6, white space left out; chrF++ (WMT 2017) adds words
 * and pairs of words. Precisions and recalls are averaged over the orders that both sides have.
 */
#include "train/metrics/internal.h"

#include <stdio.h>

/* Recall counts BETA times as much as precision. */
enum { BETA = 2 };

/* ---- counting ---- */

static enum status without_spaces(struct symbols *out, struct arena *arena, const struct symbols *text)
{
    *out = (struct symbols){arena_take(arena, text->count, sizeof(uint32_t)), 0};
    TRY(arena_status(arena));
    for (size_t i = 0; i < text->count; i++)
        if (!character_is_space(text->items[i]))
            out->items[out->count++] = text->items[i];
    return STATUS_OK;
}

static bool is_punctuation(uint32_t c)
{
    return c > ' ' && c < 0x7F && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') &&
           !(c >= 'a' && c <= 'z');
}

/* One punctuation mark at the end of a word, or else at its start, is a word of its own. */
static enum status split_words(struct words *out, struct arena *arena, const struct symbols *text)
{
    struct words whole;
    TRY(words_split(&whole, arena, text));
    *out = (struct words){text, arena_take(arena, 2 * whole.count, sizeof *out->items), 0};
    TRY(arena_status(arena));
    for (size_t i = 0; i < whole.count; i++) {
        struct span word = whole.items[i];
        size_t head = word.count;
        if (word.count > 1 && is_punctuation(text->items[word.first + word.count - 1]))
            head = word.count - 1;
        else if (word.count > 1 && is_punctuation(text->items[word.first]))
            head = 1;
        out->items[out->count++] = (struct span){word.first, head};
        if (head < word.count)
            out->items[out->count++] = (struct span){word.first + head, word.count - head};
    }
    return STATUS_OK;
}

/* An order that the reference lacks does not count against the hypothesis. */
static void add(int64_t *counts, const struct ngram_counts *ngrams, size_t orders)
{
    for (size_t n = 0; n < orders; n++) {
        counts[3 * n] += ngrams[n].reference > 0 ? ngrams[n].hypothesis : 0;
        counts[3 * n + 1] += ngrams[n].reference;
        counts[3 * n + 2] += ngrams[n].matches;
    }
}

enum status chrf_add(struct arena *arena, const struct text_metric_options *options,
        const struct symbols *hypothesis, const struct symbols *reference, int64_t *counts)
{
    (void)options;
    struct symbols hypothesis_characters, reference_characters;
    struct ngram_counts ngrams[CHRF_CHARACTERS];
    TRY(without_spaces(&hypothesis_characters, arena, hypothesis));
    TRY(without_spaces(&reference_characters, arena, reference));
    TRY(ngrams_count(ngrams, CHRF_CHARACTERS, arena, &hypothesis_characters, &reference_characters));
    add(counts, ngrams, CHRF_CHARACTERS);
    return STATUS_OK;
}

enum status chrf_words_add(struct arena *arena, const struct text_metric_options *options,
        const struct symbols *hypothesis, const struct symbols *reference, int64_t *counts)
{
    struct words hypothesis_words, reference_words;
    struct symbols hypothesis_ids, reference_ids;
    struct ngram_counts ngrams[CHRF_WORDS];
    TRY(chrf_add(arena, options, hypothesis, reference, counts));
    TRY(split_words(&hypothesis_words, arena, hypothesis));
    TRY(split_words(&reference_words, arena, reference));
    TRY(words_number(&hypothesis_ids, &reference_ids, arena, &hypothesis_words, &reference_words));
    TRY(ngrams_count(ngrams, CHRF_WORDS, arena, &hypothesis_ids, &reference_ids));
    add(counts + 3 * CHRF_CHARACTERS, ngrams, CHRF_WORDS);
    return STATUS_OK;
}

/* ---- the value ---- */

static double f_score(const int64_t *counts, size_t orders)
{
    const double factor = BETA * BETA;
    double precision = 0, recall = 0, shared = 0;
    for (size_t n = 0; n < orders; n++) {
        const int64_t *c = counts + 3 * n;
        if (c[0] == 0 || c[1] == 0)
            continue;
        precision += (double)c[2] / (double)c[0];
        recall += (double)c[2] / (double)c[1];
        shared++;
    }
    if (precision + recall == 0)
        return 0;
    precision /= shared;
    recall /= shared;
    return 100 * (1 + factor) * precision * recall / (factor * precision + recall);
}

double chrf_value(const int64_t *counts)
{
    return f_score(counts, CHRF_CHARACTERS);
}

double chrf_words_value(const int64_t *counts)
{
    return f_score(counts, CHRF_CHARACTERS + CHRF_WORDS);
}

static void sign(const struct text_metric_options *options, int words, char *out, size_t room)
{
    snprintf(out, room, "case:%s|eff:yes|nc:%d|nw:%d|space:no", metric_case(options), CHRF_CHARACTERS, words);
}

void chrf_signature(const struct text_metric_options *options, char *out, size_t room)
{
    sign(options, 0, out, room);
}

void chrf_words_signature(const struct text_metric_options *options, char *out, size_t room)
{
    sign(options, CHRF_WORDS, out, room);
}
