#include "comm/exchange_internal.h"

#include "comm/fault.h"
#include "comm/vector.h"
#include "comm/watch_internal.h"
#include "comm/world.h"

#include <stdio.h>
#include <string.h>

VECTOR_CLONES void exchange_add(float *to, const float *from, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* to += from over [first, first + count), by tiles. */
static void add_stretch(
        const struct wire_kind *wire, float *to, const float *from, size_t first, size_t count)
{
    size_t end = first + count;
#pragma omp parallel for schedule(static)
    for (size_t at = first; at < end; at += BLOCK_FLOATS)
        wire->add(to + at, from + at, least(BLOCK_FLOATS, end - at));
}

static void zero_floats(float *x, size_t count)
{
#pragma omp parallel for schedule(static)
    for (size_t at = 0; at < count; at += BLOCK_FLOATS)
        memset(x + at, 0, least(BLOCK_FLOATS, count - at) * sizeof *x);
}

void exchange_note(struct exchange *x, enum status status)
{
    if (status == STATUS_OK || x->status != STATUS_OK)
        return;
    x->status = status;
    snprintf(x->message, sizeof x->message, "%s", status_message());
}

float *exchange_leaf(struct exchange *x, int slot)
{
    ASSERT(!x->is_leaf_out);
    if (x->is_sum_ready) {
        x->is_sum_ready = false;
        x->next_slot = x->first_slot;
        x->held = 0;
    }
    ASSERT(slot == x->next_slot && slot < x->end_slot);
    x->is_leaf_out = true;
    x->unjoined = slot + 1 == x->end_slot ? blocks_buckets(&x->blocks) : 0;
    for (int s = 0; s <= x->stage_count; s++)
        x->entered[s] = x->unjoined;
    float *leaf = x->buffer[x->held++];
    zero_floats(leaf, x->blocks.floats);
    return leaf;
}

/* The sums of the subtrees that end with the leaf that is out, over [first, first + count). */
static void join_stretch(struct exchange *x, size_t first, size_t count)
{
    int joins = tree_joins(x->slots, x->first_slot, x->end_slot, x->next_slot);
    for (int top = x->held - 1; joins > 0; joins--, top--)
        add_stretch(x->wire, x->buffer[top - 1], x->buffer[top], first, count);
}

struct flight *exchange_flight(struct exchange *x, size_t bucket)
{
    return &x->flights[bucket % FLIGHTS];
}

static void start_stage(struct exchange *x, size_t bucket, int s)
{
    if (world_is_shared())
        exchange_note(x, x->reduction->start(x, bucket, s, exchange_flight(x, bucket)->requests));
}

/* As many as are joined and find a place. */
static void start_buckets(struct exchange *x)
{
    size_t summed = x->entered[x->stage_count];
    while (x->entered[0] > x->unjoined && summed - x->entered[0] < FLIGHTS)
        start_stage(x, --x->entered[0], 0);
}

/* All buckets from `first` on; each leaves if it finds a place. */
static void join_buckets(struct exchange *x, size_t first)
{
    size_t length = x->blocks.bucket_floats;
    while (x->unjoined > 0 && (x->unjoined - 1) * length >= first) {
        size_t bucket = --x->unjoined;
        join_stretch(x, bucket * length, blocks_bucket_floats(&x->blocks, bucket));
        start_buckets(x);
    }
}

/* Whether a bucket in stage `s` is there. MPI moves data only while it is called: this does it. */
static bool has_arrived(struct exchange *x, size_t bucket, int s, bool wait)
{
    int done = true;
    if (!world_is_shared())
        return true;
    MPI_Request *requests = exchange_flight(x, bucket)->requests;
    int code = wait ? WATCH_WAIT(MPI_Waitall(x->stages[s].rounds, requests, MPI_STATUSES_IGNORE))
                    : MPI_Testall(x->stages[s].rounds, requests, &done, MPI_STATUSES_IGNORE);
    exchange_note(x, mpi_status(code, wait ? "MPI_Waitall" : "MPI_Testall", -1));
    return done || code != MPI_SUCCESS;
}

/* What this rank got of a bucket that has arrived in stage `s`. */
static void add_bucket(struct exchange *x, size_t bucket, int s)
{
    struct run run = stage_got(x, &x->stages[s], bucket);
    bool adds = world_is_shared() && x->reduction->add, last = s + 1 == x->stage_count;
#pragma omp parallel for schedule(static)
    for (size_t at = 0; at < run.count; at += BLOCK_FLOATS) {
        size_t count = least(BLOCK_FLOATS, run.count - at);
        if (adds)
            x->reduction->add(x, bucket, s, run.first + at, count);
        if (last)
            x->squares[(run.own + at) / BLOCK_FLOATS] = vector_square(x->buffer[0] + run.first + at, count);
    }
    if (!last)
        start_stage(x, bucket, s + 1);
}

/* The first stage whose oldest bucket has arrived, or is waited for: what other ranks of the node need before what other
 * nodes send. -1: none. */
static int arrived_stage(struct exchange *x, bool wait)
{
    for (int s = 0; s < x->stage_count; s++)
        if (x->entered[s + 1] > x->entered[s] && has_arrived(x, x->entered[s + 1] - 1, s, wait))
            return s;
    return -1;
}

/* Adds what has arrived, or waits for it; in its place the next bucket starts. */
static void move_buckets(struct exchange *x, bool wait)
{
    start_buckets(x);
    for (int s; (s = arrived_stage(x, wait)) >= 0; start_buckets(x))
        add_bucket(x, --x->entered[s + 1], s);
}

void exchange_ready(struct exchange *x, size_t first)
{
    ASSERT(x->is_leaf_out);
    if (x->next_slot + 1 < x->end_slot)
        return;
    join_buckets(x, first);
    move_buckets(x, false);
}

void exchange_leaf_done(struct exchange *x, const struct slot_facts *facts)
{
    ASSERT(x->is_leaf_out);
    x->facts[x->next_slot - x->first_slot] = *facts;
    if (x->next_slot + 1 == x->end_slot)
        exchange_ready(x, 0);
    else
        join_stretch(x, 0, x->blocks.floats);
    x->held -= tree_joins(x->slots, x->first_slot, x->end_slot, x->next_slot);
    x->next_slot++;
    x->is_leaf_out = false;
}

enum status exchange_sum(struct exchange *x, float **sum)
{
    ASSERT(x->next_slot == x->end_slot && !x->is_sum_ready);
    /* First, or ranks that are in their forward would wait for this one's parameters, and it for their gradients. */
    exchange_note(x, exchange_spread_wait(x, SIZE_MAX));
    move_buckets(x, true);
    x->is_sum_ready = true;
    *sum = x->buffer[0];
    if (fault_fires(FAULT_EXCHANGE))
        exchange_note(x, status_fail(STATUS_IO, "the sum of gradients failed (planned fault)"));
    enum status status = x->status;
    x->status = STATUS_OK;
    return status == STATUS_OK ? STATUS_OK : status_fail(status, "%s", x->message);
}
