#include "tests/models/naive.h"
#include "tests/models/trial.h"

#include <math.h>
#include <stdlib.h>

/*
 * op_attend(): size {pairs, most keys, key width, value width, reach}; option: "additive" or dot products, "one" (key and
 * value are one tensor), "step" (one query a pair), "late" (queries stand far behind in their sentences), "centre",
 * "told" (the weights are a second output), "cover" (coverage).
 * Inputs: query, key, value, weight, centre, covered, cover. Keys lie in another order than the pairs, with rows that are nobody's.
 */
enum { QUERY, KEY, VALUE, WEIGHT, CENTRE, COVERED, COVER };

static int32_t keys_of(const struct trial *t, size_t pair)
{
    return 1 + (int32_t)((pair * 7 + 3) % t->row->size[1]);
}

static int32_t queries_of(const struct trial *t, size_t pair)
{
    return trial_has(t, "step") ? 1 : 1 + (int32_t)((pair * 5 + 2) % t->row->size[1]);
}

/* t->ids: first keys; t->keys: how many. Returns the rows there are. */
static size_t place_keys(struct trial *t)
{
    int32_t rows = 2;
    for (size_t pair = t->row->size[0]; pair-- > 0;) {
        t->ids[pair] = rows;
        t->keys[pair] = keys_of(t, pair);
        rows += t->keys[pair] + (int32_t)(pair % 2);
    }
    return (size_t)rows;
}

static void attend_prepare(struct trial *t)
{
    const size_t *s = t->row->size;
    for (size_t pair = 0; pair < s[0]; pair++)
        t->queries[pair + 1] = t->queries[pair] + queries_of(t, pair);
    size_t queries = (size_t)t->queries[s[0]], keys = place_keys(t);
    for (size_t i = 0; i < queries; i++)
        t->positions[i] = (int32_t)(i * 3 % (2 * s[1]));
    trial_fill(t, QUERY, queries, s[2], 1);
    trial_fill(t, KEY, keys, s[2], 1);
    if (!trial_has(t, "one"))
        trial_fill(t, VALUE, keys, s[3], 1);
    if (trial_has(t, "additive"))
        trial_fill(t, WEIGHT, 1, s[2], 1);
    if (trial_has(t, "centre"))
        trial_fill(t, CENTRE, queries, 1, 1);
    for (size_t i = 0; i < t->in[CENTRE].rows; i++) {
        double *centre = &t->in[CENTRE].values[i];
        *centre = (double)(float)(1 / (1 + exp(-2 * *centre)));
    }
    trial_expect(t, 0, queries, s[3]);
    size_t weights = 0;
    for (size_t pair = 0; pair < s[0]; pair++)
        weights += (size_t)((t->queries[pair + 1] - t->queries[pair]) * t->keys[pair]);
    if (trial_has(t, "cover")) {
        trial_fill(t, COVERED, 1, weights + 3, 1); /* those of pairs that go on no more are left over */
        trial_fill(t, COVER, s[2], 1, 1);
    }
    if (trial_has(t, "told"))
        trial_expect(t, 1, weights, 1);
}

static const struct score_kind *score_of(const struct trial *t)
{
    return &score_kinds[trial_has(t, "additive") ? SCORE_ADDITIVE : SCORE_DOT];
}

static void attend_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    const struct attend attend = {.pairs = t->row->size[0],
            .query_offsets = trial_has(t, "step") ? NULL : t->queries,
            .key_first = t->ids,
            .key_count = t->keys,
            .score = score_of(t),
            .scale = 0.75f,
            .query = in[QUERY],
            .key = in[KEY],
            .value = trial_has(t, "one") ? in[KEY] : in[VALUE],
            .weight = in[WEIGHT],
            .reach = t->row->size[4],
            .positions = trial_has(t, "late") ? t->positions : NULL,
            .centre = in[CENTRE],
            .dropout = t->dropout,
            .covered = in[COVERED],
            .cover = in[COVER],
            .told = trial_has(t, "told") ? &out[1] : NULL};
    out[0] = op_attend(tape, &attend);
}

static void attend_twin(struct trial *t, double *const *in, double *const *out)
{
    const size_t *s = t->row->size;
    const struct naive_attend attend = {.pairs = s[0],
            .query_offsets = t->queries,
            .key_first = t->ids,
            .key_count = t->keys,
            .additive = trial_has(t, "additive"),
            .scale = 0.75,
            .width = s[2],
            .value_width = s[3],
            .query = in[QUERY],
            .key = in[KEY],
            .value = trial_has(t, "one") ? in[KEY] : in[VALUE],
            .weight = in[WEIGHT],
            .reach = s[4],
            .positions = trial_has(t, "late") ? t->positions : NULL,
            .centre = t->in[CENTRE].rows ? in[CENTRE] : NULL,
            .covered = trial_has(t, "cover") ? in[COVERED] : NULL,
            .cover = trial_has(t, "cover") ? in[COVER] : NULL};
    naive_attend(&attend, &t->dropout, out[0], trial_has(t, "told") ? out[1] : NULL);
}

#define ATTEND "attend", attend_prepare, attend_run, attend_twin

/* ---- weight norm: size {columns} ---- */

static void weight_norm_prepare(struct trial *t)
{
    trial_fill(t, 0, 1, t->row->size[0], 1);
    trial_fill(t, 1, 1, 1, 1);
    trial_expect(t, 0, 1, t->row->size[0]);
}

static void weight_norm_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    (void)t;
    out[0] = op_weight_norm(tape, in[0], in[1]);
}

static void weight_norm_twin(struct trial *t, double *const *in, double *const *out)
{
    const size_t columns = t->row->size[0];
    double squares = 0;
    for (size_t j = 0; j < columns; j++)
        squares += in[0][j] * in[0][j];
    for (size_t j = 0; j < columns; j++)
        out[0][j] = in[1][0] * in[0][j] / sqrt(squares);
}

#define WEIGHT_NORM "weight_norm", weight_norm_prepare, weight_norm_run, weight_norm_twin

static const struct op_case cases[] = {
        CASE(ATTEND, 1e-5, "", 1, 1, 1, 1, 0),
        CASE(ATTEND, 1e-5, "step one", 7, 5, 6, 6, 0),
        CASE(ATTEND, 2e-5, "", 9, 7, 5, 3, 0),
        CASE(ATTEND, 2e-5, "step additive", 7, 5, 6, 4, 0),
        CASE(ATTEND, 2e-5, "additive one", 6, 9, 5, 5, 0),
        CASE(ATTEND, 3e-5, "additive", 21, 40, 150, 20, 0),
        CASE(ATTEND, 3e-5, "", 21, 40, 33, 150, 0),
        CASE(ATTEND, 2e-5, "", 5, 11, 4, 3, 2),
        CASE(ATTEND, 2e-5, "step late", 9, 6, 4, 3, 1),
        CASE(ATTEND, 2e-5, "late additive one", 6, 9, 4, 4, 3),
        CASE(ATTEND, 2e-5, "centre", 5, 11, 4, 3, 2),
        CASE(ATTEND, 2e-5, "centre step one", 9, 6, 4, 4, 1),
        CASE(ATTEND, 3e-5, "centre additive", 13, 30, 20, 17, 5),
        CASE(ATTEND, 2e-5, "told", 9, 7, 5, 3, 0),
        CASE(ATTEND, 2e-5, "told step additive", 7, 5, 6, 4, 0),
        CASE(ATTEND, 2e-5, "told late additive one", 6, 9, 4, 4, 3),
        CASE(ATTEND, 2e-5, "told centre", 5, 11, 4, 3, 2),
        CASE(ATTEND, 2e-5, "step additive cover", 7, 5, 6, 4, 0),
        CASE(ATTEND, 2e-5, "additive cover told one", 6, 9, 5, 5, 0),
        CASE(ATTEND, 2e-5, "cover late", 6, 9, 4, 3, 3),
        CASE(ATTEND, 3e-5, "additive cover", 13, 30, 150, 20, 0),
        CASE(WEIGHT_NORM, 1e-5, NULL, 1),
        CASE(WEIGHT_NORM, 1e-5, NULL, 37),
};

const struct op_cases attend_cases = {cases, sizeof cases / sizeof cases[0]};
