/*
 * Updates of made-up parameters by one optimiser, for optimizers.py:
 *
 *     tool_optimizer IN OUT UPDATES DIMS... -- --optimizer.kind lamb ...
 *
 * DIMS: "70x130" or "130" for each parameter. IN: float32 values of all parameters, then the gradients of each update,
 * all in that order; OUT: the values afterwards.
 */
#include "comm/memory.h"
#include "train/optimizers/optimizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_place places[] = {{&optimizer_group, 0}};
static const struct schema schema = {places, 1};

static enum status declare(struct parameters *parameters, int number, const char *dims)
{
    struct parameter item = {.initialiser = INITIALISE_ZERO};
    size_t unused;
    snprintf(item.array.name, sizeof item.array.name, "p%d", number);
    item.array.rank = sscanf(dims, "%zux%zu", &item.array.shape[0], &item.array.shape[1]);
    item.decays = true;
    CHECK(item.array.rank >= 1, STATUS_USAGE, "expected 3x4 or 5, found %s", dims);
    return parameters_declare(parameters, &item, &unused);
}

/* The parameters of one buffer, without its gaps. */
static enum status transfer(const struct parameters *parameters, float *buffer, FILE *file, bool reading)
{
    for (size_t i = 0; i < parameters->count; i++) {
        size_t count = parameters->items[i].floats;
        float *at = buffer + parameters->items[i].array.offset;
        size_t done = reading ? fread(at, sizeof *at, count, file) : fwrite(at, sizeof *at, count, file);
        CHECK(done == count, STATUS_IO, "expected %zu values of parameter %zu, found %zu", count, i, done);
    }
    return STATUS_OK;
}

static double square(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * values[i];
    return sum;
}

static enum status run(const struct optimizer_options *options, struct parameters *parameters,
        int64_t updates, FILE *in, FILE *out)
{
    struct blocks blocks = blocks_make(parameters->floats, 0, 1);
    struct optimizer *optimizer;
    float *gradient;
    TRY(parameters_allocate(parameters));
    TRY(memory_new(&gradient, "gradient", parameters->floats, sizeof *gradient));
    TRY(optimizer_open(&optimizer, options, parameters, &blocks, 0, NULL));
    TRY(transfer(parameters, parameters->values, in, true));
    for (int64_t t = 1; t <= updates; t++) {
        TRY(transfer(parameters, gradient, in, true));
        struct optimizer_step step = {options->learning_rate, t, 1, square(gradient, parameters->floats)};
        TRY(optimizer_step(optimizer, &step, parameters->values, gradient));
    }
    optimizer_close(optimizer);
    memory_free(gradient);
    return transfer(parameters, parameters->values, out, false);
}

static enum status read_and_run(int argc, char **argv)
{
    struct parameters parameters;
    struct optimizer_options options = {0};
    const struct option_target target = {&schema, &options};
    int i = 4;
    CHECK(argc > 5, STATUS_USAGE, "expected IN OUT UPDATES DIMS... -- SETTINGS");
    parameters_init(&parameters);
    for (; i < argc && strcmp(argv[i], "--") != 0; i++)
        TRY(declare(&parameters, i - 4, argv[i]));
    TRY(options_defaults(&schema, &options));
    TRY(options_read_arguments(&target, 1, argc - i - 1, argv + i + 1, NULL));
    FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
    CHECK(in && out, STATUS_IO, "cannot open %s or %s", argv[1], argv[2]);
    enum status status = run(&options, &parameters, atoll(argv[3]), in, out);
    fclose(in);
    CHECK(fclose(out) == 0, STATUS_IO, "cannot write %s", argv[2]);
    parameters_release(&parameters);
    return status;
}

int main(int argc, char **argv)
{
    enum status status = read_and_run(argc, argv);
    if (status != STATUS_OK)
        fprintf(stderr, "tool_optimizer: %s\n", status_message());
    return (int)status;
}
