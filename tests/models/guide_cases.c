#include "tests/models/naive.h"
#include "tests/models/trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- mean of attention: size {pairs, longest, heads, key width}; option: "spare" (columns of others around the keys) ---- */

static size_t spare_of(const struct trial *t)
{
    return trial_has(t, "spare") ? 5 : 0;
}

static void mean_prepare(struct trial *t)
{
    const size_t *s = t->row->size, width = s[2] * s[3];
    size_t weights = 0;
    for (size_t pair = 0; pair < s[0]; pair++) {
        t->queries[pair + 1] = t->queries[pair] + 1 + (int32_t)((pair * 7 + 3) % s[1]);
        t->keys[pair + 1] = t->keys[pair] + 1 + (int32_t)((pair * 5 + s[1] - 1) % s[1]);
        weights += (size_t)((t->queries[pair + 1] - t->queries[pair]) * (t->keys[pair + 1] - t->keys[pair]));
    }
    trial_fill(t, 0, (size_t)t->queries[s[0]], width, 1);
    trial_fill(t, 1, (size_t)t->keys[s[0]], width + 2 * spare_of(t), 1);
    trial_expect(t, 0, weights, 1);
    t->attention = (struct attention_shape){.pairs = s[0],
            .query_offsets = t->queries,
            .key_offsets = t->keys,
            .heads = s[2],
            .key_width = s[3],
            .scale = 1 / sqrtf((float)s[3])};
}

static void mean_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    out[0] = op_attention_mean(tape, &t->attention, (struct attention_part){in[0], 0},
            (struct attention_part){in[1], spare_of(t)});
}

/* Adds a head's share of the weights of one query. */
static void mean_query(const struct attention_shape *s, const double *query, const double *key, size_t stride,
        size_t keys, double *out)
{
    double sum = 0, *e = calloc(keys, sizeof *e);
    for (size_t j = 0; j < keys; j++) {
        for (size_t c = 0; c < s->key_width; c++)
            e[j] += query[c] * key[j * stride + c];
        e[j] = exp((double)s->scale * e[j]);
        sum += e[j];
    }
    for (size_t j = 0; j < keys; j++)
        out[j] += e[j] / sum / (double)s->heads;
    free(e);
}

static void mean_twin(struct trial *t, double *const *in, double *const *out)
{
    const struct attention_shape *s = &t->attention;
    const size_t width = s->heads * s->key_width, stride = width + 2 * spare_of(t);
    double *row = out[0];
    memset(row, 0, matrix_count(&t->out[0]) * sizeof *row);
    for (size_t pair = 0; pair < s->pairs; pair++) {
        const size_t keys = (size_t)(t->keys[pair + 1] - t->keys[pair]);
        for (int32_t i = t->queries[pair]; i < t->queries[pair + 1]; i++, row += keys)
            for (size_t h = 0; h < s->heads; h++)
                mean_query(s, in[0] + (size_t)i * width + h * s->key_width,
                        in[1] + (size_t)t->keys[pair] * stride + spare_of(t) + h * s->key_width, stride, keys,
                        row);
    }
}

/* ---- guide: size {pairs, longest}; option: the kind, "step" (one row a pair, of tokens in another order) ---- */

#define WEIGHT 0.75

static int32_t points[NUMBERS], point_offsets[NUMBERS];
static double costs[NUMBERS];

static bool steps(const struct trial *t)
{
    return trial_has(t, "step");
}

/* Row of a token, and back: an order of its own where there are steps. */
static size_t token_of(const struct trial *t, size_t row)
{
    return steps(t) ? t->row->size[0] - 1 - row : row;
}

/* Keys of the pair that the row is of. */
static int32_t keys_of_row(const struct trial *t, size_t row)
{
    size_t pair = 0;
    while (!steps(t) && t->queries[pair + 1] <= (int32_t)row)
        pair++;
    return t->keys[steps(t) ? row : pair];
}

static size_t rows_of(const struct trial *t)
{
    const size_t pairs = t->row->size[0];
    return steps(t) ? pairs : (size_t)t->queries[pairs];
}

/* Every fourth token has no points, others one, two or as many as there are keys. */
static void place_points(struct trial *t)
{
    int32_t end = 0;
    for (size_t token = 0; token < rows_of(t); token++) {
        const int32_t keys = keys_of_row(t, token_of(t, token));
        point_offsets[token] = end;
        for (int32_t key = 0; key < keys && token % 4 != 1; key++)
            if (token % 4 == 3 || key % 5 == (int32_t)(token % 5) % keys)
                points[end++] = key;
    }
    point_offsets[rows_of(t)] = end;
}

static void guide_prepare(struct trial *t)
{
    const size_t *s = t->row->size;
    size_t weights = 0;
    for (size_t pair = 0; pair < s[0]; pair++) {
        t->keys[pair] = 1 + (int32_t)((pair * 7 + 3) % s[1]);
        t->queries[pair + 1] = t->queries[pair] + 1 + (int32_t)((pair * 5 + 2) % s[1]);
        t->ids[pair] = (int32_t)token_of(t, pair);
        weights += (size_t)(t->keys[pair] * (steps(t) ? 1 : t->queries[pair + 1] - t->queries[pair]));
    }
    place_points(t);
    trial_fill(t, 0, weights, 1, 1);
    for (size_t i = 0; i < weights; i++)
        t->in[0].values[i] = (double)(float)(1 / (1 + exp(-t->in[0].values[i])));
}

static const struct guide_kind *kind_of(const struct trial *t)
{
    char name[16];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(t->row->option, " "), t->row->option);
    return (const struct guide_kind *)kind_find(&guide_kinds, name);
}

static void guide_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    static struct guide guide;
    (void)out;
    guide = (struct guide){kind_of(t), point_offsets, points, (float)WEIGHT, costs};
    const struct guide_rows rows = {.pairs = t->row->size[0],
            .query_offsets = steps(t) ? NULL : t->queries,
            .key_count = t->keys,
            .tokens = steps(t) ? t->ids : NULL};
    memset(costs, 0xff, sizeof costs);
    op_guide(tape, &guide, &rows, in[0]);
    t->loss = (struct loss){0};
    for (size_t token = 0; token < rows_of(t); token++)
        t->loss.objective += WEIGHT * costs[token];
}

/* Of one row, by the whole of A. */
static double naive_cost(const char *kind, const double *a, const double *alignment, size_t keys)
{
    double cross = 0, squares = 0, together = 0;
    for (size_t j = 0; j < keys; j++) {
        cross -= alignment[j] * log(a[j] + 1e-6);
        squares += pow(a[j] - alignment[j], 2);
        together += a[j] * alignment[j];
    }
    return strncmp(kind, "ce", 2) == 0    ? cross
           : strncmp(kind, "mse", 3) == 0 ? squares / 2
                                          : -log(together + 1e-6);
}

static void guide_twin(struct trial *t, double *const *in, double *const *out)
{
    (void)out;
    const double *a = in[0];
    t->naive_loss = (struct loss){0};
    for (size_t row = 0; row < rows_of(t); row++) {
        const size_t token = token_of(t, row), keys = (size_t)keys_of_row(t, row);
        const int32_t first = point_offsets[token], count = point_offsets[token + 1] - first;
        double alignment[NUMBERS] = {0};
        for (int32_t i = first; i < first + count; i++)
            alignment[points[i]] = 1.0 / count;
        if (count > 0)
            t->naive_loss.objective += WEIGHT * naive_cost(t->row->option, a, alignment, keys);
        a += keys;
    }
}

#define MEAN  "attention_mean", mean_prepare, mean_run, mean_twin
#define GUIDE "guide", guide_prepare, guide_run, guide_twin

static const struct op_case cases[] = {
        CASE(MEAN, 1e-5, "", 1, 1, 1, 1),
        CASE(MEAN, 2e-5, "", 4, 7, 3, 5),
        CASE(MEAN, 2e-5, "spare", 5, 9, 2, 4),
        CASE(MEAN, 3e-5, "spare", 9, 60, 4, 16),
        CASE(GUIDE, 1e-5, "ce", 1, 1),
        CASE(GUIDE, 1e-5, "ce", 6, 9),
        CASE(GUIDE, 1e-5, "ce step", 11, 7),
        CASE(GUIDE, 1e-5, "mse", 6, 9),
        CASE(GUIDE, 1e-5, "mse step", 11, 7),
        CASE(GUIDE, 1e-5, "mult", 6, 9),
        CASE(GUIDE, 1e-5, "mult step", 11, 7),
};

const struct op_cases guide_cases = {cases, sizeof cases / sizeof cases[0]};
