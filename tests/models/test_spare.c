#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "models/spare.h"

enum { STEP = MEMORY_ALIGNMENT, PIECES = 8 };

/* Pieces of an arena side by side, and one behind them that stays. */
struct fixture {
    struct spare spare;
    char *pieces[PIECES], *last;
};

static void fixture_open(struct fixture *f)
{
    *f = (struct fixture){0};
    assert_int_equal(arena_open(&f->spare.arena, "test", 0), STATUS_OK);
    for (int i = 0; i < PIECES; i++)
        f->pieces[i] = arena_take(f->spare.arena, STEP, 1);
    f->last = arena_take(f->spare.arena, STEP, 1);
}

static void fixture_close(struct fixture *f)
{
    arena_close(f->spare.arena);
    assert_int_equal(memory_blocks(), 0);
}

static void test_spare__what_is_given_is_taken_again(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    spare_give(&f.spare, f.pieces[5], STEP);
    spare_give(&f.spare, f.pieces[1], STEP - 7);
    spare_give(&f.spare, f.pieces[1], 0);
    assert_ptr_equal(spare_take(&f.spare, 1), f.pieces[1]);
    assert_ptr_equal(spare_take(&f.spare, STEP), f.pieces[5]);
    assert_ptr_equal(spare_take(&f.spare, STEP), f.last + STEP); /* of the arena */
    fixture_close(&f);
}

static void test_spare__neighbours_join_in_any_order(void **state)
{
    (void)state;
    static const int orders[][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        struct fixture f;
        fixture_open(&f);
        spare_give(&f.spare, f.pieces[6], STEP);
        for (int i = 0; i < 3; i++)
            spare_give(&f.spare, f.pieces[orders[o][i]], STEP);
        assert_ptr_equal(spare_take(&f.spare, 2 * STEP), f.pieces[1]);
        assert_ptr_equal(spare_take(&f.spare, STEP), f.pieces[3]);
        assert_ptr_equal(spare_take(&f.spare, STEP), f.pieces[6]);
        assert_null(f.spare.first);
        fixture_close(&f);
    }
}

static void test_spare__the_end_goes_back_to_the_arena(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    for (int i = PIECES - 2; i < PIECES; i++)
        spare_give(&f.spare, f.pieces[i], STEP);
    spare_give(&f.spare, f.pieces[0], STEP);
    spare_give(&f.spare, f.last, STEP);
    assert_ptr_equal(arena_mark(f.spare.arena).end, f.pieces[PIECES - 2]);
    assert_ptr_equal(spare_take(&f.spare, STEP), f.pieces[0]);
    assert_null(f.spare.first);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_spare__what_is_given_is_taken_again),
            cmocka_unit_test(test_spare__neighbours_join_in_any_order),
            cmocka_unit_test(test_spare__the_end_goes_back_to_the_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
