#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "comm/memory.h"
#include "tests/train/toy_parameters.h"
#include "train/training/freeze.h"

static enum status freeze(bool **out, const struct parameters *parameters, char *first, char *second)
{
    char *items[] = {first, second};
    struct text_list patterns = {items, second ? 2 : first ? 1 : 0};
    return freeze_open(out, parameters, &patterns);
}

static void test_freeze__patterns_choose_by_name(void **unused)
{
    (void)unused;
    static const bool expected[TOY_PARAMETERS] = {true, true, true, false, true};
    struct parameters parameters;
    bool *frozen;
    toy_open(&parameters);
    assert_int_equal(freeze(&frozen, &parameters, "encoder/*", "*/bias"), STATUS_OK);
    assert_memory_equal(frozen, expected, sizeof expected);
    memory_free(frozen);
    assert_int_equal(freeze(&frozen, &parameters, NULL, NULL), STATUS_OK);
    assert_null(frozen);
    parameters_release(&parameters);
}

static void test_freeze__what_matches_nothing_or_all_is_refused(void **unused)
{
    (void)unused;
    struct parameters parameters;
    bool *frozen;
    toy_open(&parameters);
    assert_int_equal(freeze(&frozen, &parameters, "decoder/bais", NULL), STATUS_CONFIG);
    assert_string_equal(status_message(), "train.freeze: 'decoder/bais' matches no parameter; did you mean "
                                          "decoder/bias? the names begin with encoder, decoder");
    assert_int_equal(freeze(&frozen, &parameters, "encoder/*", "x"), STATUS_CONFIG);
    assert_string_equal(status_message(),
            "train.freeze: 'x' matches no parameter; the names begin with encoder, decoder");
    assert_null(frozen);
    assert_int_equal(freeze(&frozen, &parameters, "*", NULL), STATUS_CONFIG);
    assert_non_null(strstr(status_message(), "matches all 5 parameters: nothing is left to learn"));
    parameters_release(&parameters);
    assert_int_equal(memory_blocks(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_freeze__patterns_choose_by_name),
            cmocka_unit_test(test_freeze__what_matches_nothing_or_all_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
