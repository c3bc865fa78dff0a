#include "tests/models/variants.h"

#include "tests/models/choices.h"

#include <string.h>

#define RECURRENT      "model.kind", "recurrent"
#define RECURRENT_GRID RECURRENT, "model.encoder_layers", "0", "model.image_stages", "1"

static const struct variant table[] = {
        {"pre", true, {NULL}},
        {"post", true, {"model.norm", "post", NULL}},
        {"relu", true, {"model.activation", "relu", NULL}},
        {"post, relu", true, {"model.norm", "post", "model.activation", "relu", NULL}},
        {"post, learned positions", true, {"model.norm", "post", "model.position", "learned", NULL}},
        {"no positions", true, {"model.position", "none", NULL}},
        {"tie decoder", false, {"model.tie", "decoder", NULL}},
        {"tie none", false, {"model.tie", "none", NULL}},
        {"joint vocabulary, tie none", true, {"model.tie", "none", NULL}},
        {"start zero, no scale", true, {"model.start", "zero", "model.embedding_scale", "false", NULL}},
        {"head width of its own", true, {"model.head_width", "5", "model.encoder_layers", "1", NULL}},
        {"odd width", true, {"model.width", "9", "model.heads", "3", NULL}},
        {"frames", false, {NULL}},
        {"frames, learned positions, post", false, {"model.position", "learned", "model.norm", "post", NULL}},
        {"images", false, {"model.image_stages", "2", NULL}},
        {"images, learned positions, no encoder layers", false,
                {"model.image_stages", "1", "model.position", "learned", "model.encoder_layers", "0", NULL}},
        {"images, odd width, post", false,
                {"model.image_stages", "2", "model.width", "9", "model.heads", "3", "model.norm", "post",
                        NULL}},
        {"frames, gru", false, {RECURRENT, NULL}},
        {"frames, lstm, luong_local_p", false,
                {RECURRENT, "model.cell", "lstm", "model.attention", "luong_local_p", "model.window", "2",
                        NULL}},
        {"images, gru, bahdanau", false, {RECURRENT_GRID, NULL}},
        {"images, lstm, luong_general, no feeding", false,
                {RECURRENT_GRID, "model.cell", "lstm", "model.attention", "luong_general",
                        "model.input_feeding", "false", NULL}},
        {"images, gru, luong_dot, no bridge", false,
                {RECURRENT_GRID, "model.attention", "luong_dot", "model.bridge", "none", NULL}},
        {"images, lstm, no attention", false,
                {RECURRENT_GRID, "model.cell", "lstm", "model.attention", "none", NULL}},
        {"images, gru, mean at every step", false,
                {RECURRENT_GRID, "model.attention", "none", "model.context", "every_step", "model.bridge",
                        "zero", NULL}},
        {"gru, bahdanau", true, {RECURRENT, NULL}},
        {"lstm, bahdanau, residual", true,
                {RECURRENT, "model.cell", "lstm", "model.residual", "true", "model.encoder_layers", "3",
                        NULL}},
        {"gru, bahdanau, coverage", true, {RECURRENT, "model.coverage", "sum", NULL}},
        {"lstm, bahdanau_normed, coverage", true,
                {RECURRENT, "model.cell", "lstm", "model.attention", "bahdanau_normed", "model.coverage",
                        "sum", NULL}},
        {"gru, luong_concat, coverage", true,
                {RECURRENT, "model.attention", "luong_concat", "model.coverage", "sum", NULL}},
        {"rnn, bahdanau, norm", false,
                {RECURRENT, "model.cell", "rnn", "model.layer_norm", "true", "model.tie", "none", NULL}},
        {"lstm, bahdanau_normed", true,
                {RECURRENT, "model.cell", "lstm", "model.attention", "bahdanau_normed", NULL}},
        {"lstm, no attention", true, {RECURRENT, "model.cell", "lstm", "model.attention", "none", NULL}},
        {"gru, end at every step", true,
                {RECURRENT, "model.attention", "none", "model.context", "every_step", "model.bridge", "zero",
                        NULL}},
        {"gru, one way, no bridge", true,
                {RECURRENT, "model.attention", "none", "model.encoder_bidirectional", "false", "model.bridge",
                        "none", NULL}},
        {"gru, luong_general, norm", true,
                {RECURRENT, "model.attention", "luong_general", "model.layer_norm", "true", NULL}},
        {"lstm, luong_general, no feeding", true,
                {RECURRENT, "model.cell", "lstm", "model.attention", "luong_general", "model.input_feeding",
                        "false", NULL}},
        {"gru, luong_dot", true,
                {RECURRENT, "model.attention", "luong_dot", "model.encoder_bidirectional", "false",
                        "model.bridge", "zero", NULL}},
        {"gru, luong_scaled, no feeding", true,
                {RECURRENT, "model.attention", "luong_scaled", "model.encoder_bidirectional", "false",
                        "model.input_feeding", "false", NULL}},
        {"gru, luong_local_m", true,
                {RECURRENT, "model.attention", "luong_local_m", "model.window", "2", NULL}},
        {"gru, luong_local_m, no feeding", true,
                {RECURRENT, "model.attention", "luong_local_m", "model.window", "2", "model.input_feeding",
                        "false", NULL}},
        {"lstm, luong_local_p", true,
                {RECURRENT, "model.cell", "lstm", "model.attention", "luong_local_p", "model.window", "2",
                        NULL}},
        {"gru, luong_local_p, no feeding", true,
                {RECURRENT, "model.attention", "luong_local_p", "model.window", "3", "model.input_feeding",
                        "false", NULL}},
        {"lstm, luong_concat, residual", true,
                {RECURRENT, "model.cell", "lstm", "model.attention", "luong_concat", "model.residual", "true",
                        NULL}},
};
enum { TABLE = sizeof table / sizeof *table };

static struct variant drawn[CHOICES_MOST];
static size_t drawn_count;

size_t variant_count(void)
{
    if (drawn_count == 0)
        drawn_count = choices_draw(drawn, 2);
    return TABLE + drawn_count;
}

const struct variant *variant_at(size_t i)
{
    ASSERT(i < variant_count());
    return i < TABLE ? &table[i] : &drawn[i - TABLE];
}

/* What its source is: the first word of its name, or text. */
static struct source_form variant_source(const struct variant *variant)
{
    static const struct source_form text, frames = {SOURCE_FRAMES, 3, 0, 0},
                                          images = {SOURCE_IMAGES, 8, 6, 1};
    return strncmp(variant->what, "frames", 6) == 0   ? frames
           : strncmp(variant->what, "images", 6) == 0 ? images
                                                      : text;
}

struct model_options variant_options(const struct variant *variant)
{
    struct model_options options = tiny_options(variant->changes);
    options.source = variant_source(variant);
    return options;
}

struct model *variant_model(const struct variant *variant)
{
    struct model_options options = variant_options(variant);
    return tiny_model(&options, variant->joint);
}

void variant_batch(
        const struct variant *variant, struct tiny_batch *tiny, size_t pairs, size_t longest, uint64_t seed)
{
    tiny_batch_fill(tiny, pairs, longest, seed);
    struct source_form source = variant_source(variant);
    tiny_batch_source(tiny, &source);
}

bool variant_can_be_guided(const struct variant *variant)
{
    struct model *model = variant_model(variant);
    bool can = model_attention(model).layers > 0 && model_options(model)->source.kind != SOURCE_IMAGES;
    model_close(model);
    return can;
}

void variant_drop(struct model_options *options, double rate)
{
    bool attends =
            strcmp(options->kind->name, "recurrent") != 0 || strcmp(options->attention->name, "none") != 0;
    options->attention_dropout = attends ? rate : 0;
    options->activation_dropout = rate;
}
