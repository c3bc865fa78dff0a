#include "models/layers/layers.h"

#include <stdio.h>

static enum status declare_products(struct feed_forward_layer *out, struct model *model, const char *prefix)
{
    size_t width = (size_t)model->options.width, inner = (size_t)model->options.ffn_width;
    char name[H5_NAME_LIMIT];
    snprintf(name, sizeof name, "%s/inner", prefix);
    TRY(linear_declare(&out->inner, model, name, &(struct linear_shape){width, inner, 1},
            "the width to the wider inner layer [ffn_width, width]"));
    snprintf(name, sizeof name, "%s/outer", prefix);
    return linear_declare(&out->outer, model, name, &(struct linear_shape){inner, width, 1},
            "the inner layer back to the width [width, ffn_width]");
}

enum status feed_forward_declare(struct feed_forward_layer *out, struct model *model, const char *prefix)
{
    bool before = model_norm(model)->before;
    if (before)
        TRY(norm_declare(&out->norm, model, prefix));
    TRY(declare_products(out, model, prefix));
    return before ? STATUS_OK : norm_declare(&out->norm, model, prefix);
}

struct tensor *feed_forward_apply(const struct model *model, struct tape *tape,
        const struct feed_forward_layer *layer, struct tensor *x)
{
    const struct activation_kind *activation = (const struct activation_kind *)model->options.activation;
    struct tensor *inner = linear_apply(
            tape, &layer->inner, x, activation, tape_dropout(tape, model->options.activation_dropout));
    return linear_apply(tape, &layer->outer, inner, NULL, (struct dropout){0});
}
