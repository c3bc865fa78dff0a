/*
 * What the files of the exchange share. Private to comm/.
 *
 * A bucket goes through: join (own subtrees are completed, buffers 0 … K-1 hold this rank's pieces), the stages (in each
 * the kind sends pieces, and adds what has arrived once it is there), squares. The last stage leaves the sum in the own
 * stretch of buffer 0. At most FLIGHTS buckets are on their way at once; the next starts when the oldest is summed, so
 * that what arrives takes little room:
 *
 *     bucket    0 ... | unjoined ...  | entered[0] ... | entered[1] ... | entered[stage_count] ...
 *               made  | wait to leave | in stage 0     | in stage 1     | summed              the last bucket leaves first
 *
 * With nodes of several ranks a bucket has two stages. Inside the nodes each rank gets one column of it, and adds the
 * pieces of its node as far as they are one subtree; between them the ranks of a column do the same with what it got.
 * Else there is one stage, of all ranks. 2 nodes of 2 ranks, a bucket of 4 stretches, what each rank holds:
 *
 *     rank 0  [abcd]            [ab..]             [a...]
 *     rank 1  [abcd]   inside   [..cd]   between   [..c.]    places 0 … 3 (comm/blocks.h): ranks 0, 2, 1, 3
 *     rank 2  [abcd]   ------>  [ab..]   ------>   [.b..]
 *     rank 3  [abcd]            [..cd]             [...d]
 *
 * In every stage buckets keep their order on all ranks: the oldest bucket that is in flight anywhere has entered its stage
 * everywhere or can, so that none waits for ever. Whoever waits for gradients has sent all its parameters before.
 *
 * To add a way to sum: a file exchange_NAME.c with its struct reduction, and its row in reduce_kinds. To add a wire format:
 * its row in exchange_wire.c.
 */
#ifndef COMM_EXCHANGE_INTERNAL_H
#define COMM_EXCHANGE_INTERNAL_H

#include "comm/exchange.h"
#include "comm/tree.h"
#include "comm/world_internal.h"

struct stage;

struct reduction {
    /* Takes what this kind needs; sets the rounds of each stage. */
    enum status (*open)(struct exchange *);
    /* Posts the requests of a bucket that enters stage `s` with final pieces, requests[rounds]. */
    enum status (*start)(struct exchange *, size_t bucket, int s, MPI_Request *requests);
    /* Once they are done: adds up one block of what this rank got. NULL: it is in buffer 0 already. */
    void (*add)(struct exchange *, size_t bucket, int s, size_t position, size_t count);
    /* How often this rank sends each float that others get in a stage, and bytes for those on their way. Of blocks,
     * stages as they are laid and wire alone, before open(). */
    int (*copies_sent)(const struct stage *);
    size_t (*room_bytes)(const struct exchange *);
    bool in_stages; /* whether ranks of a node may sum first */
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

/* Counts and offsets in floats for MPI, one for each member of a stage. They live as long as the requests. */
struct stretches {
    int *counts, *offsets;
};

/* How a bucket is cut: alike for all full buckets, differently for the last. */
struct cut {
    struct stretches got;             /* by each member; offsets from the start of the bucket */
    struct stretches *sent, *arrived; /* [rounds]: piece i of this rank to all; piece i of all to this rank */
};

enum { STAGES_MOST = 2 };

/* One communicator, whose members cut among them what all of them hold pieces of. */
struct stage {
    int size, member;
    int first_rank, ranks; /* member m comes with the sums over ranks [first_rank + m·ranks, … + ranks) */
    int first_place, places; /* and gets what the owners at [first_place + m·places, … + places) have */
    const int *first_piece;  /* [size + 1], by member in slot order; first_piece[0] need not be 0 */
    int rounds;              /* requests per bucket */
    MPI_Comm summers,
            spreaders; /* the same ranks: parameters go when they can, whatever else the ranks send */

    /* additions: sum i is left in the piece held[i] */
    int sums, *held;
    struct tree_step *steps;

    struct cut cuts[2]; /* of a full bucket, of the last one */
    struct stretches *cut_lists;
    int *cut_memory;
};

/* Enough for what travels between two calls of exchange_ready(): with 4 MB a bucket, 12 ms at 10 Gbit/s. */
enum { FLIGHTS = 4 };

/* Of parameters: all at once would arrive together, when the first ones are needed first. */
enum { SPREADS = 2 };

/* What a stage of a bucket keeps. */
struct load {
    void *arrived; /* foreign pieces in order, each as long as what this rank got */
    void *leaving; /* own pieces that were packed, each as long as the longest stretch that is cut */
    float *sums;   /* for the next stage, each as long as what this rank got */
};

/* A bucket on its way; bucket b takes place b % FLIGHTS. */
struct flight {
    MPI_Request *requests; /* [rounds] of the stage it is in */
    struct load loads[STAGES_MOST];
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

    int *rank_pieces,
            *node_pieces; /* [ranks + 1], [nodes + 1]: before each rank and each node, in slot order */
    struct stage stages[STAGES_MOST];
    int stage_count;

    /* buckets on their way */
    size_t unjoined, entered[STAGES_MOST + 1]; /* see above */
    struct flight flights[FLIGHTS];
    float *unpacked;       /* what has arrived of the bucket that is summed */
    MPI_Request *requests; /* of all flights */
    int rounds;            /* the most of any stage */

    /* parameters: buckets from 0 on, [spread[s], spread[s + 1]) in stage s; those before spread[0] are complete */
    float *parameters; /* borrowed */
    size_t spread[STAGES_MOST + 1];
    MPI_Request spreading[SPREADS]; /* of bucket b: b % SPREADS */

    double *squares; /* [own blocks] */
    unsigned char *packet, *packets;
    size_t *packet_bytes, *packet_first; /* [ranks] */

    /* the first failure of this update */
    enum status status;
    char message[512];
};

/* As asked for, but no bucket longer than one message may be. STATUS_CONFIG if the ranks make no whole nodes of as many as
 * the kinds tell; if they tell nothing, nodes are of node_ranks where that is possible (0: unknown). */
enum status exchange_make_blocks(struct blocks *out, const struct exchange_kinds *kinds, size_t floats,
        size_t bucket_floats, int ranks, int node_ranks);

struct flight *exchange_flight(struct exchange *exchange, size_t bucket);

/* ---- stages (exchange_stage.c) ---- */

/* Fills rank_pieces and node_pieces. */
enum status exchange_count_pieces(struct exchange *exchange);

/* The stages of x->rank, without what the following take. */
void exchange_lay_stages(struct exchange *exchange);

/* Additions and cuts; needs rounds. */
enum status exchange_open_stages(struct exchange *exchange);

/* Communicators. Collective. */
enum status exchange_connect_stages(struct exchange *exchange);

/* Collective. */
void exchange_close_stages(struct exchange *exchange);

/* Of all members, of this one, and before this one. */
int stage_pieces(const struct stage *stage);
int stage_own_pieces(const struct stage *stage);
int stage_first_piece(const struct stage *stage);

/* The stretch of a bucket that the members cut, what of it `member` gets, and what this one. */
struct run stage_cut(const struct exchange *exchange, const struct stage *stage, size_t bucket);
struct run stage_stretch(
        const struct exchange *exchange, const struct stage *stage, size_t bucket, int member);
struct run stage_got(const struct exchange *exchange, const struct stage *stage, size_t bucket);

/* What this member does not get, of all buckets. */
size_t stage_others_floats(const struct exchange *exchange, const struct stage *stage);

/* Fills cuts[]. */
enum status exchange_open_cuts(const struct exchange *exchange, struct stage *stage);

const struct cut *exchange_cut(const struct exchange *exchange, const struct stage *stage, size_t bucket);

/* ---- */

/* The message of exchange_agree(): sizes and memory. */
enum status exchange_packet_open(struct exchange *exchange);

/* Keeps a failure until exchange_sum() can return it. */
void exchange_note(struct exchange *exchange, enum status status);

/* to[i] += from[i]. */
void exchange_add(float *to, const float *from, size_t count);

#endif
