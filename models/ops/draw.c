#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/vector.h"

#include <string.h>

/* DRAW_ROWS: rows whose logits there are at once. SUM_BLOCK: weights summed as floats; over blocks sums are doubles. */
enum { DRAW_ROWS = 128, SUM_BLOCK = 256 };

/* ---- kernels ---- */

CLONES float logits_maximum(const float *logits, size_t classes)
{
    float maximum = logits[0];
#pragma omp simd reduction(max : maximum)
    for (size_t c = 0; c < classes; c++)
        maximum = logits[c] > maximum ? logits[c] : maximum;
    return maximum;
}

CLONES void logits_weigh(const float *logits, float maximum, float factor, size_t classes, float *weights)
{
#pragma omp simd
    for (size_t c = 0; c < classes; c++)
        weights[c] = vector_exp((logits[c] - maximum) * factor);
}

CLONES static float block_sum(const float *weights, size_t count)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t c = 0; c < count; c++)
        sum += weights[c];
    return sum;
}

/* Where `rest` of a block's sum is passed, or its last weight above 0 where rounding leaves a rest. */
static size_t class_in_block(const float *weights, size_t count, double rest)
{
    size_t last = 0;
    double sum = 0;
    for (size_t c = 0; c < count && sum <= rest; c++) {
        sum += (double)weights[c];
        last = weights[c] > 0 ? c : last;
    }
    return last;
}

size_t weights_at(const float *weights, size_t classes, double share)
{
    double total = 0, before = 0;
    for (size_t first = 0; first < classes; first += SUM_BLOCK)
        total += (double)block_sum(weights + first, smaller(SUM_BLOCK, classes - first));
    for (size_t first = 0; first < classes; first += SUM_BLOCK) {
        size_t count = smaller(SUM_BLOCK, classes - first);
        double sum = (double)block_sum(weights + first, count);
        if (before + sum > share * total)
            return first + class_in_block(weights + first, count, share * total - before);
        before += sum;
    }
    return 0; /* nothing is above NaN */
}

/* ---- rows ---- */

struct drawing {
    const struct tensor *weight, *bias;
    size_t classes;
    struct packed panels;
};

struct drawing *drawing_start(
        struct tape *tape, const struct tensor *weight, const struct tensor *bias, size_t classes)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    ASSERT(classes > 0 && classes <= weight->rows && (!bias || bias->columns >= classes));
    struct drawing *drawing = arena_take_zeroed(tape_arena(tape), 1, sizeof *drawing);
    if (!drawing)
        return NULL;
    *drawing = (struct drawing){.weight = weight, .bias = bias, .classes = classes};
    if (!packed_take(&drawing->panels, tape_arena(tape), classes, weight->columns))
        return NULL;
    packed_fill(&drawing->panels, weight->value, weight->columns, false);
    return drawing;
}

static void draw_row(const struct drawing *drawing, float *logits, struct draw *draw)
{
    const size_t classes = drawing->classes;
    if (drawing->bias)
        floats_add(logits, drawing->bias->value, classes);
    logits_weigh(logits, logits_maximum(logits, classes), 1, classes, logits);
    draw->token = (int32_t)weights_at(logits, classes, draw->share);
}

/* rows: room for those of x, logits for theirs. */
static void draw_block(const struct drawing *drawing, const struct tensor *x, struct draw *draws,
        size_t count, float *rows, float *logits)
{
    const size_t d = x->columns, classes = drawing->classes;
    for (size_t i = 0; i < count; i++)
        memcpy(rows + i * d, x->value + draws[i].row * d, d * sizeof *rows);
    gemm_packed(&(struct packed_product){.m = count,
            .n = classes,
            .a = rows,
            .lda = d,
            .b = &drawing->panels,
            .c = logits,
            .ldc = classes});
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t i = 0; i < count; i++)
        draw_row(drawing, logits + i * classes, &draws[i]);
}

void op_draw(struct tape *tape, const struct drawing *drawing, const struct tensor *x, struct draw *draws,
        size_t count)
{
    if (tape_status(tape) != STATUS_OK || count == 0)
        return;
    ASSERT(x->columns == drawing->weight->columns);
    struct arena_mark mark = arena_mark(tape_arena(tape));
    const size_t most = smaller(count, DRAW_ROWS);
    float *rows = arena_take(tape_arena(tape), most * x->columns, sizeof *rows);
    float *logits = arena_take(tape_arena(tape), most * drawing->classes, sizeof *logits);
    for (size_t first = 0; rows && logits && first < count; first += most)
        draw_block(drawing, x, draws + first, smaller(most, count - first), rows, logits);
    arena_reset(tape_arena(tape), mark);
}
