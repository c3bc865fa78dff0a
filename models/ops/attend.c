#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/profile.h"
#include "models/vector.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/*
 * Per query, over the keys j that it sees:
 *
 *     a = softmax(scale · score(q, k_j));  f_j = dropout mask · Gaussian;  c = sum of a_j f_j v_j      kept: a
 *
 *     dv_j = a_j f_j dc;  da_j = f_j (v_j · dc);  ds_j = scale · a_j (da_j - sum of a da);  dq, dk_j by the score
 *     Gaussian f_j = exp(-2 (j - p)² / D²), p = centre · keys:  dp = sum of a_j da_j · 4 (j - p) / D²
 *     coverage: keys are compared as k'_j = k_j + covered_j · cover;  dcover = sum of covered_j dk'_j,  dcovered_j = cover · dk'_j
 *     weights told are a_j times the Gaussian: their gradient times the Gaussian is added to da_j
 *
 * A task is TILE_PAIRS pairs; their queries go one after the other, so that sums over queries have one order.
 */
enum { TILE_PAIRS = 4 };

struct attend_data {
    struct attend attend;
    size_t *first;       /* [pairs]: number of the pair's first weight */
    float *softmax;      /* [sum over queries of their keys] */
    struct tensor *told; /* NULL: not asked for */
    size_t most_keys;
};

/* A query, and the keys [low, low + seen) of its sentence's that it sees. */
struct look {
    size_t row, key_row, keys, low, seen;
    size_t weight; /* number of its first weight */
    float centre;  /* p of the Gaussian */
};

/* One thread's working space, [most_keys] each, for the keys seen. */
struct scratch {
    float *factors, *mask, *gradients;
    float *keys, *key_gradients; /* [most_keys, k] as they are compared, if they are covered */
};

static size_t queries_before(const struct attend *a, size_t pair)
{
    return a->query_offsets ? (size_t)a->query_offsets[pair] : pair;
}

/* The key nearest to the centre; a centre that is no number has some window, too. */
static size_t nearest(float centre, size_t keys)
{
    float inside = centre > 0 ? centre : 0;
    return smaller((size_t)(inside < (float)keys ? inside + 0.5f : (float)keys), keys);
}

static void set_window(const struct attend *a, size_t number, struct look *look)
{
    size_t middle;
    if (a->centre) {
        look->centre = a->centre->value[look->row] * (float)look->keys;
        middle = nearest(look->centre, look->keys);
    } else
        middle = smaller(a->positions ? (size_t)a->positions[look->row] : number, look->keys - 1);
    look->low = middle > a->reach ? middle - a->reach : 0;
    look->seen = smaller(look->keys, middle + a->reach + 1) - look->low;
}

/* Query `number` of the pair. */
static struct look look_of(const struct attend_data *data, size_t pair, size_t number)
{
    const struct attend *a = &data->attend;
    struct look look = {.row = queries_before(a, pair) + number,
            .key_row = (size_t)a->key_first[pair],
            .keys = (size_t)a->key_count[pair]};
    look.weight = data->first[pair] + number * look.keys;
    look.seen = look.keys;
    if (a->reach > 0)
        set_window(a, number, &look);
    return look;
}

/* Row of a matrix over keys that the first key seen has. */
static size_t first_seen(const struct look *look)
{
    return look->key_row + look->low;
}

typedef void run_query(const struct attend_data *data, const struct look *look, const struct scratch *scratch,
        size_t tile, void *context);

static void run_tile(const struct attend_data *data, size_t tile, run_query *run,
        const struct scratch *scratch, void *context)
{
    const struct attend *a = &data->attend;
    size_t end = smaller((tile + 1) * TILE_PAIRS, a->pairs);
    for (size_t pair = tile * TILE_PAIRS; pair < end; pair++)
        for (size_t i = 0; i < queries_before(a, pair + 1) - queries_before(a, pair); i++) {
            struct look look = look_of(data, pair, i);
            run(data, &look, scratch, tile, context);
        }
}

static void run_queries(struct tape *tape, const struct attend_data *data, run_query *run, void *context)
{
    const size_t most = data->most_keys, keys = data->attend.covered ? most * data->attend.query->columns : 0,
                 each = 3 * most + 2 * keys;
    struct arena_mark mark = arena_mark(tape_arena(tape));
    float *all = arena_take(tape_arena(tape), (size_t)omp_get_max_threads() * each, sizeof *all);
    if (tape_status(tape) != STATUS_OK)
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t tile = 0; tile < tiles_of(data->attend.pairs, TILE_PAIRS); tile++) {
        float *own = all + (size_t)omp_get_thread_num() * each, *wide = own + 3 * most;
        run_tile(data, tile, run, &(struct scratch){own, own + most, own + 2 * most, wide, wide + keys},
                context);
    }
    arena_reset(tape_arena(tape), mark);
}

/* ---- pieces ---- */

CLONES static void softmax(float *scores, float scale, size_t count)
{
    float maximum = -INFINITY, sum = 0;
#pragma omp simd reduction(max : maximum)
    for (size_t j = 0; j < count; j++) {
        scores[j] *= scale;
        maximum = scores[j] > maximum ? scores[j] : maximum;
    }
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < count; j++) {
        scores[j] = vector_exp(scores[j] - maximum);
        sum += scores[j];
    }
    const float inverse = 1.0f / sum;
#pragma omp simd
    for (size_t j = 0; j < count; j++)
        scores[j] *= inverse;
}

/* Of the keys seen. */
CLONES static void gaussian(const struct look *look, size_t reach, float *out)
{
    const float offset = (float)look->low - look->centre, factor = -2.0f / ((float)reach * (float)reach);
#pragma omp simd
    for (size_t j = 0; j < look->seen; j++) {
        float apart = (float)(int32_t)j + offset;
        out[j] = vector_exp(factor * apart * apart);
    }
}

/* da becomes ds. Returns the centre's gradient where there is a Gaussian. */
CLONES static float weights_backward(
        const struct attend *a, const struct look *look, const float *softmax, float *dw)
{
    const size_t count = look->seen;
    const float offset = (float)look->low - look->centre;
    float sum = 0, moment = 0;
#pragma omp simd reduction(+ : sum, moment)
    for (size_t j = 0; j < count; j++) {
        sum += softmax[j] * dw[j];
        moment += softmax[j] * dw[j] * ((float)(int32_t)j + offset);
    }
#pragma omp simd
    for (size_t j = 0; j < count; j++)
        dw[j] = a->scale * softmax[j] * (dw[j] - sum);
    return a->centre ? 4.0f * moment * (float)look->keys / ((float)a->reach * (float)a->reach) : 0;
}

/* What the softmax of the keys seen is multiplied by; NULL: nothing. */
static const float *factors_of(
        const struct attend_data *data, const struct look *look, const struct scratch *s)
{
    const struct attend *a = &data->attend;
    bool drops = dropout_active(&a->dropout);
    float *mask = a->centre ? s->mask : s->factors;
    if (a->centre)
        gaussian(look, a->reach, s->factors);
    if (drops)
        dropout_mask(&a->dropout, look->weight + look->low, look->seen, mask);
    if (drops && a->centre)
        floats_multiply(s->factors, mask, look->seen);
    return drops || a->centre ? s->factors : NULL;
}

/* Of the keys seen. */
static const float *covered_of(const struct attend *a, const struct look *look)
{
    return a->covered->value + look->weight + look->low;
}

/* The keys seen as they are compared, if they are covered. */
static void cover_keys(const struct attend *a, const struct look *look, float *out)
{
    const size_t width = a->query->columns;
    memcpy(out, a->key->value + first_seen(look) * width, look->seen * width * sizeof *out);
    for (size_t j = 0; j < look->seen; j++)
        floats_add_scaled(out + j * width, a->cover->value, covered_of(a, look)[j], width);
}

static struct score_task score_task_of(
        const struct attend *a, const struct look *look, const struct scratch *s)
{
    const size_t width = a->query->columns;
    if (a->covered)
        cover_keys(a, look, s->keys);
    return (struct score_task){.query = a->query->value + look->row * width,
            .keys = a->covered ? s->keys : a->key->value + first_seen(look) * width,
            .weight = a->weight ? a->weight->value : NULL,
            .count = look->seen,
            .width = width};
}

/* ---- forward ---- */

static void tell_weights(const struct attend_data *data, const struct look *look, const float *softmax,
        const struct scratch *s)
{
    const struct attend *a = &data->attend;
    float *to = data->told->value + look->weight;
    memset(to, 0, look->keys * sizeof *to);
    memcpy(to + look->low, softmax, look->seen * sizeof *to);
    if (!a->centre)
        return;
    gaussian(look, a->reach, s->factors);
    floats_multiply(to + look->low, s->factors, look->seen);
}

/* context: the output. */
static void forward_query(const struct attend_data *data, const struct look *look, const struct scratch *s,
        size_t tile, void *context)
{
    (void)tile;
    const struct attend *a = &data->attend;
    const size_t width = a->value->columns;
    const float *values = a->value->value + first_seen(look) * width;
    float *out = (float *)context + look->row * width,
          *softmax_row = data->softmax + look->weight + look->low;
    struct score_task task = score_task_of(a, look, s);
    a->score->forward(&task, softmax_row);
    softmax(softmax_row, a->scale, look->seen);
    if (data->told)
        tell_weights(data, look, softmax_row, s);
    const float *factors = factors_of(data, look, s);
    memset(out, 0, width * sizeof *out);
    for (size_t j = 0; j < look->seen; j++)
        floats_add_scaled(out, values + j * width, softmax_row[j] * (factors ? factors[j] : 1), width);
}

/* ---- backward ---- */

struct attend_gradients {
    float *query, *key, *value, *centre; /* NULL: not wanted */
    bool add_query, add_centre;          /* they hold something already */
    float *weight, *cover;               /* [tiles, k]: partial sums; NULL without */
    float *covered;
    const float *output, *told; /* told NULL: nobody has asked anything of it */
};

/* dv is added to; dw [seen] is written. */
static void backward_values(const struct attend *a, const struct look *look, const float *softmax,
        const float *factors, const struct attend_gradients *g, float *dw)
{
    const size_t width = a->value->columns;
    const float *dout = g->output + look->row * width;
    for (size_t j = 0; j < look->seen; j++) {
        size_t at = (first_seen(look) + j) * width;
        dw[j] = floats_dot(dout, a->value->value + at, width);
        if (g->value)
            floats_add_scaled(g->value + at, dout, softmax[j] * (factors ? factors[j] : 1), width);
    }
}

/* What the covered keys' gradient gives to all that they are made of. */
static void uncover(const struct attend *a, const struct look *look, const float *dkeys, size_t tile,
        const struct attend_gradients *g)
{
    const size_t width = a->query->columns;
    for (size_t j = 0; j < look->seen; j++, dkeys += width) {
        if (g->key)
            floats_add(g->key + (first_seen(look) + j) * width, dkeys, width);
        floats_add_scaled(g->cover + tile * width, dkeys, covered_of(a, look)[j], width);
        if (g->covered)
            g->covered[look->weight + look->low + j] += floats_dot(a->cover->value, dkeys, width);
    }
}

static void backward_scores(const struct attend *a, const struct look *look, const struct scratch *s,
        size_t tile, const struct attend_gradients *g)
{
    const size_t width = a->query->columns;
    struct score_task task = score_task_of(a, look, s);
    struct score_gradients to = {.query = g->query ? g->query + look->row * width : NULL,
            .keys = g->key ? g->key + first_seen(look) * width : NULL,
            .weight = g->weight ? g->weight + tile * width : NULL};
    if (to.query && !g->add_query)
        memset(to.query, 0, width * sizeof *to.query);
    if (a->covered) {
        to.keys = s->key_gradients;
        memset(to.keys, 0, look->seen * width * sizeof *to.keys);
    }
    a->score->backward(&task, s->gradients, &to);
    if (a->covered)
        uncover(a, look, to.keys, tile, g);
}

/* The gradient of told weights goes to da; what `factors_of` has left in the scratch is gone. */
static void add_told(const struct attend *a, const struct look *look, const float *told,
        const struct scratch *s, float *da)
{
    told += look->weight + look->low;
    if (!a->centre) {
        floats_add(da, told, look->seen);
        return;
    }
    gaussian(look, a->reach, s->factors);
    floats_multiply(s->factors, told, look->seen);
    floats_add(da, s->factors, look->seen);
}

/* context: the gradients. */
static void backward_query(const struct attend_data *data, const struct look *look, const struct scratch *s,
        size_t tile, void *context)
{
    const struct attend_gradients *g = context;
    const struct attend *a = &data->attend;
    const float *softmax_row = data->softmax + look->weight + look->low;
    const float *factors = factors_of(data, look, s);
    backward_values(a, look, softmax_row, factors, g, s->gradients);
    if (factors)
        floats_multiply(s->gradients, factors, look->seen);
    if (g->told)
        add_told(a, look, g->told, s, s->gradients);
    float dcentre = weights_backward(a, look, softmax_row, s->gradients);
    if (g->centre)
        g->centre[look->row] = (g->add_centre ? g->centre[look->row] : 0) + dcentre;
    backward_scores(a, look, s, tile, g);
}

static void backward(struct tape *tape, struct node *node)
{
    const struct attend_data *data = node->data;
    const struct attend *a = &data->attend;
    const size_t width = a->query->columns, tiles = tiles_of(a->pairs, TILE_PAIRS);
    struct attend_gradients g = {.output = tensor_gradient_part(tape, node->outputs[0]),
            .told = data->told ? data->told->gradient : NULL};
    bool add_weight, add_cover;
    g.query = tensor_gradient(tape, a->query, &g.add_query);
    g.centre = tensor_gradient(tape, a->centre, &g.add_centre);
    g.key = tensor_gradient_part(tape, a->key);
    g.value = tensor_gradient_part(tape, a->value);
    g.covered = tensor_gradient_part(tape, a->covered);
    float *dweight = tensor_gradient(tape, a->weight, &add_weight);
    float *dcover = tensor_gradient(tape, a->cover, &add_cover);
    struct arena_mark mark = arena_mark(tape_arena(tape));
    if (a->weight)
        g.weight = arena_take_zeroed(tape_arena(tape), tiles * width, sizeof *g.weight);
    if (a->cover)
        g.cover = arena_take_zeroed(tape_arena(tape), tiles * width, sizeof *g.cover);
    if (tape_status(tape) != STATUS_OK)
        return;
    run_queries(tape, data, backward_query, &g);
    if (dweight)
        rows_sum(g.weight, tiles, width, width, add_weight, dweight);
    if (dcover)
        rows_sum(g.cover, tiles, width, width, add_cover, dcover);
    arena_reset(tape_arena(tape), mark);
}

/* Scores and sums of the keys seen; backward has twice as much. */
static void work(const struct node *node, struct op_work *out)
{
    const struct attend_data *data = node->data;
    const struct attend *a = &data->attend;
    double seen = 0;
    for (size_t pair = 0; pair < a->pairs; pair++)
        for (size_t i = 0; i < queries_before(a, pair + 1) - queries_before(a, pair); i++)
            seen += (double)look_of(data, pair, i).seen;
    double forward = 2 * seen * (double)(a->query->columns + a->value->columns);
    out->operations[FORWARD] += forward;
    out->operations[BACKWARD] += 2 * forward;
}

const struct op attend_op = {
        "attend", "sum of dropout(softmax(scale · score(q, k))) v", backward, work, NULL};

/* ---- the op ---- */

static void check(const struct attend *a)
{
    ASSERT(a->query->rows == queries_before(a, a->pairs));
    ASSERT(a->key->columns == a->query->columns && a->value->rows == a->key->rows);
    ASSERT(!a->query->fleeting && !a->key->fleeting && !a->value->fleeting);
    ASSERT(a->query != a->key && a->query != a->value);
    ASSERT(!a->covered == !a->cover && (!a->cover || a->cover->rows * a->cover->columns == a->key->columns));
    ASSERT(!a->score->weighted == !a->weight && (!a->centre || a->reach > 0));
}

static struct attend_data *data_make(struct tape *tape, const struct attend *a)
{
    struct arena *arena = tape_arena(tape);
    struct attend_data *data = arena_take_zeroed(arena, 1, sizeof *data);
    size_t weights = 0, *first = arena_take(arena, a->pairs + 1, sizeof *first);
    if (!data || !first)
        return NULL;
    *data = (struct attend_data){.attend = *a, .first = first};
    for (size_t pair = 0; pair < a->pairs; pair++) {
        size_t keys = (size_t)a->key_count[pair];
        ASSERT(keys > 0 && (size_t)a->key_first[pair] + keys <= a->key->rows);
        first[pair] = weights;
        weights += (queries_before(a, pair + 1) - queries_before(a, pair)) * keys;
        data->most_keys = keys > data->most_keys ? keys : data->most_keys;
    }
    ASSERT(!a->covered || a->covered->columns >= weights);
    data->softmax = arena_take(arena, weights, sizeof *data->softmax);
    if (a->told)
        *a->told = data->told = tape_tensor(tape, 1, weights);
    return arena_status(arena) == STATUS_OK ? data : NULL;
}

struct tensor *op_attend(struct tape *tape, const struct attend *attend)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    check(attend);
    struct tensor *out = tape_tensor(tape, attend->query->rows, attend->value->columns);
    struct attend_data *data = data_make(tape, attend);
    if (!data || !out)
        return NULL;
    out->expendable = true;
    run_queries(tape, data, forward_query, out->value);
    tape_record(tape, &attend_op, data,
            (struct tensor *[]){attend->query, attend->key, attend->value, attend->weight, attend->centre,
                    attend->covered, attend->cover},
            NODE_INPUTS, (struct tensor *[]){out, data->told}, data->told ? 2 : 1);
    return out;
}
