#include "models/layers/layers.h"

#include <stdio.h>
#include <string.h>

enum { KERNEL = 3, FEWEST_CHANNELS = 16 };

/* Columns after stage s: the width after the last one, before it half as many each. */
static size_t stage_channels(const struct model *model, size_t stage)
{
    size_t width = (size_t)model->options.width, later = (size_t)model->options.image_stages - 1 - stage;
    size_t channels = width >> later, fewest = width < FEWEST_CHANNELS ? width : FEWEST_CHANNELS;
    return channels > fewest ? channels : fewest;
}

static struct grid pixels_grid(const struct model *model, size_t images)
{
    const struct source_form *form = &model->options.source;
    return (struct grid){images, form->height, form->width, form->channels, KERNEL, 2, 1};
}

/* The grid that is left when a stage has halved this one; its own convolutions leave it so. */
static struct grid halved(const struct grid *grid, size_t channels)
{
    return (struct grid){
            grid->images, grid_out(grid->height, grid), grid_out(grid->width, grid), channels, KERNEL, 1, 1};
}

struct grid image_grid(const struct model *model)
{
    struct grid grid = pixels_grid(model, 0);
    for (size_t s = 0; s < (size_t)model->options.image_stages; s++) {
        grid.stride = 2;
        grid = halved(&grid, stage_channels(model, s));
    }
    return grid;
}

/* ---- parameters ---- */

static enum status convolution_declare(
        struct linear_layer *out, struct model *model, const char *prefix, size_t in, size_t channels)
{
    struct parameter weight = {
            .array = {.rank = 4,
                    .shape = {channels, in, KERNEL, KERNEL},
                    .description = "convolution [channels out, channels in, down, across]"},
            .initialiser = INITIALISE_XAVIER,
            .fan_in = in * KERNEL * KERNEL,
            .fan_out = channels * KERNEL * KERNEL,
            .decays = true,
    };
    struct parameter bias = {
            .array = {.rank = 1, .shape = {channels}, .description = "added to each cell"},
            .initialiser = INITIALISE_ZERO,
    };
    TRY(layer_declare(model, &weight, prefix, "weight", &out->weight));
    return layer_declare(model, &bias, prefix, "bias", &out->bias);
}

static enum status stage_declare(struct image_stage *out, struct model *model, size_t stage)
{
    char prefix[64];
    size_t channels = stage_channels(model, stage);
    size_t in = stage ? stage_channels(model, stage - 1) : model->options.source.channels;
    snprintf(prefix, sizeof prefix, "source/image/%zu/halving", stage);
    TRY(convolution_declare(&out->halving, model, prefix, in, channels));
    snprintf(prefix, sizeof prefix, "source/image/%zu/first", stage);
    TRY(norm_declare_over(&out->norms[0], model, prefix, channels));
    TRY(convolution_declare(&out->first, model, prefix, channels, channels));
    snprintf(prefix, sizeof prefix, "source/image/%zu/second", stage);
    TRY(convolution_declare(&out->second, model, prefix, channels, channels));
    snprintf(prefix, sizeof prefix, "source/image/%zu", stage);
    return norm_declare_over(&out->norms[1], model, prefix, channels);
}

/* Half of the columns tell the row of a cell, the other half its column, each as positions of that width do. */
static enum status fill_positions(struct model *model, float **out)
{
    const struct position_kind *kind = model_position(model);
    struct grid grid = image_grid(model);
    size_t width = (size_t)model->options.width, half = width / 2, rest = width - half;
    size_t side = grid.height > grid.width ? grid.height : grid.width;
    float *down = arena_take(model->lasting, side * half, sizeof *down);
    float *across = arena_take(model->lasting, side * rest, sizeof *across);
    float *table = *out = arena_take(model->lasting, grid.height * grid.width * width, sizeof *table);
    TRY(arena_status(model->lasting));
    kind->fill(down, 0, side, half);
    kind->fill(across, 0, side, rest);
    for (size_t cell = 0; cell < grid.height * grid.width; cell++) {
        memcpy(table + cell * width, down + cell / grid.width * half, half * sizeof *table);
        memcpy(table + cell * width + half, across + cell % grid.width * rest, rest * sizeof *table);
    }
    return STATUS_OK;
}

/* Stages that leave one cell, from which there is nothing more to halve. */
static int64_t most_stages(const struct source_form *form)
{
    int64_t stages = 0;
    for (size_t side = form->height > form->width ? form->height : form->width; side > 1;
            side = (side + 1) / 2)
        stages++;
    return stages > 0 ? stages : 1;
}

enum status image_check(const struct model_options *options)
{
    const struct source_form *form = &options->source;
    CHECK(options->image_stages <= most_stages(form), STATUS_CONFIG,
            "model.image_stages %lld: expected at most %lld, which leave one cell of images of %zux%zu",
            (long long)options->image_stages, (long long)most_stages(form), form->height, form->width);
    return STATUS_OK;
}

enum status image_declare(struct image_layer *out, struct model *model)
{
    enum { USUAL_STAGES = 3 };
    int64_t most = most_stages(&model->options.source);
    if (model->options.image_stages == 0)
        model->options.image_stages = most < USUAL_STAGES ? most : USUAL_STAGES;
    struct grid grid = image_grid(model);
    size_t stages = (size_t)model->options.image_stages, cells = grid.height * grid.width;
    bool learned = model_position(model)->learned;
    CHECK(!learned || cells <= (size_t)model->options.position_limit, STATUS_CONFIG,
            "model.position_limit %lld: expected at least %zu, one for each cell that model.image_stages %zu "
            "leave of an image",
            (long long)model->options.position_limit, cells, stages);
    out->stages = arena_take_zeroed(model->lasting, stages, sizeof *out->stages);
    TRY(arena_status(model->lasting));
    for (size_t s = 0; s < stages; s++)
        TRY(stage_declare(&out->stages[s], model, s));
    return model_position(model)->fill ? fill_positions(model, &out->positions) : STATUS_OK;
}

/* ---- forward ---- */

/* The bytes of all images as floats from -1 to 1, a row for each pixel. */
static struct tensor *pixels_input(
        const struct model *model, struct tape *tape, const struct sentences *source)
{
    const struct source_form *form = &model->options.source;
    size_t pixels = source->tokens * form->width, count = pixels * form->channels;
    const uint8_t *bytes = (const uint8_t *)source->ids;
    float *floats = arena_take(tape_arena(tape), count, sizeof *floats);
    for (size_t i = 0; floats && i < count; i++)
        floats[i] = (float)bytes[i] / 127.5f - 1;
    return floats ? tape_input(tape, pixels, form->channels, floats, false) : NULL;
}

static struct tensor *convolve(struct tape *tape, const struct linear_layer *layer, const struct grid *grid,
        struct tensor *x, const struct kind *activation)
{
    return op_convolution(tape, grid, x, tape_parameter(tape, layer->weight),
            tape_parameter(tape, layer->bias), (const struct activation_kind *)activation);
}

static struct tensor *normalise(const struct model *model, struct tape *tape, struct tensor *x,
        struct tensor *f, const struct norm_layer *norm, struct tensor **sum)
{
    return f ? op_residual_norm(tape, x, f, (struct dropout){0}, tape_parameter(tape, norm->gain),
                       tape_parameter(tape, norm->bias), (float)model->options.norm_epsilon, sum)
             : NULL;
}

/* s = halving(x);  norm(s + second(f(first(norm(s))))) */
static struct tensor *stage_apply(const struct model *model, struct tape *tape,
        const struct image_stage *stage, struct grid *grid, size_t channels, struct tensor *x)
{
    struct tensor *sum = NULL, *s = convolve(tape, &stage->halving, grid, x, NULL);
    *grid = halved(grid, channels);
    struct tensor *y = normalise(model, tape, NULL, s, &stage->norms[0], &sum);
    if (y)
        y = convolve(tape, &stage->first, grid, y, model->options.activation);
    if (y)
        y = convolve(tape, &stage->second, grid, y, NULL);
    return normalise(model, tape, sum, y, &stage->norms[1], NULL);
}

struct tensor *image_apply(const struct model *model, struct tape *tape, const struct image_layer *layer,
        const struct sentences *source)
{
    struct tensor *x = pixels_input(model, tape, source);
    struct grid grid = pixels_grid(model, source->count);
    for (size_t s = 0; x && s < (size_t)model->options.image_stages; s++) {
        grid.stride = 2;
        x = stage_apply(model, tape, &layer->stages[s], &grid, stage_channels(model, s), x);
    }
    return x;
}
