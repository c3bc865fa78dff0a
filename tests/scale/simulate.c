/*
 * An update of training in SimGrid's simulated time: the project's own exchange, on ranks whose computation is a sleep
 * of the length that was measured.
 *
 *     smpirun ... simulate SUMS SLOTS NODE_RANKS PACE      prints the seconds of an update, and those of its parts
 *
 * SUMS: a row of sums.
 * PACE: what `seqtrain plan --json` measured, as lines "floats N", "step S" (of all parameters), and in the order of time
 * "needed END S" and "ready FIRST S": S seconds after the start of a micro-batch forward reads parameters up to END, the
 * gradient is final from FIRST on.
 *
 * The update begins where the one before has taken its step, with all parameters about to be sent: such are all but a run's
 * first.
 */
#include "comm/exchange.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "comm/world_internal.h"
#include "tests/scale/collectives.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MOST = 2048 };

struct pace {
    size_t floats;
    double step;
    size_t count;
    struct point {
        bool is_ready; /* else needed */
        size_t place;
        double seconds;
    } points[POINTS_MOST];
};

/* Of an update on one rank. */
struct seconds {
    double needed; /* waiting for parameters */
    double sum;    /* waiting for sums */
    double step;   /* agreement and step */
    double all;
};

static void compute(double seconds)
{
    smpi_execute_flops(seconds * CORE_SPEED);
}

static void read_point(struct pace *pace, const char *line)
{
    struct point *point = &pace->points[pace->count];
    point->is_ready = sscanf(line, "ready %zu %lf", &point->place, &point->seconds) == 2;
    if (point->is_ready || sscanf(line, "needed %zu %lf", &point->place, &point->seconds) == 2)
        pace->count++;
}

static enum status read_pace(struct pace *pace, const char *path)
{
    char line[128];
    FILE *file = fopen(path, "r");
    if (!file)
        return status_fail_errno("open", path);
    while (fgets(line, sizeof line, file) && pace->count < POINTS_MOST) {
        read_point(pace, line);
        (void)(sscanf(line, "floats %zu", &pace->floats) || sscanf(line, "step %lf", &pace->step));
    }
    fclose(file);
    CHECK(pace->floats > 0 && pace->count > 0, STATUS_DATA, "%s: expected floats and points", path);
    return STATUS_OK;
}

static enum status await_parameters(struct exchange *exchange, size_t end, struct seconds *seconds)
{
    double start = MPI_Wtime();
    TRY(exchange_spread_wait(exchange, end));
    seconds->needed += MPI_Wtime() - start;
    return STATUS_OK;
}

static enum status micro_batch(struct exchange *exchange, const struct pace *pace, struct seconds *seconds)
{
    double done = 0;
    for (size_t i = 0; i < pace->count; i++) {
        const struct point *point = &pace->points[i];
        compute(point->seconds - done);
        done = point->seconds;
        if (point->is_ready)
            exchange_ready(exchange, point->place);
        else
            TRY(await_parameters(exchange, point->place, seconds));
    }
    return STATUS_OK;
}

/* The gradients of this rank's slots, as the loop of training takes them. */
static enum status own_slots(
        struct exchange *exchange, const struct pace *pace, int slots, struct seconds *seconds)
{
    const struct world *w = world();
    int end = exchange_first_slot(slots, w->size, w->rank + 1);
    const struct slot_facts facts = {.target_tokens = 1};
    for (int slot = exchange_first_slot(slots, w->size, w->rank); slot < end; slot++) {
        exchange_leaf(exchange, slot);
        TRY(micro_batch(exchange, pace, seconds));
        exchange_leaf_done(exchange, &facts);
    }
    return STATUS_OK;
}

static enum status update(
        struct exchange *exchange, const struct pace *pace, int slots, float *parameters, struct seconds *out)
{
    float *sum;
    double own = (double)blocks_own_floats(exchange_blocks(exchange), world()->rank);
    double start = MPI_Wtime();
    TRY(exchange_spread(exchange, parameters));
    TRY(own_slots(exchange, pace, slots, out));
    double computed = MPI_Wtime();
    struct agreement agreement = {.status = exchange_sum(exchange, &sum)};
    out->sum = MPI_Wtime() - computed;
    TRY(exchange_agree(exchange, &agreement));
    compute(pace->step * own / (double)pace->floats);
    out->all = MPI_Wtime() - start;
    out->step = out->all - out->sum - (computed - start);
    return STATUS_OK;
}

static void print(const struct seconds *seconds)
{
    printf("update %.6f compute %.6f needed %.6f sum %.6f step %.6f\n", seconds->all,
            seconds->all - seconds->needed - seconds->sum - seconds->step, seconds->needed, seconds->sum,
            seconds->step);
}

/* comm.reduce, comm.wire, comm.node_ranks (0: those of the cluster), and how the library sums (collectives.h). */
static const struct {
    const char *name, *reduce, *wire;
    int node_ranks, is_halving;
} sums[] = {
        {"ordered", "ordered", "float32", 0, 0},
        {"flat", "ordered", "float32", 1, 0},
        {"bfloat16", "ordered", "bfloat16", 0, 0},
        {"native", "native", "float32", 0, 0},
        {"native-halving", "native", "float32", 0, 1},
};

static enum status choose(struct exchange_kinds *out, const char *name)
{
    size_t i = 0, count = sizeof sums / sizeof *sums;
    while (i < count && strcmp(sums[i].name, name) != 0)
        i++;
    CHECK(i < count, STATUS_CONFIG, "no sums %s", name);
    cluster.is_halving = sums[i].is_halving;
    *out = (struct exchange_kinds){kind_find(&reduce_kinds, sums[i].reduce),
            kind_find(&wire_kinds, sums[i].wire), sums[i].node_ranks};
    return STATUS_OK;
}

static enum status simulate(const char *sums_name, int slots, const char *path)
{
    static struct pace pace;
    struct exchange *exchange;
    float *parameters;
    struct exchange_kinds kinds;
    struct seconds seconds = {0};
    TRY(choose(&kinds, sums_name));
    if (pace.count == 0) /* all ranks are in one process */
        TRY(read_pace(&pace, path));
    TRY(message_open());
    TRY(exchange_open(&exchange, &kinds, pace.floats, slots, 0));
    TRY(memory_new(&parameters, "parameters", pace.floats, sizeof *parameters));
    TRY(update(exchange, &pace, slots, parameters, &seconds));
    if (world()->rank == 0)
        print(&seconds);
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
