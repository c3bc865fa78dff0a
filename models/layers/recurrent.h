/*
 * Stacks of recurrent layers: the encoder, and the decoder over whole sentences or step by step.
 */
#ifndef MODELS_LAYERS_RECURRENT_H
#define MODELS_LAYERS_RECURRENT_H

#include "models/layers/layers.h"
#include "models/recurrent.h"

/* One layer in one direction. */
struct cell_layer {
    struct linear_layer input;  /* [G·width, in] */
    struct linear_layer hidden; /* [G·width, width] */
};

enum { FORWARDS, BACKWARDS, WAYS };

struct recurrent_layer {
    struct cell_layer ways[WAYS];
    struct norm_layer norm; /* model.layer_norm */
};

struct recurrent_stack {
    size_t layers, ways;
    struct recurrent_layer *items; /* [layers] */
};

static inline const struct cell_kind *model_cell(const struct model *model)
{
    return (const struct cell_kind *)model->options.cell;
}

/* Columns of the state after a layer: of each way h, then c. */
size_t stack_state_columns(const struct model *model, const struct recurrent_stack *stack);

/* Parameters "PREFIX/LAYER/{forward,backward}/{input,hidden}/...", without the direction if there is one way only. The
 * first layer takes rows of model.width. */
enum status stack_declare(
        struct recurrent_stack *out, struct model *model, const char *prefix, size_t layers, size_t ways);

/* What a stack runs over. */
struct stack_run {
    size_t sentences;
    const int32_t *offsets;       /* [sentences + 1]; must live as long as the tape */
    struct tensor *context;       /* added to the first layer's input products; NULL: none */
    struct tensor *const *starts; /* [layers] states before, each NULL for zeros; NULL: all of them */
    struct tensor **ends;         /* [layers] set to the states after; NULL: not asked for */
};

/* x [n, model.width]; returns [n, ways·width], not fleeting. */
struct tensor *stack_apply(const struct model *model, struct tape *tape, const struct recurrent_stack *stack,
        struct tensor *x, const struct stack_run *run);

/* What follows the cells of layer `number`, whose input was x and state is h: dropout, but for the last layer, the
 * residual connection from the second layer on, and the norm. Not fleeting after the last. */
struct tensor *recurrent_finish(const struct model *model, struct tape *tape,
        const struct recurrent_stack *stack, size_t number, struct tensor *x, struct tensor *h);

#endif
