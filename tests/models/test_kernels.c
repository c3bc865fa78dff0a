#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "models/ops.h"
#include "models/ops/kernels.h"
#include "tests/models/naive.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static float number(size_t i)
{
    return (float)sin((double)i * 12.9898) * 1.5f;
}

static float *numbers(size_t count, size_t first)
{
    float *x = calloc(count + 1, sizeof *x);
    for (size_t i = 0; i < count; i++)
        x[i] = number(first + i);
    return x;
}

static void check_product(const struct product *p, const float *c, const float *before)
{
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->ldc; j++) {
            double sum = j < p->n ? (double)p->add * (double)before[i * p->ldc + j] : 0;
            for (size_t q = 0; j < p->n && q < p->k; q++)
                sum += (double)p->a[p->transpose_a ? q * p->lda + i : i * p->lda + q] *
                       (double)p->b[p->transpose_b ? j * p->ldb + q : q * p->ldb + j];
            if (j >= p->n)
                assert_true(c[i * p->ldc + j] == before[i * p->ldc + j]);
            else if (fabs(sum - (double)c[i * p->ldc + j]) > 1e-5 * (double)(p->k + 1))
                fail_msg("m %zu n %zu k %zu: element %zu, %zu is %g, expected %g", p->m, p->n, p->k, i, j,
                        (double)c[i * p->ldc + j], sum);
        }
}

static void test_kernels__products_are_right_and_the_same_on_any_threads(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {17, 33, 9}, {700, 130, 40}, {130, 1100, 64},
            {600, 600, 3}, {33, 20, 1500}};
    struct arena *arena;
    assert_int_equal(arena_open(&arena, "test", 1 << 12), STATUS_OK);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int kind = 0; kind < 6; kind++) {
            size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
            struct product p = {.transpose_a = kind % 3 == 2,
                    .transpose_b = kind % 3 == 0,
                    .m = m,
                    .n = n,
                    .k = k,
                    .add = kind >= 3,
                    .ldc = n + 3};
            p.lda = (p.transpose_a ? m : k) + 1;
            p.ldb = (p.transpose_b ? k : n) + 2;
            float *a = numbers((m + k) * p.lda, 1), *b = numbers((n + k) * p.ldb, 2);
            float *before = numbers(m * p.ldc, 3), *c = numbers(m * p.ldc, 3), *again = numbers(m * p.ldc, 3);
            p.a = a;
            p.b = b;
            p.c = c;
            omp_set_num_threads(1);
            gemm(arena, &p);
            check_product(&p, c, before);
            p.c = again;
            omp_set_num_threads(3);
            gemm(arena, &p);
            assert_int_equal(arena_status(arena), STATUS_OK);
            assert_memory_equal(c, again, m * p.ldc * sizeof *c);
            free(a);
            free(b);
            free(before);
            free(c);
            free(again);
        }
    arena_close(arena);
}

static void count_tile(const void *context, struct tile tile)
{
    uint8_t *counts = *(uint8_t *const *)context;
    for (size_t i = tile.row; i < tile.row + tile.rows; i++)
        for (size_t j = tile.column; j < tile.column + tile.columns; j++)
            counts[i * 1024 + j]++;
}

static void check_packed(
        const struct packed_level *level, size_t m, size_t n, size_t k, bool transposed, bool add)
{
    struct packed packed = {level, n + 5, k, NULL};
    packed.panels = aligned_alloc(64, tiles_of(packed_floats(level, n + 5, k), 16) * 64);
    struct product p = {
            .transpose_b = !transposed, .m = m, .n = n, .k = k, .add = add, .lda = k + 1, .ldc = n + 3};
    p.ldb = (transposed ? n + 5 : k) + 2;
    float *a = numbers(m * p.lda, 1), *b = numbers((n + 5 + k) * p.ldb, 2);
    float *before = numbers(m * p.ldc, 3), *c = numbers(m * p.ldc, 3), *again = numbers(m * p.ldc, 3);
    uint8_t *counts = calloc(m, 1024);
    p.a = a;
    p.b = b;
    packed_fill(&packed, b, p.ldb, transposed); /* n + 5 rows, of which n are asked for */
    struct packed_product product = {m, n, a, p.lda, &packed, add, c, p.ldc, count_tile, &counts};
    omp_set_num_threads(1);
    gemm_packed(&product);
    check_product(&p, c, before);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < 1024; j++)
            assert_int_equal(counts[i * 1024 + j], j < n);
    omp_set_num_threads(3);
    product.finish = NULL;
    product.m = 1; /* a row depends on itself alone */
    for (size_t i = 0; i < m; i++) {
        product.a = a + i * p.lda;
        product.c = again + i * p.ldc;
        gemm_packed(&product);
    }
    assert_memory_equal(c, again, m * p.ldc * sizeof *c);
    free(packed.panels);
    free(a);
    free(b);
    free(before);
    free(c);
    free(again);
    free(counts);
}

static void test_kernels__packed_products_are_right_row_by_row(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1}, {5, 3, 7}, {6, 64, 16}, {7, 65, 17}, {13, 127, 33},
            {97, 128, 40}, {200, 700, 5}, {3, 1000, 70}, {8, 70, 1100}, {2, 64, 2100}};
    for (int number = 0; packed_level(number); number++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            for (int way = 0; way < 4; way++)
                check_packed(packed_level(number), sizes[s][0], sizes[s][1], sizes[s][2], way & 1, way & 2);
}

static void test_kernels__dropout_is_an_element_s_own(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static float whole[COUNT], part[COUNT];
    struct dropout dropout = {0.25f, random_stream(1, RANDOM_DROPOUT, 2, 3, 4)};
    const uint64_t far = (uint64_t)1 << 36; /* block numbers beyond 32 bits */
    for (uint64_t base = 0; base <= far; base += far) {
        dropout_mask(&dropout, base, COUNT, whole);
        for (size_t i = 0; i < COUNT; i++)
            assert_true(fabs((double)whole[i] - naive_mask(&dropout, base + i)) < 1e-6);
        for (size_t first = 0; first < 400; first += 37)
            for (size_t count = 1; first + count < COUNT; count = 2 * count + 1) {
                dropout_mask(&dropout, base + first, count, part);
                assert_memory_equal(part, whole + first, count * sizeof *part);
                for (size_t i = 0; i < count; i++)
                    part[i] = 1;
                dropout_apply(&dropout, base + first, part, count);
                assert_memory_equal(part, whole + first, count * sizeof *part);
            }
    }
}

static void test_kernels__dropout_keeps_the_mean(void **state)
{
    (void)state;
    enum { COUNT = 400000 };
    static const float rates[] = {0.0f, 0.1f, 0.5f, 0.9f};
    float *mask = calloc(COUNT, sizeof *mask);
    for (int r = 0; r < 4; r++) {
        struct dropout dropout = {rates[r], random_stream(9, RANDOM_DROPOUT, 0, 0, 1)};
        double dropped = 0, sum = 0, both = 0;
        dropout_mask(&dropout, 0, COUNT, mask);
        for (size_t i = 0; i < COUNT; i++) {
            dropped += mask[i] == 0;
            sum += (double)mask[i];
            both += i > 0 && mask[i] == 0 && mask[i - 1] == 0;
        }
        double rate = (double)rates[r];
        assert_true(fabs(dropped / COUNT - rate) < 0.003);
        assert_true(fabs(both / COUNT - rate * rate) < 0.004);
        assert_true(fabs(sum / COUNT - 1) < 0.02);
        assert_int_equal(dropout_active(&dropout), rates[r] > 0);
    }
    free(mask);
}

static void check_cached_step(size_t heads, size_t key, size_t value)
{
    enum { ROWS = 3, LONGEST = 300 };
    const int32_t lengths[ROWS] = {1, 40, LONGEST};
    const size_t stride = heads * (key + value), query_stride = heads * key + 1;
    float *query = numbers(ROWS * query_stride, 1), *cache = numbers(ROWS * LONGEST * stride, 50);
    float *out = calloc(ROWS * heads * value, sizeof *out);
    const float *keys[ROWS], *values[ROWS];
    for (size_t r = 0; r < ROWS; r++) {
        keys[r] = cache + r * LONGEST * stride;
        values[r] = keys[r] + heads * key;
    }
    attention_step(ROWS, heads, key, value, 0.7f, query, query_stride, keys, values, stride, lengths, out);
    double *q = calloc(heads * key, sizeof *q), *expected = calloc(heads * value, sizeof *expected);
    double *wide = calloc(LONGEST * stride, sizeof *wide);
    struct dropout none = {0};
    for (size_t r = 0; r < ROWS; r++) {
        const int32_t one[2] = {0, 1}, all[2] = {0, lengths[r]};
        struct attention_shape shape = {1, one, all, heads, key, value, 0.7f, false};
        for (size_t i = 0; i < heads * key; i++)
            q[i] = (double)query[r * query_stride + i];
        for (size_t i = 0; i < LONGEST * stride; i++)
            wide[i] = (double)keys[r][i];
        naive_attention(&shape, (struct naive_part){q, heads * key, 0}, (struct naive_part){wide, stride, 0},
                (struct naive_part){wide, stride, heads * key}, &none, expected);
        for (size_t i = 0; i < heads * value; i++)
            assert_true(fabs((double)out[r * heads * value + i] - expected[i]) < 1e-5);
    }
    free(q);
    free(expected);
    free(wide);
    free(out);
    free(query);
    free(cache);
}

static void test_kernels__a_cached_step_is_the_last_row_of_attention(void **state)
{
    (void)state;
    check_cached_step(2, 5, 7);
    check_cached_step(11, 64, 64);
}

/* The mean over heads of softmax(scale · q kᵀ) for one row, in double. */
static void expected_weights(const float *query, const float *keys, size_t stride, size_t heads, size_t width,
        size_t count, double *out)
{
    memset(out, 0, count * sizeof *out);
    for (size_t h = 0; h < heads; h++) {
        double scores[300], sum = 0;
        for (size_t j = 0; j < count; j++) {
            double dot = 0;
            for (size_t i = 0; i < width; i++)
                dot += (double)query[h * width + i] * (double)keys[j * stride + h * width + i];
            sum += scores[j] = exp((double)0.7f * dot);
        }
        for (size_t j = 0; j < count; j++)
            out[j] += scores[j] / sum / (double)heads;
    }
}

static void test_kernels__weights_of_a_cached_step_are_added(void **state)
{
    (void)state;
    enum { ROWS = 3, HEADS = 2, KEY = 5, LONGEST = 300, STRIDE = HEADS * KEY + 3 };
    const int32_t lengths[ROWS] = {1, 40, LONGEST};
    float *query = numbers(ROWS * (HEADS * KEY + 1), 1), *cache = numbers(ROWS * LONGEST * STRIDE, 50);
    float *weights = calloc(ROWS * LONGEST, sizeof *weights), *out[ROWS];
    float *of_heads = calloc(ROWS * HEADS * LONGEST, sizeof *of_heads), *apart[ROWS];
    const float *keys[ROWS];
    for (int r = 0; r < ROWS; r++) {
        keys[r] = cache + r * LONGEST * STRIDE;
        out[r] = weights + r * LONGEST;
        out[r][0] = 1;
        apart[r] = of_heads + r * HEADS * LONGEST;
    }
    attention_step_weights(
            ROWS, HEADS, KEY, 0.7f, query, HEADS * KEY + 1, keys, STRIDE, lengths, 0.25f, false, out);
    attention_step_weights(
            ROWS, HEADS, KEY, 0.7f, query, HEADS * KEY + 1, keys, STRIDE, lengths, 1, true, apart);
    for (int r = 0; r < ROWS; r++) {
        double expected[LONGEST];
        expected_weights(
                query + r * (HEADS * KEY + 1), keys[r], STRIDE, HEADS, KEY, (size_t)lengths[r], expected);
        for (int j = 0; j < lengths[r]; j++)
            assert_true(fabs((double)out[r][j] - 0.25 * expected[j] - (j == 0)) < 1e-6);
        for (int h = 0; h < HEADS; h++) {
            expected_weights(query + r * (HEADS * KEY + 1) + h * KEY, keys[r] + h * KEY, STRIDE, 1, KEY,
                    (size_t)lengths[r], expected);
            for (int j = 0; j < lengths[r]; j++)
                assert_true(fabs((double)apart[r][h * lengths[r] + j] - expected[j]) < 1e-6);
        }
    }
    free(of_heads);
    free(query);
    free(cache);
    free(weights);
}

/* Logits are x itself: the weight is the identity. */
static struct loss loss_of(const float *logits, const int32_t *targets, size_t rows, float *log_probabilities)
{
    enum { CLASSES = 4 };
    struct arena *arena;
    struct loss loss;
    float identity[CLASSES * CLASSES] = {0};
    for (int i = 0; i < CLASSES; i++)
        identity[i * CLASSES + i] = 1;
    assert_int_equal(arena_open(&arena, "test", 1 << 12), STATUS_OK);
    struct tape *tape = tape_start(arena, NULL, &(struct tape_options){0});
    struct tensor *x = tape_input(tape, rows, CLASSES, (float *)logits, false);
    struct tensor *weight = tape_input(tape, CLASSES, CLASSES, identity, false);
    const struct loss_task task = {
            .classes = CLASSES, .targets = targets, .log_probabilities = log_probabilities};
    op_loss(tape, x, weight, NULL, &task, &loss);
    assert_int_equal(tape_status(tape), STATUS_OK);
    arena_close(arena);
    return loss;
}

static void test_kernels__the_first_of_equal_largest_is_the_prediction(void **state)
{
    (void)state;
    const float logits[] = {1, 2, 2, 0, 1, 2, 2, 0, 3, 2, 2, 3, 0, 0, 0, 0};
    const int32_t targets[] = {1, 2, 0, 3};
    float log_probabilities[4];
    struct loss loss = loss_of(logits, targets, 4, log_probabilities);
    assert_int_equal(loss.correct, 2);
    assert_int_equal(loss.tokens, 4);
    assert_true(log_probabilities[0] == log_probabilities[1]);
    assert_true(fabs((double)log_probabilities[3] + log(4)) < 1e-6);
}

static void test_kernels__a_nan_reaches_the_loss(void **state)
{
    (void)state;
    for (int place = 0; place < 4; place++) {
        float logits[] = {1, 2, 3, 4};
        const int32_t target = 1;
        logits[place] = NAN;
        assert_true(isnan(loss_of(logits, &target, 1, NULL).objective));
        logits[place] = INFINITY;
        assert_false(isfinite(loss_of(logits, &target, 1, NULL).objective));
    }
    for (size_t i = 0; i < activation_kinds.count; i++) {
        const struct activation_kind *kind = (const struct activation_kind *)kind_at(&activation_kinds, i);
        float x[3] = {NAN, 1, -1}, y[3];
        kind->forward(x, y, 3);
        assert_true(isnan(y[0]) && isfinite(y[1]) && isfinite(y[2]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_kernels__products_are_right_and_the_same_on_any_threads),
            cmocka_unit_test(test_kernels__packed_products_are_right_row_by_row),
            cmocka_unit_test(test_kernels__dropout_is_an_element_s_own),
            cmocka_unit_test(test_kernels__dropout_keeps_the_mean),
            cmocka_unit_test(test_kernels__a_cached_step_is_the_last_row_of_attention),
            cmocka_unit_test(test_kernels__weights_of_a_cached_step_are_added),
            cmocka_unit_test(test_kernels__the_first_of_equal_largest_is_the_prediction),
            cmocka_unit_test(test_kernels__a_nan_reaches_the_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
