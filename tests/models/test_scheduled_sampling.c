#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "comm/random.h"
#include "models/architecture.h"
#include "models/ops/kernels.h"
#include "tests/models/tiny.h"
#include "tests/models/variants.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* ---- draws ---- */

static void test_draw__a_share_of_the_weights_is_a_class(void **state)
{
    (void)state;
    enum { CLASSES = 1000 };
    static float weights[CLASSES];
    for (size_t c = 0; c < CLASSES; c++)
        weights[c] = c % 3 == 1 ? 0 : (float)(c % 8);
    double total = 0, before = 0;
    for (size_t c = 0; c < CLASSES; c++)
        total += (double)weights[c];
    for (size_t c = 0; c < CLASSES; before += (double)weights[c++]) {
        if (weights[c] == 0)
            continue;
        assert_int_equal(weights_at(weights, CLASSES, (before + 1e-6) / total), c);
        assert_int_equal(weights_at(weights, CLASSES, (before + (double)weights[c] - 1e-6) / total), c);
    }
    assert_int_equal(weights_at(weights, CLASSES, 0), 2);
    assert_int_equal(weights_at(weights, CLASSES, 1 - 0x1p-53), 999);
}

/* More rows than go through at once, some of them twice. */
static void test_draw__rows_are_drawn_from_their_softmax(void **state)
{
    (void)state;
    enum { ROWS = 300, DRAWS = 400, WIDTH = 5, CLASSES = 7, HELD = CLASSES + 2 };
    static float x[ROWS * WIDTH], weight[HELD * WIDTH], bias[HELD];
    static struct draw draws[DRAWS];
    struct random_stream stream = random_stream(1, RANDOM_TEST, 0, 0, 0);
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        x[i] = (float)random_normal(&stream, i);
    for (size_t i = 0; i < HELD * WIDTH; i++)
        weight[i] = (float)random_normal(&stream, 5000 + i);
    for (size_t i = 0; i < HELD; i++)
        bias[i] = (float)random_normal(&stream, 9000 + i);
    for (size_t i = 0; i < DRAWS; i++)
        draws[i] = (struct draw){i * 7 % ROWS, random_uniform(&stream, 10000 + i), -1};
    struct arena *arena;
    assert_int_equal(arena_open(&arena, "test", 1 << 20), STATUS_OK);
    struct tape *tape = tape_start(arena, NULL, &(struct tape_options){.recording = true});
    const struct drawing *drawing = drawing_start(tape, tape_input(tape, HELD, WIDTH, weight, false),
            tape_input(tape, 1, HELD, bias, false), CLASSES);
    struct tensor *rows = tape_input(tape, ROWS, WIDTH, x, false);
    assert_true(drawing && rows);
    char *held = arena_mark(arena).end;
    op_draw(tape, drawing, rows, draws, DRAWS);
    assert_ptr_equal(held, arena_mark(arena).end);
    for (size_t i = 0; i < DRAWS; i++) {
        double e[CLASSES], sum = 0, before = 0;
        for (size_t c = 0; c < CLASSES; c++) {
            double l = (double)bias[c];
            for (size_t j = 0; j < WIDTH; j++)
                l += (double)x[draws[i].row * WIDTH + j] * (double)weight[c * WIDTH + j];
            sum += e[c] = exp(l);
        }
        assert_true(draws[i].token >= 0 && draws[i].token < CLASSES);
        for (int32_t c = 0; c < draws[i].token; c++)
            before += e[c] / sum;
        assert_true(before - 1e-5 <= draws[i].share);
        assert_true(before + e[draws[i].token] / sum + 1e-5 > draws[i].share);
    }
    arena_close(arena);
}

/* ---- a naive twin: one sentence at a time through the decoder's step ---- */

static double uniform(const struct pass *pass, uint32_t site, size_t token)
{
    struct random_stream stream = random_stream(pass->seed, RANDOM_INPUT, pass->update, pass->slot, site);
    return random_uniform(&stream, token);
}

static int32_t draw_naively(const float *logits, double share)
{
    double sum = 0, before = 0;
    int32_t c = 0;
    for (size_t i = 0; i < TINY_PIECES; i++)
        sum += exp((double)logits[i]);
    while (c < TINY_PIECES - 1 && before + exp((double)logits[c]) <= share * sum)
        before += exp((double)logits[c++]);
    return c;
}

static void next_logits(struct model *model, void *state, int32_t id, float *logits)
{
    struct prediction prediction;
    arena_clear(model->step);
    struct tape *tape =
            tape_start(model->step, &model->parameters, &(struct tape_options){.packing = &model->packing});
    assert_int_equal(model->architecture->decode_step(state, tape, &id, NULL, &prediction), STATUS_OK);
    prediction_logits(tape, &prediction, logits);
    assert_int_equal(tape_status(tape), STATUS_OK);
}

/* What the decoder is given for each target token but the first of a sentence, as struct batch's inputs have it. */
static void inputs_of_pair(struct model *model, const struct tiny_batch *tiny, size_t pair,
        const struct pass *pass, int32_t *inputs)
{
    struct tiny_batch one;
    float logits[TINY_PIECES];
    void *state;
    tiny_batch_one(&one, tiny, pair);
    const struct sentences source = sentences_make(one.ids[SOURCE], one.offsets[SOURCE], 1);
    const size_t first = (size_t)tiny->offsets[TARGET][pair], end = (size_t)tiny->offsets[TARGET][pair + 1];
    assert_int_equal(model->architecture->decode_start(model, &source, &state), STATUS_OK);
    int32_t id = model_start_id(model);
    for (size_t t = first; t + 1 < end; t++) {
        next_logits(model, state, id, logits);
        bool drawn = uniform(pass, 0, t + 1) < pass->sampling;
        id = inputs[t] = drawn ? draw_naively(logits, uniform(pass, 1, t + 1)) : tiny->ids[TARGET][t];
    }
    inputs[end - 1] = tiny->ids[TARGET][end - 1];
}

static const int32_t *inputs_of(struct model *model, const struct tiny_batch *tiny, const struct pass *pass)
{
    static int32_t inputs[TINY_TOKENS];
    (void)model_parameters(model); /* they may have changed */
    for (size_t p = 0; p < tiny->batch.pairs; p++)
        inputs_of_pair(model, tiny, p, pass, inputs);
    return inputs;
}

/* ---- models ---- */

static bool is_recurrent(const struct variant *variant)
{
    return strcmp(variant_options(variant).kind->name, "recurrent") == 0;
}

static struct model *plain_model(const struct variant *variant)
{
    struct model_options options = variant_options(variant);
    options.dropout = options.attention_dropout = options.activation_dropout = 0;
    return tiny_model(&options, variant->joint);
}

static struct loss loss_of(struct model *model, const struct batch *batch, double sampling, float *gradient)
{
    struct pass pass = tiny_pass(gradient);
    struct loss loss;
    pass.sampling = sampling;
    assert_int_equal(model_loss(model, batch, &pass, &loss), STATUS_OK);
    return loss;
}

static void assert_same(const struct variant *variant, double sampling, const struct loss *loss,
        const struct loss *expected, const float *gradient, const float *wanted, size_t floats)
{
    double scale = 0;
    if (!(fabs(loss->objective - expected->objective) <= 1e-6 * expected->objective))
        fail_msg("%s, %g: a loss of %.9g, expected %.9g", variant->what, sampling, loss->objective,
                expected->objective);
    for (size_t i = 0; i < floats; i++)
        scale = fmax(scale, fabs((double)wanted[i]));
    for (size_t i = 0; i < floats; i++)
        if (!(fabs((double)gradient[i] - (double)wanted[i]) <= 5e-6 * scale))
            fail_msg("%s, %g: gradient %zu is %.9g, expected %.9g (largest %.3g)", variant->what, sampling, i,
                    (double)gradient[i], (double)wanted[i], scale);
}

/* Tokens that are not the target's, of all. */
static double share_drawn(const struct tiny_batch *tiny, const int32_t *inputs)
{
    size_t other = 0;
    for (size_t t = 0; t < tiny->batch.tokens[TARGET]; t++)
        other += inputs[t] != tiny->ids[TARGET][t];
    return (double)other / (double)tiny->batch.tokens[TARGET];
}

/* It is teacher forcing of what the twin draws; no gradient goes through the choice. */
static void check_variant(const struct variant *variant, double sampling)
{
    struct model *model = plain_model(variant);
    size_t floats = model_parameters(model)->floats;
    struct tiny_batch tiny;
    struct pass pass = tiny_pass(NULL);
    float *gradient = tiny_floats(floats), *wanted = tiny_floats(floats);
    variant_batch(variant, &tiny, 9, 12, 2);
    pass.sampling = sampling;
    struct loss loss = loss_of(model, &tiny.batch, sampling, gradient);
    struct loss forward = loss_of(model, &tiny.batch, sampling, NULL);
    assert_true(loss.objective == forward.objective);
    struct batch batch = tiny.batch;
    batch.inputs = inputs_of(model, &tiny, &pass);
    double share = share_drawn(&tiny, batch.inputs);
    assert_true(sampling < 1e-9 ? share == 0 : share > 0.3 * sampling && share < sampling);
    struct loss expected = loss_of(model, &batch, 0, wanted);
    assert_same(variant, sampling, &loss, &expected, gradient, wanted, floats);
    memory_free(gradient);
    memory_free(wanted);
    model_close(model);
}

static void test_sampling__is_teacher_forcing_of_what_the_decoder_draws(void **state)
{
    (void)state;
    static const double rates[] = {1e-300, 0.5, 1};
    for (size_t v = 0; v < variant_count(); v++)
        for (size_t r = 0; r < sizeof rates / sizeof *rates && is_recurrent(variant_at(v)); r++)
            check_variant(variant_at(v), rates[r]);
}

enum { STEPS = 3 };
static const double steps[STEPS] = {2e-3, 5e-4, 1e-4};

/* Of the loss along a random direction of all parameters, by central differences. */
static double measured_slope(struct model *model, const struct batch *batch, double step)
{
    struct parameters *parameters = model_parameters(model);
    const struct random_stream direction = random_stream(1, RANDOM_TEST, 0, 0, 9);
    float *kept = tiny_floats(parameters->floats);
    double loss[2];
    memcpy(kept, parameters->values, parameters->floats * sizeof *kept);
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < parameters->floats; i++)
            parameters->values[i] = kept[i] + (float)((s ? -step : step) * random_normal(&direction, i));
        loss[s] = loss_of(model, batch, 0, NULL).objective;
    }
    memcpy(parameters->values, kept, parameters->floats * sizeof *kept);
    memory_free(kept);
    return (loss[0] - loss[1]) / (2 * step);
}

/* The choices are held fixed; large steps leave the slope, small ones are rounded: one must agree. */
static void check_slope(const struct variant *variant)
{
    struct model *model = plain_model(variant);
    const size_t floats = model_parameters(model)->floats;
    const struct random_stream direction = random_stream(1, RANDOM_TEST, 0, 0, 9);
    float *gradient = tiny_floats(floats);
    struct tiny_batch tiny;
    struct pass pass = tiny_pass(NULL);
    double slope = 0, size = 0, measured = 0;
    bool agrees = false;
    variant_batch(variant, &tiny, 5, 7, 2);
    pass.sampling = 0.6;
    loss_of(model, &tiny.batch, pass.sampling, gradient);
    for (size_t i = 0; i < floats; i++) {
        slope += (double)gradient[i] * random_normal(&direction, i);
        size += (double)gradient[i] * (double)gradient[i];
    }
    struct batch batch = tiny.batch;
    batch.inputs = inputs_of(model, &tiny, &pass);
    for (int s = 0; s < STEPS && !agrees; s++) {
        measured = measured_slope(model, &batch, steps[s]);
        agrees = fabs(measured - slope) <= 0.005 * (sqrt(size) + 0.05);
    }
    if (!agrees)
        fail_msg("%s: slope %.6g, measured %.6g (gradient's norm %.3g)", variant->what, slope, measured,
                sqrt(size));
    memory_free(gradient);
    model_close(model);
}

static void test_sampling__gradient_is_the_slope_of_the_loss(void **state)
{
    (void)state;
    for (size_t v = 0; v < variant_count(); v++)
        if (is_recurrent(variant_at(v)))
            check_slope(variant_at(v));
}

static void test_sampling__draws_are_of_seed_update_and_slot(void **state)
{
    (void)state;
    const struct variant variant = {"gru", true, {"model.kind", "recurrent", NULL}};
    struct model *model = plain_model(&variant);
    struct tiny_batch tiny;
    struct pass pass = tiny_pass(NULL);
    struct loss loss[5];
    pass.sampling = 0.5;
    tiny_batch_fill(&tiny, 9, 12, 2);
    for (int i = 0; i < 5; i++) {
        struct pass other = pass;
        other.seed += i == 1;
        other.update += i == 2;
        other.slot += i == 3;
        assert_int_equal(model_loss(model, &tiny.batch, &other, &loss[i]), STATUS_OK);
        assert_true(i == 0 || (loss[i].objective == loss[0].objective) == (i == 4));
    }
    model_close(model);
}

static void test_sampling__threads_do_not_change_a_bit(void **state)
{
    (void)state;
    struct model_options options =
            tiny_options((const char *[]){"model.kind", "recurrent", "model.width", "64", NULL});
    options.dropout = options.attention_dropout = 0.1;
    struct model *model = tiny_model(&options, true);
    size_t floats = model_parameters(model)->floats;
    struct tiny_batch tiny;
    struct loss loss[2];
    float *gradient[2];
    tiny_batch_fill(&tiny, 40, 20, 2);
    for (int t = 0; t < 2; t++) {
        omp_set_num_threads(t + 1);
        gradient[t] = tiny_floats(floats);
        loss[t] = loss_of(model, &tiny.batch, 0.5, gradient[t]);
    }
    omp_set_num_threads(1);
    assert_true(loss[0].objective == loss[1].objective);
    assert_memory_equal(gradient[0], gradient[1], floats * sizeof(float));
    memory_free(gradient[0]);
    memory_free(gradient[1]);
    model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_draw__a_share_of_the_weights_is_a_class),
            cmocka_unit_test(test_draw__rows_are_drawn_from_their_softmax),
            cmocka_unit_test(test_sampling__is_teacher_forcing_of_what_the_decoder_draws),
            cmocka_unit_test(test_sampling__gradient_is_the_slope_of_the_loss),
            cmocka_unit_test(test_sampling__draws_are_of_seed_update_and_slot),
            cmocka_unit_test(test_sampling__threads_do_not_change_a_bit),
    };
    omp_set_num_threads(1);
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
