/*
 * What an update takes on ranks that are joined by a network, before there is one: the model behind `seqtrain plan`.
 *
 *     own micro-batches   |----------------------------|
 *     parameters          |--|--|                                   first ones first: forward waits for what it reads
 *     buckets                          |--|--|---|------|----|      each when its gradients are final and the one
 *     sums, agreement                                   |----|-|    before it has left; what lasts longer is waited for
 *     step                                                     |--|
 *
 * A node has one link, which does the same in both directions at once and which its ranks share; switches do not block.
 * Every rank sends its part of a bucket to every owner (comm.reduce ordered), and its own parameters to every rank; where
 * ranks of a node add first, once for all of them (comm.node_ranks). What stays inside a node its ranks copy. With
 * comm.reduce native gradients go up a binomial tree of the ranks instead, and down again.
 */
#ifndef TRAIN_FORECAST_H
#define TRAIN_FORECAST_H

#include "comm/exchange.h"
#include "train/training/pace.h"

struct network {
    double bits;    /* a second of a node's link */
    double latency; /* seconds of a message from node to node */
    int node_ranks;
};

struct forecast {
    double compute; /* seconds of the slowest rank's micro-batches, and of posting messages */
    double sum;     /* waiting for sums and agreement after them */
    double step;
    double spread; /* waiting for parameters, or posting their messages if that takes longer */
};

/* `compute`: seconds of the micro-batches of an update on one rank, the last of which goes as `pace` says. */
void forecast_make(struct forecast *out, const struct pace *pace, double compute,
        const struct exchange_cost *cost, int slots, const struct network *network);

double forecast_seconds(const struct forecast *forecast);

#endif
