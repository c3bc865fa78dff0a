#include "models/layers/layers.h"

#include <stdio.h>

enum status layer_declare(
        struct model *model, struct parameter *parameter, const char *prefix, const char *name, size_t *out)
{
    int length = snprintf(parameter->array.name, sizeof parameter->array.name, "%s/%s", prefix, name);
    ASSERT(length > 0 && (size_t)length < sizeof parameter->array.name);
    return parameters_declare(&model->parameters, parameter, out);
}

enum status weight_declare(size_t *out, struct model *model, const char *prefix,
        const struct linear_shape *shape, const char *description)
{
    struct parameter weight = {
            .array = {.rank = 2, .shape = {shape->parts * shape->out, shape->in}, .description = description},
            .initialiser = INITIALISE_XAVIER,
            .fan_in = shape->in,
            .fan_out = shape->out,
            .decays = true,
    };
    return layer_declare(model, &weight, prefix, "weight", out);
}

enum status linear_declare(struct linear_layer *out, struct model *model, const char *prefix,
        const struct linear_shape *shape, const char *description)
{
    struct parameter bias = {
            .array = {.rank = 1,
                    .shape = {shape->parts * shape->out},
                    .description = "added to each row of the product"},
            .initialiser = INITIALISE_ZERO,
    };
    TRY(weight_declare(&out->weight, model, prefix, shape, description));
    return layer_declare(model, &bias, prefix, "bias", &out->bias);
}

struct tensor *linear_apply(struct tape *tape, const struct linear_layer *layer, struct tensor *x,
        const struct activation_kind *activation, struct dropout dropout)
{
    return op_linear(tape, x, tape_parameter(tape, layer->weight), tape_parameter(tape, layer->bias),
            activation, dropout);
}
