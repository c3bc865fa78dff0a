#include "models/decode/search.h"
#include "models/ops/kernels.h"
#include "models/vector.h"

#include <math.h>

/* Logits looked at together: sums of exponentials are floats inside a block and doubles over blocks; a block without
 * anything large enough is passed over. */
enum { BLOCK = 256 };

static size_t block_end(size_t first, size_t count)
{
    return first + BLOCK < count ? first + BLOCK : count;
}

CLONES static float sum_exp(const float *x, float maximum, size_t count)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < count; i++)
        sum += vector_exp(x[i] - maximum);
    return sum;
}

double logits_log_sum(const float *logits, size_t classes)
{
    float maximum = logits_maximum(logits, classes);
    double sum = 0;
    for (size_t first = 0; first < classes; first = block_end(first, classes))
        sum += (double)sum_exp(logits + first, maximum, block_end(first, classes) - first);
    return (double)maximum + log(sum);
}

/* ---- n-grams ---- */

static bool equal_ends(const struct trace *a, const struct trace *b, size_t count)
{
    for (; count > 0; count--, a = a->parent, b = b->parent)
        if (!b || a->token != b->token)
            return false;
    return true;
}

void row_block_repeats(struct row *row, const struct trace *last, size_t n)
{
    for (const struct trace *trace = last; trace; trace = trace->parent)
        if (equal_ends(last, trace->parent, n - 1))
            row->logits[trace->token] = -INFINITY;
}

/* ---- the best ---- */

static struct choice choice_of(const struct row *row, size_t token)
{
    return (struct choice){.log_probability = (double)row->logits[token] - row->log_sum,
            .token = (int32_t)token,
            .samples = 1};
}

/* `token` for `samples` samples from number `sample` on, as the next of the choices. */
static void add_samples(struct row *row, size_t token, size_t sample, size_t samples)
{
    struct choice choice = choice_of(row, token);
    choice.sample = (uint32_t)sample;
    choice.samples = (uint32_t)samples;
    row->choices[row->count++] = choice;
}

void row_force(struct row *row, const struct path *path, int32_t token)
{
    ASSERT(token >= 0 && (size_t)token < row->classes);
    add_samples(row, (size_t)token, path->sample, path->samples);
}

void row_choose_best(struct row *row, size_t count)
{
    const float *logits = row->logits;
    float least = -INFINITY; /* of those held, once there are enough */
    for (size_t first = 0, end; first < row->classes; first = end) {
        end = block_end(first, row->classes);
        if (!(logits_maximum(logits + first, end - first) > least))
            continue;
        for (size_t c = first; c < end; c++) {
            if (!(logits[c] > least))
                continue;
            size_t place = row->count < count ? row->count++ : count - 1;
            for (; place > 0 && logits[row->choices[place - 1].token] < logits[c]; place--)
                row->choices[place] = row->choices[place - 1];
            row->choices[place] = choice_of(row, c);
            if (row->count == count)
                least = logits[row->choices[count - 1].token];
        }
    }
}

/* ---- sampling ---- */

/* What the weights of a block that are at least `least` sum to, or how many there are. */
CLONES static float measure_block(const float *weights, float least, bool number, size_t count)
{
    const float one = number ? 1.0f : 0.0f, weight = 1.0f - one;
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (size_t i = 0; i < count; i++) { /* products, as compilers do not vectorise a branch here */
        float taken = weights[i] >= least ? 1.0f : 0.0f;
        total += taken * (one + weight * weights[i]);
    }
    return total;
}

static double measure(const float *weights, size_t classes, float least, bool number)
{
    double total = 0;
    for (size_t first = 0; first < classes; first = block_end(first, classes))
        total += (double)measure_block(weights + first, least, number, block_end(first, classes) - first);
    return total;
}

/* Keeps the largest weights, as few as reach `needed` in number or sum, the lower token first of equal ones; the rest
 * become 0. The least weight kept is found bit by bit: floats above 0 are ordered as their bits are. */
static void keep_largest(float *weights, size_t classes, double needed, bool number)
{
    uint32_t least = 0;
    for (uint32_t bit = 1u << 29; bit; bit >>= 1) /* none is above 1 */
        if (measure(weights, classes, vector_from_bits(least | bit), number) >= needed)
            least |= bit;
    float kept = vector_from_bits(least);
    double have = measure(weights, classes, vector_from_bits(least + 1), number);
    for (size_t c = 0; c < classes; c++) {
        if (weights[c] > kept)
            continue;
        if (weights[c] < kept || have >= needed)
            weights[c] = 0;
        else
            have += number ? 1.0 : (double)weights[c];
    }
}

void row_sample(
        struct row *row, const struct decode_options *options, const struct path *path, int64_t number)
{
    float *weights = row->weights;
    size_t classes = row->classes;
    logits_weigh(row->logits, logits_maximum(row->logits, classes), (float)(1 / options->temperature),
            classes, weights);
    if (options->top_k > 0 && (size_t)options->top_k < classes)
        keep_largest(weights, classes, (double)options->top_k, true);
    if (options->top_p < 1)
        keep_largest(weights, classes, options->top_p * measure(weights, classes, 0, false), false);
    for (size_t i = 0; i < path->samples; i++) {
        struct random_stream stream = random_stream(
                (uint64_t)options->seed, RANDOM_SAMPLE, path_length(path), (uint32_t)(path->sample + i), 0);
        double share = random_uniform(&stream, (uint64_t)number);
        add_samples(row, weights_at(weights, classes, share), path->sample + i, 1);
    }
}
