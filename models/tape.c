#include "models/tape.h"

#include "comm/clock.h"
#include "models/ops/kernels.h"
#include "models/profile.h"
#include "models/spare.h"

#include <string.h>

/* Narrower ones are kept all the same unless memory counts most: what is made again costs as much as it is wide, products
 * as much as it is wide squared (measured: 2.5 % of the time at width 256, 1 % at 512). */
enum { FLEETING = 3, FLEETING_COLUMNS = 512 };

/* Where fleeting values lie in turn. */
struct fleeting {
    struct place {
        float *floats;
        size_t count;
    } places[FLEETING];
    size_t next;
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
    struct spare spare;
    struct fleeting fleeting;
    struct bounds bounds; /* of the next node */
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
    tape->arena = tape->spare.arena = arena;
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

const struct packed *tape_panels(struct tape *tape, const struct tensor *weight, struct packed *own)
{
    const struct packed *packed = tape_packed(tape, weight);
    if (packed || tape_status(tape) != STATUS_OK ||
            !packed_take(own, tape_arena(tape), weight->rows, weight->columns))
        return packed;
    packed_fill(own, weight->value, weight->columns, false);
    return own;
}

static bool matrix_floats(struct tape *tape, size_t rows, size_t columns, size_t *out)
{
    size_t bytes;
    bool fits = size_multiply(out, rows, columns) && size_multiply(&bytes, *out, sizeof(float));
    if (!fits)
        tape_fail(tape,
                status_fail(STATUS_INTERNAL, "a tensor of %zu rows by %zu columns exceeds the address space",
                        rows, columns));
    return fits;
}

/* The next matrix is the first since the last node, or the first output of the next. */
static void note_bound(const struct tape *tape, char **bound)
{
    if (!*bound)
        *bound = arena_mark(tape->arena).end;
}

/* The tensor that begins is an output of the next node. */
static void note_output(struct tape *tape)
{
    note_bound(tape, &tape->bounds.first);
    note_bound(tape, &tape->bounds.output);
}

struct tensor *tape_tensor(struct tape *tape, size_t rows, size_t columns)
{
    size_t floats;
    note_output(tape);
    struct tensor *tensor = tensor_make(tape, rows, columns, NULL);
    if (!tensor || !matrix_floats(tape, rows, columns, &floats))
        return NULL;
    tensor->value = arena_take(tape->arena, floats, sizeof(float));
    tensor->wants_gradient = tape->options.recording;
    return tensor->value ? tensor : NULL;
}

struct tensor *tape_fleeting(struct tape *tape, size_t rows, size_t columns)
{
    if (columns < FLEETING_COLUMNS && tape->options.recording && !tape->options.recompute)
        return tape_tensor(tape, rows, columns);
    size_t floats, most = rows > tape->options.rows ? rows : tape->options.rows;
    note_output(tape);
    struct tensor *tensor = tensor_make(tape, rows, columns, NULL);
    if (!tensor || !matrix_floats(tape, most, columns, &floats))
        return NULL;
    struct place *place = &tape->fleeting.places[tape->fleeting.next++ % FLEETING];
    if (place->count < rows * columns)
        *place = (struct place){arena_take(tape->arena, floats, sizeof(float)), floats};
    tensor->value = place->floats;
    tensor->wants_gradient = tape->options.recording;
    tensor->fleeting = true;
    return tensor->value ? tensor : NULL;
}

const float *tape_value(struct tape *tape, struct tensor *tensor)
{
    if (!tensor->maker)
        return tensor->value;
    if (tensor->users++ > 0)
        return tensor->value;
    tensor->value = spare_take(&tape->spare, tensor->rows * tensor->columns * sizeof(float));
    if (tensor->value)
        tensor->maker->op->again(tape, tensor->maker, tensor->value);
    return tape_status(tape) == STATUS_OK ? tensor->value : NULL;
}

void tape_forget(struct tape *tape, struct tensor *tensor)
{
    if (tensor->maker && --tensor->users == 0 && tensor->value)
        spare_give(&tape->spare, tensor->value, tensor->rows * tensor->columns * sizeof(float));
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
    struct bounds bounds = tape->bounds;
    tape->bounds = (struct bounds){NULL, NULL};
    if (!tape->options.recording || tape_status(tape) != STATUS_OK)
        return;
    note_bound(tape, &bounds.first); /* before the node itself: it is not of the node before */
    struct node *node = arena_take_zeroed(tape->arena, 1, sizeof *node);
    if (!node)
        return;
    node->op = op;
    node->data = data;
    node->bounds = bounds;
    if (!node->bounds.output)
        node->bounds.output = (char *)node;
    node->before = tape->reach;
    node->previous = tape->last;
    tape->last = node;
    for (size_t i = 0; i < output_count; i++) {
        node->outputs[i] = outputs[i];
        if (i == 0 && op && op->again && outputs[i]->fleeting)
            outputs[i]->maker = node;
    }
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

/* What a tape goes back to after a segment. */
struct place_of_tape {
    struct arena_mark mark;
    struct node *last;
    struct spare_range *spare;
    struct fleeting fleeting;
    struct bounds bounds;
};

/* Makes the tape one of its own for a segment: what is taken from here on ends with it. */
static struct place_of_tape enter_segment(struct tape *tape)
{
    struct place_of_tape place = {
            arena_mark(tape->arena), tape->last, tape->spare.first, tape->fleeting, tape->bounds};
    tape->last = NULL;
    tape->spare.first = NULL;
    tape->fleeting = (struct fleeting){0};
    tape->bounds = (struct bounds){NULL, NULL};
    return place;
}

static void leave_segment(struct tape *tape, const struct place_of_tape *place)
{
    arena_reset(tape->arena, place->mark);
    tape->last = place->last;
    tape->spare.first = place->spare;
    tape->fleeting = place->fleeting;
    tape->bounds = place->bounds;
}

/* The tensors of `replay` on their own: what run() leaves on the arena is given back. */
static void run_and_forget(struct tape *tape, const struct replay *replay, struct tensor *const *kept)
{
    struct tensor *outputs[NODE_OUTPUTS] = {NULL};
    struct place_of_tape place = enter_segment(tape);
    replay->segment.run(replay->segment.context, tape, replay->segment.inputs, outputs);
    if (tape_status(tape) != STATUS_OK)
        return;
    for (size_t i = 0; i < replay->segment.output_count; i++) {
        ASSERT(outputs[i]->rows == kept[i]->rows && outputs[i]->columns == kept[i]->columns);
        memcpy(kept[i]->value, outputs[i]->value, kept[i]->rows * kept[i]->columns * sizeof(float));
    }
    leave_segment(tape, &place);
}

void tape_segment(struct tape *tape, const struct segment *segment, struct tensor *outputs[NODE_OUTPUTS])
{
    if (tape->options.recording && !tape->options.recompute) {
        segment->run(segment->context, tape, segment->inputs, outputs);
        return;
    }
    struct replay *replay = arena_take(tape->arena, 1, sizeof *replay);
    for (size_t i = 0; i < segment->output_count && tape_status(tape) == STATUS_OK; i++)
        outputs[i] = (i == 0 ? tape_tensor : tape_fleeting)(
                tape, segment->inputs[0]->rows, segment->inputs[0]->columns);
    if (tape_status(tape) != STATUS_OK)
        return;
    outputs[0]->expendable = true;
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

struct sampling tape_sampling(const struct tape *tape)
{
    const struct tape_options *o = &tape->options;
    return (struct sampling){.rate = o->sampling,
            .whether = random_stream(o->seed, RANDOM_INPUT, o->update, o->slot, 0),
            .which = random_stream(o->seed, RANDOM_INPUT, o->update, o->slot, 1)};
}

/* Room for the gradient of a tensor that wants one. */
static void reserve_gradient(struct tape *tape, struct tensor *tensor)
{
    if (!tensor->wants_gradient || tensor->gradient)
        return;
    note_bound(tape, &tape->bounds.first);
    tensor->gradient = spare_take(&tape->spare, tensor->rows * tensor->columns * sizeof(float));
    tensor->has_room = true;
}

/* The node that made the tensor has run backwards: nobody asks for its gradient again. */
static void spare_gradient(struct tape *tape, struct tensor *tensor)
{
    if (!tensor || !tensor->gradient || !tensor->has_room)
        return;
    spare_give(&tape->spare, tensor->gradient, tensor->rows * tensor->columns * sizeof(float));
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

/* Whether there is a gradient to hand on: of an output, or the node's own where it has none. */
static bool concerned(const struct node *node)
{
    bool outputs = false;
    for (size_t i = 0; i < NODE_OUTPUTS; i++) {
        if (node->outputs[i] && node->outputs[i]->has_gradient)
            return true;
        outputs = outputs || node->outputs[i];
    }
    return !outputs;
}

/* Runs a segment again, with its nodes on a tape of their own, and those backwards. Values and gradients of its inputs
 * outlive it. */
static void replay_backward(struct tape *tape, struct node *node)
{
    const struct replay *replay = node->data;
    const struct segment *segment = &replay->segment;
    struct tensor *outputs[NODE_OUTPUTS] = {NULL};
    for (size_t i = 0; i < NODE_INPUTS; i++)
        if (segment->inputs[i]) {
            reserve_gradient(tape, segment->inputs[i]);
            (void)tape_value(tape, segment->inputs[i]);
        }
    struct place_of_tape place = enter_segment(tape);
    tape->reach = replay->reach;
    tape->sites = replay->sites;
    tape->again = true;
    if (tape->options.profile)
        profile_start(tape->options.profile);
    if (tape_status(tape) == STATUS_OK)
        segment->run(segment->context, tape, segment->inputs, outputs);
    tape->again = false;
    for (size_t i = 0; i < segment->output_count && tape_status(tape) == STATUS_OK; i++) {
        outputs[i]->gradient = node->outputs[i]->gradient;
        outputs[i]->has_gradient = node->outputs[i]->has_gradient;
    }
    go_back(tape);
    leave_segment(tape, &place);
    for (size_t i = 0; i < NODE_INPUTS; i++)
        if (segment->inputs[i])
            tape_forget(tape, segment->inputs[i]);
}

/* Gives back what was taken for a node that has run backwards, up to where the node after it begins. */
static void spare_node(struct tape *tape, struct node *node, const char *end)
{
    for (size_t i = 0; i < NODE_OUTPUTS; i++)
        spare_gradient(tape, node->outputs[i]);
    spare_give(&tape->spare, node->bounds.output, (size_t)(end - node->bounds.output));
}

/* From the last node to the first. */
static void go_back(struct tape *tape)
{
    const struct tape_options *o = &tape->options;
    note_bound(tape, &tape->bounds.first);
    const char *end = tape->bounds.first;
    for (struct node *node = tape->last, *previous; node && tape_status(tape) == STATUS_OK; node = previous) {
        const size_t before = node->before;
        const char *first = node->bounds.first;
        previous = node->previous;
        if (!concerned(node))
            ; /* nothing that counts was made of it */
        else if (node->op)
            run_backward(tape, node);
        else
            replay_backward(tape, node);
        spare_node(tape, node, end);
        end = first;
        if (before < tape->ready && tape_status(tape) == STATUS_OK) {
            tape->ready = before;
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
