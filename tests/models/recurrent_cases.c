#include "models/recurrent.h"
#include "tests/models/naive.h"
#include "tests/models/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- recurrent: size {sentences, longest, d}; option: a cell, "start", "end", "reversed"; t->ids: offsets ---- */

enum { X, WEIGHT, BIAS, START };

static const struct cell_kind *cell_of(const struct trial *t)
{
    for (size_t i = 0; i < cell_kinds.count; i++)
        if (trial_has(t, kind_at(&cell_kinds, i)->name))
            return (const struct cell_kind *)kind_at(&cell_kinds, i);
    return NULL;
}

static void recurrent_prepare(struct trial *t)
{
    const size_t *s = t->row->size, d = s[2];
    const struct cell_kind *cell = cell_of(t);
    for (size_t i = 0; i < s[0]; i++)
        t->ids[i + 1] = t->ids[i] + 1 + (int32_t)((i * 5 + s[1] / 2) % s[1]);
    size_t rows = (size_t)t->ids[s[0]];
    trial_fill(t, X, rows, cell->gates * d, 1);
    trial_fill(t, WEIGHT, cell->gates * d, d, 1 / sqrt((double)d));
    trial_fill(t, BIAS, 1, cell->gates * d, 0.5);
    if (trial_has(t, "start"))
        trial_fill(t, START, s[0], cell->states * d, 0.5);
    trial_expect(t, 0, rows, d);
    if (trial_has(t, "end"))
        trial_expect(t, 1, s[0], cell->states * d);
}

static void recurrent_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    const struct recurrence recurrence = {
            cell_of(t), t->row->size[0], t->ids, .reversed = trial_has(t, "reversed")};
    out[0] = op_recurrent(
            tape, &recurrence, in[X], in[WEIGHT], in[BIAS], in[START], trial_has(t, "end") ? &out[1] : NULL);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* The formulas of PyTorch's cells; x and z [G·d], state [S·d]: h, c. */
static void naive_cell(const char *name, size_t d, const double *x, const double *z, double *state)
{
    for (size_t j = 0; j < d; j++) {
        double *h = state + j, *c = state + d + j;
        if (strcmp(name, "rnn") == 0)
            *h = tanh(x[j] + z[j]);
        if (strcmp(name, "gru") == 0) {
            double r = sigmoid(x[j] + z[j]), u = sigmoid(x[d + j] + z[d + j]);
            *h = (1 - u) * tanh(x[2 * d + j] + r * z[2 * d + j]) + u * *h;
        }
        if (strcmp(name, "lstm") == 0) {
            double i = sigmoid(x[j] + z[j]), f = sigmoid(x[d + j] + z[d + j]);
            *c = f * *c + i * tanh(x[2 * d + j] + z[2 * d + j]);
            *h = sigmoid(x[3 * d + j] + z[3 * d + j]) * tanh(*c);
        }
    }
}

static void naive_sentence(
        const struct trial *t, size_t sentence, double *const *in, double *state, double *y)
{
    const struct cell_kind *cell = cell_of(t);
    const struct dropout none = {0};
    const size_t d = t->row->size[2], gates = cell->gates * d;
    const size_t first = (size_t)t->ids[sentence], end = (size_t)t->ids[sentence + 1];
    double *z = calloc(gates, sizeof *z);
    for (size_t step = 0; step < end - first; step++) {
        size_t row = trial_has(t, "reversed") ? end - 1 - step : first + step;
        naive_linear(1, d, gates, state, in[WEIGHT], in[BIAS], NULL, &none, z);
        naive_cell(cell->kind.name, d, in[X] + row * gates, z, state);
        memcpy(y + row * d, state, d * sizeof *y);
    }
    free(z);
}

static void recurrent_twin(struct trial *t, double *const *in, double *const *out)
{
    const size_t columns = cell_of(t)->states * t->row->size[2];
    double *state = calloc(columns, sizeof *state);
    for (size_t s = 0; s < t->row->size[0]; s++) {
        for (size_t j = 0; j < columns; j++)
            state[j] = in[START] ? in[START][s * columns + j] : 0;
        naive_sentence(t, s, in, state, out[0]);
        if (out[1])
            memcpy(out[1] + s * columns, state, columns * sizeof *state);
    }
    free(state);
}

/* ---- beside: size {rows, columns, columns, columns} ---- */

enum { PARTS = 3 };

static void beside_prepare(struct trial *t)
{
    const size_t *s = t->row->size;
    for (int p = 0; p < PARTS; p++)
        trial_fill(t, p, s[0], s[p + 1], 1);
    trial_expect(t, 0, s[0], s[1] + s[2] + s[3]);
}

static void beside_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    (void)t;
    out[0] = op_beside(tape, in, PARTS);
}

static void beside_twin(struct trial *t, double *const *in, double *const *out)
{
    double *y = out[0];
    for (size_t i = 0; i < t->row->size[0]; i++)
        for (size_t p = 0; p < PARTS; p++)
            for (size_t j = 0; j < t->row->size[p + 1]; j++)
                *y++ = in[p][i * t->row->size[p + 1] + j];
}

/* ---- rows: size {rows, columns, rows of x} ---- */

static void rows_prepare(struct trial *t)
{
    const size_t *s = t->row->size;
    trial_fill(t, 0, s[2], s[1], 1);
    trial_expect(t, 0, s[0], s[1]);
    for (size_t i = 0; i < s[0]; i++)
        t->ids[i] = (int32_t)(i * i * 3 % s[2]);
}

static void rows_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    out[0] = op_rows(tape, in[0], t->ids, t->row->size[0]);
}

static void rows_twin(struct trial *t, double *const *in, double *const *out)
{
    const size_t columns = t->row->size[1];
    for (size_t i = 0; i < t->row->size[0]; i++)
        memcpy(out[0] + i * columns, in[0] + (size_t)t->ids[i] * columns, columns * sizeof(double));
}

/* ---- mean: size {sentences, longest, columns}; t->ids: offsets ---- */

static void mean_prepare(struct trial *t)
{
    const size_t *s = t->row->size;
    for (size_t i = 0; i < s[0]; i++)
        t->ids[i + 1] = t->ids[i] + 1 + (int32_t)((i * 5 + s[1] / 2) % s[1]);
    trial_fill(t, 0, (size_t)t->ids[s[0]], s[2], 1);
    trial_expect(t, 0, s[0], s[2]);
}

static void mean_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    out[0] = op_mean(tape, in[0], t->ids, t->row->size[0]);
}

static void mean_twin(struct trial *t, double *const *in, double *const *out)
{
    const size_t columns = t->row->size[2];
    for (size_t s = 0; s < t->row->size[0]; s++)
        for (size_t j = 0; j < columns; j++) {
            double sum = 0;
            for (int32_t i = t->ids[s]; i < t->ids[s + 1]; i++)
                sum += in[0][(size_t)i * columns + j];
            out[0][s * columns + j] = sum / (t->ids[s + 1] - t->ids[s]);
        }
}

/* ---- sum: size {rows, columns}; option: "x" ---- */

static void sum_prepare(struct trial *t)
{
    const size_t *s = t->row->size;
    trial_fill(t, 0, s[0], s[1], 1);
    if (trial_has(t, "x"))
        trial_fill(t, 1, s[0], s[1], 1);
    trial_expect(t, 0, s[0], s[1]);
}

static void sum_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    out[0] = op_sum(tape, in[1], in[0], t->dropout);
}

static void sum_twin(struct trial *t, double *const *in, double *const *out)
{
    for (size_t i = 0; i < t->row->size[0] * t->row->size[1]; i++)
        out[0][i] = in[0][i] * naive_mask(&t->dropout, i) + (in[1] ? in[1][i] : 0);
}

/* ---- cell: size {rows, more rows of the state, d}; option: a cell ---- */

enum { Z = 1, H, C };

static void cell_prepare(struct trial *t)
{
    const size_t *s = t->row->size, d = s[2];
    const struct cell_kind *cell = cell_of(t);
    trial_fill(t, X, s[0], cell->gates * d, 1);
    trial_fill(t, Z, s[0], cell->gates * d, 1);
    trial_fill(t, H, s[0] + s[1], d, 1);
    trial_expect(t, 0, s[0], d);
    if (cell->states == 1)
        return;
    trial_fill(t, C, s[0] + s[1], d, 1);
    trial_expect(t, 1, s[0], d);
}

static void cell_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    out[0] = op_cell(tape, cell_of(t), in[X], in[Z], in[H], in[C], &out[1]);
}

static void cell_twin(struct trial *t, double *const *in, double *const *out)
{
    const struct cell_kind *cell = cell_of(t);
    const size_t d = t->row->size[2], row = d * sizeof(double);
    double *state = calloc(2 * d, sizeof *state);
    for (size_t i = 0; i < t->row->size[0]; i++) {
        memcpy(state, in[H] + i * d, row);
        if (in[C])
            memcpy(state + d, in[C] + i * d, row);
        naive_cell(cell->kind.name, d, in[X] + i * cell->gates * d, in[Z] + i * cell->gates * d, state);
        memcpy(out[0] + i * d, state, row);
        if (out[1])
            memcpy(out[1] + i * d, state + d, row);
    }
    free(state);
}

/* ---- stepwise: size {rows of x, in, out, steps}, each step one row shorter; option: "bias", "base" ---- */

enum { BASE = 3, MOST_STEPS = 8 };

static size_t stepwise_rows(const struct trial *t)
{
    size_t rows = 0;
    for (size_t step = 0; step < t->row->size[3]; step++)
        rows += t->row->size[0] - step;
    return rows;
}

static void stepwise_prepare(struct trial *t)
{
    const size_t *s = t->row->size;
    trial_fill(t, X, s[0], s[1], 1);
    trial_fill(t, WEIGHT, s[2], s[1], 1 / sqrt((double)s[1]));
    if (trial_has(t, "bias"))
        trial_fill(t, BIAS, 1, s[2], 1);
    if (trial_has(t, "base"))
        trial_fill(t, BASE, stepwise_rows(t), s[2], 1);
    trial_expect(t, 0, stepwise_rows(t), s[2]);
}

static void stepwise_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    static struct tensor *parts[MOST_STEPS];
    struct stepwise *stepwise = stepwise_start(tape, in[WEIGHT], in[BIAS], stepwise_rows(t));
    size_t first = 0;
    for (size_t step = 0; step < t->row->size[3]; step++) {
        size_t rows = t->row->size[0] - step;
        parts[step] = op_stepwise(tape, stepwise, in[X], rows, (struct row_range){in[BASE], first});
        first += rows;
    }
    out[0] = op_join(tape, parts, t->row->size[3]);
}

static void stepwise_twin(struct trial *t, double *const *in, double *const *out)
{
    const size_t *s = t->row->size;
    const struct dropout none = {0};
    double *y = out[0];
    for (size_t step = 0; step < s[3]; step++) {
        naive_linear(s[0] - step, s[1], s[2], in[X], in[WEIGHT], in[BIAS], NULL, &none, y);
        y += (s[0] - step) * s[2];
    }
    for (size_t i = 0; in[BASE] && i < stepwise_rows(t) * s[2]; i++)
        out[0][i] += in[BASE][i];
}

/* ---- part: size {rows, columns, first, columns of the part} ---- */

static void part_prepare(struct trial *t)
{
    const size_t *s = t->row->size;
    trial_fill(t, 0, s[0], s[1], 1);
    trial_expect(t, 0, s[0], s[3]);
}

static void part_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    out[0] = op_part(tape, in[0], t->row->size[2], t->row->size[3]);
}

static void part_twin(struct trial *t, double *const *in, double *const *out)
{
    const size_t *s = t->row->size;
    for (size_t i = 0; i < s[0]; i++)
        memcpy(out[0] + i * s[3], in[0] + i * s[1] + s[2], s[3] * sizeof(double));
}

/* ---- tanh, sigmoid: size {rows, columns} ---- */

static void tanh_prepare(struct trial *t)
{
    trial_fill(t, 0, t->row->size[0], t->row->size[1], 1);
    trial_expect(t, 0, t->row->size[0], t->row->size[1]);
}

static void tanh_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    (void)t;
    out[0] = op_tanh(tape, in[0]);
}

static void tanh_twin(struct trial *t, double *const *in, double *const *out)
{
    for (size_t i = 0; i < t->row->size[0] * t->row->size[1]; i++)
        out[0][i] = tanh(in[0][i]);
}

static void sigmoid_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    (void)t;
    out[0] = op_sigmoid(tape, in[0]);
}

static void sigmoid_twin(struct trial *t, double *const *in, double *const *out)
{
    for (size_t i = 0; i < t->row->size[0] * t->row->size[1]; i++)
        out[0][i] = sigmoid(in[0][i]);
}

#define CELL            "cell", cell_prepare, cell_run, cell_twin
#define STEPWISE        "stepwise", stepwise_prepare, stepwise_run, stepwise_twin
#define STEPWISE_WEIGHT "stepwise_weight", stepwise_prepare, stepwise_run, stepwise_twin
#define JOIN            "join", stepwise_prepare, stepwise_run, stepwise_twin
#define PART            "part", part_prepare, part_run, part_twin
#define TANH            "tanh", tanh_prepare, tanh_run, tanh_twin
#define SIGMOID         "sigmoid", tanh_prepare, sigmoid_run, sigmoid_twin
#define RECURRENT       "recurrent", recurrent_prepare, recurrent_run, recurrent_twin
#define BESIDE          "beside", beside_prepare, beside_run, beside_twin
#define ROWS            "rows", rows_prepare, rows_run, rows_twin
#define MEAN            "mean", mean_prepare, mean_run, mean_twin
#define SUM             "sum", sum_prepare, sum_run, sum_twin

static const struct op_case rows[] = {
        CASE(RECURRENT, 1e-5, "rnn", 1, 1, 1),
        CASE(RECURRENT, 2e-5, "rnn start end", 5, 4, 3),
        CASE(RECURRENT, 2e-5, "gru", 4, 5, 3),
        CASE(RECURRENT, 2e-5, "gru start end reversed", 5, 4, 3),
        CASE(RECURRENT, 2e-5, "lstm end", 4, 5, 3),
        CASE(RECURRENT, 2e-5, "lstm start end", 5, 4, 2),
        CASE(RECURRENT, 2e-5, "lstm start reversed", 5, 4, 2),
        CASE(RECURRENT, 3e-5, "rnn reversed end", 40, 9, 33),
        CASE(RECURRENT, 3e-5, "gru start", 70, 12, 40),
        CASE(RECURRENT, 3e-5, "lstm end", 70, 12, 40),
        CASE(CELL, 1e-5, "rnn", 1, 0, 1),
        CASE(CELL, 1e-5, "gru", 6, 2, 5),
        CASE(CELL, 1e-5, "lstm", 6, 2, 5),
        CASE(CELL, 1e-5, "lstm", 40, 0, 33),
        CASE(STEPWISE, 1e-5, NULL, 1, 1, 1, 1),
        CASE(STEPWISE, 1e-5, "bias", 5, 3, 4, 3),
        CASE(STEPWISE_WEIGHT, 2e-5, "bias", 70, 20, 70, 4),
        CASE(JOIN, 2e-5, "base", 5, 3, 4, 3),
        CASE(PART, 1e-6, NULL, 7, 9, 3, 4),
        CASE(TANH, 1e-5, NULL, 70, 9),
        CASE(SIGMOID, 1e-5, NULL, 70, 9),
        CASE(BESIDE, 1e-6, NULL, 1, 1, 1, 1),
        CASE(BESIDE, 1e-6, NULL, 70, 3, 5, 8),
        CASE(ROWS, 1e-6, NULL, 1, 1, 1),
        CASE(ROWS, 1e-5, NULL, 100, 40, 7),
        CASE(MEAN, 1e-6, NULL, 1, 1, 1),
        CASE(MEAN, 1e-5, NULL, 9, 70, 7),
        CASE(SUM, 1e-6, NULL, 1, 1),
        CASE(SUM, 1e-6, "x", 70, 9),
};

const struct op_cases recurrent_cases = {rows, sizeof rows / sizeof rows[0]};
