#include "models/ops.h"
#include "models/ops/kernels.h"
#include "models/vector.h"

#include <math.h>
#include <string.h>

/* Keys taken at once: what is known of earlier ones is rescaled when a larger score comes (Milakov & Gimelshein,
 * "Online normalizer calculation for softmax", 2018). */
enum { KEY_BLOCK = 128 };

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

struct one_query {
    const float *query, *keys, *values; /* of the head */
    size_t key_width, value_width, stride, count;
    float scale;
};

/* Scores of keys [first, first + count). Returns the largest, or `maximum` if that is larger. */
static float score_block(
        const struct one_query *one, size_t first, size_t count, float maximum, float *scores)
{
    for (size_t j = 0; j < count; j++) {
        scores[j] =
                one->scale * floats_dot(one->query, one->keys + (first + j) * one->stride, one->key_width);
        maximum = scores[j] > maximum ? scores[j] : maximum;
    }
    return maximum;
}

static void attend(const struct one_query *one, float *out)
{
    float scores[KEY_BLOCK], maximum = -INFINITY, sum = 0;
    memset(out, 0, one->value_width * sizeof *out);
    for (size_t first = 0; first < one->count; first += KEY_BLOCK) {
        size_t count = smaller(KEY_BLOCK, one->count - first);
        float largest = score_block(one, first, count, maximum, scores);
        if (first > 0 && largest > maximum) {
            float factor = vector_exp(maximum - largest);
            sum *= factor;
            floats_scale(out, factor, one->value_width);
        }
        maximum = largest;
        sum += exponentials(scores, maximum, count);
        for (size_t j = 0; j < count; j++)
            floats_add_scaled(out, one->values + (first + j) * one->stride, scores[j], one->value_width);
    }
    floats_scale(out, 1.0f / sum, one->value_width);
}

void attention_step(size_t rows, size_t heads, size_t key_width, size_t value_width, float scale,
        const float *query, size_t query_stride, const float *const *keys, const float *const *values,
        size_t stride, const int32_t *lengths, float *out)
{
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t number = 0; number < rows * heads; number++) {
        size_t row = number / heads, head = number % heads;
        struct one_query one = {.query = query + row * query_stride + head * key_width,
                .keys = keys[row] + head * key_width,
                .values = values[row] + head * value_width,
                .key_width = key_width,
                .value_width = value_width,
                .stride = stride,
                .count = (size_t)lengths[row],
                .scale = scale};
        attend(&one, out + number * value_width);
    }
}

/* ---- the probabilities themselves ---- */

/* Adds factor · softmax(scores) of one head. */
static void add_probabilities(const struct one_query *one, float factor, float *out)
{
    float scores[KEY_BLOCK], maximum = -INFINITY, sum = 0;
    for (size_t first = 0; first < one->count; first += KEY_BLOCK) {
        size_t count = smaller(KEY_BLOCK, one->count - first);
        float largest = score_block(one, first, count, maximum, scores);
        sum = sum * vector_exp(maximum - largest) + exponentials(scores, largest, count);
        maximum = largest;
    }
    for (size_t first = 0; first < one->count; first += KEY_BLOCK) {
        size_t count = smaller(KEY_BLOCK, one->count - first);
        score_block(one, first, count, maximum, scores);
        exponentials(scores, maximum, count);
        floats_add_scaled(out + first, scores, factor / sum, count);
    }
}

void attention_step_weights(size_t rows, size_t heads, size_t key_width, float scale, const float *query,
        size_t query_stride, const float *const *keys, size_t stride, const int32_t *lengths, float weight,
        float *const *out)
{
#pragma omp parallel for schedule(static, 1)
    for (size_t row = 0; row < rows; row++)
        for (size_t head = 0; head < heads; head++) {
            struct one_query one = {.query = query + row * query_stride + head * key_width,
                    .keys = keys[row] + head * key_width,
                    .key_width = key_width,
                    .stride = stride,
                    .count = (size_t)lengths[row],
                    .scale = scale};
            add_probabilities(&one, weight / (float)heads, out[row]);
        }
}
