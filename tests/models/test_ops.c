/*
 * Every op against its naive twin: values, every gradient by differences of the twin in double, with and without
 * dropout, gradients written and added, the same bits with 1, 2 and 4 threads. A row of ops[] without a case fails
 * (trial.h tells how to add one).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "models/ops.h"
#include "tests/models/naive.h"
#include "tests/models/trial.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ELEMENTS = 700 };

/* What one run of the op gave. */
struct result {
    float *out[OUTPUTS], *gradient[INPUTS];
    struct loss loss;
};

/* ---- linear: size {n, in, out}; option: an activation, "nobias" ---- */

static const char *activation_name(const struct trial *trial)
{
    for (size_t i = 0; i < activation_kinds.count; i++) {
        const char *name = kind_at(&activation_kinds, i)->name;
        size_t length = strlen(name);
        if (trial->row->option && strncmp(trial->row->option, name, length) == 0 &&
                (trial->row->option[length] == 0 || trial->row->option[length] == ' '))
            return name;
    }
    return NULL;
}

static void linear_prepare(struct trial *t)
{
    const size_t *s = t->row->size;
    trial_fill(t, 0, s[0], s[1], 1);
    trial_fill(t, 1, s[2], s[1], 1 / sqrt((double)s[1]));
    if (!trial_has(t, "nobias"))
        trial_fill(t, 2, 1, s[2], 1);
    trial_expect(t, 0, s[0], s[2]);
}

static void linear_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    const char *name = activation_name(t);
    const struct kind *kind = name ? kind_find(&activation_kinds, name) : NULL;
    out[0] = op_linear(tape, in[0], in[1], in[2], (const struct activation_kind *)kind, t->dropout);
}

static void linear_twin(struct trial *t, double *const *in, double *const *out)
{
    const size_t *s = t->row->size;
    naive_linear(s[0], s[1], s[2], in[0], in[1], in[2], activation_name(t), &t->dropout, out[0]);
}

/* ---- embedding: size {rows, d, table rows}; option: "learned", "fixed" ---- */

static void embedding_prepare(struct trial *t)
{
    const size_t *s = t->row->size;
    trial_fill(t, 0, s[2], s[1], 1);
    if (trial_has(t, "learned"))
        trial_fill(t, 1, 9, s[1], 1);
    for (size_t i = 0; i < s[0]; i++) {
        t->ids[i] = (int32_t)(i * i * 7 % (s[2] + 1)) - 1;
        t->positions[i] = (int32_t)(i * 5 % 9);
    }
    trial_expect(t, 0, s[0], s[1]);
}

static const float *fixed_positions(const struct trial *t)
{
    static float fixed[9 * 64];
    for (size_t i = 0; i < 9 * 64; i++)
        fixed[i] = (float)(i % 11) * 0.125f;
    return trial_has(t, "fixed") ? fixed : NULL;
}

static struct embedding embedding_of(struct trial *t)
{
    bool placed = trial_has(t, "learned") || trial_has(t, "fixed");
    return (struct embedding){t->ids, placed ? t->positions : NULL, t->row->size[0], 1.75f};
}

static void embedding_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    struct embedding e = embedding_of(t);
    out[0] = op_embedding(tape, &e, in[0], fixed_positions(t), in[1], t->dropout);
}

static void embedding_twin(struct trial *t, double *const *in, double *const *out)
{
    struct embedding e = embedding_of(t);
    const float *fixed = fixed_positions(t);
    double wide[9 * 64];
    for (size_t i = 0; fixed && i < 9 * 64; i++)
        wide[i] = (double)fixed[i];
    naive_embedding(&e, t->row->size[1], in[0], fixed ? wide : in[1], &t->dropout, out[0]);
}

/* ---- residual and norm: size {n, d}; option: "x", "sum" ---- */

static void norm_prepare(struct trial *t)
{
    const size_t *s = t->row->size;
    trial_fill(t, 0, s[0], s[1], 1);
    trial_fill(t, 1, 1, s[1], 1);
    trial_fill(t, 2, 1, s[1], 1);
    if (trial_has(t, "x"))
        trial_fill(t, 3, s[0], s[1], 1);
    trial_expect(t, 0, s[0], s[1]);
    if (trial_has(t, "sum"))
        trial_expect(t, 1, s[0], s[1]);
}

static void norm_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    out[0] = op_residual_norm(
            tape, in[3], in[0], t->dropout, in[1], in[2], 0.001f, trial_has(t, "sum") ? &out[1] : NULL);
}

static void norm_twin(struct trial *t, double *const *in, double *const *out)
{
    const size_t *s = t->row->size;
    naive_residual_norm(s[0], s[1], in[3], in[0], &t->dropout, in[1], in[2], (double)0.001f, out[0], out[1]);
}

/* ---- attention: size {pairs, longest, heads, key width, value width}; option: "fused" (one tensor for all parts),
 * "causal", "spare" (columns of others between the parts) ---- */

static size_t sentence(const struct trial *t, size_t pair, bool query)
{
    size_t longest = t->row->size[1];
    if (pair == 0)
        return longest;
    return 1 + (pair * 7 + (query ? 3 : 0)) % longest;
}

static void attention_prepare(struct trial *t)
{
    const size_t *s = t->row->size, heads = s[2], dk = s[3], dv = s[4];
    bool fused = trial_has(t, "fused");
    for (size_t pair = 0; pair < s[0]; pair++) {
        t->queries[pair + 1] = t->queries[pair] + (int32_t)sentence(t, pair, true);
        t->keys[pair + 1] = t->keys[pair] + (int32_t)sentence(t, pair, fused);
    }
    size_t queries = (size_t)t->queries[s[0]], keys = (size_t)t->keys[s[0]],
           spare = trial_has(t, "spare") ? 5 : 0;
    if (fused)
        trial_fill(t, 0, queries, heads * (2 * dk + dv), 1);
    else {
        trial_fill(t, 0, queries, heads * dk, 1);
        trial_fill(t, 1, keys, heads * (dk + dv) + 2 * spare, 1);
    }
    t->attention = (struct attention_shape){.pairs = s[0],
            .query_offsets = t->queries,
            .key_offsets = t->keys,
            .heads = heads,
            .key_width = dk,
            .value_width = dv,
            .scale = 1 / sqrtf((float)dk),
            .causal = trial_has(t, "causal")};
    trial_expect(t, 0, queries, heads * dv);
}

/* Columns of key and value. */
static void attention_columns(const struct trial *t, size_t *key, size_t *value)
{
    size_t part = t->row->size[2] * t->row->size[3], spare = trial_has(t, "spare") ? 5 : 0;
    *key = trial_has(t, "fused") ? part : spare;
    *value = *key + part;
}

static void attention_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    size_t key, value;
    attention_columns(t, &key, &value);
    struct tensor *kv = in[1] ? in[1] : in[0];
    out[0] = op_attention(tape, &t->attention, (struct attention_part){in[0], 0},
            (struct attention_part){kv, key}, (struct attention_part){kv, value}, t->dropout);
}

static void attention_twin(struct trial *t, double *const *in, double *const *out)
{
    size_t key, value;
    attention_columns(t, &key, &value);
    const double *kv = in[1] ? in[1] : in[0];
    size_t stride = in[1] ? t->in[1].columns : t->in[0].columns;
    naive_attention(&t->attention, (struct naive_part){in[0], t->in[0].columns, 0},
            (struct naive_part){kv, stride, key}, (struct naive_part){kv, stride, value}, &t->dropout,
            out[0]);
}

/* ---- loss: size {n, d, classes, weight rows}; option: "nobias", "smooth", "rdrop" ---- */

static void loss_prepare(struct trial *t)
{
    const size_t *s = t->row->size;
    trial_fill(t, 0, trial_has(t, "rdrop") ? 2 * s[0] : s[0], s[1], 1);
    trial_fill(t, 1, s[3], s[1], 1);
    if (!trial_has(t, "nobias"))
        trial_fill(t, 2, 1, s[3], 1);
    for (size_t i = 0; i < s[0]; i++)
        t->ids[i] = (int32_t)(i * 11 % s[2]);
}

static struct loss_task loss_task_of(const struct trial *t)
{
    return (struct loss_task){.classes = t->row->size[2],
            .targets = t->ids,
            .smoothing = trial_has(t, "smooth") ? 0.1 : 0,
            .r_drop = trial_has(t, "rdrop") ? 3 : 0};
}

static void loss_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    (void)out;
    const struct loss_task task = loss_task_of(t);
    op_loss(tape, in[0], in[1], in[2], &task, &t->loss);
}

static void loss_twin(struct trial *t, double *const *in, double *const *out)
{
    (void)out;
    const struct loss_task task = loss_task_of(t);
    t->naive_loss = naive_loss(t->row->size[0], t->row->size[1], &task, in[0], in[1], in[2]);
}

/* Tolerances: a product over k terms in float is off by some sqrt(k) · 2^-24; softmax and norm add the error of their
 * exponential or root, and differences of nearly equal numbers in backward. */
#define LINEAR    "linear", linear_prepare, linear_run, linear_twin
#define EMBEDDING "embedding", embedding_prepare, embedding_run, embedding_twin
#define NORM      "residual_norm", norm_prepare, norm_run, norm_twin
#define ATTENTION "attention", attention_prepare, attention_run, attention_twin
#define LOSS      "loss", loss_prepare, loss_run, loss_twin

static const struct op_case cases[] = {
        CASE(LINEAR, 1e-5, NULL, 1, 1, 1),
        CASE(LINEAR, 1e-5, "relu", 5, 3, 7),
        CASE(LINEAR, 1e-5, "gelu", 5, 17, 7),
        CASE(LINEAR, 1e-5, "gelu_tanh nobias", 9, 4, 20),
        CASE(LINEAR, 1e-5, "silu", 9, 4, 20),
        CASE(LINEAR, 1e-5, "nobias", 4, 9, 3),
        CASE(LINEAR, 2e-5, "relu", 300, 40, 130),
        CASE(LINEAR, 2e-5, "gelu", 530, 33, 65),
        CASE(LINEAR, 2e-5, NULL, 65, 300, 1100),
        CASE(EMBEDDING, 1e-6, NULL, 1, 1, 1),
        CASE(EMBEDDING, 1e-6, "learned", 20, 5, 7),
        CASE(EMBEDDING, 1e-6, "fixed", 20, 20, 7),
        CASE(EMBEDDING, 1e-5, "learned", 150, 64, 3),
        CASE(NORM, 2e-4, NULL, 1, 1), /* all cancels: what is left is rounding times 1/sqrt(epsilon) */
        CASE(NORM, 2e-5, "x", 3, 5),
        CASE(NORM, 2e-5, "x sum", 7, 20),
        CASE(NORM, 2e-5, "sum", 4, 33),
        CASE(NORM, 2e-5, "x sum", 130, 64),
        CASE(ATTENTION, 1e-5, "fused", 1, 1, 1, 1, 1),
        CASE(ATTENTION, 2e-5, "fused causal", 3, 5, 2, 3, 3),
        CASE(ATTENTION, 2e-5, "fused", 3, 6, 2, 4, 3),
        CASE(ATTENTION, 2e-5, "", 3, 7, 3, 3, 5),
        CASE(ATTENTION, 2e-5, "spare", 2, 9, 2, 4, 2),
        CASE(ATTENTION, 2e-5, "fused causal", 7, 60, 2, 20, 20),
        CASE(ATTENTION, 2e-5, "spare", 9, 50, 2, 16, 32),
        CASE(ATTENTION, 3e-5, "fused causal", 2, 200, 1, 20, 16),
        CASE(ATTENTION, 3e-5, "", 2, 200, 2, 16, 20),
        CASE(LOSS, 1e-5, "nobias", 1, 1, 1, 1),
        CASE(LOSS, 1e-5, "smooth", 5, 7, 33, 35),
        CASE(LOSS, 1e-5, "nobias", 6, 5, 20, 20),
        CASE(LOSS, 2e-5, "smooth", 300, 3, 16500, 16502),
        CASE(LOSS, 1e-5, "rdrop nobias", 1, 1, 1, 1),
        CASE(LOSS, 2e-5, "rdrop smooth", 5, 7, 33, 35),
        CASE(LOSS, 2e-5, "rdrop nobias", 6, 5, 20, 20),
        CASE(LOSS, 4e-5, "rdrop smooth", 300, 3, 16500, 16502),
};

static const struct op_cases plain_cases = {cases, sizeof cases / sizeof cases[0]};
static const struct op_cases *const tables[] = {
        &plain_cases, &attend_cases, &guide_cases, &recurrent_cases, &convolution_cases};
enum { TABLES = sizeof tables / sizeof tables[0] };

/* ---- running ---- */

static double seed_gradient(int output, size_t i)
{
    return (double)(float)sin(1.0 + (double)i * 0.7 + output);
}

static float *copy_of(const float *values, size_t n)
{
    float *copy = calloc(n + 1, sizeof *copy);
    memcpy(copy, values, n * sizeof *copy);
    return copy;
}

/* `adding`: input gradients hold 0.5 beforehand. */
static struct result run_op(struct trial *t, int threads, bool adding)
{
    struct result result = {0};
    struct arena *arena;
    float *values[INPUTS] = {0};
    struct tensor *in[INPUTS] = {0}, *out[OUTPUTS] = {0};
    bool add;
    omp_set_num_threads(threads);
    assert_int_equal(arena_open(&arena, "test", 1 << 16), STATUS_OK);
    struct tape_options options = {.recording = true, .training = true};
    struct tape *tape = tape_start(arena, NULL, &options);
    for (int i = 0; i < INPUTS; i++) {
        if (!t->in[i].rows)
            continue;
        values[i] = calloc(matrix_count(&t->in[i]) + 1, sizeof(float));
        for (size_t k = 0; k < matrix_count(&t->in[i]); k++)
            values[i][k] = (float)t->in[i].values[k];
        in[i] = tape_input(tape, t->in[i].rows, t->in[i].columns, values[i], true);
        if (adding) {
            float *gradient = tensor_gradient(tape, in[i], &add);
            for (size_t k = 0; k < matrix_count(&t->in[i]); k++)
                gradient[k] = 0.5f;
        }
    }
    t->row->run(t, tape, in, out);
    assert_int_equal(tape_status(tape), STATUS_OK);
    for (int o = 0; o < OUTPUTS; o++) {
        if (!t->out[o].rows)
            continue;
        assert_int_equal(out[o]->rows * out[o]->columns, matrix_count(&t->out[o]));
        result.out[o] = copy_of(out[o]->value, matrix_count(&t->out[o]));
        float *gradient = tensor_gradient(tape, out[o], &add);
        for (size_t k = 0; k < matrix_count(&t->out[o]); k++)
            gradient[k] = (float)seed_gradient(o, k);
    }
    assert_int_equal(tape_backward(tape), STATUS_OK);
    for (int i = 0; i < INPUTS; i++)
        if (in[i])
            result.gradient[i] = copy_of(in[i]->gradient, matrix_count(&t->in[i]));
    result.loss = t->loss;
    for (int i = 0; i < INPUTS; i++)
        free(values[i]);
    arena_close(arena);
    return result;
}

static void result_release(struct result *result)
{
    for (int i = 0; i < INPUTS; i++)
        free(result->gradient[i]);
    for (int o = 0; o < OUTPUTS; o++)
        free(result->out[o]);
}

/* The scalar whose gradient backward computes. */
static double twin_scalar(struct trial *t)
{
    double *in[INPUTS], *out[OUTPUTS], sum = 0;
    for (int i = 0; i < INPUTS; i++)
        in[i] = t->in[i].values;
    for (int o = 0; o < OUTPUTS; o++)
        out[o] = t->out[o].values;
    t->row->twin(t, in, out);
    for (int o = 0; o < OUTPUTS; o++)
        for (size_t k = 0; k < matrix_count(&t->out[o]); k++)
            sum += out[o][k] * seed_gradient(o, k);
    return t->out[0].rows ? sum : t->naive_loss.objective;
}

static void check_near(const struct trial *t, const char *what, double found, double expected, double scale)
{
    if (fabs(found - expected) <= t->row->tolerance * (scale + 1e-3))
        return;
    fail_msg("%s {%s} %s, dropout %g: %s is %.9g, expected %.9g (largest %.3g)", t->row->op, t->row->what,
            t->row->option ? t->row->option : "", (double)t->dropout.rate, what, found, expected, scale);
}

static void check_values(struct trial *t, const struct result *result)
{
    twin_scalar(t);
    for (int o = 0; o < OUTPUTS; o++) {
        double largest = 0;
        for (size_t k = 0; k < matrix_count(&t->out[o]); k++)
            largest = fmax(largest, fabs(t->out[o].values[k]));
        for (size_t k = 0; k < matrix_count(&t->out[o]); k++)
            check_near(t, "output", (double)result->out[o][k], t->out[o].values[k], largest);
    }
    check_near(t, "objective", result->loss.objective, t->naive_loss.objective, t->naive_loss.objective);
    check_near(t, "cross-entropy", result->loss.cross_entropy, t->naive_loss.cross_entropy,
            t->naive_loss.cross_entropy);
    assert_int_equal(result->loss.tokens, t->naive_loss.tokens);
    assert_int_equal(result->loss.correct, t->naive_loss.correct);
}

enum { STEP_BITS = 18 };

/* The twin's derivative along `direction` of input i. */
static double difference(struct trial *t, int i, const double *direction)
{
    const double step = ldexp(1, -STEP_BITS);
    double *values = t->in[i].values, *kept = calloc(matrix_count(&t->in[i]), sizeof *kept), side[2];
    memcpy(kept, values, matrix_count(&t->in[i]) * sizeof *kept);
    for (int s = 0; s < 2; s++) {
        for (size_t k = 0; k < matrix_count(&t->in[i]); k++)
            values[k] = kept[k] + (s ? step : -step) * direction[k];
        side[s] = twin_scalar(t);
    }
    memcpy(values, kept, matrix_count(&t->in[i]) * sizeof *kept);
    free(kept);
    return (side[1] - side[0]) / (2 * step);
}

/* Small inputs element by element, others along random directions. `offset` is what the gradient held before. */
static void check_gradient(struct trial *t, int i, const float *gradient, double offset)
{
    size_t n = matrix_count(&t->in[i]);
    bool each = n <= MOST_ELEMENTS && (!t->out[0].rows || matrix_count(&t->out[0]) <= 4 * MOST_ELEMENTS) &&
                n > 0 && t->row->size[2] < 1000;
    double largest = 0, squares = 0, *direction = calloc(n, sizeof *direction);
    for (size_t k = 0; k < n; k++) {
        largest = fmax(largest, fabs((double)gradient[k] - offset));
        squares += pow((double)gradient[k] - offset, 2);
    }
    for (size_t k = 0; each && k < n; k++) {
        direction[k] = 1;
        check_near(t, "gradient", (double)gradient[k] - offset, difference(t, i, direction), largest);
        direction[k] = 0;
    }
    for (int round = 0; !each && round < 2; round++) {
        double along = 0;
        for (size_t k = 0; k < n; k++) {
            direction[k] = trial_draw(t);
            along += direction[k] * ((double)gradient[k] - offset);
        }
        check_near(t, "gradient along a direction", along, difference(t, i, direction), sqrt(squares));
    }
    free(direction);
}

static void check_same(const struct trial *t, const struct result *a, const struct result *b)
{
    for (int o = 0; o < OUTPUTS; o++)
        if (t->out[o].rows)
            assert_memory_equal(a->out[o], b->out[o], matrix_count(&t->out[o]) * sizeof(float));
    for (int i = 0; i < INPUTS; i++)
        if (t->in[i].rows)
            assert_memory_equal(a->gradient[i], b->gradient[i], matrix_count(&t->in[i]) * sizeof(float));
    assert_memory_equal(&a->loss, &b->loss, sizeof a->loss);
}

static void try_case(const struct op_case *row, float rate)
{
    struct trial *t = calloc(1, sizeof *t);
    t->row = row;
    t->dropout = (struct dropout){rate, random_stream(5, RANDOM_DROPOUT, 3, 2, 1)};
    row->prepare(t);
    struct result one = run_op(t, 1, false), two = run_op(t, 2, false), four = run_op(t, 4, false);
    struct result added = run_op(t, 2, true);
    check_values(t, &one);
    check_same(t, &one, &two);
    check_same(t, &one, &four);
    for (int i = 0; i < INPUTS; i++)
        if (t->in[i].rows) {
            check_gradient(t, i, one.gradient[i], 0);
            for (size_t k = 0; k < matrix_count(&t->in[i]); k++)
                check_near(t, "added gradient", (double)added.gradient[i][k],
                        (double)one.gradient[i][k] + 0.5, fabs((double)one.gradient[i][k]) + 1);
        }
    struct result *results[] = {&one, &two, &four, &added};
    for (int i = 0; i < 4; i++)
        result_release(results[i]);
    for (int i = 0; i < INPUTS; i++)
        free(t->in[i].values);
    for (int o = 0; o < OUTPUTS; o++)
        free(t->out[o].values);
    free(t);
    assert_int_equal(memory_blocks(), 0);
}

static void test_ops__agree_with_their_twins(void **state)
{
    (void)state;
    for (int table = 0; table < TABLES; table++)
        for (size_t i = 0; i < tables[table]->count; i++)
            try_case(&tables[table]->rows[i], 0);
}

static void test_ops__agree_with_their_twins_under_dropout(void **state)
{
    (void)state;
    for (int table = 0; table < TABLES; table++)
        for (size_t i = 0; i < tables[table]->count; i++)
            if (!strstr("loss guide", tables[table]->rows[i].op))
                try_case(&tables[table]->rows[i], 0.3f);
}

static bool has_case(const struct op *op)
{
    bool found = false;
    for (int table = 0; table < TABLES; table++)
        for (size_t i = 0; i < tables[table]->count; i++)
            found = found || strcmp(tables[table]->rows[i].op, op->name) == 0;
    return found;
}

static void test_ops__each_has_a_case(void **state)
{
    (void)state;
    for (int i = 0; ops[i]; i++)
        if (!has_case(ops[i]))
            fail_msg("no case for op %s", ops[i]->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_ops__each_has_a_case),
            cmocka_unit_test(test_ops__agree_with_their_twins),
            cmocka_unit_test(test_ops__agree_with_their_twins_under_dropout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
