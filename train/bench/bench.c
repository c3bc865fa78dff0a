#include "train/bench/bench.h"

#include "comm/memory.h"
#include "comm/watch.h"
#include "comm/world.h"
#include "train/training/loop.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Training as it is looked at. */
struct measured {
    const struct bench_options *options;
    struct bench *bench;
    struct profile *profile;
    double started;  /* clock: end of the warm-up */
    double training; /* seconds until the end of the last update */

    /* Looked for before the updates that count and after them: what disturbs the machine seldom lasts. */
    struct product_list list;
    struct peak_product products[PROFILE_PRODUCTS];
    enum status status;
};

/* ---- memory ---- */

static size_t own_labels(struct bench_label *out)
{
    struct memory_label label;
    size_t count = 0;
    for (; count < BENCH_LABELS && memory_report(count, &label); count++) {
        snprintf(out[count].name, sizeof out[count].name, "%s", label.label);
        out[count].most = out[count].mean = (double)label.peak;
    }
    return count;
}

static void add_label(struct bench *bench, const struct bench_label *label)
{
    size_t i = 0;
    while (i < bench->label_count && strcmp(bench->labels[i].name, label->name) != 0)
        i++;
    if (i == BENCH_LABELS)
        return;
    struct bench_label *to = &bench->labels[i];
    if (i == bench->label_count) {
        *to = *label;
        to->most = to->mean = 0;
        bench->label_count++;
    }
    to->most = label->most > to->most ? label->most : to->most;
    to->mean += label->mean / world()->size;
}

static int larger_label(const void *a, const void *b)
{
    double x = ((const struct bench_label *)a)->most, y = ((const struct bench_label *)b)->most;
    return (x < y) - (x > y);
}

/* Ranks may have different labels: each sends its own, empty names for none. */
static enum status gather_memory(struct bench *bench)
{
    struct bench_label own[BENCH_LABELS] = {0}, *all = NULL;
    struct rusage usage;
    own_labels(own);
    getrusage(RUSAGE_SELF, &usage);
    bench->resident = (double)usage.ru_maxrss * 1024;
    size_t count = BENCH_LABELS * (size_t)world()->size;
    TRY(status_agree(memory_new(&all, "bench", count, sizeof *all)));
    enum status status = world_gather(own, all, sizeof own);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        if (all[i].name[0])
            add_label(bench, &all[i]);
    memory_free(all);
    TRY(status);
    qsort(bench->labels, bench->label_count, sizeof *bench->labels, larger_label);
    return world_maximum(&bench->resident, 1);
}

/* ---- training ---- */

static bool is_training(int phase)
{
    return phase != PHASE_VALIDATE && phase != PHASE_SAVE;
}

static double training_seconds(void)
{
    double phases[PHASES], sum = 0;
    clock_seconds(phases);
    for (int i = 0; i < PHASES; i++)
        sum += is_training(i) ? phases[i] : 0;
    return sum;
}

/* All ranks do the products of rank 0's micro-batch at the same time. */
static enum status try_products(struct measured *measured, const struct trainer *trainer)
{
    TRY(world_barrier());
    return status_agree(peak_products(measured->products, &measured->list, trainer->model));
}

static enum status end_warm_up(struct measured *measured, const struct trainer *trainer)
{
    profile_pass(measured->profile); /* the last pass counts */
    measured->list = measured->profile->largest;
    TRY(world_broadcast(&measured->list, sizeof measured->list, 0));
    TRY(try_products(measured, trainer));
    memset(measured->profile, 0, sizeof *measured->profile);
    TRY(world_barrier());
    clock_reset();
    measured->started = clock_now();
    return STATUS_OK;
}

static void on_update(void *context, const struct trainer *trainer, const struct slot_facts *total)
{
    struct measured *measured = context;
    struct bench *bench = measured->bench;
    if (trainer->state.update > measured->options->warm_up) {
        double tokens = (double)(total->source_tokens + total->target_tokens), now = training_seconds();
        bench->rates[bench->updates++] = tokens / (now - measured->training);
        bench->tokens += total->source_tokens + total->target_tokens;
        measured->training = now;
    } else if (trainer->state.update == measured->options->warm_up) {
        measured->status = end_warm_up(measured, trainer);
    }
}

static enum status look_on(struct trainer *trainer, struct measured *measured)
{
    measured->bench->model = trainer->config->model.kind->name;
    measured->bench->parameters = parameters_count(model_parameters(trainer->model));
    trainer->profile = measured->profile;
    trainer->updated = on_update;
    trainer->context = measured;
    TRY(loop_run(trainer));
    clock_seconds(measured->bench->phases_mean);
    measured->bench->whole = clock_now() - measured->started;
    measured->bench->seconds = training_seconds();
    TRY(gather_memory(measured->bench));
    TRY(status_agree(measured->status));
    return try_products(measured, trainer);
}

static enum status train(struct measured *measured, const struct config *config)
{
    struct trainer trainer;
    TRY(status_agree(watch_start(period_seconds(config->comm.timeout))));
    enum status status = trainer_open(&trainer, config);
    if (status == STATUS_OK)
        status = look_on(&trainer, measured);
    trainer_close(&trainer);
    watch_stop();
    return status;
}

/* ---- all ranks together ---- */

/* values [count] become means; `most`, if asked for, the largest. */
static enum status gather(double *values, double *most, size_t count)
{
    if (most) {
        memcpy(most, values, count * sizeof *most);
        TRY(world_maximum(most, count));
    }
    TRY(world_sum(values, count));
    for (size_t i = 0; i < count; i++)
        values[i] /= world()->size;
    return STATUS_OK;
}

static enum status gather_ops(struct bench *bench, const struct profile *profile)
{
    enum { DOUBLES = sizeof(struct op_profile) / sizeof(double) };
    double all[PROFILE_OPS * DOUBLES];
    _Static_assert(sizeof all == sizeof bench->ops, "ops are summed as doubles");
    memcpy(all, profile->ops, sizeof all);
    TRY(gather(all, NULL, PROFILE_OPS * DOUBLES));
    memcpy(bench->ops, all, sizeof all);
    for (int i = 0; i < PROFILE_OPS; i++)
        for (int d = 0; d < DIRECTIONS; d++) {
            bench->ops[i].operations[d] *= world()->size;
            bench->ops[i].bytes[d] *= world()->size;
            bench->operations += bench->ops[i].operations[d];
        }
    return STATUS_OK;
}

static enum status gather_times(struct bench *bench)
{
    TRY(world_maximum(&bench->seconds, 1));
    TRY(world_maximum(&bench->whole, 1));
    return gather(bench->phases_mean, bench->phases_most, PHASES);
}

/* ---- peaks ---- */

static int longer_product(const void *a, const void *b)
{
    double x = ((const struct bench_product *)a)->seconds, y = ((const struct bench_product *)b)->seconds;
    return (x < y) - (x > y);
}

/* Rates of a rank into those of all; its peak is the share of all operations in the time of all. */
static enum status gather_products(
        struct bench *bench, const struct peak_product *products, const struct product_list *list)
{
    double seconds = 0, own = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct bench_product *to = &bench->products[i];
        to->shape = list->items[i];
        to->seconds = peak_best(&products[i]) * (double)to->shape.times;
        seconds += to->seconds;
        own += products[i].seconds[0] * (double)to->shape.times;
        for (int way = 0; way < PEAK_WAYS; way++)
            to->rates[way] = product_operations(&to->shape) / products[i].seconds[way];
        TRY(world_sum(to->rates, PEAK_WAYS));
    }
    bench->product_count = list->count;
    bench->products_peak = list->operations / seconds;
    bench->products_own = list->operations / own;
    qsort(bench->products, bench->product_count, sizeof *bench->products, longer_product);
    TRY(world_sum(&bench->products_own, 1));
    return world_sum(&bench->products_peak, 1);
}

static enum status gather_peaks(struct bench *bench, const struct measured *measured)
{
    TRY(gather_products(bench, measured->products, &measured->list));
    TRY(status_agree(peak_memory(&bench->memory_peak)));
    return world_sum(&bench->memory_peak, 1);
}

/* ---- the whole ---- */

static int lower_rate(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum status measure(struct measured *measured, const struct config *config)
{
    struct bench *bench = measured->bench;
    TRY(status_agree(memory_new(&bench->rates, "bench", (size_t)measured->options->updates, sizeof(double))));
    TRY(status_agree(memory_new(&measured->profile, "bench", 1, sizeof *measured->profile)));
    TRY(train(measured, config));
    qsort(bench->rates, (size_t)bench->updates, sizeof *bench->rates, lower_rate);
    TRY(gather_times(bench));
    TRY(gather_ops(bench, measured->profile));
    return gather_peaks(bench, measured);
}

enum status bench_run(struct bench *out, const struct config *config, const struct bench_options *options)
{
    *out = (struct bench){.ranks = world()->size, .threads = world()->threads};
    struct measured *measured = NULL;
    TRY(status_agree(memory_new(&measured, "bench", 1, sizeof *measured)));
    *measured = (struct measured){.options = options, .bench = out};
    enum status status = measure(measured, config);
    memory_free(measured->profile);
    memory_free(measured);
    if (status != STATUS_OK)
        bench_release(out);
    return status;
}

void bench_release(struct bench *bench)
{
    memory_free(bench->rates);
    bench->rates = NULL;
}

double bench_speed(const struct bench *bench)
{
    return (double)bench->tokens / bench->seconds;
}

double bench_limit(const struct bench *bench)
{
    return (double)bench->tokens * bench->products_peak / bench->operations;
}
