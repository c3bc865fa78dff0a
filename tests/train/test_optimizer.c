#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "comm/memory.h"
#include "tests/train/toy_parameters.h"

/* ---- the formulas once more: in double, one parameter at a time ---- */

struct twin {
    const struct optimizer_options *o;
    size_t rows, columns;
    bool decays;
    double decay;          /* 0 unless it does */
    double *p, *g, *a, *b; /* [rows · columns] values, gradient, moments */
};

static void twin_adam(struct twin *w, int t)
{
    bool decoupled = strcmp(w->o->kind->name, "adamw") == 0;
    for (size_t i = 0; i < w->rows * w->columns; i++) {
        if (decoupled)
            w->p[i] *= 1 - w->o->learning_rate * w->decay;
        double g = w->g[i] + (decoupled ? 0 : w->decay * w->p[i]);
        w->a[i] = w->o->beta1 * w->a[i] + (1 - w->o->beta1) * g;
        w->b[i] = w->o->beta2 * w->b[i] + (1 - w->o->beta2) * g * g;
        w->p[i] -= w->o->learning_rate * (w->a[i] / (1 - pow(w->o->beta1, t))) /
                   (sqrt(w->b[i] / (1 - pow(w->o->beta2, t))) + w->o->epsilon);
    }
}

static void twin_sgd(struct twin *w, int t)
{
    (void)t;
    for (size_t i = 0; i < w->rows * w->columns; i++) {
        double g = w->g[i] + w->decay * w->p[i];
        w->a[i] = w->o->momentum * w->a[i] + g;
        w->p[i] -= w->o->learning_rate * (w->o->nesterov ? g + w->o->momentum * w->a[i] : w->a[i]);
    }
}

static void twin_adagrad(struct twin *w, int t)
{
    (void)t;
    for (size_t i = 0; i < w->rows * w->columns; i++) {
        double g = w->g[i] + w->decay * w->p[i];
        w->a[i] += g * g;
        w->p[i] -= w->o->learning_rate * g / (sqrt(w->a[i]) + w->o->epsilon);
    }
}

static void twin_lamb(struct twin *w, int t)
{
    double p2 = 0, u2 = 0;
    size_t count = w->rows * w->columns;
    double *u = calloc(count, sizeof *u);
    for (size_t i = 0; i < count; i++) {
        w->a[i] = w->o->beta1 * w->a[i] + (1 - w->o->beta1) * w->g[i];
        w->b[i] = w->o->beta2 * w->b[i] + (1 - w->o->beta2) * w->g[i] * w->g[i];
        u[i] = w->a[i] / (1 - pow(w->o->beta1, t)) /
                       (sqrt(w->b[i] / (1 - pow(w->o->beta2, t))) + w->o->epsilon) +
               w->decay * w->p[i];
        p2 += w->p[i] * w->p[i];
        u2 += u[i] * u[i];
    }
    for (size_t i = 0; i < count; i++)
        w->p[i] -= w->o->learning_rate * (w->decays ? sqrt(p2 / u2) : 1) * u[i];
    free(u);
}

static void twin_adafactor(struct twin *w, int t)
{
    size_t n = w->rows, m = w->columns;
    double weight = pow(t, -0.8), mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < m; j++)
            sum += w->g[i * m + j] * w->g[i * m + j];
        w->a[i] += weight * (sum / (double)m - w->a[i]);
        mean += w->a[i] / (double)n;
    }
    for (size_t j = 0; j < m; j++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += w->g[i * m + j] * w->g[i * m + j];
        w->b[j] += weight * (sum / (double)n - w->b[j]);
    }
    for (size_t i = 0; i < n * m; i++) {
        w->g[i] /= sqrt(w->a[i / m] * w->b[i % m] / mean);
        square += w->g[i] * w->g[i] / (double)(n * m);
    }
    for (size_t i = 0; i < n * m; i++)
        w->p[i] = w->p[i] * (1 - w->o->learning_rate * w->decay) -
                  w->o->learning_rate / fmax(1, sqrt(square)) * w->g[i];
}

static const struct {
    const char *kind;
    void (*twin)(struct twin *, int update);
} twins[] = {{"adam", twin_adam}, {"adamw", twin_adam}, {"sgd", twin_sgd}, {"adagrad", twin_adagrad},
        {"adafactor", twin_adafactor}, {"lamb", twin_lamb}};

enum { UPDATES = 5 };

/* The largest difference to `values` after UPDATES updates of one parameter. */
static double compare(const struct parameters *parameters, size_t number, const struct optimizer_options *o,
        void (*update)(struct twin *, int), const float *values)
{
    const struct parameter *item = &parameters->items[number];
    size_t offset = item->array.offset, count = item->floats;
    double *memory = calloc(4 * count, sizeof *memory), worst = 0;
    float *gradient = calloc(parameters->floats, sizeof *gradient);
    struct twin twin = {.o = o,
            .rows = item->array.rank > 1 ? item->array.shape[0] : 1,
            .columns = item->array.rank > 1 ? item->array.shape[1] : count,
            .decays = item->decays,
            .decay = item->decays ? o->weight_decay : 0,
            .p = memory,
            .g = memory + count,
            .a = memory + 2 * count,
            .b = memory + 3 * count};
    for (size_t i = 0; i < count; i++)
        twin.p[i] = parameters->values[offset + i];
    for (int t = 1; t <= UPDATES; t++) {
        toy_gradient(parameters, t, gradient);
        for (size_t i = 0; i < count; i++)
            twin.g[i] = 0.5 * gradient[offset + i];
        update(&twin, t);
    }
    for (size_t i = 0; i < count; i++)
        worst = fmax(worst, fabs(twin.p[i] - values[offset + i]));
    free(memory);
    free(gradient);
    return worst;
}

static void check_formula(const struct optimizer_options *options, void (*twin)(struct twin *, int))
{
    struct parameters parameters;
    toy_open(&parameters);
    float *values = calloc(parameters.floats, sizeof *values);
    toy_run(&parameters, options, NULL, UPDATES, values);
    for (size_t p = 0; p < parameters.count; p++) {
        double worst = compare(&parameters, p, options, twin, values);
        if (!(worst < 2e-6))
            fail_msg("%s, %s: %g", options->kind->name, parameters.items[p].array.name, worst);
    }
    free(values);
    parameters_release(&parameters);
    assert_int_equal(memory_blocks(), 0);
}

static void test_optimizer__every_kind_follows_its_formula(void **unused)
{
    (void)unused;
    assert_int_equal(sizeof twins / sizeof twins[0], optimizer_kinds.count);
    for (size_t k = 0; k < optimizer_kinds.count; k++) {
        struct optimizer_options options = toy_options(twins[k].kind);
        check_formula(&options, twins[k].twin);
        options.weight_decay = 0;
        check_formula(&options, twins[k].twin);
    }
    struct optimizer_options nesterov = toy_options("sgd");
    nesterov.nesterov = true;
    check_formula(&nesterov, twin_sgd);
    struct optimizer_options plain = toy_options("sgd");
    plain.momentum = 0;
    check_formula(&plain, twin_sgd);
}

static void test_optimizer__threads_do_not_show(void **unused)
{
    (void)unused;
    struct parameters parameters;
    toy_open(&parameters);
    size_t bytes = parameters.floats * sizeof(float);
    float *one = malloc(bytes), *three = malloc(bytes);
    for (size_t k = 0; k < optimizer_kinds.count; k++) {
        struct optimizer_options options = toy_options(kind_at(&optimizer_kinds, k)->name);
        omp_set_num_threads(1);
        toy_run(&parameters, &options, NULL, 3, one);
        omp_set_num_threads(3);
        toy_run(&parameters, &options, NULL, 3, three);
        assert_memory_equal(one, three, bytes);
    }
    free(one);
    free(three);
    parameters_release(&parameters);
}

static void test_optimizer__frozen_parameters_and_gaps_stay(void **unused)
{
    (void)unused;
    struct parameters parameters;
    const bool frozen[TOY_PARAMETERS] = {true, false, false, true, false};
    toy_open(&parameters);
    float *values = calloc(parameters.floats, sizeof *values);
    for (size_t k = 0; k < optimizer_kinds.count; k++) {
        struct optimizer_options options = toy_options(kind_at(&optimizer_kinds, k)->name);
        toy_run(&parameters, &options, frozen, 2, values);
        for (size_t p = 0, end = 0; p < parameters.count; p++) {
            const struct parameter *item = &parameters.items[p];
            for (; end < item->array.offset; end++)
                assert_true(values[end] == 0);
            end += item->floats;
            bool same = memcmp(values + item->array.offset, parameters.values + item->array.offset,
                                item->floats * sizeof *values) == 0;
            assert_int_equal(same, frozen[p]);
        }
    }
    free(values);
    parameters_release(&parameters);
}

/* One update with a given gradient in all of encoder/0/weight. */
static void one_update(const char *kind, float g, float at_100, struct parameters *parameters, float *values)
{
    struct optimizer_options options = toy_options(kind);
    struct blocks blocks = blocks_make(parameters->floats, 0, 1);
    struct optimizer *optimizer;
    float *gradient = calloc(parameters->floats, sizeof *gradient);
    options.weight_decay = 0;
    for (size_t i = 0; i < parameters->items[0].floats; i++)
        gradient[i] = i == 100 ? at_100 : g;
    memcpy(values, parameters->values, parameters->floats * sizeof *values);
    assert_int_equal(optimizer_open(&optimizer, &options, parameters, &blocks, 0, NULL), STATUS_OK);
    struct optimizer_step step = toy_step(&options, 1, (double)g * g * (double)parameters->items[0].floats);
    assert_int_equal(optimizer_step(optimizer, &step, values, gradient), STATUS_OK);
    optimizer_close(optimizer);
    free(gradient);
}

static void test_optimizer__zero_gradient_moves_nothing(void **unused)
{
    (void)unused;
    struct parameters parameters;
    toy_open(&parameters);
    float *values = calloc(parameters.floats, sizeof *values);
    for (size_t k = 0; k < optimizer_kinds.count; k++) {
        one_update(kind_at(&optimizer_kinds, k)->name, 0, 0, &parameters, values);
        assert_memory_equal(values, parameters.values, parameters.floats * sizeof *values);
    }
    free(values);
    parameters_release(&parameters);
}

/* A NaN in the gradient stays visible: nothing may hide it. */
static void test_optimizer__nan_is_not_hidden(void **unused)
{
    (void)unused;
    struct parameters parameters;
    toy_open(&parameters);
    float *values = calloc(parameters.floats, sizeof *values);
    for (size_t k = 0; k < optimizer_kinds.count; k++) {
        const char *kind = kind_at(&optimizer_kinds, k)->name;
        bool whole = strcmp(kind, "lamb") == 0 || strcmp(kind, "adafactor") == 0;
        one_update(kind, 1, NAN, &parameters, values);
        assert_true(isnan(values[100]));
        assert_true(whole || (!isnan(values[99]) && !isnan(values[101])));
    }
    free(values);
    parameters_release(&parameters);
}

/* The promise of adafactor: state of rows + columns instead of rows · columns. */
static void test_optimizer__adafactor_keeps_rows_and_columns(void **unused)
{
    (void)unused;
    struct parameters parameters;
    struct optimizer_options options = toy_options("adafactor");
    struct flat_plane planes[OPTIMIZER_PLANES];
    struct optimizer *optimizer;
    toy_open(&parameters);
    struct blocks blocks = blocks_make(parameters.floats, 0, 1);
    assert_int_equal(optimizer_open(&optimizer, &options, &parameters, &blocks, 0, NULL), STATUS_OK);
    assert_int_equal(optimizer_planes(optimizer, planes), 2);
    static const size_t shapes[2][TOY_PARAMETERS] = {{70, 1, 3, 1, 1}, {130, 70, 5000, 5, 130}};
    for (int axis = 0; axis < 2; axis++)
        for (size_t p = 0; p < TOY_PARAMETERS; p++) {
            const struct flat_array *array = &planes[axis].arrays[p];
            assert_string_equal(array->name, parameters.items[p].array.name);
            assert_int_equal(array->rank, 1);
            assert_int_equal(array->shape[0], shapes[axis][p]);
            assert_true(array->offset <= parameters.items[p].array.offset);
        }
    optimizer_close(optimizer);
    parameters_release(&parameters);
}

static void test_optimizer__without_momentum_there_is_no_velocity(void **unused)
{
    (void)unused;
    struct parameters parameters;
    struct flat_plane planes[OPTIMIZER_PLANES];
    struct optimizer *optimizer;
    toy_open(&parameters);
    struct blocks blocks = blocks_make(parameters.floats, 0, 1);
    struct optimizer_options options = toy_options("sgd");
    for (int with = 0; with < 2; with++) {
        options.momentum = with ? 0.9 : 0;
        assert_int_equal(optimizer_open(&optimizer, &options, &parameters, &blocks, 0, NULL), STATUS_OK);
        assert_int_equal(optimizer_planes(optimizer, planes), with);
        optimizer_close(optimizer);
    }
    parameters_release(&parameters);
}

static void test_optimizer__nesterov_needs_momentum(void **unused)
{
    (void)unused;
    struct optimizer_options options = toy_options("sgd");
    options.nesterov = true;
    assert_int_equal(optimizer_check(&options), STATUS_OK);
    options.momentum = 0;
    assert_int_equal(optimizer_check(&options), STATUS_CONFIG);
    assert_non_null(strstr(status_message(), "only with optimizer.momentum above 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_optimizer__every_kind_follows_its_formula),
            cmocka_unit_test(test_optimizer__without_momentum_there_is_no_velocity),
            cmocka_unit_test(test_optimizer__threads_do_not_show),
            cmocka_unit_test(test_optimizer__frozen_parameters_and_gaps_stay),
            cmocka_unit_test(test_optimizer__zero_gradient_moves_nothing),
            cmocka_unit_test(test_optimizer__nan_is_not_hidden),
            cmocka_unit_test(test_optimizer__adafactor_keeps_rows_and_columns),
            cmocka_unit_test(test_optimizer__nesterov_needs_momentum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
