/*
 * The watchdog: a thread that ends this process when it makes no progress. No rank waits for ever, even
 * when another has vanished without a sign; the launcher then ends the rest.
 *
 * watch_start(limit) once, watch_beat() wherever work gets on (after each micro-batch, update, group, read, write). When
 * `limit` seconds pass without a beat, a line names rank, host, phase and seconds, and the process ends at once with
 * 71 (STATUS_HUNG): it may hang in MPI, so nothing is cleaned up. Time in which the whole process is suspended (a
 * batch system's SIGSTOP) does not count.
 */
#ifndef COMM_WATCH_H
#define COMM_WATCH_H

#include "comm/status.h"

#include <stdint.h>

/* After world_open(). `seconds` 0: no watchdog. */
enum status watch_start(double seconds);

/* Any thread: what works beside the main thread comes to an end, and then a main thread that hangs is found. Cheap;
 * harmless without a watchdog. */
void watch_beat(void);

/* Beats so far. One rank's, told to those that wait for it, are a reason for them to beat. */
uint64_t watch_beats(void);

/* Ends the thread; harmless without a watchdog. */
void watch_stop(void);

#endif
