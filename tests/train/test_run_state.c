/* The state of a run as a checkpoint holds it: what no run can have come to is refused before anything is counted on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/training/trainer.h"

#include <stdio.h>
#include <string.h>

static const struct run_state possible = {.update = 100,
        .epoch = 3,
        .position = 7,
        .tokens = 5000,
        .validated = 100,
        .epoch_tokens = 6000,
        .moments_from = 40,
        .cuts = 2,
        .seed = -1};

static void test_run_state__what_a_run_can_be_is_taken(void **state)
{
    (void)state;
    const struct run_state fresh = {0};
    assert_int_equal(run_state_check(&possible, "file.h5"), STATUS_OK);
    assert_int_equal(run_state_check(&fresh, "file.h5"), STATUS_OK);
}

static void test_run_state__absurd_counts_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t offset;
        int64_t found, most;
    } rows[] = {
            {"update", offsetof(struct run_state, update), -1, 1000000000000000},
            {"update", offsetof(struct run_state, update), INT64_MAX, 1000000000000000},
            {"epoch", offsetof(struct run_state, epoch), 101, 100},
            {"epoch", offsetof(struct run_state, epoch), INT64_MIN, 100},
            {"update_in_epoch", offsetof(struct run_state, position), 101, 100},
            {"tokens", offsetof(struct run_state, tokens), INT64_MAX, 1000000000000000},
            {"tokens_in_epoch", offsetof(struct run_state, epoch_tokens), -5, 1000000000000000},
            {"validated_update", offsetof(struct run_state, validated), 101, 100},
            {"moments_from", offsetof(struct run_state, moments_from), 1000, 100},
            {"plateau_cuts", offsetof(struct run_state, cuts), -2, 100},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct run_state absurd = possible;
        char words[128];
        memcpy((char *)&absurd + rows[i].offset, &rows[i].found, sizeof rows[i].found);
        snprintf(words, sizeof words, "file.h5: /state/%s: expected from 0 to %lld, found %lld", rows[i].name,
                (long long)rows[i].most, (long long)rows[i].found);
        status_clear();
        assert_int_equal(run_state_check(&absurd, "file.h5"), STATUS_DATA);
        assert_string_equal(status_message(), words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_run_state__what_a_run_can_be_is_taken),
            cmocka_unit_test(test_run_state__absurd_counts_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
