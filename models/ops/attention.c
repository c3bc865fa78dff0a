#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/profile.h"
#include "models/vector.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/*
 * Per pair and head, with q, k, v of that head, u ~ dropout mask:
 *
 *     S = scale · q kᵀ;  P = softmax(S);  o = (P ∘ u) v             kept: log-sum-exp of the rows of S
 *
 *     P = e^(S - lse);  dv = (P ∘ u)ᵀ do;  dP = (do vᵀ) ∘ u
 *     dS = scale · P ∘ (dP - rows' sum of P ∘ dP);  dq = dS k;  dk = dSᵀ q
 *
 * A task is a pair and head; it goes through the queries in tiles of QUERY_TILE rows. Matrices over keys have rows of
 * `stride` floats, the keys rounded up to whole lanes.
 */
enum { QUERY_TILE = 48, MASK_PASS = 128 };

struct attention {
    struct attention_shape shape;
    struct attention_part query, key, value;
    struct dropout dropout;
    float *lse;           /* [query rows, heads] */
    uint64_t *first_mask; /* [pairs]: number of the pair's first element for the dropout */
    size_t most_keys;     /* stride of the longest sentence */
};

/* One thread's working space; matrices over widths have rows of whole lanes. */
struct scratch {
    float *keys_across, *values_across; /* transposed: [width, stride] */
    float *keys, *values;               /* [stride, width] */
    float *queries, *outputs;           /* [QUERY_TILE, width] */
    float *scores, *mask, *gradients;   /* [QUERY_TILE, stride] */
};

/* One pair and head. */
struct task {
    size_t head, query_row, queries, key_row, keys, stride;
    uint64_t first_mask;
};

static size_t padded(size_t count)
{
    return tiles_of(count, SMALL_LANES) * SMALL_LANES;
}

static struct task task_of(const struct attention *a, size_t number)
{
    const struct attention_shape *s = &a->shape;
    size_t pair = number / s->heads, head = number % s->heads;
    size_t query = (size_t)s->query_offsets[pair], key = (size_t)s->key_offsets[pair];
    struct task task = {.head = head,
            .query_row = query,
            .key_row = key,
            .queries = (size_t)s->query_offsets[pair + 1] - query,
            .keys = (size_t)s->key_offsets[pair + 1] - key};
    task.stride = padded(task.keys);
    task.first_mask =
            a->first_mask[pair] + head * tiles_of(task.queries * task.stride, MASK_PASS) * MASK_PASS;
    return task;
}

/* Where a head's columns of a row begin. */
static size_t at(const struct attention_part *part, size_t row, size_t head, size_t width)
{
    return row * part->tensor->columns + part->column + head * width;
}

/* Floats of one thread's scratch; lays it out at `own` if `out` is not NULL. */
static size_t scratch_layout(const struct attention *a, float *own, struct scratch *out)
{
    const struct attention_shape *shape = &a->shape;
    size_t width = padded(shape->key_width > shape->value_width ? shape->key_width : shape->value_width);
    size_t matrix = a->most_keys * width, tile = QUERY_TILE * width, square = QUERY_TILE * a->most_keys;
    if (out) {
        *out = (struct scratch){.keys_across = own,
                .values_across = own + matrix,
                .keys = own + 2 * matrix,
                .values = own + 3 * matrix};
        own += 4 * matrix;
        out->queries = own;
        out->outputs = own + tile;
        own += 2 * tile;
        out->scores = own;
        out->mask = own + square;
        out->gradients = own + 2 * square;
    }
    return 4 * matrix + 2 * tile + 3 * square;
}

/* Scratch for all threads, to be given back by a reset of the arena. */
static float *scratch_take(struct tape *tape, const struct attention *a)
{
    return arena_take(
            tape_arena(tape), (size_t)omp_get_max_threads() * scratch_layout(a, NULL, NULL), sizeof(float));
}

static struct scratch scratch_of(const struct attention *a, float *all)
{
    struct scratch scratch;
    scratch_layout(a, all + (size_t)omp_get_thread_num() * scratch_layout(a, NULL, NULL), &scratch);
    return scratch;
}

typedef void run_task(
        const struct attention *a, const struct task *t, const struct scratch *s, void *context);

static void run_tasks(struct tape *tape, const struct attention *a, run_task *run, void *context)
{
    struct arena_mark mark = arena_mark(tape_arena(tape));
    float *all = scratch_take(tape, a);
    if (tape_status(tape) != STATUS_OK)
        return;
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t number = 0; number < a->shape.pairs * a->shape.heads; number++) {
        struct task task = task_of(a, number);
        struct scratch scratch = scratch_of(a, all);
        run(a, &task, &scratch, context);
    }
    arena_reset(tape_arena(tape), mark);
}

/* ---- pieces ---- */

enum { SQUARE = 4 };
typedef float square_row __attribute__((vector_size(SQUARE * sizeof(float)), aligned(sizeof(float))));
typedef int32_t square_order __attribute__((vector_size(SQUARE * sizeof(int32_t))));

/* to [SQUARE, SQUARE] = fromᵀ. */
static inline void transpose_square(const float *from, size_t ld, float *to, size_t stride)
{
    const square_order low = {0, 4, 1, 5}, high = {2, 6, 3, 7}, first = {0, 1, 4, 5}, last = {2, 3, 6, 7};
    square_row rows[SQUARE], out[SQUARE];
    for (size_t i = 0; i < SQUARE; i++)
        rows[i] = *(const square_row *)(from + i * ld);
    square_row low01 = __builtin_shuffle(rows[0], rows[1], low),
               low23 = __builtin_shuffle(rows[2], rows[3], low);
    square_row high01 = __builtin_shuffle(rows[0], rows[1], high),
               high23 = __builtin_shuffle(rows[2], rows[3], high);
    out[0] = __builtin_shuffle(low01, low23, first);
    out[1] = __builtin_shuffle(low01, low23, last);
    out[2] = __builtin_shuffle(high01, high23, first);
    out[3] = __builtin_shuffle(high01, high23, last);
    for (size_t i = 0; i < SQUARE; i++)
        *(square_row *)(to + i * stride) = out[i];
}

/* to [width, stride] = fromᵀ, zero beyond `rows`. */
static void transpose(const float *from, size_t rows, size_t width, size_t ld, float *to, size_t stride)
{
    const size_t whole = rows / SQUARE * SQUARE, across = width / SQUARE * SQUARE;
    for (size_t i = 0; i < whole; i += SQUARE)
        for (size_t c = 0; c < across; c += SQUARE)
            transpose_square(from + i * ld + c, ld, to + c * stride + i, stride);
    for (size_t c = 0; c < width; c++) {
        float *line = to + c * stride;
        for (size_t i = c < across ? whole : 0; i < rows; i++)
            line[i] = from[i * ld + c];
        memset(line + rows, 0, (stride - rows) * sizeof *line);
    }
}

/* Rows whose width is whole lanes: the rows themselves, else a copy padded with zeros. *ld becomes the copy's. */
static const float *whole_lanes(const float *from, size_t rows, size_t width, size_t *ld, float *to)
{
    if (width % SMALL_LANES == 0)
        return from;
    size_t stride = padded(width);
    for (size_t i = 0; i < rows; i++) {
        memcpy(to + i * stride, from + i * *ld, width * sizeof *to);
        memset(to + i * stride + width, 0, (stride - width) * sizeof *to);
    }
    *ld = stride;
    return to;
}

/* scores [stride], which is whole lanes, become probabilities of the first `keys`, zero beyond. Returns the
 * log-sum-exp. */
CLONES static float softmax(float *scores, float scale, size_t keys, size_t stride)
{
    const uint32_t seen = (uint32_t)keys, all = (uint32_t)stride;
    float maximum = -INFINITY, sum = 0;
#pragma omp simd reduction(max : maximum)
    for (uint32_t j = 0; j < all; j++) {
        float score = j < seen ? scores[j] * scale : -INFINITY;
        maximum = score > maximum ? score : maximum;
        scores[j] = score;
    }
#pragma omp simd reduction(+ : sum)
    for (uint32_t j = 0; j < all; j++) {
        scores[j] = vector_exp(scores[j] - maximum);
        sum += scores[j];
    }
    const float inverse = 1.0f / sum;
#pragma omp simd
    for (uint32_t j = 0; j < all; j++)
        scores[j] *= inverse;
    return maximum + vector_log(sum);
}

/* The same probabilities again. */
CLONES static void softmax_again(float *scores, float scale, float lse, size_t keys, size_t stride)
{
    const uint32_t seen = (uint32_t)keys, all = (uint32_t)stride;
#pragma omp simd
    for (uint32_t j = 0; j < all; j++) {
        float p = vector_exp(scores[j] * scale - lse);
        scores[j] = j < seen ? p : 0;
    }
}

/* One row: dp (of P ∘ u) becomes dS, p becomes P ∘ u. mask NULL: u = 1. */
CLONES static void softmax_backward(float *p, float *dp, const float *mask, float scale, size_t count)
{
    float sum = 0;
    if (mask) {
#pragma omp simd
        for (size_t j = 0; j < count; j++)
            dp[j] *= mask[j];
    }
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < count; j++)
        sum += p[j] * dp[j];
#pragma omp simd
    for (size_t j = 0; j < count; j++)
        dp[j] = scale * p[j] * (dp[j] - sum);
    if (mask) {
#pragma omp simd
        for (size_t j = 0; j < count; j++)
            p[j] *= mask[j];
    }
}

/* A tile of queries: rows [first, first + rows) of the sentence, which see no key from `keys` on. */
struct query_tile {
    size_t first, rows, keys, stride; /* stride: keys rounded up */
};

static struct query_tile tile_of(const struct attention *a, const struct task *t, size_t first)
{
    struct query_tile tile = {first, smaller(QUERY_TILE, t->queries - first), t->keys, t->stride};
    if (a->shape.causal) {
        tile.keys = smaller(t->keys, first + tile.rows);
        tile.stride = padded(tile.keys);
    }
    return tile;
}

/* Keys that row i of the sentence sees. */
static size_t keys_seen(const struct attention *a, const struct task *t, size_t i)
{
    return a->shape.causal ? smaller(t->keys, i + 1) : t->keys;
}

/* out [rows, t->stride] = rows of the queries · over, where over is [width, t->stride]. */
static void against_keys(const struct task *t, struct query_tile tile, const float *rows, size_t ld,
        size_t width, const float *over, float *out)
{
    small_product(&(struct small_product){.m = tile.rows,
            .n = tile.stride,
            .k = width,
            .a = rows,
            .down = ld,
            .along = 1,
            .b = over,
            .ldb = t->stride,
            .c = out,
            .ldc = t->stride});
}

/* to [rows, width] = or += matrix · over, where over is [keys, width]. */
static void over_keys(const struct task *t, struct query_tile tile, const float *matrix, const float *over,
        size_t ld, size_t width, bool add, float *to, size_t ldc)
{
    if (to)
        small_product(&(struct small_product){.m = tile.rows,
                .n = width,
                .k = tile.keys,
                .a = matrix,
                .down = t->stride,
                .along = 1,
                .b = over,
                .ldb = ld,
                .add = add,
                .c = to,
                .ldc = ldc});
}

/* to [keys, width] += matrixᵀ · over, where over is [rows of the tile, width]. */
static void over_queries(const struct task *t, struct query_tile tile, const float *matrix, const float *over,
        size_t ld, size_t width, float *to, size_t ldc)
{
    if (to)
        small_product(&(struct small_product){.m = tile.keys,
                .n = width,
                .k = tile.rows,
                .a = matrix,
                .down = 1,
                .along = t->stride,
                .b = over,
                .ldb = ld,
                .add = true,
                .c = to,
                .ldc = ldc});
}

/* The tile's mask, or NULL without dropout. */
static const float *tile_mask(
        const struct attention *a, const struct task *t, struct query_tile tile, float *mask)
{
    if (!dropout_active(&a->dropout))
        return NULL;
    dropout_mask(&a->dropout, t->first_mask + tile.first * t->stride, tile.rows * t->stride, mask);
    return mask;
}

/* ---- forward ---- */

/* context: the output. */
static void forward_task(
        const struct attention *a, const struct task *t, const struct scratch *s, void *context)
{
    float *out = context;
    const struct attention_shape *shape = &a->shape;
    const size_t width = shape->value_width, columns = shape->heads * width;
    const size_t ldq = a->query.tensor->columns, ldk = a->key.tensor->columns;
    const float *q = a->query.tensor->value + at(&a->query, t->query_row, t->head, shape->key_width);
    const float *k = a->key.tensor->value + at(&a->key, t->key_row, t->head, shape->key_width);
    const float *v = a->value.tensor->value + at(&a->value, t->key_row, t->head, width);
    size_t ldv = a->value.tensor->columns;
    transpose(k, t->keys, shape->key_width, ldk, s->keys_across, t->stride);
    v = whole_lanes(v, t->keys, width, &ldv, s->values);
    for (size_t first = 0; first < t->queries; first += QUERY_TILE) {
        struct query_tile tile = tile_of(a, t, first);
        against_keys(t, tile, q + first * ldq, ldq, shape->key_width, s->keys_across, s->scores);
        const float *mask = tile_mask(a, t, tile, s->mask);
        for (size_t i = 0; i < tile.rows; i++) {
            float *p = s->scores + i * t->stride;
            float lse = softmax(p, shape->scale, keys_seen(a, t, first + i), tile.stride);
            if (a->lse)
                a->lse[(t->query_row + first + i) * shape->heads + t->head] = lse;
            if (mask)
                floats_multiply(p, mask + i * t->stride, tile.stride);
        }
        over_keys(t, tile, s->scores, v, ldv, width, false,
                out + (t->query_row + first) * columns + t->head * width, columns);
    }
}

/* ---- backward ---- */

/* The gradient of a part's tensor. */
struct part_gradient {
    float *values; /* NULL: not wanted */
    bool add;      /* it holds something already */
};

struct gradients {
    struct part_gradient query, key, value;
    const float *output; /* [query rows, heads · value_width] */
};

/* Where the head's rows begin in a gradient, NULL if it is not wanted; `rows` of them are zeroed if it held nothing. */
static float *own_rows(const struct part_gradient *gradient, const struct attention_part *part, size_t row,
        size_t rows, size_t head, size_t width)
{
    if (!gradient->values)
        return NULL;
    float *own = gradient->values + at(part, row, head, width);
    for (size_t i = 0; i < rows && !gradient->add; i++)
        memset(own + i * part->tensor->columns, 0, width * sizeof *own);
    return own;
}

/* s->scores become P ∘ u, s->gradients dS. */
static void backward_scores(const struct attention *a, const struct task *t, struct query_tile tile,
        const struct scratch *s, const float *q, const float *dout)
{
    const struct attention_shape *shape = &a->shape;
    against_keys(t, tile, q, a->query.tensor->columns, shape->key_width, s->keys_across, s->scores);
    against_keys(t, tile, dout, shape->heads * shape->value_width, shape->value_width, s->values_across,
            s->gradients);
    const float *mask = tile_mask(a, t, tile, s->mask);
    for (size_t i = 0; i < tile.rows; i++) {
        size_t row = i * t->stride;
        float lse = a->lse[(t->query_row + tile.first + i) * shape->heads + t->head];
        softmax_again(s->scores + row, shape->scale, lse, keys_seen(a, t, tile.first + i), tile.stride);
        softmax_backward(
                s->scores + row, s->gradients + row, mask ? mask + row : NULL, shape->scale, tile.stride);
    }
}

/* context: the gradients. */
static void backward_task(
        const struct attention *a, const struct task *t, const struct scratch *s, void *context)
{
    const struct gradients *g = context;
    const struct attention_shape *shape = &a->shape;
    const size_t dk = shape->key_width, dv = shape->value_width, columns = shape->heads * dv;
    const size_t ldq = a->query.tensor->columns, ldv = a->value.tensor->columns;
    const float *q = a->query.tensor->value + at(&a->query, t->query_row, t->head, dk);
    const float *k = a->key.tensor->value + at(&a->key, t->key_row, t->head, dk);
    const float *v = a->value.tensor->value + at(&a->value, t->key_row, t->head, dv);
    size_t ldk = a->key.tensor->columns;
    transpose(k, t->keys, dk, ldk, s->keys_across, t->stride);
    transpose(v, t->keys, dv, ldv, s->values_across, t->stride);
    float *dquery = own_rows(&g->query, &a->query, t->query_row, 0, t->head, dk);
    float *dkey = own_rows(&g->key, &a->key, t->key_row, t->keys, t->head, dk);
    float *dvalue = own_rows(&g->value, &a->value, t->key_row, t->keys, t->head, dv);
    const size_t ldkey = ldk;
    k = whole_lanes(k, t->keys, dk, &ldk, s->keys);
    for (size_t first = 0; first < t->queries; first += QUERY_TILE) {
        struct query_tile tile = tile_of(a, t, first);
        const float *q_rows = q + first * ldq,
                    *dout = g->output + (t->query_row + first) * columns + t->head * dv;
        backward_scores(a, t, tile, s, q_rows, dout);
        size_t ld_rows = ldq, ld_out = columns;
        over_keys(t, tile, s->gradients, k, ldk, dk, g->query.add, dquery ? dquery + first * ldq : NULL, ldq);
        q_rows = whole_lanes(q_rows, tile.rows, dk, &ld_rows, s->queries);
        dout = whole_lanes(dout, tile.rows, dv, &ld_out, s->outputs);
        over_queries(t, tile, s->gradients, q_rows, ld_rows, dk, dkey, ldkey);
        over_queries(t, tile, s->scores, dout, ld_out, dv, dvalue, ldv);
    }
}

/* A tensor's gradient may be written if the parts cover its columns, else it is zeroed and added to. */
static struct part_gradient gradient_of(
        struct tape *tape, const struct attention *a, const struct attention_part *part)
{
    const struct attention_part *parts[] = {&a->query, &a->key, &a->value};
    const size_t widths[] = {a->shape.key_width, a->shape.key_width, a->shape.value_width};
    size_t covered = 0;
    bool apart = true;
    for (int i = 0; i < 3; i++) {
        if (parts[i]->tensor == part->tensor)
            covered += a->shape.heads * widths[i];
        apart = apart &&
                (parts[i] == part || parts[i]->tensor != part->tensor || parts[i]->column != part->column);
    }
    struct part_gradient gradient = {NULL, true};
    if (apart && covered == part->tensor->columns)
        gradient.values = tensor_gradient(tape, part->tensor, &gradient.add);
    else
        gradient.values = tensor_gradient_part(tape, part->tensor);
    return gradient;
}

static struct gradients gradients_of(
        struct tape *tape, const struct attention *a, const struct tensor *output)
{
    struct gradients g = {.output = output->gradient};
    g.query = gradient_of(tape, a, &a->query);
    g.key = a->key.tensor == a->query.tensor ? g.query : gradient_of(tape, a, &a->key);
    g.value = a->value.tensor == a->query.tensor ? g.query
              : a->value.tensor == a->key.tensor ? g.key
                                                 : gradient_of(tape, a, &a->value);
    return g;
}

static void backward(struct tape *tape, struct node *node)
{
    const struct attention *a = node->data;
    struct gradients g = gradients_of(tape, a, node->outputs[0]);
    run_tasks(tape, a, backward_task, &g);
}

/* S and o, of the keys that each query sees; backward has twice as much, S again not counted. */
static void work(const struct node *node, struct op_work *out)
{
    const struct attention *a = node->data;
    const struct attention_shape *shape = &a->shape;
    double seen = 0;
    for (size_t pair = 0; pair < shape->pairs; pair++) {
        struct task t = task_of(a, pair * shape->heads);
        for (size_t i = 0; i < t.queries; i++)
            seen += (double)keys_seen(a, &t, i);
    }
    double forward = 2 * seen * (double)(shape->heads * (shape->key_width + shape->value_width));
    out->operations[FORWARD] += forward;
    out->operations[BACKWARD] += 2 * forward;
}

static void forward(struct tape *tape, const struct attention *a, float *out)
{
    run_tasks(tape, a, forward_task, out);
}

static void again(struct tape *tape, const struct node *node, float *value)
{
    forward(tape, node->data, value);
}

const struct op attention_op = {
        "attention", "dropout(softmax(scale · Q Kᵀ + mask)) V", backward, work, again};

/* ---- the op ---- */

static struct attention *attention_make(struct tape *tape, const struct attention_shape *shape,
        struct attention_part query, struct attention_part key, struct attention_part value,
        struct dropout dropout)
{
    struct arena *arena = tape_arena(tape);
    struct attention *a = arena_take_zeroed(arena, 1, sizeof *a);
    uint64_t *first_mask = arena_take(arena, shape->pairs + 1, sizeof *first_mask);
    if (!a || !first_mask)
        return NULL;
    *a = (struct attention){.shape = *shape,
            .query = query,
            .key = key,
            .value = value,
            .dropout = dropout,
            .first_mask = first_mask};
    uint64_t elements = 0;
    for (size_t pair = 0; pair < shape->pairs; pair++) {
        size_t queries = (size_t)(shape->query_offsets[pair + 1] - shape->query_offsets[pair]);
        size_t stride = padded((size_t)(shape->key_offsets[pair + 1] - shape->key_offsets[pair]));
        first_mask[pair] = elements;
        elements += shape->heads * tiles_of(queries * stride, MASK_PASS) * MASK_PASS;
        if (stride > a->most_keys)
            a->most_keys = stride;
    }
    if (tape_recording(tape))
        a->lse = arena_take(arena, query.tensor->rows * shape->heads, sizeof *a->lse);
    return a;
}

struct tensor *op_attention(struct tape *tape, const struct attention_shape *shape,
        struct attention_part query, struct attention_part key, struct attention_part value,
        struct dropout dropout)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    ASSERT(query.tensor->rows == (size_t)shape->query_offsets[shape->pairs]);
    ASSERT(!query.tensor->fleeting && !key.tensor->fleeting && !value.tensor->fleeting);
    ASSERT(key.tensor->rows == (size_t)shape->key_offsets[shape->pairs] &&
            value.tensor->rows == key.tensor->rows);
    struct attention *a = attention_make(tape, shape, query, key, value, dropout);
    struct tensor *out = tape_fleeting(tape, query.tensor->rows, shape->heads * shape->value_width);
    if (!a || !out)
        return NULL;
    forward(tape, a, out->value);
    tape_record(
            tape, &attention_op, a, (struct tensor *[]){query.tensor, key.tensor, value.tensor}, 3, &out, 1);
    return out;
}
