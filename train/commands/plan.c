/*
 * seqtrain plan: what a run of these settings would take on so many ranks, and how fast it would be; nothing is learnt or
 * written.
 */
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "train/command.h"
#include "train/json.h"
#include "train/training/estimate.h"
#include "train/training/forecast.h"

struct settings {
    int64_t ranks, node_ranks;
    double gigabits, microseconds, tokens_per_second;
    bool json;
};

#define AT(field) offsetof(struct settings, field)

static const struct option rows[] = {
        {"ranks", OPTION_INTEGER, AT(ranks), .value = "1", .minimum = 1, .maximum = 4096,
                .help = "ranks the run would have"},
        {"node-ranks", OPTION_INTEGER, AT(node_ranks), .value = "1", .minimum = 1, .maximum = 4096,
                .help = "of them on a node, which share its link to the network"},
        {"bandwidth", OPTION_REAL, AT(gigabits), .value = "10", .minimum = 0.001, .maximum = 1e5,
                .help = "of that link, in Gbit a second\nSwitches between nodes do not hold it up."},
        {"latency", OPTION_REAL, AT(microseconds), .value = "20", .minimum = 0, .maximum = 1e6,
                .help = "of a message between nodes, in microseconds"},
        {"tokens-per-second", OPTION_REAL, AT(tokens_per_second), .value = "measure", .minimum = 1e-3,
                .maximum = 1e12, .zero = "measure",
                .help = "source and target tokens that one rank would compute a second\nmeasure: as here, "
                        "with comm.threads threads"},
        {"json", OPTION_BOOL, AT(json), .value = "false", .help = "print one JSON object; sizes in bytes"},
};
static const struct option_group group = OPTION_GROUP("plan", "what is told", rows);
static const struct option_place places[] = {{&group, 0}};
static const struct schema schema = {places, sizeof places / sizeof *places};

/* ---- as text ---- */

static double megabytes(size_t bytes)
{
    return (double)bytes / 1e6;
}

static const char *const purposes[MEMORY_PURPOSES] = {
        [MEMORY_PARAMETERS] = "",
        [MEMORY_GRADIENTS] = "own, and other ranks' as they arrive",
        [MEMORY_OPTIMISER] = "moments and averages of the parameters it owns",
        [MEMORY_STEP] = "activations of the heaviest micro-batch, measured",
        [MEMORY_VALIDATION] = "what the loss over data.valid takes more",
        [MEMORY_READER] = "sentences read ahead",
        [MEMORY_AUDIT] = "every comm.verify_every updates: the gradient of a micro-batch computed twice",
        [MEMORY_CHECKPOINT] = "at most: what a save has still to read when the next update changes it",
        [MEMORY_REST] = "vocabularies, buffers of files",
        [MEMORY_PROCESS] = "program, MPI, BLAS, measured",
};

static void print_model(const struct estimate *e, const struct config *config)
{
    printf("model       %s, %zu parameters:", config->model.kind->name, e->parameters);
    for (size_t g = 0; g < e->group_count; g++)
        printf("%s %s %zu", g > 0 ? "," : "", e->groups[g].name, e->groups[g].parameters);
    printf("\ncheckpoint  about %.1f MB a file\n", megabytes(e->checkpoint_bytes));
}

static void print_epoch(const struct estimate *e, const struct config *config)
{
    printf("epoch       %lld pairs, %lld source and %lld target tokens\n", (long long)e->pairs,
            (long long)e->tokens[SOURCE], (long long)e->tokens[TARGET]);
    printf("            %lld micro-batches, %.1f %% of %lld tokens a side full\n",
            (long long)e->micro_batches, 100 * e->filled, (long long)config->batch.tokens);
    printf("            %lld updates of at most %d micro-batches; tokens an update: %.0f on average, %lld at "
           "most\n",
            (long long)e->updates, e->slots,
            (double)(e->tokens[SOURCE] + e->tokens[TARGET]) / (double)e->updates, (long long)e->most_tokens);
}

static void print_exchange(const struct estimate *e)
{
    printf("ranks       %d, with %.3g micro-batches of an update each", e->ranks,
            (double)e->slots / e->ranks);
    if (e->ranks_below != e->ranks && e->ranks_above != e->ranks)
        printf("; %d or %d would exchange less", e->ranks_below, e->ranks_above);
    printf("\nexchange    %.1f MB sent by a rank an update", megabytes(e->exchange.sent_bytes));
    if (e->exchange.blocks.node_ranks > 1)
        printf("; %.1f MB leave a node of %d ranks", megabytes(e->exchange.left_bytes),
                e->exchange.blocks.node_ranks);
    printf("\n");
}

static void print_memory(const struct estimate *e)
{
    printf("memory      %.1f MB a rank with %d %s:\n", megabytes(estimate_memory(e)), e->threads,
            e->threads == 1 ? "thread" : "threads");
    for (int i = 0; i < MEMORY_PURPOSES; i++)
        printf("  %10.1f MB  %-10s  %s\n", megabytes(e->memory[i]), estimate_purpose_names[i], purposes[i]);
}

/* ---- speed ---- */

static double epoch_tokens(const struct estimate *e)
{
    return (double)(e->tokens[SOURCE] + e->tokens[TARGET]);
}

static double rank_speed(const struct estimate *e, const struct settings *settings)
{
    return settings->tokens_per_second > 0 ? settings->tokens_per_second
                                           : e->pace.tokens / pace_seconds(&e->pace);
}

/* Another speed stretches all that was measured. */
static struct pace pace_at(const struct estimate *e, double tokens_per_second)
{
    struct pace pace = e->pace;
    pace_stretch(&pace, pace.tokens / tokens_per_second / pace_seconds(&pace));
    return pace;
}

static struct forecast make_forecast(const struct estimate *e, const struct settings *settings)
{
    struct forecast forecast;
    double speed = rank_speed(e, settings);
    const struct pace pace = pace_at(e, speed);
    const struct network network = {.bits = settings->gigabits * 1e9,
            .latency = settings->microseconds * 1e-6,
            .node_ranks = (int)settings->node_ranks};
    double compute = (double)e->slowest_tokens / (double)e->updates / speed;
    forecast_make(&forecast, &pace, compute, &e->exchange, e->slots, &network);
    return forecast;
}

static double forecast_speed(const struct estimate *e, const struct forecast *forecast)
{
    return epoch_tokens(e) / (double)e->updates / forecast_seconds(forecast);
}

static void print_speed(const struct estimate *e, const struct settings *settings)
{
    const struct forecast forecast = make_forecast(e, settings);
    double speed = forecast_speed(e, &forecast), rank = rank_speed(e, settings);
    printf("speed       %.0f source and target tokens/s: %.0f %% of what %d ranks compute that do %.0f "
           "each%s\n",
            speed, 100 * speed / (rank * e->ranks), e->ranks, rank,
            settings->tokens_per_second > 0 ? "" : ", as measured");
    printf("            an update takes %.4g s: %.4g computing, %.4g waiting for sums, %.4g the step, %.4g "
           "waiting for parameters\n",
            forecast_seconds(&forecast), forecast.compute, forecast.sum, forecast.step, forecast.spread);
    if (e->exchange.by_library && e->ranks > 1)
        printf("            sums as Open MPI 4.1 makes them, along a binomial tree; other libraries and "
               "networks that sum differ\n");
}

/* ---- as JSON ---- */

static void add_speed(cJSON *out, const struct estimate *e, const struct settings *settings)
{
    const struct forecast forecast = make_forecast(e, settings);
    cJSON *speed = cJSON_AddObjectToObject(out, "speed");
    cJSON_AddNumberToObject(speed, "tokens_per_second", forecast_speed(e, &forecast));
    cJSON_AddNumberToObject(speed, "rank_tokens_per_second", rank_speed(e, settings));
    cJSON_AddNumberToObject(speed, "update_seconds", forecast_seconds(&forecast));
    cJSON_AddNumberToObject(speed, "compute_seconds", forecast.compute);
    cJSON_AddNumberToObject(speed, "sum_seconds", forecast.sum);
    cJSON_AddNumberToObject(speed, "step_seconds", forecast.step);
    cJSON_AddNumberToObject(speed, "spread_seconds", forecast.spread);
}

static void add_points(cJSON *out, const char *name, const struct pace_points *points)
{
    cJSON *list = cJSON_AddArrayToObject(out, name);
    for (size_t i = 0; i < points->count; i++) {
        const double point[] = {(double)points->points[i].place, points->points[i].seconds};
        cJSON_AddItemToArray(list, cJSON_CreateDoubleArray(point, 2));
    }
}

/* The micro-batch that was measured: what tests/scale simulates. */
static void add_pace(cJSON *out, const struct estimate *e, const struct settings *settings)
{
    const struct pace pace = pace_at(e, rank_speed(e, settings));
    cJSON *object = cJSON_AddObjectToObject(out, "pace");
    cJSON_AddNumberToObject(object, "floats", (double)e->floats);
    cJSON_AddNumberToObject(object, "tokens", pace.tokens);
    cJSON_AddNumberToObject(object, "step_seconds", pace.step_seconds);
    add_points(object, "needed", &pace.needed);
    add_points(object, "ready", &pace.ready);
}

static void add_epoch(cJSON *out, const struct estimate *e)
{
    cJSON *epoch = cJSON_AddObjectToObject(out, "epoch");
    cJSON_AddNumberToObject(epoch, "pairs", (double)e->pairs);
    cJSON_AddNumberToObject(epoch, "source_tokens", (double)e->tokens[SOURCE]);
    cJSON_AddNumberToObject(epoch, "target_tokens", (double)e->tokens[TARGET]);
    cJSON_AddNumberToObject(epoch, "micro_batches", (double)e->micro_batches);
    cJSON_AddNumberToObject(epoch, "filled", e->filled);
    cJSON_AddNumberToObject(epoch, "updates", (double)e->updates);
    cJSON_AddNumberToObject(epoch, "update_tokens", epoch_tokens(e) / (double)e->updates);
    cJSON_AddNumberToObject(epoch, "update_tokens_most", (double)e->most_tokens);
}

static cJSON *as_json(const struct estimate *e, const struct config *config, const struct settings *settings)
{
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "model", config->model.kind->name);
    cJSON_AddNumberToObject(out, "parameters", (double)e->parameters);
    cJSON *groups = cJSON_AddObjectToObject(out, "parameters_of");
    for (size_t g = 0; g < e->group_count; g++)
        cJSON_AddNumberToObject(groups, e->groups[g].name, (double)e->groups[g].parameters);
    cJSON_AddNumberToObject(out, "checkpoint_bytes", (double)e->checkpoint_bytes);
    add_epoch(out, e);
    cJSON_AddNumberToObject(out, "ranks", e->ranks);
    cJSON_AddNumberToObject(out, "threads", e->threads);
    cJSON_AddNumberToObject(out, "good_ranks_below", e->ranks_below);
    cJSON_AddNumberToObject(out, "good_ranks_above", e->ranks_above);
    cJSON_AddNumberToObject(out, "update_bytes_sent", (double)e->exchange.sent_bytes);
    cJSON_AddNumberToObject(out, "summing_node_ranks", e->exchange.blocks.node_ranks);
    cJSON_AddNumberToObject(out, "update_bytes_leaving_node", (double)e->exchange.left_bytes);
    cJSON *memory = cJSON_AddObjectToObject(out, "memory");
    for (int i = 0; i < MEMORY_PURPOSES; i++)
        cJSON_AddNumberToObject(memory, estimate_purpose_names[i], (double)e->memory[i]);
    cJSON_AddNumberToObject(out, "memory_bytes", (double)estimate_memory(e));
    add_speed(out, e, settings);
    add_pace(out, e, settings);
    return out;
}

static enum status print_json(
        const struct estimate *e, const struct config *config, const struct settings *settings)
{
    cJSON *object = as_json(e, config, settings);
    enum status status = json_print(object, "the plan");
    cJSON_Delete(object);
    return status;
}

/* ---- the command ---- */

static enum status read_settings(struct config *config, struct settings *settings, int argc, char **argv)
{
    const struct option_target own = {&schema, settings};
    TRY(options_defaults(&schema, settings));
    TRY(options_defaults(&config_schema, config));
    TRY(config_read(config, "plan", &own, argc, argv));
    if (!config->run.directory) /* nothing is written */
        TRY(memory_text(&config->run.directory, "options", "."));
    return config_complete(config);
}

static enum status plan(const struct config *config, const struct settings *settings)
{
    struct estimate estimate;
    log_set_level(LOG_WARNING);
    TRY(world_open((int)config->comm.threads));
    TRY(estimate_make(&estimate, config, (int)settings->ranks, (int)settings->node_ranks));
    if (settings->json)
        return print_json(&estimate, config, settings);
    print_model(&estimate, config);
    print_epoch(&estimate, config);
    print_exchange(&estimate);
    print_memory(&estimate);
    print_speed(&estimate, settings);
    return STATUS_OK;
}

static enum status run(int argc, char **argv)
{
    struct config config = {0};
    struct settings settings;
    enum status status = read_settings(&config, &settings, argc, argv);
    if (status == STATUS_OK)
        status = plan(&config, &settings);
    options_release(&config_schema, &config);
    options_release(&schema, &settings);
    return status;
}

const struct command plan_command = {
        .name = "plan",
        .summary = "tells what a run would take: memory, updates, traffic, time",
        .usage = "[CONFIG.yaml] [--KEY VALUE]... [--ranks N] [--node-ranks N] [--bandwidth GBIT] [--json]",
        .examples = "seqtrain plan config.yaml --ranks 4\n"
                    "seqtrain plan config.yaml --ranks 64 --node-ranks 8 --bandwidth 25\n"
                    "seqtrain plan config.yaml --ranks 16 --tokens-per-second 30000\n"
                    "seqtrain plan --data.train train.h5 --model.width 512 --batch.tokens 2048\n",
        .schemas = {&schema, &config_schema},
        .ranks = false,
        .run = run,
};
