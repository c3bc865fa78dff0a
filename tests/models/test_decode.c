#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "models/architecture.h"
#include "tests/models/tiny.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const pre[] = {NULL};
static const char *const post[] = {"model.norm", "post", "model.position", "learned", "model.start", "zero",
        "model.head_width", "5", NULL};
#define RECURRENT "model.kind", "recurrent"
static const char *const bahdanau[] = {RECURRENT, "model.cell", "lstm", NULL};
static const char *const feeding[] = {RECURRENT, "model.attention", "luong_general", "model.layer_norm",
        "true", "model.residual", "true", NULL};
static const char *const at_once[] = {
        RECURRENT, "model.attention", "luong_concat", "model.input_feeding", "false", NULL};
static const char *const repeated[] = {
        RECURRENT, "model.attention", "none", "model.context", "every_step", "model.cell", "lstm", NULL};
static const char *const blind[] = {RECURRENT, "model.attention", "none", "model.cell", "rnn", NULL};
static const char *const local[] = {RECURRENT, "model.attention", "luong_local_m", "model.window", "2", NULL};
static const char *const predicted[] = {RECURRENT, "model.attention", "luong_local_p", "model.window", "2",
        "model.input_feeding", "false", NULL};
static const char *const *const variants[] = {
        pre, post, bahdanau, feeding, at_once, repeated, blind, local, predicted};
enum { VARIANTS = sizeof variants / sizeof *variants };

static const struct decode_options usual = {
        .beam = 1, .nbest = 1, .max_length_ratio = 2, .max_length_extra = 20, .batch = 64};

static struct model *new_model(const char *const *changes)
{
    struct model_options options = tiny_options(changes);
    return tiny_model(&options, true);
}

/* A random model hardly ever ends a sentence by itself; with this some end early, some late, some never. */
static void encourage_end(struct model *model, float logit)
{
    const struct parameter *bias = parameters_find(model_parameters(model), "output/bias");
    model_parameters(model)->values[bias->array.offset + TOKEN_END] += logit;
}

static enum status decode(struct model *model, const struct decode_options *options, const int32_t *ids,
        const int32_t *offsets, size_t count, struct translation *out)
{
    const struct ensemble ensemble = {.models = &model, .count = 1};
    const struct decode_task task = {.ids = ids, .offsets = offsets, .count = count};
    return decode_group(&ensemble, options, &task, out);
}

/* ---- cached steps ---- */

/* One decoding step of `rows` rows; logits [rows, TINY_PIECES]. */
static void step(struct model *model, void *state, const int32_t *ids, float *logits)
{
    arena_clear(model->step);
    struct tape *tape = tape_start(model->step, &model->parameters, &(struct tape_options){0});
    assert_non_null(tape);
    struct prediction prediction;
    assert_int_equal(model->architecture->decode_step(state, tape, ids, NULL, &prediction), STATUS_OK);
    prediction_logits(tape, &prediction, logits);
}

static void assert_row(const float *a, const float *b)
{
    double scale = 0;
    for (size_t c = 0; c < TINY_PIECES; c++)
        scale = fmax(scale, fabs((double)b[c]));
    for (size_t c = 0; c < TINY_PIECES; c++)
        assert_true(fabs((double)a[c] - (double)b[c]) <= 1e-5 * scale);
}

/* Feeds the target of a batch token by token, rows leaving as their sentences end, against teacher forcing. */
static void steps_against_whole(struct model *model, const struct tiny_batch *tiny)
{
    const struct batch *batch = &tiny->batch;
    float *whole = tiny_floats(batch->tokens[TARGET] * TINY_PIECES);
    float *logits = tiny_floats(batch->pairs * TINY_PIECES);
    assert_int_equal(model_logits(model, batch, whole), STATUS_OK);
    struct sentences source = sentences_make(batch->ids[SOURCE], batch->offsets[SOURCE], batch->pairs);
    void *state;
    assert_int_equal(model->architecture->decode_start(model, &source, &state), STATUS_OK);
    int32_t pair[TINY_PAIRS], ids[TINY_PAIRS], parents[TINY_PAIRS];
    size_t rows = batch->pairs;
    for (size_t r = 0; r < rows; r++) {
        pair[r] = (int32_t)r;
        ids[r] = model_start_id(model);
    }
    for (int32_t t = 0; rows > 0; t++) {
        step(model, state, ids, logits);
        size_t kept = 0;
        for (size_t r = 0; r < rows; r++) {
            int32_t place = tiny->offsets[TARGET][pair[r]] + t;
            assert_row(logits + r * TINY_PIECES, whole + (size_t)place * TINY_PIECES);
            if (tiny->ids[TARGET][place] == TOKEN_END)
                continue;
            ids[kept] = tiny->ids[TARGET][place];
            parents[kept] = (int32_t)r;
            pair[kept++] = pair[r];
        }
        if (kept > 0)
            assert_int_equal(model->architecture->decode_keep(state, parents, kept), STATUS_OK);
        rows = kept;
    }
    memory_free(whole);
    memory_free(logits);
}

static void test_decode__cached_steps_equal_teacher_forcing(void **state)
{
    (void)state;
    for (size_t v = 0; v < VARIANTS; v++) {
        struct model *model = new_model(variants[v]);
        struct tiny_batch tiny;
        tiny_batch_fill(&tiny, 12, 60, 3); /* past the first room of the cache */
        steps_against_whole(model, &tiny);
        model_close(model);
    }
}

static void test_decode__cached_steps_read_sources_that_are_not_text(void **state)
{
    (void)state;
    static const struct source_form forms[] = {{SOURCE_FRAMES, 3, 0, 0}, {SOURCE_IMAGES, 8, 7, 1}};
    for (size_t i = 0; i < 2; i++) {
        struct model_options options = tiny_options(NULL);
        options.source = forms[i];
        struct model *model = tiny_model(&options, false);
        struct tiny_batch tiny;
        tiny_batch_fill(&tiny, 12, 60, 3);
        tiny_batch_source(&tiny, &options.source);
        steps_against_whole(model, &tiny);
        model_close(model);
    }
}

/* Children of one parent go different ways; none disturbs another (what a beam does). */
static void check_children(const char *const *changes)
{
    struct model *model = new_model(changes);
    const int32_t source_ids[] = {5, 6, TOKEN_END, 7, TOKEN_END}, source_offsets[] = {0, 3, 5};
    struct sentences source = sentences_make(source_ids, source_offsets, 2);
    float logits[4 * TINY_PIECES], straight[4 * TINY_PIECES];
    const int32_t parents[] = {1, 0, 1, 1};
    const int32_t first[] = {TOKEN_START, TOKEN_START}, second[] = {5, 6, 7, 8}, third[] = {9, 10, 11, 12};
    const struct architecture *architecture = model->architecture;
    void *search;
    assert_int_equal(architecture->decode_start(model, &source, &search), STATUS_OK);
    step(model, search, first, logits);
    assert_int_equal(architecture->decode_keep(search, parents, 4), STATUS_OK);
    step(model, search, second, logits);
    step(model, search, third, logits);
    for (int r = 0; r < 4; r++) { /* the same way alone */
        const int32_t *alone = source_ids + source_offsets[parents[r]];
        const int32_t offsets[] = {0, source_offsets[parents[r] + 1] - source_offsets[parents[r]]};
        struct sentences one = sentences_make(alone, offsets, 1);
        assert_int_equal(architecture->decode_start(model, &one, &search), STATUS_OK);
        step(model, search, first, straight);
        step(model, search, &second[r], straight);
        step(model, search, &third[r], straight);
        assert_row(logits + r * TINY_PIECES, straight);
    }
    model_close(model);
}

static void test_decode__rows_may_have_several_children(void **state)
{
    (void)state;
    for (size_t v = 0; v < VARIANTS; v++)
        check_children(variants[v]);
}

/* ---- greedy search ---- */

/* Teacher forcing of what was found: each token is the best of its row, and the log probabilities add up. */
static void assert_greedy(struct model *model, const struct tiny_batch *from, size_t pair,
        const struct hypothesis *found, size_t limit)
{
    struct tiny_batch one;
    tiny_batch_one(&one, from, pair);
    bool ended = found->count < limit;
    size_t tokens = found->count + (ended ? 1 : 0);
    for (size_t t = 0; t < tokens; t++)
        one.ids[TARGET][t] = t < found->count ? found->ids[t] : TOKEN_END;
    one.offsets[TARGET][1] = (int32_t)tokens;
    float *logits = tiny_floats(tokens * TINY_PIECES);
    assert_int_equal(model_logits(model, &one.batch, logits), STATUS_OK);
    double score = 0;
    for (size_t t = 0; t < tokens; t++) {
        const float *row = logits + t * TINY_PIECES;
        double chosen = (double)row[one.ids[TARGET][t]], sum = 0;
        for (size_t c = 0; c < TINY_PIECES; c++) {
            assert_true((double)row[c] <= chosen + 1e-5);
            sum += exp((double)row[c]);
        }
        score += chosen - log(sum);
    }
    assert_true(fabs(found->log_probability - score) <= 1e-5 * fabs(score));
    memory_free(logits);
}

static void test_decode__takes_the_best_token_at_each_step(void **state)
{
    (void)state;
    for (size_t v = 0; v < VARIANTS; v++) {
        struct model *model = new_model(variants[v]);
        encourage_end(model, 2.5f);
        struct tiny_batch tiny;
        struct translation found[TINY_PAIRS];
        tiny_batch_fill_sorted(&tiny, 20, 15, 3);
        assert_int_equal(decode(model, &usual, tiny.ids[SOURCE], tiny.offsets[SOURCE], 20, found), STATUS_OK);
        size_t ended = 0;
        for (size_t p = 0; p < 20; p++) {
            size_t length = (size_t)(tiny.offsets[SOURCE][p + 1] - tiny.offsets[SOURCE][p]);
            size_t limit = 2 * length + 20;
            assert_true(found[p].items->count <= limit);
            assert_greedy(model, &tiny, p, found[p].items, limit);
            ended += found[p].items->count < limit;
        }
        assert_true(ended > 0);
        translations_release(found, 20);
        model_close(model);
    }
}

static void check_batches(const char *const *changes)
{
    struct model *model = new_model(changes);
    encourage_end(model, 2.5f);
    struct tiny_batch tiny;
    struct translation all[TINY_PAIRS], few[TINY_PAIRS];
    tiny_batch_fill_sorted(&tiny, 50, 25, 3);
    assert_int_equal(decode(model, &usual, tiny.ids[SOURCE], tiny.offsets[SOURCE], 50, all), STATUS_OK);
    for (int64_t batch = 1; batch <= 7; batch += 3) {
        struct decode_options options = usual;
        options.batch = batch;
        assert_int_equal(decode(model, &options, tiny.ids[SOURCE], tiny.offsets[SOURCE], 50, few), STATUS_OK);
        for (size_t p = 0; p < 50; p++) {
            const struct hypothesis *a = few[p].items, *b = all[p].items;
            assert_int_equal(a->count, b->count);
            assert_memory_equal(a->ids, b->ids, b->count * sizeof(int32_t));
            assert_true(a->score == b->score);
        }
        translations_release(few, 50);
    }
    translations_release(all, 50);
    model_close(model);
}

static void test_decode__does_not_depend_on_the_batch(void **state)
{
    (void)state;
    for (size_t v = 0; v < VARIANTS; v++)
        check_batches(variants[v]);
}

/* What is packed serves one translation after another, until somebody asks for the parameters. */
static void test_decode__packs_weights_once_and_sees_new_ones(void **state)
{
    (void)state;
    struct model *model = new_model(pre);
    const struct parameter *weight =
            parameters_find(model_parameters(model), "encoder/0/feed_forward/inner/weight");
    float *values = model_parameters(model)->values + weight->array.offset;
    const int32_t ids[] = {5, 6, 7, TOKEN_END}, offsets[] = {0, 4};
    double scores[3];
    for (int i = 0; i < 3; i++) {
        struct translation found;
        if (i == 1)
            values[0] += 2; /* unseen: nobody asked */
        else if (i == 2)
            model_parameters(model);
        assert_int_equal(decode(model, &usual, ids, offsets, 1, &found), STATUS_OK);
        scores[i] = found.items->log_probability;
        translations_release(&found, 1);
    }
    assert_true(scores[0] == scores[1] && scores[1] != scores[2]);
    model_close(model);
}

static void test_decode__length_is_bounded(void **state)
{
    (void)state;
    struct model *model = new_model(pre);
    encourage_end(model, -100);
    const int32_t ids[] = {5, 6, 7, 8, TOKEN_END, TOKEN_END}, offsets[] = {0, 5, 6};
    struct decode_options options = usual, nothing = usual;
    options.max_length_ratio = 1.5;
    options.max_length_extra = 2;
    nothing.max_length_ratio = 0;
    nothing.max_length_extra = 0;
    struct translation found[2];
    assert_int_equal(decode(model, &options, ids, offsets, 2, found), STATUS_OK);
    assert_int_equal(found[0].items->count, 9);
    assert_int_equal(found[1].items->count, 3);
    translations_release(found, 2);
    assert_int_equal(decode(model, &nothing, ids, offsets, 2, found), STATUS_OK);
    assert_int_equal(found[0].items->count, 1);
    translations_release(found, 2);
    assert_int_equal(decode(model, &options, ids, offsets, 0, found), STATUS_OK);
    model_close(model);
}

static void test_decode__stays_within_learned_positions(void **state)
{
    (void)state;
    struct model *model = new_model(post); /* 64 positions */
    encourage_end(model, -100);
    struct decode_options options = usual;
    options.max_length_ratio = 100;
    const int32_t ids[] = {5, TOKEN_END}, offsets[] = {0, 2};
    struct translation found;
    assert_int_equal(decode(model, &options, ids, offsets, 1, &found), STATUS_OK);
    assert_int_equal(found.items->count, 64);
    translations_release(&found, 1);
    int32_t long_ids[65], long_offsets[] = {0, 65};
    for (int i = 0; i < 65; i++)
        long_ids[i] = 5;
    assert_int_equal(decode(model, &options, long_ids, long_offsets, 1, &found), STATUS_CONFIG);
    assert_non_null(strstr(status_message(), "model.position_limit 64"));
    model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_decode__cached_steps_equal_teacher_forcing),
            cmocka_unit_test(test_decode__cached_steps_read_sources_that_are_not_text),
            cmocka_unit_test(test_decode__rows_may_have_several_children),
            cmocka_unit_test(test_decode__takes_the_best_token_at_each_step),
            cmocka_unit_test(test_decode__does_not_depend_on_the_batch),
            cmocka_unit_test(test_decode__packs_weights_once_and_sees_new_ones),
            cmocka_unit_test(test_decode__length_is_bounded),
            cmocka_unit_test(test_decode__stays_within_learned_positions),
    };
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
