/*
 * The lock of a run directory: PATH/lock, made with link(2), which is atomic on NFS too. It names its holder. A lock is stale,
 * and taken over, when its process is dead (same host), its host was started again, its Slurm job is this one in an earlier
 * start, or its heartbeat is ten minutes old.
 */
#ifndef IO_RUN_LOCK_H
#define IO_RUN_LOCK_H

#include "comm/status.h"

struct run_lock;

/* STATUS_BUSY naming the holder: host, process, job, since when. A thread shows from now on that it lives. */
enum status run_lock_take(struct run_lock **out, const char *folder);

/* Gives the lock back if it is still ours. NULL is allowed. */
void run_lock_drop(struct run_lock *lock);

#endif
