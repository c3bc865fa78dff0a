#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/profile.h"
#include "models/vector.h"

#include <math.h>

/*
 * l = x Wᵀ + b;  p = softmax(l);  L = -(1-e) log p[t] - e/C · sum_c log p[c];  dl = p - (1-e) [c = t] - e/C
 *
 * R-Drop (Liang et al. 2021): rows t and t + n of x see one target through different dropout. With δ = log p1 - log p2:
 *
 *     (L1 + L2) / 2 + r/4 · (K12 + K21),                       K12 = sum_c p1 δ,  K21 = -sum_c p2 δ
 *     dl1 = dL1 / 2 + r/4 · (p1 (δ - K12) + p1 - p2),          dl2 = dL2 / 2 + r/4 · (p2 (-δ - K21) + p2 - p1)
 *
 * Block by block of rows: logits, softmax and gradient in place, dx of the block, dW and db added to. While a tile of
 * logits is in the nearest caches it becomes e^(l - m), m its row's largest there; a row's pieces are brought to one
 * maximum with the gradient. A block of R-Drop has its rows of both halves, one after the other, and a third plane for
 * l1 - l2; its logits stay.
 */
struct loss_node {
    struct tensor *x, *weight, *bias;
    struct loss_task task;
    size_t copies;               /* rows of x for each target: 1, or 2 for R-Drop */
    float *dx, *dweight, *dbias; /* NULL: not wanted */
    bool add_x;
    struct packed forward, back; /* W, and Wᵀ if dx is wanted */
    struct row_loss *rows;       /* [targets] */
    struct piece *pieces;        /* [copies · rows of a block, PIECES] */
    float *target_logits;        /* [copies · rows of a block] */
};

struct row_loss {
    double objective, cross_entropy;
    bool correct;
};

/* Logits of a block: near 16 MiB, enough rows for products to be fast. */
enum { BLOCK_LOGITS = 1 << 22, BLOCK_ROWS_LEAST = 256, BLOCK_ROWS_MOST = 2048, BIAS_COLUMNS = 256 };
enum { COPIES = 2 };

/* Targets of a block. */
static size_t block_rows(const struct loss_node *loss)
{
    size_t rows = BLOCK_LOGITS / loss->task.classes / 64 * 64;
    rows = rows < BLOCK_ROWS_LEAST ? BLOCK_ROWS_LEAST : smaller(rows, BLOCK_ROWS_MOST);
    return smaller(rows / loss->copies, loss->x->rows / loss->copies);
}

/* Rows of logits that a block takes. */
static size_t block_planes(const struct loss_node *loss)
{
    return loss->copies == COPIES ? COPIES + 1 : 1;
}

/* What one row's logits come to. */
struct row_sums {
    float maximum, sum;
};

CLONES static struct row_sums row_sums(float *l, const float *bias, size_t classes)
{
    float maximum = -INFINITY, sum = 0;
    if (bias) {
#pragma omp simd
        for (size_t c = 0; c < classes; c++)
            l[c] += bias[c];
    }
#pragma omp simd reduction(max : maximum) reduction(+ : sum)
    for (size_t c = 0; c < classes; c++) {
        maximum = l[c] > maximum ? l[c] : maximum;
        sum += l[c];
    }
    return (struct row_sums){maximum, sum};
}

/* l becomes e^(l - maximum). Returns their sum. */
CLONES static float row_exponentials(float *l, float maximum, size_t classes)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t c = 0; c < classes; c++) {
        l[c] = vector_exp(l[c] - maximum);
        sum += l[c];
    }
    return sum;
}

/* Exponentials become p - share. */
CLONES static void row_gradient(float *l, float inverse, float share, size_t classes)
{
#pragma omp simd
    for (size_t c = 0; c < classes; c++)
        l[c] = l[c] * inverse - share;
}

/* out = a - b. */
CLONES static void row_difference(const float *a, const float *b, float *out, size_t classes)
{
#pragma omp simd
    for (size_t c = 0; c < classes; c++)
        out[c] = a[c] - b[c];
}

/* A row of logits on its way to its gradient: first logits, then e^(l - maximum). */
struct row {
    float *l;
    struct row_sums sums;
    float exponentials; /* their sum */
    double log_sum;     /* log sum e^l */
};

/* K12 and K21; `difference` holds l1 - l2 and becomes δ. */
CLONES static void row_divergences(
        const struct row pair[COPIES], float *difference, size_t classes, float out[COPIES])
{
    const float *l1 = pair[0].l, *l2 = pair[1].l, shift = (float)(pair[0].log_sum - pair[1].log_sum);
    float first = 0, second = 0;
#pragma omp simd reduction(+ : first, second)
    for (size_t c = 0; c < classes; c++) {
        difference[c] -= shift;
        first += l1[c] * difference[c];
        second -= l2[c] * difference[c];
    }
    out[0] = first / pair[0].exponentials;
    out[1] = second / pair[1].exponentials;
}

/* Exponentials of both rows become their gradients, but for the target's share. quarter = r/4; share as in row_gradient(). */
CLONES static void row_gradients(const struct row pair[COPIES], const float *difference,
        const float k[COPIES], float quarter, float share, size_t classes)
{
    float *l1 = pair[0].l, *l2 = pair[1].l;
    const float inverse1 = 1.0f / pair[0].exponentials, inverse2 = 1.0f / pair[1].exponentials;
    const float k12 = k[0], k21 = k[1];
#pragma omp simd
    for (size_t c = 0; c < classes; c++) {
        float p1 = l1[c] * inverse1, p2 = l2[c] * inverse2, d = difference[c];
        l1[c] = 0.5f * (p1 - share) + quarter * (p1 * (d - k12) + (p1 - p2));
        l2[c] = 0.5f * (p2 - share) + quarter * (p2 * (-d - k21) + (p2 - p1));
    }
}

/* ---- a tile of logits ---- */

/* What the logits of a row come to within a tile, which begins at a multiple of TILE_STEP. */
struct piece {
    size_t columns;
    float maximum, sum, exponentials; /* of e^(l - maximum); not with R-Drop */
    bool target_leads;                /* the target is here, and the first largest */
};

static size_t pieces_of(const struct loss_node *loss)
{
    return tiles_of(loss->task.classes, TILE_STEP);
}

/* Whether the target is the first largest. */
static bool is_first_largest(const float *l, float maximum, size_t target)
{
    if (!(l[target] == maximum))
        return false;
    for (size_t c = 0; c < target; c++)
        if (l[c] == maximum)
            return false;
    return true;
}

/* One copy of a block's rows. */
struct plane {
    const struct loss_node *loss;
    size_t first; /* target of its first row */
    float *l;     /* [rows, classes] */
    struct piece *pieces;
    float *target_logits;
};

static void finish_tile(const void *context, struct tile tile)
{
    const struct plane *plane = context;
    const struct loss_node *loss = plane->loss;
    const size_t classes = loss->task.classes;
    const float *bias = loss->bias ? loss->bias->value + tile.column : NULL;
    for (size_t i = tile.row; i < tile.row + tile.rows; i++) {
        float *l = plane->l + i * classes + tile.column;
        struct row_sums sums = row_sums(l, bias, tile.columns);
        struct piece *piece = &plane->pieces[i * pieces_of(loss) + tile.column / TILE_STEP];
        *piece = (struct piece){.columns = tile.columns, .maximum = sums.maximum, .sum = sums.sum};
        size_t target = (size_t)loss->task.targets[plane->first + i] - tile.column;
        if (target < tile.columns) {
            plane->target_logits[i] = l[target];
            piece->target_leads = is_first_largest(l, sums.maximum, target);
        }
        if (loss->copies == 1)
            piece->exponentials = row_exponentials(l, sums.maximum, tile.columns);
    }
}

/* ---- a row ---- */

/* The row's maximum and sums. Returns whether the target is the first largest of all. */
static bool join_pieces(const struct loss_node *loss, const struct piece *pieces, struct row *row)
{
    const size_t classes = loss->task.classes;
    const struct piece *piece;
    bool leads = false;
    row->sums = (struct row_sums){-INFINITY, 0};
    row->exponentials = 0;
    for (size_t at = 0; at < classes; at += piece->columns) {
        piece = &pieces[at / TILE_STEP];
        row->sums.sum += piece->sum;
        if (piece->maximum > row->sums.maximum) {
            row->sums.maximum = piece->maximum;
            leads = piece->target_leads;
        }
    }
    for (size_t at = 0; loss->copies == 1 && at < classes; at += piece->columns) {
        piece = &pieces[at / TILE_STEP];
        row->exponentials += piece->exponentials * vector_exp(piece->maximum - row->sums.maximum);
    }
    if (loss->copies == COPIES)
        row->exponentials = row_exponentials(row->l, row->sums.maximum, classes);
    row->log_sum = (double)row->sums.maximum + log((double)row->exponentials);
    return leads;
}

/* Loss of one copy of target i, weighted, added to `out`. */
static void add_loss(const struct loss_node *loss, size_t i, const struct row *row, float target_logit,
        double weight, struct row_loss *out)
{
    const struct loss_task *task = &loss->task;
    const double e = task->smoothing, classes = (double)task->classes;
    const double cross_entropy = row->log_sum - (double)target_logit;
    out->objective +=
            weight * ((1 - e) * cross_entropy + e * (row->log_sum - (double)row->sums.sum / classes));
    out->cross_entropy += weight * cross_entropy;
    if (task->log_probabilities)
        task->log_probabilities[i] = (float)-cross_entropy;
}

/* Exponentials of the pieces become p - share. */
static void pieces_gradient(
        const struct loss_node *loss, const struct piece *pieces, const struct row *row, float share)
{
    const struct piece *piece;
    for (size_t at = 0; at < loss->task.classes; at += piece->columns) {
        piece = &pieces[at / TILE_STEP];
        float scale = vector_exp(piece->maximum - row->sums.maximum) / row->exponentials;
        row_gradient(row->l + at, scale, share, piece->columns);
    }
}

/* Loss of target i; the pieces of its rows, those of planes[copy] from row `at` on, become their gradients. */
static void target_loss(const struct plane planes[], size_t at, float *difference, bool gradient)
{
    const struct loss_node *loss = planes->loss;
    const struct loss_task *task = &loss->task;
    const size_t classes = task->classes, copies = loss->copies, i = planes->first + at;
    const float share = (float)(task->smoothing / (double)classes), weight = 1.0f / (float)copies;
    struct row_loss *out = &loss->rows[i];
    const struct piece *pieces = planes->pieces + at * pieces_of(loss);
    struct row row[COPIES] = {0};
    float k[COPIES];
    for (size_t copy = 0; copy < copies; copy++)
        row[copy].l = planes[copy].l + at * classes;
    if (copies == COPIES)
        row_difference(row[0].l, row[1].l, difference, classes);
    *out = (struct row_loss){.correct = join_pieces(loss, pieces, &row[0])};
    if (copies == COPIES)
        join_pieces(loss, planes[1].pieces + at * pieces_of(loss), &row[1]);
    for (size_t copy = 0; copy < copies; copy++)
        add_loss(loss, i, &row[copy], planes[copy].target_logits[at], (double)weight, out);
    if (copies == COPIES) {
        row_divergences(row, difference, classes, k);
        out->objective += task->r_drop / 4 * ((double)k[0] + (double)k[1]);
    }
    if (!gradient)
        return;
    if (copies == COPIES)
        row_gradients(row, difference, k, (float)(task->r_drop / 4), share, classes);
    else
        pieces_gradient(loss, pieces, &row[0], share);
    for (size_t copy = 0; copy < copies; copy++)
        row[copy].l[task->targets[i]] -= weight * (float)(1 - task->smoothing);
}

/* ---- a block of rows ---- */

static void bias_gradient(struct loss_node *loss, const float *dl, size_t rows)
{
    size_t classes = loss->task.classes;
#pragma omp parallel for schedule(dynamic)
    for (size_t tile = 0; tile < tiles_of(classes, BIAS_COLUMNS); tile++) {
        size_t first = tile * BIAS_COLUMNS;
        rows_sum(
                dl + first, rows, smaller(BIAS_COLUMNS, classes - first), classes, true, loss->dbias + first);
    }
}

/* dx of the block's rows; dW is added to. */
static void block_gradients(
        struct tape *tape, const struct loss_node *loss, const struct plane *plane, size_t rows, size_t x_row)
{
    const size_t d = loss->x->columns, classes = loss->task.classes;
    if (loss->dx)
        gemm_packed(&(struct packed_product){.m = rows,
                .n = d,
                .a = plane->l,
                .lda = classes,
                .b = &loss->back,
                .add = loss->add_x,
                .c = loss->dx + x_row * d,
                .ldc = d});
    if (loss->dweight)
        gemm(tape_arena(tape), &(struct product){.transpose_a = true,
                                       .m = classes,
                                       .n = d,
                                       .k = rows,
                                       .a = plane->l,
                                       .lda = classes,
                                       .b = loss->x->value + x_row * d,
                                       .ldb = d,
                                       .add = true,
                                       .c = loss->dweight,
                                       .ldc = d});
}

/* l [planes·rows, classes] for the targets [first, first + rows). */
static void loss_block(struct tape *tape, struct loss_node *loss, size_t first, size_t rows, float *l)
{
    const size_t d = loss->x->columns, classes = loss->task.classes, copies = loss->copies;
    const size_t targets = loss->x->rows / copies;
    const bool gradient = loss->dx || loss->dweight || loss->dbias;
    struct plane planes[COPIES];
    for (size_t copy = 0; copy < copies; copy++) {
        planes[copy] = (struct plane){loss, first, l + copy * rows * classes,
                loss->pieces + copy * rows * pieces_of(loss), loss->target_logits + copy * rows};
        gemm_packed(&(struct packed_product){.m = rows,
                .n = classes,
                .a = loss->x->value + (copy * targets + first) * d,
                .lda = d,
                .b = &loss->forward,
                .c = planes[copy].l,
                .ldc = classes,
                .finish = finish_tile,
                .context = &planes[copy]});
    }
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t i = 0; i < rows; i++)
        target_loss(planes, i, l + (copies * rows + i) * classes, gradient);
    for (size_t copy = 0; copy < copies; copy++)
        block_gradients(tape, loss, &planes[copy], rows, copy * targets + first);
    if (loss->dbias)
        bias_gradient(loss, l, copies * rows);
}

static void add_up(const struct loss_node *loss, struct loss *out)
{
    *out = (struct loss){.tokens = (int64_t)(loss->x->rows / loss->copies)};
    for (int64_t i = 0; i < out->tokens; i++) {
        out->objective += loss->rows[i].objective;
        out->cross_entropy += loss->rows[i].cross_entropy;
        out->correct += loss->rows[i].correct;
    }
}

/* The gradients were made by the forward pass; the node only marks when they are final. */
static void backward(struct tape *tape, struct node *node)
{
    (void)tape;
    (void)node;
}

/* Products of one block of rows in all their directions; gradients are made on the way forward. */
static void block_work(const struct loss_node *loss, size_t rows, struct op_work *out)
{
    const size_t d = loss->x->columns, classes = loss->task.classes;
    if (rows == 0)
        return;
    op_work_product(
            out, FORWARD, (struct product_shape){.transpose_b = true, .m = rows, .n = classes, .k = d});
    if (loss->dx)
        op_work_product(out, FORWARD, (struct product_shape){.m = rows, .n = d, .k = classes});
    if (loss->dweight)
        op_work_product(
                out, FORWARD, (struct product_shape){.transpose_a = true, .m = classes, .n = d, .k = rows});
}

static void work(const struct node *node, struct op_work *out)
{
    const struct loss_node *loss = node->data;
    size_t targets = loss->x->rows / loss->copies, block = block_rows(loss);
    for (size_t first = 0; first < targets; first += block)
        for (size_t copy = 0; copy < loss->copies; copy++)
            block_work(loss, smaller(block, targets - first), out);
}

const struct op loss_op = {
        "loss", "output projection and label-smoothed cross-entropy", backward, work, NULL};

static void check(const struct loss_node *loss)
{
    const struct loss_task *task = &loss->task;
    ASSERT(task->classes > 0 && task->classes <= loss->weight->rows);
    ASSERT(loss->weight->columns == loss->x->columns && loss->x->rows % loss->copies == 0);
    ASSERT(!loss->bias || loss->bias->columns >= task->classes);
    for (size_t i = 0; i < loss->x->rows / loss->copies; i++)
        ASSERT(task->targets[i] >= 0 && (size_t)task->targets[i] < task->classes);
}

/* Memory for a block, and the weights as its products want them. Returns room for the logits. */
static float *block_take(struct tape *tape, struct loss_node *loss, size_t rows)
{
    struct arena *arena = tape_arena(tape);
    const struct tensor *weight = loss->weight;
    const size_t classes = loss->task.classes, d = weight->columns;
    if (packed_take(&loss->forward, arena, classes, d))
        packed_fill(&loss->forward, weight->value, d, false);
    if (loss->dx && packed_take(&loss->back, arena, d, classes))
        packed_fill(&loss->back, weight->value, d, true);
    loss->pieces = arena_take(arena, loss->copies * rows * pieces_of(loss), sizeof *loss->pieces);
    loss->target_logits = arena_take(arena, loss->copies * rows, sizeof *loss->target_logits);
    return arena_take(arena, block_planes(loss) * rows * classes, sizeof(float));
}

void op_loss(struct tape *tape, struct tensor *x, struct tensor *weight, struct tensor *bias,
        const struct loss_task *task, struct loss *out)
{
    *out = (struct loss){0};
    if (tape_status(tape) != STATUS_OK)
        return;
    struct loss_node *loss = arena_take(tape_arena(tape), 1, sizeof *loss);
    if (!loss)
        return;
    *loss = (struct loss_node){
            .x = x, .weight = weight, .bias = bias, .task = *task, .copies = task->r_drop > 0 ? COPIES : 1};
    check(loss);
    loss->dx = tensor_gradient(tape, x, &loss->add_x);
    loss->dweight = tensor_gradient_part(tape, weight);
    loss->dbias = tensor_gradient_part(tape, bias);

    struct arena_mark mark = arena_mark(tape_arena(tape));
    size_t targets = x->rows / loss->copies, block = block_rows(loss);
    float *logits = block_take(tape, loss, block);
    loss->rows = arena_take(tape_arena(tape), targets, sizeof *loss->rows);
    if (tape_status(tape) != STATUS_OK)
        return;
    for (size_t first = 0; first < targets; first += block)
        loss_block(tape, loss, first, smaller(block, targets - first), logits);
    add_up(loss, out);
    arena_reset(tape_arena(tape), mark);
    tape_record(tape, &loss_op, loss, (struct tensor *[]){x, weight, bias}, 3, NULL, 0);
}
