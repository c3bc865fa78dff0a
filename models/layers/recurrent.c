#include "models/layers/recurrent.h"

#include <stdio.h>

size_t stack_state_columns(const struct model *model, const struct recurrent_stack *stack)
{
    return stack->ways * model_cell(model)->states * (size_t)model->options.width;
}

static enum status declare_way(struct cell_layer *out, struct model *model, const char *prefix, size_t in)
{
    const struct cell_kind *cell = model_cell(model);
    const size_t width = (size_t)model->options.width, gates = cell->gates;
    char name[H5_NAME_LIMIT];
    snprintf(name, sizeof name, "%s/input", prefix);
    TRY(linear_declare(&out->input, model, name, &(struct linear_shape){in, width, gates},
            "input to the cell's gates, stacked [gates·width, columns of the input]"));
    snprintf(name, sizeof name, "%s/hidden", prefix);
    TRY(linear_declare(&out->hidden, model, name, &(struct linear_shape){width, width, gates},
            "state before to the cell's gates, stacked [gates·width, width]"));
    struct parameter *bias = &model->parameters.items[out->hidden.bias];
    bias->ones.first = cell->open.first * width;
    bias->ones.count = cell->open.count * width;
    return STATUS_OK;
}

static enum status declare_layer(
        struct recurrent_stack *stack, struct model *model, const char *prefix, size_t number)
{
    static const char *const names[WAYS] = {"/forward", "/backward"};
    const size_t width = (size_t)model->options.width, in = number == 0 ? width : stack->ways * width;
    struct recurrent_layer *layer = &stack->items[number];
    char name[64];
    for (size_t way = 0; way < stack->ways; way++) {
        snprintf(name, sizeof name, "%s/%zu%s", prefix, number, stack->ways > 1 ? names[way] : "");
        TRY(declare_way(&layer->ways[way], model, name, in));
    }
    snprintf(name, sizeof name, "%s/%zu", prefix, number);
    return model->options.layer_norm ? norm_declare_over(&layer->norm, model, name, stack->ways * width)
                                     : STATUS_OK;
}

enum status stack_declare(
        struct recurrent_stack *out, struct model *model, const char *prefix, size_t layers, size_t ways)
{
    *out = (struct recurrent_stack){.layers = layers, .ways = ways};
    out->items = arena_take_zeroed(model->lasting, layers, sizeof *out->items);
    TRY(arena_status(model->lasting));
    for (size_t i = 0; i < layers; i++)
        TRY(declare_layer(out, model, prefix, i));
    return STATUS_OK;
}

static struct tensor *way_apply(const struct model *model, struct tape *tape, const struct cell_layer *layer,
        struct tensor *x, const struct stack_run *run, size_t number, bool reversed, struct tensor **end)
{
    struct tensor *products = linear_apply(tape, &layer->input, x, NULL, (struct dropout){0});
    if (run->context && number == 0)
        products = op_sum(tape, run->context, products, (struct dropout){0});
    const struct recurrence recurrence = {model_cell(model), run->sentences, run->offsets, reversed};
    return op_recurrent(tape, &recurrence, products, tape_parameter(tape, layer->hidden.weight),
            tape_parameter(tape, layer->hidden.bias), run->starts ? run->starts[number] : NULL, end);
}

struct tensor *recurrent_finish(const struct model *model, struct tape *tape,
        const struct recurrent_stack *stack, size_t number, struct tensor *x, struct tensor *h)
{
    const struct norm_layer *norm = &stack->items[number].norm;
    const bool last = number + 1 == stack->layers;
    struct dropout none = {0}, dropout = tape_dropout(tape, last ? 0 : model->options.dropout);
    struct tensor *before = model->options.residual && number > 0 ? x : NULL;
    if (!model->options.layer_norm)
        return before || dropout.rate > 0 ? op_sum(tape, before, h, dropout) : h;
    struct tensor *y = op_residual_norm(tape, before, h, dropout, tape_parameter(tape, norm->gain),
            tape_parameter(tape, norm->bias), (float)model->options.norm_epsilon, NULL);
    return last && y && y->fleeting ? op_sum(tape, NULL, y, none) : y;
}

static struct tensor *layer_apply(const struct model *model, struct tape *tape,
        const struct recurrent_stack *stack, size_t number, struct tensor *x, const struct stack_run *run)
{
    struct tensor *h[WAYS] = {NULL}, *ends[WAYS] = {NULL};
    for (size_t way = 0; way < stack->ways; way++)
        h[way] = way_apply(model, tape, &stack->items[number].ways[way], x, run, number, way == BACKWARDS,
                run->ends ? &ends[way] : NULL);
    if (run->ends)
        run->ends[number] = stack->ways > 1 ? op_beside(tape, ends, stack->ways) : ends[0];
    struct tensor *both = stack->ways > 1 ? op_beside(tape, h, stack->ways) : h[0];
    return recurrent_finish(model, tape, stack, number, x, both);
}

struct tensor *stack_apply(const struct model *model, struct tape *tape, const struct recurrent_stack *stack,
        struct tensor *x, const struct stack_run *run)
{
    for (size_t i = 0; i < stack->layers; i++)
        x = layer_apply(model, tape, stack, i, x, run);
    return x;
}
