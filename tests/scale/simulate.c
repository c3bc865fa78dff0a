/*
 * An update of training in SimGrid's simulated time: the project's own exchange, on ranks whose computation is a sleep
 * of the length that was measured.
 *
 *     smpirun ... simulate SUMS SLOTS NODE_RANKS PACE      prints the seconds of an update, and those of its parts
 *
 * SUMS: a row of sums.
 * PACE: what `seqtrain plan --json` measured, as lines "floats N", "step S" (of all parameters), and "ready FIRST S" in the
 * order of backward: S seconds after the start of a micro-batch the gradient is final from FIRST on.
 */
#include "comm/exchange.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "comm/world_internal.h"
#include "tests/scale/collectives.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READY_MOST = 1024 };

struct pace {
    size_t floats;
    double step;
    size_t count;
    struct {
        size_t first;
        double seconds;
    } ready[READY_MOST];
};

static void compute(double seconds)
{
    smpi_execute_flops(seconds * CORE_SPEED);
}

static enum status read_pace(struct pace *pace, const char *path)
{
    char line[128];
    FILE *file = fopen(path, "r");
    if (!file)
        return status_fail_errno("open", path);
    while (fgets(line, sizeof line, file) && pace->count < READY_MOST) {
        if (sscanf(line, "ready %zu %lf", &pace->ready[pace->count].first,
                    &pace->ready[pace->count].seconds) == 2)
            pace->count++;
        (void)(sscanf(line, "floats %zu", &pace->floats) || sscanf(line, "step %lf", &pace->step));
    }
    fclose(file);
    CHECK(pace->floats > 0 && pace->count > 0, STATUS_DATA, "%s: expected floats and ready", path);
    return STATUS_OK;
}

/* The gradients of this rank's slots, as the loop of training takes them. */
static void own_slots(struct exchange *exchange, const struct pace *pace, int slots)
{
    const struct world *w = world();
    int end = exchange_first_slot(slots, w->size, w->rank + 1);
    const struct slot_facts facts = {.target_tokens = 1};
    for (int slot = exchange_first_slot(slots, w->size, w->rank); slot < end; slot++) {
        double done = 0;
        exchange_leaf(exchange, slot);
        for (size_t i = 0; i < pace->count; i++) {
            compute(pace->ready[i].seconds - done);
            done = pace->ready[i].seconds;
            exchange_ready(exchange, pace->ready[i].first);
        }
        exchange_leaf_done(exchange, &facts);
    }
}

static enum status update(struct exchange *exchange, const struct pace *pace, int slots, float *parameters)
{
    float *sum;
    double own = (double)blocks_own_floats(exchange_blocks(exchange), world()->rank);
    double times[5] = {MPI_Wtime()};
    own_slots(exchange, pace, slots);
    times[1] = MPI_Wtime();
    struct agreement agreement = {.status = exchange_sum(exchange, &sum)};
    times[2] = MPI_Wtime();
    TRY(exchange_agree(exchange, &agreement));
    compute(pace->step * own / (double)pace->floats);
    times[3] = MPI_Wtime();
    TRY(exchange_spread(exchange, parameters));
    TRY(exchange_spread_wait(exchange, SIZE_MAX));
    times[4] = MPI_Wtime();
    if (world()->rank == 0)
        printf("update %.6f compute %.6f sum %.6f step %.6f spread %.6f\n", times[4] - times[0],
                times[1] - times[0], times[2] - times[1], times[3] - times[2], times[4] - times[3]);
    return STATUS_OK;
}

/* comm.reduce, comm.wire, and how the library sums (collectives.h). */
static const struct {
    const char *name, *reduce, *wire;
    int is_halving;
} sums[] = {
        {"ordered", "ordered", "float32", 0},
        {"bfloat16", "ordered", "bfloat16", 0},
        {"native", "native", "float32", 0},
        {"native-halving", "native", "float32", 1},
};

static enum status choose(struct exchange_kinds *out, const char *name)
{
    size_t i = 0, count = sizeof sums / sizeof *sums;
    while (i < count && strcmp(sums[i].name, name) != 0)
        i++;
    CHECK(i < count, STATUS_CONFIG, "no sums %s", name);
    cluster.is_halving = sums[i].is_halving;
    *out = (struct exchange_kinds){
            kind_find(&reduce_kinds, sums[i].reduce), kind_find(&wire_kinds, sums[i].wire)};
    return STATUS_OK;
}

static enum status simulate(const char *sums_name, int slots, const char *path)
{
    static struct pace pace;
    struct exchange *exchange;
    float *parameters;
    struct exchange_kinds kinds;
    TRY(choose(&kinds, sums_name));
    if (pace.count == 0) /* all ranks are in one process */
        TRY(read_pace(&pace, path));
    TRY(message_open());
    TRY(exchange_open(&exchange, &kinds, pace.floats, slots, 0));
    TRY(memory_new(&parameters, "parameters", pace.floats, sizeof *parameters));
    TRY(update(exchange, &pace, slots, parameters));
    memory_free(parameters);
    exchange_close(exchange);
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    cluster.node_ranks = argc == 5 ? atoi(argv[3]) : 1;
    enum status status = argc == 5 ? simulate(argv[1], atoi(argv[2]), argv[4])
                                   : status_fail(STATUS_USAGE, "see the source");
    if (status != STATUS_OK)
        world_abort(status);
    message_close();
    MPI_Finalize();
    return 0;
}
