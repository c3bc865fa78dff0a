/*
 * What the files of comm/ that call MPI share. Private to comm/.
 */
#ifndef COMM_WORLD_INTERNAL_H
#define COMM_WORLD_INTERNAL_H

#include "comm/status.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether there is anyone to talk to: the world is open and has more than one rank. */
bool world_is_shared(void);

/* Where a rank is: its number among the ranks of its host, and how many those are. */
struct world_place {
    int node_rank, node_size;
};

/* For world()->even_ranks: how many ranks every host has, if they are as many and follow each other; else 0. */
int world_even_ranks(const struct world_place *places, int ranks);

/* STATUS_IO naming the call, the peer (-1: all ranks) and MPI's reason, unless `code` is MPI_SUCCESS. */
enum status mpi_status(int code, const char *call, int peer);

/* See world_set_message_limit(). */
size_t world_message_limit(void);

/* Gives every rank the message with which rank `from` failed; returns `code`. Collective. */
enum status status_share(enum status code, int from);

/* Scratch memory of the collective calls. */
enum status message_open(void);
void message_close(void);
void post_close(void);

#endif
