/*
 * Parameters on their way from their owners to all ranks: through the stages backwards, first between nodes, then inside
 * each. Buckets keep their order in every stage.
 */
#include "comm/exchange_internal.h"

#include "comm/watch_internal.h"

/* The owners of what a stage passes on give it to each other. */
static enum status start_stage(struct exchange *x, size_t bucket, int s)
{
    const struct stage *stage = &x->stages[s];
    const struct cut *cut = exchange_cut(x, stage, bucket);
    int code = MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_FLOAT, x->parameters + bucket * x->blocks.bucket_floats,
            cut->got.counts, cut->got.offsets, MPI_FLOAT, stage->spreaders, &x->spreading[bucket % SPREADS]);
    return mpi_status(code, "MPI_Iallgatherv", -1);
}

/* As many as find a place. */
static enum status spread_buckets(struct exchange *x)
{
    size_t *started = &x->spread[x->stage_count];
    for (; *started < blocks_buckets(&x->blocks) && *started - x->spread[0] < SPREADS; ++*started)
        TRY(start_stage(x, *started, x->stage_count - 1));
    return STATUS_OK;
}

enum status exchange_spread(struct exchange *x, float *parameters)
{
    ASSERT(x->spread[0] == blocks_buckets(&x->blocks));
    if (!world_is_shared())
        return STATUS_OK;
    x->parameters = parameters;
    for (int s = 0; s <= x->stage_count; s++)
        x->spread[s] = 0;
    return spread_buckets(x);
}

/* The first bucket of stage `s` goes on if it has arrived, for which is waited if it starts before `end`. */
static enum status pass_bucket(struct exchange *x, int s, size_t end, int *passed)
{
    size_t bucket = x->spread[s];
    MPI_Request *request = &x->spreading[bucket % SPREADS];
    *passed = bucket < x->spread[s + 1];
    if (!*passed)
        return STATUS_OK;
    bool wait = bucket * x->blocks.bucket_floats < end;
    int code = wait ? WATCH_WAIT(MPI_Waitall(1, request, MPI_STATUSES_IGNORE))
                    : MPI_Testall(1, request, passed, MPI_STATUSES_IGNORE);
    TRY(mpi_status(code, wait ? "MPI_Waitall" : "MPI_Testall", -1));
    x->spread[s] += (size_t)*passed;
    return *passed && s > 0 ? start_stage(x, bucket, s - 1) : STATUS_OK;
}

enum status exchange_spread_wait(struct exchange *x, size_t end)
{
    for (int passed = true; passed && x->spread[0] < blocks_buckets(&x->blocks);) {
        TRY(spread_buckets(x));
        passed = false;
        for (int s = 0; s < x->stage_count && !passed; s++)
            TRY(pass_bucket(x, s, end, &passed));
    }
    return STATUS_OK;
}
