/*
 * What the exchange stands on in a simulation, in place of comm/world.c and comm/memory.c: ranks that are contexts of one
 * process, and long blocks that are all the same one, so that a thousand ranks hold a model each. What stands there is
 * noise; only the time is asked for that its transport takes.
 */
#ifndef TESTS_SCALE_GROUND_H
#define TESTS_SCALE_GROUND_H

#include "comm/world.h"

enum { GROUND_BYTES = 1 << 30, GROUND_RANKS = 4096 };

/* What is sent and received [GROUND_BYTES]; SMPI copies nothing of it. */
void *ground_noise(void);

#endif
