#include "models/tape.h"

#include "comm/clock.h"
#include "models/ops/kernels.h"
#include "models/profile.h"

#include <string.h>

/* Memory of a gradient that is done with, for another. */
struct spare {
    struct spare *next;
    size_t floats;
};

struct tape {
    struct arena *arena;
    const struct parameters *parameters;
    struct tape_options options;
    enum status status;
    struct node *last;
    size_t reach;   /* largest parameter_end among the inputs of the nodes so far */
    uint32_t sites; /* dropout sites given out */
    size_t ready;   /* the flat gradient is final from here on */
    size_t needed;  /* parameters [0, needed) were asked for */
    bool again;     /* a segment runs once more */
    struct spare *spare;
};

/* A segment that was run, and where the tape stood before. */
struct replay {
    struct segment segment;
    size_t reach;
    uint32_t sites;
};

struct tape *tape_start(
        struct arena *arena, const struct parameters *parameters, const struct tape_options *options)
{
    struct tape *tape = arena_take_zeroed(arena, 1, sizeof *tape);
    if (!tape)
        return NULL;
    tape->arena = arena;
    tape->parameters = parameters;
    tape->options = *options;
    if (options->profile)
        profile_pass(options->profile);
    return tape;
}

bool tape_recording(const struct tape *tape)
{
    return tape->options.recording;
}

struct arena *tape_arena(struct tape *tape)
{
    return tape->arena;
}

enum status tape_status(const struct tape *tape)
{
    return tape->status != STATUS_OK ? tape->status : arena_status(tape->arena);
}

void tape_fail(struct tape *tape, enum status status)
{
    if (tape->status == STATUS_OK)
        tape->status = status;
}

static struct tensor *tensor_make(struct tape *tape, size_t rows, size_t columns, float *value)
{
    if (tape_status(tape) != STATUS_OK)
        return NULL;
    struct tensor *tensor = arena_take_zeroed(tape->arena, 1, sizeof *tensor);
    if (!tensor)
        return NULL;
    *tensor = (struct tensor){.rows = rows, .columns = columns, .value = value};
    return tensor;
}

/* The wait is no op's time. */
static void need_parameters(struct tape *tape, size_t end)
{
    const struct tape_options *o = &tape->options;
    if (!o->needed || end <= tape->needed)
        return;
    double start = clock_now();
    tape->needed = end;
    tape_fail(tape, o->needed(o->context, end));
    if (o->profile)
        o->profile->since += clock_now() - start;
}

struct tensor *tape_parameter(struct tape *tape, size_t number)
{
    ASSERT(number < tape->parameters->count);
    const struct parameter *parameter = &tape->parameters->items[number];
    const struct flat_array *array = &parameter->array;
    size_t rows = array->rank > 1 ? array->shape[0] : 1;
    size_t columns = rows == 0 ? 0 : parameter->floats / rows;
    struct tensor *tensor = tensor_make(tape, rows, columns, tape->parameters->values + array->offset);
    if (!tensor)
        return NULL;
    tensor->parameter_end = array->offset + parameter->floats;
    need_parameters(tape, tensor->parameter_end);
    tensor->packed = tape->options.packing ? &tape->options.packing->items[number] : NULL;
    bool frozen = tape->options.frozen && tape->options.frozen[number];
    if (tape->options.recording && tape->options.gradient && !frozen) {
        tensor->gradient = tape->options.gradient + array->offset;
        tensor->wants_gradient = tensor->has_gradient = true;
    }
    return tensor;
}

const struct packed *tape_packed(struct tape *tape, const struct tensor *weight)
{
    struct packed *packed = weight->packed;
    if (!packed || packed->panels)
        return packed;
    struct arena *arena = tape->options.packing->arena;
    if (!packed_take(packed, arena, weight->rows, weight->columns)) {
        tape_fail(tape, arena_status(arena));
        return NULL;
    }
    packed_fill(packed, weight->value, weight->columns, false);
    return packed;
}

static float *take_matrix(struct tape *tape, size_t rows, size_t columns)
{
    size_t count;
    if (!size_multiply(&count, rows, columns)) {
        tape_fail(tape,
                status_fail(STATUS_INTERNAL, "a tensor of %zu rows by %zu columns exceeds the address space",
                        rows, columns));
        return NULL;
    }
    return arena_take(tape->arena, count, sizeof(float));
}

struct tensor *tape_tensor(struct tape *tape, size_t rows, size_t columns)
{
    struct tensor *tensor = tensor_make(tape, rows, columns, NULL);
    if (!tensor)
        return NULL;
    tensor->value = take_matrix(tape, rows, columns);
    tensor->wants_gradient = tape->options.recording;
    return tensor->value ? tensor : NULL;
}

struct tensor *tape_input(struct tape *tape, size_t rows, size_t columns, float *values, bool wants_gradient)
{
    struct tensor *tensor = tensor_make(tape, rows, columns, values);
    if (tensor)
        tensor->wants_gradient = wants_gradient && tape->options.recording;
    return tensor;
}

void tape_record(struct tape *tape, const struct op *op, void *data, struct tensor *const *inputs,
        size_t input_count, struct tensor *const *outputs, size_t output_count)
{
    ASSERT(input_count <= NODE_INPUTS && output_count <= NODE_OUTPUTS);
    if (!tape->options.recording || tape_status(tape) != STATUS_OK)
        return;
    struct node *node = arena_take_zeroed(tape->arena, 1, sizeof *node);
    if (!node)
        return;
    node->op = op;
    node->data = data;
    node->before = tape->reach;
    node->previous = tape->last;
    tape->last = node;
    for (size_t i = 0; i < output_count; i++)
        node->outputs[i] = outputs[i];
    for (size_t i = 0; i < input_count; i++) {
        node->inputs[i] = inputs[i];
        if (inputs[i] && inputs[i]->parameter_end > tape->reach)
            tape->reach = inputs[i]->parameter_end;
    }
    if (!tape->options.profile || !op)
        return;
    if (tape->again)
        profile_again(tape->options.profile, node);
    else
        profile_forward(tape->options.profile, node);
}

/* ---- segments ---- */

/* The tensors of `replay` on their own: what run() leaves on the arena is given back. */
static void run_and_forget(struct tape *tape, const struct replay *replay, struct tensor *const *kept)
{
    struct tensor *outputs[NODE_OUTPUTS] = {NULL};
    struct arena_mark mark = arena_mark(tape->arena);
    struct node *last = tape->last;
    replay->segment.run(replay->segment.context, tape, replay->segment.inputs, outputs);
    if (tape_status(tape) != STATUS_OK)
        return;
    for (size_t i = 0; i < replay->segment.output_count; i++) {
        ASSERT(outputs[i]->rows == kept[i]->rows && outputs[i]->columns == kept[i]->columns);
        memcpy(kept[i]->value, outputs[i]->value, kept[i]->rows * kept[i]->columns * sizeof(float));
    }
    arena_reset(tape->arena, mark);
    tape->last = last;
}

void tape_segment(struct tape *tape, const struct segment *segment, struct tensor *outputs[NODE_OUTPUTS])
{
    if (tape->options.recording && !tape->options.recompute) {
        segment->run(segment->context, tape, segment->inputs, outputs);
        return;
    }
    struct replay *replay = arena_take(tape->arena, 1, sizeof *replay);
    for (size_t i = 0; i < segment->output_count && tape_status(tape) == STATUS_OK; i++)
        outputs[i] = tape_tensor(tape, segment->inputs[0]->rows, segment->inputs[0]->columns);
    if (tape_status(tape) != STATUS_OK)
        return;
    *replay = (struct replay){*segment, tape->reach, tape->sites};
    run_and_forget(tape, replay, outputs);
    tape_record(tape, NULL, replay, segment->inputs, NODE_INPUTS, outputs, segment->output_count);
}

struct dropout tape_dropout(struct tape *tape, double rate)
{
    ASSERT(tape->sites < RANDOM_SITES);
    const struct tape_options *o = &tape->options;
    uint32_t site = tape->sites++;
    return (struct dropout){.rate = o->training ? (float)rate : 0,
            .stream = random_stream(o->seed, RANDOM_DROPOUT, o->update, o->slot, site)};
}

/* The smallest spare block that holds `floats`; NULL if there is none. */
static struct spare *take_spare(struct tape *tape, size_t floats)
{
    struct spare **best = NULL;
    for (struct spare **at = &tape->spare; *at; at = &(*at)->next)
        if ((*at)->floats >= floats && (!best || (*at)->floats < (*best)->floats))
            best = at;
    struct spare *found = best ? *best : NULL;
    if (best)
        *best = found->next;
    return found;
}

/* Room for the gradient of a tensor that wants one. */
static void reserve_gradient(struct tape *tape, struct tensor *tensor)
{
    if (!tensor->wants_gradient || tensor->gradient)
        return;
    struct spare *spare = take_spare(tape, tensor->rows * tensor->columns);
    tensor->room = spare ? spare->floats : tensor->rows * tensor->columns;
    tensor->gradient = spare ? (float *)spare : take_matrix(tape, tensor->rows, tensor->columns);
}

/* The node that made the tensor has run backwards: nobody asks for its gradient again. */
static void spare_gradient(struct tape *tape, struct tensor *tensor)
{
    if (!tensor || !tensor->gradient || tensor->room * sizeof(float) < sizeof(struct spare))
        return;
    struct spare *spare = (struct spare *)tensor->gradient;
    *spare = (struct spare){tape->spare, tensor->room};
    tape->spare = spare;
    tensor->gradient = NULL;
    tensor->has_gradient = false;
}

float *tensor_gradient(struct tape *tape, struct tensor *tensor, bool *add)
{
    *add = false;
    if (!tensor || !tensor->wants_gradient)
        return NULL;
    reserve_gradient(tape, tensor);
    *add = tensor->has_gradient;
    tensor->has_gradient = true;
    return tensor->gradient;
}

float *tensor_gradient_part(struct tape *tape, struct tensor *tensor)
{
    bool add;
    float *gradient = tensor_gradient(tape, tensor, &add);
    if (gradient && !add)
        memset(gradient, 0, tensor->rows * tensor->columns * sizeof *gradient);
    return gradient;
}

static void run_backward(struct tape *tape, struct node *node)
{
    struct profile *profile = tape->options.profile;
    if (profile)
        profile_start(profile);
    node->op->backward(tape, node);
    if (profile)
        profile_backward(profile, node);
}

static void go_back(struct tape *tape);

/* Runs a segment again, with its nodes on a tape of their own, and those backwards. */
static void replay_backward(struct tape *tape, struct node *node)
{
    const struct replay *replay = node->data;
    const struct segment *segment = &replay->segment;
    for (size_t i = 0; i < NODE_INPUTS; i++) /* they outlive the segment, as do their gradients */
        if (segment->inputs[i])
            reserve_gradient(tape, segment->inputs[i]);
    struct tensor *outputs[NODE_OUTPUTS] = {NULL};
    struct arena_mark mark = arena_mark(tape->arena);
    struct node *last = tape->last;
    struct spare *spare = tape->spare;
    tape->last = NULL;
    tape->spare = NULL; /* what the segment leaves behind ends with it */
    tape->reach = replay->reach;
    tape->sites = replay->sites;
    tape->again = true;
    if (tape->options.profile)
        profile_start(tape->options.profile);
    segment->run(segment->context, tape, segment->inputs, outputs);
    tape->again = false;
    for (size_t i = 0; i < segment->output_count && tape_status(tape) == STATUS_OK; i++) {
        outputs[i]->gradient = node->outputs[i]->gradient;
        outputs[i]->has_gradient = node->outputs[i]->has_gradient;
    }
    go_back(tape);
    tape->last = last;
    tape->spare = spare;
    arena_reset(tape->arena, mark);
}

/* From the last node to the first. */
static void go_back(struct tape *tape)
{
    const struct tape_options *o = &tape->options;
    for (struct node *node = tape->last; node && tape_status(tape) == STATUS_OK; node = node->previous) {
        if (node->op)
            run_backward(tape, node);
        else
            replay_backward(tape, node);
        for (size_t i = 0; i < NODE_OUTPUTS; i++)
            spare_gradient(tape, node->outputs[i]);
        if (node->before < tape->ready && tape_status(tape) == STATUS_OK) {
            tape->ready = node->before;
            if (o->ready)
                o->ready(o->context, tape->ready);
        }
    }
}

enum status tape_backward(struct tape *tape)
{
    ASSERT(tape->options.recording);
    tape->ready = tape->parameters ? tape->parameters->floats : 0;
    go_back(tape);
    return tape_status(tape);
}
