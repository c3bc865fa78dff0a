/*
 * Recurrent encoder-decoders: Sutskever et al. 2014, Cho et al. 2014 (model.context every_step), Bahdanau et al. 2015,
 * Luong et al. 2015. recurrent.h tells how they are put together.
 */
#include "models/architectures/recurrent.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct bridge_kind bridges[] = {
        {{"linear", "tanh of a linear layer of the encoder's end", "Bahdanau et al. 2015"}, true, false},
        {{"none", "with the encoder's end as it is", "Sutskever et al. 2014"}, false, false},
        {{"zero", "with zeros", NULL}, false, true},
};
const struct kind_table bridge_kinds = KIND_TABLE("bridge", bridges);

static const struct attention_kind attentions[] = {
        {{"none", "the encoder's end is all the decoder sees", "Sutskever et al. 2014"}, .attends = false},
        {{"bahdanau", "the state before a step asks, v tanh(W s + U h), and what it gets goes into the cells",
                 "Bahdanau et al. 2015"},
                .attends = true, .before = true, .score = SCORE_ADDITIVE, .query = true, .key = true},
        {{"bahdanau_normed", "bahdanau whose v is a length times a direction, and whose keys have a bias",
                 "Salimans & Kingma 2016"},
                .attends = true, .before = true, .score = SCORE_ADDITIVE, .query = true, .key = true,
                .scaled = true, .normed = true},
        {{"luong_general", "the state after a step asks, s W h", "Luong et al. 2015"}, .attends = true,
                .score = SCORE_DOT, .key = true},
        {{"luong_dot", "the state after a step asks, s h", "Luong et al. 2015"}, .attends = true,
                .score = SCORE_DOT},
        {{"luong_scaled", "s h divided by the square root of the width", "Vaswani et al. 2017"},
                .attends = true, .score = SCORE_DOT, .scaled = true},
        {{"luong_concat", "the state after a step asks, v tanh(W s + U h)", "Luong et al. 2015"},
                .attends = true, .score = SCORE_ADDITIVE, .query = true, .key = true},
        {{"luong_local_m", "as luong_general, but only model.window tokens around the target's place",
                 "Luong et al. 2015"},
                .attends = true, .score = SCORE_DOT, .key = true, .local = true},
        {{"luong_local_p", "the same around a place that the state tells, those near it more",
                 "Luong et al. 2015"},
                .attends = true, .score = SCORE_DOT, .key = true, .local = true, .predicted = true},
};
const struct kind_table attention_kinds = KIND_TABLE("attention", attentions);

static const struct coverage_kind coverages[] = {
        {{"none", "nothing", NULL}, false},
        {{"sum", "the weights so far of each source token, c in v tanh(W s + U h + w c)", "See et al. 2017"},
                true},
};
const struct kind_table coverage_kinds = KIND_TABLE("coverage", coverages);

static const struct context_kind contexts[] = {
        {{"start", "into the decoder's first state", "Sutskever et al. 2014"}, false},
        {{"every_step", "into every step, too", "Cho et al. 2014"}, true},
};
const struct kind_table context_kinds = KIND_TABLE("context", contexts);

/* Ways that the encoder's rows come from. */
static size_t ways_of(const struct model_options *options)
{
    return options->encoder_layers > 0 && options->encoder_bidirectional ? WAYS : 1;
}

/* A grid has no order that a recurrent layer could follow, nor places in a line. */
static enum status check_grid(const struct model_options *options)
{
    const struct attention_kind *attention = (const struct attention_kind *)options->attention;
    const struct cell_kind *cell = (const struct cell_kind *)options->cell;
    const struct bridge_kind *bridge = (const struct bridge_kind *)options->bridge;
    CHECK(options->encoder_layers == 0, STATUS_CONFIG,
            "model.encoder_layers %lld would read the cells of an image one after the other, but the decoder "
            "looks at the grid itself: set model.encoder_layers 0",
            (long long)options->encoder_layers);
    CHECK(options->encoder_bidirectional, STATUS_CONFIG,
            "model.encoder_bidirectional false counts only with an encoder, and images have none: leave it "
            "out");
    CHECK(!attention->local, STATUS_CONFIG,
            "model.attention %s looks at the neighbours of a place in a line, but an image is a grid: use "
            "model.attention luong_general or bahdanau",
            options->attention->name);
    CHECK(bridge->learned || bridge->zero || cell->states == 1, STATUS_CONFIG,
            "model.bridge %s would start from the mean of an image's cells, but the state of model.cell %s "
            "is %zu times as wide: use model.bridge linear, or model.cell gru",
            options->bridge->name, options->cell->name, cell->states);
    return STATUS_OK;
}

static enum status check_encoder(const struct model_options *options)
{
    const struct attention_kind *attention = (const struct attention_kind *)options->attention;
    const struct bridge_kind *bridge = (const struct bridge_kind *)options->bridge;
    CHECK(options->encoder_layers > 0, STATUS_CONFIG,
            "model.encoder_layers 0 leaves a recurrent decoder without a state to begin with: set 1 or more");
    CHECK(ways_of(options) == 1 || bridge->learned || bridge->zero, STATUS_CONFIG,
            "model.bridge %s needs an encoder whose end is as wide as the decoder's state, but with "
            "model.encoder_bidirectional true it is twice as wide: use model.bridge linear, or "
            "model.encoder_bidirectional false",
            options->bridge->name);
    CHECK(ways_of(options) == 1 || !attention->attends || attention->key, STATUS_CONFIG,
            "model.attention %s compares the decoder's state with the encoder's rows as they are, but with "
            "model.encoder_bidirectional true they are twice as wide: use model.attention luong_general, or "
            "model.encoder_bidirectional false",
            options->attention->name);
    return STATUS_OK;
}

static enum status check(const struct model_options *options, bool joint)
{
    const struct attention_kind *attention = (const struct attention_kind *)options->attention;
    const struct bridge_kind *bridge = (const struct bridge_kind *)options->bridge;
    TRY(source_check(options, joint));
    TRY(options->source.kind == SOURCE_IMAGES ? check_grid(options) : check_encoder(options));
    CHECK(!((const struct coverage_kind *)options->coverage)->sums || attention->before ||
                    options->input_feeding,
            STATUS_CONFIG,
            "model.coverage %s goes from step to step, but with model.input_feeding false these are taken at "
            "once: use model.input_feeding true, or model.coverage none",
            options->coverage->name);
    CHECK(attention->attends || options->attention_dropout == 0, STATUS_CONFIG,
            "model.attention_dropout %g has nothing to drop with model.attention none: set it to 0, or "
            "choose an attention",
            options->attention_dropout);
    CHECK(!bridge->zero || attention->attends || ((const struct context_kind *)options->context)->every,
            STATUS_CONFIG,
            "with model.bridge zero, model.attention none and model.context %s the decoder would see nothing "
            "of the source: use model.bridge linear, model.context every_step or an attention",
            options->context->name);
    return STATUS_OK;
}

/* ---- parameters ---- */

static size_t memory_columns(const struct model *model)
{
    return recurrent_layout(model)->encoder.ways * (size_t)model->options.width;
}

/* Of the encoder's end. */
static size_t end_columns(const struct model *model)
{
    const struct recurrent_stack *encoder = &recurrent_layout(model)->encoder;
    return encoder->layers > 0 ? stack_state_columns(model, encoder) : (size_t)model->options.width;
}

static enum status declare_bridge(struct model *model, struct recurrent_layout *r)
{
    const size_t in = end_columns(model), out = stack_state_columns(model, &r->decoder);
    r->bridge = arena_take_zeroed(model->lasting, r->decoder.layers, sizeof *r->bridge);
    TRY(arena_status(model->lasting));
    for (size_t i = 0; i < r->decoder.layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "bridge/%zu", i);
        TRY(linear_declare(&r->bridge[i], model, name, &(struct linear_shape){in, out, 1},
                r->encoder.layers > 0
                        ? "state after a layer of the encoder to the first one of the decoder's layer"
                        : "mean of an image's cells to the first state of the decoder's layer"));
    }
    return STATUS_OK;
}

/* Of a score whose weight is length · v / |v|. */
static enum status declare_normed(struct model *model, struct recurrent_layout *r)
{
    struct parameter bias = {.array = {.rank = 1,
                                     .shape = {(size_t)model->options.width},
                                     .description = "added to the encoder rows that are compared"},
            .initialiser = INITIALISE_ZERO};
    struct parameter length = {
            .array = {.rank = 1,
                    .shape = {1},
                    .description = "length of the score's weight, times the square root of the width"},
            .initialiser = INITIALISE_ONE};
    TRY(layer_declare(model, &bias, "attention/key", "bias", &r->key_bias));
    return layer_declare(model, &length, "attention/score", "length", &r->length);
}

/* The score's vector begins like a matrix of one row. */
static enum status declare_attention(struct model *model, struct recurrent_layout *r)
{
    const struct attention_kind *kind = recurrent_attention(model);
    const size_t width = (size_t)model->options.width, memory = memory_columns(model);
    if (kind->key)
        TRY(weight_declare(&r->key, model, "attention/key", &(struct linear_shape){memory, width, 1},
                "encoder rows before they are compared [width, columns of the encoder]"));
    if (kind->query)
        TRY(weight_declare(&r->query, model, "attention/query", &(struct linear_shape){width, width, 1},
                "states before they are compared [width, width]"));
    if (score_kinds[kind->score].weighted)
        TRY(weight_declare(&r->score, model, "attention/score", &(struct linear_shape){width, 1, 1},
                "weight of each column in the score [1, width]"));
    if (kind->normed)
        TRY(declare_normed(model, r));
    if (recurrent_covers(model))
        TRY(weight_declare(&r->cover, model, "attention/coverage", &(struct linear_shape){1, width, 1},
                "weights so far of an encoder row, before it is compared [width, 1]"));
    if (!kind->predicted)
        return STATUS_OK;
    TRY(weight_declare(&r->centre, model, "attention/centre/inner", &(struct linear_shape){width, width, 1},
            "states before the place to look at is told [width, width]"));
    return weight_declare(&r->centre_score, model, "attention/centre/outer",
            &(struct linear_shape){width, 1, 1}, "weight of each column in the place, a share of the source");
}

static size_t fed_columns(const struct model *model)
{
    if (recurrent_repeats(model))
        return end_columns(model);
    if (!recurrent_feeds(model))
        return 0;
    return recurrent_attention(model)->before ? memory_columns(model) : (size_t)model->options.width;
}

static enum status declare_decoder(struct model *model, struct recurrent_layout *r)
{
    const struct attention_kind *kind = recurrent_attention(model);
    const size_t width = (size_t)model->options.width, fed = fed_columns(model);
    if (kind->attends)
        TRY(declare_attention(model, r));
    bool text = model->options.source.kind == SOURCE_TEXT;
    TRY(embedding_declare(&r->target, model, TARGET, text ? &r->source.embedding : NULL));
    if (fed > 0)
        TRY(weight_declare(&r->fed, model, "decoder/0/fed",
                &(struct linear_shape){fed, width, model_cell(model)->gates},
                "what goes into the first layer beside the embedding to its gates, stacked"));
    TRY(stack_declare(&r->decoder, model, "decoder", (size_t)model->options.decoder_layers, 1));
    if (kind->attends) {
        size_t columns = memory_columns(model) + (kind->before ? 2 : 1) * width;
        TRY(linear_declare(&r->combine, model, "decoder/combine", &(struct linear_shape){columns, width, 1},
                kind->before ? "state, context and embedding side by side to hidden rows"
                             : "context and state side by side to hidden rows"));
    }
    return output_declare(&r->output, model, &r->target);
}

static enum status declare(struct model *model)
{
    struct model_options *options = &model->options;
    options->position = kind_find(&position_kinds, "none");
    struct recurrent_layout *r = arena_take_zeroed(model->lasting, 1, sizeof *r);
    TRY(arena_status(model->lasting));
    model->layout = r;
    r->decoder = (struct recurrent_stack){.layers = (size_t)options->decoder_layers, .ways = 1};
    TRY(source_declare(&r->source, model));
    TRY(stack_declare(&r->encoder, model, "encoder", (size_t)options->encoder_layers, ways_of(options)));
    if (((const struct bridge_kind *)options->bridge)->learned)
        TRY(declare_bridge(model, r));
    return declare_decoder(model, r);
}

/* ---- encoder ---- */

/* The state after each layer, or the one mean of an image's cells. */
struct ends {
    size_t count;
    struct tensor **items;
};

/* The decoder's layers begin with the ends of the encoder's, those beyond with the last. */
static struct tensor *bridge(struct model *model, struct tape *tape, const struct ends *ends, size_t layer)
{
    const struct recurrent_layout *r = recurrent_layout(model);
    const struct bridge_kind *kind = (const struct bridge_kind *)model->options.bridge;
    struct tensor *end = ends->items[layer < ends->count ? layer : ends->count - 1];
    if (kind->zero)
        return NULL;
    if (!kind->learned)
        return end;
    return op_tanh(tape, linear_apply(tape, &r->bridge[layer], end, NULL, (struct dropout){0}));
}

/* Rows that attention looks at, and the ends. */
static struct tensor *encode(struct model *model, struct tape *tape, const struct sentences *rows,
        struct tensor *x, struct ends *ends)
{
    const struct recurrent_stack *encoder = &recurrent_layout(model)->encoder;
    ends->count = encoder->layers > 0 ? encoder->layers : 1;
    ends->items = arena_take_zeroed(tape_arena(tape), ends->count, sizeof(struct tensor *));
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    if (encoder->layers == 0)
        ends->items[0] = op_mean(tape, x, rows->offsets, rows->count);
    return stack_apply(model, tape, encoder, x,
            &(struct stack_run){.sentences = rows->count, .offsets = rows->offsets, .ends = ends->items});
}

bool recurrent_encode(
        struct model *model, struct tape *tape, const struct sentences *source, struct recurrent_source *out)
{
    const struct recurrent_layout *r = recurrent_layout(model);
    struct tensor **starts = arena_take_zeroed(tape_arena(tape), r->decoder.layers, sizeof(struct tensor *));
    if (!starts)
        return false;
    struct ends ends;
    *out = (struct recurrent_source){.starts = starts};
    struct tensor *x = source_apply(model, tape, &r->source, source, &out->rows);
    out->memory = encode(model, tape, &out->rows, x, &ends);
    for (size_t i = 0; i < r->decoder.layers && tape_status(tape) == STATUS_OK; i++)
        starts[i] = bridge(model, tape, &ends, i);
    if (tape_status(tape) != STATUS_OK)
        return false;
    struct dropout none = {0};
    if (recurrent_repeats(model))
        out->fed =
                op_linear(tape, ends.items[ends.count - 1], tape_parameter(tape, r->fed), NULL, NULL, none);
    out->keys = out->memory;
    if (recurrent_attention(model)->key) {
        struct tensor *bias = recurrent_attention(model)->normed ? tape_parameter(tape, r->key_bias) : NULL;
        out->keys = op_linear(tape, out->memory, tape_parameter(tape, r->key), bias, NULL, none);
    }
    return tape_status(tape) == STATUS_OK;
}

/* NULL if the score has none. */
static struct tensor *score_weight(const struct model *model, struct tape *tape)
{
    const struct recurrent_layout *r = recurrent_layout(model);
    const struct attention_kind *kind = recurrent_attention(model);
    if (!score_kinds[kind->score].weighted)
        return NULL;
    struct tensor *weight = tape_parameter(tape, r->score);
    return kind->normed ? op_weight_norm(tape, weight, tape_parameter(tape, r->length)) : weight;
}

struct tensor *recurrent_attend(const struct model *model, struct tape *tape, struct tensor *query,
        const struct recurrent_reach *reach)
{
    const struct attention_kind *kind = recurrent_attention(model);
    struct tensor *own = NULL, **told = reach->told ? reach->told : reach->guide ? &own : NULL;
    const struct attend attend = {
            .pairs = reach->pairs,
            .query_offsets = reach->query_offsets,
            .key_first = reach->key_first,
            .key_count = reach->key_count,
            .score = &score_kinds[kind->score],
            .scale = kind->scaled ? 1 / sqrtf((float)model->options.width) : 1,
            .query = query,
            .key = reach->keys,
            .value = reach->memory,
            .weight = score_weight(model, tape),
            .reach = kind->local ? (size_t)model->options.window : 0,
            .positions = reach->positions,
            .centre = reach->centre,
            .dropout = tape_dropout(tape, model->options.attention_dropout),
            .covered = reach->covered,
            .cover = reach->covered ? tape_parameter(tape, recurrent_layout(model)->cover) : NULL,
            .told = told,
    };
    struct tensor *context = op_attend(tape, &attend);
    if (reach->guide)
        op_guide(tape, reach->guide,
                &(struct guide_rows){reach->pairs, reach->query_offsets, reach->key_count, reach->tokens},
                *told);
    return context;
}

/* ---- teacher forcing over whole sentences ---- */

/* The sentence of each token. */
static int32_t *sentence_of(struct tape *tape, const struct sentences *sentences)
{
    int32_t *index = arena_take(tape_arena(tape), sentences->tokens, sizeof *index);
    for (size_t s = 0; index && s < sentences->count; s++)
        for (int32_t t = sentences->offsets[s]; t < sentences->offsets[s + 1]; t++)
            index[t] = (int32_t)s;
    return index;
}

struct tensor *recurrent_look_back(
        const struct model *model, struct tape *tape, struct tensor *s, const struct recurrent_reach *reach)
{
    const struct recurrent_layout *r = recurrent_layout(model);
    struct dropout none = {0};
    struct tensor *query = s;
    struct recurrent_reach all = *reach;
    if (recurrent_attention(model)->query)
        query = op_linear(tape, s, tape_parameter(tape, r->query), NULL, NULL, none);
    if (recurrent_attention(model)->predicted) {
        struct tensor *inner = op_linear(tape, s, tape_parameter(tape, r->centre), NULL, NULL, none);
        struct tensor *weight = tape_parameter(tape, r->centre_score);
        all.centre = op_sigmoid(tape, op_linear(tape, op_tanh(tape, inner), weight, NULL, NULL, none));
    }
    struct tensor *parts[] = {query ? recurrent_attend(model, tape, query, &all) : NULL, s};
    return op_tanh(tape, linear_apply(tape, &r->combine, op_beside(tape, parts, 2), NULL, none));
}

/* The pairs of two sides. */
static struct recurrent_reach reach_of(
        struct tape *tape, const struct recurrent_source *source, const struct sentences sides[SIDES])
{
    const struct sentences *from = &sides[SOURCE];
    return (struct recurrent_reach){.memory = source->memory,
            .keys = source->keys,
            .pairs = from->count,
            .query_offsets = sides[TARGET].offsets,
            .key_first = from->offsets,
            .key_count = sentence_lengths(tape, from)};
}

static struct tensor *run_whole(struct model *model, struct tape *tape, const struct recurrent_source *source,
        const struct sentences sides[SIDES], const struct guide *guide)
{
    const struct recurrent_layout *r = recurrent_layout(model);
    const struct sentences *target = &sides[TARGET];
    struct stack_run run = {.sentences = target->count, .offsets = target->offsets, .starts = source->starts};
    int32_t *ids = shifted_ids(tape, target, model_start_id(model));
    struct tensor *x = embedding_apply(model, tape, &r->target, ids, NULL, target->tokens);
    if (source->fed)
        run.context = op_rows(tape, source->fed, sentence_of(tape, target), target->tokens);
    struct tensor *s = stack_apply(model, tape, &r->decoder, x, &run);
    if (!recurrent_attention(model)->attends)
        return s;
    struct recurrent_reach reach = reach_of(tape, source, sides);
    reach.guide = guide;
    return recurrent_look_back(model, tape, s, &reach);
}

static struct prediction predict(struct model *model, struct tape *tape, const struct sentences sides[SIDES],
        const struct guide *guide)
{
    struct recurrent_source source;
    if (!recurrent_encode(model, tape, &sides[SOURCE], &source))
        return (struct prediction){0};
    const struct sentences seen[SIDES] = {source.rows, sides[TARGET]};
    bool by_steps = recurrent_feeds(model) || tape_sampling(tape).rate > 0;
    struct tensor *hidden = by_steps ? recurrent_by_steps(model, tape, &source, seen, guide)
                                     : run_whole(model, tape, &source, seen, guide);
    struct dropout dropout = tape_dropout(tape, model->options.dropout);
    if (dropout.rate > 0)
        hidden = op_sum(tape, NULL, hidden, dropout);
    return output_apply(model, tape, &recurrent_layout(model)->output, hidden);
}

static bool attends(const struct model *model)
{
    return recurrent_attention(model)->attends;
}

const struct architecture recurrent_architecture = {
        .check = check,
        .declare = declare,
        .predict = predict,
        .decode_start = recurrent_decode_start,
        .decode_step = recurrent_decode_step,
        .decode_keep = recurrent_decode_keep,
        .attends = attends,
};
