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
#include "comm/random.h"
#include "train/training/ema.h"

enum { FLOATS = 3 * BLOCK_FLOATS + 123, UPDATES = 25 };

static float weights[FLOATS];

static void weights_after(int64_t update)
{
    struct random_stream stream = random_stream(1, RANDOM_TEST, (uint64_t)update, 0, 0);
    for (size_t i = 0; i < FLOATS; i++)
        weights[i] = (float)random_normal(&stream, i);
}

/* Buckets of two blocks, so that the own buffer is put together from several runs. */
static struct blocks some_blocks(void)
{
    return blocks_make(FLOATS, 2 * BLOCK_FLOATS, 1);
}

static void run(struct ema *ema, double decay)
{
    struct blocks blocks = some_blocks();
    assert_int_equal(ema_open(ema, decay, &blocks, 0), STATUS_OK);
    weights_after(0);
    ema_start(ema, &blocks, weights);
    for (int64_t t = 1; t <= UPDATES; t++) {
        weights_after(t);
        ema_update(ema, &blocks, t, weights);
    }
}

static void test_ema__follows_its_formula(void **state)
{
    (void)state;
    const double decay = 0.7; /* reached at update 20 */
    struct ema ema;
    static double average[FLOATS];
    run(&ema, decay);
    weights_after(0);
    for (size_t i = 0; i < FLOATS; i++)
        average[i] = (double)weights[i];
    for (int t = 1; t <= UPDATES; t++) {
        double d = fmin(decay, (1.0 + t) / (10.0 + t));
        weights_after(t);
        for (size_t i = 0; i < FLOATS; i++)
            average[i] = d * average[i] + (1 - d) * (double)weights[i];
    }
    double worst = 0;
    for (size_t i = 0; i < FLOATS; i++)
        worst = fmax(worst, fabs((double)ema.values[i] - average[i]));
    assert_true(worst < 2e-6);
    ema_close(&ema);
    assert_int_equal(memory_blocks(), 0);
}

static void test_ema__warms_up_as_marian(void **state)
{
    (void)state;
    assert_true(fabs(ema_share(0.999, 1) - 9.0 / 11) < 1e-15);
    assert_true(fabs(ema_share(0.999, 90) - 9.0 / 100) < 1e-15);
    assert_true(fabs(ema_share(0.999, 1000000) - 0.001) < 1e-15);
}

static void test_ema__is_the_same_with_any_number_of_threads(void **state)
{
    (void)state;
    struct ema one, more;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    run(&one, 0.99);
    omp_set_num_threads(3);
    run(&more, 0.99);
    omp_set_num_threads(threads);
    assert_memory_equal(one.values, more.values, FLOATS * sizeof(float));
    ema_close(&one);
    ema_close(&more);
}

static void test_ema__stands_still_on_weights_that_do(void **state)
{
    (void)state;
    struct ema ema;
    struct blocks blocks = some_blocks();
    assert_int_equal(ema_open(&ema, 0.999, &blocks, 0), STATUS_OK);
    weights_after(3);
    ema_start(&ema, &blocks, weights);
    for (int64_t t = 1; t <= 1000; t++)
        ema_update(&ema, &blocks, t, weights);
    assert_memory_equal(ema.values, weights, sizeof weights);
    ema_close(&ema);
}

static void test_ema__changes_places_and_back(void **state)
{
    (void)state;
    struct ema ema;
    static float before[FLOATS], average[FLOATS];
    struct exchange *exchange;
    struct exchange_kinds kinds = {
            .reduce = kind_find(&reduce_kinds, "ordered"), .wire = kind_find(&wire_kinds, "float32")};
    assert_int_equal(exchange_open(&exchange, &kinds, FLOATS, 1, 2 * BLOCK_FLOATS), STATUS_OK);
    run(&ema, 0.9);
    memcpy(before, weights, sizeof before);
    memcpy(average, ema.values, sizeof average);
    assert_int_equal(ema_swap(&ema, exchange, weights), STATUS_OK);
    assert_memory_equal(weights, average, sizeof weights);
    assert_int_equal(ema_swap(&ema, exchange, weights), STATUS_OK);
    assert_memory_equal(weights, before, sizeof weights);
    assert_memory_equal(ema.values, average, sizeof average);
    ema_close(&ema);
    exchange_close(exchange);
    assert_int_equal(memory_blocks(), 0);
}

static void test_ema__of_no_decay_is_none(void **state)
{
    (void)state;
    struct ema ema;
    run(&ema, 0);
    assert_null(ema.values);
    static float before[FLOATS];
    memcpy(before, weights, sizeof before);
    assert_int_equal(ema_swap(&ema, NULL, weights), STATUS_OK);
    assert_memory_equal(weights, before, sizeof weights);
    ema_close(&ema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_ema__follows_its_formula),
            cmocka_unit_test(test_ema__warms_up_as_marian),
            cmocka_unit_test(test_ema__is_the_same_with_any_number_of_threads),
            cmocka_unit_test(test_ema__stands_still_on_weights_that_do),
            cmocka_unit_test(test_ema__changes_places_and_back),
            cmocka_unit_test(test_ema__of_no_decay_is_none),
    };
    return cmocka_run_group_tests_name("ema", tests, NULL, NULL);
}
