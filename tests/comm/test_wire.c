#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/exchange_internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const struct wire_kind *wire_called(const char *name)
{
    return (const struct wire_kind *)kind_find(&wire_kinds, name);
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* There and back. */
static float through(float x)
{
    uint16_t half;
    wire_called("bfloat16")->pack(&half, &x, 1);
    wire_called("bfloat16")->unpack(&x, &half, 1);
    return x;
}

static void test_wire__to_the_nearest_at_a_tie_to_the_even(void **state)
{
    (void)state;
    static const uint32_t cases[][2] = {
            {0x3f800000, 0x3f800000}, {0x3f807fff, 0x3f800000},
            {0x3f808000, 0x3f800000},                           /* tie, down to even */
            {0x3f808001, 0x3f810000}, {0x3f818000, 0x3f820000}, /* tie, up to even */
            {0xbf808001, 0xbf810000}, {0x3fffffff, 0x40000000}, /* into the next binade */
            {0x00000001, 0x00000000}, {0x80000001, 0x80000000}, {0x0000c000, 0x00010000}, /* subnormal */
            {0x7f7fffff, 0x7f800000}, {0x7f7f7fff, 0x7f7f0000}, /* past the largest */
            {0x7f800000, 0x7f800000}, {0xff800000, 0xff800000}, /* infinity */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float found = through(float_of(cases[i][0])), expected = float_of(cases[i][1]);
        assert_memory_equal(&found, &expected, sizeof found);
    }
}

static void test_wire__what_is_no_number_stays_none(void **state)
{
    (void)state;
    static const uint32_t nans[] = {0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff, 0x7fc00000};
    for (size_t i = 0; i < sizeof nans / sizeof *nans; i++) {
        float sum = 1, nan = float_of(nans[i]);
        assert_true(isnan(through(nan)));
        wire_called("bfloat16")->add(&sum, &nan, 1);
        assert_true(isnan(sum));
    }
}

/* Whatever the length: the vector body and what remains. */
static void test_wire__both_sides_of_a_sum_are_rounded(void **state)
{
    (void)state;
    enum { COUNT = 67 };
    float to[COUNT], from[COUNT], sum[COUNT];
    for (int i = 0; i < COUNT; i++) {
        to[i] = sinf((float)i) * ldexpf(1, i % 9);
        from[i] = cosf((float)i);
        sum[i] = through(to[i]) + through(from[i]);
    }
    wire_called("bfloat16")->add(to, from, COUNT);
    assert_memory_equal(to, sum, sizeof to);
}

static void test_wire__floats_are_added_as_they_are(void **state)
{
    (void)state;
    float to = 1, from = FLT_EPSILON;
    const struct wire_kind *wire = wire_called("float32");
    wire->add(&to, &from, 1);
    assert_true(to == 1 + FLT_EPSILON);
    assert_null(wire->pack);
    assert_null(wire->unpack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_wire__to_the_nearest_at_a_tie_to_the_even),
            cmocka_unit_test(test_wire__what_is_no_number_stays_none),
            cmocka_unit_test(test_wire__both_sides_of_a_sum_are_rounded),
            cmocka_unit_test(test_wire__floats_are_added_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
