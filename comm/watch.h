/*
 * The watchdog: a thread that ends this process when its main thread makes no progress. No rank waits for ever, even
 * when another has vanished without a sign; the launcher then ends the rest.
 *
 * watch_start(limit) once, watch_beat() wherever work gets on (after each micro-batch, update, group, chunk). When
 * `limit` seconds pass without a beat, a line names rank, host, phase and seconds, and the process ends at once with
 * 71 (STATUS_HUNG): it may hang in MPI, so nothing is cleaned up. Time in which the whole process is suspended (a
 * batch system's SIGSTOP) does not count.
 */
#ifndef COMM_WATCH_H
#define COMM_WATCH_H

#include "comm/status.h"

/* After world_open(). `seconds` 0: no watchdog. */
enum status watch_start(double seconds);

/* Main thread only; cheap; harmless without a watchdog. */
void watch_beat(void);

/* Ends the thread; harmless without a watchdog. */
void watch_stop(void);

#endif
