/*
 * The world of ranks: start and stop of MPI, threads and binding, and the few collective calls the
 * rest needs.
 *
 * A command that runs alone never opens the world: then rank is 0 of 1 and every collective call
 * below is local. Everything MPI stays in this folder; counts are size_t, split where MPI wants an
 * int.
 */
#ifndef COMM_WORLD_H
#define COMM_WORLD_H

#include "comm/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world {
    int rank, size;           /* of all */
    int node_rank, node_size; /* among the ranks on this host */
    int even_ranks; /* node_size, if it is the same on every host and ranks of one follow each other; else 0 */
    int threads;    /* OpenMP threads of this rank */
    int cores;      /* this rank may run on */
    char host[64];
};

/* Before MPI starts, first thing in main(): chooses the OpenBLAS core for this CPU and how idle
 * threads wait; sets the environment and executes the program again if either must change, at most
 * once. `threads` 0: OMP_NUM_THREADS if set, else cores of the node / ranks on the node. Returns
 * only if no (further) execution was needed. */
void world_prepare(char **argv, int threads);

/* Starts MPI (MPI_THREAD_FUNNELED), widens a default binding to this rank's share of the node, sets
 * the number of threads, and refuses (STATUS_CONFIG) ranks whose program, order of bytes, BLAS core or vector level
 * differ, naming host and variable. Collective. */
enum status world_open(int threads);

/* Ends MPI. Collective; harmless if the world was never opened. */
void world_close(void);

/* Never NULL; {0, 1, 0, 1, 1, ...} before world_open(). */
const struct world *world(void);

/* The rank this process will have, and the number of ranks, known from the launcher before MPI
 * starts; 0 of 1 alone. */
int world_launch_rank(void);
int world_launch_size(void);

/* Ends the whole job at once with `status` after a message; the last resort when ranks cannot
 * agree. */
void world_abort(enum status status) __attribute__((noreturn));

/* Every rank passes its own status. If all are OK, OK; otherwise each rank returns the status of the lowest failing
 * rank, and status_message() holds that rank's message everywhere, led by "rank R on HOST: " unless R is 0.
 * Collective. */
enum status status_agree(enum status mine);

/* Collective, each. `bytes` may exceed 2^31. Gather: `bytes` from each rank into `out` [size][bytes] in rank order,
 * on every rank. */
enum status world_broadcast(void *data, size_t bytes, int root);
enum status world_gather(const void *mine, void *out, size_t bytes);
/* As world_gather() with bytes[r] from rank r, packed in rank order. */
enum status world_gather_parts(const void *mine, void *out, const size_t *bytes);
/* As world_gather_parts(), on rank 0 alone; the others may give NULL for `out`. */
enum status world_collect_parts(const void *mine, void *out, const size_t *bytes);
enum status world_sum(double *values, size_t count); /* in rank order: the same bits on every rank */
enum status world_sum_integers(int64_t *values, size_t count);
enum status world_maximum(double *values, size_t count);
enum status world_barrier(void);

/* A string of rank `root` to all; *text is allocated on the others with memory_new() (label
 * "text"). Collective. */
enum status world_broadcast_text(char **text, int root);

/* Point to point, for what flows beside the updates (checkpoint chunks). Main thread only. A tag is
 * the caller's. */
struct world_request;
enum status world_send_start(struct world_request **out, const void *data, size_t bytes, int to, int tag);
bool world_send_done(struct world_request **request); /* frees and NULLs it when done; true for NULL */
/* Whether a message from `from` with `tag` waits, and its size; then world_receive() takes exactly
 * it. */
bool world_probe(int from, int tag, size_t *bytes);
enum status world_receive(void *data, size_t bytes, int from, int tag);
/* Starts to take the message that world_probe() told of; world_send_done() tells when `data` is complete. */
enum status world_receive_start(struct world_request **out, void *data, size_t bytes, int from, int tag);

/* The most bytes one MPI call moves; tests lower it. Default: 2^30. */
void world_set_message_limit(size_t bytes);

/* One line on machine and build: CPU, BLAS library, core and threading, vector level, MPI.
 * Borrowed. */
const char *world_build_info(void);

#endif
