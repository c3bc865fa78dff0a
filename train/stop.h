/*
 * Requests to stop: SIGUSR1, SIGTERM and SIGINT. The first is a wish, which the ranks agree on at the next update; then
 * the run saves and ends with STATUS_STOPPED. A second one ends this process at once.
 */
#ifndef TRAIN_STOP_H
#define TRAIN_STOP_H

/* From now on the signals above are wishes; forgets an earlier one. */
void stop_watch(void);

/* The signals do again what they did before stop_watch(). */
void stop_unwatch(void);

/* The signal that asked this process to stop, 0 if none did. */
int stop_signal(void);

#endif
