/*
 * The lock of a run directory: PATH/lock, made with link(2), which is atomic on NFS too. It names its holder. A lock is stale,
 * and taken over, when its process is dead (same host), its host was started again, its Slurm job is this one in an earlier
 * start, or its heartbeat is ten minutes old: then its host is out of reach, or its process was stopped. Ages are compared
 * by the clock of the file server.
 */
#ifndef IO_RUN_LOCK_H
#define IO_RUN_LOCK_H

#include "comm/status.h"

#include <stdbool.h>
#include <stddef.h>

struct run_lock;

/* Who holds a lock, as the file says. */
struct run_holder {
    char host[64], boot[64], job[64], since[32]; /* job: "-" if it is none of Slurm's */
    char space[64]; /* process namespace: in a container other process numbers are in use */
    long pid;
    long long born;    /* when the process started, clock ticks since boot: process numbers come back */
    long long restart; /* of the Slurm job */
};

/* STATUS_BUSY naming the holder: host, process, job, since when. A thread shows from now on that it lives. */
enum status run_lock_take(struct run_lock **out, const char *folder);

/* STATUS_BUSY naming the new holder, if the lock is no longer ours: after a partition or a suspended machine it may have
 * been found stale. run_lock_check() reads the file; run_lock_held() does only where the last heartbeat found it lost, or
 * the last look was more than a second ago. Any thread. */
enum status run_lock_check(struct run_lock *lock);
enum status run_lock_held(struct run_lock *lock);

/* One heartbeat, as the thread gives it every 30 s: none on a lock of another. */
void run_lock_beat(struct run_lock *lock);

/* Gives the lock back if it is still ours. NULL is allowed. */
void run_lock_drop(struct run_lock *lock);

/* Whether `folder` is held now, and by whom; a stale lock is none. Changes nothing, and goes by the clock of this host.
 * host is "" for a file that says nothing. */
bool run_lock_is_held(const char *folder, struct run_holder *out);

/* "process 17 on node1, job 5, since 2026-01-31T12:00:00Z". */
void run_holder_words(const struct run_holder *holder, char *out, size_t bytes);

#endif
