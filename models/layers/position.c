#include "models/layers/layers.h"

#include <math.h>
#include <string.h>

/* P[p][i] = sin(p / 10000^(2i/width)), P[p][width/2 + i] = cos(the same); an odd last column is zero. */
static void fill_sinusoids(float *table, size_t first, size_t end, size_t width)
{
    size_t half = width / 2;
    memset(table + first * width, 0, (end - first) * width * sizeof *table);
    for (size_t i = 0; i < half; i++) {
        double frequency = pow(10000, -2 * (double)i / (double)width);
        for (size_t p = first; p < end; p++) {
            table[p * width + i] = (float)sin((double)p * frequency);
            table[p * width + half + i] = (float)cos((double)p * frequency);
        }
    }
}

static const struct position_kind rows[] = {
        {{"sinusoidal", "sines and cosines of many wavelengths added to the embeddings; any length",
                 "Vaswani et al. 2017"},
                false, fill_sinusoids},
        {{"learned", "a vector for each position up to model.position_limit", "Gehring et al. 2017"}, true,
                NULL},
        {{"none", "the decoder's causal mask alone tells order", NULL}, false, NULL},
};
const struct kind_table position_kinds = KIND_TABLE("position", rows);

size_t model_longest(const struct model *model)
{
    return model_position(model)->learned ? (size_t)model->options.position_limit : SIZE_MAX;
}

enum status model_reserve_positions(struct model *model, size_t longest)
{
    enum { FEWEST = 256 };
    CHECK(longest <= model_longest(model), STATUS_CONFIG,
            "a sentence of %zu tokens is longer than model.position_limit %zu", longest,
            model_longest(model));
    const struct position_kind *kind = model_position(model);
    if (!kind->fill || longest <= model->position_rows)
        return STATUS_OK;
    size_t width = (size_t)model->options.width, floats;
    size_t wanted = longest < FEWEST ? FEWEST : longest + longest / 2;
    CHECK(size_multiply(&floats, wanted, width), STATUS_INTERNAL,
            "%zu positions of width %zu exceed the address space", wanted, width);
    TRY(memory_resize(&model->positions, "positions", floats, sizeof(float)));
    kind->fill(model->positions, model->position_rows, wanted, width);
    model->position_rows = wanted;
    return STATUS_OK;
}

int32_t *positions_of(struct tape *tape, const struct sentences *sentences)
{
    int32_t *positions = arena_take(tape_arena(tape), sentences->tokens, sizeof *positions);
    for (size_t s = 0; positions && s < sentences->count; s++)
        for (int32_t t = sentences->offsets[s]; t < sentences->offsets[s + 1]; t++)
            positions[t] = t - sentences->offsets[s];
    return positions;
}

int32_t *sentence_lengths(struct tape *tape, const struct sentences *sentences)
{
    int32_t *lengths = arena_take(tape_arena(tape), sentences->count, sizeof *lengths);
    for (size_t s = 0; lengths && s < sentences->count; s++)
        lengths[s] = sentences->offsets[s + 1] - sentences->offsets[s];
    return lengths;
}
