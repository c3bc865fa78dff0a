/*
 * The edits of TER: a greedy search shifts blocks of the hypothesis, one at a time, as long as that brings it nearer to
 * the reference; then words are inserted, deleted and replaced. A shift costs 1, however long and far.
 *
 * Which shifts are tried and which of equally good ones is made are Tercom's rules, in the form sacrebleu gives them; a
 * number is comparable only if every one of them is kept, so their odd corners are kept too.
 *
 * The distance is computed in a band around the diagonal of the matrix:
 *
 *          reference ->           row i is what i words of the hypothesis cost; it holds columns [band_first(i), band_end(i)).
 *          \ \                    In memory a row starts one column earlier, and goes on as far as the next row
 *     hyp.  \ \ \                 looks: there the cost is UNREACHED.
 *            \ \ \
 */
#include "train/metrics/internal.h"

#include <math.h>
#include <string.h>

enum { SHIFT_LENGTH = 10, SHIFT_DISTANCE = 50, CANDIDATES = 1000, BEAM = 25 };
enum { UNREACHED = 1 << 29 };

struct search {
    const struct symbols *reference;
    size_t words; /* of the hypothesis; shifts keep their number */
    size_t beam;
    double ratio;           /* words of the reference for one of the hypothesis */
    uint32_t *hypothesis;   /* [words] as it is now */
    uint32_t *tried;        /* [words] after the shift that is being tried */
    int32_t *costs, *trial; /* the two matrices */
    size_t *rows;           /* [words + 1] where each row starts in them */
    /* How the hypothesis as it is now lines up with the reference. */
    bool *wrong, *reference_wrong; /* [words], [reference]: not matched */
    ptrdiff_t *align;              /* [reference] the hypothesis word at or before that place; -1: none */
    int32_t distance;              /* of the hypothesis as it is now */
    int candidates;
};

struct shift {
    int32_t gain;
    size_t start, length, target;
};

/* ---- the band ---- */

static size_t diagonal(const struct search *s, size_t i)
{
    return (size_t)floor((double)i * s->ratio);
}

static size_t band_first(const struct search *s, size_t i)
{
    size_t middle = diagonal(s, i);
    return i == 0 || middle < s->beam ? 0 : middle - s->beam;
}

static size_t band_end(const struct search *s, size_t i)
{
    size_t all = s->reference->count + 1, end = diagonal(s, i) + s->beam;
    return i == 0 || i == s->words || end > all ? all : end;
}

/* Columns in memory. */
static size_t row_room(const struct search *s, size_t i)
{
    size_t end = band_end(s, i);
    if (i < s->words && band_end(s, i + 1) > end)
        end = band_end(s, i + 1);
    return end - band_first(s, i) + 1;
}

static int32_t cost_at(const struct search *s, size_t i, size_t j)
{
    size_t first = band_first(s, i), column = j + 1 - first;
    return j + 1 < first || column >= row_room(s, i) ? UNREACHED : s->costs[s->rows[i] + column];
}

/* ---- the distance ---- */

static int32_t least(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

/* Row i of `matrix` from row i - 1 in `above_matrix`, for the i-th word. */
static void fill_row(
        const struct search *s, int32_t *matrix, const int32_t *above_matrix, size_t i, uint32_t word)
{
    size_t first = band_first(s, i), end = band_end(s, i), room = row_room(s, i);
    const int32_t *above = above_matrix + s->rows[i - 1] + (first - band_first(s, i - 1));
    int32_t *row = matrix + s->rows[i];
    const uint32_t *reference = s->reference->items;
    row[0] = UNREACHED;
    for (size_t j = first; j < end; j++) {
        size_t k = j - first + 1;
        int32_t best = least(above[k], row[k - 1]) + 1;
        if (j > 0)
            best = least(best, above[k - 1] + (word != reference[j - 1]));
        row[k] = least(best, UNREACHED);
    }
    for (size_t k = end - first + 1; k < room; k++)
        row[k] = UNREACHED;
}

static int32_t last_cost(const struct search *s, const int32_t *matrix)
{
    return matrix[s->rows[s->words] + s->reference->count + 1 - band_first(s, s->words)];
}

static void measure(struct search *s)
{
    for (size_t i = 1; i <= s->words; i++)
        fill_row(s, s->costs, s->costs, i, s->hypothesis[i - 1]);
    s->distance = last_cost(s, s->costs);
}

/* The distance of s->tried, whose first `same` words are the hypothesis's. */
static int32_t measure_trial(const struct search *s, size_t same)
{
    for (size_t i = same + 1; i <= s->words; i++)
        fill_row(s, s->trial, i == same + 1 ? s->costs : s->trial, i, s->tried[i - 1]);
    return same == s->words ? s->distance : last_cost(s, s->trial);
}

/* The cheapest way back through the matrix; of equally cheap steps a match or replacement, then a word too many, then a
 * word that is missing. */
static void line_up(struct search *s)
{
    size_t i = s->words, j = s->reference->count;
    while (i > 0 || j > 0) {
        int32_t cost = cost_at(s, i, j);
        bool differs = i > 0 && j > 0 && s->hypothesis[i - 1] != s->reference->items[j - 1];
        if (i > 0 && j > 0 && cost_at(s, i - 1, j - 1) + differs == cost) {
            s->wrong[--i] = differs;
            s->reference_wrong[--j] = differs;
            s->align[j] = (ptrdiff_t)i;
        } else if (i > 0 && cost_at(s, i - 1, j) + 1 == cost) {
            s->wrong[--i] = true;
        } else {
            s->reference_wrong[--j] = true;
            s->align[j] = (ptrdiff_t)i - 1;
        }
    }
}

/* ---- shifts ---- */

/* s->tried: the hypothesis with `length` words from `start` on standing before the word that was at `target`; inside
 * or next to the block, `target` counts without it. */
static void shift_words(struct search *s, size_t start, size_t length, size_t target)
{
    const uint32_t *from = s->hypothesis;
    size_t size = sizeof *from, end = start + length;
    memcpy(s->tried, from, s->words * size);
    if (target < start) {
        memcpy(s->tried + target, from + start, length * size);
        memcpy(s->tried + target + length, from + target, (start - target) * size);
        return;
    }
    size_t stop = target > end ? target : target + length; /* words [end, stop) come before the block */
    if (stop > s->words)
        stop = s->words;
    memcpy(s->tried + start, from + end, (stop - end) * size);
    memcpy(s->tried + start + (stop - end), from + start, length * size);
}

static bool better(const struct shift *a, const struct shift *b)
{
    if (a->gain != b->gain)
        return a->gain > b->gain;
    if (a->length != b->length)
        return a->length > b->length;
    if (a->start != b->start)
        return a->start < b->start;
    return a->target < b->target;
}

static bool any(const bool *flags, size_t count)
{
    return memchr(flags, true, count) != NULL;
}

/* A block of the hypothesis at `start` that stands in the reference at `place`: tries to set it down before and after each
 * word that lines up there. */
static void try_block(struct search *s, size_t start, size_t place, size_t length, struct shift *best)
{
    if (!any(s->wrong + start, length) || !any(s->reference_wrong + place, length))
        return;
    if (s->align[place] >= (ptrdiff_t)start && s->align[place] < (ptrdiff_t)(start + length))
        return;
    size_t last = SIZE_MAX;
    for (size_t k = 0; k <= length; k++) {
        size_t target = place + k == 0 ? 0 : (size_t)(s->align[place + k - 1] + 1);
        if (target == last)
            continue;
        last = target;
        shift_words(s, start, length, target);
        int32_t distance = measure_trial(s, start < target ? start : target);
        struct shift found = {s->distance - distance, start, length, target};
        if (best->length == 0 || better(&found, best))
            *best = found;
        s->candidates++;
    }
}

/* The best shift, of length 0 if there is none to try. */
static struct shift find_shift(struct search *s)
{
    struct shift best = {0};
    size_t places = s->reference->count;
    line_up(s);
    for (size_t start = 0; start < s->words; start++) {
        size_t first = start < SHIFT_DISTANCE ? 0 : start - SHIFT_DISTANCE;
        for (size_t place = first; place < places && place <= start + SHIFT_DISTANCE; place++)
            for (size_t n = 0; n < SHIFT_LENGTH && start + n < s->words && place + n < places &&
                               s->hypothesis[start + n] == s->reference->items[place + n];
                    n++) {
                try_block(s, start, place, n + 1, &best);
                if (s->candidates >= CANDIDATES)
                    return best;
            }
    }
    return best;
}

/* ---- the search ---- */

static enum status search_open(struct search *s, struct arena *arena, const struct symbols *hypothesis)
{
    size_t words = s->words, places = s->reference->count, room = 0;
    s->ratio = words ? (double)places / (double)words : 1;
    s->beam = BEAM < s->ratio / 2 ? (size_t)ceil(s->ratio / 2 + BEAM) : BEAM;
    s->rows = arena_take(arena, words + 1, sizeof *s->rows);
    TRY(arena_status(arena));
    for (size_t i = 0; i <= words; i++) {
        s->rows[i] = room;
        room += row_room(s, i);
    }
    s->hypothesis = arena_take(arena, words, sizeof *s->hypothesis);
    s->tried = arena_take(arena, words, sizeof *s->tried);
    s->wrong = arena_take_zeroed(arena, words, sizeof *s->wrong);
    s->reference_wrong = arena_take_zeroed(arena, places, sizeof *s->reference_wrong);
    s->align = arena_take_zeroed(arena, places, sizeof *s->align);
    s->costs = arena_take(arena, room, sizeof *s->costs);
    s->trial = arena_take(arena, room, sizeof *s->trial);
    TRY(arena_status(arena));
    if (words > 0)
        memcpy(s->hypothesis, hypothesis->items, words * sizeof *s->hypothesis);
    s->costs[0] = UNREACHED;
    for (size_t j = 0; j <= places; j++)
        s->costs[1 + j] = (int32_t)j;
    return STATUS_OK;
}

enum status ter_edits(
        int64_t *out, struct arena *arena, const struct symbols *hypothesis, const struct symbols *reference)
{
    struct search s = {.reference = reference, .words = hypothesis->count};
    int64_t shifts = 0;
    *out = (int64_t)hypothesis->count;
    if (reference->count == 0)
        return STATUS_OK;
    TRY(search_open(&s, arena, hypothesis));
    measure(&s);
    for (;;) {
        struct shift shift = find_shift(&s);
        if (s.candidates >= CANDIDATES || shift.gain <= 0)
            break;
        shift_words(&s, shift.start, shift.length, shift.target);
        memcpy(s.hypothesis, s.tried, s.words * sizeof *s.tried);
        measure(&s);
        shifts++;
    }
    *out = shifts + s.distance;
    return STATUS_OK;
}
