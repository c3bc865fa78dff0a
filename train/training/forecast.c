#include "train/training/forecast.h"

#include <math.h>

/* Of goodput in what a link carries: frames of 1,538 bytes hold 1,460. */
#define LINK_SHARE 0.95

/* Between ranks of a node, bytes a second that they share. */
#define NODE_BYTES 8e9

/* Posting, matching and completing a message. */
#define MESSAGE_SECONDS 2e-6

/* An update under way. */
struct traffic {
    const struct blocks *blocks;
    const struct network *network;
    double far_seconds, near_seconds; /* of a float of each rank to all others: between nodes, inside one */
    double messages; /* seconds of a rank to post and complete a message to each other rank */
};

static struct traffic make_traffic(const struct blocks *blocks, const struct network *network)
{
    double ranks = blocks->ranks, near = fmin(network->node_ranks, ranks);
    return (struct traffic){.blocks = blocks,
            .network = network,
            .far_seconds = near * sizeof(float) * (ranks - near) / ranks / (network->bits / 8 * LINK_SHARE),
            .near_seconds = near * sizeof(float) * (near - 1) / ranks / NODE_BYTES,
            .messages = 2 * (ranks - 1) * MESSAGE_SECONDS};
}

static double transport(const struct traffic *traffic, double floats)
{
    return floats * fmax(traffic->far_seconds, traffic->near_seconds);
}

/* Seconds after the start of the last micro-batch at which the gradient is final from `first` on. */
static double ready_at(const struct pace *pace, size_t first)
{
    size_t i = 0;
    while (i + 1 < pace->ready.count && pace->ready.points[i].place > first)
        i++;
    return pace->ready.points[i].seconds;
}

/* When the last bucket has arrived, counted from the start of the last micro-batch. */
static double sums_at(const struct traffic *traffic, const struct pace *pace, double pieces)
{
    double left = 0;
    for (size_t bucket = blocks_buckets(traffic->blocks); bucket-- > 0;) {
        double ready = ready_at(pace, bucket * traffic->blocks->bucket_floats);
        left = fmax(left, ready) +
               transport(traffic, pieces * (double)blocks_bucket_floats(traffic->blocks, bucket));
    }
    return left + traffic->network->latency;
}

/* How long the first micro-batch waits for parameters, whose buckets leave when it begins, the first one first. */
static double parameters_late(const struct traffic *traffic, const struct pace *pace)
{
    double late = 0;
    size_t length = traffic->blocks->bucket_floats;
    for (size_t i = 0; i < pace->needed.count; i++) {
        const struct pace_point *needed = &pace->needed.points[i];
        size_t end = (needed->place + length - 1) / length * length;
        double floats = fmin((double)end, (double)traffic->blocks->floats);
        late = fmax(late, traffic->network->latency + transport(traffic, floats) - needed->seconds);
    }
    return late;
}

/* Everyone's packet to all: rounds of messages, and the bytes that come into a node. */
static double agreement(const struct traffic *traffic, int slots)
{
    double bytes = (double)blocks_count(traffic->blocks) * sizeof(double) +
                   slots * (double)sizeof(struct slot_facts);
    double rounds = ceil(log2(traffic->blocks->ranks));
    return rounds * (traffic->network->latency + 2 * MESSAGE_SECONDS) +
           transport(traffic, bytes / sizeof(float));
}

void forecast_make(struct forecast *out, const struct pace *pace, double compute, const struct blocks *blocks,
        const struct exchange_cost *cost, int slots, const struct network *network)
{
    *out = (struct forecast){.compute = compute, .step = pace->step_seconds};
    if (blocks->ranks == 1)
        return;
    struct traffic traffic = make_traffic(blocks, network);
    double others = (double)(blocks->floats - cost->own_floats), buckets = (double)blocks_buckets(blocks);
    /* Gradients that leave the rank that sends most, for each parameter that does, in floats. */
    double pieces = others > 0 ? (double)cost->sent_bytes / sizeof(float) / others - 1 : 0;
    out->compute += buckets * traffic.messages;
    out->sum = fmax(0, sums_at(&traffic, pace, pieces) - pace_seconds(pace)) + agreement(&traffic, slots);
    out->spread = buckets * traffic.messages + parameters_late(&traffic, pace);
}

double forecast_seconds(const struct forecast *forecast)
{
    return forecast->compute + forecast->sum + forecast->step + forecast->spread;
}
