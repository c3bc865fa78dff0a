#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "models/architecture.h"
#include "tests/models/variants.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHANGES(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct decode_options usual = {
        .beam = 1, .nbest = 1, .max_length_ratio = 2, .max_length_extra = 20, .batch = 64};

static struct model *new_model(const char *const *changes)
{
    struct model_options options = tiny_options(changes);
    return tiny_model(&options, true);
}

/* The next variant from *v on that reads text; NULL: there is no more. */
static const struct variant *next_of_text(size_t *v)
{
    while (*v < variant_count()) {
        const struct variant *variant = variant_at((*v)++);
        if (variant_options(variant).source.kind == SOURCE_TEXT)
            return variant;
    }
    return NULL;
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
static void step(struct model *model, void *state, const int32_t *ids, const struct step_attention *attention,
        float *logits)
{
    arena_clear(model->step);
    struct tape *tape = tape_start(model->step, &model->parameters, &(struct tape_options){0});
    assert_non_null(tape);
    struct prediction prediction;
    assert_int_equal(model->architecture->decode_step(state, tape, ids, attention, &prediction), STATUS_OK);
    prediction_logits(tape, &prediction, logits);
}

static bool near(const float *a, const float *b, size_t count)
{
    double scale = 0;
    for (size_t c = 0; c < count; c++)
        scale = fmax(scale, fabs((double)b[c]));
    for (size_t c = 0; c < count; c++)
        if (!(fabs((double)a[c] - (double)b[c]) <= 1e-5 * scale))
            return false;
    return true;
}

static void assert_row(const float *a, const float *b, const char *what)
{
    if (!near(a, b, TINY_PIECES))
        fail_msg("%s: a step gives other logits", what);
}

/* What rows attend to, [layers, heads, source tokens], and after it something that nobody may touch. */
enum { LOOK = 6 * 64, UNTOUCHED = 7 };
static float looks[TINY_PAIRS][LOOK + 1];

/* NULL where there is nothing to see. */
static const struct step_attention *expect_looks(const struct model *model, const size_t *tokens, size_t rows,
        float **places, struct step_attention *out)
{
    struct attention_planes planes = model_attention(model);
    for (size_t r = 0; r < rows; r++) {
        size_t count = planes.layers * planes.heads * tokens[r];
        assert_true(count <= LOOK);
        places[r] = looks[r];
        for (size_t i = 0; i <= LOOK; i++)
            looks[r][i] = i < count ? 0 : UNTOUCHED;
    }
    *out = (struct step_attention){places, 1, true};
    return planes.layers > 0 ? out : NULL;
}

/* Each a distribution over the tokens of the row's own sentence; with a Gaussian after the softmax, less than one. */
static void check_look(const struct model *model, const float *look, size_t tokens, const char *what)
{
    struct attention_planes planes = model_attention(model);
    bool less = strcmp(model->options.kind->name, "recurrent") == 0 &&
                ((const struct attention_kind *)model->options.attention)->predicted;
    size_t count = planes.layers * planes.heads * tokens;
    for (size_t p = 0; p < count; p += tokens) {
        double sum = 0;
        for (size_t j = 0; j < tokens; j++) {
            assert_true(look[p + j] >= 0);
            sum += (double)look[p + j];
        }
        if (sum > 1 + 1e-5 || (less ? sum <= 0 : sum < 1 - 1e-5))
            fail_msg("%s: the weights of attention sum to %g", what, sum);
    }
    for (size_t i = count; i <= LOOK; i++)
        if (look[i] != UNTOUCHED)
            fail_msg("%s: weights beyond the sentence", what);
}

/* The rows of a batch that is fed token by token: which pair each is, what it is fed next, and what it looks at: tokens, or cells. */
struct feed {
    int32_t pair[TINY_PAIRS], ids[TINY_PAIRS], parents[TINY_PAIRS];
    size_t rows, tokens[TINY_PAIRS];
};

static struct feed feed_start(const struct model *model, const struct batch *batch)
{
    struct feed feed = {.rows = batch->pairs};
    struct attention_planes planes = model_attention(model);
    for (size_t r = 0; r < feed.rows; r++) {
        feed.pair[r] = (int32_t)r;
        feed.ids[r] = model_start_id(model);
        feed.tokens[r] = attention_columns(
                &planes, (size_t)(batch->offsets[SOURCE][r + 1] - batch->offsets[SOURCE][r]));
    }
    return feed;
}

/* On to the next token; rows leave as their sentences end. */
static void feed_keep(struct feed *feed, const struct tiny_batch *tiny, int32_t t)
{
    size_t kept = 0;
    for (size_t r = 0; r < feed->rows; r++) {
        int32_t id = tiny->ids[TARGET][tiny->offsets[TARGET][feed->pair[r]] + t];
        if (id == TOKEN_END)
            continue;
        feed->ids[kept] = id;
        feed->parents[kept] = (int32_t)r;
        feed->tokens[kept] = feed->tokens[r];
        feed->pair[kept++] = feed->pair[r];
    }
    feed->rows = kept;
}

/* Feeds the target of a batch token by token against teacher forcing, and looks at what is looked at. */
static void check_steps(const struct variant *variant)
{
    struct model *model = variant_model(variant);
    struct tiny_batch tiny;
    variant_batch(variant, &tiny, 12, 60, 3); /* past the first room of the cache */
    const struct batch *batch = &tiny.batch;
    float *whole = tiny_floats(batch->tokens[TARGET] * TINY_PIECES);
    float *logits = tiny_floats(batch->pairs * TINY_PIECES), *places[TINY_PAIRS];
    assert_int_equal(model_logits(model, batch, whole), STATUS_OK);
    struct sentences source = sentences_make(batch->ids[SOURCE], batch->offsets[SOURCE], batch->pairs);
    struct feed feed = feed_start(model, batch);
    struct step_attention attention;
    void *state;
    assert_int_equal(model->architecture->decode_start(model, &source, &state), STATUS_OK);
    for (int32_t t = 0; feed.rows > 0; t++) {
        const struct step_attention *asked = expect_looks(model, feed.tokens, feed.rows, places, &attention);
        step(model, state, feed.ids, asked, logits);
        for (size_t r = 0; r < feed.rows; r++) {
            size_t place = (size_t)(tiny.offsets[TARGET][feed.pair[r]] + t);
            assert_row(logits + r * TINY_PIECES, whole + place * TINY_PIECES, variant->what);
            if (asked)
                check_look(model, looks[r], feed.tokens[r], variant->what);
        }
        feed_keep(&feed, &tiny, t);
        if (feed.rows > 0)
            assert_int_equal(model->architecture->decode_keep(state, feed.parents, feed.rows), STATUS_OK);
    }
    memory_free(whole);
    memory_free(logits);
    model_close(model);
}

static void test_decode__cached_steps_equal_teacher_forcing_and_look_at_their_own_source(void **state)
{
    (void)state;
    for (size_t v = 0; v < variant_count(); v++)
        check_steps(variant_at(v));
}

/* ---- the order of the source ---- */

enum { ORDERED = 7 };

/* What the first step makes of a source. */
static void first_step(
        struct model *model, const int32_t ids[ORDERED], float logits[TINY_PIECES], float *look)
{
    const int32_t offsets[] = {0, ORDERED}, start = model_start_id(model);
    const struct step_attention attention = {&look, 1, true};
    struct sentences source = sentences_make(ids, offsets, 1);
    void *state;
    memset(look, 0, LOOK * sizeof *look);
    assert_int_equal(model->architecture->decode_start(model, &source, &state), STATUS_OK);
    step(model, state, &start, &attention, logits);
}

/* A model without positions sees a set: what every head looks at goes where the tokens go, and no logit moves. */
static void check_order(const struct variant *variant)
{
    static const int32_t ids[ORDERED] = {5, 6, 7, 8, 9, 10, TOKEN_END};
    static const size_t from[ORDERED] = {3, 0, 6, 2, 5, 1, 4};
    int32_t moved[ORDERED];
    float logits[TINY_PIECES], moved_logits[TINY_PIECES], look[LOOK], moved_look[LOOK], back[LOOK];
    struct model *model = variant_model(variant);
    struct attention_planes planes = model_attention(model);
    size_t count = planes.layers * planes.heads * ORDERED;
    bool blind = strcmp(model->options.position->name, "none") == 0;
    for (size_t i = 0; i < ORDERED; i++)
        moved[i] = ids[from[i]];
    first_step(model, ids, logits, look);
    first_step(model, moved, moved_logits, moved_look);
    for (size_t i = 0; i < count; i++)
        back[i - i % ORDERED + from[i % ORDERED]] = moved_look[i];
    bool same = near(moved_logits, logits, TINY_PIECES) && near(back, look, count);
    if (same != blind)
        fail_msg("%s: the order of the source is %s", variant->what, same ? "not seen" : "seen");
    model_close(model);
}

static void test_decode__without_positions_the_order_of_the_source_is_not_seen(void **state)
{
    (void)state;
    const struct variant *variant;
    size_t blind = 0;
    for (size_t v = 0; (variant = next_of_text(&v)) != NULL;) {
        struct model_options options = variant_options(variant);
        if (strcmp(options.kind->name, "transformer") != 0)
            continue;
        check_order(variant);
        blind += strcmp(options.position->name, "none") == 0;
    }
    assert_true(blind > 1);
}

/* Children of one parent go different ways; none disturbs another (what a beam does). */
static void check_children(const struct variant *variant)
{
    struct model *model = variant_model(variant);
    const int32_t source_ids[] = {5, 6, TOKEN_END, 7, TOKEN_END}, source_offsets[] = {0, 3, 5};
    struct sentences source = sentences_make(source_ids, source_offsets, 2);
    float logits[4 * TINY_PIECES], straight[4 * TINY_PIECES];
    const int32_t parents[] = {1, 0, 1, 1};
    const int32_t first[] = {TOKEN_START, TOKEN_START}, second[] = {5, 6, 7, 8}, third[] = {9, 10, 11, 12};
    const struct architecture *architecture = model->architecture;
    void *search;
    assert_int_equal(architecture->decode_start(model, &source, &search), STATUS_OK);
    step(model, search, first, NULL, logits);
    assert_int_equal(architecture->decode_keep(search, parents, 4), STATUS_OK);
    step(model, search, second, NULL, logits);
    step(model, search, third, NULL, logits);
    for (int r = 0; r < 4; r++) { /* the same way alone */
        const int32_t *alone = source_ids + source_offsets[parents[r]];
        const int32_t offsets[] = {0, source_offsets[parents[r] + 1] - source_offsets[parents[r]]};
        struct sentences one = sentences_make(alone, offsets, 1);
        assert_int_equal(architecture->decode_start(model, &one, &search), STATUS_OK);
        step(model, search, first, NULL, straight);
        step(model, search, &second[r], NULL, straight);
        step(model, search, &third[r], NULL, straight);
        assert_row(logits + r * TINY_PIECES, straight, variant->what);
    }
    model_close(model);
}

static void test_decode__rows_may_have_several_children(void **state)
{
    (void)state;
    const struct variant *variant;
    for (size_t v = 0; (variant = next_of_text(&v)) != NULL;)
        check_children(variant);
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

/* Returns how many of the sentences ended. */
static size_t check_greedy(const struct variant *variant)
{
    struct model *model = variant_model(variant);
    size_t ended = 0;
    encourage_end(model, 2.5f);
    struct tiny_batch tiny;
    struct translation found[TINY_PAIRS];
    tiny_batch_fill_sorted(&tiny, 20, 15, 3);
    assert_int_equal(decode(model, &usual, tiny.ids[SOURCE], tiny.offsets[SOURCE], 20, found), STATUS_OK);
    for (size_t p = 0; p < 20; p++) {
        size_t length = (size_t)(tiny.offsets[SOURCE][p + 1] - tiny.offsets[SOURCE][p]);
        size_t limit = 2 * length + 20;
        assert_true(found[p].items->count <= limit);
        assert_greedy(model, &tiny, p, found[p].items, limit);
        ended += found[p].items->count < limit;
    }
    translations_release(found, 20);
    model_close(model);
    return ended;
}

static void test_decode__takes_the_best_token_at_each_step(void **state)
{
    (void)state;
    const struct variant *variant;
    for (size_t v = 0; (variant = next_of_text(&v)) != NULL;)
        if (check_greedy(variant) == 0)
            fail_msg("%s: no sentence ended", variant->what);
}

static void check_batches(const struct variant *variant)
{
    struct model *model = variant_model(variant);
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
    const struct variant *variant;
    for (size_t v = 0; (variant = next_of_text(&v)) != NULL;)
        check_batches(variant);
}

/* What is packed serves one translation after another, until somebody asks for the parameters. */
static void test_decode__packs_weights_once_and_sees_new_ones(void **state)
{
    (void)state;
    struct model *model = new_model(NULL);
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
    struct model *model = new_model(NULL);
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
    struct model *model = new_model(CHANGES("model.position", "learned")); /* 64 positions */
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
            cmocka_unit_test(test_decode__cached_steps_equal_teacher_forcing_and_look_at_their_own_source),
            cmocka_unit_test(test_decode__without_positions_the_order_of_the_source_is_not_seen),
            cmocka_unit_test(test_decode__rows_may_have_several_children),
            cmocka_unit_test(test_decode__takes_the_best_token_at_each_step),
            cmocka_unit_test(test_decode__does_not_depend_on_the_batch),
            cmocka_unit_test(test_decode__packs_weights_once_and_sees_new_ones),
            cmocka_unit_test(test_decode__length_is_bounded),
            cmocka_unit_test(test_decode__stays_within_learned_positions),
    };
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
