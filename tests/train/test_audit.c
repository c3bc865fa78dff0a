/* Which rank an audit names: only one that more than half of the trials are against. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/training/audit.h"

enum { RIGHT = 7, WRONG = 8, WRONG_TOO = 9 };

#define ODD(...)                                                                                             \
    audit_odd_rank((const struct audit_trial[]){__VA_ARGS__},                                                \
            (int)(sizeof((const struct audit_trial[]){__VA_ARGS__}) / sizeof(struct audit_trial)))

static void test_audit__the_one_against_the_others_is_named(void **state)
{
    (void)state;
    assert_int_equal(ODD({0, WRONG}, {1, RIGHT}, {2, RIGHT}), 0);
    assert_int_equal(ODD({0, RIGHT}, {1, WRONG}, {2, RIGHT}), 1);
    assert_int_equal(ODD({3, RIGHT}, {1, RIGHT}, {0, WRONG}), 0);
}

/* By its number, not by its place among the trials. */
static void test_audit__ranks_are_those_of_the_trials(void **state)
{
    (void)state;
    assert_int_equal(ODD({5, RIGHT}, {6, WRONG}, {9, RIGHT}), 6);
    assert_int_equal(ODD({5, RIGHT}, {6, RIGHT}, {9, WRONG}), 9);
}

static void test_audit__without_a_majority_nobody_is(void **state)
{
    (void)state;
    assert_int_equal(ODD({0, RIGHT}, {1, WRONG}), -1);
    assert_int_equal(ODD({0, RIGHT}, {1, WRONG}, {2, WRONG_TOO}), -1);
    assert_int_equal(
            ODD({0, RIGHT}, {1, WRONG}, {0, RIGHT}, {1, WRONG}), -1); /* half are no more than half */
}

static void test_audit__who_agrees_is_not(void **state)
{
    (void)state;
    assert_int_equal(ODD({0, RIGHT}), -1);
    assert_int_equal(ODD({0, RIGHT}, {1, RIGHT}, {2, RIGHT}, {3, RIGHT}), -1);
}

/* Of two ranks each computes again: who errs once has the other and itself against that. */
static void test_audit__two_ranks_after_a_second_trial(void **state)
{
    (void)state;
    assert_int_equal(ODD({0, WRONG}, {1, RIGHT}, {0, RIGHT}, {1, RIGHT}), 0);
    assert_int_equal(ODD({0, RIGHT}, {1, WRONG}, {0, RIGHT}, {1, RIGHT}), 1);
    assert_int_equal(ODD({1, RIGHT}, {0, RIGHT}, {0, RIGHT}, {1, WRONG}), 1);
}

static void test_audit__the_first_of_several_is_named(void **state)
{
    (void)state;
    assert_int_equal(ODD({0, RIGHT}, {1, WRONG}, {2, RIGHT}, {3, WRONG_TOO}, {4, RIGHT}), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_audit__the_one_against_the_others_is_named),
            cmocka_unit_test(test_audit__ranks_are_those_of_the_trials),
            cmocka_unit_test(test_audit__without_a_majority_nobody_is),
            cmocka_unit_test(test_audit__who_agrees_is_not),
            cmocka_unit_test(test_audit__two_ranks_after_a_second_trial),
            cmocka_unit_test(test_audit__the_first_of_several_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
