/*
 * The layout test on a toy op: a made-up gradient for every (update, slot, element), whose sum depends on the order of
 * the additions in its last bits. Whatever the number of ranks, the bits must be those of a serial walk over the tree.
 */
#include "comm/exchange.h"

#include "comm/fault.h"
#include "comm/memory.h"
#include "comm/random.h"
#include "expect.h"

#include <math.h>
#include <string.h>

static float gradient(int update, int slot, size_t i)
{
    struct random_stream stream = random_stream(7, RANDOM_TEST, (uint64_t)update, (uint32_t)slot, 0);
    uint32_t words[4];
    random_block(&stream, i, words);
    float value = (float)words[0] / 4294967296.0f - 0.5f;
    return words[1] % 4 == 0 ? value * 4096.0f : value; /* mixed magnitudes: rounding everywhere */
}

enum wire { FLOAT32, BFLOAT16 };

static const struct exchange_kinds *kinds_called(const char *reduce, enum wire wire)
{
    static struct exchange_kinds all[2][2];
    struct exchange_kinds *kinds = &all[strcmp(reduce, "native") == 0][wire];
    kinds->reduce = kind_find(&reduce_kinds, reduce);
    kinds->wire = kind_find(&wire_kinds, wire == BFLOAT16 ? "bfloat16" : "float32");
    return kinds;
}

/* Ranks of a node that are fewer than all, the next after `wide`; 0: there are none. */
static int next_nodes(int wide)
{
    for (wide++; wide < world()->size; wide++)
        if (world()->size % wide == 0)
            return wide;
    return 0;
}

static struct exchange_kinds on_nodes(enum wire wire, int node_ranks)
{
    struct exchange_kinds kinds = *kinds_called("ordered", wire);
    kinds.node_ranks = node_ranks;
    return kinds;
}

/* x as it travels: 8 binary digits. */
static float on_wire(enum wire wire, float x)
{
    int exponent;
    frexpf(x, &exponent);
    return wire == BFLOAT16 ? ldexpf(nearbyintf(ldexpf(x, 8 - exponent)), exponent - 8) : x;
}

static float tree_sum(enum wire wire, int update, int first, int count, size_t i)
{
    if (count == 1)
        return gradient(update, first, i);
    int left = (count + 1) / 2;
    return on_wire(wire, tree_sum(wire, update, first, left, i)) +
           on_wire(wire, tree_sum(wire, update, first + left, count - left, i));
}

/* The sums of three updates; the caller frees. */
static float *expected_sums(enum wire wire, size_t floats, int slots)
{
    float *expected;
    EXPECT_OK(memory_new(&expected, "test", 3 * floats, sizeof *expected));
    for (int update = 0; update < 3; update++)
#pragma omp parallel for
        for (size_t i = 0; i < floats; i++)
            expected[(size_t)update * floats + i] = tree_sum(wire, update, 0, slots, i);
    return expected;
}

static struct slot_facts facts_of(int update, int slot)
{
    double loss = 0.1 * (slot + 1) + 1e9 * (slot % 3) + update;
    return (struct slot_facts){.loss = loss,
            .cross_entropy = loss / 3,
            .source_tokens = 100 + slot,
            .target_tokens = 200 + slot,
            .stored_tokens = 290 + slot,
            .pairs = 5,
            .more = slot % 2};
}

/* How the model tells what is final. */
enum way { READY_IN_STEPS, READY_NEVER, READY_AT_ONCE };

static void run_leaves(struct exchange *x, size_t floats, int slots, int update, enum way way)
{
    const struct world *w = world();
    for (int slot = exchange_first_slot(slots, w->size, w->rank);
            slot < exchange_first_slot(slots, w->size, w->rank + 1); slot++) {
        float *g = exchange_leaf(x, slot);
        for (size_t i = 0; i < floats; i += floats / 7 + 1)
            EXPECT(g[i] == 0);
        for (size_t i = floats; i-- > 0;) { /* last parameters first */
            g[i] += gradient(update, slot, i);
            if (way == READY_IN_STEPS && i % 5000 == 17)
                exchange_ready(x, i);
        }
        if (way == READY_AT_ONCE)
            exchange_ready(x, 0);
        struct slot_facts facts = facts_of(update, slot);
        exchange_leaf_done(x, &facts);
    }
}

/* The owned stretches of `sum` from all ranks, through exchange_spread(). */
static void spread_all(struct exchange *x, float *sum, float *all, size_t floats)
{
    const struct blocks *blocks = exchange_blocks(x);
    for (size_t i = 0; i < floats; i++)
        all[i] = -1;
    for (size_t bucket = 0; bucket < blocks_buckets(blocks); bucket++) {
        struct run run = blocks_run(blocks, bucket, world()->rank);
        memcpy(all + run.first, sum + run.first, run.count * sizeof *sum);
    }
    EXPECT_OK(exchange_spread(x, all));
    EXPECT_OK(exchange_spread_wait(x, SIZE_MAX));
}

static double square_norm(const float *x, size_t floats)
{
    double sum = 0;
    for (size_t i = 0; i < floats; i++)
        sum += (double)x[i] * x[i];
    return sum;
}

static void check_agreement(const struct agreement *a, const float *all, size_t floats, int slots, int update)
{
    struct slot_facts total = {0};
    for (int slot = 0; slot < slots; slot++) {
        struct slot_facts f = facts_of(update, slot);
        total.loss += f.loss;
        total.cross_entropy += f.cross_entropy;
        total.source_tokens += f.source_tokens;
        total.target_tokens += f.target_tokens;
        total.stored_tokens += f.stored_tokens;
        total.pairs += f.pairs;
        total.more += f.more;
    }
    EXPECT(memcmp(&a->total, &total, sizeof total) == 0);
    double expected = square_norm(all, floats);
    EXPECT(fabs(a->square_norm - expected) <= 1e-12 * expected);
    uint32_t wishes = 0;
    for (int r = 0; r < world()->size; r++)
        wishes |= 1u << r;
    EXPECT(a->wishes == wishes);
    EXPECT(a->orders[0] == 10 && a->orders[AGREE_ORDERS - 1] == 20);
}

/* Three updates; the square norm of the last is returned. */
static double check_layout(const struct exchange_kinds *kinds, size_t floats, int slots, size_t bucket_floats,
        const float *expected)
{
    struct exchange *x;
    double norm = 0;
    float *all, *sum;
    EXPECT_OK(exchange_open(&x, kinds, floats, slots, bucket_floats));
    EXPECT_OK(memory_new(&all, "test", floats, sizeof *all));
    for (int update = 0; update < 3; update++) {
        run_leaves(x, floats, slots, update, (enum way)update);
        EXPECT_OK(exchange_sum(x, &sum));
        struct agreement agreement = {
                .wishes = 1u << world()->rank, .orders = {10 + world()->rank, 0, 0, 20 - world()->rank}};
        EXPECT_OK(exchange_agree(x, &agreement));
        spread_all(x, sum, all, floats);
        check_agreement(&agreement, all, floats, slots, update);
        const float *right = expected + (size_t)update * floats;
        if (strcmp(kinds->reduce->name, "ordered") == 0)
            EXPECT(memcmp(all, right, floats * sizeof *all) == 0);
        for (size_t i = 0; i < floats; i++)
            if (fabsf(all[i] - right[i]) > 1e-5f * 4096 * (float)slots)
                EXPECT(!"a sum is far off");
        norm = agreement.square_norm;
    }
    memory_free(all);
    exchange_close(x);
    return norm;
}

/* Ranks of a node add first: the same bits. */
static void check_nodes(enum wire wire, size_t floats, int slots, const float *expected, double norm)
{
    for (int wide = next_nodes(1); wide > 0; wide = next_nodes(wide)) {
        struct exchange_kinds kinds = on_nodes(wire, wide);
        EXPECT(check_layout(&kinds, floats, slots, 0, expected) == norm);
        EXPECT(check_layout(&kinds, floats, slots, 40000, expected) == norm);
        EXPECT(check_layout(&kinds, floats, slots, 1, expected) == norm);
    }
}

static void check_sizes(int slots)
{
    static const size_t sizes[] = {1, 4095, 4096, 100000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (enum wire wire = FLOAT32; wire <= BFLOAT16; wire++) {
            size_t floats = sizes[s];
            float *expected = expected_sums(wire, floats, slots);
            const struct exchange_kinds *ordered = kinds_called("ordered", wire);
            double norm = check_layout(ordered, floats, slots, 0, expected);
            EXPECT(check_layout(ordered, floats, slots, 40000, expected) ==
                    norm); /* 3 buckets: the same bits */
            EXPECT(check_layout(ordered, floats, slots, 1, expected) == norm);
            world_set_message_limit(8192 * sizeof(float));
            EXPECT(check_layout(ordered, floats, slots, 0, expected) == norm);
            world_set_message_limit((size_t)1 << 30);
            check_nodes(wire, floats, slots, expected, norm);
            if (wire == FLOAT32)
                check_layout(kinds_called("native", wire), floats, slots, 40000, expected);
            memory_free(expected);
        }
}

/* As many slots as there may be: a deep tree, many pieces when the ranks do not fit it. */
static void check_many_slots(int slots)
{
    enum { FLOATS = 200 };
    for (enum wire wire = FLOAT32; wire <= BFLOAT16; wire++) {
        float *expected = expected_sums(wire, FLOATS, slots);
        double norm = check_layout(kinds_called("ordered", wire), FLOATS, slots, 0, expected);
        check_nodes(wire, FLOATS, slots, expected, norm);
        memory_free(expected);
    }
}

static float parameter(int round, size_t i)
{
    return (float)(i % 1000) + 1000.0f * (float)round;
}

static bool has_parameters(const float *parameters, int round, size_t end)
{
    for (size_t i = 0; i < end; i++)
        if (parameters[i] != parameter(round, i))
            return false;
    return true;
}

/* Parameters are complete as far as was waited for, and all of them after a sum for which nobody waited. */
static void check_spread(int node_ranks)
{
    enum { FLOATS = 100000, SLOTS = 8 };
    const struct exchange_kinds kinds = on_nodes(FLOAT32, node_ranks);
    struct exchange *x;
    float *parameters, *sum;
    EXPECT_OK(exchange_open(&x, &kinds, FLOATS, SLOTS, 8192));
    EXPECT_OK(memory_new(&parameters, "test", FLOATS, sizeof *parameters));
    for (int round = 1; round <= 3; round++) {
        for (size_t i = 0; i < FLOATS; i++)
            if (blocks_owner(exchange_blocks(x), i, NULL) == world()->rank)
                parameters[i] = parameter(round, i);
        EXPECT_OK(exchange_spread(x, parameters));
        bool waits = round % world()->size != world()->rank; /* a rank without a micro-batch does not */
        for (size_t end = 1; waits && end < 2 * FLOATS; end += 17000) {
            EXPECT_OK(exchange_spread_wait(x, end));
            EXPECT(has_parameters(parameters, round, end < FLOATS ? end : FLOATS));
        }
        run_leaves(x, FLOATS, SLOTS, round, READY_IN_STEPS);
        EXPECT_OK(exchange_sum(x, &sum));
        EXPECT(has_parameters(parameters, round, FLOATS));
        EXPECT_OK(exchange_agree(x, &(struct agreement){0}));
    }
    memory_free(parameters);
    exchange_close(x);
}

/* Each rank fails in turn, on its own or in the sum; everybody hears of it and the next update works. */
static void check_failures(int node_ranks)
{
    enum { FLOATS = 5000 };
    const struct exchange_kinds kinds = on_nodes(FLOAT32, node_ranks);
    const struct world *w = world();
    struct exchange *x;
    float *sum;
    int slots = w->size + 1;
    EXPECT_OK(exchange_open(&x, &kinds, FLOATS, slots, 0));
    for (int failing = 0; failing < w->size; failing++)
        for (int injected = 0; injected < 2; injected++) {
            char plan[64];
            snprintf(plan, sizeof plan, "exchange:1:%d", failing);
            EXPECT_OK(fault_plan(injected ? plan : NULL, w->rank));
            run_leaves(x, FLOATS, slots, failing, READY_IN_STEPS);
            struct agreement agreement = {.status = exchange_sum(x, &sum)};
            EXPECT((agreement.status == STATUS_IO) == (injected && w->rank == failing));
            if (!injected && w->rank >= failing)
                agreement.status = status_fail(STATUS_INTERNAL, "no memory on rank %d", w->rank);
            EXPECT(exchange_agree(x, &agreement) == (injected ? STATUS_IO : STATUS_INTERNAL));
            snprintf(plan, sizeof plan, "no memory on rank %d", failing);
            EXPECT(strstr(status_message(), injected ? "sum of gradients failed" : plan) != NULL);
            snprintf(plan, sizeof plan, "rank %d on", failing);
            EXPECT(failing == 0 || strstr(status_message(), plan) != NULL);
        }
    fault_plan(NULL, w->rank);
    run_leaves(x, FLOATS, slots, 1, READY_IN_STEPS);
    struct agreement agreement = {.status = exchange_sum(x, &sum)};
    EXPECT_OK(exchange_agree(x, &agreement));
    exchange_close(x);
}

/* Memory ends on one rank, at every allocation in turn: all ranks are refused together. */
static void check_open_failures(int node_ranks)
{
    const struct exchange_kinds kinds = on_nodes(BFLOAT16, node_ranks);
    const struct world *w = world();
    enum status status = STATUS_INTERNAL;
    size_t before = memory_blocks();
    for (int n = 1; status != STATUS_OK; n++) {
        struct exchange *x;
        char plan[64];
        snprintf(plan, sizeof plan, "memory:%d:%d", n, w->size - 1);
        EXPECT_OK(fault_plan(plan, w->rank));
        status = exchange_open(&x, &kinds, 10000, w->size + 2, 0);
        fault_plan(NULL, w->rank);
        EXPECT((status == STATUS_OK) == (x != NULL));
        EXPECT(status == STATUS_OK || strstr(status_message(), "out of memory") != NULL);
        exchange_close(x);
        EXPECT(memory_blocks() == before);
        EXPECT(n < 100);
        if (n >= 100)
            break;
    }
}

/* The NaN is one that would round to infinity. */
static void check_gradient_with_nan(enum wire wire)
{
    struct exchange *x;
    float *sum;
    EXPECT_OK(exchange_open(&x, kinds_called("ordered", wire), 9000, world()->size, 0));
    float *g = exchange_leaf(x, world()->rank);
    if (world()->rank == world()->size - 1)
        memcpy(&g[8999], &(uint32_t){0x7f800001}, sizeof *g);
    exchange_leaf_done(x, &(struct slot_facts){.more = 1});
    struct agreement agreement = {.status = exchange_sum(x, &sum)};
    EXPECT_OK(exchange_agree(x, &agreement));
    EXPECT(isnan(agreement.square_norm));
    EXPECT(agreement.total.more == world()->size);
    exchange_close(x);
}

static void check_refusal(void)
{
    struct exchange *x;
    if (world()->size == 1)
        return;
    EXPECT(exchange_open(&x, kinds_called("ordered", FLOAT32), 10, world()->size - 1, 0) == STATUS_CONFIG);
    EXPECT(x == NULL && strstr(status_message(), "batch.micro_batches") != NULL);
    if (world()->size < 3)
        return;
    struct exchange_kinds kinds = on_nodes(FLOAT32, world()->size - 1);
    EXPECT(exchange_open(&x, &kinds, 10, world()->size, 0) == STATUS_CONFIG);
    EXPECT(x == NULL && strstr(status_message(), "comm.node_ranks") != NULL);
    kinds.node_ranks = 2 * world()->size; /* all on one node */
    EXPECT_OK(exchange_open(&x, &kinds, 10, world()->size, 0));
    EXPECT(exchange_blocks(x)->node_ranks == 1);
    exchange_close(x);
}

static size_t bytes_held(const char *name)
{
    struct memory_label label;
    for (size_t i = 0; memory_report(i, &label); i++)
        if (strcmp(label.label, name) == 0)
            return label.bytes;
    return 0;
}

/* The cost that is told beforehand is what an open exchange holds, on the rank that holds most and on no other more. */
static void check_cost(const struct exchange_kinds *kinds, size_t floats, int slots)
{
    struct exchange *x;
    struct exchange_cost cost;
    int size = world()->size;
    size_t before = bytes_held("exchange");
    EXPECT_OK(exchange_cost(&cost, kinds, floats, slots, size, 1));
    EXPECT(bytes_held("exchange") == before);
    EXPECT_OK(exchange_open(&x, kinds, floats, slots, 0));
    size_t gradients = (size_t)cost.buffers * floats * sizeof(float), rest = (1 << 17) + floats / 256;
    double held = (double)(bytes_held("gradient") + bytes_held("exchange"));
    double told = (double)(gradients + cost.room_bytes);
    if (world()->rank == cost.rank) {
        EXPECT(bytes_held("gradient") == gradients);
        EXPECT(cost.own_floats == blocks_own_floats(exchange_blocks(x), cost.rank));
    }
    EXPECT(held <= told + (double)rest);
    EXPECT_OK(world_maximum(&held, 1));
    EXPECT(held >= told);
    exchange_close(x);
}

static void check_costs(void)
{
    struct exchange_cost cost;
    const size_t floats = (size_t)1 << 20;
    check_cost(kinds_called("ordered", FLOAT32), floats, 64);
    check_cost(kinds_called("ordered", FLOAT32), floats, 7);
    check_cost(kinds_called("ordered", FLOAT32), 9 * floats / 2, 7);
    check_cost(kinds_called("ordered", BFLOAT16), 9 * floats / 2, 7);
    check_cost(kinds_called("native", FLOAT32), floats, 12);
    for (int wide = next_nodes(1); wide > 0; wide = next_nodes(wide))
        for (enum wire wire = FLOAT32; wire <= BFLOAT16; wire++) {
            struct exchange_kinds kinds = on_nodes(wire, wide);
            check_cost(&kinds, 9 * floats / 2, 12);
            check_cost(&kinds, 9 * floats / 2, 7);
        }
    for (int ranks = 1; ranks <= 64; ranks *= 2) { /* as a ring */
        EXPECT_OK(exchange_cost(&cost, kinds_called("ordered", FLOAT32), floats, 64, ranks, 1));
        EXPECT(cost.sent_bytes == 8 * floats / (size_t)ranks * (size_t)(ranks - 1));
        EXPECT_OK(exchange_cost(&cost, kinds_called("ordered", BFLOAT16), floats, 64, ranks, 1));
        EXPECT(cost.sent_bytes == 6 * floats / (size_t)ranks * (size_t)(ranks - 1));
        EXPECT(cost.buffers >= 1 && cost.buffers <= 7);
    }
    EXPECT_OK(exchange_cost(&cost, kinds_called("ordered", FLOAT32), floats, 64, 3, 1));
    EXPECT(cost.sent_bytes > 8 * floats);
    EXPECT(cost.room_bytes > 0);
    for (int wide = 1; wide < 64;
            wide *= 2) { /* one piece leaves a node, whatever its ranks; parameters come back */
        const struct exchange_kinds kinds = on_nodes(FLOAT32, wide);
        EXPECT_OK(exchange_cost(&cost, &kinds, floats, 64, 64, 1));
        EXPECT(cost.left_bytes == 8 * floats / 64 * (size_t)(64 - wide));
        EXPECT(cost.sent_bytes == 8 * floats / 64 * 63);
    }
    EXPECT_OK(exchange_cost(&cost, kinds_called("ordered", FLOAT32), floats, 64, 3, 1));
    size_t room = cost.room_bytes; /* of a few buckets: it does not grow with the model for ever */
    EXPECT_OK(exchange_cost(&cost, kinds_called("ordered", FLOAT32), 16 * floats, 64, 3, 1));
    EXPECT(cost.room_bytes > room && cost.room_bytes <= 4 * room);
}

int main(int argc, char **argv)
{
    (void)argc;
    world_prepare(argv, 0);
    if (world_open(0) != STATUS_OK) {
        fprintf(stderr, "[rank %d] %s\n", world()->rank, status_message());
        return 1;
    }
    size_t before = memory_blocks();
    static const int slots[] = {1, 2, 3, 5, 6, 7, 8, 13, 16};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        if (slots[i] >= world()->size)
            check_sizes(slots[i]);
    check_many_slots(4096);
    check_many_slots(1001);
    for (int wide = 1; wide > 0; wide = next_nodes(wide)) {
        check_spread(wide);
        check_failures(wide);
        check_open_failures(wide);
    }
    check_gradient_with_nan(FLOAT32);
    check_gradient_with_nan(BFLOAT16);
    check_refusal();
    check_costs();
    EXPECT(memory_blocks() == before);
    world_close();
    EXPECT(memory_blocks() == 0);
    return unexpected != 0;
}
