#include "train/training/forecast.h"

#include <math.h>

/* Of goodput in what a link carries: frames of 1,538 bytes hold 1,460. */
#define LINK_SHARE 0.95

/* A second of each rank to others of its node. */
#define COPY_BYTES 4e9

/* Buckets of parameters on their way at a time: they share the links, and arrive together. */
enum { TOGETHER = 2 };

/* Posting, matching and completing a message. */
#define MESSAGE_SECONDS 2e-6

/* An update under way. */
struct traffic {
    const struct blocks *blocks;
    const struct network *network;
    double sum_seconds, spread_seconds; /* of a float, until all ranks have its sum, or its owner's value */
    double last_seconds; /* of a float more, in the last bucket: after it no other one keeps the links busy */
    double rounds;       /* of messages that a bucket takes to be summed */
    double messages;     /* seconds of a rank to post and complete a message to each other rank */
};

/* Of the bytes that a rank sends, and of those that leave the ranks that add first: through the node's link or inside it. */
static double transport(const struct blocks *blocks, const struct network *network, double sent, double left)
{
    double ranks = blocks->ranks, wide = blocks->node_ranks;
    double near = fmax(wide, fmin(network->node_ranks, ranks));
    double link = near / wide * left * (ranks - near) / (ranks - wide);
    return fmax(link / (network->bits / 8 * LINK_SHARE), (sent - link / near) / COPY_BYTES);
}

/* comm.reduce ordered: pieces go to their owners at once. */
static void sum_at_owners(struct traffic *traffic, const struct exchange_cost *cost, double sent, double left)
{
    double rest = transport(traffic->blocks, traffic->network, (double)cost->sent_bytes - sent,
            (double)cost->left_bytes - left);
    traffic->sum_seconds = fmax(0, rest) / (double)traffic->blocks->floats;
    traffic->rounds = 1;
}

/* comm.reduce native: up a binomial tree and down again, as MPI_Iallreduce of Open MPI 4.1 does in place. Its root takes a
 * vector from a rank on each level, first of its node, then of others; it sends the sums of one bucket while it takes the
 * next. */
static void sum_up_a_tree(struct traffic *traffic)
{
    double ranks = traffic->blocks->ranks, near = fmin(traffic->network->node_ranks, ranks);
    double copies = sizeof(float) * ceil(log2(near)) / COPY_BYTES;
    double link = sizeof(float) * ceil(log2(ranks / near)) / (traffic->network->bits / 8 * LINK_SHARE);
    traffic->sum_seconds = fmax(copies, link);
    traffic->last_seconds = 2 * (copies + link) - traffic->sum_seconds;
    traffic->rounds = 2 * ceil(log2(ranks));
}

static struct traffic make_traffic(const struct exchange_cost *cost, const struct network *network)
{
    const struct blocks *blocks = &cost->blocks;
    double floats = (double)blocks->floats, ranks = blocks->ranks, wide = blocks->node_ranks;
    double sent = sizeof(float) * floats * (ranks - 1) / ranks; /* to spread, the rest to sum */
    double left = sizeof(float) * floats * (ranks - wide) / ranks;
    struct traffic traffic = {.blocks = blocks,
            .network = network,
            .spread_seconds = transport(blocks, network, sent, left) / floats,
            .messages = 2 * (wide + ranks / wide - 2) * MESSAGE_SECONDS};
    if (cost->by_library)
        sum_up_a_tree(&traffic);
    else
        sum_at_owners(&traffic, cost, sent, left);
    return traffic;
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
static double sums_at(const struct traffic *traffic, const struct pace *pace)
{
    double left = 0;
    for (size_t bucket = blocks_buckets(traffic->blocks); bucket-- > 0;) {
        double ready = ready_at(pace, bucket * traffic->blocks->bucket_floats);
        left = fmax(left, ready) +
               traffic->sum_seconds * (double)blocks_bucket_floats(traffic->blocks, bucket);
    }
    double last = (double)blocks_bucket_floats(traffic->blocks, 0);
    return left + traffic->last_seconds * last + traffic->rounds * traffic->network->latency;
}

/* How long the first micro-batch waits for parameters, whose buckets leave when it begins, the first one first. */
static double parameters_late(const struct traffic *traffic, const struct pace *pace)
{
    double late = 0;
    size_t length = TOGETHER * traffic->blocks->bucket_floats;
    for (size_t i = 0; i < pace->needed.count; i++) {
        const struct pace_point *needed = &pace->needed.points[i];
        size_t end = (needed->place + length - 1) / length * length;
        double floats = fmin((double)end, (double)traffic->blocks->floats);
        late = fmax(late, traffic->network->latency + traffic->spread_seconds * floats - needed->seconds);
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
           traffic->spread_seconds * bytes / sizeof(float);
}

void forecast_make(struct forecast *out, const struct pace *pace, double compute,
        const struct exchange_cost *cost, int slots, const struct network *network)
{
    *out = (struct forecast){.compute = compute, .step = pace->step_seconds};
    if (cost->blocks.ranks == 1)
        return;
    struct traffic traffic = make_traffic(cost, network);
    double posting = (double)blocks_buckets(traffic.blocks) * traffic.messages;
    out->compute += posting;
    out->sum = fmax(0, sums_at(&traffic, pace) - pace_seconds(pace)) + agreement(&traffic, slots);
    out->spread = fmax(posting, parameters_late(&traffic, pace));
}

double forecast_seconds(const struct forecast *forecast)
{
    return forecast->compute + forecast->sum + forecast->step + forecast->spread;
}
