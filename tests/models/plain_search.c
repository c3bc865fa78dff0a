#include "tests/models/plain_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void plain_next(const struct ensemble *ensemble, const int32_t *source, size_t source_tokens,
        const int32_t *ids, size_t count, double out[TINY_PIECES])
{
    static float logits[PLAIN_TOKENS * TINY_PIECES];
    int32_t target[PLAIN_TOKENS] = {0},
            ends[SIDES][2] = {{0, (int32_t)source_tokens}, {0, (int32_t)count + 1}};
    struct batch batch = {.pairs = 1,
            .ids = {source, target},
            .offsets = {ends[SOURCE], ends[TARGET]},
            .tokens = {source_tokens, count + 1},
            .longest = {source_tokens, count + 1}};
    memcpy(target, ids, count * sizeof *ids);
    double sum[TINY_PIECES] = {0};
    for (size_t m = 0; m < ensemble->count; m++) {
        const float *last = logits + count * TINY_PIECES;
        ASSERT(model_logits(ensemble->models[m], &batch, logits) == STATUS_OK);
        double weight = ensemble->weights ? ensemble->weights[m] : 1 / (double)ensemble->count, total = 0;
        for (int c = 0; c < TINY_PIECES; c++)
            total += exp((double)last[c]);
        for (int c = 0; c < TINY_PIECES; c++)
            sum[c] += weight * exp((double)last[c]) / total;
    }
    for (int c = 0; c < TINY_PIECES; c++)
        out[c] = log(sum[c]);
}

double plain_score(const struct decode_options *options, double log_probability, size_t count)
{
    double length = (double)count, divisor = 1;
    const char *kind = options->length_penalty ? options->length_penalty->name : "none";
    if (strcmp(kind, "average") == 0)
        divisor = pow(length, options->length_alpha);
    else if (strcmp(kind, "gnmt") == 0)
        divisor = pow((5 + length) / 6, options->length_alpha);
    return log_probability / divisor - options->word_penalty * length;
}

/* Whether the last n tokens stand in the hypothesis before. */
static bool repeats(const struct plain_hypothesis *h, size_t n)
{
    for (size_t first = 0; n > 0 && first + n < h->count; first++)
        if (memcmp(h->ids + first, h->ids + h->count - n, n * sizeof *h->ids) == 0)
            return true;
    return false;
}

static int higher_first(const void *a, const void *b)
{
    const struct plain_hypothesis *x = a, *y = b;
    return x->log_probability > y->log_probability ? -1 : x->log_probability < y->log_probability;
}

static int better_first(const void *a, const void *b)
{
    const struct plain_hypothesis *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score;
}

static size_t ways_on(const struct ensemble *ensemble, const struct decode_options *options,
        const int32_t *source, size_t source_tokens, const struct plain_hypothesis *open, size_t count,
        struct plain_hypothesis *out)
{
    size_t found = 0;
    for (size_t h = 0; h < count; h++) {
        double next[TINY_PIECES];
        plain_next(ensemble, source, source_tokens, open[h].ids, open[h].count, next);
        for (int32_t c = 0; c < TINY_PIECES; c++) {
            struct plain_hypothesis way = open[h];
            way.ids[way.count++] = c;
            way.log_probability += next[c];
            if (!repeats(&way, (size_t)options->no_repeat_ngram))
                out[found++] = way;
        }
    }
    qsort(out, found, sizeof *out, higher_first);
    return found;
}

static struct plain_hypothesis scored(const struct decode_options *options, const struct plain_hypothesis *of)
{
    struct plain_hypothesis out = *of;
    out.score = plain_score(options, of->log_probability, of->count);
    return out;
}

/* Whether as many finished hypotheses as the beam is wide score no less than `open` as it stands. */
static bool outscored(const struct decode_options *options, const struct plain_hypothesis *open,
        const struct plain_hypothesis *done, size_t finished)
{
    size_t better = 0;
    double score = plain_score(options, open->log_probability, open->count);
    for (size_t h = 0; h < finished; h++)
        better += done[h].score >= score;
    return better >= (size_t)options->beam;
}

size_t plain_search(const struct ensemble *ensemble, const struct decode_options *options,
        const int32_t *source, size_t source_tokens, size_t limit, struct plain_hypothesis *out)
{
    static struct plain_hypothesis open[PLAIN_HYPOTHESES], ways[PLAIN_HYPOTHESES], done[PLAIN_HYPOTHESES];
    size_t beam = (size_t)options->beam, opened = 1, finished = 0;
    open[0] = (struct plain_hypothesis){0};
    while (opened > 0 && !outscored(options, &open[0], done, finished)) {
        size_t count = ways_on(ensemble, options, source, source_tokens, open, opened, ways);
        opened = 0;
        for (size_t rank = 0; rank < count && opened < beam; rank++) {
            bool end = ways[rank].ids[ways[rank].count - 1] == TOKEN_END;
            if (end && rank < beam)
                done[finished++] = scored(options, &ways[rank]);
            else if (!end)
                open[opened++] = ways[rank];
        }
        for (; opened > 0 && open[0].count == limit; opened--)
            done[finished++] = scored(options, &open[opened - 1]);
    }
    qsort(done, finished, sizeof *done, better_first);
    size_t count = finished < (size_t)options->nbest ? finished : (size_t)options->nbest;
    memcpy(out, done, count * sizeof *done);
    return count;
}
