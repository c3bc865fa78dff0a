#include "models/layers/layers.h"

#include "comm/clock.h"
#include "models/ops/kernels.h"

#include <stdio.h>
#include <string.h>

/* ---- life ---- */

static enum status build(struct model *model)
{
    TRY(arena_open(&model->lasting, "model layout", 4096));
    TRY(arena_open_large(&model->step, "model step"));
    TRY(arena_open(&model->decode, "decoding", 0));
    TRY(arena_open(&model->packed, "packed weights", 0));
    TRY(model->architecture->declare(model));
    return parameters_allocate(&model->parameters);
}

enum status model_open(
        struct model **out, const struct model_options *options, const size_t rows[SIDES], bool joint)
{
    *out = NULL;
    const struct architecture *architecture = ((const struct architecture_kind *)options->kind)->architecture;
    bool text = options->source.kind == SOURCE_TEXT;
    for (int side = text ? SOURCE : TARGET; side < SIDES; side++)
        CHECK(rows[side] > TOKEN_FIRST_PIECE + VOCABULARY_EXTRA, STATUS_CONFIG,
                "a vocabulary has %zu rows; expected at least %d", rows[side],
                TOKEN_FIRST_PIECE + VOCABULARY_EXTRA + 1);
    CHECK(!joint || rows[SOURCE] == rows[TARGET], STATUS_CONFIG,
            "a joint vocabulary has %zu rows for the source and %zu for the target", rows[SOURCE],
            rows[TARGET]);
    TRY(architecture->check(options, joint));
    struct model *model;
    TRY(memory_new(&model, "model", 1, sizeof *model));
    model->options = *options;
    model->architecture = architecture;
    memcpy(model->rows, rows, sizeof model->rows);
    model->joint = joint;
    parameters_init(&model->parameters);
    enum status status = build(model);
    if (status != STATUS_OK)
        model_close(model);
    else
        *out = model;
    return status;
}

void model_close(struct model *model)
{
    if (!model)
        return;
    parameters_release(&model->parameters);
    memory_free(model->positions);
    arena_close(model->packed);
    arena_close(model->decode);
    arena_close(model->step);
    arena_close(model->lasting);
    memory_free(model);
}

struct parameters *model_parameters(struct model *model)
{
    model->packing.items = NULL;
    return &model->parameters;
}

const struct model_options *model_options(const struct model *model)
{
    return &model->options;
}

void model_initialise(struct model *model, uint64_t seed)
{
    parameters_initialise(model_parameters(model), seed);
}

struct attention_planes model_attention(const struct model *model)
{
    const struct architecture *architecture = model->architecture;
    struct attention_planes planes = {1, 1, 0, 0};
    if (!architecture->attends(model))
        return (struct attention_planes){0};
    if (architecture->attention)
        planes = architecture->attention(model);
    if (model->options.source.kind != SOURCE_IMAGES)
        return planes;
    struct grid grid = image_grid(model);
    planes.height = grid.height;
    planes.width = grid.width;
    return planes;
}

size_t model_peak_bytes(const struct model *model)
{
    return arena_peak(model->step);
}

enum status model_start_decoding(struct model *model)
{
    arena_clear(model->decode);
    if (model->packing.items && arena_status(model->packed) == STATUS_OK)
        return STATUS_OK;
    arena_clear(model->packed);
    struct packed *items = arena_take_zeroed(model->packed, model->parameters.count, sizeof *items);
    model->packing = (struct packing){model->packed, items};
    return arena_status(model->packed);
}

/* ---- one pass ---- */

struct sentences sentences_make(const int32_t *ids, const int32_t *offsets, size_t count)
{
    struct sentences sentences = {.count = count, .ids = ids, .offsets = offsets};
    sentences.tokens = count ? (size_t)offsets[count] : 0;
    for (size_t s = 0; s < count; s++) {
        size_t length = (size_t)(offsets[s + 1] - offsets[s]);
        if (length > sentences.longest)
            sentences.longest = length;
    }
    return sentences;
}

static enum status reserve(struct model *model, const struct batch *batch, struct sentences sides[SIDES])
{
    size_t longest = 0;
    for (int side = 0; side < SIDES; side++) {
        const int32_t *ids = side == TARGET && batch->inputs ? batch->inputs : batch->ids[side];
        sides[side] = sentences_make(ids, batch->offsets[side], batch->pairs);
        if (sides[side].longest > longest)
            longest = sides[side].longest;
    }
    return model_reserve_positions(model, longest);
}

/* Every sentence twice: the whole side, and again. */
static void double_sentences(struct arena *arena, struct sentences *side, size_t words)
{
    size_t count = side->count, tokens = side->tokens;
    int32_t *ids = arena_take(arena, 2 * tokens * words, sizeof *ids);
    int32_t *offsets = arena_take(arena, 2 * count + 1, sizeof *offsets);
    if (!ids || !offsets)
        return;
    memcpy(ids, side->ids, tokens * words * sizeof *ids);
    memcpy(ids + tokens * words, side->ids, tokens * words * sizeof *ids);
    for (size_t s = 0; s <= count; s++) {
        offsets[s] = side->offsets[s];
        offsets[count + s] = side->offsets[s] + (int32_t)tokens;
    }
    *side = sentences_make(ids, offsets, 2 * count);
}

/* Every sentence twice, as double_sentences() has it. */
static void double_alignment(struct arena *arena, struct alignment *alignment, size_t tokens)
{
    size_t points = (size_t)alignment->offsets[tokens];
    int32_t *offsets = arena_take(arena, 2 * tokens + 1, sizeof *offsets);
    int32_t *twice = arena_take(arena, 2 * points, sizeof *twice);
    if (!offsets || !twice)
        return;
    memcpy(twice, alignment->points, points * sizeof *twice);
    memcpy(twice + points, alignment->points, points * sizeof *twice);
    for (size_t t = 0; t <= tokens; t++) {
        offsets[t] = alignment->offsets[t];
        offsets[tokens + t] = alignment->offsets[t] + (int32_t)points;
    }
    *alignment = (struct alignment){offsets, twice};
}

/* What the pass guides attention by, for target tokens as often as `copies`; NULL: nothing, or a failed arena. */
static struct guide *guide_make(
        struct model *model, const struct batch *batch, const struct pass *pass, size_t copies)
{
    const size_t tokens = batch->tokens[TARGET];
    struct alignment alignment = batch->alignment;
    if (!guide_is_on(pass->guide) || !alignment.offsets || !model->architecture->attends(model))
        return NULL;
    struct guide *guide = arena_take(model->step, 1, sizeof *guide);
    double *costs = arena_take_zeroed(model->step, copies * tokens, sizeof *costs);
    if (copies > 1)
        double_alignment(model->step, &alignment, tokens);
    if (arena_status(model->step) != STATUS_OK)
        return NULL;
    *guide = (struct guide){.kind = (const struct guide_kind *)pass->guide,
            .offsets = alignment.offsets,
            .points = alignment.points,
            .weight = (float)(pass->guide_weight / (double)copies),
            .costs = costs};
    return guide;
}

/* The mean over copies, in the order of the tokens. */
static void add_guide(const struct guide *guide, size_t copies, struct loss *out)
{
    double costs = 0;
    for (size_t t = 0; t < copies * (size_t)out->tokens; t++)
        costs += guide->costs[t];
    for (int64_t t = 0; t < out->tokens; t++)
        out->aligned += guide->offsets[t + 1] > guide->offsets[t];
    out->alignment = costs / (double)copies;
    out->objective += (double)guide->weight * costs;
}

enum status model_loss(
        struct model *model, const struct batch *batch, const struct pass *pass, struct loss *out)
{
    memset(out, 0, sizeof *out);
    struct sentences sides[SIDES];
    TRY(reserve(model, batch, sides));
    arena_clear(model->step);
    ASSERT(pass->r_drop == 0 || !pass->log_probabilities);
    const size_t copies = pass->r_drop > 0 ? 2 : 1;
    const struct guide *guide = guide_make(model, batch, pass, copies);
    for (int side = 0; copies > 1 && side < SIDES; side++)
        double_sentences(model->step, &sides[side], side == SOURCE ? model_source_words(model) : 1);
    struct tape_options options = {
            .recording = pass->gradient != NULL,
            .training = pass->training,
            .recompute = pass->recompute,
            .sampling = pass->sampling,
            .rows = sides[sides[SOURCE].tokens < sides[TARGET].tokens ? TARGET : SOURCE].tokens,
            .seed = pass->seed,
            .update = pass->update,
            .slot = pass->slot,
            .gradient = pass->gradient,
            .frozen = pass->frozen,
            .ready = pass->ready,
            .needed = pass->needed,
            .context = pass->context,
            .profile = pass->gradient ? pass->profile : NULL,
    };
    struct tape *tape = tape_start(model->step, &model->parameters, &options);
    if (!tape)
        return arena_status(model->step);
    struct prediction p = model->architecture->predict(model, tape, sides, guide);
    struct loss_task task = {.classes = p.classes,
            .targets = batch->ids[TARGET],
            .smoothing = pass->label_smoothing,
            .r_drop = pass->r_drop,
            .log_probabilities = pass->log_probabilities};
    op_loss(tape, p.hidden, p.weight, p.bias, &task, out);
    TRY(tape_status(tape));
    if (guide)
        add_guide(guide, copies, out);
    if (!pass->gradient)
        return STATUS_OK;
    enum phase before = clock_enter(PHASE_BACKWARD);
    enum status status = tape_backward(tape);
    clock_enter(before);
    return status;
}

enum status model_logits(struct model *model, const struct batch *batch, float *out)
{
    struct sentences sides[SIDES];
    TRY(reserve(model, batch, sides));
    arena_clear(model->step);
    struct tape *tape = tape_start(model->step, &model->parameters, &(struct tape_options){0});
    if (!tape)
        return arena_status(model->step);
    struct prediction prediction = model->architecture->predict(model, tape, sides, NULL);
    TRY(tape_status(tape));
    prediction_logits(tape, &prediction, out);
    return tape_status(tape);
}
