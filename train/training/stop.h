/*
 * Requests to stop: SIGUSR1, SIGTERM, SIGINT, and SIGHUP of a terminal that is closed, unless that is ignored when the
 * program starts (nohup). The first is a wish, which the ranks agree on as soon as they can; then the run saves and ends
 * with STATUS_STOPPED. Another one within STOP_REPEATS seconds of the first is the same request: mpirun repeats its
 * SIGTERM after a second. A later one ends this process at once, but not SIGHUP: who closes a terminal is not impatient.
 */
#ifndef TRAIN_STOP_H
#define TRAIN_STOP_H

#include "comm/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { STOP_REPEATS = 3 };

/* From now on, until the process ends, the signals above are wishes; forgets an earlier one, and stop_at(). */
void stop_watch(void);

/* The wish of this process: one bit, which tells the signal; 0: none. */
uint32_t stop_wish(void);

/* The names of wishes, as many as there are: "SIGTERM". */
enum { STOP_WORDS_BYTES = 64 };
void stop_words(char out[STOP_WORDS_BYTES], uint32_t wishes);

/* What takes long and can be done again, a validation, is to end early at that clock, as on a signal; INFINITY: never. */
void stop_at(double clock);

/* Whether such work is to end: by a signal, or by the clock; between stop_listen() and stop_settle() also by those of
 * another rank, which hears of it here and need not finish its share first. */
bool stop_is_due(void);

/* Collective, each. */
enum status stop_listen(void);
enum status stop_settle(void);

/* The wishes of all ranks. Collective. */
enum status stop_agree(uint32_t *wishes);

#endif
