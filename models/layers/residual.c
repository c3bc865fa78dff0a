#include "models/layers/layers.h"

static const struct norm_kind rows[] = {
        {{"pre", "before each sub-layer, and once after the last: trains without a long warm-up",
                 "Xiong et al. 2020"},
                true},
        {{"post", "after each sub-layer's residual sum", "Vaswani et al. 2017"}, false},
};
const struct kind_table norm_kinds = KIND_TABLE("norm", rows);

enum status norm_declare(struct norm_layer *out, struct model *model, const char *prefix)
{
    return norm_declare_over(out, model, prefix, (size_t)model->options.width);
}

enum status norm_declare_over(struct norm_layer *out, struct model *model, const char *prefix, size_t width)
{
    struct parameter gain = {
            .array = {.rank = 1, .shape = {width}, .description = "factor of each normalised column"},
            .initialiser = INITIALISE_ONE,
    };
    struct parameter bias = {
            .array = {.rank = 1, .shape = {width}, .description = "added to each normalised column"},
            .initialiser = INITIALISE_ZERO,
    };
    TRY(layer_declare(model, &gain, prefix, "norm/gain", &out->gain));
    return layer_declare(model, &bias, prefix, "norm/bias", &out->bias);
}

static struct tensor *residual_norm(const struct model *model, struct tape *tape, struct tensor *x,
        struct tensor *f, struct dropout dropout, const struct norm_layer *norm, struct tensor **sum)
{
    return op_residual_norm(tape, x, f, dropout, tape_parameter(tape, norm->gain),
            tape_parameter(tape, norm->bias), (float)model->options.norm_epsilon, sum);
}

struct residual residual_start(
        const struct model *model, struct tape *tape, struct tensor *x, const struct norm_layer *first)
{
    if (!model_norm(model)->before)
        return (struct residual){x, x};
    struct dropout none = {0};
    return (struct residual){x, residual_norm(model, tape, NULL, x, none, first, NULL)};
}

void residual_add(const struct model *model, struct tape *tape, struct residual *residual, struct tensor *f,
        const struct norm_layer *own, const struct norm_layer *next, bool last)
{
    struct dropout dropout = tape_dropout(tape, model->options.dropout);
    struct tensor *x = residual->sum;
    if (!model_norm(model)->before)
        residual->y = residual->sum = residual_norm(model, tape, x, f, dropout, own, NULL);
    else
        residual->y = residual_norm(model, tape, x, f, dropout, next, last ? NULL : &residual->sum);
}
