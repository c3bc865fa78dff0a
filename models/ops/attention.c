#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/profile.h"

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
 * A task is a pair and head; it goes through the queries in tiles of at most QUERY_TILE. Matrices of a tile have a row
 * for each key and a column for each query, rounded up to whole lanes, so that what is done along the keys is done for
 * many queries at once. Columns beyond the queries hold numbers that nobody reads.
 */
enum { QUERY_TILE = 48, MASK_PASS = 128, LINE = 16 }; /* LINE: floats of a line of the caches */

/* __builtin_prefetch()'s name for the cache behind the nearest. */
enum { LEVEL_TWO = 2 };

struct attention {
    struct attention_shape shape;
    struct attention_part query, key, value;
    struct dropout dropout;
    float *lse;           /* [heads, query rows] */
    uint64_t *first_mask; /* [pairs]: number of the pair's first element for the dropout */
    size_t most_keys;     /* of the longest sentence */
};

/* One thread's working space; matrices over widths have rows of whole lanes. */
struct scratch {
    float *queries_across, *outputs_across; /* transposed: [width, QUERY_TILE] */
    float *keys, *values;                   /* [keys, width] */
    float *queries, *outputs;               /* [QUERY_TILE, width] */
    float *scores, *mask, *gradients;       /* [keys, QUERY_TILE] */
};

/* One pair and head. */
struct task {
    size_t head, query_row, queries, key_row, keys;
    uint64_t first_mask;
};

static size_t padded(size_t count)
{
    return tiles_of(count, SMALL_LANES) * SMALL_LANES;
}

/* Elements that a head takes of the dropout's, in whole passes. */
static size_t mask_elements(size_t queries, size_t keys)
{
    return tiles_of(padded(queries) * keys, MASK_PASS) * MASK_PASS;
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
    task.first_mask = a->first_mask[pair] + head * mask_elements(task.queries, task.keys);
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
        *out = (struct scratch){.queries_across = own,
                .outputs_across = own + tile,
                .queries = own + 2 * tile,
                .outputs = own + 3 * tile};
        own += 4 * tile;
        out->keys = own;
        out->values = own + matrix;
        own += 2 * matrix;
        out->scores = own;
        out->mask = own + square;
        out->gradients = own + 2 * square;
    }
    return 4 * tile + 2 * matrix + 3 * square;
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

/* The gradient of a part's tensor. */
struct part_gradient {
    float *values; /* NULL: not wanted */
    bool add;      /* it holds something already */
};

/* What all tasks of a direction work on. */
struct attention_pass {
    void (*run)(const struct attention *a, const struct attention_pass *pass, const struct task *t,
            const struct scratch *s);
    float *output;                          /* [query rows, heads · value_width]; forward */
    const float *output_gradient;           /* backward */
    struct part_gradient query, key, value; /* backward */
};

/* Asks for a head's columns of rows of a part of x. */
static void fetch(
        const float *x, const struct attention_part *part, size_t row, size_t rows, size_t head, size_t width)
{
    for (size_t i = row; x && i < row + rows; i++)
        for (size_t j = 0; j < width; j += LINE)
            __builtin_prefetch(x + at(part, i, head, width) + j, 0, LEVEL_TWO);
}

/* Asks for what a task will read and write: tasks go through memory in strides that no hardware foresees. */
static void fetch_task(const struct attention *a, const struct attention_pass *pass, const struct task *t)
{
    const size_t keys = a->shape.key_width, values = a->shape.value_width;
    fetch(a->query.tensor->value, &a->query, t->query_row, t->queries, t->head, keys);
    fetch(a->key.tensor->value, &a->key, t->key_row, t->keys, t->head, keys);
    fetch(a->value.tensor->value, &a->value, t->key_row, t->keys, t->head, values);
    fetch(pass->query.values, &a->query, t->query_row, t->queries, t->head, keys);
    fetch(pass->key.values, &a->key, t->key_row, t->keys, t->head, keys);
    fetch(pass->value.values, &a->value, t->key_row, t->keys, t->head, values);
    for (size_t i = t->query_row; pass->output_gradient && i < t->query_row + t->queries; i++)
        for (size_t j = 0; j < values; j += LINE)
            __builtin_prefetch(
                    pass->output_gradient + (i * a->shape.heads + t->head) * values + j, 0, LEVEL_TWO);
}

static void run_tasks(struct tape *tape, const struct attention *a, const struct attention_pass *pass)
{
    struct arena_mark mark = arena_mark(tape_arena(tape));
    float *all = scratch_take(tape, a);
    const size_t pairs = a->shape.pairs, heads = a->shape.heads;
    if (tape_status(tape) != STATUS_OK)
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t pair = 0; pair < pairs; pair++) {
        struct scratch scratch = scratch_of(a, all);
        for (size_t head = 0; head < heads; head++) {
            struct task task = task_of(a, pair * heads + head);
            if (pair + 1 < pairs) {
                struct task next = task_of(a, (pair + 1) * heads + head);
                fetch_task(a, pass, &next);
            }
            pass->run(a, pass, &task, &scratch);
        }
    }
    arena_reset(tape_arena(tape), mark);
}

/* ---- pieces ---- */

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

/* A tile of queries: rows [first, first + rows) of the sentence. It is `softmax.columns` wide, and sees softmax.keys. */
struct query_tile {
    size_t first, rows;
    struct softmax softmax;
};

static struct query_tile tile_of(const struct attention *a, const struct task *t, size_t first)
{
    size_t rows = smaller(QUERY_TILE, t->queries - first);
    struct query_tile tile = {first, rows, {padded(rows), t->keys, a->shape.scale, SOFTMAX_ALL}};
    if (a->shape.causal) {
        tile.softmax.keys = smaller(t->keys, first + rows);
        tile.softmax.last = (int32_t)first;
    }
    return tile;
}

/* out [keys, columns] = rows · across, where rows are those of the keys or values and across is [width, columns]. */
static void against_queries(
        struct query_tile tile, const float *rows, size_t ld, size_t width, const float *across, float *out)
{
    small_product(&(struct small_product){.m = tile.softmax.keys,
            .n = tile.softmax.columns,
            .k = width,
            .a = rows,
            .down = ld,
            .along = 1,
            .b = across,
            .ldb = tile.softmax.columns,
            .c = out,
            .ldc = tile.softmax.columns});
}

/* to [rows of the tile, width] = or += matrixᵀ · over, where over is [keys, width]. */
static void over_keys(struct query_tile tile, const float *matrix, const float *over, size_t ld, size_t width,
        bool add, float *to, size_t ldc)
{
    if (to)
        small_product(&(struct small_product){.m = tile.rows,
                .n = width,
                .k = tile.softmax.keys,
                .a = matrix,
                .down = 1,
                .along = tile.softmax.columns,
                .b = over,
                .ldb = ld,
                .add = add,
                .c = to,
                .ldc = ldc});
}

/* to [keys, width] = or += matrix · over, where over is [rows of the tile, width]; keys that the tile does not see keep
 * what they have, or get zeros. */
static void over_queries(const struct task *t, struct query_tile tile, const float *matrix, const float *over,
        size_t ld, size_t width, bool add, float *to, size_t ldc)
{
    if (!to)
        return;
    small_product(&(struct small_product){.m = tile.softmax.keys,
            .n = width,
            .k = tile.rows,
            .a = matrix,
            .down = tile.softmax.columns,
            .along = 1,
            .b = over,
            .ldb = ld,
            .add = add,
            .c = to,
            .ldc = ldc});
    for (size_t j = tile.softmax.keys; j < t->keys && !add; j++)
        memset(to + j * ldc, 0, width * sizeof *to);
}

/* The tile's mask, or NULL without dropout. */
static const float *tile_mask(
        const struct attention *a, const struct task *t, struct query_tile tile, float *mask)
{
    if (!dropout_active(&a->dropout))
        return NULL;
    dropout_mask(&a->dropout, t->first_mask + tile.first * t->keys, tile.softmax.keys * tile.softmax.columns,
            mask);
    return mask;
}

/* Where the tile's log-sum-exps are. */
static float *lse_of(const struct attention *a, const struct task *t, struct query_tile tile)
{
    return a->lse + t->head * a->query.tensor->rows + t->query_row + tile.first;
}

/* ---- forward ---- */

static void forward_task(const struct attention *a, const struct attention_pass *pass, const struct task *t,
        const struct scratch *s)
{
    const struct attention_shape *shape = &a->shape;
    const size_t width = shape->value_width, columns = shape->heads * width;
    const size_t ldq = a->query.tensor->columns, ldk = a->key.tensor->columns;
    const float *q = a->query.tensor->value + at(&a->query, t->query_row, t->head, shape->key_width);
    const float *k = a->key.tensor->value + at(&a->key, t->key_row, t->head, shape->key_width);
    const float *v = a->value.tensor->value + at(&a->value, t->key_row, t->head, width);
    size_t ldv = a->value.tensor->columns;
    v = whole_lanes(v, t->keys, width, &ldv, s->values);
    for (size_t first = 0; first < t->queries; first += QUERY_TILE) {
        struct query_tile tile = tile_of(a, t, first);
        float lse[QUERY_TILE];
        small_transpose(
                q + first * ldq, tile.rows, shape->key_width, ldq, s->queries_across, tile.softmax.columns);
        against_queries(tile, k, ldk, shape->key_width, s->queries_across, s->scores);
        softmax_forward(&tile.softmax, s->scores, lse);
        if (a->lse)
            memcpy(lse_of(a, t, tile), lse, tile.rows * sizeof *lse);
        const float *mask = tile_mask(a, t, tile, s->mask);
        if (mask)
            floats_multiply(s->scores, mask, tile.softmax.keys * tile.softmax.columns);
        over_keys(tile, s->scores, v, ldv, width, false,
                pass->output + (t->query_row + first) * columns + t->head * width, columns);
    }
}

/* ---- backward ---- */

/* Where the head's rows begin in a gradient, NULL if it is not wanted. */
static float *own_rows(const struct part_gradient *gradient, const struct attention_part *part, size_t row,
        size_t head, size_t width)
{
    return gradient->values ? gradient->values + at(part, row, head, width) : NULL;
}

/* The rows of a pair and head. */
struct rows {
    const float *q, *k, *v, *output_gradient;
    size_t ldq, ldk, ldv, ld_out;
};

/* s->scores become P ∘ u, s->gradients dS. */
static void backward_scores(const struct attention *a, const struct task *t, struct query_tile tile,
        const struct scratch *s, const struct rows *r)
{
    const struct attention_shape *shape = &a->shape;
    float lse[QUERY_TILE] = {0};
    small_transpose(r->q + tile.first * r->ldq, tile.rows, shape->key_width, r->ldq, s->queries_across,
            tile.softmax.columns);
    small_transpose(r->output_gradient + tile.first * r->ld_out, tile.rows, shape->value_width, r->ld_out,
            s->outputs_across, tile.softmax.columns);
    against_queries(tile, r->k, r->ldk, shape->key_width, s->queries_across, s->scores);
    against_queries(tile, r->v, r->ldv, shape->value_width, s->outputs_across, s->gradients);
    memcpy(lse, lse_of(a, t, tile), tile.rows * sizeof *lse);
    softmax_backward(&tile.softmax, s->scores, lse, tile_mask(a, t, tile, s->mask), s->gradients);
}

static void backward_task(const struct attention *a, const struct attention_pass *pass, const struct task *t,
        const struct scratch *s)
{
    const struct attention_shape *shape = &a->shape;
    const size_t dk = shape->key_width, dv = shape->value_width, columns = shape->heads * dv;
    const struct rows r = {.q = a->query.tensor->value + at(&a->query, t->query_row, t->head, dk),
            .k = a->key.tensor->value + at(&a->key, t->key_row, t->head, dk),
            .v = a->value.tensor->value + at(&a->value, t->key_row, t->head, dv),
            .output_gradient = pass->output_gradient + t->query_row * columns + t->head * dv,
            .ldq = a->query.tensor->columns,
            .ldk = a->key.tensor->columns,
            .ldv = a->value.tensor->columns,
            .ld_out = columns};
    float *dquery = own_rows(&pass->query, &a->query, t->query_row, t->head, dk);
    float *dkey = own_rows(&pass->key, &a->key, t->key_row, t->head, dk);
    float *dvalue = own_rows(&pass->value, &a->value, t->key_row, t->head, dv);
    size_t ldk = r.ldk;
    const float *k = whole_lanes(r.k, t->keys, dk, &ldk, s->keys);
    /* Of a sentence without queries a tile of none: gradients that held nothing become zeros. */
    for (size_t first = 0; first == 0 || first < t->queries; first += QUERY_TILE) {
        struct query_tile tile = tile_of(a, t, first);
        size_t ldq = r.ldq, ld_out = columns;
        backward_scores(a, t, tile, s, &r);
        const float *q = whole_lanes(r.q + first * ldq, tile.rows, dk, &ldq, s->queries);
        const float *dout =
                whole_lanes(r.output_gradient + first * columns, tile.rows, dv, &ld_out, s->outputs);
        over_keys(tile, s->gradients, k, ldk, dk, pass->query.add, dquery ? dquery + first * r.ldq : NULL,
                r.ldq);
        over_queries(t, tile, s->gradients, q, ldq, dk, pass->key.add || first > 0, dkey, r.ldk);
        over_queries(t, tile, s->scores, dout, ld_out, dv, pass->value.add || first > 0, dvalue, r.ldv);
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

static void backward(struct tape *tape, struct node *node)
{
    const struct attention *a = node->data;
    struct attention_pass pass = {.run = backward_task, .output_gradient = node->outputs[0]->gradient};
    pass.query = gradient_of(tape, a, &a->query);
    pass.key = a->key.tensor == a->query.tensor ? pass.query : gradient_of(tape, a, &a->key);
    pass.value = a->value.tensor == a->query.tensor ? pass.query
                 : a->value.tensor == a->key.tensor ? pass.key
                                                    : gradient_of(tape, a, &a->value);
    run_tasks(tape, a, &pass);
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
            seen += (double)(shape->causal ? smaller(t.keys, i + 1) : t.keys);
    }
    double forward = 2 * seen * (double)(shape->heads * (shape->key_width + shape->value_width));
    out->operations[FORWARD] += forward;
    out->operations[BACKWARD] += 2 * forward;
}

static void forward(struct tape *tape, const struct attention *a, float *out)
{
    run_tasks(tape, a, &(struct attention_pass){.run = forward_task, .output = out});
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
        size_t keys = (size_t)(shape->key_offsets[pair + 1] - shape->key_offsets[pair]);
        first_mask[pair] = elements;
        elements += shape->heads * mask_elements(queries, keys);
        if (keys > a->most_keys)
            a->most_keys = keys;
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
