/*
 * Fault sites: places that can be made to fail by count, so that tests can walk every failure.
 *
 * SEQTRAIN_FAULT="site:N[:RANK][,...]" makes the N-th pass (from 1) through a site fail, on rank
 * RANK only if given; "site:N+" fails from the N-th pass on. A site asks fault_fires() where the
 * real call could fail and then behaves as if it had.
 */
#ifndef COMM_FAULT_H
#define COMM_FAULT_H

#include "comm/status.h"

#include <stdbool.h>
#include <stdint.h>

#define FAULT_LIST(X)                                                                                        \
    X(MEMORY, "memory", ENOMEM, "an allocation")                                                             \
    X(OPEN, "open", EIO, "opening a file")                                                                   \
    X(READ, "read", EIO, "reading from a file")                                                              \
    X(WRITE, "write", ENOSPC, "writing to a file")                                                           \
    X(INTERRUPT, "interrupt", EINTR, "a signal interrupts reading or writing")                               \
    X(SHORT, "short", 0, "a read or write takes half of the bytes")                                          \
    X(SPACE, "space", 0, "the file system says that nothing is free")                                        \
    X(SLOW, "slow", 0, "a read or write of an HDF5 file takes 20 ms")                                        \
    X(SYNC, "sync", EIO, "bringing a file or folder to the disk")                                            \
    X(RENAME, "rename", EIO, "giving a file its final name")                                                 \
    X(EXCHANGE, "exchange", 0, "a sum of gradients over ranks")                                              \
    X(GRADIENT, "gradient", 0, "the gradient of the run's N-th micro-batch is NaN, whenever it is computed") \
    X(PASSING, "passing", 0, "the gradient of the N-th micro-batch that the rank computes becomes NaN")      \
    X(FLIP, "flip", 0, "a bit of the gradient flips in the N-th micro-batch that the rank audits")           \
    X(DRIFT, "drift", 0, "a bit of a parameter flips before the rank's N-th audit")                          \
    X(STUCK, "stuck", 0, "a write to an HDF5 file never comes to an end")                                    \
    X(HANG, "hang", 0, "a micro-batch never comes to an end")                                                \
    X(DRAG, "drag", 0, "a micro-batch takes 50 ms longer")                                                   \
    X(STOP, "stop", 0, "the rank is stopped (SIGSTOP) at the end of an update")                              \
    X(KILL, "kill", 0, "the rank is killed at the end of an update")

enum fault_site {
#define FAULT_ENUM(name, text, error, help) FAULT_##name,
    FAULT_LIST(FAULT_ENUM)
#undef FAULT_ENUM
            FAULT_SITES
};

/* Reads a plan in the form above (NULL or "": none) and starts counting afresh. STATUS_CONFIG if
 * malformed. */
enum status fault_plan(const char *plan, int rank);

/* Counts one pass through `site`; true if it is to fail, with errno as
 * what fails there would leave it. Thread-safe; one load when no plan is set. */
bool fault_fires(enum fault_site site);

/* The same for passes that have numbers of their own, from 1, whoever comes to them and how often. */
bool fault_fires_at(enum fault_site site, int64_t pass);

#endif
