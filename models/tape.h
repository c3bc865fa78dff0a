/*
 * Tensors and the tape.
 *
 * A tensor is a matrix [rows, columns] of floats on the step arena; rows are packed tokens. An op (ops.h) computes its
 * output at once and, while the tape records, adds a node; tape_backward() runs the nodes backwards. All memory is the
 * arena's: nothing is freed one by one, and a failure is sticky: every op on a tape that failed returns NULL, and
 * tape_status() tells.
 *
 *     x = op_embedding(tape, ...);       forward, node 0
 *     y = op_linear(tape, x, w, b, ...); forward, node 1
 *     op_loss(tape, y, ...);             forward, node 2
 *     TRY(tape_backward(tape));          nodes 2, 1, 0
 *
 * Parameter gradients are added into the flat gradient buffer, where frozen ones leave it as it is; ready(first) tells
 * when all of it from `first` on is final. needed(end) comes before parameters up to `end` are read: they may still be on their way until then.
 *
 * Backward gives memory back as it goes: when a node has run, what it and its outputs took serves the gradients of
 * earlier ones (spare.h). What costs little to make again is not kept where it is wide: fleeting tensors. Without a
 * backward to come a segment (tape_segment()) keeps nothing but its outputs. With options.recompute it keeps its first
 * output only when a backward comes, which makes the rest again, bit for bit (Chen et al. 2016, "Training deep nets with
 * sublinear memory cost").
 */
#ifndef MODELS_TAPE_H
#define MODELS_TAPE_H

#include "comm/memory.h"
#include "comm/random.h"
#include "models/parameters.h"

#include <stdbool.h>

struct tensor {
    size_t rows, columns;
    float *value;    /* [rows, columns]; of a fleeting tensor only for a while: see tape_fleeting() */
    float *gradient; /* [rows, columns]; NULL until tensor_gradient(), and again when backward is past the node
                        that made the tensor; a parameter's lies in the flat gradient buffer */
    bool wants_gradient;
    bool expendable; /* backward of the op that made it does without its value: an only reader may write over it */
    bool has_gradient;     /* something was written to it: later writers add */
    size_t parameter_end;  /* parameters: end in the flat buffer; 0 for others */
    struct packed *packed; /* parameters of a tape that packs: see tape_packed() */
    bool has_room;         /* the gradient's memory is the tape's */
    bool fleeting;
    struct node *maker; /* of a fleeting tensor whose value can be made again */
    int users;          /* in backward, of that value */
};

struct tape;
struct node;
struct op_work;
struct packed;
struct profile;

/* Weights laid out for products of many tapes (ops/kernels.h), made when first used. */
struct packing {
    struct arena *arena;
    struct packed *items; /* [parameters] */
};

/* A row of the table of ops: a name for timing and tests, what runs backwards, and how much there is to do. */
struct op {
    const char *name;
    const char *help;
    void (*backward)(struct tape *tape, struct node *node);
    void (*work)(
            const struct node *node, struct op_work *out); /* adds to `out` (profile.h); NULL: not known */
    /* The value of a fleeting output 0 once more, bit for bit, into `value`. NULL: its outputs are kept. */
    void (*again)(struct tape *tape, const struct node *node, float *value);
};

enum { NODE_INPUTS = 7, NODE_OUTPUTS = 2 };

/* Where on the arena the first matrix since the node before begins, and the first output, or the node if it has none:
 * when the node has run backwards, nothing is needed from the output to where the next node's first matrix begins.
 * What was taken in between is the node's, too. */
struct bounds {
    char *first, *output;
};

struct node {
    const struct op *op;                /* NULL: a segment, which `data` tells */
    struct tensor *inputs[NODE_INPUTS]; /* NULL where an input is absent */
    struct tensor *outputs[NODE_OUTPUTS];
    void *data;    /* the op's own, on the arena */
    size_t before; /* largest parameter_end used by earlier nodes */
    struct bounds bounds;
    struct node *previous;
};

/* Dropout at one place: each element survives with 1 - rate and is scaled by 1 / (1 - rate). rate
 * 0: none. */
struct dropout {
    float rate;
    struct random_stream stream;
};

/* Scheduled sampling (Bengio et al. 2015): with probability `rate` the decoder is not given the target's token before but
 * one drawn from what it predicted there. Both streams have a number for each target token of the micro-batch: whether
 * its input is drawn, if that is below the rate, and which share of the probability it takes. */
struct sampling {
    double rate;
    struct random_stream whether, which;
};

struct tape_options {
    bool recording;  /* a backward will follow */
    bool training;   /* dropout is on */
    bool recompute;  /* segments keep their first output only */
    double sampling; /* rate of tape_sampling() */
    size_t rows;     /* of a tensor, at most; 0: not known, which takes more memory */
    uint64_t seed, update;
    uint32_t slot;
    float *gradient;                            /* flat gradient buffer, recording only */
    const bool *frozen;                         /* [parameters]: which want no gradient; NULL: none */
    void (*ready)(void *context, size_t first); /* may be NULL */
    enum status (*needed)(
            void *context, size_t end); /* parameters [0, end) are read from now on; may be NULL */
    void *context;
    const struct packing *packing; /* NULL: none; parameters must not change as long as it is used */
    struct profile *profile;       /* counts time and work of the nodes (profile.h); NULL: nothing does */
};

/* A tape on `arena`, which the caller resets between uses. NULL when memory ends. */
struct tape *tape_start(
        struct arena *arena, const struct parameters *parameters, const struct tape_options *options);

bool tape_recording(const struct tape *tape);
struct arena *tape_arena(struct tape *tape);
enum status tape_status(const struct tape *tape);

/* Makes the tape's status fail (kept if it already has). */
void tape_fail(struct tape *tape, enum status status);

/* A parameter as tensor; a vector is [1, n]. */
struct tensor *tape_parameter(struct tape *tape, size_t number);

/* The weight in panels; NULL if the tape does not pack, or has failed. */
const struct packed *tape_packed(struct tape *tape, const struct tensor *weight);

/* The same, or on a tape that does not pack laid out anew in `own`, as long as the tape; NULL if it has failed. */
const struct packed *tape_panels(struct tape *tape, const struct tensor *weight, struct packed *own);

/* An uninitialised tensor for an op's output; NULL when the tape has failed. */
struct tensor *tape_tensor(struct tape *tape, size_t rows, size_t columns);

/* A tensor whose value lasts until the third of its kind after it is made, and is not kept for backward where it is wide
 * (512 columns) or the tape recomputes: there tape_value() gives it, if the op that made it can make it again. */
struct tensor *tape_fleeting(struct tape *tape, size_t rows, size_t columns);

/* In backward: the value of an input, until tape_forget(); NULL when it could not be made again. */
const float *tape_value(struct tape *tape, struct tensor *tensor);
void tape_forget(struct tape *tape, struct tensor *tensor);

/* A tensor over values of the caller's (inputs; tests), which want a gradient or not. */
struct tensor *tape_input(struct tape *tape, size_t rows, size_t columns, float *values, bool wants_gradient);

/* Records a node; inputs and outputs are NULL-terminated lists of at most NODE_INPUTS and
 * NODE_OUTPUTS. */
void tape_record(struct tape *tape, const struct op *op, void *data, struct tensor *const *inputs,
        size_t input_count, struct tensor *const *outputs, size_t output_count);

/* A part of the model between tensors. */
struct segment {
    /* Makes the outputs out of the inputs. When it is called again everything it uses is as it was: parameters, and what
     * `context` points to, which lives on the arena. */
    void (*run)(const void *context, struct tape *tape, struct tensor *const *inputs,
            struct tensor *outputs[NODE_OUTPUTS]);
    const void *context;
    struct tensor *inputs[NODE_INPUTS]; /* NULL where one is absent; all that it uses of the tape's */
    size_t output_count; /* each of the size of input 0; all but the first are fleeting, needed forwards only */
};

/* Runs a segment. */
void tape_segment(struct tape *tape, const struct segment *segment, struct tensor *outputs[NODE_OUTPUTS]);

/* The dropout of the next place in the model: sites are counted in order of the calls. rate 0
 * unless training. */
struct dropout tape_dropout(struct tape *tape, double rate);

/* Rate 0: teacher forcing. */
struct sampling tape_sampling(const struct tape *tape);

/* The gradient buffer of a tensor that wants one, made when first asked for. *add is false if it
 * holds nothing yet: then write, else add. NULL if it wants none. Call once per writer. */
float *tensor_gradient(struct tape *tape, struct tensor *tensor, bool *add);

/* As tensor_gradient() for an op that writes some columns only: zeros if it held nothing, so that the writer always
 * adds. */
float *tensor_gradient_part(struct tape *tape, struct tensor *tensor);

/* Runs the nodes backwards; the last op's backward starts. A node none of whose outputs has a gradient from later nodes is
 * passed over; of two outputs one may have none. */
enum status tape_backward(struct tape *tape);

#endif
