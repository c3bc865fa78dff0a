#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "comm/fault.h"

static void test_fault__nothing_fires_without_a_plan(void **state)
{
    (void)state;
    assert_int_equal(fault_plan(NULL, 0), STATUS_OK);
    for (int i = 0; i < 100; i++)
        assert_false(fault_fires(FAULT_WRITE));
    assert_int_equal(fault_plan("", 0), STATUS_OK);
    assert_false(fault_fires(FAULT_WRITE));
}

static void test_fault__fires_at_the_pass_named(void **state)
{
    (void)state;
    assert_int_equal(fault_plan("write:3,sync:1", 0), STATUS_OK);
    for (int pass = 1; pass <= 5; pass++)
        assert_int_equal(fault_fires(FAULT_WRITE), pass == 3);
    assert_true(fault_fires(FAULT_SYNC));
    assert_false(fault_fires(FAULT_SYNC));
    assert_false(fault_fires(FAULT_READ));
    fault_plan(NULL, 0);
}

static void test_fault__plus_is_from_then_on(void **state)
{
    (void)state;
    assert_int_equal(fault_plan("write:2+", 0), STATUS_OK);
    assert_false(fault_fires(FAULT_WRITE));
    for (int i = 0; i < 10; i++)
        assert_true(fault_fires(FAULT_WRITE));
    assert_int_equal(fault_plan("write:2+", 0), STATUS_OK); /* counts afresh */
    assert_false(fault_fires(FAULT_WRITE));
    fault_plan(NULL, 0);
}

static void test_fault__may_be_one_ranks(void **state)
{
    (void)state;
    for (int rank = 0; rank < 3; rank++) {
        assert_int_equal(fault_plan("exchange:1:1,kill:1+:2", rank), STATUS_OK);
        assert_int_equal(fault_fires(FAULT_EXCHANGE), rank == 1);
        assert_int_equal(fault_fires(FAULT_KILL), rank == 2);
    }
    fault_plan(NULL, 0);
}

static void test_fault__malformed_plans_are_refused(void **state)
{
    (void)state;
    static const char *const plans[] = {"write", "wrote:1", "write:", "write:0", "write:-1", "write:x",
            "write:1x", "write:1:", "write:1:x", "write:1;sync:1", ":1"};
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        assert_int_equal(fault_plan(plans[i], 0), STATUS_CONFIG);
        assert_non_null(strstr(status_message(), "SEQTRAIN_FAULT"));
        assert_false(fault_fires(FAULT_WRITE));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_fault__nothing_fires_without_a_plan),
            cmocka_unit_test(test_fault__fires_at_the_pass_named),
            cmocka_unit_test(test_fault__plus_is_from_then_on),
            cmocka_unit_test(test_fault__may_be_one_ranks),
            cmocka_unit_test(test_fault__malformed_plans_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
