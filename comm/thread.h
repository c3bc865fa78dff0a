/*
 * Helper threads: signals stay the main thread's, so that no call of a helper is cut short by one.
 */
#ifndef COMM_THREAD_H
#define COMM_THREAD_H

#include "comm/status.h"

#include <pthread.h>
#include <stdbool.h>

/* Starts `run` on a thread with all signals blocked; *started is set once it is to be joined. STATUS_INTERNAL naming
 * `purpose`: "the thread that reads ahead". */
enum status thread_start(
        pthread_t *out, bool *started, void *(*run)(void *), void *context, const char *purpose);

#endif
