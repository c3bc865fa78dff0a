/*
 * Requests to stop: SIGUSR1, SIGTERM and SIGINT. The first is a wish, which the ranks agree on as soon as they can; then
 * the run saves and ends with STATUS_STOPPED. Another one within STOP_REPEATS seconds of the first is the same request:
 * mpirun repeats its SIGTERM after a second. A later one ends this process at once.
 */
#ifndef TRAIN_STOP_H
#define TRAIN_STOP_H

#include "comm/status.h"

#include <stdbool.h>

enum { STOP_REPEATS = 3 };

/* From now on, until the process ends, the signals above are wishes; forgets an earlier one. */
void stop_watch(void);

/* The signal that asked this process to stop, 0 if none did. */
int stop_signal(void);

/* Whether any rank was asked to. Collective. */
enum status stop_agree(bool *stop);

#endif
