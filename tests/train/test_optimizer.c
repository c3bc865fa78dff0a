#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "comm/random.h"
#include "train/optimizer.h"

enum { COUNT = 3 * BLOCK_FLOATS + 1234 };

struct state {
    float parameters[COUNT], m[COUNT], v[COUNT];
};

static float gradient[COUNT], decay[COUNT];

static struct optimizer_options options_of(const char *kind)
{
    return (struct optimizer_options){.kind = kind_find(&optimizer_kinds, kind),
            .learning_rate = 0.01,
            .beta1 = 0.9,
            .beta2 = 0.98,
            .epsilon = 1e-9,
            .weight_decay = 0.1,
            .momentum = 0.9};
}

static struct state *state_new(void)
{
    struct state *state = calloc(1, sizeof *state);
    struct random_stream stream = random_stream(1, RANDOM_TEST, 0, 0, 0);
    for (size_t i = 0; i < COUNT; i++)
        state->parameters[i] = (float)random_normal(&stream, i);
    return state;
}

static void gradient_of(int update)
{
    struct random_stream stream = random_stream(2, RANDOM_TEST, (uint64_t)update, 0, 0);
    for (size_t i = 0; i < COUNT; i++) {
        gradient[i] = (float)random_normal(&stream, i);
        decay[i] = i % 3 != 0;
    }
}

/* Updates 1..n of the stretch [first, first + count). */
static void run(
        struct state *state, const struct optimizer_options *options, int n, size_t first, size_t count)
{
    for (int t = 1; t <= n; t++) {
        gradient_of(t);
        struct optimizer_step step = {options, options->learning_rate, t, 0.5};
        float *moments[OPTIMIZER_MOMENTS] = {state->m + first, state->v + first};
        optimizer_update(&step, count, state->parameters + first, gradient + first, decay + first, moments);
    }
}

/* The formulas once more, in double and one element at a time. */
static double naive_adam(const struct optimizer_options *o, double p, size_t i, int n)
{
    double m = 0, v = 0;
    for (int t = 1; t <= n; t++) {
        gradient_of(t);
        double g = gradient[i] * 0.5;
        p -= o->learning_rate * o->weight_decay * decay[i] * p;
        m = o->beta1 * m + (1 - o->beta1) * g;
        v = o->beta2 * v + (1 - o->beta2) * g * g;
        p -= o->learning_rate * (m / (1 - pow(o->beta1, t))) /
             (sqrt(v / (1 - pow(o->beta2, t))) + o->epsilon);
    }
    return p;
}

static double naive_sgd(const struct optimizer_options *o, double p, size_t i, int n)
{
    double b = 0;
    for (int t = 1; t <= n; t++) {
        gradient_of(t);
        p -= o->learning_rate * o->weight_decay * decay[i] * p;
        b = o->momentum * b + gradient[i] * 0.5;
        p -= o->learning_rate * b;
    }
    return p;
}

static void check_formula(
        const char *kind, double (*naive)(const struct optimizer_options *, double, size_t, int))
{
    struct optimizer_options options = options_of(kind);
    struct state *before = state_new(), *state = state_new();
    run(state, &options, 5, 0, COUNT);
    for (size_t i = 0; i < COUNT; i += 997)
        assert_float_equal(state->parameters[i], naive(&options, before->parameters[i], i, 5), 2e-6);
    free(before);
    free(state);
}

static void test_optimizer__adam_follows_its_formula(void **unused)
{
    (void)unused;
    check_formula("adam", naive_adam);
}

static void test_optimizer__sgd_follows_its_formula(void **unused)
{
    (void)unused;
    check_formula("sgd", naive_sgd);
}

/* Stretches cut at blocks, and any number of threads: the same bits. */
static void test_optimizer__layout_does_not_show(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < optimizer_kinds.count; k++) {
        struct optimizer_options options = options_of(kind_at(&optimizer_kinds, k)->name);
        struct state *whole = state_new(), *parts = state_new();
        omp_set_num_threads(1);
        run(whole, &options, 3, 0, COUNT);
        omp_set_num_threads(3);
        run(parts, &options, 3, 0, BLOCK_FLOATS);
        run(parts, &options, 3, BLOCK_FLOATS, COUNT - BLOCK_FLOATS);
        assert_memory_equal(whole, parts, sizeof *whole);
        free(whole);
        free(parts);
    }
}

static void test_optimizer__zero_gradient_moves_nothing(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < optimizer_kinds.count; k++) {
        struct optimizer_options options = options_of(kind_at(&optimizer_kinds, k)->name);
        options.weight_decay = 0;
        struct state *before = state_new(), *state = state_new();
        memset(gradient, 0, sizeof gradient);
        struct optimizer_step step = {&options, 0.1, 1, 1.0};
        float *moments[OPTIMIZER_MOMENTS] = {state->m, state->v};
        optimizer_update(&step, COUNT, state->parameters, gradient, NULL, moments);
        assert_memory_equal(before->parameters, state->parameters, sizeof state->parameters);
        free(before);
        free(state);
    }
}

/* A NaN in the gradient stays visible: nothing may hide it. */
static void test_optimizer__nan_is_not_hidden(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < optimizer_kinds.count; k++) {
        struct optimizer_options options = options_of(kind_at(&optimizer_kinds, k)->name);
        struct state *state = state_new();
        gradient_of(1);
        gradient[5000] = NAN;
        struct optimizer_step step = {&options, 0.1, 1, 1.0};
        float *moments[OPTIMIZER_MOMENTS] = {state->m, state->v};
        optimizer_update(&step, COUNT, state->parameters, gradient, decay, moments);
        assert_true(isnan(state->parameters[5000]));
        assert_false(isnan(state->parameters[4999]) || isnan(state->parameters[5001]));
        free(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_optimizer__adam_follows_its_formula),
            cmocka_unit_test(test_optimizer__sgd_follows_its_formula),
            cmocka_unit_test(test_optimizer__layout_does_not_show),
            cmocka_unit_test(test_optimizer__zero_gradient_moves_nothing),
            cmocka_unit_test(test_optimizer__nan_is_not_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
