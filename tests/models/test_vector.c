#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "models/vector.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Floats between the ones tried: a prime, so that all low bits occur. */
enum { STEP = 1009, LENGTH = 61 };

struct function {
    const char *name;
    void (*loop)(const float *x, float *y, size_t count);
    double (*exact)(double x);
    double relative, absolute; /* either may hold */
};

CLONES static void loop_exp(const float *x, float *y, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        y[i] = vector_exp(x[i]);
}

CLONES static void loop_log(const float *x, float *y, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        y[i] = vector_log(x[i]);
}

CLONES static void loop_tanh(const float *x, float *y, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        y[i] = vector_tanh(x[i]);
}

CLONES static void loop_erf(const float *x, float *y, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        y[i] = vector_erf(x[i]);
}

CLONES static void loop_sigmoid(const float *x, float *y, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        y[i] = vector_sigmoid(x[i]);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* Absolute: for results below the normal floats. */
static const struct function functions[] = {
        {"exp", loop_exp, exp, 2.0e-7, 1.5e-45},
        {"log", loop_log, log, 2.0e-7, 0},
        {"tanh", loop_tanh, tanh, 2.5e-7, 0},
        {"erf", loop_erf, erf, 2.0e-7, 1e-44},
        {"sigmoid", loop_sigmoid, sigmoid, 3.0e-7, 1.2e-38},
};

enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

/* The value as a float would hold it: beyond the largest float is infinity. */
static bool agrees(const struct function *f, float x, float y, double *worst)
{
    double exact = f->exact((double)x);
    if (isnan(exact))
        return isnan(y);
    if (isinf((float)exact) || isinf(y))
        return isinf(y) && (exact > 0) == (y > 0) && fabs(exact) > 3.4028e38;
    double error = fabs((double)y - exact);
    if (error <= f->absolute)
        return true;
    *worst = fmax(*worst, error / fabs(exact));
    return error <= f->relative * fabs(exact);
}

static void test_vector__functions_are_near_exact_everywhere(void **state)
{
    (void)state;
    for (int k = 0; k < FUNCTIONS; k++) {
        const struct function *f = &functions[k];
        double worst = 0;
        float x[LENGTH], y[LENGTH];
        for (uint64_t bits = 0; bits <= UINT32_MAX; bits += (uint64_t)STEP * LENGTH) {
            for (uint64_t i = 0; i < LENGTH; i++)
                x[i] = vector_from_bits((uint32_t)(bits + i * STEP));
            f->loop(x, y, LENGTH);
            for (int i = 0; i < LENGTH; i++)
                if (!agrees(f, x[i], y[i], &worst))
                    fail_msg("%s(%.9g) is %.9g, expected %.9g", f->name, (double)x[i], (double)y[i],
                            f->exact((double)x[i]));
        }
        print_message("%s: largest relative error %.3g\n", f->name, worst);
    }
}

static void test_vector__limits_are_right(void **state)
{
    (void)state;
    const float x[] = {INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 1e30f, -1e30f, 88.7f, -103.0f, -200.0f, 200.0f};
    enum { COUNT = sizeof x / sizeof x[0] };
    float y[COUNT];
    double worst = 0;
    for (int k = 0; k < FUNCTIONS; k++) {
        functions[k].loop(x, y, COUNT);
        for (int i = 0; i < COUNT; i++)
            if (!agrees(&functions[k], x[i], y[i], &worst))
                fail_msg("%s(%g) is %g", functions[k].name, (double)x[i], (double)y[i]);
    }
}

/* An element gives the same bits wherever it stands in a loop of whatever length. */
static void test_vector__bits_do_not_depend_on_the_place(void **state)
{
    (void)state;
    float x[LENGTH], whole[LENGTH], part[LENGTH];
    for (int k = 0; k < FUNCTIONS; k++)
        for (int round = 0; round < 200; round++) {
            for (int i = 0; i < LENGTH; i++)
                x[i] = (float)sin(i * 1.37 + round) * (round % 10 < 5 ? 1.5f : 30.0f) +
                       (k == 1 ? 31.0f : 0.0f);
            functions[k].loop(x, whole, LENGTH);
            for (size_t length = 1; length <= LENGTH; length += 7)
                for (size_t first = 0; first + length <= LENGTH; first += 5) {
                    functions[k].loop(x + first, part, length);
                    if (memcmp(part, whole + first, length * sizeof *part) != 0)
                        fail_msg("%s: other bits at %zu, length %zu", functions[k].name, first, length);
                }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_vector__functions_are_near_exact_everywhere),
            cmocka_unit_test(test_vector__limits_are_right),
            cmocka_unit_test(test_vector__bits_do_not_depend_on_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
