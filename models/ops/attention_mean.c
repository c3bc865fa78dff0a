#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/profile.h"

#include <omp.h>
#include <string.h>

/*
 * With q, k of head h:  P_h = softmax(scale · q kᵀ);  mean = sum of P_h / heads              kept: nothing
 *
 *     g = dmean / heads;  dS_h = scale · P_h ∘ (g - rows' sum of P_h ∘ g);  dq = dS k;  dk = dSᵀ q
 *
 * A task is a pair; its queries go one after the other. Those that nobody has asked anything of are passed over.
 */
struct mean {
    struct attention_shape shape;
    struct attention_part query, key;
    size_t *first; /* [pairs]: number of the pair's first weight */
    size_t most;   /* weights of a pair */
};

static size_t keys_of(const struct mean *m, size_t pair)
{
    return (size_t)(m->shape.key_offsets[pair + 1] - m->shape.key_offsets[pair]);
}

static size_t queries_of(const struct mean *m, size_t pair)
{
    return (size_t)(m->shape.query_offsets[pair + 1] - m->shape.query_offsets[pair]);
}

static float *query_row(const struct mean *m, float *x, size_t row)
{
    return x + row * m->query.tensor->columns + m->query.column;
}

static float *key_row(const struct mean *m, float *x, size_t row)
{
    return x + row * m->key.tensor->columns + m->key.column;
}

/* Lists of rows, as attention_step_weights() takes them. */
struct rows {
    const float **keys;
    float **out;
    int32_t *lengths;
};

/* Adds the probabilities of a pair's queries: [queries, heads, keys] if `apart`, else their mean [queries, keys]. */
static void add_pair(const struct mean *m, size_t pair, bool apart, const struct rows *rows, float *out)
{
    const struct attention_shape *s = &m->shape;
    const size_t queries = queries_of(m, pair), keys = keys_of(m, pair);
    for (size_t i = 0; i < queries; i++) {
        rows->keys[i] = key_row(m, m->key.tensor->value, (size_t)s->key_offsets[pair]);
        rows->out[i] = out + i * keys * (apart ? s->heads : 1);
        rows->lengths[i] = (int32_t)keys;
    }
    attention_step_weights(queries, s->heads, s->key_width, s->scale,
            query_row(m, m->query.tensor->value, (size_t)s->query_offsets[pair]), m->query.tensor->columns,
            rows->keys, m->key.tensor->columns, rows->lengths, 1, apart, rows->out);
}

/* ---- backward ---- */

struct mean_gradients {
    const float *mean;
    float *query, *key; /* NULL: not wanted */
};

/* Row [keys] of a head: p becomes dS. */
static void score_gradients(float scale, const float *g, float share, size_t keys, float *p)
{
    const float sum = share * floats_dot(p, g, keys);
    for (size_t j = 0; j < keys; j++)
        p[j] *= scale * (share * g[j] - sum);
}

static void backward_query(const struct mean *m, const struct mean_gradients *to, size_t pair, size_t number,
        const float *g, float *p)
{
    const struct attention_shape *s = &m->shape;
    const size_t keys = keys_of(m, pair), row = (size_t)s->query_offsets[pair] + number;
    for (size_t h = 0; h < s->heads; h++, p += keys) {
        const size_t at = h * s->key_width;
        score_gradients(s->scale, g, 1.0f / (float)s->heads, keys, p);
        for (size_t j = 0; j < keys; j++) {
            const size_t key = (size_t)s->key_offsets[pair] + j;
            if (to->query)
                floats_add_scaled(query_row(m, to->query, row) + at,
                        key_row(m, m->key.tensor->value, key) + at, p[j], s->key_width);
            if (to->key)
                floats_add_scaled(key_row(m, to->key, key) + at,
                        query_row(m, m->query.tensor->value, row) + at, p[j], s->key_width);
        }
    }
}

static bool all_zero(const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (x[i] != 0)
            return false;
    return true;
}

static void backward_pair(
        const struct mean *m, const struct mean_gradients *to, size_t pair, const struct rows *rows, float *p)
{
    const size_t keys = keys_of(m, pair), queries = queries_of(m, pair);
    memset(p, 0, queries * keys * m->shape.heads * sizeof *p);
    add_pair(m, pair, true, rows, p);
    for (size_t i = 0; i < queries; i++) {
        const float *g = to->mean + m->first[pair] + i * keys;
        if (!all_zero(g, keys))
            backward_query(m, to, pair, i, g, p + i * keys * m->shape.heads);
    }
}

/* ---- both ---- */

static size_t most_queries(const struct mean *m)
{
    size_t most = 0;
    for (size_t pair = 0; pair < m->shape.pairs; pair++)
        most = queries_of(m, pair) > most ? queries_of(m, pair) : most;
    return most;
}

/* Forwards into `out`, or backwards. */
static void run(struct tape *tape, const struct mean *m, float *out, const struct mean_gradients *to)
{
    struct arena *arena = tape_arena(tape);
    struct arena_mark mark = arena_mark(arena);
    const size_t threads = (size_t)omp_get_max_threads(), queries = most_queries(m),
                 room = to ? m->most * m->shape.heads : 0;
    const float **keys = arena_take(arena, threads * queries, sizeof *keys);
    float **outs = arena_take(arena, threads * queries, sizeof *outs);
    int32_t *lengths = arena_take(arena, threads * queries, sizeof *lengths);
    float *scratch = arena_take(arena, threads * room, sizeof *scratch);
    if (tape_status(tape) != STATUS_OK)
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t pair = 0; pair < m->shape.pairs; pair++) {
        size_t thread = (size_t)omp_get_thread_num(), own = thread * queries;
        const struct rows rows = {keys + own, outs + own, lengths + own};
        if (to)
            backward_pair(m, to, pair, &rows, scratch + thread * room);
        else
            add_pair(m, pair, false, &rows, out + m->first[pair]);
    }
    arena_reset(arena, mark);
}

static void backward(struct tape *tape, struct node *node)
{
    const struct mean *m = node->data;
    struct mean_gradients to = {.mean = node->outputs[0]->gradient};
    to.query = tensor_gradient_part(tape, m->query.tensor);
    to.key = tensor_gradient_part(tape, m->key.tensor);
    if (tape_status(tape) == STATUS_OK && (to.query || to.key))
        run(tape, m, NULL, &to);
}

/* Scores; backward has them again and twice as much. */
static void work(const struct node *node, struct op_work *out)
{
    const struct mean *m = node->data;
    double forward = 2 * (double)node->outputs[0]->columns * (double)(m->shape.heads * m->shape.key_width);
    out->operations[FORWARD] += forward;
    out->operations[BACKWARD] += 3 * forward;
}

const struct op attention_mean_op = {
        "attention_mean", "mean over heads of softmax(scale · Q Kᵀ)", backward, work, NULL};

static struct mean *mean_make(struct tape *tape, const struct attention_shape *shape,
        struct attention_part query, struct attention_part key, size_t *weights)
{
    struct mean *m = arena_take_zeroed(tape_arena(tape), 1, sizeof *m);
    size_t *first = arena_take(tape_arena(tape), shape->pairs + 1, sizeof *first);
    if (!m || !first)
        return NULL;
    *m = (struct mean){.shape = *shape, .query = query, .key = key, .first = first};
    *weights = 0;
    for (size_t pair = 0; pair < shape->pairs; pair++) {
        size_t count = queries_of(m, pair) * keys_of(m, pair);
        first[pair] = *weights;
        *weights += count;
        m->most = count > m->most ? count : m->most;
    }
    return m;
}

struct tensor *op_attention_mean(struct tape *tape, const struct attention_shape *shape,
        struct attention_part query, struct attention_part key)
{
    size_t weights;
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    ASSERT(!shape->causal && !query.tensor->fleeting && !key.tensor->fleeting);
    struct mean *m = mean_make(tape, shape, query, key, &weights);
    struct tensor *out = m ? tape_tensor(tape, 1, weights) : NULL;
    if (!out)
        return NULL;
    memset(out->value, 0, weights * sizeof *out->value);
    run(tape, m, out->value, NULL);
    tape_record(tape, &attention_mean_op, m, (struct tensor *[]){query.tensor, key.tensor}, 2, &out, 1);
    return out;
}
