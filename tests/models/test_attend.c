/*
 * Laws of op_attend() that its trials (attend_cases.c) do not show: a sentence alone, a query alone and decoding rows that
 * share keys give the same bits; weights as they are told; windows at the ends of a sentence; a centre that is no number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "models/ops.h"
#include "tests/models/naive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Widths that leave rows unaligned, and remainders in each loop over lanes. */
enum { PAIRS = 6, MOST = 21, ROWS = PAIRS * MOST, WIDTH = 37, VALUES = 19 };

static const int32_t queries_each[PAIRS] = {5, 1, 21, 3, 8, 2}, keys_each[PAIRS] = {1, 21, 7, 16, 4, 17};

static struct inputs {
    float query[ROWS * WIDTH], key[ROWS * WIDTH], value[ROWS * VALUES], weight[WIDTH], centre[ROWS];
    int32_t query_offsets[PAIRS + 1], key_first[PAIRS + 1];
} inputs;

struct results {
    float out[ROWS * VALUES], weights[ROWS * MOST];
    float query[ROWS * WIDTH], key[ROWS * WIDTH], value[ROWS * VALUES], centre[ROWS];
};

/* A way of looking; each law holds in all. */
static const struct way {
    const char *name;
    int score;
    size_t reach;
    bool centre;
} ways[] = {
        {"dot", SCORE_DOT, 0, false},
        {"additive", SCORE_ADDITIVE, 0, false},
        {"dot, monotonic", SCORE_DOT, 2, false},
        {"additive, centre", SCORE_ADDITIVE, 3, true},
};
enum { WAYS = sizeof ways / sizeof ways[0] };

static void draw(float *out, size_t count, uint32_t site)
{
    struct random_stream stream = random_stream(3, RANDOM_TEST, 0, 0, site);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)random_normal(&stream, i);
}

static int prepare(void **state)
{
    (void)state;
    draw(inputs.query, ROWS * WIDTH, 0);
    draw(inputs.key, ROWS * WIDTH, 1);
    draw(inputs.value, ROWS * VALUES, 2);
    draw(inputs.weight, WIDTH, 3);
    draw(inputs.centre, ROWS, 4);
    for (size_t i = 0; i < ROWS; i++)
        inputs.centre[i] = 1 / (1 + expf(-2 * inputs.centre[i]));
    for (size_t p = 0; p < PAIRS; p++) {
        inputs.query_offsets[p + 1] = inputs.query_offsets[p] + queries_each[p];
        inputs.key_first[p + 1] = inputs.key_first[p] + keys_each[p];
    }
    return 0;
}

/* Pairs [first, first + count), of each `queries` from number `query` on; SIZE_MAX: all. */
struct part {
    size_t first, count, query, queries;
};
static const struct part whole = {0, PAIRS, 0, SIZE_MAX};

static void keep(const struct tensor *tensor, float *out)
{
    if (tensor && tensor->gradient)
        memcpy(out, tensor->gradient, tensor->rows * tensor->columns * sizeof *out);
}

/* The part alone, its rows from 0 on. `record` the gradients of the sum of seeded outputs. */
static void look(const struct way *way, struct part part, bool record, struct results *out)
{
    struct arena *arena;
    int32_t offsets[PAIRS + 1] = {0}, positions[ROWS], first_key = inputs.key_first[part.first], first[PAIRS];
    size_t row = (size_t)inputs.query_offsets[part.first] + part.query, rows = 0;
    for (size_t p = 0; p < part.count; p++) {
        size_t there = (size_t)queries_each[part.first + p],
               queries = part.queries < there ? part.queries : there;
        for (size_t i = 0; i < queries; i++)
            positions[rows++] = (int32_t)(part.query + i);
        offsets[p + 1] = (int32_t)rows;
        first[p] = inputs.key_first[part.first + p] - first_key;
    }
    size_t keys = (size_t)(inputs.key_first[part.first + part.count] - first_key);
    memset(out, 0, sizeof *out);
    assert_int_equal(arena_open(&arena, "test", 1 << 16), STATUS_OK);
    struct tape *tape = tape_start(arena, NULL, &(struct tape_options){.recording = record});
    struct tensor *told;
    struct attend attend = {.pairs = part.count,
            .query_offsets = offsets,
            .key_first = first,
            .key_count = keys_each + part.first,
            .score = &score_kinds[way->score],
            .scale = 0.5f,
            .reach = way->reach,
            .positions = positions,
            .told = &told};
    attend.query = tape_input(tape, rows, WIDTH, inputs.query + row * WIDTH, true);
    attend.key = tape_input(tape, keys, WIDTH, inputs.key + first_key * WIDTH, true);
    attend.value = tape_input(tape, keys, VALUES, inputs.value + first_key * VALUES, true);
    if (attend.score->weighted)
        attend.weight = tape_input(tape, 1, WIDTH, inputs.weight, true);
    if (way->centre)
        attend.centre = tape_input(tape, rows, 1, inputs.centre + row, true);
    struct tensor *context = op_attend(tape, &attend);
    assert_int_equal(tape_status(tape), STATUS_OK);
    memcpy(out->out, context->value, rows * VALUES * sizeof *out->out);
    memcpy(out->weights, told->value, told->columns * sizeof *out->weights);
    if (record) {
        bool add;
        float *gradient = tensor_gradient(tape, context, &add);
        for (size_t i = 0; i < rows * VALUES; i++)
            gradient[i] = sinf((float)(row * VALUES + i));
        assert_int_equal(tape_backward(tape), STATUS_OK);
        keep(attend.query, out->query);
        keep(attend.key, out->key);
        keep(attend.value, out->value);
        keep(attend.centre, out->centre);
    }
    arena_close(arena);
}

static size_t first_weight(size_t pair)
{
    size_t first = 0;
    for (size_t p = 0; p < pair; p++)
        first += (size_t)(queries_each[p] * keys_each[p]);
    return first;
}

static void check_same(const float *all, const float *alone, size_t first, size_t count)
{
    assert_memory_equal(all + first, alone, count * sizeof *all);
}

static void test_attend__packed_is_one_sentence_at_a_time(void **state)
{
    (void)state;
    static struct results all, alone;
    for (int w = 0; w < WAYS; w++) {
        look(&ways[w], whole, true, &all);
        for (size_t p = 0; p < PAIRS; p++) {
            size_t row = (size_t)inputs.query_offsets[p], rows = (size_t)queries_each[p];
            size_t key = (size_t)inputs.key_first[p], keys = (size_t)keys_each[p];
            look(&ways[w], (struct part){p, 1, 0, SIZE_MAX}, true, &alone);
            check_same(all.out, alone.out, row * VALUES, rows * VALUES);
            check_same(all.weights, alone.weights, first_weight(p), rows * keys);
            check_same(all.query, alone.query, row * WIDTH, rows * WIDTH);
            check_same(all.centre, alone.centre, row, rows);
            check_same(all.key, alone.key, key * WIDTH, keys * WIDTH);
            check_same(all.value, alone.value, key * VALUES, keys * VALUES);
        }
    }
}

static void test_attend__a_query_at_a_time_is_all_at_once(void **state)
{
    (void)state;
    static struct results all, alone;
    for (int w = 0; w < WAYS; w++) {
        look(&ways[w], whole, false, &all);
        for (size_t p = 0; p < PAIRS; p++)
            for (size_t i = 0; i < (size_t)queries_each[p]; i++) {
                size_t keys = (size_t)keys_each[p];
                look(&ways[w], (struct part){p, 1, i, 1}, false, &alone);
                check_same(all.out, alone.out, ((size_t)inputs.query_offsets[p] + i) * VALUES, VALUES);
                check_same(all.weights, alone.weights, first_weight(p) + i * keys, keys);
            }
    }
}

/* Rows of a search: a query each, in any order, several on the keys of one sentence. */
static void test_attend__rows_may_share_keys(void **state)
{
    (void)state;
    static struct results alone;
    const int32_t sentence[] = {3, 1, 3, 3, 5}, rows = sizeof sentence / sizeof sentence[0];
    int32_t first[5], count[5];
    struct arena *arena;
    for (int r = 0; r < rows; r++) {
        first[r] = inputs.key_first[sentence[r]];
        count[r] = keys_each[sentence[r]];
    }
    assert_int_equal(arena_open(&arena, "test", 1 << 16), STATUS_OK);
    struct tape *tape = tape_start(arena, NULL, &(struct tape_options){0});
    struct tensor *out =
            op_attend(tape, &(struct attend){.pairs = (size_t)rows,
                                    .key_first = first,
                                    .key_count = count,
                                    .score = &score_kinds[SCORE_DOT],
                                    .scale = 0.5f,
                                    .query = tape_input(tape, (size_t)rows, WIDTH, inputs.query, false),
                                    .key = tape_input(tape, ROWS, WIDTH, inputs.key, false),
                                    .value = tape_input(tape, ROWS, VALUES, inputs.value, false)});
    assert_int_equal(tape_status(tape), STATUS_OK);
    for (int r = 0; r < rows; r++) {
        struct inputs kept = inputs;
        memcpy(inputs.query + inputs.query_offsets[sentence[r]] * WIDTH, kept.query + r * WIDTH,
                WIDTH * sizeof(float));
        look(&ways[0], (struct part){(size_t)sentence[r], 1, 0, 1}, false, &alone);
        inputs = kept;
        assert_memory_equal(out->value + r * VALUES, alone.out, VALUES * sizeof(float));
    }
    arena_close(arena);
}

static void widen(const float *from, size_t count, double *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (double)from[i];
}

static void naive_look(const struct way *way, double *weights)
{
    static double query[ROWS * WIDTH], key[ROWS * WIDTH], value[ROWS * VALUES], weight[WIDTH], centre[ROWS],
            out[ROWS * VALUES];
    widen(inputs.query, ROWS * WIDTH, query);
    widen(inputs.key, ROWS * WIDTH, key);
    widen(inputs.value, ROWS * VALUES, value);
    widen(inputs.weight, WIDTH, weight);
    widen(inputs.centre, ROWS, centre);
    const struct naive_attend attend = {.pairs = PAIRS,
            .query_offsets = inputs.query_offsets,
            .key_first = inputs.key_first,
            .key_count = keys_each,
            .additive = way->score == SCORE_ADDITIVE,
            .scale = 0.5,
            .width = WIDTH,
            .value_width = VALUES,
            .query = query,
            .key = key,
            .value = value,
            .weight = weight,
            .reach = way->reach,
            .centre = way->centre ? centre : NULL};
    naive_attend(&attend, &(struct dropout){0}, out, weights);
}

static void test_attend__tells_its_weights(void **state)
{
    (void)state;
    static struct results all;
    static double expected[ROWS * MOST];
    for (int w = 0; w < WAYS; w++) {
        size_t at = 0;
        look(&ways[w], whole, false, &all);
        naive_look(&ways[w], expected);
        for (size_t p = 0; p < PAIRS; p++)
            for (int32_t i = 0; i < queries_each[p]; i++) {
                double sum = 0;
                for (int32_t j = 0; j < keys_each[p]; j++, at++) {
                    sum += (double)all.weights[at];
                    assert_true(fabs((double)all.weights[at] - expected[at]) < 2e-6);
                    assert_true((all.weights[at] == 0) == (expected[at] == 0));
                }
                assert_true(ways[w].centre ? sum < 1 + 1e-6 : fabs(sum - 1) < 1e-6);
            }
    }
}

/* The sentence of one key gives its value, whatever the query; its keys and queries learn nothing. */
static void test_attend__one_key_is_all_there_is(void **state)
{
    (void)state;
    static struct results all;
    look(&ways[1], whole, true, &all);
    for (size_t i = 0; i < (size_t)queries_each[0] * VALUES; i++)
        assert_true(all.out[i] == inputs.value[i % VALUES]);
    for (size_t i = 0; i < (size_t)queries_each[0] * WIDTH; i++)
        assert_true(all.query[i] == 0);
    for (size_t i = 0; i < WIDTH; i++)
        assert_true(all.key[i] == 0);
}

/* Nothing is read outside the sentence, and what comes of it is no number, which the update's verdict sees. */
static void test_attend__a_centre_that_is_no_number_spreads(void **state)
{
    (void)state;
    static struct results all;
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    struct inputs kept = inputs;
    for (int i = 0; i < 3; i++) {
        inputs.centre[7] = wrong[i];
        look(&ways[3], whole, true, &all);
        bool number = true;
        for (size_t c = 0; c < VALUES; c++)
            number = number && isfinite(all.out[7 * VALUES + c]);
        assert_true(number == !isnan(wrong[i]));
        assert_false(isfinite(all.centre[7]));
        assert_true(isfinite(all.centre[6]) && isfinite(all.centre[8]));
    }
    inputs = kept;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_attend__packed_is_one_sentence_at_a_time),
            cmocka_unit_test(test_attend__a_query_at_a_time_is_all_at_once),
            cmocka_unit_test(test_attend__rows_may_share_keys),
            cmocka_unit_test(test_attend__tells_its_weights),
            cmocka_unit_test(test_attend__one_key_is_all_there_is),
            cmocka_unit_test(test_attend__a_centre_that_is_no_number_spreads),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
