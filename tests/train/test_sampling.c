#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "train/training/sampling.h"

static struct sampling_options options_of(const char *kind, int64_t decay, double floor)
{
    return (struct sampling_options){kind_find(&sampling_kinds, kind), decay, floor};
}

static void assert_rate(const char *kind, int64_t decay, double floor, int64_t updates, double expected)
{
    struct sampling_options options = options_of(kind, decay, floor);
    double found = sampling_rate(&options, updates);
    if (!(fabs(found - expected) <= 1e-12))
        fail_msg("%s after %lld updates: expected %.17g, found %.17g", kind, (long long)updates, expected,
                found);
}

/* Bengio et al. 2015, section 2.4, with k = 1 and c = 1/200; k = e^(-1/200); k = 200. */
static void test_sampling__formulas_of_the_paper(void **unused)
{
    (void)unused;
    for (int64_t i = 0; i < 3000; i += 17) {
        assert_rate("none", 200, 0, i, 0);
        assert_rate("linear", 200, 0, i, 1 - fmax(0, 1 - (double)i / 200));
        assert_rate("exponential", 200, 0, i, 1 - pow(exp(-1.0 / 200), (double)i));
        assert_rate("inverse_sigmoid", 200, 0, i, 1 - 200 / (200 + exp((double)i / 200)));
    }
    assert_rate("linear", 200, 0, 50, 0.25);
    assert_rate("exponential", 200, 0, 200, 1 - exp(-1));
    assert_rate("inverse_sigmoid", 1, 0, 0, 0.5);
}

static void test_sampling__every_kind_rises_from_the_target_to_the_floor(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < kind_count(&sampling_kinds); k++) {
        const char *name = kind_at(&sampling_kinds, k)->name;
        struct sampling_options options = options_of(name, 100, 0.3);
        double before = 0;
        for (int64_t i = 0; i < 2000; i += 10) {
            double rate = sampling_rate(&options, i);
            assert_true(rate >= before && rate <= 0.7 && (i > 0 || rate < 0.01));
            before = rate;
        }
        assert_true(before == (k == 0 ? 0 : 0.7));
        assert_true(sampling_most(&options) == before);
        options.floor = 1;
        assert_true(sampling_rate(&options, 1000) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_sampling__formulas_of_the_paper),
            cmocka_unit_test(test_sampling__every_kind_rises_from_the_target_to_the_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
