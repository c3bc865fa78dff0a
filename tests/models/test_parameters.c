#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "models/parameters.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct parameter matrix(const char *name, size_t rows, size_t columns)
{
    struct parameter parameter = {.array = {.rank = 2, .shape = {rows, columns}},
            .initialiser = INITIALISE_XAVIER,
            .fan_in = columns,
            .fan_out = rows,
            .decays = true};
    snprintf(parameter.array.name, sizeof parameter.array.name, "%s", name);
    return parameter;
}

static struct parameter vector(const char *name, size_t size, enum initialiser initialiser)
{
    struct parameter parameter = {.array = {.rank = 1, .shape = {size}}, .initialiser = initialiser};
    snprintf(parameter.array.name, sizeof parameter.array.name, "%s", name);
    return parameter;
}

static size_t declare(struct parameters *parameters, struct parameter parameter)
{
    size_t number;
    assert_int_equal(parameters_declare(parameters, &parameter, &number), STATUS_OK);
    return number;
}

static const float *values(const struct parameters *parameters, const char *name)
{
    return parameters->values + parameters_find(parameters, name)->array.offset;
}

static void test_parameters__each_starts_on_a_cache_line(void **state)
{
    (void)state;
    struct parameters p;
    parameters_init(&p);
    declare(&p, matrix("a", 3, 7));
    declare(&p, vector("b", 5, INITIALISE_ONE));
    declare(&p, vector("c", 16, INITIALISE_ZERO));
    assert_int_equal(p.items[0].array.offset, 0);
    assert_int_equal(p.items[1].array.offset, 32);
    assert_int_equal(p.items[2].array.offset, 48);
    assert_int_equal(p.floats, 64);
    assert_int_equal(parameters_count(&p), 21 + 5 + 16);
    assert_int_equal(parameters_allocate(&p), STATUS_OK);
    parameters_initialise(&p, 1);
    for (size_t i = 21; i < 32; i++)
        assert_true(p.values[i] == 0);
    for (size_t i = 32; i < 37; i++)
        assert_true(p.values[i] == 1);
    assert_null(parameters_find(&p, "d"));
    parameters_release(&p);
    assert_int_equal(memory_blocks(), 0);
}

static void test_parameters__a_name_is_declared_once(void **state)
{
    (void)state;
    struct parameters p;
    size_t number;
    parameters_init(&p);
    declare(&p, matrix("encoder/weight", 2, 2));
    struct parameter again = matrix("encoder/weight", 3, 3), huge = matrix("huge", SIZE_MAX / 2, 8);
    assert_int_equal(parameters_declare(&p, &again, &number), STATUS_INTERNAL);
    assert_non_null(strstr(status_message(), "encoder/weight"));
    assert_int_equal(parameters_declare(&p, &huge, &number), STATUS_INTERNAL);
    assert_non_null(strstr(status_message(), "huge"));
    assert_int_equal(p.count, 1);
    parameters_release(&p);
    assert_int_equal(memory_blocks(), 0);
}

static void test_parameters__initial_values_depend_on_seed_and_name_alone(void **state)
{
    (void)state;
    struct parameters few, many;
    parameters_init(&few);
    parameters_init(&many);
    declare(&few, matrix("a", 40, 60));
    declare(&few, matrix("b", 40, 60));
    declare(&many, matrix("other", 9, 9));
    declare(&many, matrix("b", 40, 60));
    assert_int_equal(parameters_allocate(&few), STATUS_OK);
    assert_int_equal(parameters_allocate(&many), STATUS_OK);
    parameters_initialise(&few, 3);
    parameters_initialise(&many, 3);
    size_t bytes = 40 * 60 * sizeof(float);
    assert_memory_equal(values(&few, "b"), values(&many, "b"), bytes);
    assert_memory_not_equal(values(&few, "a"), values(&few, "b"), bytes);
    parameters_initialise(&many, 4);
    assert_memory_not_equal(values(&few, "b"), values(&many, "b"), bytes);
    parameters_release(&few);
    parameters_release(&many);
    assert_int_equal(memory_blocks(), 0);
}

static void moments(const float *x, size_t count, double *mean, double *deviation, double *largest)
{
    *mean = *deviation = *largest = 0;
    for (size_t i = 0; i < count; i++) {
        *mean += (double)x[i] / (double)count;
        *deviation += (double)x[i] * (double)x[i] / (double)count;
        *largest = fmax(*largest, fabs((double)x[i]));
    }
    *deviation = sqrt(*deviation);
}

static void test_parameters__distributions_are_as_declared(void **state)
{
    (void)state;
    struct parameters p;
    parameters_init(&p);
    declare(&p, matrix("uniform", 200, 300));
    struct parameter normal = matrix("normal", 300, 200);
    normal.initialiser = INITIALISE_NORMAL;
    normal.scale = 0.02;
    normal.zero_rows = 2;
    declare(&p, normal);
    assert_int_equal(parameters_allocate(&p), STATUS_OK);
    parameters_initialise(&p, 11);
    double mean, deviation, largest, limit = sqrt(6.0 / 500);
    moments(values(&p, "uniform"), 60000, &mean, &deviation, &largest);
    assert_true(fabs(mean) < 0.02 * limit && fabs(deviation / (limit / sqrt(3)) - 1) < 0.02);
    assert_true(largest <= limit && largest > 0.99 * limit);
    moments(values(&p, "normal"), 298 * 200, &mean, &deviation, &largest);
    assert_true(fabs(mean) < 0.0005 && fabs(deviation / 0.02 - 1) < 0.02);
    for (size_t i = 298 * 200; i < 300 * 200; i++)
        assert_true(values(&p, "normal")[i] == 0);
    parameters_release(&p);
    assert_int_equal(memory_blocks(), 0);
}

static void test_parameters__some_begin_as_one(void **state)
{
    (void)state;
    struct parameters p;
    struct parameter bias = vector("bias", 6, INITIALISE_ZERO);
    bias.ones.first = 2;
    bias.ones.count = 3;
    parameters_init(&p);
    declare(&p, bias);
    assert_int_equal(parameters_allocate(&p), STATUS_OK);
    parameters_initialise(&p, 1);
    assert_memory_equal(values(&p, "bias"), ((const float[]){0, 0, 1, 1, 1, 0}), 6 * sizeof(float));
    parameters_release(&p);
    assert_int_equal(memory_blocks(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_parameters__each_starts_on_a_cache_line),
            cmocka_unit_test(test_parameters__a_name_is_declared_once),
            cmocka_unit_test(test_parameters__initial_values_depend_on_seed_and_name_alone),
            cmocka_unit_test(test_parameters__distributions_are_as_declared),
            cmocka_unit_test(test_parameters__some_begin_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
