#include "io/corpus/reader_window.h"

#include "comm/memory.h"

#include <stdlib.h>

static int compare_runs(const void *left, const void *right)
{
    const struct window_run *a = left, *b = right;
    if (a->run.first != b->run.first)
        return a->run.first < b->run.first ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* Copies the runs in order of their pairs, so that a file is read forward; returns the number of starts. */
static enum status copy_runs(struct window *window, const struct plan_window *now, size_t *starts)
{
    TRY(memory_grow(&window->runs, "reader", &window->run_room, now->count, sizeof *window->runs));
    TRY(memory_grow(&window->places, "reader", &window->place_room, now->count, sizeof *window->places));
    window->run_count = now->count;
    for (size_t i = 0; i < now->count; i++)
        window->runs[i] = (struct window_run){now->runs[i], i, 0};
    qsort(window->runs, window->run_count, sizeof *window->runs, compare_runs);
    *starts = 0;
    for (size_t i = 0; i < window->run_count; i++) {
        window->places[window->runs[i].number] = i;
        window->runs[i].base = *starts;
        *starts += window->runs[i].run.count + 1;
    }
    return STATUS_OK;
}

/* Reads one side of a run; `end` tokens are in the window before it. */
static enum status load_run(struct window *window, const struct corpora *corpora, enum side side,
        const struct window_run *place, size_t *end)
{
    size_t first, pairs = place->run.count;
    int64_t *starts = window->starts[side] + place->base;
    struct corpus *corpus = corpora_of(corpora, place->run.first, &first);
    TRY(corpus_offsets(corpus, side, first, pairs, starts));
    int64_t from = starts[0];
    size_t count = (size_t)(starts[pairs] - from), words = window->words[side];
    TRY(memory_grow(&window->tokens[side], "reader", &window->token_room[side], (*end + count) * words,
            sizeof **window->tokens));
    TRY(corpus_tokens(corpus, side, from, count, window->tokens[side] + *end * words));
    for (size_t i = 0; i <= pairs; i++)
        starts[i] += (int64_t)*end - from;
    *end += count;
    return STATUS_OK;
}

/* Reads the points of a run; `end` are in the window before it. */
static enum status load_points(
        struct window *window, const struct corpora *corpora, const struct window_run *place, size_t *end)
{
    size_t first, pairs = place->run.count;
    int64_t *starts = window->point_starts + place->base;
    struct corpus *corpus = corpora_of(corpora, place->run.first, &first);
    TRY(corpus_point_offsets(corpus, first, pairs, starts));
    int64_t from = starts[0];
    size_t count = (size_t)(starts[pairs] - from);
    TRY(memory_grow(
            &window->points, "reader", &window->point_room, *end + count + 1, sizeof *window->points));
    TRY(corpus_points(corpus, from, count, window->points + *end));
    for (size_t i = 0; i <= pairs; i++)
        starts[i] += (int64_t)*end - from;
    *end += count;
    return STATUS_OK;
}

static enum status load_alignment(struct window *window, const struct corpora *corpora, size_t starts)
{
    size_t end = 0;
    TRY(memory_grow(&window->point_starts, "reader", &window->point_start_room, starts,
            sizeof *window->point_starts));
    for (size_t i = 0; i < window->run_count; i++)
        TRY(load_points(window, corpora, &window->runs[i], &end));
    return STATUS_OK;
}

enum status window_load(
        struct window *window, const struct corpora *corpora, const struct plan_window *now, int64_t epoch)
{
    size_t starts;
    if (window->number == now->number && window->epoch == epoch)
        return STATUS_OK;
    window->number = 0;
    TRY(copy_runs(window, now, &starts));
    for (int side = 0; side < SIDES; side++) {
        size_t end = 0;
        window->words[side] = corpus_words(corpora_at(corpora, 0), (enum side)side);
        TRY(memory_grow(
                &window->starts[side], "reader", &window->start_room[side], starts, sizeof **window->starts));
        for (size_t i = 0; i < window->run_count; i++)
            TRY(load_run(window, corpora, (enum side)side, &window->runs[i], &end));
    }
    if (window->aligned)
        TRY(load_alignment(window, corpora, starts));
    window->number = now->number;
    window->epoch = epoch;
    return STATUS_OK;
}

void window_release(struct window *window)
{
    for (int side = 0; side < SIDES; side++) {
        memory_free(window->starts[side]);
        memory_free(window->tokens[side]);
    }
    memory_free(window->point_starts);
    memory_free(window->points);
    memory_free(window->runs);
    memory_free(window->places);
}

/* Where a pair of the plan stands in `starts`. */
static size_t place_of(const struct window *window, const struct plan_item *item)
{
    const struct window_run *place = &window->runs[window->places[item->run]];
    size_t within = (size_t)item->pair - place->run.first;
    ASSERT(item->run < window->run_count && within < place->run.count);
    return place->base + within;
}

const int32_t *window_sentence(
        const struct window *window, enum side side, const struct plan_item *item, size_t *count)
{
    const int64_t *starts = window->starts[side] + place_of(window, item);
    *count = (size_t)(starts[1] - starts[0]);
    return window->tokens[side] + (size_t)starts[0] * window->words[side];
}

const struct corpus_point *window_points(
        const struct window *window, const struct plan_item *item, size_t *count)
{
    const int64_t *starts = window->point_starts + place_of(window, item);
    *count = (size_t)(starts[1] - starts[0]);
    return window->points + starts[0];
}
