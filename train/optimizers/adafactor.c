/*
 * Adafactor (Shazeer & Stern 2018, algorithms 4 and 5, without momentum, the rate given from outside), as
 * torch.optim.Adafactor and transformers' with scale_parameter and relative_step off. For a matrix of n rows and m
 * columns, by row i and column j:
 *     R_i = beta R_i + (1 - beta) (mean_j g_ij² + tiny)        beta = 1 - t^-0.8
 *     C_j = beta C_j + (1 - beta) (mean_i g_ij² + tiny)
 *     u_ij = g_ij / sqrt(R_i C_j / mean(R))
 *     p -= rate · decay · p        p -= rate · u / max(1, rms(u))
 * A vector is a matrix of one row: there C is the mean of squares itself. More than two dimensions: all but the last
 * are rows.
 *
 * R and C are kept whole by every rank. The sums of squares are in fixed point, so that the owners of the blocks of a
 * matrix may add what they have in any order.
 */
#include "comm/fixed.h"
#include "comm/memory.h"
#include "comm/vector.h"
#include "train/optimizers/internal.h"

#include <math.h>
#include <string.h>

enum axis { ROWS, COLUMNS, AXES };
static const double TINY = 1e-30, DECAY_EXPONENT = -0.8;

struct factored {
    struct flat_array *arrays[AXES]; /* [parameters] where R and C of each lie */
    size_t floats[AXES];
    float *means[AXES];           /* R, C: the state */
    float *inverse[AXES];         /* sqrt(mean(R) / R), 1 / sqrt(C) */
    struct fixed_sum *sums[AXES]; /* of squares; COLUMNS follow ROWS */
};

/* ---- layout ---- */

/* An axis takes no more floats than the parameter, so that offsets stay inside the flat buffer. */
static void lay_out(struct factored *f, const struct parameters *parameters, size_t number)
{
    enum { ALIGN_FLOATS = MEMORY_ALIGNMENT / sizeof(float) };
    const struct parameter *item = &parameters->items[number];
    size_t columns = item->array.shape[item->array.rank - 1];
    const size_t counts[AXES] = {columns ? item->floats / columns : 0, columns};
    for (int axis = 0; axis < AXES; axis++) {
        struct flat_array *array = &f->arrays[axis][number];
        memcpy(array->name, item->array.name, sizeof array->name);
        array->rank = 1;
        array->shape[0] = counts[axis];
        array->offset = f->floats[axis];
        f->floats[axis] += (counts[axis] + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    }
}

static enum status open_factored(struct optimizer *o)
{
    struct factored *f;
    TRY(memory_new(&f, "optimizer", 1, sizeof *f));
    o->state = f;
    for (int axis = 0; axis < AXES; axis++)
        TRY(memory_new(&f->arrays[axis], "optimizer", o->parameters->count, sizeof *f->arrays[axis]));
    for (size_t i = 0; i < o->parameters->count; i++)
        lay_out(f, o->parameters, i);
    for (int axis = 0; axis < AXES; axis++) {
        TRY(memory_new(&f->means[axis], "moments", f->floats[axis], sizeof(float)));
        TRY(memory_new(&f->inverse[axis], "optimizer", f->floats[axis], sizeof(float)));
    }
    TRY(memory_new(&f->sums[ROWS], "optimizer", f->floats[ROWS] + f->floats[COLUMNS], sizeof *f->sums[ROWS]));
    f->sums[COLUMNS] = f->sums[ROWS] + f->floats[ROWS];
    return STATUS_OK;
}

static void close_factored(struct optimizer *o)
{
    struct factored *f = o->state;
    if (!f)
        return;
    for (int axis = 0; axis < AXES; axis++) {
        memory_free(f->arrays[axis]);
        memory_free(f->means[axis]);
        memory_free(f->inverse[axis]);
    }
    memory_free(f->sums[ROWS]);
    memory_free(f);
}

static size_t planes(struct optimizer *o, struct flat_plane *out)
{
    struct factored *f = o->state;
    static const char *const groups[AXES] = {"optimizer/rows", "optimizer/columns"};
    static const char *const texts[AXES] = {
            "mean square of the gradient, by row", "mean square of the gradient, by column"};
    for (int axis = 0; axis < AXES; axis++)
        out[axis] = (struct flat_plane){.group = groups[axis],
                .values = f->means[axis],
                .flat = true,
                .description = texts[axis],
                .arrays = f->arrays[axis]};
    return AXES;
}

/* ---- walking a tile row by row ---- */

/* The part of a tile that lies in one row. */
struct piece {
    size_t row, column, at, count; /* `at`: in the tile */
};

static bool piece_next(const struct tile *tile, size_t columns, struct piece *piece)
{
    size_t at = piece->at + piece->count;
    if (at >= tile->count)
        return false;
    piece->at = at;
    piece->row = (tile->first + at) / columns;
    piece->column = (tile->first + at) % columns;
    piece->count = columns - piece->column;
    if (piece->count > tile->count - at)
        piece->count = tile->count - at;
    return true;
}

/* ---- sums of squares ---- */

VECTOR_CLONES static void add_squares(size_t count, const float *restrict gradient, double *restrict sums)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        sums[i] += (double)gradient[i] * (double)gradient[i];
}

/* First in double, whose order inside a tile is fixed; sums[k] of a tile are of column (first + k) mod columns. */
static void add_columns(const struct tile *tile, size_t columns, struct fixed_sum *to, int shift)
{
    double sums[BLOCK_FLOATS] = {0};
    size_t width = columns < tile->count ? columns : tile->count;
    for (size_t at = 0; at < tile->count; at += width)
        add_squares(tile->count - at < width ? tile->count - at : width, tile->gradient + at, sums);
    for (size_t k = 0; k < width; k++)
        fixed_add(&to[(tile->first + k) % columns], sums[k], shift);
}

static void add_rows(const struct tile *tile, size_t columns, struct fixed_sum *to, int shift)
{
    struct piece piece = {0};
    while (piece_next(tile, columns, &piece))
        fixed_add(&to[piece.row], vector_square(tile->gradient + piece.at, piece.count), shift);
}

static enum status sum_squares(struct optimizer *o, float *values, const float *gradient, int shift)
{
    struct factored *f = o->state;
    size_t count = f->floats[ROWS] + f->floats[COLUMNS];
    memset(f->sums[ROWS], 0, count * sizeof *f->sums[ROWS]);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->mine_count; i++) {
        struct tile tile = optimizer_tile(o, i, values, gradient);
        const struct flat_array *rows = &f->arrays[ROWS][tile.parameter];
        const struct flat_array *columns = &f->arrays[COLUMNS][tile.parameter];
        add_rows(&tile, columns->shape[0], f->sums[ROWS] + rows->offset, shift);
        add_columns(&tile, columns->shape[0], f->sums[COLUMNS] + columns->offset, shift);
    }
    return o->blocks.ranks > 1 ? fixed_join(f->sums[ROWS], count) : STATUS_OK;
}

/* ---- means and their inverse roots ---- */

/* `factor`: from the sum of squares to the mean of scaled ones. Returns the mean over the axis. */
static double move_means(
        struct factored *f, enum axis axis, size_t parameter, double weight, double factor, int shift)
{
    const struct flat_array *array = &f->arrays[axis][parameter];
    float *means = f->means[axis] + array->offset;
    double sum = 0;
    for (size_t i = 0; i < array->shape[0]; i++) {
        double mean = fixed_value(&f->sums[axis][array->offset + i], shift) * factor + TINY;
        means[i] = (float)(means[i] + weight * (mean - means[i]));
        sum += means[i];
    }
    return sum / (double)array->shape[0];
}

static void invert(struct factored *f, enum axis axis, size_t parameter, double unit)
{
    const struct flat_array *array = &f->arrays[axis][parameter];
    for (size_t i = array->offset; i < array->offset + array->shape[0]; i++)
        f->inverse[axis][i] = (float)sqrt(unit / f->means[axis][i]);
}

static void follow(struct optimizer *o, const struct optimizer_step *step, int shift)
{
    struct factored *f = o->state;
    double weight = pow((double)step->update, DECAY_EXPONENT), scale = step->scale * step->scale;
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < o->parameters->count; i++) {
        double rows = (double)f->arrays[ROWS][i].shape[0], columns = (double)f->arrays[COLUMNS][i].shape[0];
        double mean = move_means(f, ROWS, i, weight, scale / columns, shift);
        (void)move_means(f, COLUMNS, i, weight, scale / rows, shift);
        invert(f, ROWS, i, mean);
        invert(f, COLUMNS, i, 1);
    }
}

/* ---- the step ---- */

VECTOR_CLONES static void scale_row(float factor, size_t count, const float *restrict gradient,
        const float *restrict columns, float *restrict u)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        u[i] = gradient[i] * factor * columns[i];
}

static void direction(const struct factored *f, double scale, const struct tile *tile, float *u)
{
    const struct flat_array *columns = &f->arrays[COLUMNS][tile->parameter];
    const float *by_row = f->inverse[ROWS] + f->arrays[ROWS][tile->parameter].offset;
    const float *by_column = f->inverse[COLUMNS] + columns->offset;
    struct piece piece = {0};
    while (piece_next(tile, columns->shape[0], &piece))
        scale_row((float)scale * by_row[piece.row], piece.count, tile->gradient + piece.at,
                by_column + piece.column, u + piece.at);
}

static enum status prepare(
        struct optimizer *o, const struct optimizer_step *step, float *values, const float *gradient)
{
    int shift = fixed_shift(step->square_norm);
    TRY(sum_squares(o, values, gradient, shift));
    follow(o, step, shift);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->mine_count; i++) {
        float u[BLOCK_FLOATS];
        struct tile tile = optimizer_tile(o, i, values, gradient);
        direction(o->state, step->scale, &tile, u);
        o->partial[i][0] = vector_square(u, tile.count);
    }
    return optimizer_sum(o);
}

VECTOR_CLONES static void move_tile(
        float shrink, float rate, size_t count, float *restrict parameters, const float *restrict u)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        parameters[i] = parameters[i] - shrink * parameters[i] - rate * u[i];
}

static void update(const struct optimizer *o, const struct optimizer_step *step, const struct tile *tile)
{
    float u[BLOCK_FLOATS];
    double square = o->sums[tile->parameter][0] / (double)o->parameters->items[tile->parameter].floats;
    double rms = sqrt(square), rate = step->learning_rate;
    direction(o->state, step->scale, tile, u);
    move_tile((float)(rate * tile->decay), (float)(rate / (rms > 1 ? rms : 1)), tile->count, tile->values, u);
}

const struct optimizer_method optimizer_adafactor = {
        .needs_sums = true,
        .open = open_factored,
        .close = close_factored,
        .planes = planes,
        .prepare = prepare,
        .update = update,
};
