#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "tests/models/choices.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#define CHANGES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* |a - b| relative to the larger of |b| and the largest entry around: what rounding in another order can change. */
static void assert_near(const float *a, const float *b, size_t count, double tolerance, const char *what)
{
    double scale = 1e-30;
    for (size_t i = 0; i < count; i++)
        scale = fmax(scale, fabs((double)b[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= tolerance * scale))
            fail_msg("%s: element %zu is %.9g, expected %.9g (largest %.3g)", what, i, (double)a[i],
                    (double)b[i], scale);
}

/* ---- options ---- */

/* A choice that no model is drawn with would be tested nowhere. */
static void test_model__every_choice_is_walked(void **state)
{
    (void)state;
    static struct variant drawn[CHOICES_MOST];
    for (int strength = 1; strength <= 2; strength++) {
        size_t count = choices_draw(drawn, strength);
        const char *missing = choices_missing(drawn, count);
        assert_true(count > 10);
        if (missing)
            fail_msg("%s stands in none of the models drawn (tests/models/choices.h)", missing);
    }
}

/* LSTM cells remember from the first update on. */
static void test_model__forget_gates_begin_open(void **state)
{
    (void)state;
    const size_t rows[SIDES] = {TINY_ROWS, TINY_ROWS};
    const struct model_options options =
            tiny_options(CHANGES("model.kind", "recurrent", "model.cell", "lstm"));
    struct model *model;
    assert_int_equal(model_open(&model, &options, rows, true), STATUS_OK);
    model_initialise(model, 1);
    const struct parameters *p = model_parameters(model);
    for (size_t layer = 0; layer < 2; layer++) {
        const char *name = layer ? "decoder/1/hidden/bias" : "encoder/0/backward/hidden/bias";
        const struct parameter *bias = parameters_find(p, name);
        assert_non_null(bias);
        size_t width = bias->floats / 4; /* gates i, f, g, o */
        for (size_t i = 0; i < bias->floats; i++)
            assert_true(p->values[bias->array.offset + i] == (i / width == 1 ? 1.0f : 0.0f));
    }
    model_close(model);
}

static void test_model__longer_than_learned_positions_is_refused(void **state)
{
    (void)state;
    struct model_options options =
            tiny_options(CHANGES("model.position", "learned", "model.position_limit", "5"));
    struct model *model = tiny_model(&options, true);
    struct tiny_batch tiny;
    struct loss loss;
    const struct pass pass = {0};
    assert_int_equal(model_longest(model), 5);
    tiny_batch_fill(&tiny, 8, 5, 1);
    assert_int_equal(model_loss(model, &tiny.batch, &pass, &loss), STATUS_OK);
    tiny_batch_fill(&tiny, 8, 20, 1);
    assert_int_equal(model_loss(model, &tiny.batch, &pass, &loss), STATUS_CONFIG);
    assert_non_null(strstr(status_message(), "model.position_limit 5"));
    model_close(model);
}

/* ---- parameters ---- */

static void test_model__parameters_are_named_and_start_as_they_should(void **state)
{
    (void)state;
    struct model_options options = tiny_options(NULL);
    struct model *model;
    const size_t rows[SIDES] = {TINY_ROWS, TINY_ROWS};
    assert_int_equal(model_open(&model, &options, rows, true), STATUS_OK);
    model_initialise(model, 1);
    const struct parameters *parameters = model_parameters(model);
    for (size_t i = 0; i < parameters->count; i++)
        assert_non_null(parameters->items[i].array.description);
    const struct parameter *table = parameters_find(parameters, "embedding/weight");
    const struct parameter *gain = parameters_find(parameters, "encoder/0/self_attention/norm/gain");
    const struct parameter *qkv = parameters_find(parameters, "decoder/1/self_attention/qkv/weight");
    const struct parameter *memory = parameters_find(parameters, "decoder/cross_attention/key_value/weight");
    assert_true(table && gain && qkv && memory);
    assert_null(parameters_find(parameters, "output/weight"));
    assert_int_equal(qkv->array.shape[0], 24);
    assert_int_equal(memory->array.shape[0], 2 * 2 * 8);
    for (size_t c = 0; c < 8; c++) {
        assert_true(parameters->values[table->array.offset + (TINY_ROWS - 1) * 8 + c] == 0);
        assert_true(parameters->values[table->array.offset + c] != 0);
        assert_true(parameters->values[gain->array.offset + c] == 1);
    }
    model_close(model);
}

/* ---- forward ---- */

static void test_model__packed_equals_one_sentence_at_a_time(void **state)
{
    (void)state;
    for (size_t v = 0; v < variant_count(); v++) {
        struct model *model = variant_model(variant_at(v));
        struct tiny_batch tiny, one;
        variant_batch(variant_at(v), &tiny, 9, 12, 3);
        float *packed = tiny_floats(tiny.batch.tokens[TARGET] * TINY_PIECES);
        float *single = tiny_floats(tiny.batch.longest[TARGET] * TINY_PIECES);
        assert_int_equal(model_logits(model, &tiny.batch, packed), STATUS_OK);
        for (size_t p = 0; p < tiny.batch.pairs; p++) {
            tiny_batch_one(&one, &tiny, p);
            assert_int_equal(model_logits(model, &one.batch, single), STATUS_OK);
            assert_near(packed + (size_t)tiny.offsets[TARGET][p] * TINY_PIECES, single,
                    one.batch.tokens[TARGET] * TINY_PIECES, 1e-5, variant_at(v)->what);
        }
        memory_free(packed);
        memory_free(single);
        model_close(model);
    }
}

/* Logits of rows [0, rows) are the same bits in both. */
static bool same_rows(const float *a, const float *b, size_t first, size_t end)
{
    return memcmp(a + first * TINY_PIECES, b + first * TINY_PIECES,
                   (end - first) * TINY_PIECES * sizeof(float)) == 0;
}

/* Another first token, frame or row of pixels in the source of a pair. */
static void change_source(struct tiny_batch *tiny, size_t pair)
{
    int32_t *word = &tiny->ids[SOURCE][(size_t)tiny->offsets[SOURCE][pair] * tiny->words];
    if (tiny->words == 1)
        *word = *word == 5 ? 6 : 5;
    else
        *word ^= 0x400000;
}

static void check_neighbours(const struct variant *variant)
{
    struct model *model = variant_model(variant);
    struct tiny_batch tiny;
    variant_batch(variant, &tiny, 6, 12, 3);
    size_t rows = tiny.batch.tokens[TARGET], first = (size_t)tiny.offsets[TARGET][3],
           end = (size_t)tiny.offsets[TARGET][4];
    assert_true(end - first > 3);
    float *before = tiny_floats(rows * TINY_PIECES), *after = tiny_floats(rows * TINY_PIECES);
    assert_int_equal(model_logits(model, &tiny.batch, before), STATUS_OK);
    change_source(&tiny, 3);
    assert_int_equal(model_logits(model, &tiny.batch, after), STATUS_OK);
    if (!same_rows(before, after, 0, first) || !same_rows(before, after, end, rows))
        fail_msg("%s: the source of a neighbour is seen", variant->what);
    if (same_rows(before, after, first, end))
        fail_msg("%s: the source is not seen", variant->what);
    tiny.ids[TARGET][first + 1] ^= 1; /* a target token: seen by the rows after it */
    assert_int_equal(model_logits(model, &tiny.batch, before), STATUS_OK);
    if (!same_rows(before, after, 0, first + 2) || !same_rows(before, after, end, rows))
        fail_msg("%s: the future or the target of a neighbour is seen", variant->what);
    if (same_rows(before, after, first + 2, first + 3))
        fail_msg("%s: the target so far is not seen", variant->what);
    memory_free(before);
    memory_free(after);
    model_close(model);
}

static void test_model__neighbours_and_the_future_are_not_seen(void **state)
{
    (void)state;
    for (size_t v = 0; v < variant_count(); v++)
        check_neighbours(variant_at(v));
}

/* Word dropout: what the decoder sees changes, what it is to predict does not. */
static void test_model__inputs_are_seen_and_targets_predicted(void **state)
{
    (void)state;
    struct model_options options = tiny_options((const char *[]){NULL});
    struct model *model = tiny_model(&options, true);
    struct tiny_batch tiny;
    struct pass pass = {0};
    struct loss plain, same, dropped, unseen;
    int32_t inputs[TINY_TOKENS];
    tiny_batch_fill(&tiny, 6, 9, 3);
    struct batch *batch = &tiny.batch;
    memcpy(inputs, batch->ids[TARGET], batch->tokens[TARGET] * sizeof *inputs);
    assert_int_equal(model_loss(model, batch, &pass, &plain), STATUS_OK);
    batch->inputs = inputs;
    assert_int_equal(model_loss(model, batch, &pass, &same), STATUS_OK);
    assert_true(same.objective == plain.objective);
    /* The last token of a sentence is never an input. */
    for (size_t p = 0; p < batch->pairs; p++)
        inputs[batch->offsets[TARGET][p + 1] - 1] = TOKEN_UNKNOWN;
    assert_int_equal(model_loss(model, batch, &pass, &unseen), STATUS_OK);
    assert_true(unseen.objective == plain.objective);
    for (size_t i = 0; i < batch->tokens[TARGET]; i++)
        inputs[i] = TOKEN_UNKNOWN;
    assert_int_equal(model_loss(model, batch, &pass, &dropped), STATUS_OK);
    assert_true(dropped.objective != plain.objective && dropped.tokens == plain.tokens);
    model_close(model);
}

static void test_model__log_probabilities_follow_from_the_logits(void **state)
{
    (void)state;
    struct model_options options = tiny_options(NULL);
    struct model *model = tiny_model(&options, true);
    struct tiny_batch tiny;
    tiny_batch_fill(&tiny, 7, 12, 4);
    size_t rows = tiny.batch.tokens[TARGET];
    float *logits = tiny_floats(rows * TINY_PIECES), *log_probabilities = tiny_floats(rows);
    struct loss loss;
    const struct pass pass = {.log_probabilities = log_probabilities};
    assert_int_equal(model_logits(model, &tiny.batch, logits), STATUS_OK);
    assert_int_equal(model_loss(model, &tiny.batch, &pass, &loss), STATUS_OK);
    assert_int_equal(loss.tokens, rows);
    double total = 0;
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t c = 0; c < TINY_PIECES; c++)
            sum += exp((double)logits[r * TINY_PIECES + c]);
        double expected = (double)logits[r * TINY_PIECES + (size_t)tiny.ids[TARGET][r]] - log(sum);
        assert_true(fabs((double)log_probabilities[r] - expected) < 1e-5 * (1 + fabs(expected)));
        total -= expected;
    }
    assert_true(fabs(loss.cross_entropy - total) < 1e-5 * total);
    assert_true(fabs(loss.objective - total) < 1e-5 * total);
    memory_free(logits);
    memory_free(log_probabilities);
    model_close(model);
}

/* ---- gradient ---- */

/* What it adds is the cost of what decoding tells, and told apart; without points or attention nothing. */
static void test_model__guide_adds_its_cost(void **state)
{
    (void)state;
    for (size_t v = 0; v < variant_count(); v++) {
        struct model *model = variant_model(variant_at(v));
        struct tiny_batch tiny;
        struct loss plain, guided, twice, unknown;
        struct pass pass = {.guide = kind_find(&guide_kinds, "ce"), .guide_weight = 0.5};
        variant_batch(variant_at(v), &tiny, 9, 12, 3);
        assert_int_equal(model_loss(model, &tiny.batch, &pass, &unknown), STATUS_OK);
        tiny_batch_align(&tiny);
        assert_int_equal(model_loss(model, &tiny.batch, &(struct pass){0}, &plain), STATUS_OK);
        assert_true(unknown.objective == plain.objective && plain.aligned == 0 && plain.alignment == 0);
        if (variant_can_be_guided(variant_at(v))) {
            const int64_t tokens = plain.tokens, aligned = tokens - (tokens + 1) / 3;
            assert_int_equal(model_loss(model, &tiny.batch, &pass, &guided), STATUS_OK);
            pass.r_drop = 1e-9;
            assert_int_equal(model_loss(model, &tiny.batch, &pass, &twice), STATUS_OK);
            assert_true(guided.aligned == aligned && guided.alignment > 0.1 * (double)aligned);
            assert_true(guided.objective == plain.objective + 0.5 * guided.alignment);
            assert_true(guided.cross_entropy == plain.cross_entropy);
            assert_true(twice.aligned == aligned &&
                        fabs(twice.alignment - guided.alignment) < 1e-5 * guided.alignment);
            assert_true(fabs(twice.objective - guided.objective) < 1e-5 * guided.objective);
        }
        model_close(model);
    }
}

/* Without dropout both draws are one, and the loss the plain one; with dropout they differ. */
static void test_model__r_drop_takes_two_draws(void **state)
{
    (void)state;
    struct model_options options = tiny_options(CHANGES("model.dropout", "0.3"));
    struct model *model = tiny_model(&options, true);
    struct tiny_batch tiny;
    tiny_batch_fill(&tiny, 9, 12, 2);
    struct pass pass = tiny_pass(NULL);
    struct loss plain, pair, apart;
    for (int training = 0; training < 2; training++) {
        pass.training = training;
        pass.r_drop = 0;
        assert_int_equal(model_loss(model, &tiny.batch, &pass, &plain), STATUS_OK);
        pass.r_drop = 1e-9;
        assert_int_equal(model_loss(model, &tiny.batch, &pass, &pair), STATUS_OK);
        pass.r_drop = 4;
        assert_int_equal(model_loss(model, &tiny.batch, &pass, &apart), STATUS_OK);
        assert_int_equal(pair.tokens, plain.tokens);
        assert_true(pair.cross_entropy == apart.cross_entropy);
        bool same = fabs(pair.cross_entropy - plain.cross_entropy) < 1e-5 * plain.cross_entropy;
        double divergence = apart.objective - pair.objective;
        assert_true(same == !training);
        assert_true(training ? divergence > 0.01 * (double)pair.tokens : fabs(divergence) < 1e-5);
    }
    model_close(model);
}

struct watched {
    const float *gradient;
    float *copy;
    size_t floats, first;
    int calls;
};

/* Copies what is said to be final now. */
static void watch_ready(void *context, size_t first)
{
    struct watched *watched = context;
    assert_true(first <= watched->first);
    memcpy(watched->copy + first, watched->gradient + first, (watched->first - first) * sizeof(float));
    watched->first = first;
    watched->calls++;
}

static void test_model__ready_tells_final_parts_only(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2 * variant_count(); v++) {
        struct model *model = variant_model(variant_at(v / 2));
        size_t floats = model_parameters(model)->floats;
        struct tiny_batch tiny;
        variant_batch(variant_at(v / 2), &tiny, 5, 7, 2);
        struct watched watched = {tiny_floats(floats), tiny_floats(floats), floats, floats, 0};
        struct pass pass = tiny_pass((float *)watched.gradient);
        pass.recompute = v % 2;
        pass.sampling = v % 2 ? 0.5 : 0;
        pass.ready = watch_ready;
        pass.context = &watched;
        struct loss loss;
        assert_int_equal(model_loss(model, &tiny.batch, &pass, &loss), STATUS_OK);
        assert_int_equal(watched.first, 0);
        /* Many calls; of a model of few parameters, one for each weight with its bias. */
        assert_true(watched.calls > 10 || 2 * watched.calls >= (int)model_parameters(model)->count);
        assert_memory_equal(watched.copy, watched.gradient, floats * sizeof(float));
        memory_free((float *)watched.gradient);
        memory_free(watched.copy);
        model_close(model);
    }
}

static struct loss loss_of(
        struct model *model, const struct batch *batch, bool recompute, double r_drop, float *gradient)
{
    struct pass pass = tiny_pass(gradient);
    struct loss loss;
    pass.recompute = recompute;
    pass.r_drop = r_drop;
    pass.guide = kind_find(&guide_kinds, "ce");
    pass.guide_weight = 0.5;
    assert_int_equal(model_loss(model, batch, &pass, &loss), STATUS_OK);
    return loss;
}

static void check_recompute(const struct variant *variant, double r_drop)
{
    struct model_options options = variant_options(variant);
    options.encoder_layers = options.encoder_layers > 0 ? 3 : 0;
    options.decoder_layers = 3;
    options.dropout = 0.2;
    variant_drop(&options, 0.2);
    struct model *model = tiny_model(&options, variant->joint);
    struct tiny_batch tiny;
    variant_batch(variant, &tiny, 9, 12, 2);
    if (variant_can_be_guided(variant))
        tiny_batch_align(&tiny);
    size_t floats = model_parameters(model)->floats;
    float *kept = tiny_floats(floats), *again = tiny_floats(floats);
    struct loss first = loss_of(model, &tiny.batch, false, r_drop, kept);
    struct loss second = loss_of(model, &tiny.batch, true, r_drop, again);
    assert_true(first.objective == second.objective);
    if (memcmp(kept, again, floats * sizeof *kept) != 0)
        fail_msg("%s: recomputing changes the gradient", variant->what);
    memory_free(kept);
    memory_free(again);
    model_close(model);
}

static void test_model__recomputing_changes_no_bit(void **state)
{
    (void)state;
    for (size_t v = 0; v < variant_count(); v++)
        check_recompute(variant_at(v), 0);
    check_recompute(&(struct variant){"R-Drop", true, {NULL}}, 2);
    /* So wide that values are fleeting without recomputing, too. */
    check_recompute(&(struct variant){"wide, pre", true, {"model.width", "512", NULL}}, 0);
    check_recompute(
            &(struct variant){"wide, post", true, {"model.width", "512", "model.norm", "post", NULL}}, 0);
}

/* Every other parameter, then the rest: what learns has the same gradient. */
static void test_model__frozen_parameters_have_no_gradient_made(void **state)
{
    (void)state;
    for (size_t v = 0; v < 4 * variant_count(); v++) {
        struct model *model = variant_model(variant_at(v / 4));
        const struct parameters *parameters = model_parameters(model);
        bool frozen[128];
        assert_true(parameters->count <= sizeof frozen);
        struct tiny_batch tiny;
        variant_batch(variant_at(v / 4), &tiny, 5, 7, 2);
        float *all = tiny_floats(parameters->floats), *some = tiny_floats(parameters->floats);
        struct pass pass = tiny_pass(some);
        struct loss loss = loss_of(model, &tiny.batch, v % 2, 0, all);
        for (size_t i = 0; i < parameters->count; i++) {
            frozen[i] = i % 2 == v / 2 % 2;
            if (frozen[i])
                memset(all + parameters->items[i].array.offset, 0, parameters->items[i].floats * sizeof *all);
        }
        pass.recompute = v % 2;
        pass.frozen = frozen;
        assert_int_equal(model_loss(model, &tiny.batch, &pass, &loss), STATUS_OK);
        assert_memory_equal(all, some, parameters->floats * sizeof *all);
        memory_free(all);
        memory_free(some);
        model_close(model);
    }
}

/* So wide that there are several tiles of all kinds. */
static void check_threads(const struct variant *variant, double r_drop)
{
    struct model_options options = variant_options(variant);
    options.width = 64;
    options.heads = 2;
    options.ffn_width = 96;
    options.dropout = 0.1;
    variant_drop(&options, 0.1);
    struct model *model = tiny_model(&options, variant->joint);
    size_t floats = model_parameters(model)->floats;
    struct tiny_batch tiny;
    variant_batch(variant, &tiny, 40, 20, 2);
    if (variant_can_be_guided(variant))
        tiny_batch_align(&tiny);
    float *gradient[2];
    double loss[2];
    for (int t = 0; t < 2; t++) {
        omp_set_num_threads(t + 1);
        gradient[t] = tiny_floats(floats);
        loss[t] = loss_of(model, &tiny.batch, false, r_drop, gradient[t]).objective;
    }
    omp_set_num_threads(1);
    if (loss[0] != loss[1] || memcmp(gradient[0], gradient[1], floats * sizeof(float)) != 0)
        fail_msg("%s: two threads give other bits than one", variant->what);
    memory_free(gradient[0]);
    memory_free(gradient[1]);
    model_close(model);
}

static void test_model__threads_do_not_change_a_bit(void **state)
{
    (void)state;
    for (size_t v = 0; v < variant_count(); v++)
        check_threads(variant_at(v), 0);
    check_threads(&(struct variant){"R-Drop", true, {NULL}}, 2);
}

static void test_model__later_passes_allocate_nothing(void **state)
{
    (void)state;
    struct model_options options = tiny_options(NULL);
    struct model *model = tiny_model(&options, true);
    struct tiny_batch tiny;
    float *gradient = tiny_floats(model_parameters(model)->floats);
    struct pass pass = tiny_pass(gradient);
    struct loss loss;
    size_t blocks = 0, peak = 0;
    for (int round = 0; round < 4; round++) {
        tiny_batch_fill(&tiny, 20, 12, 2);
        assert_int_equal(model_loss(model, &tiny.batch, &pass, &loss), STATUS_OK);
        if (round >= 2)
            assert_true(blocks == memory_blocks() && peak == model_peak_bytes(model));
        blocks = memory_blocks();
        peak = model_peak_bytes(model);
    }
    assert_true(peak > 0);
    memory_free(gradient);
    model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_model__every_choice_is_walked),
            cmocka_unit_test(test_model__longer_than_learned_positions_is_refused),
            cmocka_unit_test(test_model__parameters_are_named_and_start_as_they_should),
            cmocka_unit_test(test_model__forget_gates_begin_open),
            cmocka_unit_test(test_model__packed_equals_one_sentence_at_a_time),
            cmocka_unit_test(test_model__neighbours_and_the_future_are_not_seen),
            cmocka_unit_test(test_model__inputs_are_seen_and_targets_predicted),
            cmocka_unit_test(test_model__log_probabilities_follow_from_the_logits),
            cmocka_unit_test(test_model__guide_adds_its_cost),
            cmocka_unit_test(test_model__r_drop_takes_two_draws),
            cmocka_unit_test(test_model__recomputing_changes_no_bit),
            cmocka_unit_test(test_model__frozen_parameters_have_no_gradient_made),
            cmocka_unit_test(test_model__ready_tells_final_parts_only),
            cmocka_unit_test(test_model__threads_do_not_change_a_bit),
            cmocka_unit_test(test_model__later_passes_allocate_nothing),
    };
    omp_set_num_threads(1);
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
