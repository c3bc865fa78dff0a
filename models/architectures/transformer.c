/*
 * The Transformer (Vaswani et al., "Attention is all you need", 2017), pre- or post-norm. Pre-norm stacks end in a norm.
 *
 * The keys and values that all decoder layers take from the encoder are one product, `decoder/cross_attention/key_value`:
 * layer l has columns [2l·w, 2l·w + w) as keys and the next w as values, w = heads · head_width.
 */
#include "models/decode/cache.h"
#include "models/layers/layers.h"

#include <stdio.h>
#include <string.h>

struct encoder_layer {
    struct attention_layer attention;
    struct feed_forward_layer feed_forward;
};

struct decoder_layer {
    struct attention_layer attention, cross;
    struct feed_forward_layer feed_forward;
};

struct transformer {
    struct source_layer source;
    struct embedding_layer target;
    struct encoder_layer *encoder; /* [encoder_layers] */
    struct norm_layer encoder_norm;
    struct linear_layer memory;    /* cross-attention's keys and values */
    struct decoder_layer *decoder; /* [decoder_layers] */
    struct norm_layer decoder_norm;
    struct output_layer output;
};

static const struct transformer *layout(const struct model *model)
{
    return model->layout;
}

static enum status check(const struct model_options *options, bool joint)
{
    CHECK(options->head_width > 0 || options->width % options->heads == 0, STATUS_CONFIG,
            "model.width %lld is not divisible by model.heads %lld: change one of them or set "
            "model.head_width",
            (long long)options->width, (long long)options->heads);
    return source_check(options, joint);
}

/* ---- parameters ---- */

static enum status declare_encoder(struct model *model, struct transformer *t)
{
    char prefix[64];
    TRY(source_declare(&t->source, model));
    for (int64_t i = 0; i < model->options.encoder_layers; i++) {
        snprintf(prefix, sizeof prefix, "encoder/%lld/self_attention", (long long)i);
        TRY(attention_declare(&t->encoder[i].attention, model, prefix, false));
        snprintf(prefix, sizeof prefix, "encoder/%lld/feed_forward", (long long)i);
        TRY(feed_forward_declare(&t->encoder[i].feed_forward, model, prefix));
    }
    return model_norm(model)->before ? norm_declare(&t->encoder_norm, model, "encoder") : STATUS_OK;
}

static enum status declare_decoder(struct model *model, struct transformer *t)
{
    char prefix[64];
    size_t layers = (size_t)model->options.decoder_layers;
    struct linear_shape memory = {(size_t)model->options.width, attention_width(model), 2 * layers};
    TRY(linear_declare(&t->memory, model, "decoder/cross_attention/key_value", &memory,
            "encoder rows to keys, then values, of each decoder layer in turn [layers·2·heads·head_width, "
            "width]"));
    bool text = model->options.source.kind == SOURCE_TEXT;
    TRY(embedding_declare(&t->target, model, TARGET, text ? &t->source.embedding : NULL));
    for (size_t i = 0; i < layers; i++) {
        snprintf(prefix, sizeof prefix, "decoder/%zu/self_attention", i);
        TRY(attention_declare(&t->decoder[i].attention, model, prefix, false));
        snprintf(prefix, sizeof prefix, "decoder/%zu/cross_attention", i);
        TRY(attention_declare(&t->decoder[i].cross, model, prefix, true));
        snprintf(prefix, sizeof prefix, "decoder/%zu/feed_forward", i);
        TRY(feed_forward_declare(&t->decoder[i].feed_forward, model, prefix));
    }
    if (model_norm(model)->before)
        TRY(norm_declare(&t->decoder_norm, model, "decoder"));
    return output_declare(&t->output, model, &t->target);
}

static enum status declare(struct model *model)
{
    struct model_options *options = &model->options;
    if (options->head_width == 0)
        options->head_width = options->width / options->heads;
    struct transformer *t = arena_take_zeroed(model->lasting, 1, sizeof *t);
    struct encoder_layer *encoder =
            arena_take_zeroed(model->lasting, (size_t)options->encoder_layers, sizeof *encoder);
    struct decoder_layer *decoder =
            arena_take_zeroed(model->lasting, (size_t)options->decoder_layers, sizeof *decoder);
    TRY(arena_status(model->lasting));
    t->encoder = encoder;
    t->decoder = decoder;
    model->layout = t;
    TRY(declare_encoder(model, t));
    return declare_decoder(model, t);
}

/* ---- forward ---- */

/* How decoder layers reach keys and values: of whole sentences, or cached, one token at a time. */
struct reach {
    struct tensor *(*self)(struct reach *reach, struct tape *tape, size_t layer, struct tensor *qkv);
    struct tensor *(*cross)(struct reach *reach, struct tape *tape, size_t layer, struct tensor *query);
    struct tensor *memory; /* what cross-attention reads, if it is the tape's */
};

/* One layer as a segment, from the residual before it to what is added last: inputs y, sum, memory; outputs f, sum. */
struct layer {
    struct model *model;
    size_t number;
    bool last;
    const struct sentences *source; /* encoder */
    struct reach *reach;            /* decoder */
};

/* The end of an attention sub-layer: the heads back to the width, and on to the residual. */
static void add_heads(const struct model *model, struct tape *tape, struct residual *r,
        const struct attention_layer *own, struct tensor *heads, const struct norm_layer *next)
{
    struct tensor *f = linear_apply(tape, &own->output, heads, NULL, (struct dropout){0});
    residual_add(model, tape, r, f, &own->norm, next, false);
}

static void run_encoder_layer(const void *context, struct tape *tape, struct tensor *const *inputs,
        struct tensor *outputs[NODE_OUTPUTS])
{
    const struct layer *own = context;
    const struct transformer *t = layout(own->model);
    const struct encoder_layer *layer = &t->encoder[own->number];
    struct residual r = {.y = inputs[0], .sum = inputs[1]};
    struct tensor *qkv = linear_apply(tape, &layer->attention.input, r.y, NULL, (struct dropout){0});
    struct tensor *heads = attention_self(own->model, tape, qkv, own->source, false);
    add_heads(own->model, tape, &r, &layer->attention, heads, &layer->feed_forward.norm);
    outputs[0] = feed_forward_apply(own->model, tape, &layer->feed_forward, r.y);
    outputs[1] = r.sum;
}

static void run_decoder_layer(const void *context, struct tape *tape, struct tensor *const *inputs,
        struct tensor *outputs[NODE_OUTPUTS])
{
    const struct layer *own = context;
    const struct transformer *t = layout(own->model);
    const struct decoder_layer *layer = &t->decoder[own->number];
    struct residual r = {.y = inputs[0], .sum = inputs[1]};
    struct tensor *qkv = linear_apply(tape, &layer->attention.input, r.y, NULL, (struct dropout){0});
    struct tensor *heads = own->reach->self(own->reach, tape, own->number, qkv);
    add_heads(own->model, tape, &r, &layer->attention, heads, &layer->cross.norm);
    struct tensor *query = linear_apply(tape, &layer->cross.input, r.y, NULL, (struct dropout){0});
    heads = own->reach->cross(own->reach, tape, own->number, query);
    add_heads(own->model, tape, &r, &layer->cross, heads, &layer->feed_forward.norm);
    outputs[0] = feed_forward_apply(own->model, tape, &layer->feed_forward, r.y);
    outputs[1] = r.sum;
}

/* The norm of a layer's last sub-layer, and that of the first of the layer after it or of the stack. */
struct last_norms {
    const struct norm_layer *own, *next;
};

static struct last_norms norms_of(const struct layer *layer)
{
    const struct transformer *t = layout(layer->model);
    if (layer->reach) {
        const struct decoder_layer *own = &t->decoder[layer->number];
        return (struct last_norms){
                &own->feed_forward.norm, layer->last ? &t->decoder_norm : &own[1].attention.norm};
    }
    const struct encoder_layer *own = &t->encoder[layer->number];
    return (struct last_norms){
            &own->feed_forward.norm, layer->last ? &t->encoder_norm : &own[1].attention.norm};
}

static void layer_apply(struct tape *tape, struct residual *r, const struct layer *layer)
{
    struct layer *kept = arena_take(tape_arena(tape), 1, sizeof *kept);
    if (!kept)
        return;
    *kept = *layer;
    struct segment segment = {.run = layer->reach ? run_decoder_layer : run_encoder_layer,
            .context = kept,
            .inputs = {r->y, r->sum, layer->reach ? layer->reach->memory : NULL},
            .output_count = NODE_OUTPUTS};
    struct tensor *outputs[NODE_OUTPUTS] = {NULL};
    struct last_norms norms = norms_of(layer);
    tape_segment(tape, &segment, outputs);
    r->sum = outputs[1];
    residual_add(layer->model, tape, r, outputs[0], norms.own, norms.next, layer->last);
}

/* Returns keys and values of all decoder layers [rows->tokens, layers·2·heads·head_width], and what they are of, which
 * stays the caller's until backward. */
static struct tensor *encode(
        struct model *model, struct tape *tape, const struct sentences *source, struct sentences *rows)
{
    const struct transformer *t = layout(model);
    size_t layers = (size_t)model->options.encoder_layers;
    struct tensor *x = source_apply(model, tape, &t->source, source, rows);
    struct residual r =
            residual_start(model, tape, x, layers > 0 ? &t->encoder[0].attention.norm : &t->encoder_norm);
    for (size_t i = 0; i < layers; i++)
        layer_apply(tape, &r, &(struct layer){model, i, i + 1 == layers, rows, NULL});
    return linear_apply(tape, &t->memory, r.y, NULL, (struct dropout){0});
}

static struct prediction decode(struct model *model, struct tape *tape, struct reach *reach,
        const int32_t *ids, const int32_t *positions, size_t rows)
{
    const struct transformer *t = layout(model);
    size_t layers = (size_t)model->options.decoder_layers;
    struct tensor *x = embedding_apply(model, tape, &t->target, ids, positions, rows);
    struct residual r = residual_start(model, tape, x, &t->decoder[0].attention.norm);
    for (size_t i = 0; i < layers; i++)
        layer_apply(tape, &r, &(struct layer){model, i, i + 1 == layers, NULL, reach});
    return output_apply(model, tape, &t->output, r.y);
}

/* ---- teacher forcing ---- */

struct whole_reach {
    struct reach reach;
    const struct model *model;
    const struct sentences *target;
    struct sentences memory; /* of the source, as the encoder left it */
    const struct guide *guide;
};

static struct tensor *whole_self(struct reach *reach, struct tape *tape, size_t layer, struct tensor *qkv)
{
    (void)layer;
    struct whole_reach *whole = (struct whole_reach *)reach;
    return attention_self(whole->model, tape, qkv, whole->target, true);
}

static struct tensor *whole_cross(struct reach *reach, struct tape *tape, size_t layer, struct tensor *query)
{
    struct whole_reach *whole = (struct whole_reach *)reach;
    const struct model *model = whole->model;
    const size_t column = 2 * layer * attention_width(model);
    if (whole->guide && query && layer + 1 == (size_t)model->options.decoder_layers)
        attention_guide(
                model, tape, whole->guide, query, whole->target, reach->memory, column, &whole->memory);
    return attention_cross(model, tape, query, whole->target, reach->memory, column, &whole->memory);
}

static struct prediction predict(struct model *model, struct tape *tape, const struct sentences sides[SIDES],
        const struct guide *guide)
{
    const struct sentences *target = &sides[TARGET];
    struct whole_reach *whole = arena_take(tape_arena(tape), 1, sizeof *whole); /* until backward */
    if (!whole)
        return (struct prediction){0};
    *whole = (struct whole_reach){{whole_self, whole_cross, NULL}, model, target, {0}, guide};
    whole->reach.memory = encode(model, tape, &sides[SOURCE], &whole->memory);
    int32_t *ids = shifted_ids(tape, target, model_start_id(model));
    return decode(model, tape, &whole->reach, ids, positions_of(tape, target), target->tokens);
}

/* ---- cached decoding ---- */

struct cached_reach {
    struct reach reach;
    struct model *model;
    struct cache cache;    /* keys and values of the target so far: planes 2·layer and 2·layer + 1 */
    float *memory;         /* [layers·2, source tokens, heads·head_width]: those of the source */
    size_t source_tokens;  /* of all sentences */
    int32_t *first;        /* [rows] token where the row's source sentence starts */
    int32_t *source_count; /* [rows] tokens of it */
    const struct step_attention *attention; /* of the step; NULL: not asked for */
};

/* Values are `apart` floats after their keys. */
static struct tensor *attend_step(struct cached_reach *cached, struct tape *tape, const struct tensor *query,
        const float **keys, size_t apart, const int32_t *lengths)
{
    size_t rows = cached->cache.rows, inner = attention_width(cached->model);
    size_t head_width = (size_t)cached->model->options.head_width;
    const float **values = arena_take(tape_arena(tape), rows, sizeof *values);
    struct tensor *out = tape_tensor(tape, rows, inner);
    if (!values || !out)
        return NULL;
    for (size_t r = 0; r < rows; r++)
        values[r] = keys[r] + apart;
    attention_step(rows, (size_t)cached->model->options.heads, head_width, head_width,
            attention_scale(cached->model), query->value, query->columns, keys, values, inner, lengths,
            out->value);
    return out;
}

static struct tensor *cached_self(struct reach *reach, struct tape *tape, size_t layer, struct tensor *qkv)
{
    struct cached_reach *cached = (struct cached_reach *)reach;
    struct cache *cache = &cached->cache;
    size_t inner = cache->columns;
    const float **keys = arena_take(tape_arena(tape), cache->rows, sizeof *keys);
    int32_t *lengths = arena_take(tape_arena(tape), cache->rows, sizeof *lengths);
    if (!qkv || !keys || !lengths)
        return NULL;
    cache_put(cache, 2 * layer, qkv->value + inner, qkv->columns);
    cache_put(cache, 2 * layer + 1, qkv->value + 2 * inner, qkv->columns);
    for (size_t r = 0; r < cache->rows; r++) {
        keys[r] = cache_row(cache, r, 2 * layer);
        lengths[r] = (int32_t)cache->length;
    }
    return attend_step(cached, tape, qkv, keys, cache->room * inner, lengths);
}

/* To the step's attention, where it is asked for that of this layer. */
static void add_attention(const struct cached_reach *cached, struct tape *tape, size_t layer,
        const struct tensor *query, const float *const *keys)
{
    const struct step_attention *attention = cached->attention;
    const struct model_options *options = &cached->model->options;
    size_t heads = (size_t)options->heads, rows = cached->cache.rows;
    if (!attention || (!attention->apart && layer + 1 < (size_t)options->decoder_layers))
        return;
    float **out = arena_take(tape_arena(tape), rows, sizeof *out);
    for (size_t r = 0; out && r < rows; r++) {
        size_t before = attention->apart ? layer * heads * (size_t)cached->source_count[r] : 0;
        out[r] = attention->rows[r] + before;
    }
    if (out)
        attention_step_weights(rows, heads, (size_t)options->head_width, attention_scale(cached->model),
                query->value, query->columns, keys, cached->cache.columns, cached->source_count,
                attention->weight, attention->apart, out);
}

static struct tensor *cached_cross(struct reach *reach, struct tape *tape, size_t layer, struct tensor *query)
{
    struct cached_reach *cached = (struct cached_reach *)reach;
    size_t rows = cached->cache.rows, inner = cached->cache.columns, apart = cached->source_tokens * inner;
    const float **keys = arena_take(tape_arena(tape), rows, sizeof *keys);
    if (!query || !keys)
        return NULL;
    for (size_t r = 0; r < rows; r++)
        keys[r] = cached->memory + 2 * layer * apart + (size_t)cached->first[r] * inner;
    add_attention(cached, tape, layer, query, keys);
    return attend_step(cached, tape, query, keys, apart, cached->source_count);
}

/* [tokens, planes·columns] to [planes, tokens, columns]. */
static void split_planes(const struct tensor *memory, size_t columns, float *out)
{
    size_t planes = memory->columns / columns;
#pragma omp parallel for schedule(static)
    for (size_t t = 0; t < memory->rows; t++)
        for (size_t plane = 0; plane < planes; plane++)
            memcpy(out + (plane * memory->rows + t) * columns, memory->value + (t * planes + plane) * columns,
                    columns * sizeof *out);
}

/* The encoder's rows are made on the step arena; only what the decoder needs of them is kept. */
static enum status encode_for_decoding(
        struct cached_reach *cached, struct model *model, const struct sentences *source)
{
    struct sentences rows;
    TRY(model_reserve_positions(model, source->longest));
    arena_clear(model->step);
    struct tape *tape =
            tape_start(model->step, &model->parameters, &(struct tape_options){.packing = &model->packing});
    if (!tape)
        return arena_status(model->step);
    struct tensor *memory = encode(model, tape, source, &rows);
    TRY(tape_status(tape));
    for (size_t s = 0; s < source->count; s++) {
        cached->first[s] = rows.offsets[s];
        cached->source_count[s] = rows.offsets[s + 1] - rows.offsets[s];
    }
    cached->source_tokens = memory->rows;
    cached->memory = arena_take(model->decode, memory->rows * memory->columns, sizeof *cached->memory);
    if (!cached->memory)
        return arena_status(model->decode);
    split_planes(memory, attention_width(model), cached->memory);
    return STATUS_OK;
}

static enum status decode_start(struct model *model, const struct sentences *source, void **state)
{
    TRY(model_start_decoding(model));
    struct cached_reach *cached = arena_take_zeroed(model->decode, 1, sizeof *cached);
    int32_t *first = arena_take(model->decode, source->count, sizeof *first);
    int32_t *source_count = arena_take(model->decode, source->count, sizeof *source_count);
    TRY(arena_status(model->decode));
    *cached = (struct cached_reach){.reach = {.self = cached_self, .cross = cached_cross}, .model = model};
    cached->first = first;
    cached->source_count = source_count;
    TRY(encode_for_decoding(cached, model, source));
    *state = cached;
    return cache_start(&cached->cache, model->decode, source->count,
            2 * (size_t)model->options.decoder_layers, attention_width(model));
}

static enum status decode_step(void *state, struct tape *tape, const int32_t *ids,
        const struct step_attention *attention, struct prediction *prediction)
{
    struct cached_reach *cached = state;
    size_t rows = cached->cache.rows;
    cached->attention = attention;
    TRY(cache_extend(&cached->cache));
    TRY(model_reserve_positions(cached->model, cached->cache.length));
    int32_t *positions = arena_take(tape_arena(tape), rows, sizeof *positions);
    for (size_t r = 0; positions && r < rows; r++)
        positions[r] = (int32_t)cached->cache.length - 1;
    *prediction = decode(cached->model, tape, &cached->reach, ids, positions, rows);
    return tape_status(tape);
}

static enum status decode_keep(void *state, const int32_t *parents, size_t rows)
{
    struct cached_reach *cached = state;
    int32_t *first = arena_take(cached->cache.arena, rows, sizeof *first);
    int32_t *source_count = arena_take(cached->cache.arena, rows, sizeof *source_count);
    TRY(arena_status(cached->cache.arena));
    for (size_t r = 0; r < rows; r++) {
        first[r] = cached->first[parents[r]];
        source_count[r] = cached->source_count[parents[r]];
    }
    cached->first = first;
    cached->source_count = source_count;
    return cache_keep(&cached->cache, parents, rows);
}

static struct attention_planes attention(const struct model *model)
{
    return (struct attention_planes){
            .layers = (size_t)model->options.decoder_layers, .heads = (size_t)model->options.heads};
}

static bool attends(const struct model *model)
{
    (void)model;
    return true;
}

const struct architecture transformer_architecture = {
        .check = check,
        .declare = declare,
        .predict = predict,
        .decode_start = decode_start,
        .decode_step = decode_step,
        .decode_keep = decode_keep,
        .attends = attends,
        .attention = attention,
};
