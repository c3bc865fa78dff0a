/*
 * The roll call: where each rank of a job stands that does not get on. Private to comm/ (watch.h).
 *
 * MPI cannot be asked, it may be what hangs; all ranks see one folder. A rank that is late makes it and leaves a file there,
 * which calls the others: those whose watchdog still runs answer with theirs. Nobody's clock is compared: a file lives while
 * its reader sees it change.
 *
 *     FOLDER/rank-0.late    waits for others, or hangs itself; written again and again while it does
 *     FOLDER/rank-1.here    gets on, and answers while anybody calls
 *                           rank 2 does not answer: dead, stopped or cut off
 *
 * The folder goes with its last file.
 */
#ifndef COMM_ROLL_H
#define COMM_ROLL_H

#include "comm/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a file tells. */
struct roll_place {
    int64_t count;  /* times that it was written */
    int64_t beats;  /* of this rank */
    int64_t heard;  /* times that the rank has seen another get on */
    int64_t meets;  /* calls begun that all ranks pass alike: who has fewer is behind */
    int64_t update; /* under way; 0: none yet */
    bool waits;     /* in a call that waits for other ranks */
    enum phase phase;
    double idle; /* seconds without a beat */
};

/* What a reader has seen of another rank. */
struct roll_seen {
    bool answered;
    int unchanged; /* readings since its file changed */
    struct roll_place place;
};

enum { ROLL_HOST_BYTES = 64, ROLL_UNCHANGED = 3 }; /* readings after which a file is that of a silent rank */

/* The file of this rank. `calls`: it is late, and makes the folder if need be. */
void roll_write(const char *folder, int rank, const struct roll_place *place, bool calls);

/* Looks again at the file of `rank`; true if the rank has got on since it was last seen. */
bool roll_look(const char *folder, int rank, struct roll_seen *seen);

/* The lowest rank that is late, or -1. */
int roll_caller(const char *folder);

/* Removes the file of this rank, and the folder if it was the last. */
void roll_leave(const char *folder, int rank);

/* Removes the folder with all that it holds. */
void roll_clear(const char *folder);

/* Who the job waits for, in words: silent ranks, and those that do not wait themselves; else those that are behind; else
 * all. seen[own] is of the reader itself; hosts [ranks]. */
void roll_judge(char *out, size_t bytes, const struct roll_seen *seen, int ranks, int own, double late,
        const char (*hosts)[ROLL_HOST_BYTES]);

#endif
