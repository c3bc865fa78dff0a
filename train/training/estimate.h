/*
 * What a training run will take, found out without one: nothing is written, nothing learned.
 *
 *     TRY(estimate_make(&estimate, &config, ranks, node_ranks));
 *
 * The corpora are read as training reads them, for one epoch. Memory is that of the rank that needs most, at its
 * highest: parameters, optimiser state and reader as they are opened for that rank, the step of the heaviest
 * micro-batches as measured by a forward and backward pass, and what the process takes besides.
 */
#ifndef TRAIN_ESTIMATE_H
#define TRAIN_ESTIMATE_H

#include "comm/exchange.h"
#include "io/batch.h"
#include "train/config.h"
#include "train/training/pace.h"

/* Parameters by what they belong to: embeddings, encoder, decoder, output ... */
struct estimate_group {
    char name[32];
    size_t parameters;
};

enum estimate_purpose {
    MEMORY_PARAMETERS,
    MEMORY_GRADIENTS,  /* own, and other ranks' as they arrive */
    MEMORY_OPTIMISER,  /* moments, averages */
    MEMORY_STEP,       /* activations and their gradients */
    MEMORY_VALIDATION, /* what the loss over data.valid takes more than a step; translating it is not told */
    MEMORY_READER,     /* windows of the corpus, micro-batches read ahead */
    MEMORY_AUDIT,      /* the gradient of a micro-batch computed twice */
    MEMORY_CHECKPOINT, /* at most: what a save has still to read when the state changes */
    MEMORY_REST,       /* vocabularies, lists, buffers of files */
    MEMORY_PROCESS,    /* program, MPI, BLAS, stacks */
    MEMORY_PURPOSES
};
extern const char *const estimate_purpose_names[MEMORY_PURPOSES];

enum { ESTIMATE_GROUPS = 16 };

struct estimate {
    int ranks, slots, threads;    /* threads: of the rank measured */
    int ranks_below, ranks_above; /* nearest numbers of ranks that exchange least */
    struct estimate_group groups[ESTIMATE_GROUPS];
    size_t group_count, parameters, floats; /* floats: with the gaps of the flat buffer */

    /* one epoch */
    int64_t pairs, updates, micro_batches;
    int64_t tokens[SIDES];
    int64_t most_tokens; /* of both sides in an update */
    int64_t slowest_tokens; /* summed over updates: of both sides, on the rank that has most of them in that update */
    double filled;          /* share of batch.tokens, of the fuller side, on average */
    size_t heaviest[SIDES]; /* tokens of the micro-batch that took most memory */

    struct exchange_cost exchange;
    struct pace pace;
    size_t memory[MEMORY_PURPOSES]; /* bytes */
    size_t checkpoint_bytes; /* of a file, roughly: how well numbers compress is not known beforehand */
};

/* STATUS_CONFIG for settings that training would refuse. The world is open; alone. */
enum status estimate_make(struct estimate *out, const struct config *config, int ranks, int node_ranks);

size_t estimate_memory(const struct estimate *estimate); /* the sum */

#endif
