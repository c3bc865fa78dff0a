/* Decoders step by step over the target sentences of a micro-batch: teacher forcing, and scheduled sampling. */
#include "models/architectures/recurrent.h"

/* Target sentences in step order. */
struct order {
    struct steps steps;
    int32_t *ids;                   /* [tokens] decoder input in step order */
    int32_t *place;                 /* [tokens] in packed order: row in step order */
    int32_t *tokens;                /* [tokens] in step order: row in packed order */
    int32_t *key_first, *key_count; /* [sentences] */
    struct tensor **s, **context;   /* [steps]; s: hidden rows, where they are made step by step */
};

static bool order_make(struct order *o, struct tape *tape, const struct sentences sides[SIDES], int32_t start)
{
    const struct sentences *source = &sides[SOURCE], *target = &sides[TARGET];
    struct arena *arena = tape_arena(tape);
    const int32_t *ids = shifted_ids(tape, target, start);
    o->steps = steps_make(tape, target->offsets, target->count);
    o->ids = arena_take(arena, target->tokens, sizeof *o->ids);
    o->place = arena_take(arena, target->tokens, sizeof *o->place);
    o->tokens = arena_take(arena, target->tokens, sizeof *o->tokens);
    o->key_first = arena_take(arena, target->count, sizeof *o->key_first);
    o->key_count = arena_take(arena, target->count, sizeof *o->key_count);
    o->s = arena_take_zeroed(arena, o->steps.count, sizeof *o->s);
    o->context = arena_take_zeroed(arena, o->steps.count, sizeof *o->context);
    if (tape_status(tape) != STATUS_OK)
        return false;
    for (size_t i = 0; i < target->count; i++) {
        size_t sentence = (size_t)o->steps.order[i];
        o->key_first[i] = source->offsets[sentence];
        o->key_count[i] = source->offsets[sentence + 1] - source->offsets[sentence];
        for (int32_t t = target->offsets[sentence], step = 0; t < target->offsets[sentence + 1];
                t++, step++) {
            o->place[t] = o->steps.first[step] + (int32_t)i;
            o->tokens[o->place[t]] = t;
            o->ids[o->place[t]] = ids[t];
        }
    }
    return true;
}

/* States of sentences in step order. */
static struct tensor **sort_starts(
        const struct model *model, struct tape *tape, const struct steps *steps, struct tensor *const *starts)
{
    const size_t layers = recurrent_layout(model)->decoder.layers;
    struct tensor **sorted = arena_take_zeroed(tape_arena(tape), layers, sizeof(struct tensor *));
    for (size_t i = 0; sorted && i < layers; i++)
        sorted[i] = starts[i] ? op_rows(tape, starts[i], steps->order, steps->sentences) : NULL;
    return sorted;
}

/* ---- scheduled sampling ---- */

/* What tells which inputs are drawn, and draws them. */
struct sampler {
    struct sampling sampling;
    struct drawing *drawing;
    struct draw *draws; /* [sentences] room */
};

static struct sampler sampler_start(const struct model *model, struct tape *tape, size_t sentences)
{
    const struct prediction p = output_apply(model, tape, &recurrent_layout(model)->output, NULL);
    return (struct sampler){.sampling = tape_sampling(tape),
            .drawing = drawing_start(tape, p.weight, p.bias, p.classes),
            .draws = arena_take(tape_arena(tape), sentences, sizeof(struct draw))};
}

/* Some inputs of step t, not the first, become tokens drawn from what the step before predicts. */
static void draw_inputs(
        const struct sampler *l, struct tape *tape, const struct order *o, struct tensor *hidden, size_t t)
{
    size_t count = 0;
    const int32_t *tokens = o->tokens + o->steps.first[t];
    int32_t *ids = o->ids + o->steps.first[t];
    for (size_t i = 0; i < steps_active(&o->steps, t); i++) {
        uint64_t token = (uint64_t)tokens[i];
        if (random_uniform(&l->sampling.whether, token) < l->sampling.rate)
            l->draws[count++] = (struct draw){i, random_uniform(&l->sampling.which, token), 0};
    }
    op_draw(tape, l->drawing, hidden, l->draws, count);
    for (size_t i = 0; i < count; i++)
        ids[l->draws[i].row] = l->draws[i].token;
}

/* All steps of a decoder that is given some of its own tokens. */
static bool run_sampled(struct recurrent_stepper *s, struct order *o)
{
    const struct recurrent_layout *r = recurrent_layout(s->model);
    const struct sampler sampler = sampler_start(s->model, s->tape, o->steps.sentences);
    bool good = tape_status(s->tape) == STATUS_OK;
    for (size_t t = 0; good && t < o->steps.count; t++) {
        if (t > 0)
            draw_inputs(&sampler, s->tape, o, s->hidden, t);
        const int32_t *ids = o->ids + o->steps.first[t];
        s->reach.tokens = o->tokens + o->steps.first[t];
        good = recurrent_step_embedded(
                s, embedding_apply(s->model, s->tape, &r->target, ids, NULL, steps_active(&o->steps, t)));
        o->s[t] = s->hidden;
    }
    return good;
}

/* ---- both ---- */

/* All steps of one that is given the target. */
static bool run_forced(struct recurrent_stepper *s, struct order *o)
{
    const bool before = recurrent_attention(s->model)->before;
    bool good = true;
    for (size_t t = 0; good && t < o->steps.count; t++) {
        s->reach.tokens = o->tokens + o->steps.first[t];
        good = recurrent_step(s, steps_active(&o->steps, t), (size_t)o->steps.first[t]);
        o->s[t] = before ? s->s : s->hidden;
        o->context[t] = s->context;
    }
    return good;
}

struct tensor *recurrent_by_steps(struct model *model, struct tape *tape,
        const struct recurrent_source *source, const struct sentences sides[SIDES], const struct guide *guide)
{
    const struct sentences *target = &sides[TARGET];
    const bool sampled = tape_sampling(tape).rate > 0;
    struct order o;
    struct recurrent_stepper stepper;
    if (!order_make(&o, tape, sides, model_start_id(model)))
        return NULL;
    struct tensor *x = sampled ? NULL
                               : embedding_apply(model, tape, &recurrent_layout(model)->target, o.ids, NULL,
                                         target->tokens);
    struct tensor **starts = sort_starts(model, tape, &o.steps, source->starts);
    const struct recurrent_reach reach = {.memory = source->memory,
            .keys = source->keys,
            .pairs = o.steps.sentences,
            .key_first = o.key_first,
            .key_count = o.key_count,
            .guide = guide};
    if (!starts || !recurrent_steps_start(&stepper, model, tape, &reach, target->tokens, x, starts))
        return NULL;
    stepper.repeated = source->fed;
    stepper.order = o.steps.order;
    if (!(sampled ? run_sampled(&stepper, &o) : run_forced(&stepper, &o)))
        return NULL;
    struct tensor *hidden = op_join(tape, o.s, o.steps.count);
    if (recurrent_attention(model)->before && !sampled)
        hidden = recurrent_deep_output(model, tape, hidden, op_join(tape, o.context, o.steps.count), x);
    return op_rows(tape, hidden, o.place, target->tokens);
}
