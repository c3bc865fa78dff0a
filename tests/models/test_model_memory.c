#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "tests/models/tiny.h"

enum { PAIRS = 60, LONGEST = 20 };

enum way { KEEPING, RECOMPUTING, FORWARD };

/* Most bytes of a step of so many layers a side, the inner one four times the width; *tokens: of the longer side. */
static size_t step_bytes(int64_t layers, int64_t width, enum way way, size_t *tokens)
{
    struct model_options options = tiny_options((const char *const[]){"model.activation", "relu", NULL});
    options.encoder_layers = options.decoder_layers = layers;
    options.width = width;
    options.ffn_width = 4 * width;
    struct model *model = tiny_model(&options, true);
    struct tiny_batch tiny;
    struct loss loss;
    tiny_batch_fill(&tiny, PAIRS, LONGEST, 2);
    const size_t *sides = tiny.batch.tokens;
    *tokens = sides[sides[SOURCE] < sides[TARGET] ? TARGET : SOURCE];
    struct pass pass = {.training = true, .recompute = way == RECOMPUTING};
    float *gradient;
    assert_int_equal(
            memory_new(&gradient, "test", model_parameters(model)->floats, sizeof *gradient), STATUS_OK);
    pass.gradient = way == FORWARD ? NULL : gradient;
    assert_int_equal(model_loss(model, &tiny.batch, &pass, &loss), STATUS_OK);
    size_t bytes = model_peak_bytes(model);
    memory_free(gradient);
    model_close(model);
    return bytes;
}

/* Matrices of [tokens, width] that are there at once. Of a layer: queries, keys and values, the inner layer, four wide,
 * and what each sub-layer is added to; a decoder layer's queries of cross-attention besides. Then keys and values of all
 * decoder layers; and 22 for embeddings, what is fleeting, the gradients at the top, and a weight in panels. */
static void test_model_memory__only_what_costs_much_to_make_again_is_kept(void **state)
{
    (void)state;
    enum { LAYERS = 3, WIDTH = 512 };
    size_t tokens, bytes = step_bytes(LAYERS, WIDTH, KEEPING, &tokens);
    size_t matrices = LAYERS * (3 + 4 + 2) + LAYERS * (3 + 1 + 4 + 3) + 2 * LAYERS + 22;
    assert_in_range(bytes, 1, matrices * tokens * WIDTH * sizeof(float));
}

static void test_model_memory__of_six_layers(void **state)
{
    (void)state;
    size_t tokens, keeping = step_bytes(6, 64, KEEPING, &tokens);
    size_t recomputing = step_bytes(6, 64, RECOMPUTING, &tokens),
           forward = step_bytes(6, 64, FORWARD, &tokens);
    if (2 * recomputing > keeping || 4 * forward > keeping)
        fail_msg("%zu bytes, %zu with recomputing, %zu without a backward", keeping, recomputing, forward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_model_memory__only_what_costs_much_to_make_again_is_kept),
            cmocka_unit_test(test_model_memory__of_six_layers),
    };
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
