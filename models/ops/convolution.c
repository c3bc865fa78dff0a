#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/profile.h"

#include <string.h>

/*
 * z[cell, o] = b[o] + sum over i, y, x of W[o, i, y, x] · input[cell's window at (y, x), i];  out = f(z)
 *
 * Cells of an image are taken a tile at a time: their windows are laid out as rows (im2col), which makes the rest a product.
 * dz = dout · f'(z);  dW = dzᵀ windows;  dinput: each row of dz W goes back to where its window lies.
 *
 * A tile lies in one image and is cut by its shape alone. Images are the work of one thread each, in at most GROUPS runs of
 * them whose shares of dW and db are added in order.
 */
enum { TILE_FLOATS = 1 << 16, TILE_CELLS = 256, GROUPS = 16 };

struct convolution {
    struct grid grid;
    const struct activation_kind *activation;
    float *weight; /* [out, kernel, kernel, channels], as windows are */
    float *z;      /* [cells, out]; NULL if backward can do without */
};

/* Floats of a window. */
static size_t window_floats(const struct grid *g)
{
    return g->channels * g->kernel * g->kernel;
}

static size_t tile_cells(const struct grid *g)
{
    size_t cells = TILE_FLOATS / window_floats(g);
    return cells < 1 ? 1 : smaller(cells, TILE_CELLS);
}

size_t grid_out(size_t side, const struct grid *g)
{
    return (side + 2 * g->padding - g->kernel) / g->stride + 1;
}

static size_t cells_of(const struct grid *g)
{
    return grid_out(g->height, g) * grid_out(g->width, g);
}

/* What is done with a pixel of a window and its place in the image. */
typedef void move_pixel(float *window, float *image, size_t channels);

static void take(float *window, float *image, size_t channels)
{
    memcpy(window, image, channels * sizeof *window);
}

static void give(float *window, float *image, size_t channels)
{
    floats_add(image, window, channels);
}

/* Moves the window of a cell, [kernel, kernel, channels], from or to an image [height, width, channels]; what lies outside
 * the image stays as it is. */
static void move_window(const struct grid *g, size_t cell, float *window, float *image, move_pixel *move)
{
    size_t across = grid_out(g->width, g);
    size_t top = cell / across * g->stride, left = cell % across * g->stride;
    for (size_t y = 0; y < g->kernel; y++)
        for (size_t x = 0; x < g->kernel; x++, window += g->channels) {
            size_t row = top + y, column = left + x; /* with the padding */
            if (row >= g->padding && row < g->height + g->padding && column >= g->padding &&
                    column < g->width + g->padding)
                move(window, image + ((row - g->padding) * g->width + column - g->padding) * g->channels,
                        g->channels);
        }
}

static void move_windows(
        const struct grid *g, size_t first, size_t cells, float *windows, float *image, move_pixel *move)
{
    size_t floats = window_floats(g);
    for (size_t i = 0; i < cells; i++)
        move_window(g, first + i, windows + i * floats, image, move);
}

static void lay_out(const struct grid *g, size_t first, size_t cells, float *windows, const float *image)
{
    memset(windows, 0, cells * window_floats(g) * sizeof *windows);
    move_windows(g, first, cells, windows, (float *)image, take);
}

/* Weights as parameters are, [out, channels, taps], to [out, taps, channels]; or gradients back, added. */
static void turn_weight(const struct grid *g, size_t out, const float *weight, float *turned)
{
    size_t taps = g->kernel * g->kernel, floats = window_floats(g);
    for (size_t o = 0; o < out; o++)
        for (size_t c = 0; c < g->channels; c++)
            for (size_t t = 0; t < taps; t++)
                turned[o * floats + t * g->channels + c] = weight[o * floats + c * taps + t];
}

static void turn_back(const struct grid *g, size_t out, const float *turned, float *weight)
{
    size_t taps = g->kernel * g->kernel, floats = window_floats(g);
    for (size_t o = 0; o < out; o++)
        for (size_t c = 0; c < g->channels; c++)
            for (size_t t = 0; t < taps; t++)
                weight[o * floats + c * taps + t] += turned[o * floats + t * g->channels + c];
}

/* ---- forward ---- */

static void forward_image(const struct convolution *own, const float *image, const struct tensor *weight,
        const float *bias, float *windows, float *z, float *out)
{
    const struct grid *g = &own->grid;
    size_t columns = weight->rows, floats = window_floats(g), all = cells_of(g), step = tile_cells(g);
    for (size_t first = 0; first < all; first += step) {
        size_t cells = smaller(step, all - first);
        lay_out(g, first, cells, windows, image);
        gemm_single(&(struct product){.transpose_b = true,
                .m = cells,
                .n = columns,
                .k = floats,
                .a = windows,
                .lda = floats,
                .b = own->weight,
                .ldb = floats,
                .c = z + first * columns,
                .ldc = columns});
        for (size_t i = first; i < first + cells; i++)
            floats_add(z + i * columns, bias, columns);
        if (own->activation)
            own->activation->forward(z + first * columns, out + first * columns, cells * columns);
    }
}

/* ---- backward ---- */

/* What the gradients of a run of images are added to. */
struct shares {
    float *weight, *bias; /* NULL: not wanted */
    float *windows, *back;
};

static void backward_image(const struct convolution *own, const struct tensor *weight, const float *image,
        const float *out, float *dz, float *dimage, const struct shares *to, size_t z_first)
{
    const struct grid *g = &own->grid;
    size_t columns = weight->rows, floats = window_floats(g), all = cells_of(g), step = tile_cells(g);
    for (size_t first = 0; first < all; first += step) {
        size_t cells = smaller(step, all - first), at = first * columns;
        if (own->activation)
            own->activation->backward(own->z ? own->z + z_first + at : out + at, dz + at, cells * columns);
        rows_sum(dz + at, cells, columns, columns, true, to->bias);
        if (to->weight) {
            lay_out(g, first, cells, to->windows, image);
            gemm_single(&(struct product){.transpose_a = true,
                    .m = columns,
                    .n = floats,
                    .k = cells,
                    .a = dz + at,
                    .lda = columns,
                    .b = to->windows,
                    .ldb = floats,
                    .add = true,
                    .c = to->weight,
                    .ldc = floats});
        }
        if (!dimage)
            continue;
        gemm_single(&(struct product){.m = cells,
                .n = floats,
                .k = columns,
                .a = dz + at,
                .lda = columns,
                .b = own->weight,
                .ldb = floats,
                .c = to->back,
                .ldc = floats});
        move_windows(g, first, cells, to->back, dimage, give);
    }
}

/* Images of a run of them, and the runs. */
static size_t run_length(const struct grid *g)
{
    return tiles_of(g->images, GROUPS);
}

static size_t runs_of(const struct grid *g)
{
    return g->images ? tiles_of(g->images, run_length(g)) : 0;
}

/* Room for one run after another: weight, bias, windows, windows back. */
static struct shares share(float *room, size_t run, const struct tensor *weight, const struct grid *g)
{
    size_t matrix = weight->rows * weight->columns, tile = tile_cells(g) * window_floats(g);
    float *start = room + run * (matrix + weight->rows + 2 * tile);
    return (struct shares){
            start, start + matrix, start + matrix + weight->rows, start + matrix + weight->rows + tile};
}

static size_t share_floats(const struct tensor *weight, const struct grid *g)
{
    return weight->rows * weight->columns + weight->rows + 2 * tile_cells(g) * window_floats(g);
}

static void backward_run(const struct convolution *own, struct node *node, const float *value, float *dx,
        struct shares to, size_t run)
{
    const struct grid *g = &own->grid;
    const struct tensor *weight = node->inputs[1], *out = node->outputs[0];
    size_t inside = g->height * g->width * g->channels, outside = cells_of(g) * weight->rows;
    size_t first = run * run_length(g), end = smaller(first + run_length(g), g->images);
    memset(to.weight, 0, (weight->rows * weight->columns + weight->rows) * sizeof(float));
    if (!value)
        to.weight = NULL;
    for (size_t i = first; i < end; i++)
        backward_image(own, weight, value ? value + i * inside : NULL, out->value + i * outside,
                out->gradient + i * outside, dx ? dx + i * inside : NULL, &to, i * outside);
}

/* The shares of all runs in order. */
static void add_shares(
        float *room, const struct tensor *weight, const struct grid *g, float *dweight, float *dbias)
{
    for (size_t run = 0; run < runs_of(g); run++) {
        struct shares from = share(room, run, weight, g);
        if (dweight)
            turn_back(g, weight->rows, from.weight, dweight);
        if (dbias)
            floats_add(dbias, from.bias, weight->rows);
    }
}

static void backward(struct tape *tape, struct node *node)
{
    const struct convolution *own = node->data;
    struct tensor *x = node->inputs[0], *weight = node->inputs[1], *bias = node->inputs[2];
    float *dx = tensor_gradient_part(tape, x);
    float *dweight = tensor_gradient_part(tape, weight), *dbias = tensor_gradient_part(tape, bias);
    const float *value = dweight ? tape_value(tape, x) : NULL;
    struct arena_mark mark = arena_mark(tape_arena(tape));
    size_t runs = runs_of(&own->grid), floats = share_floats(weight, &own->grid);
    float *room = arena_take(tape_arena(tape), runs * floats, sizeof *room);
    if (tape_status(tape) != STATUS_OK)
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t run = 0; run < runs; run++)
        backward_run(own, node, value, dx, share(room, run, weight, &own->grid), run);
    add_shares(room, weight, &own->grid, dweight, dbias);
    arena_reset(tape_arena(tape), mark);
    if (dweight)
        tape_forget(tape, x);
}

static void work(const struct node *node, struct op_work *out)
{
    const struct tensor *x = node->inputs[0], *weight = node->inputs[1];
    size_t rows = node->outputs[0]->rows, in = weight->columns, to = weight->rows;
    op_work_product(out, FORWARD, (struct product_shape){.transpose_b = true, .m = rows, .n = to, .k = in});
    if (weight->wants_gradient)
        op_work_product(
                out, BACKWARD, (struct product_shape){.transpose_a = true, .m = to, .n = in, .k = rows});
    if (x->wants_gradient)
        op_work_product(out, BACKWARD, (struct product_shape){.m = rows, .n = in, .k = to});
}

const struct op convolution_op = {"convolution", "f(x * W + b) over images", backward, work, NULL};

struct tensor *op_convolution(struct tape *tape, const struct grid *grid, struct tensor *x,
        struct tensor *weight, struct tensor *bias, const struct activation_kind *activation)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    ASSERT(x->rows == grid->images * grid->height * grid->width && x->columns == grid->channels);
    ASSERT(weight->columns == window_floats(grid) && bias->columns == weight->rows);
    size_t cells = cells_of(grid), columns = weight->rows, runs = runs_of(grid);
    struct tensor *y = tape_tensor(tape, grid->images * cells, columns);
    struct convolution *own = arena_take(tape_arena(tape), 1, sizeof *own);
    if (!y || !own)
        return NULL;
    *own = (struct convolution){.grid = *grid, .activation = activation};
    y->expendable = !activation || !activation->gated;
    if (tape_recording(tape) && activation && !activation->gated)
        own->z = arena_take(tape_arena(tape), y->rows * columns, sizeof *own->z);
    own->weight = arena_take(tape_arena(tape), weight->rows * weight->columns, sizeof *own->weight);
    struct arena_mark mark = arena_mark(tape_arena(tape));
    size_t tile = tile_cells(grid) * window_floats(grid);
    float *windows = arena_take(tape_arena(tape), runs * tile, sizeof *windows);
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    turn_weight(grid, columns, weight->value, own->weight);
    float *z = own->z ? own->z : y->value;
    size_t inside = grid->height * grid->width * grid->channels, outside = cells * columns;
#pragma omp parallel for schedule(dynamic)
    for (size_t run = 0; run < runs; run++)
        for (size_t i = run * run_length(grid); i < smaller((run + 1) * run_length(grid), grid->images); i++)
            forward_image(own, x->value + i * inside, weight, bias->value, windows + run * tile,
                    z + i * outside, y->value + i * outside);
    arena_reset(tape_arena(tape), mark);
    tape_record(tape, &convolution_op, own, (struct tensor *[]){x, weight, bias}, 3, &y, 1);
    return y;
}
