#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/profile.h"

#include <string.h>

/*
 * y_i = dropout(scale · E[id_i] + P[p_i]); a negative id is the zero vector (its position is still added).
 *
 * dE[id] = scale · sum of dy_i over the rows i with that id, dP[p] alike: added in row order, columns shared out.
 */
struct node_data {
    struct embedding embedding;
    struct dropout dropout;
};

/* Columns of one task of a scatter: two cache lines. */
enum { SCATTER_COLUMNS = 32 };

static void forward_rows(const struct node_data *data, size_t first, size_t rows, size_t columns,
        const float *table, const float *positions, float *y)
{
    const struct embedding *e = &data->embedding;
    for (size_t i = first; i < first + rows; i++) {
        float *row = y + i * columns;
        if (positions)
            memcpy(row, positions + (size_t)e->positions[i] * columns, columns * sizeof *row);
        else
            memset(row, 0, columns * sizeof *row);
        if (e->ids[i] >= 0)
            floats_add_scaled(row, table + (size_t)e->ids[i] * columns, e->scale, columns);
    }
    dropout_apply(&data->dropout, first * columns, y + first * columns, rows * columns);
}

/* into[index[i]] += scale · x[i], rows in order; negative indices are passed over. */
static void scatter(
        const float *x, const int32_t *index, size_t rows, size_t columns, float scale, float *into)
{
#pragma omp parallel for schedule(dynamic)
    for (size_t tile = 0; tile < tiles_of(columns, SCATTER_COLUMNS); tile++) {
        size_t first = tile * SCATTER_COLUMNS, width = smaller(SCATTER_COLUMNS, columns - first);
        for (size_t i = 0; i < rows; i++)
            if (index[i] >= 0)
                floats_add_scaled(
                        into + (size_t)index[i] * columns + first, x + i * columns + first, scale, width);
    }
}

static void backward(struct tape *tape, struct node *node)
{
    const struct node_data *data = node->data;
    const struct embedding *e = &data->embedding;
    struct tensor *y = node->outputs[0];
    float *dtable = tensor_gradient_part(tape, node->inputs[0]);
    float *dpositions = tensor_gradient_part(tape, node->inputs[1]);
    if (tape_status(tape) != STATUS_OK)
        return;
    if (dropout_active(&data->dropout)) {
#pragma omp parallel for schedule(dynamic)
        for (size_t block = 0; block < tiles_of(y->rows, ROW_BLOCK); block++) {
            struct floats part = row_block(y->rows, y->columns, block);
            dropout_apply(&data->dropout, part.first, y->gradient + part.first, part.count);
        }
    }
    if (dtable)
        scatter(y->gradient, e->ids, y->rows, y->columns, e->scale, dtable);
    if (dpositions)
        scatter(y->gradient, e->positions, y->rows, y->columns, 1, dpositions);
}

/* Rows of the tables read and y written; then dy read and rows of the gradients read and written. */
static void work(const struct node *node, struct op_work *out)
{
    const struct tensor *y = node->outputs[0];
    const struct node_data *data = node->data;
    double matrix = (double)y->rows * (double)y->columns * sizeof(float);
    int learned = node->inputs[1] ? 2 : 1;
    out->bytes[FORWARD] += matrix * (data->embedding.positions ? 3 : 2);
    out->bytes[BACKWARD] += matrix * 3 * learned;
}

const struct op embedding_op = {"embedding", "dropout(scale · E[id] + P[position])", backward, work, NULL};

struct tensor *op_embedding(struct tape *tape, const struct embedding *embedding, struct tensor *table,
        const float *fixed_positions, struct tensor *learned_positions, struct dropout dropout)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    const float *positions = learned_positions ? learned_positions->value : fixed_positions;
    ASSERT(!positions || embedding->positions);
    struct tensor *y = tape_tensor(tape, embedding->rows, table->columns);
    struct node_data *data = arena_take(tape_arena(tape), 1, sizeof *data);
    if (!y || !data)
        return NULL;
    *data = (struct node_data){*embedding, dropout};
#pragma omp parallel for schedule(dynamic)
    for (size_t block = 0; block < tiles_of(y->rows, ROW_BLOCK); block++) {
        size_t first = block * ROW_BLOCK, rows = smaller(ROW_BLOCK, y->rows - first);
        forward_rows(data, first, rows, y->columns, table->value, positions, y->value);
    }
    tape_record(tape, &embedding_op, data, (struct tensor *[]){table, learned_positions}, 2, &y, 1);
    return y;
}
