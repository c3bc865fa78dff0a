/*
 * Parameters that are still on their way when the forward begins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "tests/models/variants.h"

#include <string.h>

struct supply {
    float *values;
    const float *all;
    size_t here;
    int calls;
};

static enum status supply_parameters(void *context, size_t end)
{
    struct supply *supply = context;
    assert_true(end > supply->here);
    memcpy(supply->values + supply->here, supply->all + supply->here, (end - supply->here) * sizeof(float));
    supply->here = end;
    supply->calls++;
    return STATUS_OK;
}

/* What is not there yet is NaN, which nothing that reads it would hide. */
static void check_late_parameters(const struct variant *variant, bool recompute)
{
    struct model *model = variant_model(variant);
    const struct parameters *parameters = model_parameters(model);
    size_t bytes = parameters->floats * sizeof(float);
    float *all = tiny_floats(parameters->floats), *early = tiny_floats(parameters->floats),
          *late = tiny_floats(parameters->floats);
    struct supply supply = {parameters->values, all, 0, 0};
    struct tiny_batch tiny;
    struct loss expected, loss;
    variant_batch(variant, &tiny, 5, 7, 2);
    struct pass pass = tiny_pass(early);
    pass.recompute = recompute;
    assert_int_equal(model_loss(model, &tiny.batch, &pass, &expected), STATUS_OK);
    memcpy(all, parameters->values, bytes);
    memset(parameters->values, 0xff, bytes);
    pass.gradient = late;
    pass.needed = supply_parameters;
    pass.context = &supply;
    assert_int_equal(model_loss(model, &tiny.batch, &pass, &loss), STATUS_OK);
    assert_true(supply.calls > 5 || 2 * supply.calls >= (int)parameters->count);
    if (loss.objective != expected.objective || memcmp(late, early, bytes) != 0)
        fail_msg("%s: parameters are read before they are there", variant->what);
    memory_free(all);
    memory_free(early);
    memory_free(late);
    model_close(model);
}

static void test_late__parameters_may_come_when_they_are_needed(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2 * variant_count(); v++)
        check_late_parameters(variant_at(v / 2), v % 2);
}

static enum status refuse_parameters(void *context, size_t end)
{
    (void)context;
    return end > 0 ? status_fail(STATUS_IO, "parameters did not come") : STATUS_OK;
}

static void test_late__parameters_that_do_not_come_end_the_pass(void **state)
{
    (void)state;
    struct model_options options = tiny_options((const char *const[]){NULL});
    struct model *model = tiny_model(&options, true);
    float *gradient = tiny_floats(model_parameters(model)->floats);
    struct tiny_batch tiny;
    struct loss loss;
    tiny_batch_fill(&tiny, 5, 7, 2);
    struct pass pass = tiny_pass(gradient);
    pass.needed = refuse_parameters;
    assert_int_equal(model_loss(model, &tiny.batch, &pass, &loss), STATUS_IO);
    memory_free(gradient);
    model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_late__parameters_may_come_when_they_are_needed),
            cmocka_unit_test(test_late__parameters_that_do_not_come_end_the_pass),
    };
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
