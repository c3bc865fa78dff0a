#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "models/peak.h"
#include "tests/models/tiny.h"

#include <string.h>

enum { PAIRS = 5, LAYERS = 2, HEADS = 2, HEAD_WIDTH = 4, PASSES = 3 };

static struct model *model;
static struct tiny_batch batch;

static int open_model(void **state)
{
    (void)state;
    struct model_options options = tiny_options(NULL);
    model = tiny_model(&options, true);
    tiny_batch_fill(&batch, PAIRS, 9, 3);
    return 0;
}

static int close_model(void **state)
{
    model_close(model);
    return tiny_nothing_is_left(state);
}

/* The gradient of the batch, and its loss. */
static double pass(float *gradient, struct profile *profile)
{
    struct loss loss;
    struct pass pass = {.training = true, .seed = 1, .gradient = gradient, .profile = profile};
    assert_int_equal(model_loss(model, &batch.batch, &pass, &loss), STATUS_OK);
    return loss.objective;
}

static float *gradient_new(void)
{
    float *gradient = NULL;
    assert_int_equal(
            memory_new(&gradient, "test", model_parameters(model)->floats, sizeof *gradient), STATUS_OK);
    return gradient;
}

static double length(enum side side, size_t pair)
{
    return batch.offsets[side][pair + 1] - batch.offsets[side][pair];
}

/* 6 per weight of a product and token that goes through it. */
static double linear_operations(void)
{
    const struct parameters *parameters = model_parameters(model);
    double sum = 0;
    for (size_t i = 0; i < parameters->count; i++) {
        const struct flat_array *array = &parameters->items[i].array;
        bool source = strncmp(array->name, "encoder/", 8) == 0 || strstr(array->name, "key_value");
        if (array->rank == 2 && !strstr(array->name, "embedding"))
            sum += 6.0 * (double)parameters->items[i].floats *
                   (double)batch.batch.tokens[source ? SOURCE : TARGET];
    }
    return sum;
}

static double attention_operations(void)
{
    double seen = 0;
    for (size_t pair = 0; pair < PAIRS; pair++) {
        double s = length(SOURCE, pair), t = length(TARGET, pair);
        seen += s * s + t * (t + 1) / 2 + t * s;
    }
    return 3 * 2.0 * seen * HEADS * 2 * HEAD_WIDTH * LAYERS;
}

static const struct op_profile *find(const struct profile *profile, const char *name)
{
    for (size_t i = 0; ops[i]; i++)
        if (strcmp(ops[i]->name, name) == 0)
            return &profile->ops[i];
    fail_msg("no op %s", name);
    return NULL;
}

static double operations(const struct profile *profile, const char *name)
{
    const double *each = find(profile, name)->operations;
    return each[FORWARD] + each[BACKWARD];
}

static void test_profile__counts_the_work_of_a_model(void **state)
{
    (void)state;
    struct profile profile = {0};
    float *gradient = gradient_new();
    for (int i = 0; i < PASSES; i++)
        pass(gradient, &profile);
    double loss = 6.0 * TINY_PIECES * 8 * (double)batch.batch.tokens[TARGET];
    assert_true(linear_operations() > 0);
    assert_true(operations(&profile, "linear") == PASSES * linear_operations());
    assert_true(operations(&profile, "attention") == PASSES * attention_operations());
    assert_true(operations(&profile, "loss") == PASSES * loss);
    assert_int_equal((int)find(&profile, "loss")->calls, PASSES);
    assert_int_equal((int)find(&profile, "attention")->calls, PASSES * LAYERS * 3);
    assert_true(profile.largest.operations == linear_operations() + loss);
    memory_free(gradient);
}

static void check_each_op(size_t *seen)
{
    struct profile profile = {0};
    float *gradient = gradient_new();
    pass(gradient, &profile);
    for (size_t i = 0; ops[i]; i++) {
        const struct op_profile *p = &profile.ops[i];
        if (p->calls == 0)
            continue;
        assert_non_null(ops[i]->work);
        assert_true(p->operations[FORWARD] + p->bytes[FORWARD] > 0);
        assert_true(p->seconds[FORWARD] > 0 && p->seconds[BACKWARD] > 0);
        ++*seen;
    }
    memory_free(gradient);
}

static void test_profile__every_op_tells_its_work_and_time(void **state)
{
    (void)state;
    static const char *const recurrent[] = {"model.kind", "recurrent", NULL};
    struct model *transformer = model;
    struct model_options options = tiny_options(recurrent);
    size_t of_transformer = 0, of_recurrent = 0;
    check_each_op(&of_transformer);
    model = tiny_model(&options, true);
    check_each_op(&of_recurrent);
    model_close(model);
    model = transformer;
    assert_true(of_transformer > 4 && of_recurrent > 10);
}

static void test_profile__changes_no_bit(void **state)
{
    (void)state;
    struct profile profile = {0};
    float *plain = gradient_new(), *profiled = gradient_new();
    double loss = pass(plain, NULL);
    assert_true(pass(profiled, &profile) == loss);
    assert_memory_equal(plain, profiled, model_parameters(model)->floats * sizeof *plain);
    memory_free(plain);
    memory_free(profiled);
}

static void test_profile__passes_without_a_gradient_do_not_count(void **state)
{
    (void)state;
    struct profile profile = {0};
    pass(NULL, &profile);
    for (size_t i = 0; ops[i]; i++)
        assert_true(profile.ops[i].calls == 0);
}

static void test_profile__peaks_are_of_each_product(void **state)
{
    (void)state;
    struct product_list list = {.items = {{.transpose_b = true, .m = 70, .n = 30, .k = 9, .times = 2},
                                        {.transpose_a = true, .m = 30, .n = 9, .k = 70, .times = 1},
                                        {.m = 600, .n = 20, .k = 8, .times = 1}},
            .count = 3};
    struct peak_product first[3] = {0}, again[3];
    double bytes = 0;
    assert_int_equal(peak_products(first, &list, model), STATUS_OK);
    memcpy(again, first, sizeof again);
    assert_int_equal(peak_products(again, &list, model), STATUS_OK);
    for (size_t i = 0; i < list.count; i++)
        for (int way = 0; way < PEAK_WAYS; way++) {
            assert_true(again[i].seconds[way] > 0 && again[i].seconds[way] <= first[i].seconds[way]);
            assert_true(peak_best(&again[i]) <= again[i].seconds[way]);
        }
    assert_true(product_operations(&list.items[0]) == 2 * 70 * 30 * 9);
    assert_int_equal(peak_memory(&bytes), STATUS_OK);
    assert_true(bytes > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_profile__counts_the_work_of_a_model),
            cmocka_unit_test(test_profile__every_op_tells_its_work_and_time),
            cmocka_unit_test(test_profile__changes_no_bit),
            cmocka_unit_test(test_profile__passes_without_a_gradient_do_not_count),
            cmocka_unit_test(test_profile__peaks_are_of_each_product),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
