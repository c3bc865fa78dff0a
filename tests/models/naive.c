#include "tests/models/naive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double naive_mask(const struct dropout *dropout, uint64_t element)
{
    double below = round(dropout->rate * 65536.0);
    if (below == 0)
        return 1;
    uint32_t words[4];
    uint64_t pass = element / 128, piece = element % 128 / 16, lane = element % 16;
    random_block(&dropout->stream, 16 * pass + lane, words);
    uint32_t bits = words[piece / 2] >> (piece % 2 ? 16 : 0) & 0xffff;
    return bits < below ? 0 : 65536.0 / (65536.0 - below);
}

double naive_activation(const char *name, double x)
{
    const double pi = 3.14159265358979323846;
    if (!name)
        return x;
    if (strcmp(name, "relu") == 0)
        return x > 0 ? x : 0;
    if (strcmp(name, "gelu") == 0)
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    if (strcmp(name, "gelu_tanh") == 0)
        return 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
    if (strcmp(name, "silu") == 0)
        return x / (1 + exp(-x));
    abort();
}

void naive_linear(size_t n, size_t in, size_t out, const double *x, const double *weight, const double *bias,
        const char *activation, const struct dropout *dropout, double *y)
{
    for (size_t i = 0; i < n; i++)
        for (size_t o = 0; o < out; o++) {
            double z = bias ? bias[o] : 0;
            for (size_t j = 0; j < in; j++)
                z += x[i * in + j] * weight[o * in + j];
            y[i * out + o] = naive_activation(activation, z) * naive_mask(dropout, i * out + o);
        }
}

/* One channel of one cell: z before the activation. */
static double naive_cell(
        const struct grid *g, const double *image, const double *weight, size_t top, size_t left)
{
    double z = 0;
    for (size_t c = 0; c < g->channels; c++)
        for (size_t y = 0; y < g->kernel; y++)
            for (size_t x = 0; x < g->kernel; x++) {
                long row = (long)(top + y) - (long)g->padding, column = (long)(left + x) - (long)g->padding;
                bool inside = row >= 0 && row < (long)g->height && column >= 0 && column < (long)g->width;
                if (inside)
                    z += image[((size_t)row * g->width + (size_t)column) * g->channels + c] *
                         weight[(c * g->kernel + y) * g->kernel + x];
            }
    return z;
}

void naive_convolution(const struct grid *g, size_t out, const double *x, const double *weight,
        const double *bias, const char *activation, double *y)
{
    size_t pixels = g->height * g->width * g->channels, window = g->channels * g->kernel * g->kernel;
    for (size_t i = 0; i < g->images; i++)
        for (size_t top = 0; top + g->kernel <= g->height + 2 * g->padding; top += g->stride)
            for (size_t left = 0; left + g->kernel <= g->width + 2 * g->padding; left += g->stride)
                for (size_t o = 0; o < out; o++)
                    *y++ = naive_activation(activation,
                            bias[o] + naive_cell(g, x + i * pixels, weight + o * window, top, left));
}

void naive_embedding(const struct embedding *embedding, size_t d, const double *table,
        const double *positions, const struct dropout *dropout, double *y)
{
    for (size_t i = 0; i < embedding->rows; i++)
        for (size_t j = 0; j < d; j++) {
            int32_t id = embedding->ids[i];
            double value = id < 0 ? 0 : (double)embedding->scale * table[(size_t)id * d + j];
            if (positions)
                value += positions[(size_t)embedding->positions[i] * d + j];
            y[i * d + j] = value * naive_mask(dropout, i * d + j);
        }
}

static const double *part_row(const struct naive_part *part, size_t row, size_t head, size_t width)
{
    return part->values + row * part->stride + part->column + head * width;
}

/* One query; element mask + j · apart is that of key j. */
static void naive_query(const struct attention_shape *s, const double *query, const struct naive_part *key,
        const struct naive_part *value, size_t first_key, size_t keys, size_t head,
        const struct dropout *dropout, uint64_t mask, size_t apart, double *out)
{
    double sum = 0, largest = -INFINITY, *scores = calloc(keys + 1, sizeof *scores);
    for (size_t j = 0; j < keys; j++) {
        const double *k = part_row(key, first_key + j, head, s->key_width);
        for (size_t c = 0; c < s->key_width; c++)
            scores[j] += query[c] * k[c];
        scores[j] *= (double)s->scale;
        largest = fmax(largest, scores[j]);
    }
    for (size_t j = 0; j < keys; j++)
        sum += scores[j] = exp(scores[j] - largest);
    memset(out, 0, s->value_width * sizeof *out);
    for (size_t j = 0; j < keys; j++) {
        const double *v = part_row(value, first_key + j, head, s->value_width);
        for (size_t c = 0; c < s->value_width; c++)
            out[c] += scores[j] / sum * naive_mask(dropout, mask + j * apart) * v[c];
    }
    free(scores);
}

void naive_attention(const struct attention_shape *s, struct naive_part query, struct naive_part key,
        struct naive_part value, const struct dropout *dropout, double *out)
{
    uint64_t element = 0;
    for (size_t pair = 0; pair < s->pairs; pair++)
        for (size_t head = 0; head < s->heads; head++) {
            size_t first_query = (size_t)s->query_offsets[pair], first_key = (size_t)s->key_offsets[pair];
            size_t queries = (size_t)s->query_offsets[pair + 1] - first_query;
            size_t keys = (size_t)s->key_offsets[pair + 1] - first_key;
            for (size_t i = 0; i < queries; i++) {
                size_t row = first_query + i, first = i / 48 * 48;
                size_t apart = ((queries - first < 48 ? queries - first : 48) + 15) / 16 * 16;
                naive_query(s, part_row(&query, row, head, s->key_width), &key, &value, first_key,
                        s->causal ? i + 1 : keys, head, dropout, element + first * keys + i - first, apart,
                        out + (row * s->heads + head) * s->value_width);
            }
            element += ((queries + 15) / 16 * 16 * keys + 127) / 128 * 128;
        }
}

/* e^score of key j, not divided by anything. */
static double naive_score(const struct naive_attend *a, size_t row, size_t key, double covered)
{
    double sum = 0;
    for (size_t c = 0; c < a->width; c++) {
        double q = a->query[row * a->width + c], k = a->key[key * a->width + c];
        k += a->cover ? covered * a->cover[c] : 0;
        sum += a->additive ? a->weight[c] * tanh(q + k) : q * k;
    }
    return exp(a->scale * sum);
}

/* The weights of one query, which is number i of the pair. */
static void naive_weights(const struct naive_attend *a, size_t pair, size_t row, size_t i,
        const double *covered, double *weights)
{
    double keys = a->key_count[pair], sum = 0, reach = a->reach > 0 ? (double)a->reach : keys;
    double p = a->centre ? a->centre[row] * keys : a->positions ? a->positions[row] : (double)i;
    p = a->centre ? p : fmin(p, keys - 1);
    for (size_t j = 0; j < (size_t)keys; j++) {
        bool seen = a->reach == 0 || fabs((double)j - floor(p + 0.5)) <= reach;
        weights[j] = seen ? naive_score(a, row, (size_t)a->key_first[pair] + j, covered ? covered[j] : 0) : 0;
        sum += weights[j];
    }
    for (size_t j = 0; j < (size_t)keys; j++)
        weights[j] *= (a->centre ? exp(-pow((double)j - p, 2) / (2 * pow(reach / 2, 2))) : 1) / sum;
}

void naive_attend(const struct naive_attend *a, const struct dropout *dropout, double *out, double *weights)
{
    uint64_t element = 0;
    for (size_t pair = 0; pair < a->pairs; pair++) {
        size_t first = (size_t)a->query_offsets[pair], end = (size_t)a->query_offsets[pair + 1];
        size_t keys = (size_t)a->key_count[pair];
        double *own = calloc(keys, sizeof *own);
        for (size_t row = first; row < end; row++, element += keys) {
            naive_weights(a, pair, row, row - first, a->covered ? a->covered + element : NULL, own);
            memset(out + row * a->value_width, 0, a->value_width * sizeof *out);
            for (size_t j = 0; j < keys; j++)
                for (size_t c = 0; c < a->value_width; c++)
                    out[row * a->value_width + c] +=
                            own[j] * naive_mask(dropout, element + j) *
                            a->value[((size_t)a->key_first[pair] + j) * a->value_width + c];
            if (weights)
                memcpy(weights + element, own, keys * sizeof *own);
        }
        free(own);
    }
}

void naive_residual_norm(size_t n, size_t d, const double *x, const double *f, const struct dropout *dropout,
        const double *gain, const double *bias, double epsilon, double *y, double *sum)
{
    double *s = calloc(d, sizeof *s);
    for (size_t i = 0; i < n; i++) {
        double mean = 0, variance = 0;
        for (size_t j = 0; j < d; j++) {
            s[j] = f[i * d + j] * naive_mask(dropout, i * d + j) + (x ? x[i * d + j] : 0);
            mean += s[j] / (double)d;
        }
        for (size_t j = 0; j < d; j++)
            variance += (s[j] - mean) * (s[j] - mean) / (double)d;
        for (size_t j = 0; j < d; j++) {
            y[i * d + j] = (s[j] - mean) / sqrt(variance + epsilon) * gain[j] + bias[j];
            if (sum)
                sum[i * d + j] = s[j];
        }
    }
    free(s);
}

/* Log probabilities of a row into out [classes]; returns the first likeliest class. */
static size_t naive_log_softmax(
        size_t d, size_t classes, const double *x, const double *weight, const double *bias, double *out)
{
    double sum = 0;
    size_t best = 0;
    for (size_t c = 0; c < classes; c++) {
        out[c] = bias ? bias[c] : 0;
        for (size_t j = 0; j < d; j++)
            out[c] += x[j] * weight[c * d + j];
        best = out[c] > out[best] ? c : best;
    }
    double largest = out[best];
    for (size_t c = 0; c < classes; c++)
        sum += exp(out[c] - largest);
    for (size_t c = 0; c < classes; c++)
        out[c] -= largest + log(sum);
    return best;
}

/* One draw of one target: its share of the loss. */
static void naive_draw(
        const struct loss_task *task, int32_t target, const double *log_p, double share, struct loss *loss)
{
    double mean = 0, e = task->smoothing;
    for (size_t c = 0; c < task->classes; c++)
        mean += log_p[c] / (double)task->classes;
    loss->objective -= share * ((1 - e) * log_p[target] + e * mean);
    loss->cross_entropy -= share * log_p[target];
}

static double naive_divergence(size_t classes, const double *log_p, const double *log_q)
{
    double sum = 0;
    for (size_t c = 0; c < classes; c++)
        sum += exp(log_p[c]) * (log_p[c] - log_q[c]);
    return sum;
}

struct loss naive_loss(size_t n, size_t d, const struct loss_task *task, const double *x,
        const double *weight, const double *bias)
{
    struct loss loss = {.tokens = (int64_t)n};
    size_t classes = task->classes, copies = task->r_drop > 0 ? 2 : 1;
    double *log_p[2] = {calloc(classes, sizeof(double)), calloc(classes, sizeof(double))};
    for (size_t i = 0; i < n; i++) {
        int32_t target = task->targets[i];
        for (size_t copy = 0; copy < copies; copy++) {
            size_t best = naive_log_softmax(d, classes, x + (copy * n + i) * d, weight, bias, log_p[copy]);
            loss.correct += copy == 0 && best == (size_t)target;
            naive_draw(task, target, log_p[copy], 1.0 / (double)copies, &loss);
        }
        if (copies == 2)
            loss.objective += task->r_drop / 4 *
                              (naive_divergence(classes, log_p[0], log_p[1]) +
                                      naive_divergence(classes, log_p[1], log_p[0]));
    }
    free(log_p[0]);
    free(log_p[1]);
    return loss;
}
