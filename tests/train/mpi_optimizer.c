/* Each optimiser on 1 to 4 ranks: the bits of one. */
#include "comm/memory.h"
#include "comm/world.h"
#include "tests/comm/expect.h"
#include "tests/train/toy_parameters.h"

#include <stdlib.h>
#include <string.h>

/* Own stretches move; the others are foreign and may not. */
static void check(const struct parameters *parameters, const char *kind, int node_ranks)
{
    struct optimizer_options options = toy_options(kind);
    struct blocks blocks = blocks_make(parameters->floats, 2 * BLOCK_FLOATS, world()->size);
    blocks.node_ranks = node_ranks;
    size_t bytes = parameters->floats * sizeof(float);
    float *alone = malloc(bytes), *values = malloc(bytes), *gradient = malloc(bytes);
    struct optimizer *optimizer;
    toy_run(parameters, &options, NULL, 4, alone);
    memcpy(values, parameters->values, bytes);
    EXPECT_OK(optimizer_open(&optimizer, &options, parameters, &blocks, world()->rank, NULL));
    for (int t = 1; t <= 4; t++) {
        struct optimizer_step step = toy_step(&options, t, toy_gradient(parameters, t, gradient));
        EXPECT_OK(optimizer_step(optimizer, &step, values, gradient));
    }
    for (size_t i = 0; i < parameters->floats; i++) {
        const float *expected = blocks_owner(&blocks, i, NULL) == world()->rank ? alone : parameters->values;
        if (memcmp(&values[i], &expected[i], sizeof *values) != 0) {
            fprintf(stderr, "%s: float %zu is %.9g, not %.9g\n", kind, i, values[i], expected[i]);
            EXPECT(false);
            break;
        }
    }
    optimizer_close(optimizer);
    free(alone);
    free(values);
    free(gradient);
}

int main(int argc, char **argv)
{
    (void)argc;
    struct parameters parameters;
    world_prepare(argv, 0);
    EXPECT_OK(world_open(0));
    toy_open(&parameters);
    for (size_t k = 0; k < optimizer_kinds.count; k++)
        for (int wide = 1; wide <= 2; wide++)
            if (world()->size % wide == 0)
                check(&parameters, kind_at(&optimizer_kinds, k)->name, wide);
    parameters_release(&parameters);
    EXPECT_OK(
            status_agree(unexpected ? status_fail(STATUS_INTERNAL, "%d unexpected", unexpected) : STATUS_OK));
    world_close();
    EXPECT(memory_blocks() == 0);
    return unexpected != 0;
}
