/* The gradient of whole models, every parameter of it, against slopes of the loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "comm/random.h"
#include "tests/models/variants.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

struct slopes {
    struct model *model;
    const struct batch *batch;
    double r_drop;
    const char *guide; /* a kind; NULL: none */
};

enum { WRONG = 512 };

static double objective(const struct slopes *slopes, float *gradient)
{
    struct pass pass = tiny_pass(gradient);
    struct loss loss;
    pass.r_drop = slopes->r_drop;
    pass.guide = slopes->guide ? kind_find(&guide_kinds, slopes->guide) : NULL;
    pass.guide_weight = 0.5;
    assert_int_equal(model_loss(slopes->model, slopes->batch, &pass, &loss), STATUS_OK);
    return loss.objective;
}

/* The slope of the loss along random direction `direction` of one parameter, by central differences. */
static double measured_slope(const struct slopes *slopes, const struct parameter *p,
        const struct random_stream *direction, double step)
{
    float *values = model_parameters(slopes->model)->values + p->array.offset;
    float *kept = tiny_floats(p->floats);
    memcpy(kept, values, p->floats * sizeof *kept);
    double loss[2];
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < p->floats; i++)
            values[i] = kept[i] + (float)((s ? -step : step) * random_normal(direction, i));
        loss[s] = objective(slopes, NULL);
    }
    memcpy(values, kept, p->floats * sizeof *kept);
    memory_free(kept);
    return (loss[0] - loss[1]) / (2 * step);
}

/* A kink of ReLU within a step spoils it, and rounding a small one: one of three steps must agree with the gradient. */
static bool slope_agrees(const struct slopes *slopes, const struct parameter *p, const float *gradient,
        uint32_t number, char wrong[WRONG])
{
    static const double steps[] = {2e-3, 5e-4, 1e-4};
    struct random_stream direction = random_stream(number, RANDOM_TEST, 0, 0, 9);
    double slope = 0, size = 0, measured = 0;
    for (size_t i = 0; i < p->floats; i++) {
        double g = (double)gradient[p->array.offset + i];
        slope += g * random_normal(&direction, i);
        size += g * g;
    }
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        measured = measured_slope(slopes, p, &direction, steps[s]);
        if (fabs(measured - slope) <= 0.005 * (sqrt(size) + 0.05))
            return true;
    }
    snprintf(wrong, WRONG, "%s: slope %.6g, measured %.6g (gradient's norm %.3g)", p->array.name, slope,
            measured, sqrt(size));
    return false;
}

/* On a batch of its own; `wrong` is told if not. */
static bool slopes_agree(
        const struct variant *variant, double r_drop, const char *guide, uint64_t seed, char wrong[WRONG])
{
    struct model_options options = variant_options(variant);
    variant_drop(&options, 0.1);
    struct model *model = tiny_model(&options, variant->joint);
    const struct parameters *parameters = model_parameters(model);
    struct tiny_batch tiny;
    variant_batch(variant, &tiny, 5, 7, seed);
    if (guide)
        tiny_batch_align(&tiny);
    float *gradient = tiny_floats(parameters->floats);
    const struct slopes slopes = {model, &tiny.batch, r_drop, guide};
    bool agree = true;
    double loss = objective(&slopes, gradient);
    assert_true(loss == objective(&slopes, NULL));
    for (size_t i = 0; agree && i < parameters->count; i++)
        for (uint32_t direction = 1; agree && direction <= 2; direction++)
            agree = slope_agrees(&slopes, &parameters->items[i], gradient, direction, wrong);
    memory_free(gradient);
    model_close(model);
    return agree;
}

/* Where a batch lies right at a kink, another does not. */
static void check_slopes(const struct variant *variant, double r_drop, const char *guide)
{
    char wrong[WRONG];
    for (uint64_t seed = 2; seed < 5; seed++)
        if (slopes_agree(variant, r_drop, guide, seed, wrong))
            return;
    fail_msg("%s, %s", variant->what, wrong);
}

static void test_slopes__gradient_is_the_slope_of_the_loss(void **state)
{
    (void)state;
    for (size_t v = 0; v < variant_count(); v++)
        check_slopes(variant_at(v), 0, NULL);
    check_slopes(&(struct variant){"R-Drop", true, {NULL}}, 2, NULL);
}

static void test_slopes__guided_gradient_is_the_slope_of_the_loss(void **state)
{
    (void)state;
    static const char *const kinds[] = {"ce", "mse", "mult"};
    for (size_t v = 0; v < variant_count(); v++)
        if (variant_can_be_guided(variant_at(v)))
            check_slopes(variant_at(v), 0, kinds[v % 3]);
    check_slopes(&(struct variant){"R-Drop", true, {NULL}}, 2, "ce");
    check_slopes(&(struct variant){"R-Drop, gru", true, {"model.kind", "recurrent", NULL}}, 2, "ce");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_slopes__gradient_is_the_slope_of_the_loss),
            cmocka_unit_test(test_slopes__guided_gradient_is_the_slope_of_the_loss),
    };
    omp_set_num_threads(1);
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
