#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "tests/models/tiny.h"

enum { LAYERS = 6, WIDTH = 64, PAIRS = 40, LONGEST = 20 };

/* Most bytes of a step of six layers a side, the inner one four times the width; *tokens: of the longer side. */
static size_t step_bytes(bool recompute, size_t *tokens)
{
    struct model_options options = tiny_options((const char *const[]){
            "model.width", "64", "model.ffn_width", "256", "model.activation", "relu", NULL});
    options.encoder_layers = options.decoder_layers = LAYERS;
    struct model *model = tiny_model(&options, true);
    struct tiny_batch tiny;
    struct loss loss;
    tiny_batch_fill(&tiny, PAIRS, LONGEST, 2);
    const size_t *sides = tiny.batch.tokens;
    *tokens = sides[sides[SOURCE] < sides[TARGET] ? TARGET : SOURCE];
    struct pass pass = {.training = true, .recompute = recompute};
    assert_int_equal(
            memory_new(&pass.gradient, "test", model_parameters(model)->floats, sizeof *pass.gradient),
            STATUS_OK);
    assert_int_equal(model_loss(model, &tiny.batch, &pass, &loss), STATUS_OK);
    size_t bytes = model_peak_bytes(model);
    memory_free(pass.gradient);
    model_close(model);
    return bytes;
}

/* Matrices of [tokens, width] that are there at once. Of a layer: queries, keys and values, the inner layer, four wide,
 * and what each sub-layer is added to; a decoder layer's queries of cross-attention besides. Then keys and values of all
 * decoder layers; and 17 for embeddings, what is fleeting, and the gradients at the top. */
static void test_model_memory__only_what_costs_much_to_make_again_is_kept(void **state)
{
    (void)state;
    size_t tokens, bytes = step_bytes(false, &tokens);
    size_t matrices = LAYERS * (3 + 4 + 2) + LAYERS * (3 + 1 + 4 + 3) + 2 * LAYERS + 17;
    assert_in_range(bytes, 1, matrices * tokens * WIDTH * sizeof(float));
}

static void test_model_memory__recomputing_halves_it(void **state)
{
    (void)state;
    size_t tokens, kept = step_bytes(false, &tokens), again = step_bytes(true, &tokens);
    if (2 * again > kept)
        fail_msg("%zu bytes with recomputing, %zu without", again, kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_model_memory__only_what_costs_much_to_make_again_is_kept),
            cmocka_unit_test(test_model_memory__recomputing_halves_it),
    };
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
