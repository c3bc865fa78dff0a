/*
 * op_convolution() for convolution.py: tool_convolution IN.raw OUT.raw
 *
 * In: int32 {images, height, width, channels, out, kernel, stride, padding}, then as floats x [images, height, width,
 * channels], weight [out, channels, kernel, kernel], bias [out], and the gradient of the result [images, cells, out].
 * Out: floats: the result, and the gradients of x, weight and bias.
 */
#include "comm/comm.h"
#include "models/ops.h"

#include <stdio.h>
#include <string.h>

enum { HEAD = 8 };

static enum status read_floats(FILE *file, float **out, size_t count)
{
    TRY(memory_new(out, "floats", count, sizeof **out));
    CHECK(fread(*out, sizeof **out, count, file) == count, STATUS_DATA, "the input is too short");
    return STATUS_OK;
}

static enum status write_floats(FILE *file, const float *values, size_t count)
{
    CHECK(fwrite(values, sizeof *values, count, file) == count, STATUS_IO, "cannot write the output");
    return STATUS_OK;
}

static enum status convolve(FILE *in, FILE *out)
{
    int32_t head[HEAD];
    float *x, *weight, *bias, *gradient;
    struct arena *arena;
    CHECK(fread(head, sizeof head, 1, in) == 1, STATUS_DATA, "the input is too short");
    const struct grid grid = {(size_t)head[0], (size_t)head[1], (size_t)head[2], (size_t)head[3],
            (size_t)head[5], (size_t)head[6], (size_t)head[7]};
    size_t to = (size_t)head[4], window = grid.channels * grid.kernel * grid.kernel;
    size_t pixels = grid.images * grid.height * grid.width;
    size_t cells = grid.images * grid_out(grid.height, &grid) * grid_out(grid.width, &grid);
    TRY(read_floats(in, &x, pixels * grid.channels));
    TRY(read_floats(in, &weight, to * window));
    TRY(read_floats(in, &bias, to));
    TRY(read_floats(in, &gradient, cells * to));
    TRY(arena_open(&arena, "step", 1 << 20));
    struct tape *tape = tape_start(arena, NULL, &(struct tape_options){.recording = true});
    struct tensor *inputs[] = {tape_input(tape, pixels, grid.channels, x, true),
            tape_input(tape, to, window, weight, true), tape_input(tape, 1, to, bias, true)};
    struct tensor *y = op_convolution(tape, &grid, inputs[0], inputs[1], inputs[2], NULL);
    TRY(tape_status(tape));
    TRY(write_floats(out, y->value, cells * to));
    bool add;
    memcpy(tensor_gradient(tape, y, &add), gradient, cells * to * sizeof *gradient);
    TRY(tape_backward(tape));
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        TRY(write_floats(out, inputs[i]->gradient, inputs[i]->rows * inputs[i]->columns));
    arena_close(arena);
    float *all[] = {x, weight, bias, gradient};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        memory_free(all[i]);
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    world_prepare(argv, 0);
    FILE *in = argc == 3 ? fopen(argv[1], "rb") : NULL, *out = argc == 3 ? fopen(argv[2], "wb") : NULL;
    enum status status = in && out ? convolve(in, out) : status_fail(STATUS_USAGE, "expected IN.raw OUT.raw");
    if (status != STATUS_OK)
        fprintf(stderr, "tool_convolution: %s\n", status_message());
    if (in)
        fclose(in);
    if (out && fclose(out) != 0)
        status = STATUS_IO;
    return status;
}
