#include "io/source/picture.h"

#include "comm/memory.h"

#include <math.h>
#include <string.h>

/* One side of the result over the part of the picture's that it shows. */
struct axis {
    double start, step; /* pixel i of the result is the picture's from start + i·step, `step` long */
    size_t count;       /* pixels of the picture */
};

/* Pixels [first, end) that a pixel of the result is made of: by a triangle that is one pixel of the larger of the two
 * wide on either side of its middle. */
struct reach {
    size_t first, end;
    double middle, radius;
};

static struct reach reach_of(const struct axis *axis, size_t i)
{
    double middle = axis->start + ((double)i + 0.5) * axis->step, radius = axis->step > 1 ? axis->step : 1;
    double first = floor(middle - radius), end = ceil(middle + radius), count = (double)axis->count;
    return (struct reach){
            (size_t)(first > 0 ? first : 0), (size_t)(end < count ? end : count), middle, radius};
}

static double weight_of(const struct reach *reach, size_t pixel)
{
    double weight = 1 - fabs((double)pixel + 0.5 - reach->middle) / reach->radius;
    return weight > 0 ? weight : 0;
}

/* A row of the result, still as wide as the picture. */
static void add_rows(const struct picture *picture, const struct axis *down, size_t i, double *row)
{
    struct reach reach = reach_of(down, i);
    size_t floats = picture->width * picture->channels;
    double sum = 0;
    memset(row, 0, floats * sizeof *row);
    for (size_t y = reach.first; y < reach.end; y++) {
        double weight = weight_of(&reach, y);
        sum += weight;
        for (size_t k = 0; weight > 0 && k < floats; k++)
            row[k] += weight * picture->pixels[y * floats + k];
    }
    for (size_t k = 0; k < floats; k++)
        row[k] /= sum;
}

/* Pixel i of that row across; grey is the luma of ITU-R BT.601. */
static void put_pixel(const double *row, size_t channels, const struct axis *across, size_t i,
        size_t out_channels, uint8_t *out)
{
    struct reach reach = reach_of(across, i);
    double colour[3] = {0}, sum = 0;
    for (size_t x = reach.first; x < reach.end; x++) {
        double weight = weight_of(&reach, x);
        sum += weight;
        for (size_t c = 0; c < 3; c++)
            colour[c] += weight * row[x * channels + (channels == 3 ? c : 0)];
    }
    if (out_channels == 1 && channels == 3)
        colour[0] = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
    for (size_t c = 0; c < out_channels; c++)
        out[c] = (uint8_t)(colour[c] / sum + 0.5);
}

enum status picture_fit(
        const struct picture *picture, size_t height, size_t width, size_t channels, uint8_t *out)
{
    double down = (double)picture->height / (double)height, across = (double)picture->width / (double)width;
    double step = down < across ? down : across, *row = NULL;
    struct axis y = {((double)picture->height - step * (double)height) / 2, step, picture->height};
    struct axis x = {((double)picture->width - step * (double)width) / 2, step, picture->width};
    TRY(memory_new(&row, "picture", picture->width * picture->channels, sizeof *row));
    for (size_t i = 0; i < height; i++) {
        add_rows(picture, &y, i, row);
        for (size_t j = 0; j < width; j++)
            put_pixel(row, picture->channels, &x, j, channels, out + (i * width + j) * channels);
    }
    memory_free(row);
    return STATUS_OK;
}
