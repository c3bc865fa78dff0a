#include "tests/models/tiny.h"

#include "comm/memory.h"
#include "comm/random.h"

#include <stdio.h>
#include <string.h>

static const struct option_place places[] = {{&model_group, 0}};
static const struct schema schema = {places, 1};

static void set(struct model_options *options, const char *name, const char *value)
{
    ASSERT(options_set(&schema, options, name, value, "test") == STATUS_OK);
}

struct model_options tiny_options(const char *const *changes)
{
    static const char *const small[] = {"model.width", "8", "model.encoder_layers", "2",
            "model.decoder_layers", "2", "model.heads", "2", "model.ffn_width", "12", "model.position_limit",
            "64", "model.activation", "gelu", "model.window", "2", NULL};
    struct model_options options = {0}; /* what commands set has no row */
    ASSERT(options_defaults(&schema, &options) == STATUS_OK);
    for (size_t i = 0; small[i]; i += 2)
        set(&options, small[i], small[i + 1]);
    for (size_t i = 0; changes && changes[i]; i += 2)
        set(&options, changes[i], changes[i + 1]);
    return options;
}

struct model *tiny_model(const struct model_options *options, bool joint)
{
    struct model *model;
    const size_t rows[SIDES] = {joint ? TINY_ROWS : TINY_ROWS + 2, TINY_ROWS};
    ASSERT(model_open(&model, options, rows, joint) == STATUS_OK);
    model_initialise(model, 5);
    struct parameters *parameters = model_parameters(model);
    struct random_stream stream = random_stream(7, RANDOM_TEST, 0, 0, 0);
    for (size_t i = 0; i < parameters->count; i++) { /* norms and biases away from 1 and 0 */
        const struct parameter *p = &parameters->items[i];
        for (size_t e = 0; p->array.rank == 1 && e < p->floats; e++)
            parameters->values[p->array.offset + e] +=
                    0.2f * (float)random_normal(&stream, p->array.offset + e);
    }
    return model;
}

static void finish(struct tiny_batch *tiny, size_t pairs)
{
    tiny->batch = (struct batch){.pairs = pairs};
    for (int side = 0; side < SIDES; side++) {
        tiny->batch.ids[side] = tiny->ids[side];
        tiny->batch.offsets[side] = tiny->offsets[side];
        tiny->batch.tokens[side] = (size_t)tiny->offsets[side][pairs];
        for (size_t p = 0; p < pairs; p++) {
            size_t length = (size_t)(tiny->offsets[side][p + 1] - tiny->offsets[side][p]);
            if (length > tiny->batch.longest[side])
                tiny->batch.longest[side] = length;
        }
    }
}

void tiny_batch_fill(struct tiny_batch *tiny, size_t pairs, size_t longest, uint64_t seed)
{
    ASSERT(pairs <= TINY_PAIRS && pairs * longest <= TINY_TOKENS);
    for (int side = 0; side < SIDES; side++) {
        struct random_stream stream = random_stream(seed, RANDOM_TEST, 1, 0, (uint32_t)side);
        int32_t end = 0;
        tiny->offsets[side][0] = 0;
        for (size_t p = 0; p < pairs; p++) {
            int32_t length = (int32_t)random_below(&stream, TINY_TOKENS + p, longest) + 1;
            for (int32_t t = 0; t < length - 1; t++)
                tiny->ids[side][end + t] =
                        TOKEN_FIRST_PIECE +
                        (int32_t)random_below(&stream, (uint64_t)(end + t), TINY_PIECES - TOKEN_FIRST_PIECE);
            end += length;
            tiny->ids[side][end - 1] = TOKEN_END;
            tiny->offsets[side][p + 1] = end;
        }
    }
    tiny->words = 1;
    finish(tiny, pairs);
}

void tiny_batch_source(struct tiny_batch *tiny, const struct source_form *form)
{
    if (form->kind == SOURCE_TEXT)
        return;
    size_t pairs = tiny->batch.pairs;
    tiny->words = source_words(form);
    for (size_t p = 0; form->kind == SOURCE_IMAGES && p < pairs; p++)
        tiny->offsets[SOURCE][p + 1] = (int32_t)((p + 1) * form->height);
    size_t words = (size_t)tiny->offsets[SOURCE][pairs] * tiny->words;
    ASSERT(words <= TINY_TOKENS);
    struct random_stream stream = random_stream(9, RANDOM_TEST, 2, 0, 0);
    for (size_t i = 0; i < words; i++) {
        float value = (float)random_normal(&stream, i);
        uint32_t pixels = (uint32_t)random_below(&stream, i, UINT32_MAX);
        memcpy(&tiny->ids[SOURCE][i], form->kind == SOURCE_FRAMES ? (void *)&value : &pixels, sizeof value);
    }
    finish(tiny, pairs);
}

void tiny_batch_fill_sorted(struct tiny_batch *tiny, size_t pairs, size_t longest, uint64_t seed)
{
    static struct tiny_batch from;
    size_t placed = 0;
    tiny_batch_fill(&from, pairs, longest, seed);
    *tiny = from;
    const int32_t *starts = from.offsets[SOURCE];
    for (int32_t length = (int32_t)longest; length > 0; length--)
        for (size_t p = 0; p < pairs; p++) {
            int32_t *offsets = tiny->offsets[SOURCE] + placed;
            if (starts[p + 1] - starts[p] != length)
                continue;
            memcpy(tiny->ids[SOURCE] + offsets[0], from.ids[SOURCE] + starts[p],
                    (size_t)length * sizeof(int32_t));
            offsets[1] = offsets[0] + length;
            placed++;
        }
    finish(tiny, pairs);
}

void tiny_batch_align(struct tiny_batch *tiny)
{
    int32_t end = 0;
    const size_t pairs = tiny->batch.pairs;
    ASSERT(2 * tiny->batch.tokens[TARGET] <= TINY_TOKENS);
    for (size_t p = 0; p < pairs; p++) {
        const int32_t keys = tiny->offsets[SOURCE][p + 1] - tiny->offsets[SOURCE][p];
        for (int32_t t = tiny->offsets[TARGET][p]; t < tiny->offsets[TARGET][p + 1]; t++) {
            tiny->point_offsets[t] = end;
            if (t % 3 != 1)
                tiny->points[end++] = t * 5 % keys;
            if (t % 3 == 2 && t * 5 % keys + 1 < keys)
                tiny->points[end++] = t * 5 % keys + 1;
        }
    }
    tiny->point_offsets[tiny->batch.tokens[TARGET]] = end;
    tiny->batch.alignment = (struct alignment){tiny->point_offsets, tiny->points};
}

void tiny_batch_one(struct tiny_batch *tiny, const struct tiny_batch *from, size_t pair)
{
    for (int side = 0; side < SIDES; side++) {
        int32_t first = from->offsets[side][pair], end = from->offsets[side][pair + 1];
        size_t words = side == SOURCE ? from->words : 1;
        memcpy(tiny->ids[side], from->ids[side] + (size_t)first * words,
                (size_t)(end - first) * words * sizeof(int32_t));
        tiny->offsets[side][0] = 0;
        tiny->offsets[side][1] = end - first;
    }
    finish(tiny, 1);
}

struct pass tiny_pass(float *gradient)
{
    return (struct pass){.training = true,
            .seed = 3,
            .update = 4,
            .slot = 1,
            .label_smoothing = 0.1,
            .gradient = gradient};
}

float *tiny_floats(size_t count)
{
    float *floats;
    ASSERT(memory_new(&floats, "test", count, sizeof *floats) == STATUS_OK);
    return floats;
}

int tiny_nothing_is_left(void **state)
{
    (void)state;
    if (memory_blocks() > 0)
        fprintf(stderr, "%zu blocks of memory are left\n", memory_blocks());
    return memory_blocks() > 0;
}
