/*
 * The exchange: the gradients of the V slots of an update become one sum, whatever the number of ranks.
 *
 * One update, on every rank:
 *
 *     for each own slot s, in order:
 *         g = exchange_leaf(x, s)        zeroed gradient buffer [floats]
 *         ... backward adds into g and calls exchange_ready(x, first) when all of g from `first` on is final
 *         exchange_leaf_done(x, &facts)  loss, tokens
 *     exchange_sum(x, &sum)              own stretches of sum [floats] hold the sum over all slots
 *     exchange_agree(x, &agreement)      norm, loss, tokens, verdicts: the same on every rank
 *     ... owners update their stretches of the parameters ...
 *     exchange_spread(x, parameters)     starts; the next forward may begin meanwhile, if
 *     exchange_spread_wait(x, end)       comes before it reads what lies before `end`
 *
 * `ordered` adds along one binary tree over the slots [0, V): a node [a, b) of n leaves has a left part of ⌈n/2⌉. A
 * rank keeps the sums of its maximal subtrees and sends each to the owners, who add them in tree order: the same bits
 * for any N ≤ V. On nodes of several ranks those of a node add what they can among them first, in the same order, so that
 * one rank's worth of gradients leaves the node. A slot without a micro-batch is a leaf of zeros. `native` sums with MPI_Iallreduce instead; then the
 * bits depend on N. Buckets leave during the last backward, last parameters first. With the wire format bfloat16 pieces
 * travel rounded, and every sum is of rounded gradients: the same bits for any N again, others than with float32.
 */
#ifndef COMM_EXCHANGE_H
#define COMM_EXCHANGE_H

#include "comm/blocks.h"
#include "comm/kind.h"
#include "comm/status.h"

#include <stdbool.h>
#include <stdint.h>

/* The ways to sum, for `comm.reduce`: rows {ordered, native}. */
extern const struct kind_table reduce_kinds;

/* What gradients travel as, for `comm.wire`: rows {float32, bfloat16}. Parameters travel as they are. */
extern const struct kind_table wire_kinds;

/* How an exchange sums: a row of each table; bfloat16 goes with `ordered` only. */
struct exchange_kinds {
    const struct kind *reduce, *wire;
    int64_t node_ranks; /* ranks that follow each other and add among them first (`ordered`); 0: as the world tells */
};

struct exchange;

/* Slots are 1 ≤ ranks ≤ slots, and node_ranks a divisor of ranks or no less, else STATUS_CONFIG. bucket_floats 0: default.
 * Collective. */
enum status exchange_open(struct exchange **out, const struct exchange_kinds *kinds, size_t floats, int slots,
        size_t bucket_floats);

/* Collective. */
void exchange_close(struct exchange *exchange);

const struct blocks *exchange_blocks(const struct exchange *exchange);

/* Slots of `rank`: [V·rank/N, V·(rank+1)/N). */
int exchange_first_slot(int slots, int ranks, int rank);

/* What an exchange over `ranks` ranks takes of the rank that it takes most of, told without opening one. */
struct exchange_cost {
    int rank;
    int buffers;       /* gradients held (at most 2·log2 V, at least 1), each as long as the parameters */
    size_t room_bytes; /* for gradients on their way */
    size_t own_floats; /* of the blocks it owns */
    size_t sent_bytes; /* an update, by the rank that sends most; parameters spread as a ring would */
    size_t left_bytes; /* of what they send, what leaves the ranks that add first: those of the node it is most for */
    bool by_library; /* summed by MPI's own call, along what path it likes: bytes as a ring would send them */
    struct blocks blocks;
};

/* node_ranks: of the world, unless the kinds tell. */
enum status exchange_cost(struct exchange_cost *out, const struct exchange_kinds *kinds, size_t floats,
        int slots, int ranks, int node_ranks);

/* The nearest numbers of ranks, at most and at least `ranks`, whose slots are one subtree each: then an update sends no
 * more than a ring would. */
void exchange_good_ranks(int slots, int ranks, int *below, int *above);

/* Facts of one slot of an update. All zero for a slot without a micro-batch. */
struct slot_facts {
    double loss;          /* nats, summed over target tokens: the objective */
    double cross_entropy; /* the same without label smoothing and other additions */
    double alignment;     /* cost of guided alignment, summed over `aligned` target tokens */
    int64_t aligned;
    int64_t source_tokens, target_tokens; /* end marks included */
    int64_t stored_tokens; /* of both sides as the corpus has them, which epochs are counted by */
    int64_t pairs;
    int64_t more; /* 1 if the slot has another micro-batch in this epoch */
};

/* The zeroed gradient of the next own slot, valid until exchange_leaf_done(). Slots must be taken in order, all of them
 * at every update, also after a local failure: that is told in exchange_agree(). */
float *exchange_leaf(struct exchange *exchange, int slot);
void exchange_ready(struct exchange *exchange, size_t first);
void exchange_leaf_done(struct exchange *exchange, const struct slot_facts *facts);

/* Waits for the sums, and for parameters that are still on their way. *sum is borrowed until the next exchange_leaf();
 * only own stretches are meaningful. Collective. */
enum status exchange_sum(struct exchange *exchange, float **sum);

enum { AGREE_ORDERS = 4, AGREE_SECONDS = 3 };

struct agreement {
    /* in, of this rank */
    enum status status;          /* a local failure; its message is status_message() */
    uint32_t wishes;             /* bits any rank may set: the result is the OR over ranks (a signal: stop) */
    double orders[AGREE_ORDERS]; /* rank 0's count, for what only its clock may decide */
    double seconds[AGREE_SECONDS]; /* told to all: exchange_told_seconds() */
    /* out, the same on every rank */
    struct slot_facts total; /* sums in slot order; more: slots that have another micro-batch */
    double square_norm;      /* of the sum: blocks in double, added in block order; NaN or Inf tells */
};

/* One message for all that ranks must agree on at an update. Returns the agreed status (see status_agree()); the out
 * fields are filled in any case. Once after each exchange_sum(). Collective. */
enum status exchange_agree(struct exchange *exchange, struct agreement *agreement);

/* The seconds that `rank` gave to the last agreement. */
void exchange_told_seconds(const struct exchange *exchange, int rank, double out[AGREE_SECONDS]);

/* Every rank's own stretches of parameters [floats] go to all others, first parameters first. They are borrowed until all
 * have arrived, at exchange_sum() at the latest. Collective. */
enum status exchange_spread(struct exchange *exchange, float *parameters);

/* Waits until parameters [0, end) are complete on this rank: they may be read. Written they may be when all are: end
 * SIZE_MAX, for which exchange_sum() waits too. As often as a rank likes, or not at all. */
enum status exchange_spread_wait(struct exchange *exchange, size_t end);

#endif
