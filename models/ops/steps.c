#include "models/recurrent.h"

static int32_t length_of(const int32_t *offsets, size_t sentence)
{
    return offsets[sentence + 1] - offsets[sentence];
}

/* order: by counting, so that sentences of equal length stay as they were. first: rows of the steps before. */
static void fill(struct steps *steps, const int32_t *offsets, int32_t *order, int32_t *first)
{
    for (size_t s = 0; s < steps->sentences; s++) /* sentences of at least t + 1 tokens, in first[t + 1] */
        first[length_of(offsets, s)]++;
    for (size_t t = steps->count; t > 1; t--)
        first[t - 1] += first[t];
    for (size_t s = steps->sentences; s-- > 0;) {
        size_t length = (size_t)length_of(offsets, s);
        order[--first[length]] = (int32_t)s; /* within those of at least its length: after the longer ones */
    }
    /* Now first[length] is the number of longer sentences: those of step `length`. */
    int32_t rows = 0, active = (int32_t)steps->sentences;
    first[0] = 0;
    for (size_t t = 1; t <= steps->count; t++) {
        rows += active;
        active = first[t];
        first[t] = rows;
    }
}

struct steps steps_make(struct tape *tape, const int32_t *offsets, size_t sentences)
{
    struct steps steps = {.sentences = sentences};
    size_t longest = 0;
    for (size_t s = 0; s < sentences; s++)
        if ((size_t)length_of(offsets, s) > longest)
            longest = (size_t)length_of(offsets, s);
    int32_t *order = arena_take(tape_arena(tape), sentences, sizeof *order);
    int32_t *first = arena_take_zeroed(tape_arena(tape), longest + 1, sizeof *first);
    if (tape_status(tape) != STATUS_OK)
        return steps;
    steps.count = longest;
    steps.order = order;
    steps.first = first;
    fill(&steps, offsets, order, first);
    return steps;
}
