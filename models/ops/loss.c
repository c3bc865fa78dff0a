#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/vector.h"

#include <math.h>

/*
 * l = x Wᵀ + b;  p = softmax(l);  -(1-e) log p[t] - e/C · sum_c log p[c];  dl = p - (1-e) [c = t] - e/C
 *
 * Block by block of rows: logits, softmax and gradient in place, dx of the block, dW and db added to.
 */
struct loss_node {
    struct tensor *x, *weight, *bias;
    size_t classes;
    const int32_t *targets;
    double smoothing;
    float *dx, *dweight, *dbias; /* NULL: not wanted */
    bool add_x, add_weight, add_bias;
    float *log_probabilities;
    struct row_loss *rows; /* [n] */
};

struct row_loss {
    double objective, cross_entropy;
    bool correct;
};

/* Logits of a block: near 16 MiB, enough rows for products to be fast. */
enum { BLOCK_LOGITS = 1 << 22, BLOCK_ROWS_LEAST = 256, BLOCK_ROWS_MOST = 2048, BIAS_COLUMNS = 256 };

static size_t block_rows(size_t n, size_t classes)
{
    size_t rows = BLOCK_LOGITS / classes / 64 * 64;
    rows = rows < BLOCK_ROWS_LEAST ? BLOCK_ROWS_LEAST : smaller(rows, BLOCK_ROWS_MOST);
    return smaller(rows, n);
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

/* Whether the target is the first largest. */
static bool is_first_largest(const float *l, float maximum, int32_t target)
{
    if (!(l[target] == maximum))
        return false;
    for (int32_t c = 0; c < target; c++)
        if (l[c] == maximum)
            return false;
    return true;
}

/* Loss of row i; its logits become their gradient. */
static void loss_row(const struct loss_node *loss, size_t i, float *l, bool gradient)
{
    const int32_t target = loss->targets[i];
    const double e = loss->smoothing, classes = (double)loss->classes;
    const struct row_sums sums = row_sums(l, loss->bias ? loss->bias->value : NULL, loss->classes);
    const double of_target = (double)l[target];
    const bool correct = is_first_largest(l, sums.maximum, target);
    const float exponentials = row_exponentials(l, sums.maximum, loss->classes);
    const double lse = (double)sums.maximum + log((double)exponentials);
    const double cross_entropy = lse - of_target;
    loss->rows[i] =
            (struct row_loss){.objective = (1 - e) * cross_entropy + e * (lse - (double)sums.sum / classes),
                    .cross_entropy = cross_entropy,
                    .correct = correct};
    if (loss->log_probabilities)
        loss->log_probabilities[i] = (float)-cross_entropy;
    if (!gradient)
        return;
    row_gradient(l, 1.0f / exponentials, (float)(e / classes), loss->classes);
    l[target] -= (float)(1 - e);
}

static void bias_gradient(struct loss_node *loss, const float *dl, size_t rows)
{
    size_t classes = loss->classes;
#pragma omp parallel for schedule(dynamic)
    for (size_t tile = 0; tile < tiles_of(classes, BIAS_COLUMNS); tile++) {
        size_t first = tile * BIAS_COLUMNS;
        rows_sum(
                dl + first, rows, smaller(BIAS_COLUMNS, classes - first), classes, true, loss->dbias + first);
    }
}

static void loss_block(struct loss_node *loss, size_t first, size_t rows, float *l)
{
    size_t d = loss->x->columns, classes = loss->classes;
    const float *x = loss->x->value + first * d, *weight = loss->weight->value;
    bool gradient = loss->dx || loss->dweight || loss->dbias;
    gemm_nt(rows, classes, d, x, d, weight, d, 0, l, classes);
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t i = 0; i < rows; i++)
        loss_row(loss, first + i, l + i * classes, gradient);
    if (loss->dx)
        gemm_nn(rows, d, classes, l, classes, weight, d, loss->add_x, loss->dx + first * d, d);
    if (loss->dweight)
        gemm_tn(classes, d, rows, l, classes, x, d, 1, loss->dweight, d);
    if (loss->dbias)
        bias_gradient(loss, l, rows);
}

static void add_up(const struct loss_node *loss, struct loss *out)
{
    *out = (struct loss){.tokens = (int64_t)loss->x->rows};
    for (size_t i = 0; i < loss->x->rows; i++) {
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

const struct op loss_op = {"loss", "output projection and label-smoothed cross-entropy", backward};

void op_loss(struct tape *tape, struct tensor *x, struct tensor *weight, struct tensor *bias, size_t classes,
        const int32_t *targets, double smoothing, struct loss *out, float *log_probabilities)
{
    *out = (struct loss){0};
    if (tape_status(tape) != STATUS_OK)
        return;
    ASSERT(classes > 0 && classes <= weight->rows && weight->columns == x->columns);
    ASSERT(!bias || bias->columns >= classes);
    struct loss_node loss = {.x = x,
            .weight = weight,
            .bias = bias,
            .classes = classes,
            .targets = targets,
            .smoothing = smoothing,
            .log_probabilities = log_probabilities};
    for (size_t i = 0; i < x->rows; i++)
        ASSERT(targets[i] >= 0 && (size_t)targets[i] < classes);
    loss.dx = tensor_gradient(tape, x, &loss.add_x);
    loss.dweight = tensor_gradient_part(tape, weight);
    loss.dbias = tensor_gradient_part(tape, bias);

    struct arena_mark mark = arena_mark(tape_arena(tape));
    size_t block = block_rows(x->rows, classes);
    float *logits = arena_take(tape_arena(tape), block * classes, sizeof *logits);
    loss.rows = arena_take(tape_arena(tape), x->rows, sizeof *loss.rows);
    if (tape_status(tape) != STATUS_OK)
        return;
    for (size_t first = 0; first < x->rows; first += block)
        loss_block(&loss, first, smaller(block, x->rows - first), logits);
    add_up(&loss, out);
    arena_reset(tape_arena(tape), mark);
    tape_record(tape, &loss_op, NULL, (struct tensor *[]){x, weight, bias}, 3, NULL, 0);
}
