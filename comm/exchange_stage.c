/*
 * The stages of an exchange: which ranks take part, and the order of their additions.
 */
#include "comm/exchange_internal.h"

#include "comm/memory.h"
#include "comm/watch_internal.h"

#include <string.h>

/* ---- ranks and places ---- */

static int pieces_of(const struct exchange *x, int first_rank, int ranks, struct tree_node *out)
{
    return tree_pieces(x->slots, exchange_first_slot(x->slots, x->ranks, first_rank),
            exchange_first_slot(x->slots, x->ranks, first_rank + ranks), out);
}

/* first[i]: pieces before the i-th group of so many ranks. */
static enum status count_pieces(const struct exchange *x, int **first, int ranks)
{
    struct tree_node pieces[TREE_PIECES_MOST];
    int groups = x->ranks / ranks;
    TRY(memory_new(first, "exchange", (size_t)groups + 1, sizeof **first));
    for (int i = 0; i < groups; i++)
        (*first)[i + 1] = (*first)[i] + pieces_of(x, i * ranks, ranks, pieces);
    return STATUS_OK;
}

enum status exchange_count_pieces(struct exchange *x)
{
    TRY(count_pieces(x, &x->rank_pieces, 1));
    return count_pieces(x, &x->node_pieces, x->blocks.node_ranks);
}

void exchange_lay_stages(struct exchange *x)
{
    int wide = x->blocks.node_ranks, nodes = x->ranks / wide, node = x->rank / wide, local = x->rank % wide;
    const struct stage inside = {.size = wide,
            .member = local,
            .first_rank = node * wide,
            .ranks = 1,
            .first_place = 0,
            .places = nodes,
            .first_piece = x->rank_pieces + node * wide,
            .summers = MPI_COMM_NULL,
            .spreaders = MPI_COMM_NULL};
    const struct stage between = {.size = nodes,
            .member = node,
            .first_rank = 0,
            .ranks = wide,
            .first_place = local * nodes,
            .places = 1,
            .first_piece = x->node_pieces,
            .summers = MPI_COMM_NULL,
            .spreaders = MPI_COMM_NULL};
    x->stage_count = 0;
    if (wide > 1)
        x->stages[x->stage_count++] = inside;
    x->stages[x->stage_count++] = between;
}

int stage_pieces(const struct stage *stage)
{
    return stage->first_piece[stage->size] - stage->first_piece[0];
}

int stage_own_pieces(const struct stage *stage)
{
    return stage->first_piece[stage->member + 1] - stage->first_piece[stage->member];
}

int stage_first_piece(const struct stage *stage)
{
    return stage->first_piece[stage->member] - stage->first_piece[0];
}

struct run stage_stretch(const struct exchange *x, const struct stage *stage, size_t bucket, int member)
{
    return blocks_stretch(&x->blocks, bucket, stage->first_place + member * stage->places, stage->places);
}

struct run stage_got(const struct exchange *x, const struct stage *stage, size_t bucket)
{
    return stage_stretch(x, stage, bucket, stage->member);
}

struct run stage_cut(const struct exchange *x, const struct stage *stage, size_t bucket)
{
    return blocks_stretch(&x->blocks, bucket, stage->first_place, stage->size * stage->places);
}

size_t stage_others_floats(const struct exchange *x, const struct stage *stage)
{
    int place = stage->first_place + stage->member * stage->places;
    return blocks_stretch_floats(&x->blocks, stage->first_place, stage->size * stage->places) -
           blocks_stretch_floats(&x->blocks, place, stage->places);
}

/* ---- additions ---- */

static enum status list_pieces(const struct exchange *x, const struct stage *stage, struct tree_node **out)
{
    struct tree_node own[TREE_PIECES_MOST];
    TRY(memory_new(out, "exchange", (size_t)stage_pieces(stage), sizeof **out));
    for (int m = 0; m < stage->size; m++) {
        int n = pieces_of(x, stage->first_rank + m * stage->ranks, stage->ranks, own);
        memcpy(*out + (stage->first_piece[m] - stage->first_piece[0]), own, (size_t)n * sizeof *own);
    }
    return STATUS_OK;
}

static enum status plan_steps(const struct exchange *x, struct stage *stage)
{
    struct tree_node sums[TREE_PIECES_MOST], *pieces;
    int count = stage_pieces(stage);
    stage->sums = pieces_of(x, stage->first_rank, stage->size * stage->ranks, sums);
    TRY(memory_new(&stage->held, "exchange", (size_t)stage->sums, sizeof *stage->held));
    TRY(memory_new(&stage->steps, "exchange", (size_t)(count - stage->sums), sizeof *stage->steps));
    TRY(list_pieces(x, stage, &pieces));
    tree_steps(sums, stage->sums, pieces, count, stage->steps, stage->held);
    memory_free(pieces);
    return STATUS_OK;
}

/* ---- the whole ---- */

enum status exchange_open_stages(struct exchange *x)
{
    for (int s = 0; s < x->stage_count; s++) {
        struct stage *stage = &x->stages[s];
        TRY(plan_steps(x, stage));
        TRY(exchange_open_cuts(x, stage));
        if (stage->rounds > x->rounds)
            x->rounds = stage->rounds;
    }
    return STATUS_OK;
}

/* Ranks that meet in a stage have the same first rank and the same first place. */
enum status exchange_connect_stages(struct exchange *x)
{
    for (int s = 0; s < x->stage_count; s++) {
        struct stage *stage = &x->stages[s];
        int group = stage->first_rank + stage->first_place;
        TRY(mpi_status(WATCH_MEET(MPI_Comm_split(MPI_COMM_WORLD, group, x->rank, &stage->summers)),
                "MPI_Comm_split", -1));
        TRY(mpi_status(WATCH_MEET(MPI_Comm_dup(stage->summers, &stage->spreaders)), "MPI_Comm_dup", -1));
    }
    return STATUS_OK;
}

void exchange_close_stages(struct exchange *x)
{
    for (int s = 0; s < x->stage_count; s++) {
        struct stage *stage = &x->stages[s];
        if (stage->spreaders != MPI_COMM_NULL)
            MPI_Comm_free(&stage->spreaders);
        if (stage->summers != MPI_COMM_NULL)
            MPI_Comm_free(&stage->summers);
        memory_free(stage->held);
        memory_free(stage->steps);
        memory_free(stage->cut_lists);
        memory_free(stage->cut_memory);
    }
    memory_free(x->rank_pieces);
    memory_free(x->node_pieces);
}
