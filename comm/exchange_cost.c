#include "comm/exchange_internal.h"

#include "comm/memory.h"

/* Sent by x->rank in one stage: gradients, and parameters as a ring would. */
static size_t stage_bytes(const struct exchange *x, const struct stage *stage)
{
    size_t gradients = (size_t)x->reduction->copies_sent(stage) * x->wire->bytes;
    return (gradients + sizeof(float)) * stage_others_floats(x, stage);
}

/* Of x->rank; left_bytes is what itself sends to other nodes. */
static void cost_of(struct exchange *x, struct exchange_cost *out)
{
    int first = exchange_first_slot(x->slots, x->ranks, x->rank);
    int end = exchange_first_slot(x->slots, x->ranks, x->rank + 1);
    exchange_lay_stages(x);
    *out = (struct exchange_cost){.rank = x->rank,
            .buffers = tree_stack(x->slots, first, end),
            .own_floats = blocks_own_floats(&x->blocks, x->rank),
            .by_library = !x->reduction->add,
            .blocks = x->blocks};
    if (x->ranks == 1)
        return;
    out->room_bytes = x->reduction->room_bytes(x);
    for (int s = 0; s < x->stage_count; s++)
        out->sent_bytes += stage_bytes(x, &x->stages[s]);
    out->left_bytes = stage_bytes(x, &x->stages[x->stage_count - 1]);
}

static size_t bytes_held(const struct exchange *x, const struct exchange_cost *cost)
{
    return ((size_t)cost->buffers * x->blocks.floats + cost->own_floats) * sizeof(float) + cost->room_bytes;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void find_most(struct exchange *x, struct exchange_cost *out)
{
    size_t sent = 0, left = 0, node_left = 0;
    for (x->rank = 0; x->rank < x->ranks; x->rank++) {
        struct exchange_cost cost;
        cost_of(x, &cost);
        sent = most(sent, cost.sent_bytes);
        node_left = x->rank % x->blocks.node_ranks == 0 ? cost.left_bytes : node_left + cost.left_bytes;
        left = most(left, node_left);
        if (x->rank == 0 || bytes_held(x, &cost) > bytes_held(x, out))
            *out = cost;
    }
    out->sent_bytes = sent;
    out->left_bytes = left;
}

enum status exchange_cost(struct exchange_cost *out, const struct exchange_kinds *kinds, size_t floats,
        int slots, int ranks, int node_ranks)
{
    struct exchange x = {.reduction = ((const struct reduce_kind *)kinds->reduce)->reduction,
            .wire = (const struct wire_kind *)kinds->wire,
            .ranks = ranks,
            .slots = slots};
    *out = (struct exchange_cost){0};
    TRY(exchange_make_blocks(&x.blocks, kinds, floats, 0, ranks, node_ranks));
    enum status status = exchange_count_pieces(&x);
    if (status == STATUS_OK)
        find_most(&x, out);
    memory_free(x.rank_pieces);
    memory_free(x.node_pieces);
    return status;
}
