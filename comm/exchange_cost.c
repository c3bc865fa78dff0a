#include "comm/exchange_internal.h"

#include "comm/memory.h"

/* Of rank x->rank. */
static void cost_of(const struct exchange *x, struct exchange_cost *out)
{
    size_t own = blocks_own_floats(&x->blocks, x->rank);
    int first = exchange_first_slot(x->slots, x->ranks, x->rank);
    int end = exchange_first_slot(x->slots, x->ranks, x->rank + 1);
    *out = (struct exchange_cost){.rank = x->rank,
            .buffers = tree_stack(x->slots, first, end),
            .room_bytes = x->ranks > 1 ? x->reduction->room_bytes(x) : 0,
            .own_floats = own,
            .sent_bytes = x->ranks > 1 ? x->reduction->floats_sent(x) * x->wire->bytes +
                                                 (x->blocks.floats - own) * sizeof(float)
                                       : 0};
}

static size_t bytes_held(const struct exchange *x, const struct exchange_cost *cost)
{
    return ((size_t)cost->buffers * x->blocks.floats + cost->own_floats) * sizeof(float) + cost->room_bytes;
}

enum status exchange_cost(
        struct exchange_cost *out, const struct exchange_kinds *kinds, size_t floats, int slots, int ranks)
{
    struct exchange x = {.reduction = ((const struct reduce_kind *)kinds->reduce)->reduction,
            .wire = (const struct wire_kind *)kinds->wire,
            .blocks = exchange_make_blocks(floats, 0, ranks),
            .ranks = ranks,
            .slots = slots};
    size_t sent = 0;
    *out = (struct exchange_cost){0};
    TRY(memory_new(&x.first_piece, "exchange", (size_t)ranks + 1, sizeof *x.first_piece));
    for (int r = 0; r < ranks; r++)
        x.first_piece[r + 1] = x.first_piece[r] + exchange_pieces(slots, ranks, r);
    for (x.rank = 0; x.rank < ranks; x.rank++) {
        struct exchange_cost cost;
        cost_of(&x, &cost);
        sent = cost.sent_bytes > sent ? cost.sent_bytes : sent;
        if (x.rank == 0 || bytes_held(&x, &cost) > bytes_held(&x, out))
            *out = cost;
    }
    out->sent_bytes = sent;
    memory_free(x.first_piece);
    return STATUS_OK;
}
