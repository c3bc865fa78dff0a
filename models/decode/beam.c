#include "models/decode/search.h"

#include "comm/memory.h"
#include "models/ops/kernels.h"

#include <string.h>

/* ---- finished hypotheses ---- */

static void finish_one(struct beam *beam, const struct decode_options *options, const struct path *path)
{
    double score = decode_score(options, path->log_probability, path_length(path));
    size_t most = decode_width(options);
    if (beam->kept == most && !(score > beam->finished[most - 1].score))
        return;
    size_t place = beam->kept < most ? beam->kept++ : most - 1;
    for (; place > 0 && score > beam->finished[place - 1].score; place--)
        beam->finished[place] = beam->finished[place - 1];
    beam->finished[place] = (struct finished){path->last, path->log_probability, score};
}

/* Samples that share the whole path, where nothing was left to draw, are a hypothesis each. */
static void finish(struct beam *beam, const struct decode_options *options, const struct path *path)
{
    for (size_t i = 0; i < path->samples; i++)
        finish_one(beam, options, path);
}

/* Whether the search is over, `path` being the best of those that could go on. */
static bool decided(const struct beam *beam, const struct decode_options *options, const struct path *path)
{
    size_t width = decode_width(options), nbest = (size_t)options->nbest;
    if (options->sample)
        return false;
    double now = decode_score(options, path->log_probability, path_length(path));
    if (beam->kept == width && beam->finished[width - 1].score >= now)
        return true;
    double best = decode_best_score(options, path->log_probability, path_length(path), beam->limit);
    return beam->kept >= nbest && beam->finished[nbest - 1].score >= best;
}

/* ---- a step ---- */

/* The best choice that is left of rows [first, first + count); `taken` of each are used up. Returns its row, or `first
 * + count` if none is left. */
static size_t best_row(
        const struct path *paths, const struct row *rows, const size_t *taken, size_t first, size_t count)
{
    size_t best = first + count;
    double highest = 0;
    for (size_t r = first; r < first + count; r++) {
        if (taken[r - first] == rows[r].count)
            continue;
        double sum = paths[r].log_probability + rows[r].choices[taken[r - first]].log_probability;
        if (best == first + count || sum > highest) {
            best = r;
            highest = sum;
        }
    }
    return best;
}

static enum status extend(struct path *out, struct arena *arena, const struct path *path,
        const struct row *row, const struct choice *choice)
{
    struct trace *trace = arena_take(arena, 1, sizeof *trace);
    if (!trace)
        return arena_status(arena);
    *trace = (struct trace){.parent = path->last,
            .length = path_length(path) + 1,
            .attention = row->attention,
            .log_probability = choice->log_probability,
            .token = choice->token};
    *out = (struct path){.sentence = path->sentence,
            .last = trace,
            .log_probability = path->log_probability + choice->log_probability,
            .sample = choice->sample,
            .samples = choice->samples};
    return STATUS_OK;
}

enum status beam_advance(struct beam *beam, const struct decode_options *options, const struct path *paths,
        const struct row *rows, size_t first, size_t count, struct next *next)
{
    size_t width = decode_width(options), start = next->rows, open = 0;
    size_t *taken = arena_take_zeroed(next->arena, count, sizeof *taken);
    if (!taken)
        return arena_status(next->arena);
    for (size_t rank = 0; rank < 2 * width && open < width; rank++) {
        size_t r = best_row(paths, rows, taken, first, count);
        if (r == first + count)
            break;
        const struct choice *choice = &rows[r].choices[taken[r - first]++];
        bool end = choice->token == TOKEN_END;
        if (end && rank >= width)
            continue;
        struct path path;
        TRY(extend(&path, next->arena, &paths[r], &rows[r], choice));
        open += !end;
        if (end || path_length(&path) >= beam->limit)
            finish(beam, options, &path);
        else {
            next->parents[next->rows] = (int32_t)r;
            next->paths[next->rows++] = path;
        }
    }
    if (next->rows > start && decided(beam, options, &next->paths[start]))
        next->rows = start;
    return STATUS_OK;
}

/* ---- results ---- */

static enum status new_weights(float **out, size_t *count, size_t planes, size_t rows, size_t columns)
{
    if (!size_multiply(count, rows, columns) || !size_multiply(count, *count, planes))
        return status_fail(STATUS_INTERNAL,
                "the attention of %zu tokens to %zu, %zu times, exceeds the address space", rows, columns,
                planes);
    return memory_new(out, "hypothesis", *count, sizeof **out);
}

/* The mean over the heads of the last layer. */
static enum status take_alignment(
        struct hypothesis *hypothesis, const struct beam *beam, const struct trace *last)
{
    size_t heads = beam->planes.heads, columns = beam->columns, floats;
    TRY(new_weights(&hypothesis->alignment, &floats, 1, hypothesis->count + 1, columns));
    for (const struct trace *trace = last; trace; trace = trace->parent)
        for (size_t h = 0; h < heads; h++)
            floats_add_scaled(hypothesis->alignment + (trace->length - 1) * columns,
                    trace->attention + ((beam->planes.layers - 1) * heads + h) * columns, 1.0f / (float)heads,
                    columns);
    return STATUS_OK;
}

static enum status take_attention(
        struct hypothesis *hypothesis, const struct beam *beam, const struct trace *last)
{
    size_t planes = beam->planes.layers * beam->planes.heads, columns = beam->columns;
    size_t rows = last->length;
    TRY(new_weights(&hypothesis->attention, &hypothesis->attention_count, planes, rows, columns));
    for (const struct trace *trace = last; trace; trace = trace->parent)
        for (size_t p = 0; p < planes; p++)
            memcpy(hypothesis->attention + (p * rows + trace->length - 1) * columns,
                    trace->attention + p * columns, columns * sizeof *trace->attention);
    return STATUS_OK;
}

static enum status take_hypothesis(struct hypothesis *out, const struct finished *finished,
        const struct decode_options *options, const struct beam *beam)
{
    const struct trace *last = finished->last;
    out->log_probability = finished->log_probability;
    out->score = finished->score;
    out->ended = last->token == TOKEN_END;
    out->count = last->length - out->ended;
    if (out->count > 0)
        TRY(memory_new(&out->ids, "hypothesis", out->count, sizeof *out->ids));
    if (options->token_scores)
        TRY(memory_new(
                &out->log_probabilities, "hypothesis", out->count + 1, sizeof *out->log_probabilities));
    for (const struct trace *trace = last; trace; trace = trace->parent) {
        if (trace->token != TOKEN_END)
            out->ids[trace->length - 1] = trace->token;
        if (options->token_scores)
            out->log_probabilities[trace->length - 1] = (float)trace->log_probability;
    }
    if (options->alignment)
        TRY(take_alignment(out, beam, last));
    return options->attention && finished == beam->finished ? take_attention(out, beam, last) : STATUS_OK;
}

enum status beam_translation(
        const struct beam *beam, const struct decode_options *options, struct translation *out)
{
    CHECK(beam->kept > 0, STATUS_INTERNAL,
            "sentence %lld has no translation: no token has a probability above 0", (long long)beam->number);
    size_t nbest = (size_t)options->nbest, count = beam->kept < nbest ? beam->kept : nbest;
    TRY(memory_new(&out->items, "hypothesis", count, sizeof *out->items));
    out->count = count;
    for (size_t h = 0; h < count; h++)
        TRY(take_hypothesis(&out->items[h], &beam->finished[h], options, beam));
    return STATUS_OK;
}
