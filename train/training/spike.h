/*
 * Loss spikes: an update whose loss stands far above those before it. The rule is robust, so that neither the fall of the
 * loss nor earlier spikes hide or feign one: of the last SPIKE_WINDOW losses,
 *
 *     loss > median + 6 · max(1.4826 · MAD, median / 100)        MAD: median distance from the median
 *
 * where 1.4826 · MAD is the standard deviation of normal noise. Nothing is told before the window is full, nor twice
 * within a window. It looks on only: no bit of a run depends on it, and each start looks afresh.
 */
#ifndef TRAIN_SPIKE_H
#define TRAIN_SPIKE_H

#include <stdbool.h>
#include <stddef.h>

enum { SPIKE_WINDOW = 100 };

/* {0} has seen nothing. */
struct spike {
    double losses[SPIKE_WINDOW]; /* of the last updates, the oldest at seen % SPIKE_WINDOW */
    size_t seen, quiet_until;    /* updates */
};

/* Takes in the loss of the next update, nats a target token; true if a spike is to be told, with the *median it stands
 * above. One that is not finite counts as none. */
bool spike_see(struct spike *spike, double loss, double *median);

#endif
