#include "models/layers/layers.h"

#include <string.h>

enum status source_check(const struct model_options *options, bool joint)
{
    bool text = options->source.kind == SOURCE_TEXT;
    CHECK(options->source.kind == SOURCE_IMAGES || options->image_stages == 0, STATUS_CONFIG,
            "model.image_stages %lld counts only with a source of images: leave it out",
            (long long)options->image_stages);
    CHECK(joint || !text || !((const struct tie_kind *)options->tie)->sides, STATUS_CONFIG,
            "model.tie %s needs one vocabulary for both sides, but source and target have their own: use "
            "model.tie decoder, or prepare the corpus with --joint",
            options->tie->name);
    return options->source.kind == SOURCE_IMAGES ? image_check(options) : STATUS_OK;
}

enum status source_declare(struct source_layer *out, struct model *model)
{
    const struct source_form *form = &model->options.source;
    if (form->kind == SOURCE_TEXT)
        return embedding_declare(&out->embedding, model, SOURCE, NULL);
    struct linear_shape frames = {source_values(form), (size_t)model->options.width, 1};
    TRY(form->kind == SOURCE_IMAGES ? image_declare(&out->image, model)
                                    : linear_declare(&out->frames, model, "source/frames", &frames,
                                              "values of a frame to the width [width, values]"));
    return positions_declare(&out->embedding, model, SOURCE);
}

/* The floats of all frames, as the tape has them until backward. */
static struct tensor *frames_input(
        const struct model *model, struct tape *tape, const struct sentences *source)
{
    size_t values = source_values(&model->options.source);
    float *floats = arena_take(tape_arena(tape), source->tokens * values, sizeof *floats);
    if (!floats)
        return NULL;
    memcpy(floats, source->ids, source->tokens * values * sizeof *floats);
    return tape_input(tape, source->tokens, values, floats, false);
}

/* A sentence of cells for each image. */
static struct sentences cells_of(const struct model *model, struct tape *tape, size_t images)
{
    struct grid grid = image_grid(model);
    size_t cells = grid.height * grid.width;
    int32_t *offsets = arena_take(tape_arena(tape), images + 1, sizeof *offsets);
    for (size_t i = 0; offsets && i <= images; i++)
        offsets[i] = (int32_t)(i * cells);
    return (struct sentences){
            .count = images, .tokens = images * cells, .longest = cells, .offsets = offsets};
}

struct tensor *source_apply(const struct model *model, struct tape *tape, const struct source_layer *layer,
        const struct sentences *source, struct sentences *rows)
{
    enum source_kind kind = model->options.source.kind;
    bool images = kind == SOURCE_IMAGES;
    *rows = images ? cells_of(model, tape, source->count) : *source;
    int32_t *positions = rows->offsets ? positions_of(tape, rows) : NULL;
    if (kind == SOURCE_TEXT)
        return embedding_apply(model, tape, &layer->embedding, source->ids, positions, source->tokens);
    if (images)
        return positions_apply(model, tape, &layer->embedding, layer->image.positions,
                image_apply(model, tape, &layer->image, source), positions);
    struct tensor *frames = frames_input(model, tape, source);
    struct tensor *x = frames ? linear_apply(tape, &layer->frames, frames, NULL, (struct dropout){0}) : NULL;
    return positions_apply(model, tape, &layer->embedding, model->positions, x, positions);
}
