#include "models/architecture.h"

static const struct architecture_kind architectures[] = {
        {{"transformer", "encoder and decoder of attention and feed-forward layers", "Vaswani et al. 2017"},
                &transformer_architecture},
};
const struct kind_table architecture_kinds = KIND_TABLE("model", architectures);

#define FIELD(field) offsetof(struct model_options, field)

enum { WIDTH_LIMIT = 65536, LAYER_LIMIT = 1000 };

static const struct option rows[] = {
        {"model.kind", OPTION_CHOICE, FIELD(kind), .value = "transformer", .kinds = &architecture_kinds,
                .change = CHANGE_REFUSED, .shapes_result = true, .help = "architecture"},
        {"model.width", OPTION_INTEGER, FIELD(width), .value = "256", .minimum = 1, .maximum = WIDTH_LIMIT,
                .change = CHANGE_REFUSED, .shapes_result = true,
                .help = "columns of embeddings and of the rows between layers"},
        {"model.encoder_layers", OPTION_INTEGER, FIELD(encoder_layers), .value = "3", .minimum = 1,
                .maximum = LAYER_LIMIT, .change = CHANGE_REFUSED, .shapes_result = true,
                .help = "layers of the encoder"},
        {"model.decoder_layers", OPTION_INTEGER, FIELD(decoder_layers), .value = "3", .minimum = 1,
                .maximum = LAYER_LIMIT, .change = CHANGE_REFUSED, .shapes_result = true,
                .help = "layers of the decoder"},
        {"model.heads", OPTION_INTEGER, FIELD(heads), .value = "4", .minimum = 1, .maximum = WIDTH_LIMIT,
                .change = CHANGE_REFUSED, .shapes_result = true, .help = "attention heads"},
        {"model.head_width", OPTION_INTEGER, FIELD(head_width), .value = "0", .minimum = 0,
                .maximum = WIDTH_LIMIT, .change = CHANGE_REFUSED, .shapes_result = true,
                .help = "columns of each head; 0: width / heads"},
        {"model.ffn_width", OPTION_INTEGER, FIELD(ffn_width), .value = "1024", .minimum = 1,
                .maximum = 16 * WIDTH_LIMIT, .change = CHANGE_REFUSED, .shapes_result = true,
                .help = "inner columns of the feed-forward layers"},
        {"model.activation", OPTION_CHOICE, FIELD(activation), .value = "relu", .kinds = &activation_kinds,
                .change = CHANGE_REFUSED, .shapes_result = true, .help = "inside the feed-forward layers"},
        {"model.norm", OPTION_CHOICE, FIELD(norm), .value = "pre", .kinds = &norm_kinds,
                .change = CHANGE_REFUSED, .shapes_result = true, .help = "where the layer norms stand"},
        {"model.norm_epsilon", OPTION_REAL, FIELD(norm_epsilon), .value = "1e-5", .minimum = 1e-12,
                .maximum = 1, .change = CHANGE_REFUSED, .shapes_result = true,
                .help = "added to the variance in a norm"},
        {"model.position", OPTION_CHOICE, FIELD(position), .value = "sinusoidal", .kinds = &position_kinds,
                .change = CHANGE_REFUSED, .shapes_result = true, .help = "how the order of tokens is told"},
        {"model.position_limit", OPTION_INTEGER, FIELD(position_limit), .value = "1024", .minimum = 1,
                .maximum = 1000000, .change = CHANGE_REFUSED, .shapes_result = true,
                .needs = "model.position=learned",
                .help = "learned positions, and so the longest sentence in tokens"},
        {"model.tie", OPTION_CHOICE, FIELD(tie), .value = "all", .kinds = &tie_kinds,
                .change = CHANGE_REFUSED, .shapes_result = true,
                .help = "matrices that are one and the same"},
        {"model.start", OPTION_CHOICE, FIELD(start), .value = "bos", .kinds = &start_kinds,
                .change = CHANGE_REFUSED, .shapes_result = true, .help = "first input of the decoder"},
        {"model.embedding_scale", OPTION_BOOL, FIELD(embedding_scale), .value = "true",
                .change = CHANGE_REFUSED, .shapes_result = true,
                .help = "multiply embeddings by the square root of the width"},
        {"model.dropout", OPTION_REAL, FIELD(dropout), .value = "0.1", .minimum = 0, .maximum = 0.99,
                .change = CHANGE_NOTED, .shapes_result = true,
                .help = "share of values dropped after embeddings and each sub-layer"},
        {"model.attention_dropout", OPTION_REAL, FIELD(attention_dropout), .value = "0", .minimum = 0,
                .maximum = 0.99, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "share of attention weights dropped"},
        {"model.activation_dropout", OPTION_REAL, FIELD(activation_dropout), .value = "0", .minimum = 0,
                .maximum = 0.99, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "share of values dropped inside feed-forward layers"},
};
const struct option_group model_group = OPTION_GROUP("model", "the model", rows);
