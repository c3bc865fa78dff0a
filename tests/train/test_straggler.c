#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/training/straggler.h"

enum { RANKS = 3 };

/* Slots 8 on 3 ranks: 2, 3 and 3 of them. */
static const double alike[RANKS][AGREE_SECONDS] = {{0.2, 2, 4}, {0.3, 3, 6}, {0.3, 3, 6}};

static void judge(struct slow out[RANKS], int ranks, double sums[RANKS][AGREE_SECONDS])
{
    struct straggler straggler = {.ranks = ranks, .slots = 8, .sums = sums};
    assert_int_equal(straggler_judge(&straggler, out), STATUS_OK);
}

static void copy(double out[RANKS][AGREE_SECONDS])
{
    for (int r = 0; r < RANKS; r++)
        for (int i = 0; i < AGREE_SECONDS; i++)
            out[r][i] = alike[r][i];
}

static void test_straggler__counts_by_slots(void **state)
{
    (void)state;
    struct slow slow[RANKS];
    double sums[RANKS][AGREE_SECONDS];
    copy(sums);
    judge(slow, RANKS, sums);
    for (int r = 0; r < RANKS; r++)
        assert_true(slow[r].times > 0.999 && slow[r].times < 1.001);
}

static void test_straggler__names_rank_and_phase(void **state)
{
    (void)state;
    struct slow slow[RANKS];
    double sums[RANKS][AGREE_SECONDS];
    copy(sums);
    sums[2][1] += 4; /* forward; backward is still the longest */
    judge(slow, RANKS, sums);
    assert_true(slow[2].times > 1.42 && slow[2].times < 1.44);
    assert_int_equal(slow[2].phase, PHASE_FORWARD);
    assert_true(slow[0].times < 1.001 && slow[1].times < 1.001);
    sums[1][0] += 9.3;
    judge(slow, RANKS, sums);
    assert_int_equal(slow[1].phase, PHASE_DATA);
}

/* The faster of two is the measure; ranks that told nothing are alike. */
static void test_straggler__judges_two_ranks_and_none(void **state)
{
    (void)state;
    struct slow slow[RANKS];
    double sums[RANKS][AGREE_SECONDS] = {{0, 8, 0}, {0, 4, 0}}, none[RANKS][AGREE_SECONDS] = {{0}};
    judge(slow, 2, sums);
    assert_true(slow[0].times > 1.99 && slow[0].times < 2.01);
    assert_true(slow[1].times > 0.99 && slow[1].times < 1.01);
    judge(slow, 2, none);
    assert_true(slow[0].times == 1 && slow[1].times == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_straggler__counts_by_slots),
            cmocka_unit_test(test_straggler__names_rank_and_phase),
            cmocka_unit_test(test_straggler__judges_two_ranks_and_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
