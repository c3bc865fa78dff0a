/*
 * What the files of the exchange share. Private to comm/.
 *
 * A bucket goes through: join (own subtrees are completed, buffers 0 … K-1 hold this rank's pieces), start (the kind
 * sends them), flight, finish (the kind leaves the sum in the own stretch of buffer 0), squares. At most FLIGHTS buckets
 * are on their way at once; the next starts when the oldest is finished, so that what arrives takes little room:
 *
 *     bucket    0 ... | unjoined ...  | unstarted ... | unfinished ...
 *               made  | wait to leave | in flight     | summed              the last bucket leaves first
 *
 * Ranks start and finish in the same order: the oldest bucket that is in flight anywhere has been started everywhere or
 * can be, so that none waits for ever. Whoever waits for gradients has sent all its parameters before.
 *
 * To add a way to sum: a file exchange_NAME.c with its struct reduction, and its row in reduce_kinds. To add a wire format:
 * its row in exchange_wire.c.
 */
#ifndef COMM_EXCHANGE_INTERNAL_H
#define COMM_EXCHANGE_INTERNAL_H

#include "comm/exchange.h"
#include "comm/tree.h"
#include "comm/world_internal.h"

struct reduction {
    /* Takes what this kind needs; sets rounds. */
    enum status (*open)(struct exchange *);
    /* Posts the requests of a bucket whose pieces are final, requests[rounds]. */
    enum status (*start)(struct exchange *, size_t bucket, MPI_Request *requests);
    /* Once they are done: the sum of one own block of a bucket into buffer 0. NULL: it is there already. */
    void (*finish)(struct exchange *, size_t bucket, size_t position, size_t count);
    /* Floats this rank sends per update to have its pieces summed, and bytes for those on their way. Of blocks, ranks,
     * pieces and wire alone, before open(). */
    size_t (*floats_sent)(const struct exchange *);
    size_t (*room_bytes)(const struct exchange *);
};

extern const struct reduction reduction_ordered, reduction_native;

struct reduce_kind {
    struct kind kind;
    const struct reduction *reduction;
};

struct wire_kind {
    struct kind kind;
    size_t bytes; /* of a float on its way */
    void (*add)(float *to, const float *from,
            size_t count); /* a node of the tree: to += from, as far as it sees them */
    void (*pack)(void *to, const float *from, size_t count); /* NULL: floats leave from where they lie */
    void (*unpack)(float *to, const void *from, size_t count);
};

/* Counts and offsets in floats for MPI, one for each rank. They live as long as the requests. */
struct stretches {
    int *counts, *offsets;
};

/* How a bucket is cut: alike for all full buckets, differently for the last. */
struct cut {
    struct stretches owned;           /* of the bucket, by owner */
    struct stretches *sent, *arrived; /* [rounds]: piece i of this rank to all; piece i of all to this rank */
};

/* Enough for what travels between two calls of exchange_ready(): with 4 MB a bucket, 12 ms at 10 Gbit/s. */
enum { FLIGHTS = 4 };

/* Of parameters: all at once would arrive together, when the first ones are needed first. */
enum { SPREADS = 2 };

/* A bucket on its way; bucket b takes place b % FLIGHTS. */
struct flight {
    MPI_Request *requests; /* [rounds] */
    void *arrived;         /* foreign pieces in order, each as long as the own stretch */
    void *leaving;         /* own pieces that were packed, each as long as the longest bucket */
};

struct exchange {
    const struct reduction *reduction;
    const struct wire_kind *wire;
    struct blocks blocks;
    int rank, ranks;

    /* slots, and the stack of the tree */
    int slots, first_slot, end_slot;
    int next_slot;     /* the slot exchange_leaf() expects, or is out */
    int held;          /* entries on the stack, the leaf that is out among them */
    bool is_leaf_out;  /* between exchange_leaf() and exchange_leaf_done() */
    bool is_sum_ready; /* between exchange_sum() and the next leaf */
    int buffers;       /* of [floats] each */
    float *buffer[TREE_PIECES_MOST];
    struct slot_facts *facts; /* [own slots] */

    /* pieces of all ranks, in slot order */
    int *first_piece; /* [ranks + 1] */
    struct tree_step *steps;

    /* buckets on their way */
    int rounds;                             /* requests per bucket */
    size_t unjoined, unstarted, unfinished; /* see above */
    struct flight flights[FLIGHTS];
    float *unpacked;       /* what has arrived of the bucket that is summed */
    MPI_Request *requests; /* of all flights */
    struct cut cuts[2];    /* of a full bucket, of the last one */
    struct stretches *cut_lists;
    int *cut_memory;

    /* parameters: buckets [0, gathered) are complete, [gathered, spread) on their way */
    float *parameters; /* borrowed */
    size_t gathered, spread;
    MPI_Request spreading[SPREADS]; /* of bucket b: b % SPREADS */
    MPI_Comm spreaders;             /* all ranks: buckets start when they can, whatever else the ranks send */

    double *squares; /* [own blocks] */
    unsigned char *packet, *packets;
    size_t *packet_bytes; /* [ranks] */

    /* the first failure of this update */
    enum status status;
    char message[512];
};

/* The subtrees of the tree over the slots that `rank` sums by itself. */
int exchange_pieces(int slots, int ranks, int rank);

/* As asked for, but no bucket longer than one message may be. */
struct blocks exchange_make_blocks(size_t floats, size_t bucket_floats, int ranks);

/* The cut of `bucket`. */
const struct cut *exchange_cut(const struct exchange *exchange, size_t bucket);

struct flight *exchange_flight(struct exchange *exchange, size_t bucket);

/* Fills cuts[]; needs first_piece and rounds. */
enum status exchange_cut_open(struct exchange *exchange);

/* The message of exchange_agree(): sizes and memory. */
enum status exchange_packet_open(struct exchange *exchange);

/* Keeps a failure until exchange_sum() can return it. */
void exchange_note(struct exchange *exchange, enum status status);

/* to[i] += from[i]. */
void exchange_add(float *to, const float *from, size_t count);

#endif
