#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/vector.h"

#include <math.h>
#include <string.h>

/* Keys taken at once: what is known of earlier ones is rescaled when a larger score comes (Milakov & Gimelshein,
 * "Online normalizer calculation for softmax", 2018). Heads go side by side, so that keys and values are read as they
 * lie in memory: those of a position together. */
enum { KEY_BLOCK = 128, HEADS = 8, USUAL_WIDTH = 64 };

/* Scores, and then their exponentials, of some heads. */
typedef float block_scores[HEADS][KEY_BLOCK];

/* The queries of some heads of a row. */
struct queries {
    const float *query, *keys, *values;   /* of the first head */
    const float *next_keys, *next_values; /* of the row after it: fetched on the way */
    size_t heads, key_width, value_width, stride, count;
    float scale;
};

/* The caches of a batch are larger than those of a core. There may be less at `x`: nothing is read. */
VECTOR_FUNCTION void fetch(const float *x, size_t count)
{
    for (size_t i = 0; i < count; i += 16)
        __builtin_prefetch(x + i);
}

VECTOR_FUNCTION float dot(const float *x, const float *y, const size_t count)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < count; i++)
        sum += x[i] * y[i];
    return sum;
}

VECTOR_FUNCTION void score_keys(
        const struct queries *q, const size_t width, size_t first, size_t count, block_scores scores)
{
    for (size_t j = 0; j < count; j++) {
        const float *keys = q->keys + (first + j) * q->stride;
        fetch(q->next_keys + (first + j) * q->stride, q->heads * width);
        for (size_t h = 0; h < q->heads; h++)
            scores[h][j] = q->scale * dot(q->query + h * width, keys + h * width, width);
    }
}

/* Of keys [first, first + count). The usual width is a constant, so that its loops are gone. */
CLONES static void score_block(const struct queries *q, size_t first, size_t count, block_scores scores)
{
    if (q->key_width == USUAL_WIDTH)
        score_keys(q, USUAL_WIDTH, first, count, scores);
    else
        score_keys(q, q->key_width, first, count, scores);
}

VECTOR_FUNCTION void add_keys(const struct queries *q, const size_t width, size_t first, size_t count,
        block_scores scores, float *out)
{
    for (size_t j = 0; j < count; j++) {
        const float *values = q->values + (first + j) * q->stride;
        fetch(q->next_values + (first + j) * q->stride, q->heads * width);
        for (size_t h = 0; h < q->heads; h++)
#pragma omp simd
            for (size_t i = 0; i < width; i++)
                out[h * width + i] += scores[h][j] * values[h * width + i];
    }
}

/* out += the values of keys [first, first + count), each times its score. */
CLONES static void add_values(
        const struct queries *q, size_t first, size_t count, block_scores scores, float *out)
{
    if (q->value_width == USUAL_WIDTH)
        add_keys(q, USUAL_WIDTH, first, count, scores, out);
    else
        add_keys(q, q->value_width, first, count, scores, out);
}

CLONES static float maximum_of(const float *x, float maximum, size_t count)
{
#pragma omp simd reduction(max : maximum)
    for (size_t i = 0; i < count; i++)
        maximum = x[i] > maximum ? x[i] : maximum;
    return maximum;
}

/* scores become e^(score - maximum). Returns their sum. */
CLONES static float exponentials(float *scores, float maximum, size_t count)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < count; i++) {
        scores[i] = vector_exp(scores[i] - maximum);
        sum += scores[i];
    }
    return sum;
}

/* What is known of a head. */
struct known {
    float maximum, sum;
};

/* Scores become exponentials; what was known before them is rescaled. */
static void take_block(
        const struct queries *q, size_t first, size_t count, float *scores, struct known *known, float *out)
{
    float largest = maximum_of(scores, known->maximum, count);
    if (first > 0 && largest > known->maximum) {
        float factor = vector_exp(known->maximum - largest);
        known->sum *= factor;
        floats_scale(out, factor, q->value_width);
    }
    known->maximum = largest;
    known->sum += exponentials(scores, largest, count);
}

static void attend(const struct queries *q, float *out)
{
    block_scores scores;
    struct known known[HEADS];
    for (size_t h = 0; h < q->heads; h++)
        known[h] = (struct known){.maximum = -INFINITY};
    memset(out, 0, q->heads * q->value_width * sizeof *out);
    for (size_t first = 0; first < q->count; first += KEY_BLOCK) {
        size_t count = smaller(KEY_BLOCK, q->count - first);
        score_block(q, first, count, scores);
        for (size_t h = 0; h < q->heads; h++)
            take_block(q, first, count, scores[h], &known[h], out + h * q->value_width);
        add_values(q, first, count, scores, out);
    }
    for (size_t h = 0; h < q->heads; h++)
        floats_scale(out + h * q->value_width, 1.0f / known[h].sum, q->value_width);
}

void attention_step(size_t rows, size_t heads, size_t key_width, size_t value_width, float scale,
        const float *query, size_t query_stride, const float *const *keys, const float *const *values,
        size_t stride, const int32_t *lengths, float *out)
{
    size_t groups = tiles_of(heads, HEADS);
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t number = 0; number < rows * groups; number++) {
        size_t row = number / groups, head = number % groups * HEADS, next = row + (row + 1 < rows);
        struct queries q = {.query = query + row * query_stride + head * key_width,
                .keys = keys[row] + head * key_width,
                .values = values[row] + head * value_width,
                .next_keys = keys[next] + head * key_width,
                .next_values = values[next] + head * value_width,
                .heads = smaller(HEADS, heads - head),
                .key_width = key_width,
                .value_width = value_width,
                .stride = stride,
                .count = (size_t)lengths[row],
                .scale = scale};
        attend(&q, out + (row * heads + head) * value_width);
    }
}

/* ---- the probabilities themselves ---- */

/* Adds factor · softmax(scores) of one head. */
static void add_probabilities(const struct queries *q, float factor, float *out)
{
    block_scores scores;
    float maximum = -INFINITY, sum = 0;
    for (size_t first = 0; first < q->count; first += KEY_BLOCK) {
        size_t count = smaller(KEY_BLOCK, q->count - first);
        score_block(q, first, count, scores);
        float largest = maximum_of(scores[0], maximum, count);
        sum = sum * vector_exp(maximum - largest) + exponentials(scores[0], largest, count);
        maximum = largest;
    }
    for (size_t first = 0; first < q->count; first += KEY_BLOCK) {
        size_t count = smaller(KEY_BLOCK, q->count - first);
        score_block(q, first, count, scores);
        exponentials(scores[0], maximum, count);
        floats_scale(scores[0], 1.0f / sum, count);
        floats_add_scaled(out + first, scores[0], factor, count);
    }
}

void attention_step_weights(size_t rows, size_t heads, size_t key_width, float scale, const float *query,
        size_t query_stride, const float *const *keys, size_t stride, const int32_t *lengths, float weight,
        bool apart, float *const *out)
{
    float factor = apart ? weight : weight / (float)heads;
#pragma omp parallel for schedule(static, 1)
    for (size_t row = 0; row < rows; row++)
        for (size_t head = 0; head < heads; head++) {
            struct queries q = {.query = query + row * query_stride + head * key_width,
                    .keys = keys[row] + head * key_width,
                    .next_keys = keys[row] + head * key_width,
                    .heads = 1,
                    .key_width = key_width,
                    .stride = stride,
                    .count = (size_t)lengths[row],
                    .scale = scale};
            add_probabilities(&q, factor, out[row] + (apart ? head * q.count : 0));
        }
}
