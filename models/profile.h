/*
 * Where the time of a pass goes: a tape that is given a profile counts calls, time and work of each op. Forward, a node
 * takes the time since the node before it.
 *
 *     static struct profile profile;                                      all zero: nothing counted yet
 *     model_loss(model, &batch, &(struct pass){.profile = &profile, ...}, &loss);
 *     profile.ops[i], for ops[i]
 */
#ifndef MODELS_PROFILE_H
#define MODELS_PROFILE_H

#include "models/tape.h"

#include <stdint.h>

enum direction { FORWARD, BACKWARD, DIRECTIONS };

/* C [m,n] = op(A) [m,k] op(B) [k,n]. */
struct product_shape {
    bool transpose_a, transpose_b;
    size_t m, n, k;
    size_t times; /* as many of them */
};

enum { PROFILE_OPS = 32, PROFILE_PRODUCTS = 256 };

/* Kinds of products, with how many there are of each. */
struct product_list {
    struct product_shape items[PROFILE_PRODUCTS]; /* those beyond are left out */
    size_t count;
    double operations; /* of all listed */
};

/* What the nodes of an op have to do. */
struct op_work {
    double operations
            [DIRECTIONS]; /* multiplications and additions of products; none counts twice that is done again */
    double bytes[DIRECTIONS]; /* of matrices read and written, where that is what takes the time */
    struct product_list *products;
};

/* Adds a product. */
void op_work_product(struct op_work *work, enum direction direction, struct product_shape shape);

struct op_profile {
    double calls;
    double seconds[DIRECTIONS], operations[DIRECTIONS], bytes[DIRECTIONS];
};

struct profile {
    struct op_profile ops[PROFILE_OPS]; /* in order of ops[] */
    struct product_list current,
            largest; /* products of the pass under way; of the one with most work before */
    double since;    /* clock: end of the node before */
};

/* Multiplications and additions of one product of the kind. */
double product_operations(const struct product_shape *shape);

/* For the tape: a pass begins; a node was recorded; a node is about to run backwards; it has. */
void profile_pass(struct profile *profile);
void profile_forward(struct profile *profile, const struct node *node);
void profile_again(struct profile *profile, const struct node *node); /* recorded again, for backward */
void profile_start(struct profile *profile);
void profile_backward(struct profile *profile, const struct node *node);

#endif
