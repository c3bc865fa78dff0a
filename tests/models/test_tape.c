#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "models/ops.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 4, ROWS = 3, CALLS = 8 };

/* Three square matrices, declared in the order of their use, and a tape over them. */
struct fixture {
    struct parameters parameters;
    struct arena *arena;
    float *gradient, x[ROWS * WIDTH];
    size_t weights[3], ready[CALLS];
    int calls;
};

static void ready(void *context, size_t first)
{
    struct fixture *f = context;
    assert_true(f->calls < CALLS);
    f->ready[f->calls++] = first;
}

static void fixture_open(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    parameters_init(&f->parameters);
    for (int i = 0; i < 3; i++) {
        struct parameter weight = {.array = {.rank = 2, .shape = {WIDTH, WIDTH}},
                .initialiser = INITIALISE_XAVIER,
                .fan_in = WIDTH,
                .fan_out = WIDTH};
        snprintf(weight.array.name, sizeof weight.array.name, "weight%d", i);
        assert_int_equal(parameters_declare(&f->parameters, &weight, &f->weights[i]), STATUS_OK);
    }
    assert_int_equal(parameters_allocate(&f->parameters), STATUS_OK);
    parameters_initialise(&f->parameters, 1);
    assert_int_equal(arena_open(&f->arena, "test", 1 << 14), STATUS_OK);
    assert_int_equal(memory_new(&f->gradient, "test", f->parameters.floats, sizeof(float)), STATUS_OK);
    for (int i = 0; i < ROWS * WIDTH; i++)
        f->x[i] = (float)i * 0.25f - 1;
}

static void fixture_close(struct fixture *f)
{
    arena_close(f->arena);
    memory_free(f->gradient);
    parameters_release(&f->parameters);
    assert_int_equal(memory_blocks(), 0);
}

static struct tape *start(struct fixture *f, bool recording)
{
    struct tape_options options = {.recording = recording,
            .training = recording,
            .seed = 5,
            .update = 6,
            .slot = 7,
            .gradient = f->gradient,
            .ready = ready,
            .context = f};
    struct tape *tape = tape_start(f->arena, &f->parameters, &options);
    assert_non_null(tape);
    return tape;
}

/* x through the weights numbered by `order`; the last tensor. */
static struct tensor *chain(struct fixture *f, struct tape *tape, const int *order, int count)
{
    struct tensor *y = tape_input(tape, ROWS, WIDTH, f->x, false);
    for (int i = 0; i < count; i++)
        y = op_linear(tape, y, tape_parameter(tape, f->weights[order[i]]), NULL, NULL, tape_dropout(tape, 0));
    return y;
}

static void seed(struct tape *tape, struct tensor *y)
{
    bool add;
    float *gradient = tensor_gradient(tape, y, &add);
    assert_false(add);
    for (size_t i = 0; i < y->rows * y->columns; i++)
        gradient[i] = 1;
}

static void test_tape__ready_tells_what_is_final(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    struct tape *tape = start(&f, true);
    seed(tape, chain(&f, tape, (const int[]){0, 1, 2}, 3));
    assert_int_equal(tape_backward(tape), STATUS_OK);
    const size_t end = WIDTH * WIDTH;
    assert_int_equal(f.calls, 3);
    assert_int_equal(f.ready[0], 2 * end);
    assert_int_equal(f.ready[1], end);
    assert_int_equal(f.ready[2], 0);
    fixture_close(&f);
}

static void test_tape__a_parameter_used_early_again_is_final_late(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    struct tape *tape = start(&f, true);
    /* Weight 2 is used first: nothing is final before the last node but one. */
    seed(tape, chain(&f, tape, (const int[]){2, 0, 1, 2}, 4));
    assert_int_equal(tape_backward(tape), STATUS_OK);
    const size_t end = WIDTH * WIDTH;
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.ready[0], 0);
    assert_int_equal(f.parameters.floats, 3 * end);
    fixture_close(&f);
}

static void test_tape__parameter_gradients_are_added(void **state)
{
    (void)state;
    struct fixture f;
    float once[3 * WIDTH * WIDTH];
    fixture_open(&f);
    for (int round = 0; round < 2; round++) {
        struct tape *tape = start(&f, true);
        seed(tape, chain(&f, tape, (const int[]){0, 1, 2}, 3));
        f.calls = 0;
        assert_int_equal(tape_backward(tape), STATUS_OK);
        if (round == 0)
            memcpy(once, f.gradient, sizeof once);
        arena_clear(f.arena);
    }
    double sum = 0;
    for (size_t i = 0; i < 3 * WIDTH * WIDTH; i++) {
        assert_true(f.gradient[i] == 2 * once[i]);
        sum += once[i] != 0.0f;
    }
    assert_true(sum > WIDTH * WIDTH);
    fixture_close(&f);
}

static void test_tape__without_recording_nothing_wants_a_gradient(void **state)
{
    (void)state;
    struct fixture f;
    bool add;
    fixture_open(&f);
    struct tape *tape = start(&f, false);
    struct tensor *y = chain(&f, tape, (const int[]){0, 1}, 2);
    assert_false(tape_recording(tape));
    assert_null(tensor_gradient(tape, y, &add));
    assert_null(tape_parameter(tape, 0)->gradient);
    assert_true(tape_dropout(tape, 0.5).rate == 0);
    fixture_close(&f);
}

static void test_tape__dropout_sites_count_calls(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    struct tape *tape = start(&f, true), *other = start(&f, true);
    struct dropout first = tape_dropout(tape, 0.1), second = tape_dropout(tape, 0.1);
    assert_memory_not_equal(&first.stream, &second.stream, sizeof first.stream);
    struct random_stream expected = random_stream(5, RANDOM_DROPOUT, 6, 7, 1);
    assert_memory_equal(&second.stream, &expected, sizeof expected);
    /* A place whose rate is 0 counts too. */
    tape_dropout(other, 0);
    struct dropout after = tape_dropout(other, 0.1);
    assert_memory_equal(&after.stream, &second.stream, sizeof after.stream);
    fixture_close(&f);
}

static void test_tape__partial_gradients_start_from_zero(void **state)
{
    (void)state;
    struct fixture f;
    bool add;
    fixture_open(&f);
    struct tape *tape = start(&f, true);
    struct tensor *x = tape_input(tape, ROWS, WIDTH, f.x, true);
    float *gradient = tensor_gradient_part(tape, x);
    for (int i = 0; i < ROWS * WIDTH; i++)
        assert_true(gradient[i] == 0);
    gradient[1] = 3;
    assert_ptr_equal(tensor_gradient_part(tape, x), gradient);
    assert_true(gradient[1] == 3);
    assert_ptr_equal(tensor_gradient(tape, x, &add), gradient);
    assert_true(add);
    fixture_close(&f);
}

static void test_tape__a_failure_is_sticky(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    struct tape *tape = start(&f, true);
    assert_null(tape_tensor(tape, SIZE_MAX / 2, 8));
    assert_int_equal(tape_status(tape), STATUS_INTERNAL);
    assert_non_null(strstr(status_message(), "rows"));
    tape_fail(tape, STATUS_DATA);
    assert_int_equal(tape_status(tape), STATUS_INTERNAL);
    assert_null(tape_input(tape, ROWS, WIDTH, f.x, false));
    assert_null(op_linear(tape, NULL, NULL, NULL, NULL, (struct dropout){0}));
    assert_int_equal(tape_backward(tape), STATUS_INTERNAL);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_tape__ready_tells_what_is_final),
            cmocka_unit_test(test_tape__a_parameter_used_early_again_is_final_late),
            cmocka_unit_test(test_tape__parameter_gradients_are_added),
            cmocka_unit_test(test_tape__without_recording_nothing_wants_a_gradient),
            cmocka_unit_test(test_tape__dropout_sites_count_calls),
            cmocka_unit_test(test_tape__partial_gradients_start_from_zero),
            cmocka_unit_test(test_tape__a_failure_is_sticky),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
