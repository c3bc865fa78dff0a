#include "tests/models/naive.h"
#include "tests/models/trial.h"

#include <math.h>

/*
 * op_convolution(): size {images, height, width, channels, channels out, KSP: kernel, stride, padding as digits}; option: an
 * activation. Inputs: x, weight, bias.
 */
static struct grid grid_of(const struct trial *t)
{
    const size_t *s = t->row->size;
    return (struct grid){s[0], s[1], s[2], s[3], s[5] / 100, s[5] / 10 % 10, s[5] % 10};
}

static size_t across(size_t side, const struct grid *g)
{
    return (side - g->kernel + 2 * g->padding) / g->stride + 1;
}

static void convolution_prepare(struct trial *t)
{
    struct grid g = grid_of(t);
    size_t out = t->row->size[4], window = g.channels * g.kernel * g.kernel;
    trial_fill(t, 0, g.images * g.height * g.width, g.channels, 1);
    trial_fill(t, 1, out, window, 1 / sqrt((double)window));
    trial_fill(t, 2, 1, out, 1);
    trial_expect(t, 0, g.images * across(g.height, &g) * across(g.width, &g), out);
}

static void convolution_run(struct trial *t, struct tape *tape, struct tensor **in, struct tensor **out)
{
    struct grid g = grid_of(t);
    const struct kind *kind = t->row->option ? kind_find(&activation_kinds, t->row->option) : NULL;
    out[0] = op_convolution(tape, &g, in[0], in[1], in[2], (const struct activation_kind *)kind);
}

static void convolution_twin(struct trial *t, double *const *in, double *const *out)
{
    struct grid g = grid_of(t);
    naive_convolution(&g, t->row->size[4], in[0], in[1], in[2], t->row->option, out[0]);
}

#define CONVOLUTION "convolution", convolution_prepare, convolution_run, convolution_twin

static const struct op_case cases[] = {
        CASE(CONVOLUTION, 1e-5, NULL, 1, 1, 1, 1, 1, 110), CASE(CONVOLUTION, 1e-5, NULL, 2, 4, 5, 2, 3, 311),
        CASE(CONVOLUTION, 1e-5, "relu", 3, 5, 4, 3, 2, 321),
        CASE(CONVOLUTION, 1e-5, "gelu", 2, 6, 6, 2, 2, 310),
        CASE(CONVOLUTION, 1e-5, NULL, 1, 7, 5, 1, 2, 532),
        CASE(CONVOLUTION, 1e-5, "silu", 2, 4, 4, 3, 5, 220),
        CASE(CONVOLUTION, 2e-5, "relu", 37, 6, 4, 2, 3,
                311), /* several images a run, and a shorter last one */
        CASE(CONVOLUTION, 2e-5, NULL, 2, 40, 30, 16, 20, 311), /* several tiles an image */
};

const struct op_cases convolution_cases = {cases, sizeof cases / sizeof cases[0]};
