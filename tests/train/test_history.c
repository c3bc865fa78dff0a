/* What the history of validations says: the best, and how long it has waited for a better one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "train/training/history.h"
#include "train/training/validate.h"

#include <math.h>
#include <string.h>

static const struct kind *metric(const char *name)
{
    const struct kind *found = kind_find(&metric_kinds, name);
    assert_non_null(found);
    return found;
}

/* A validation after each of 10, 20, ... updates; `second` may be NULL. */
static void fill(struct history *history, const char *first, const double *values, const char *second,
        const double *others, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double all[METRICS_LIMIT];
        for (int m = 0; m < METRICS_LIMIT; m++)
            all[m] = NAN;
        all[metric_number(metric(first))] = values[i];
        if (second)
            all[metric_number(metric(second))] = others[i];
        assert_int_equal(history_add(history, 10 * (int64_t)(i + 1), all), STATUS_OK);
    }
}

static void test_history__the_best_is_the_first_of_equals(void **state)
{
    (void)state;
    struct history history = {0};
    const double losses[] = {3, 2, 2.5, 2, 2.1}, accuracies[] = {0.1, 0.2, 0.4, 0.4, 0.3};
    assert_int_equal(history_best(&history, metric("loss")).update, 0);
    fill(&history, "loss", losses, "accuracy", accuracies, 5);
    assert_int_equal(history_best(&history, metric("loss")).update, 20);
    assert_true(history_best(&history, metric("loss")).value == 2);
    assert_int_equal(history_best(&history, metric("accuracy")).update, 30);
    assert_int_equal(history_best(&history, metric("perplexity")).update, 0);
    assert_int_equal(history_check(&history, "file"), STATUS_OK);
    history_release(&history);
    assert_int_equal(memory_blocks(), 0);
}

static void test_history__patience_counts_since_the_last_improvement(void **state)
{
    (void)state;
    struct history history = {0};
    const double losses[] = {3, 2, 1.95, 1.9, 1.85};
    assert_int_equal(history_waiting(&history, metric("loss"), 0), 0);
    fill(&history, "loss", losses, NULL, NULL, 5);
    assert_int_equal(history_waiting(&history, metric("loss"), 0), 0);
    assert_int_equal(history_waiting(&history, metric("loss"), 0.5), 3);
    assert_int_equal(history_waiting(&history, metric("loss"), 0.125), 0); /* 1.85 against 2 */
    assert_int_equal(history_waiting(&history, metric("loss"), 2), 4);
    history_release(&history);
}

/* A metric that was asked for later, and not each time. */
static void test_history__what_was_not_computed_does_not_count(void **state)
{
    (void)state;
    struct history history = {0};
    const double losses[] = {3, 2, 2, 2, 2}, accuracies[] = {NAN, NAN, 0.5, NAN, 0.4};
    fill(&history, "loss", losses, "accuracy", accuracies, 5);
    const struct field_row *row = &history.values[metric_number(metric("accuracy"))];
    assert_int_equal(row->count, 5);
    assert_true(isnan(row->reals[0]) && isnan(row->reals[1]) && row->reals[2] == 0.5 && isnan(row->reals[3]));
    assert_int_equal(history_best(&history, metric("accuracy")).update, 30);
    assert_int_equal(history_waiting(&history, metric("accuracy"), 0), 1);
    assert_int_equal(history.values[metric_number(metric("perplexity"))].count, 0);
    history_release(&history);
}

static void test_history__a_crooked_one_is_refused(void **state)
{
    (void)state;
    struct history history = {0};
    const double losses[] = {3, 2, 2.5};
    fill(&history, "loss", losses, NULL, NULL, 3);
    history.updates.integers[2] = 20;
    assert_int_equal(history_check(&history, "file.h5"), STATUS_DATA);
    assert_non_null(strstr(status_message(), "file.h5: expected rising updates"));
    assert_non_null(strstr(status_message(), "20 after 20"));
    history.updates.integers[2] = 30;
    history.values[metric_number(metric("loss"))].count = 2;
    assert_int_equal(history_check(&history, "file.h5"), STATUS_DATA);
    assert_non_null(strstr(status_message(), "expected 3 values of loss"));
    history_release(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_history__the_best_is_the_first_of_equals),
            cmocka_unit_test(test_history__patience_counts_since_the_last_improvement),
            cmocka_unit_test(test_history__what_was_not_computed_does_not_count),
            cmocka_unit_test(test_history__a_crooked_one_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
