#include "models/layers/layers.h"

#include <math.h>
#include <stdio.h>

static const struct tie_kind tie_rows[] = {
        {{"all", "one matrix for both embeddings and the output projection (joint vocabulary)",
                 "Press & Wolf 2017"},
                true, true},
        {{"decoder", "one matrix for the target embedding and the output projection", "Press & Wolf 2017"},
                false, true},
        {{"none", "a matrix of its own for each", NULL}, false, false},
};
const struct kind_table tie_kinds = KIND_TABLE("tie", tie_rows);

static const struct start_kind start_rows[] = {
        {{"bos", "the decoder starts from <s>", NULL}, TOKEN_START},
        {{"zero", "the decoder starts from a zero vector", "Marian"}, -1},
};
const struct kind_table start_kinds = KIND_TABLE("start", start_rows);

static enum status declare_table(struct embedding_layer *out, struct model *model, enum side side)
{
    bool shared = model_tie(model)->sides;
    size_t width = (size_t)model->options.width;
    struct parameter table = {
            .array = {.rank = 2,
                    .shape = {model->rows[side], width},
                    .description = "a row for each vocabulary entry; the last, <pad>, stays zero"},
            .initialiser = INITIALISE_NORMAL,
            .scale = 1 / sqrt((double)width),
            .zero_rows = 1,
            .decays = true,
    };
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s%sembedding", shared ? "" : side_names[side], shared ? "" : "/");
    return layer_declare(model, &table, prefix, "weight", &out->table);
}

enum status positions_declare(struct embedding_layer *out, struct model *model, enum side side)
{
    if (!model_position(model)->learned)
        return STATUS_OK;
    size_t width = (size_t)model->options.width;
    struct parameter positions = {
            .array = {.rank = 2,
                    .shape = {(size_t)model->options.position_limit, width},
                    .description = "a row for each position in the sentence, from 0"},
            .initialiser = INITIALISE_NORMAL,
            .scale = 1 / sqrt((double)width),
            .decays = true,
    };
    return layer_declare(model, &positions, side_names[side], "position/weight", &out->position);
}

enum status embedding_declare(struct embedding_layer *out, struct model *model, enum side side,
        const struct embedding_layer *source)
{
    if (source && model_tie(model)->sides)
        out->table = source->table;
    else
        TRY(declare_table(out, model, side));
    return positions_declare(out, model, side);
}

static enum status declare_own_weight(struct output_layer *out, struct model *model)
{
    size_t width = (size_t)model->options.width, rows = model->rows[TARGET];
    struct parameter weight = {
            .array = {.rank = 2,
                    .shape = {rows, width},
                    .description = "output projection: a row for each entry of the target vocabulary"},
            .initialiser = INITIALISE_XAVIER,
            .fan_in = width,
            .fan_out = rows,
            .zero_rows = 1,
            .decays = true,
    };
    return layer_declare(model, &weight, "output", "weight", &out->weight);
}

enum status output_declare(
        struct output_layer *out, struct model *model, const struct embedding_layer *target)
{
    out->weight = target->table;
    if (!model_tie(model)->output)
        TRY(declare_own_weight(out, model));
    struct parameter bias = {
            .array = {.rank = 1,
                    .shape = {model->rows[TARGET]},
                    .description = "added to the logits of each entry of the target vocabulary"},
            .initialiser = INITIALISE_ZERO,
    };
    return layer_declare(model, &bias, "output", "bias", &out->bias);
}

/* Rows of a table at their positions. */
static struct tensor *place(const struct model *model, struct tape *tape, const struct embedding_layer *layer,
        const float *constant, struct embedding embedding, struct tensor *table)
{
    const struct position_kind *kind = model_position(model);
    if (!kind->learned && !kind->fill)
        embedding.positions = NULL;
    struct tensor *learned = kind->learned ? tape_parameter(tape, layer->position) : NULL;
    return op_embedding(tape, &embedding, table, kind->fill ? constant : NULL, learned,
            tape_dropout(tape, model->options.dropout));
}

struct tensor *embedding_apply(const struct model *model, struct tape *tape,
        const struct embedding_layer *layer, const int32_t *ids, const int32_t *positions, size_t rows)
{
    struct embedding embedding = {
            .ids = ids,
            .positions = positions,
            .rows = rows,
            .scale = model->options.embedding_scale ? (float)sqrt((double)model->options.width) : 1,
    };
    return place(model, tape, layer, model->positions, embedding, tape_parameter(tape, layer->table));
}

struct tensor *positions_apply(const struct model *model, struct tape *tape,
        const struct embedding_layer *layer, const float *constant, struct tensor *x,
        const int32_t *positions)
{
    if (!x)
        return NULL;
    int32_t *own = arena_take(tape_arena(tape), x->rows, sizeof *own);
    for (size_t i = 0; own && i < x->rows; i++)
        own[i] = (int32_t)i;
    struct embedding embedding = {.ids = own, .positions = positions, .rows = x->rows, .scale = 1};
    return own ? place(model, tape, layer, constant, embedding, x) : NULL;
}

struct prediction output_apply(
        const struct model *model, struct tape *tape, const struct output_layer *layer, struct tensor *hidden)
{
    return (struct prediction){
            .hidden = hidden,
            .weight = tape_parameter(tape, layer->weight),
            .bias = tape_parameter(tape, layer->bias),
            .classes = model->rows[TARGET] - VOCABULARY_EXTRA,
    };
}

int32_t *shifted_ids(struct tape *tape, const struct sentences *target, int32_t start)
{
    int32_t *ids = arena_take(tape_arena(tape), target->tokens, sizeof *ids);
    for (size_t s = 0; ids && s < target->count; s++) {
        int32_t first = target->offsets[s], end = target->offsets[s + 1];
        for (int32_t t = first; t < end; t++)
            ids[t] = t == first ? start : target->ids[t - 1];
    }
    return ids;
}
