/*
 * Scheduled sampling (Bengio et al. 2015, "Scheduled sampling for sequence prediction with recurrent neural networks"): how
 * likely it is that a decoder input is the target's own token falls over the updates; else it is one that the model has
 * drawn itself. Rows of a table, each a pure function of the updates done (their section 2.4; i updates, decay k):
 *
 *     linear             1 - i / k
 *     exponential        e^(-i / k)
 *     inverse_sigmoid    k / (k + e^(i / k))
 */
#ifndef TRAIN_SAMPLING_H
#define TRAIN_SAMPLING_H

#include "io/options.h"

struct sampling_options {
    const struct kind *kind; /* into sampling_kinds */
    int64_t decay;           /* updates */
    double floor;            /* least probability of the target's token */
};

extern const struct kind_table sampling_kinds; /* none, linear, exponential, inverse_sigmoid */

/* Probability that an input is drawn, after so many updates; 0 for none. */
double sampling_rate(const struct sampling_options *options, int64_t updates);

/* The highest it gets. */
double sampling_most(const struct sampling_options *options);

#endif
