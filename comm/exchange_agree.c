/*
 * What all ranks agree on at an update, in one message: each rank's packet goes to all.
 *
 *     | head: status, wishes, orders | facts of its slots | squares of its blocks |
 */
#include "comm/exchange_internal.h"

#include "comm/memory.h"
#include "comm/world.h"

#include <string.h>

struct head {
    int64_t status, wishes;
    double orders[AGREE_ORDERS], seconds[AGREE_SECONDS];
};

static size_t slots_of(const struct exchange *x, int rank)
{
    return (size_t)(exchange_first_slot(x->slots, x->ranks, rank + 1) -
                    exchange_first_slot(x->slots, x->ranks, rank));
}

static size_t blocks_of(size_t floats)
{
    return floats / BLOCK_FLOATS + (floats % BLOCK_FLOATS != 0);
}

enum status exchange_packet_open(struct exchange *x)
{
    size_t total = 0, own_blocks = blocks_of(blocks_own_floats(&x->blocks, x->rank));
    TRY(memory_new(&x->squares, "exchange", own_blocks, sizeof *x->squares));
    TRY(memory_new(&x->packet_bytes, "exchange", (size_t)x->ranks, sizeof *x->packet_bytes));
    TRY(memory_new(&x->packet_first, "exchange", (size_t)x->ranks, sizeof *x->packet_first));
    for (int r = 0; r < x->ranks; r++) {
        x->packet_first[r] = total;
        x->packet_bytes[r] = sizeof(struct head) + slots_of(x, r) * sizeof(struct slot_facts) +
                             blocks_of(blocks_own_floats(&x->blocks, r)) * sizeof(double);
        total += x->packet_bytes[r];
    }
    TRY(memory_new(&x->packet, "exchange", x->packet_bytes[x->rank], 1));
    return memory_new(&x->packets, "exchange", total, 1);
}

static void pack(struct exchange *x, const struct agreement *agreement)
{
    struct head head = {.status = agreement->status, .wishes = agreement->wishes};
    memcpy(head.orders, agreement->orders, sizeof head.orders);
    memcpy(head.seconds, agreement->seconds, sizeof head.seconds);
    size_t facts = slots_of(x, x->rank) * sizeof *x->facts;
    memcpy(x->packet, &head, sizeof head);
    memcpy(x->packet + sizeof head, x->facts, facts);
    memcpy(x->packet + sizeof head + facts, x->squares, x->packet_bytes[x->rank] - sizeof head - facts);
}

static void add_facts(struct slot_facts *total, const struct slot_facts *slot)
{
    total->loss += slot->loss;
    total->cross_entropy += slot->cross_entropy;
    total->alignment += slot->alignment;
    total->aligned += slot->aligned;
    total->source_tokens += slot->source_tokens;
    total->target_tokens += slot->target_tokens;
    total->stored_tokens += slot->stored_tokens;
    total->pairs += slot->pairs;
    total->more += slot->more;
}

/* The lowest failing rank, or -1. */
static int unpack(const struct exchange *x, struct agreement *out, enum status *status)
{
    int failing = -1;
    const unsigned char *packet = x->packets;
    out->wishes = 0;
    memset(&out->total, 0, sizeof out->total);
    for (int r = 0; r < x->ranks; packet += x->packet_bytes[r], r++) {
        struct head head;
        memcpy(&head, packet, sizeof head);
        if (r == 0)
            memcpy(out->orders, head.orders, sizeof head.orders);
        out->wishes |= (uint32_t)head.wishes;
        if (failing < 0 && head.status != STATUS_OK) {
            failing = r;
            *status = (enum status)head.status;
        }
        for (size_t s = 0; s < slots_of(x, r); s++) {
            struct slot_facts facts;
            memcpy(&facts, packet + sizeof head + s * sizeof facts, sizeof facts);
            add_facts(&out->total, &facts);
        }
    }
    return failing;
}

/* In the order of the flat buffer, whoever owns the blocks. */
static double add_squares(const struct exchange *x)
{
    double sum = 0;
    for (size_t bucket = 0; bucket < blocks_buckets(&x->blocks); bucket++) {
        for (int place = 0; place < x->ranks; place++) {
            int r = blocks_rank(&x->blocks, place);
            struct run run = blocks_stretch(&x->blocks, bucket, place, 1);
            const unsigned char *squares = x->packets + x->packet_first[r] + sizeof(struct head) +
                                           slots_of(x, r) * sizeof(struct slot_facts) +
                                           run.own / BLOCK_FLOATS * sizeof(double);
            for (size_t i = 0; i < blocks_of(run.count); i++) {
                double square;
                memcpy(&square, squares + i * sizeof square, sizeof square);
                sum += square;
            }
        }
    }
    return sum;
}

enum status exchange_agree(struct exchange *x, struct agreement *agreement)
{
    ASSERT(x->is_sum_ready);
    enum status status = STATUS_OK;
    pack(x, agreement);
    TRY(world_gather_parts(x->packet, x->packets, x->packet_bytes));
    int failing = unpack(x, agreement, &status);
    agreement->square_norm = add_squares(x);
    if (failing >= 0 && world_is_shared())
        return status_share(status, failing);
    return status;
}

void exchange_told_seconds(const struct exchange *x, int rank, double out[AGREE_SECONDS])
{
    struct head head;
    memcpy(&head, x->packets + x->packet_first[rank], sizeof head);
    memcpy(out, head.seconds, sizeof head.seconds);
}
