/*
 * Which cores this process may run on, and how many threads that allows. Private to comm/.
 */
#ifndef COMM_BINDING_H
#define COMM_BINDING_H

#include <stdbool.h>

/* Cores this process may run on now. */
int binding_cores(void);

/* Cores the ranks of this node may use together. */
int binding_node_cores(void);

/* Cores this process may take: binding_node_cores() if its present binding is only mpirun's default. */
int binding_reach(void);

/* Threads wanted: `threads`, else OMP_NUM_THREADS; 0: neither says. */
int binding_threads_asked(int threads);

/* Widens a default binding that is narrower than rank `node_rank`'s share of the node, 1/node_size, to that share.
 * Whether it did. Before the first parallel region: threads inherit it. */
bool binding_widen(int node_rank, int node_size);

/* The bits of the cores this process may run on, BINDING_BYTES long, for binding_share(). */
enum { BINDING_BYTES = 1024 };
void binding_mask(unsigned char out[BINDING_BYTES]);

/* This rank's fair number of cores, at least 1: each of its cores counts 1 / (ranks of the node that may run there).
 * masks [node_size][BINDING_BYTES]. */
int binding_share(const unsigned char *masks, int node_rank, int node_size);

#endif
