#include "comm/world.h"
#include "models/ops.h"
#include "train/bench/bench.h"
#include "train/json.h"

#include <stdio.h>

static double share(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

static double both(const double values[DIRECTIONS])
{
    return values[FORWARD] + values[BACKWARD];
}

/* Work by time; 0 without time. */
static double rate(double work, double seconds)
{
    return seconds > 0 ? work / seconds : 0;
}

/* "nt": whether A and B are transposed. */
static const char *form_of(const struct product_shape *shape)
{
    if (shape->transpose_a)
        return shape->transpose_b ? "tt" : "tn";
    return shape->transpose_b ? "nt" : "nn";
}

/* ---- as text ---- */

static void print_head(const struct bench *b)
{
    printf("machine     %s\n", world_build_info());
    printf("model       %s, %zu parameters; %d %s, %d %s each\n", b->model, b->parameters, b->ranks,
            b->ranks == 1 ? "rank" : "ranks", b->threads, b->threads == 1 ? "thread" : "threads");
    printf("training    %.0f tokens/s over %lld updates (one by one: median %.0f, %.0f - %.0f)\n",
            bench_speed(b), (long long)b->updates, b->rates[b->updates / 2], b->rates[0],
            b->rates[b->updates - 1]);
    printf("limit       %.0f tokens/s, if products alone took time: %.1f GFLOP/s by BLAS, %.1f by the "
           "model's kernels\n",
            bench_limit(b), b->products_peak / 1e9, b->products_own / 1e9);
    printf("share       %.1f %% of the limit\n", share(bench_speed(b), bench_limit(b)));
}

static void print_phases(const struct bench *b)
{
    printf("\ntime         mean s     max s   of %.2f s\n", b->whole);
    for (int i = 0; i < PHASES; i++)
        printf("  %-9s %9.3f %9.3f %8.1f %%\n", phase_name((enum phase)i), b->phases_mean[i],
                b->phases_most[i], share(b->phases_mean[i], b->whole));
}

static void print_op(const struct bench *b, const struct op *op, const struct op_profile *p)
{
    double seconds = both(p->seconds), operations = both(p->operations), bytes = both(p->bytes);
    printf("  %-14s %8.0f %9.3f %10.3f %7.1f %%", op->name, p->calls, p->seconds[FORWARD],
            p->seconds[BACKWARD], share(seconds, b->seconds));
    if (operations > 0)
        printf(" %8.1f GFLOP/s  %5.1f %% of products' peak", rate(operations, seconds) / 1e9,
                share(rate(operations, seconds), b->products_peak));
    else if (bytes > 0)
        printf(" %8.1f GB/s     %5.1f %% of a copy's", rate(bytes, seconds) / 1e9,
                share(rate(bytes, seconds), b->memory_peak));
    printf("\n");
}

static void print_ops(const struct bench *b)
{
    printf("\nops                 calls forward s backward s  training\n");
    for (int i = 0; ops[i]; i++)
        if (b->ops[i].calls > 0)
            print_op(b, ops[i], &b->ops[i]);
}

static void print_products(const struct bench *b)
{
    printf("\nproducts alone, those of one micro-batch, in GFLOP/s\n  times       m       n       k   ");
    for (int way = 0; way < PEAK_WAYS; way++)
        printf(" %9s", peak_ways[way]);
    printf("\n");
    for (size_t i = 0; i < b->product_count; i++) {
        const struct bench_product *p = &b->products[i];
        printf("  %5zu %7zu %7zu %7zu %s", p->shape.times, p->shape.m, p->shape.n, p->shape.k,
                form_of(&p->shape));
        for (int way = 0; way < PEAK_WAYS; way++)
            printf(" %9.1f", p->rates[way] / 1e9);
        printf("\n");
    }
    printf("  a copy of memory: %.1f GB/s\n", b->memory_peak / 1e9);
}

static void print_memory(const struct bench *b)
{
    printf("\nmemory           most MB   mean MB   at once by a rank, of %.1f MB resident\n",
            b->resident / 1e6);
    for (size_t i = 0; i < b->label_count; i++)
        if (b->labels[i].most >= 5e4)
            printf("  %-14s %7.1f %9.1f\n", b->labels[i].name, b->labels[i].most / 1e6,
                    b->labels[i].mean / 1e6);
}

void bench_print(const struct bench *bench)
{
    print_head(bench);
    print_phases(bench);
    print_ops(bench);
    print_products(bench);
    print_memory(bench);
}

/* ---- as JSON ---- */

static void add_phases(cJSON *out, const struct bench *b)
{
    cJSON *phases = cJSON_AddObjectToObject(out, "phases");
    for (int i = 0; i < PHASES; i++) {
        cJSON *phase = cJSON_AddObjectToObject(phases, phase_name((enum phase)i));
        cJSON_AddNumberToObject(phase, "mean", b->phases_mean[i]);
        cJSON_AddNumberToObject(phase, "max", b->phases_most[i]);
    }
}

static void add_ops(cJSON *out, const struct bench *b)
{
    cJSON *all = cJSON_AddObjectToObject(out, "ops");
    for (int i = 0; ops[i]; i++) {
        const struct op_profile *p = &b->ops[i];
        if (p->calls == 0)
            continue;
        cJSON *op = cJSON_AddObjectToObject(all, ops[i]->name);
        cJSON_AddNumberToObject(op, "calls", p->calls);
        cJSON_AddNumberToObject(op, "forward_seconds", p->seconds[FORWARD]);
        cJSON_AddNumberToObject(op, "backward_seconds", p->seconds[BACKWARD]);
        cJSON_AddNumberToObject(op, "operations", both(p->operations));
        cJSON_AddNumberToObject(op, "bytes", both(p->bytes));
    }
}

static void add_products(cJSON *out, const struct bench *b)
{
    cJSON *all = cJSON_AddArrayToObject(out, "products");
    for (size_t i = 0; i < b->product_count; i++) {
        const struct bench_product *p = &b->products[i];
        cJSON *product = cJSON_CreateObject();
        cJSON_AddStringToObject(product, "form", form_of(&p->shape));
        cJSON_AddNumberToObject(product, "m", (double)p->shape.m);
        cJSON_AddNumberToObject(product, "n", (double)p->shape.n);
        cJSON_AddNumberToObject(product, "k", (double)p->shape.k);
        cJSON_AddNumberToObject(product, "times", (double)p->shape.times);
        for (int way = 0; way < PEAK_WAYS; way++)
            cJSON_AddNumberToObject(product, peak_ways[way], p->rates[way]);
        cJSON_AddItemToArray(all, product);
    }
}

static cJSON *as_json(const struct bench *b)
{
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "machine", world_build_info());
    cJSON_AddStringToObject(out, "model", b->model);
    cJSON_AddNumberToObject(out, "parameters", (double)b->parameters);
    cJSON_AddNumberToObject(out, "ranks", b->ranks);
    cJSON_AddNumberToObject(out, "threads", b->threads);
    cJSON_AddNumberToObject(out, "updates", (double)b->updates);
    cJSON_AddNumberToObject(out, "tokens", (double)b->tokens);
    cJSON_AddNumberToObject(out, "seconds", b->seconds);
    cJSON_AddNumberToObject(out, "whole_seconds", b->whole);
    cJSON_AddNumberToObject(out, "tokens_per_second", bench_speed(b));
    cJSON_AddNumberToObject(out, "tokens_per_second_median", b->rates[b->updates / 2]);
    cJSON_AddNumberToObject(out, "limit_tokens_per_second", bench_limit(b));
    cJSON_AddNumberToObject(out, "share_of_limit", bench_speed(b) / bench_limit(b));
    cJSON_AddNumberToObject(out, "operations", b->operations);
    cJSON_AddNumberToObject(out, "peak_operations_per_second", b->products_peak);
    cJSON_AddNumberToObject(out, "own_operations_per_second", b->products_own);
    cJSON_AddNumberToObject(out, "peak_memory_bytes_per_second", b->memory_peak);
    add_phases(out, b);
    add_ops(out, b);
    add_products(out, b);
    cJSON *memory = cJSON_AddObjectToObject(out, "memory");
    for (size_t i = 0; i < b->label_count; i++)
        cJSON_AddNumberToObject(memory, b->labels[i].name, b->labels[i].most);
    cJSON_AddNumberToObject(out, "resident_bytes", b->resident);
    return out;
}

enum status bench_print_json(const struct bench *bench)
{
    cJSON *object = as_json(bench);
    enum status status = json_print(object, "the measurements");
    cJSON_Delete(object);
    return status;
}
