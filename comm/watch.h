/*
 * The watchdog: a thread that ends this process when nothing gets on. No rank waits for ever, even when another has
 * vanished without a sign; the launcher then ends the rest.
 *
 * watch_start(limit) once, watch_beat() wherever work gets on (after each micro-batch, update, group, read, write).
 * Without a beat,
 *
 *     after 1/4 of the limit   the rank is late: its file in the folder of watch_folder() calls the others (roll.h)
 *     after 1/2                the lowest late rank warns: which rank is late or silent, on which host, in which phase
 *     at the limit             that line again, and the process ends at once with 71 (STATUS_HUNG): it may hang in MPI, so
 *                              nothing is cleaned up
 *
 * A beat of any rank that answers counts for those that wait: one that works for long holds up nobody's limit. As long as
 * all goes well nothing is written, and the folder is asked for 16 times in each limit. Without a folder a rank knows of
 * itself only. Time in which the whole process is suspended (a batch system's SIGSTOP) does not count.
 */
#ifndef COMM_WATCH_H
#define COMM_WATCH_H

#include "comm/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Before world_open() or after it. `seconds` 0: no watchdog. */
enum status watch_start(double seconds);

/* From now on ranks are named through files in PREFIX-<number>, a folder that all of them see: same prefix on all, whose
 * folder exists. Rank 0 removes what jobs before this one have left under that prefix; without a watchdog, or with one rank,
 * that is all; nor is more done the second time. Collective. */
enum status watch_folder(const char *prefix);

/* Any thread: what works beside the main thread comes to an end, and then a main thread that hangs is found. Cheap;
 * harmless without a watchdog. */
void watch_beat(void);

/* As watch_beat(), between updates: the next is number `update`. */
void watch_update(int64_t update);

/* Beats so far. One rank's, told to those that wait for it, are a reason for them to beat. */
uint64_t watch_beats(void);

/* STATUS_HUNG once the process is about to end so: nothing more is to be written. Any thread. */
enum status watch_check(void);

/* Ends the threads; harmless without a watchdog. */
void watch_stop(void);

#endif
