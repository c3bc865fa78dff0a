/*
 * What the files of the watchdog share. Private to comm/. Two threads: one counts seconds and ends the process, and does
 * nothing that can hang; the other reads and writes the files of the roll call (roll.h).
 */
#ifndef COMM_WATCH_INTERNAL_H
#define COMM_WATCH_INTERNAL_H

#include "comm/roll.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* A thread that wakes now and then, until it is told to end. */
struct waker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_running, is_ending;
};

void waker_init(struct waker *waker);

/* Sleeps so long, or less if it is to end: then false. */
bool waker_sleep(struct waker *waker, double seconds);

/* Waits for its end; harmless if it does not run. */
void waker_stop(struct waker *waker);

/* ---- watch.c ---- */

/* Where this rank stands; `count` is the caller's to fill in. */
void watch_place(struct roll_place *out);

/* Seconds since anybody got on whom this rank has heard of. */
double watch_idle(void);
double watch_limit(void); /* 0: no watchdog */

/* Another rank gets on: then there is good reason to wait. */
void watch_heard(void);

/* ---- watch_call.c ---- */

/* Whom the job waits for, "" if it is not known; false: another rank is to tell. Reads no file. */
bool watch_verdict(char *out, size_t bytes);

/* Ends the thread of the roll call and takes its files away. A process that ends itself leaves them: the ranks that would
 * tell next see that one has told. */
void watch_call_stop(void);

/* ---- calls that wait ---- */

/* Around an MPI call that waits for other ranks: WATCH_MEET if all ranks pass it alike, WATCH_WAIT else. The code it
 * returns. */
#define WATCH_MEET(call) watch_waited((watch_waits(true), (call)))
#define WATCH_WAIT(call) watch_waited((watch_waits(false), (call)))
void watch_waits(bool meets);
int watch_waited(int code);

#endif
