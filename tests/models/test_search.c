#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "models/architecture.h"
#include "tests/models/plain_search.h"

#include <math.h>
#include <string.h>

static const struct decode_options usual = {
        .beam = 4, .nbest = 4, .max_length_ratio = 1, .max_length_extra = 6, .batch = 64};

static struct model *new_model(uint64_t seed, float end)
{
    struct model_options options = tiny_options(NULL);
    struct model *model = tiny_model(&options, true);
    model_initialise(model, seed);
    struct parameters *parameters = model_parameters(model);
    for (size_t i = 0; i < parameters->floats; i++) /* further from the uniform distribution */
        parameters->values[i] *= 1.5f;
    parameters->values[parameters_find(parameters, "output/bias")->array.offset + TOKEN_END] += end;
    return model;
}

static struct ensemble just(struct model *const *model)
{
    return (struct ensemble){.models = model, .count = 1};
}

static struct decode_task whole(const struct tiny_batch *tiny, size_t count)
{
    return (struct decode_task){.ids = tiny->ids[SOURCE], .offsets = tiny->offsets[SOURCE], .count = count};
}

static size_t source_tokens(const struct decode_task *task, size_t s)
{
    return (size_t)(task->offsets[s + 1] - task->offsets[s]);
}

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-5 * fmax(1, fabs(b))))
        fail_msg("%.9g instead of %.9g", a, b);
}

static void assert_same(const struct translation *a, const struct translation *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t h = 0; h < a->count; h++) {
        assert_int_equal(a->items[h].count, b->items[h].count);
        if (a->items[h].count > 0)
            assert_memory_equal(a->items[h].ids, b->items[h].ids, a->items[h].count * sizeof(int32_t));
        assert_near(a->items[h].log_probability, b->items[h].log_probability);
        assert_near(a->items[h].score, b->items[h].score);
    }
}

/* ---- against the plain search ---- */

static void assert_plain(const struct ensemble *ensemble, const struct decode_options *options,
        const struct decode_task *task, size_t s, const struct translation *found)
{
    static struct plain_hypothesis plain[PLAIN_HYPOTHESES];
    size_t tokens = source_tokens(task, s);
    size_t limit = (size_t)(options->max_length_ratio * (double)tokens) + (size_t)options->max_length_extra;
    size_t count = plain_search(ensemble, options, task->ids + task->offsets[s], tokens, limit, plain);
    assert_int_equal(found->count, count);
    for (size_t h = 0; h < count; h++) {
        const struct hypothesis *item = &found->items[h];
        bool ended = plain[h].ids[plain[h].count - 1] == TOKEN_END;
        assert_int_equal(item->count, plain[h].count - ended);
        if (item->count > 0)
            assert_memory_equal(item->ids, plain[h].ids, item->count * sizeof(int32_t));
        assert_near(item->log_probability, plain[h].log_probability);
        assert_near(item->score, plain[h].score);
    }
}

static void compare_with_plain(const struct ensemble *ensemble, const struct decode_options *options)
{
    struct tiny_batch tiny;
    struct translation found[12];
    tiny_batch_fill_sorted(&tiny, 12, 9, 4);
    struct decode_task task = whole(&tiny, 12);
    assert_int_equal(decode_group(ensemble, options, &task, found), STATUS_OK);
    for (size_t s = 0; s < 12; s++)
        assert_plain(ensemble, options, &task, s, &found[s]);
    translations_release(found, 12);
}

static void test_search__equals_a_plain_one(void **state)
{
    (void)state;
    static const struct {
        const char *penalty;
        double alpha, word_penalty;
        int64_t beam, nbest, ngram;
    } cases[] = {
            {"none", 1, 0, 1, 1, 0},
            {"none", 1, 0, 4, 1, 0},
            {"none", 1, 0.4, 4, 4, 0},
            {"average", 1, 0.3, 6, 1, 0},
            {"none", 1, 1, 6, 1, 0},
            {"average", 1, 0, 5, 3, 0},
            {"average", 0.5, -0.5, 5, 1, 1},
            {"gnmt", 0.6, 0, 6, 6, 2},
            {"gnmt", 2, 0, 3, 2, 3},
    };
    struct model *model = new_model(3, 1.5f);
    struct ensemble ensemble = just(&model);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct decode_options options = usual;
        options.length_penalty = kind_find(&length_penalty_kinds, cases[i].penalty);
        options.length_alpha = cases[i].alpha;
        options.word_penalty = cases[i].word_penalty;
        options.beam = cases[i].beam;
        options.nbest = cases[i].nbest;
        options.no_repeat_ngram = cases[i].ngram;
        compare_with_plain(&ensemble, &options);
    }
    model_close(model);
}

/* Longer than the room that keys and values have at first: it grows under several hypotheses of each sentence. */
static void test_search__long_translations_equal_plain_ones(void **state)
{
    (void)state;
    struct model *model = new_model(3, -100);
    struct ensemble ensemble = just(&model);
    struct decode_options options = usual;
    options.beam = options.nbest = 3;
    options.max_length_extra = 30;
    compare_with_plain(&ensemble, &options);
    model_close(model);
}

static void test_search__ensemble_averages_probabilities(void **state)
{
    (void)state;
    struct model *models[] = {new_model(3, 1.5f), new_model(4, 1), new_model(5, 2)};
    const double weights[] = {0.5, 0.2, 0.3};
    struct ensemble equal = {.models = models, .count = 3}, weighted = {models, weights, 3};
    compare_with_plain(&equal, &usual);
    compare_with_plain(&weighted, &usual);
    for (int m = 0; m < 3; m++)
        model_close(models[m]);
}

/* ---- all there is ---- */

enum { ALL_TOKENS = 3, ALL = 1 + 12 + 12 * 12 + 12 * 12 * 12 };

struct everything {
    struct ensemble ensemble;
    const int32_t *source;
    size_t source_tokens, count;
    struct plain_hypothesis items[ALL];
};

static void add_all(struct everything *all, const struct plain_hypothesis *from)
{
    double next[TINY_PIECES];
    plain_next(&all->ensemble, all->source, all->source_tokens, from->ids, from->count, next);
    for (int32_t c = 0; c < TINY_PIECES; c++) {
        struct plain_hypothesis h = *from;
        h.ids[h.count++] = c;
        h.log_probability += next[c];
        if (c == TOKEN_END || h.count == ALL_TOKENS)
            all->items[all->count++] = h;
        else
            add_all(all, &h);
    }
}

static void test_search__wide_beam_finds_the_best_of_all(void **state)
{
    (void)state;
    static struct everything all;
    const int32_t ids[] = {5, 9, TOKEN_END}, offsets[] = {0, 3};
    struct model *model = new_model(3, 1);
    all = (struct everything){.ensemble = just(&model), .source = ids, .source_tokens = 3};
    add_all(&all, &(struct plain_hypothesis){0});
    const struct decode_task task = {.ids = ids, .offsets = offsets, .count = 1};
    struct decode_options options = usual;
    options.beam = ALL;
    options.nbest = 3;
    options.max_length_ratio = 0;
    options.max_length_extra = ALL_TOKENS;
    options.length_alpha = 1;
    for (size_t k = 0; k < length_penalty_kinds.count; k++) {
        struct translation found;
        options.length_penalty = kind_at(&length_penalty_kinds, k);
        assert_int_equal(decode_group(&all.ensemble, &options, &task, &found), STATUS_OK);
        assert_int_equal(found.count, options.nbest);
        for (size_t h = 0; h < found.count; h++) {
            size_t better = 0;
            for (size_t i = 0; i < all.count; i++)
                better += plain_score(&options, all.items[i].log_probability, all.items[i].count) >
                          found.items[h].score + 1e-6;
            assert_int_equal(better, h);
        }
        translations_release(&found, 1);
    }
    model_close(model);
}

/* ---- what stands beside the tokens ---- */

static void test_search__scores_of_tokens_add_up(void **state)
{
    (void)state;
    struct model *model = new_model(3, 1);
    struct ensemble ensemble = just(&model);
    struct tiny_batch tiny;
    struct translation found[20];
    struct decode_options options = usual;
    options.token_scores = true;
    tiny_batch_fill_sorted(&tiny, 20, 9, 4);
    struct decode_task task = whole(&tiny, 20);
    assert_int_equal(decode_group(&ensemble, &options, &task, found), STATUS_OK);
    for (size_t s = 0; s < 20; s++)
        for (size_t h = 0; h < found[s].count; h++) {
            const struct hypothesis *item = &found[s].items[h];
            double sum = 0, next[TINY_PIECES];
            size_t limit = source_tokens(&task, s) + 6;
            for (size_t t = 0; t <= item->count; t++) {
                plain_next(
                        &ensemble, task.ids + task.offsets[s], source_tokens(&task, s), item->ids, t, next);
                if (t < item->count)
                    assert_near(item->log_probabilities[t], next[item->ids[t]]);
                else
                    assert_near(item->log_probabilities[t], t < limit ? next[TOKEN_END] : 0);
                sum += (double)item->log_probabilities[t];
            }
            assert_near(sum, item->log_probability);
            assert_null(item->alignment);
        }
    translations_release(found, 20);
    model_close(model);
}

/* ---- batches and prefixes ---- */

static void test_search__does_not_depend_on_the_batch(void **state)
{
    (void)state;
    struct model *model = new_model(3, 1);
    struct ensemble ensemble = just(&model);
    struct tiny_batch tiny;
    struct translation all[30], few[30];
    int64_t numbers[30];
    tiny_batch_fill_sorted(&tiny, 30, 12, 4);
    struct decode_task task = whole(&tiny, 30);
    for (int sampling = 0; sampling < 2; sampling++) {
        struct decode_options options = usual;
        options.sample = sampling;
        options.beam = sampling ? 0 : 4;
        options.temperature = 1;
        options.top_p = 1;
        assert_int_equal(decode_group(&ensemble, &options, &task, all), STATUS_OK);
        options.batch = 3;
        assert_int_equal(decode_group(&ensemble, &options, &task, few), STATUS_OK);
        for (size_t s = 0; s < 30; s++)
            assert_same(&few[s], &all[s]);
        translations_release(few, 30);
        for (size_t s = 0; s < 30; s++) { /* each by itself, under its number */
            const int32_t offsets[] = {0, task.offsets[s + 1] - task.offsets[s]};
            numbers[0] = (int64_t)s;
            struct decode_task one = {
                    .ids = task.ids + task.offsets[s], .offsets = offsets, .count = 1, .numbers = numbers};
            assert_int_equal(decode_group(&ensemble, &options, &one, few), STATUS_OK);
            assert_same(&few[0], &all[s]);
            translations_release(few, 1);
        }
        translations_release(all, 30);
    }
    model_close(model);
}

static void test_search__prefix_is_kept_and_counts(void **state)
{
    (void)state;
    struct model *model = new_model(3, 1);
    struct ensemble ensemble = just(&model);
    const int32_t ids[] = {5, 6, TOKEN_END, 7, TOKEN_END}, offsets[] = {0, 3, 5};
    const int32_t prefix[] = {12, 12, 11}, prefix_offsets[] = {0, 3, 3};
    const struct decode_task free = {.ids = ids, .offsets = offsets, .count = 2};
    struct decode_task forced = free;
    forced.prefix_ids = prefix;
    forced.prefix_offsets = prefix_offsets;
    struct translation found[2], without[2];
    struct decode_options options = usual;
    options.no_repeat_ngram = 1; /* what is asked for is not blocked */
    for (int sampling = 0; sampling < 2; sampling++) {
        options.sample = sampling;
        options.beam = sampling ? 0 : 4;
        options.temperature = options.top_p = 1;
        assert_int_equal(decode_group(&ensemble, &options, &forced, found), STATUS_OK);
        assert_int_equal(decode_group(&ensemble, &options, &free, without), STATUS_OK);
        assert_same(&found[1], &without[1]);
        assert_int_equal(found[0].count, 4);
        for (size_t h = 0; h < 4; h++) {
            const struct hypothesis *item = &found[0].items[h];
            double sum = 0, next[TINY_PIECES];
            assert_true(item->count >= 3);
            assert_memory_equal(item->ids, prefix, sizeof prefix);
            for (size_t t = 0; t <= item->count && t < 9; t++) {
                plain_next(&ensemble, ids, 3, item->ids, t, next);
                sum += next[t < item->count ? item->ids[t] : TOKEN_END];
            }
            assert_near(item->log_probability, sum);
        }
        translations_release(found, 2);
        translations_release(without, 2);
    }
    options.max_length_ratio = 0; /* the prefix may be all */
    options.max_length_extra = 0;
    assert_int_equal(decode_group(&ensemble, &options, &forced, found), STATUS_OK);
    assert_int_equal(found[0].items->count, 3);
    assert_int_equal(found[1].items->count, 1);
    translations_release(found, 2);
    model_close(model);
}

static size_t rows_searched;

static enum status counting_step(void *state, struct tape *tape, const int32_t *ids,
        const struct step_attention *attention, struct prediction *prediction)
{
    TRY(transformer_architecture.decode_step(state, tape, ids, attention, prediction));
    rows_searched += prediction->hidden->rows;
    return STATUS_OK;
}

/* Samples are one row until they are drawn; each is a hypothesis, also where the prefix leaves nothing to draw. */
static void test_search__samples_share_their_prefix(void **state)
{
    (void)state;
    struct model *model = new_model(3, -100);
    struct ensemble ensemble = just(&model);
    struct architecture counting = transformer_architecture;
    counting.decode_step = counting_step;
    model->architecture = &counting;
    const int32_t ids[] = {5, 6, TOKEN_END}, offsets[] = {0, 3}, prefix[] = {12, 12, 11},
                  prefix_offsets[] = {0, 3};
    const struct decode_task task = {.ids = ids,
            .offsets = offsets,
            .count = 1,
            .prefix_ids = prefix,
            .prefix_offsets = prefix_offsets};
    struct decode_options options = {.sample = true, .nbest = 4, .temperature = 1, .top_p = 1, .batch = 1};
    for (options.max_length_extra = 3; options.max_length_extra < 6; options.max_length_extra++) {
        struct translation found;
        size_t limit = (size_t)options.max_length_extra;
        rows_searched = 0;
        assert_int_equal(decode_group(&ensemble, &options, &task, &found), STATUS_OK);
        assert_int_equal(rows_searched, limit < 5 ? limit : 4 + 4);
        assert_int_equal(found.count, 4);
        for (size_t h = 0; h < 4; h++) {
            assert_int_equal(found.items[h].count, limit);
            assert_memory_equal(found.items[h].ids, prefix, sizeof prefix);
        }
        translations_release(&found, 1);
    }
    model_close(model);
}

/* ---- sampling ---- */

enum { DRAWS = 4000 };

/* How often each token comes first in so many samples of one sentence. */
static void count_draws(const struct ensemble *ensemble, const struct decode_options *options, double *shares)
{
    const int32_t ids[] = {5, 9, TOKEN_END}, offsets[] = {0, 3};
    const struct decode_task task = {.ids = ids, .offsets = offsets, .count = 1};
    struct translation found;
    assert_int_equal(decode_group(ensemble, options, &task, &found), STATUS_OK);
    assert_int_equal(found.count, DRAWS);
    memset(shares, 0, TINY_PIECES * sizeof *shares);
    for (size_t h = 0; h < DRAWS; h++)
        shares[found.items[h].count ? found.items[h].ids[0] : TOKEN_END] += 1.0 / DRAWS;
    translations_release(&found, 1);
}

/* The distribution that is drawn from, by sorting. */
static void expected_shares(
        const double *log_probabilities, const struct decode_options *options, double *shares)
{
    bool taken[TINY_PIECES] = {false};
    double weights[TINY_PIECES], total = 0, kept = 0, sum = 0;
    for (int c = 0; c < TINY_PIECES; c++)
        weights[c] = exp(log_probabilities[c] / options->temperature);
    int order[TINY_PIECES];
    for (int i = 0; i < TINY_PIECES; i++) {
        int best = -1;
        for (int c = 0; c < TINY_PIECES; c++)
            if (!taken[c] && (best < 0 || weights[c] > weights[best]))
                best = c;
        taken[order[i] = best] = true;
        if (options->top_k == 0 || i < options->top_k)
            total += weights[best];
        else
            weights[best] = 0;
    }
    for (int i = 0; i < TINY_PIECES; i++) {
        if (options->top_p < 1 && sum >= options->top_p * total)
            weights[order[i]] = 0;
        sum += weights[order[i]];
        kept += weights[order[i]];
    }
    for (int c = 0; c < TINY_PIECES; c++)
        shares[c] = weights[c] / kept;
}

static void test_search__samples_follow_the_distribution(void **state)
{
    (void)state;
    static const struct {
        double temperature, top_p;
        int64_t top_k;
    } cases[] = {{1, 1, 0}, {0.5, 1, 0}, {2, 1, 5}, {1, 0.7, 0}, {1, 0.8, 6}, {1, 1, 1}, {1, 1e-6, 0}};
    struct model *model = new_model(3, 1);
    struct ensemble ensemble = just(&model);
    const int32_t ids[] = {5, 9, TOKEN_END};
    double next[TINY_PIECES];
    plain_next(&ensemble, ids, 3, NULL, 0, next);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct decode_options options = {.sample = true, .nbest = DRAWS, .max_length_extra = 1, .batch = 1};
        double found[TINY_PIECES], expected[TINY_PIECES];
        options.temperature = cases[i].temperature;
        options.top_p = cases[i].top_p;
        options.top_k = cases[i].top_k;
        count_draws(&ensemble, &options, found);
        expected_shares(next, &options, expected);
        for (int c = 0; c < TINY_PIECES; c++) {
            double sigma = sqrt(expected[c] * (1 - expected[c]) / DRAWS);
            assert_true(fabs(found[c] - expected[c]) <= 4.5 * sigma + 1e-9);
        }
    }
    model_close(model);
}

/* Of equal tokens the lower ones are taken. */
static void test_search__ties_go_to_the_lower_token(void **state)
{
    (void)state;
    struct model *model = new_model(3, 1);
    struct parameters *parameters = model_parameters(model);
    memset(parameters->values, 0, parameters->floats * sizeof *parameters->values);
    struct ensemble ensemble = just(&model);
    struct decode_options options = {.sample = true,
            .nbest = DRAWS,
            .temperature = 1,
            .top_p = 1,
            .top_k = 3,
            .max_length_extra = 1,
            .batch = 1};
    double shares[TINY_PIECES];
    count_draws(&ensemble, &options, shares);
    for (int c = 0; c < TINY_PIECES; c++)
        assert_true(c < 3 ? shares[c] > 0.2 : shares[c] == 0);
    const int32_t ids[] = {5, TOKEN_END}, offsets[] = {0, 2};
    const struct decode_task task = {.ids = ids, .offsets = offsets, .count = 1};
    struct translation found;
    options.sample = false;
    options.beam = options.nbest = 4;
    assert_int_equal(decode_group(&ensemble, &options, &task, &found), STATUS_OK);
    for (int32_t h = 0; h < 4; h++)
        assert_int_equal(found.items[h].count ? found.items[h].ids[0] : TOKEN_END, h);
    translations_release(&found, 1);
    options.max_length_extra = 2; /* all go on from the first row */
    assert_int_equal(decode_group(&ensemble, &options, &task, &found), STATUS_OK);
    assert_int_equal(found.items[0].count, 0);
    for (int32_t h = 1; h < 4; h++) {
        assert_int_equal(found.items[h].ids[0], 1);
        assert_int_equal(found.items[h].count > 1 ? found.items[h].ids[1] : TOKEN_END, h - 1);
    }
    translations_release(&found, 1);
    model_close(model);
}

static void test_search__seeds_differ_and_one_token_is_greedy(void **state)
{
    (void)state;
    struct model *model = new_model(3, 1);
    struct ensemble ensemble = just(&model);
    struct tiny_batch tiny;
    struct translation greedy[20], sampled[20], other[20];
    tiny_batch_fill_sorted(&tiny, 20, 9, 4);
    struct decode_task task = whole(&tiny, 20);
    struct decode_options options = usual;
    options.beam = options.nbest = 1;
    assert_int_equal(decode_group(&ensemble, &options, &task, greedy), STATUS_OK);
    options.sample = true;
    options.temperature = options.top_p = 1;
    options.top_k = 1;
    assert_int_equal(decode_group(&ensemble, &options, &task, sampled), STATUS_OK);
    for (size_t s = 0; s < 20; s++)
        assert_same(&sampled[s], &greedy[s]);
    translations_release(sampled, 20);
    translations_release(greedy, 20);
    options.top_k = 0;
    assert_int_equal(decode_group(&ensemble, &options, &task, sampled), STATUS_OK);
    options.seed = 1;
    assert_int_equal(decode_group(&ensemble, &options, &task, other), STATUS_OK);
    size_t equal = 0;
    for (size_t s = 0; s < 20; s++)
        equal += sampled[s].items->log_probability == other[s].items->log_probability;
    assert_true(equal < 10);
    translations_release(sampled, 20);
    translations_release(other, 20);
    model_close(model);
}

/* ---- refusals ---- */

static void test_search__tells_where_numbers_end(void **state)
{
    (void)state;
    struct model *models[] = {new_model(3, 1), new_model(4, 1)};
    struct parameters *parameters = model_parameters(models[1]);
    parameters->values[parameters_find(parameters, "output/bias")->array.offset + 7] = NAN;
    const int32_t ids[] = {5, TOKEN_END}, offsets[] = {0, 2};
    const int64_t numbers[] = {41};
    const struct decode_task task = {.ids = ids, .offsets = offsets, .count = 1, .numbers = numbers};
    for (size_t first = 0; first < 2; first++) {
        struct ensemble ensemble = {.models = models + first, .count = 2 - first};
        struct translation found;
        assert_int_equal(decode_group(&ensemble, &usual, &task, &found), STATUS_INTERNAL);
        assert_non_null(strstr(status_message(), "token 1 of the translation of sentence 41"));
        assert_null(found.items);
    }
    for (int m = 0; m < 2; m++)
        model_close(models[m]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_search__equals_a_plain_one),
            cmocka_unit_test(test_search__long_translations_equal_plain_ones),
            cmocka_unit_test(test_search__ensemble_averages_probabilities),
            cmocka_unit_test(test_search__wide_beam_finds_the_best_of_all),
            cmocka_unit_test(test_search__scores_of_tokens_add_up),
            cmocka_unit_test(test_search__does_not_depend_on_the_batch),
            cmocka_unit_test(test_search__prefix_is_kept_and_counts),
            cmocka_unit_test(test_search__samples_share_their_prefix),
            cmocka_unit_test(test_search__samples_follow_the_distribution),
            cmocka_unit_test(test_search__ties_go_to_the_lower_token),
            cmocka_unit_test(test_search__seeds_differ_and_one_token_is_greedy),
            cmocka_unit_test(test_search__tells_where_numbers_end),
    };
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
