#include "tests/scale/collectives.h"

#include "tests/scale/ground.h"

#include <stdbool.h>
#include <stdlib.h>

enum { BUNDLE_MOST = 3, MESSAGES_MOST = 2 * (BUNDLE_MOST + 1), OPERATIONS_MOST = 1024, RANKS_MOST = 4096 };

struct cluster cluster = {.node_ranks = 1};

/* ---- who takes part ---- */

/* Nodes hold equally many members of a communicator, who follow each other. */
struct party {
    int ranks, wide; /* wide: on a node */
    int calls[];     /* of each member, so far: alike on all once they have made them */
};

static int members_on_node(MPI_Comm comm)
{
    int size, count = 0;
    MPI_Group all, some;
    MPI_Comm_size(comm, &size);
    MPI_Comm_group(MPI_COMM_WORLD, &all);
    MPI_Comm_group(comm, &some);
    for (int r = 0; r < size; r++) {
        int rank;
        MPI_Group_translate_ranks(some, 1, &r, all, &rank);
        count += rank / cluster.node_ranks == world()->rank / cluster.node_ranks;
    }
    MPI_Group_free(&some);
    MPI_Group_free(&all);
    return count;
}

static int forget(MPI_Comm comm, int key, void *party, void *extra)
{
    (void)comm, (void)key, (void)extra;
    free(party);
    return MPI_SUCCESS;
}

/* The communicator keeps it. */
static struct party *party_of(MPI_Comm comm)
{
    static int key = MPI_KEYVAL_INVALID;
    struct party *party;
    int is_known, ranks;
    if (key == MPI_KEYVAL_INVALID)
        MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, forget, &key, NULL);
    MPI_Comm_get_attr(comm, key, &party, &is_known);
    if (is_known)
        return party;
    MPI_Comm_size(comm, &ranks);
    party = calloc(1, sizeof *party + (size_t)ranks * sizeof *party->calls);
    party->ranks = ranks;
    party->wide = members_on_node(comm);
    MPI_Comm_set_attr(comm, key, party);
    return party;
}

static int rank_in(MPI_Comm comm)
{
    int rank;
    MPI_Comm_rank(comm, &rank);
    return rank;
}

/* ---- calls under way ---- */

/* A collective call under way on one rank. MPI_Request is a pointer in SMPI: for the caller it is this. */
struct operation {
    MPI_Comm comm;
    MPI_Request messages[MESSAGES_MOST];
    int count, through; /* through: so many, from the first */
    int round, rounds;  /* of the messages; done when round == rounds */
    double bytes;       /* of the whole vector of an allreduce */
    int tag;
    struct operation *next; /* of this rank */
};

static struct operation *under_way[RANKS_MOST];

static struct operation *begin(MPI_Comm comm, int rounds, MPI_Request *request)
{
    struct operation *operation = calloc(1, sizeof *operation);
    int rank = world()->rank;
    *operation = (struct operation){.comm = comm,
            .rounds = rounds,
            .tag = 1 + party_of(comm)->calls[rank_in(comm)]++,
            .next = under_way[rank]};
    under_way[rank] = operation;
    *request = (MPI_Request)operation;
    return operation;
}

static void end(int rank, struct operation *operation)
{
    struct operation **at = &under_way[rank];
    while (*at != operation)
        at = &(*at)->next;
    *at = operation->next;
    free(operation);
}

static void take_time(int messages)
{
    smpi_execute_flops(messages * MESSAGE_SECONDS * CORE_SPEED);
}

static void send_bytes(struct operation *operation, int to, double bytes)
{
    PMPI_Isend(ground_noise(), (int)bytes, MPI_BYTE, to, operation->tag, operation->comm,
            &operation->messages[operation->count++]);
}

static void receive_bytes(struct operation *operation, int from)
{
    PMPI_Irecv(ground_noise(), GROUND_BYTES, MPI_BYTE, from, operation->tag, operation->comm,
            &operation->messages[operation->count++]);
}

/* ---- all to all ---- */

/* Bytes for the members on the same node and for all others. */
static void sum_counts(MPI_Comm comm, const int *counts, int size, double *near, double *far)
{
    const struct party *party = party_of(comm);
    int rank = rank_in(comm), node = rank / party->wide;
    *near = *far = 0;
    for (int r = 0; r < party->ranks; r++)
        *(r / party->wide == node ? near : far) += r == rank ? 0 : (double)counts[r] * size;
}

/* To the same place on nodes that are evenly spread, and to the next place on this one. */
static void start_bundles(struct operation *operation, double near, double far)
{
    const struct party *party = party_of(operation->comm);
    int rank = rank_in(operation->comm), ranks = party->ranks, wide = party->wide, nodes = ranks / wide;
    int bundles = nodes - 1 < BUNDLE_MOST ? nodes - 1 : BUNDLE_MOST, node = rank / wide * wide;
    for (int b = 0; b < bundles; b++) {
        int ahead = (1 + b * (nodes - 1) / bundles) * wide;
        receive_bytes(operation, (rank - ahead + ranks) % ranks);
        send_bytes(operation, (rank + ahead) % ranks, far / bundles);
    }
    if (wide > 1) {
        receive_bytes(operation, node + (rank - node + wide - 1) % wide);
        send_bytes(operation, node + (rank - node + 1) % wide, near);
    }
}

static void start_all(struct operation *operation, const int *counts, int size)
{
    int rank = rank_in(operation->comm), ranks = party_of(operation->comm)->ranks;
    for (int ahead = 1; ahead < ranks; ahead++) {
        int to = (rank + ahead) % ranks;
        receive_bytes(operation, (rank - ahead + ranks) % ranks);
        send_bytes(operation, to, (double)counts[to] * size);
    }
}

static int start_to_all(MPI_Comm comm, const int *counts, MPI_Datatype type, MPI_Request *request)
{
    int ranks = party_of(comm)->ranks, size;
    double near, far;
    MPI_Type_size(type, &size);
    sum_counts(comm, counts, size, &near, &far);
    struct operation *operation = begin(comm, 1, request);
    take_time(2 * (ranks - 1));
    if (ranks - 1 <= BUNDLE_MOST)
        start_all(operation, counts, size);
    else
        start_bundles(operation, near, far);
    return MPI_SUCCESS;
}

int simulated_ialltoallv(const void *from, const int *sent, const int *sent_at, MPI_Datatype sent_type,
        void *to, const int *arrived, const int *arrived_at, MPI_Datatype type, MPI_Comm comm,
        MPI_Request *request)
{
    (void)from, (void)sent_at, (void)to, (void)arrived, (void)arrived_at, (void)type;
    return start_to_all(comm, sent, sent_type, request);
}

/* In place: this rank's part goes to all others. */
int simulated_iallgatherv(const void *from, int sent, MPI_Datatype sent_type, void *to, const int *counts,
        const int *offsets, MPI_Datatype type, MPI_Comm comm, MPI_Request *request)
{
    (void)from, (void)sent, (void)sent_type, (void)to, (void)offsets;
    int ranks = party_of(comm)->ranks, *same = malloc((size_t)ranks * sizeof *same);
    for (int r = 0; r < ranks; r++)
        same[r] = counts[rank_in(comm)];
    int code = start_to_all(comm, same, type, request);
    free(same);
    return code;
}

/* ---- allreduce ---- */

/* Up the tree the whole vector goes from rank + 2^i to rank, for ranks that 2^(i+1) divides, and down the same way back. */
static void start_tree_round(struct operation *operation, int levels)
{
    int rank = world()->rank, ranks = world()->size;
    bool up = operation->round < levels;
    int level = up ? operation->round : 2 * levels - 1 - operation->round;
    int far = 1 << level;
    if (rank % far != 0)
        return;
    bool upper = rank % (2 * far) == 0;
    int peer = upper ? rank + far : rank - far;
    if (peer >= ranks)
        return;
    if (upper == up)
        receive_bytes(operation, peer);
    else
        send_bytes(operation, peer, operation->bytes);
}

/* Halves go to the peer farthest away first; then all of it comes back the other way round. */
static void start_halving_round(struct operation *operation, int levels)
{
    bool down = operation->round < levels;
    int level = down ? operation->round : 2 * levels - 1 - operation->round;
    int peer = world()->rank ^ (world()->size >> (level + 1));
    receive_bytes(operation, peer);
    send_bytes(operation, peer, operation->bytes / (2 << level));
}

static void start_round(struct operation *operation)
{
    int levels = operation->rounds / 2;
    if (cluster.is_halving)
        start_halving_round(operation, levels);
    else
        start_tree_round(operation, levels);
    take_time(operation->count);
}

int simulated_iallreduce(const void *from, void *to, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
        MPI_Request *request)
{
    (void)from, (void)to, (void)type, (void)op;
    int levels = 0;
    while (1 << levels < world()->size)
        levels++;
    struct operation *operation = begin(comm, 2 * levels, request);
    operation->bytes = (double)count * sizeof(float);
    start_round(operation);
    return MPI_SUCCESS;
}

/* ---- progress ---- */

/* Whether the messages of a round are through; the first that is not is all that SMPI is asked for. */
static bool is_through(struct operation *operation)
{
    int done = 1;
    while (operation->through < operation->count) {
        PMPI_Test(&operation->messages[operation->through], &done, MPI_STATUS_IGNORE);
        if (!done)
            return false;
        operation->through++;
    }
    return true;
}

/* Whatever is under way goes on, as in any call of Open MPI. Rounds without a message are over at once. */
static void make_progress(void)
{
    for (struct operation *o = under_way[world()->rank]; o; o = o->next)
        while (o->round < o->rounds && is_through(o)) {
            o->count = o->through = 0;
            if (++o->round < o->rounds)
                start_round(o);
        }
}

/* Frees those that are done. */
int simulated_testall(int count, MPI_Request *requests, int *done, MPI_Status *statuses)
{
    (void)statuses;
    *done = 1;
    make_progress();
    for (int i = 0; i < count; i++) {
        struct operation *operation = (struct operation *)requests[i];
        if (operation && operation->round == operation->rounds) {
            end(world()->rank, operation);
            requests[i] = MPI_REQUEST_NULL;
        }
        *done = *done && requests[i] == MPI_REQUEST_NULL;
    }
    return MPI_SUCCESS;
}

/* Sleeps until any operation may go on: that may be what the awaited one needs. */
static void await_message(void)
{
    MPI_Request *places[OPERATIONS_MOST], copies[OPERATIONS_MOST];
    int count = 0, index;
    for (struct operation *o = under_way[world()->rank]; o && count < OPERATIONS_MOST; o = o->next)
        if (o->through < o->count) {
            places[count] = &o->messages[o->through];
            copies[count++] = o->messages[o->through];
        }
    PMPI_Waitany(count, copies, &index, MPI_STATUS_IGNORE);
    *places[index] = copies[index];
}

int simulated_waitall(int count, MPI_Request *requests, MPI_Status *statuses)
{
    int done;
    for (simulated_testall(count, requests, &done, statuses); !done;
            simulated_testall(count, requests, &done, statuses))
        await_message();
    return MPI_SUCCESS;
}
