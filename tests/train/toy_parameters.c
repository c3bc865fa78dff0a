#include "tests/train/toy_parameters.h"

#include "comm/memory.h"
#include "comm/random.h"

#include <stdlib.h>
#include <string.h>

static void declare(struct parameters *parameters, const char *name, size_t rows, size_t columns)
{
    struct parameter item = {.array = {.rank = columns ? 2 : 1, .shape = {rows, columns}},
            .initialiser = INITIALISE_NORMAL,
            .scale = 0.3,
            .decays = columns > 0};
    size_t number;
    memcpy(item.array.name, name, strlen(name));
    ASSERT(parameters_declare(parameters, &item, &number) == STATUS_OK);
}

void toy_open(struct parameters *out)
{
    parameters_init(out);
    declare(out, "encoder/0/weight", 70, 130);
    declare(out, "encoder/0/bias", 70, 0);
    declare(out, "encoder/1/weight", 3, 5000);
    declare(out, "decoder/weight", 1, 5);
    declare(out, "decoder/bias", 130, 0);
    ASSERT(out->count == TOY_PARAMETERS && parameters_allocate(out) == STATUS_OK);
    parameters_initialise(out, 1);
}

double toy_gradient(const struct parameters *parameters, int update, float *gradient)
{
    double sum = 0;
    struct random_stream stream = random_stream(2, RANDOM_TEST, (uint64_t)update, 0, 0);
    memset(gradient, 0, parameters->floats * sizeof *gradient);
    for (size_t p = 0; p < parameters->count; p++)
        for (size_t i = 0; i < parameters->items[p].floats; i++) {
            size_t at = parameters->items[p].array.offset + i;
            gradient[at] = (float)random_normal(&stream, at) * (p % 2 ? 1e-4f : 1);
            sum += (double)gradient[at] * gradient[at];
        }
    return sum;
}

struct optimizer_options toy_options(const char *kind)
{
    return (struct optimizer_options){.kind = kind_find(&optimizer_kinds, kind),
            .learning_rate = 0.01,
            .beta1 = 0.9,
            .beta2 = 0.98,
            .epsilon = 1e-9,
            .weight_decay = 0.1,
            .momentum = 0.9};
}

struct optimizer_step toy_step(const struct optimizer_options *options, int number, double square_norm)
{
    return (struct optimizer_step){options->learning_rate, number, 0.5, square_norm};
}

void toy_run(const struct parameters *parameters, const struct optimizer_options *options, const bool *frozen,
        int updates, float *values)
{
    struct blocks blocks = blocks_make(parameters->floats, 2 * BLOCK_FLOATS, 1);
    struct optimizer *optimizer;
    float *gradient = calloc(parameters->floats, sizeof *gradient);
    memcpy(values, parameters->values, parameters->floats * sizeof *values);
    ASSERT(optimizer_open(&optimizer, options, parameters, &blocks, 0, frozen) == STATUS_OK);
    for (int t = 1; t <= updates; t++) {
        struct optimizer_step step = toy_step(options, t, toy_gradient(parameters, t, gradient));
        ASSERT(optimizer_step(optimizer, &step, values, gradient) == STATUS_OK);
    }
    optimizer_close(optimizer);
    free(gradient);
}
