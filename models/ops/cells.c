#include "models/recurrent.h"
#include "models/vector.h"

/*
 * Cells, one step of one sentence at a time; x, z and bias have a part of d columns for each gate. To add one: forward
 * and backward, and a row below.
 */

/* h' = tanh(x + z). */
CLONES static void rnn(const struct cell_step *s, size_t d)
{
#pragma omp simd
    for (size_t j = 0; j < d; j++) {
        float h = vector_tanh(s->x[j] + (s->z[j] + s->bias[j]));
        s->gates[j] = h;
        s->h[j] = h;
    }
}

CLONES static void rnn_backward(const struct cell_slope *s, size_t d)
{
#pragma omp simd
    for (size_t j = 0; j < d; j++) {
        float h = s->gates[j], dz = s->dh[j] * (1.0f - h * h);
        s->gates[j] = dz;
        s->dz[j] = dz;
        s->dh[j] = 0;
    }
}

/* r = σ(x_r + z_r), u = σ(x_u + z_u), n = tanh(x_n + r · z_n); h' = (1 - u) n + u h. Kept: z_n, bias included. */
CLONES static void gru(const struct cell_step *s, size_t d)
{
    const float *x = s->x, *z = s->z, *bias = s->bias, *before = s->h_before;
    float *gates = s->gates, *kept = s->kept, *after = s->h;
#pragma omp simd
    for (size_t j = 0; j < d; j++) {
        size_t u = d + j, n = 2 * d + j;
        float reset = vector_sigmoid(x[j] + (z[j] + bias[j]));
        float update = vector_sigmoid(x[u] + (z[u] + bias[u]));
        float inner = z[n] + bias[n];
        float new = vector_tanh(x[n] + reset * inner);
        gates[j] = reset;
        gates[u] = update;
        gates[n] = new;
        kept[j] = inner;
        after[j] = (1.0f - update) * new + update *before[j];
    }
}

CLONES static void gru_backward(const struct cell_slope *s, size_t d)
{
    const float *before = s->h_before, *kept = s->kept;
    float *gates = s->gates, *dz = s->dz, *dh = s->dh;
#pragma omp simd
    for (size_t j = 0; j < d; j++) {
        size_t u = d + j, n = 2 * d + j;
        float reset = gates[j], update = gates[u], new = gates[n], slope = dh[j];
        float dnew = slope * (1.0f - update) * (1.0f - new *new);
        float dupdate = slope * (before[j] - new) * update * (1.0f - update);
        float dreset = dnew * kept[j] * reset * (1.0f - reset);
        gates[j] = dz[j] = dreset;
        gates[u] = dz[u] = dupdate;
        gates[n] = dnew;
        dz[n] = dnew * reset;
        dh[j] = slope * update;
    }
}

/* c' = f c + i g, h' = o tanh(c'); i, f, o by σ, g by tanh. Kept: c'. */
CLONES static void lstm(const struct cell_step *s, size_t d)
{
    const float *x = s->x, *z = s->z, *bias = s->bias, *before = s->c_before;
    float *gates = s->gates, *kept = s->kept, *h = s->h, *c = s->c;
#pragma omp simd
    for (size_t j = 0; j < d; j++) {
        size_t f = d + j, g = 2 * d + j, o = 3 * d + j;
        float in = vector_sigmoid(x[j] + (z[j] + bias[j]));
        float forget = vector_sigmoid(x[f] + (z[f] + bias[f]));
        float new = vector_tanh(x[g] + (z[g] + bias[g]));
        float out = vector_sigmoid(x[o] + (z[o] + bias[o]));
        float cell = forget * before[j] + in * new;
        gates[j] = in;
        gates[f] = forget;
        gates[g] = new;
        gates[o] = out;
        kept[j] = cell;
        c[j] = cell;
        h[j] = out * vector_tanh(cell);
    }
}

CLONES static void lstm_backward(const struct cell_slope *s, size_t d)
{
    const float *before = s->c_before, *kept = s->kept;
    float *gates = s->gates, *dz = s->dz, *dh = s->dh, *dc = s->dc;
#pragma omp simd
    for (size_t j = 0; j < d; j++) {
        size_t f = d + j, g = 2 * d + j, o = 3 * d + j;
        float in = gates[j], forget = gates[f], new = gates[g], out = gates[o];
        float y = vector_tanh(kept[j]), dcell = dc[j] + dh[j] * out * (1.0f - y * y);
        float din = dcell * new *in *(1.0f - in);
        float dforget = dcell * before[j] * forget * (1.0f - forget);
        float dnew = dcell * in * (1.0f - new *new);
        float dout = dh[j] * y * out * (1.0f - out);
        gates[j] = dz[j] = din;
        gates[f] = dz[f] = dforget;
        gates[g] = dz[g] = dnew;
        gates[o] = dz[o] = dout;
        dh[j] = 0;
        dc[j] = dcell * forget;
    }
}

static const struct cell_kind rows[] = {
        {{"rnn", "h = tanh(W x + U h)", "Elman 1990"}, 1, 1, 0, {0, 0}, rnn, rnn_backward},
        {{"gru", "two gates choose between the state and a new one", "Cho et al. 2014"}, 3, 1, 1, {0, 0}, gru,
                gru_backward},
        {{"lstm", "gates around a memory of its own", "Hochreiter & Schmidhuber 1997"}, 4, 2, 1, {1, 1}, lstm,
                lstm_backward},
};

const struct kind_table cell_kinds = KIND_TABLE("cell", rows);
