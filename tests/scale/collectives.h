/*
 * The calls of MPI that move gradients and parameters, as Open MPI 4.1 carries them out, in SimGrid's simulated time. This
 * header is put before the sources of comm/, which then call these in place of MPI's. SMPI's own would not do: its
 * MPI_Iallreduce sends everything from everyone to everyone, and it cannot hold the million messages of an all-to-all on
 * 1,024 ranks.
 *
 *     alltoallv, allgatherv   all messages at once. Beyond BUNDLE_MOST peers they are bundled: so many messages go to
 *                             other nodes, evenly spread, and one inside the node. Links carry the same bytes, and 64
 *                             ranks take the same time, to a hundredth of a percent, as with each message for itself.
 *     allreduce               in rounds that go on when MPI is called: a binomial tree up and down (what Open MPI 4.1
 *                             takes for MPI_IN_PLACE), or recursive halving and doubling (what it takes else); over
 *                             all ranks
 *
 * A message costs its rank MESSAGE_SECONDS besides, bundled or not.
 */
#ifndef TESTS_SCALE_COLLECTIVES_H
#define TESTS_SCALE_COLLECTIVES_H

#include <mpi.h>

#define MESSAGE_SECONDS 2e-6

/* Flops a second of a simulated core, as in the platform. */
#define CORE_SPEED 1e9

struct cluster {
    int node_ranks; /* rank r is on node r / node_ranks */
    int is_halving; /* allreduce */
};
extern struct cluster cluster;

int simulated_ialltoallv(const void *from, const int *sent, const int *sent_at, MPI_Datatype sent_type,
        void *to, const int *arrived, const int *arrived_at, MPI_Datatype type, MPI_Comm comm,
        MPI_Request *request);
int simulated_iallgatherv(const void *from, int sent, MPI_Datatype sent_type, void *to, const int *counts,
        const int *offsets, MPI_Datatype type, MPI_Comm comm, MPI_Request *request);
int simulated_iallreduce(const void *from, void *to, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
        MPI_Request *request);
int simulated_testall(int count, MPI_Request *requests, int *done, MPI_Status *statuses);
int simulated_waitall(int count, MPI_Request *requests, MPI_Status *statuses);

#define MPI_Ialltoallv  simulated_ialltoallv
#define MPI_Iallgatherv simulated_iallgatherv
#define MPI_Iallreduce  simulated_iallreduce
#define MPI_Testall     simulated_testall
#define MPI_Waitall     simulated_waitall

#endif
