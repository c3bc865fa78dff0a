/* The curve that `seqtrain info` draws, character by character. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "train/info/info.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *drawn;
static size_t drawn_bytes;

static void draw(const struct points *dots, const struct points *marks, int columns)
{
    free(drawn);
    FILE *out = open_memstream(&drawn, &drawn_bytes);
    assert_non_null(out);
    curve_print(out, "loss", dots, marks, columns);
    fclose(out);
}

static void add(struct points *points, int64_t update, double value)
{
    assert_int_equal(points_add(points, update, value), STATUS_OK);
}

static int release(void **state)
{
    (void)state;
    free(drawn);
    drawn = NULL;
    return memory_blocks() == 0 ? 0 : -1;
}

static void test_info__curve_has_means_of_columns_and_marks(void **state)
{
    (void)state;
    struct points dots = {0}, marks = {0};
    for (int update = 1; update <= 60; update++)
        add(&dots, update, update <= 30 ? 10 : update % 2 ? 0 : 2); /* the second half: 1 on the average */
    add(&marks, 30, NAN);
    add(&marks, 60, 5.5);
    draw(&dots, &marks, 42); /* 30 columns of two updates each */
    assert_string_equal(drawn, "\nloss by update   . training   o validation\n"
                               "        10 |...............\n"
                               "           |\n"
                               "           |\n"
                               "           |\n"
                               "           |\n"
                               "           |                             o\n"
                               "           |\n"
                               "           |\n"
                               "           |\n"
                               "         1 |               ...............\n"
                               "           +------------------------------\n"
                               "            1                           60\n");
    points_release(&dots);
    points_release(&marks);
}

static void test_info__a_flat_curve_is_one_line(void **state)
{
    (void)state;
    struct points dots = {0}, marks = {0};
    add(&marks, 100, 2);
    add(&marks, 200, 2);
    draw(&dots, &marks, 40);
    assert_non_null(strstr(drawn,
            "\nloss by update   o validation\n         2 |o                          o\n           |\n"));
    assert_non_null(strstr(drawn, "\n           |\n           +---")); /* the value stands once */
    points_release(&marks);
}

/* As of a metrics.jsonl that was put together from two runs. */
static void test_info__updates_that_fall_stay_on_the_canvas(void **state)
{
    (void)state;
    struct points dots = {0}, marks = {0};
    add(&dots, 100000, 2);
    add(&dots, 1, 1);
    add(&dots, 3, 1);
    draw(&dots, &marks, 40);
    assert_non_null(strstr(drawn, "         2 |                           .\n"));
    assert_non_null(strstr(drawn, "            1                     100000\n"));
    points_release(&dots);
}

static void test_info__what_is_no_curve_is_not_drawn(void **state)
{
    (void)state;
    struct points dots = {0}, marks = {0};
    draw(&dots, &marks, 80);
    assert_int_equal(drawn_bytes, 0);
    add(&marks, 1, 2);
    draw(&dots, &marks, 80); /* one point */
    assert_int_equal(drawn_bytes, 0);
    add(&dots, 1, NAN);
    add(&dots, 2, INFINITY);
    points_release(&marks);
    draw(&dots, &marks, 80);
    assert_int_equal(drawn_bytes, 0);
    points_release(&dots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_teardown(test_info__curve_has_means_of_columns_and_marks, release),
            cmocka_unit_test_teardown(test_info__a_flat_curve_is_one_line, release),
            cmocka_unit_test_teardown(test_info__updates_that_fall_stay_on_the_canvas, release),
            cmocka_unit_test_teardown(test_info__what_is_no_curve_is_not_drawn, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
