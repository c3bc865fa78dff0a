/*
 * The run directory: everything one training run writes.
 *
 *     config.yaml  metrics.jsonl  log.txt  best.h5  last.h5  checkpoints/  lock
 *
 * It is held by one job at a time. The lock is a file made with link(2), so that it works on NFS;
 * it names host, process and job, and is taken over when its holder is known to be dead.
 */
#ifndef IO_RUN_H
#define IO_RUN_H

#include "comm/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define RUN_LOG "log.txt"

struct run_directory;

/* Makes the directory if it is missing and takes it. STATUS_BUSY naming the holder (host, process,
 * job, since). Rank 0 acts, all agree. Collective. */
enum status run_open(struct run_directory **out, const char *path);

/* Releases the lock, and removes a directory that was made by run_open() and got no file but the log. */
void run_close(struct run_directory *run);

const char *run_path(const struct run_directory *run);
const char *run_checkpoints(const struct run_directory *run); /* PATH/checkpoints */

/* STATUS_BUSY naming the new holder, if another job has taken the directory over: then nothing more is to be written.
 * run_check() goes by the last heartbeat, run_check_now() reads the lock. Any thread; STATUS_OK on ranks but 0. */
enum status run_check(const struct run_directory *run);
enum status run_check_now(const struct run_directory *run);

/* PATH/name, borrowed until the next call. */
const char *run_file(struct run_directory *run, const char *name);

/* Writes a small file whole: temporary name, fsync, rename. Rank 0 only. */
enum status run_write(struct run_directory *run, const char *name, const char *text);

/* metrics.jsonl: opened for appending; lines past `update`, and those of validations past `validated`
 * (of a run that was ahead of its checkpoint), are cut off first, so that a resumed run's file equals
 * that of the run that never stopped but for times. Warns of a file that ends before `update`. Rank 0 only. */
enum status run_metrics_open(struct run_directory *run, int64_t update, int64_t validated);
/* For who reads metrics.jsonl: the next line, without its end, into line [RUN_METRICS_LINE]; of one that is longer, and so
 * none of ours, *bytes is 0. False past the last that has an end: a last one without is of a run that is writing, or was
 * killed. */
enum { RUN_METRICS_LINE = 1 << 16 };
bool run_metrics_next(FILE *file, char *line, size_t *bytes);
/* One more line, or nothing of it. */
enum status run_metrics_add(struct run_directory *run, const char *json_line);
/* Brings the lines to the disk: before a checkpoint, which goes on from them. */
enum status run_metrics_sync(struct run_directory *run);

#endif
