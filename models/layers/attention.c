#include "models/layers/layers.h"

#include <math.h>
#include <stdio.h>

size_t attention_width(const struct model *model)
{
    return (size_t)(model->options.heads * model->options.head_width);
}

float attention_scale(const struct model *model)
{
    return (float)(1 / sqrt((double)model->options.head_width));
}

static enum status declare_products(
        struct attention_layer *out, struct model *model, const char *prefix, bool cross)
{
    size_t width = (size_t)model->options.width, inner = attention_width(model);
    char name[H5_NAME_LIMIT];
    snprintf(name, sizeof name, "%s/%s", prefix, cross ? "query" : "qkv");
    TRY(linear_declare(&out->input, model, name, &(struct linear_shape){width, inner, cross ? 1 : 3},
            cross ? "queries of every head [heads·head_width, width]"
                  : "queries, keys and values of every head, stacked [3·heads·head_width, width]"));
    snprintf(name, sizeof name, "%s/output", prefix);
    return linear_declare(&out->output, model, name, &(struct linear_shape){inner, width, 1},
            "the heads side by side back to the width [width, heads·head_width]");
}

enum status attention_declare(
        struct attention_layer *out, struct model *model, const char *prefix, bool cross)
{
    bool before = model_norm(model)->before;
    if (before)
        TRY(norm_declare(&out->norm, model, prefix));
    TRY(declare_products(out, model, prefix, cross));
    return before ? STATUS_OK : norm_declare(&out->norm, model, prefix);
}

static struct attention_shape shape_of(
        const struct model *model, const struct sentences *queries, const struct sentences *keys, bool causal)
{
    size_t head_width = (size_t)model->options.head_width;
    return (struct attention_shape){
            .pairs = queries->count,
            .query_offsets = queries->offsets,
            .key_offsets = keys->offsets,
            .heads = (size_t)model->options.heads,
            .key_width = head_width,
            .value_width = head_width,
            .scale = attention_scale(model),
            .causal = causal,
    };
}

struct tensor *attention_self(const struct model *model, struct tape *tape, struct tensor *qkv,
        const struct sentences *sentences, bool causal)
{
    struct attention_shape shape = shape_of(model, sentences, sentences, causal);
    size_t inner = attention_width(model);
    return op_attention(tape, &shape, (struct attention_part){qkv, 0}, (struct attention_part){qkv, inner},
            (struct attention_part){qkv, 2 * inner}, tape_dropout(tape, model->options.attention_dropout));
}

struct tensor *attention_cross(const struct model *model, struct tape *tape, struct tensor *query,
        const struct sentences *target, struct tensor *memory, size_t column, const struct sentences *source)
{
    struct attention_shape shape = shape_of(model, target, source, false);
    return op_attention(tape, &shape, (struct attention_part){query, 0},
            (struct attention_part){memory, column},
            (struct attention_part){memory, column + attention_width(model)},
            tape_dropout(tape, model->options.attention_dropout));
}

void attention_guide(const struct model *model, struct tape *tape, const struct guide *guide,
        struct tensor *query, const struct sentences *target, struct tensor *memory, size_t column,
        const struct sentences *source)
{
    struct attention_shape shape = shape_of(model, target, source, false);
    struct guide_rows rows = {.pairs = target->count,
            .query_offsets = target->offsets,
            .key_count = sentence_lengths(tape, source)};
    struct tensor *weights = op_attention_mean(
            tape, &shape, (struct attention_part){query, 0}, (struct attention_part){memory, column});
    op_guide(tape, guide, &rows, weights);
}
