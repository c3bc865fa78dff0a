/*
 * seqtrain plan: what a run of these settings would take on so many ranks; nothing is trained or written.
 */
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "train/command.h"
#include "train/json.h"
#include "train/training/estimate.h"

struct settings {
    int64_t ranks;
    bool json;
};

static const struct option rows[] = {
        {"ranks", OPTION_INTEGER, offsetof(struct settings, ranks), .value = "1", .minimum = 1,
                .maximum = 4096, .help = "ranks the run would have"},
        {"json", OPTION_BOOL, offsetof(struct settings, json), .value = "false",
                .help = "print one JSON object; sizes in bytes"},
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
        [MEMORY_CHECKPOINT] = "the copy that is saved while training goes on",
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
    printf("\nexchange    %.1f MB sent by a rank an update\n", megabytes(e->exchange.sent_bytes));
}

static void print_memory(const struct estimate *e)
{
    printf("memory      %.1f MB a rank with %d %s:\n", megabytes(estimate_memory(e)), e->threads,
            e->threads == 1 ? "thread" : "threads");
    for (int i = 0; i < MEMORY_PURPOSES; i++)
        printf("  %10.1f MB  %-10s  %s\n", megabytes(e->memory[i]), estimate_purpose_names[i], purposes[i]);
}

/* ---- as JSON ---- */

static void add_epoch(cJSON *out, const struct estimate *e)
{
    double tokens = (double)(e->tokens[SOURCE] + e->tokens[TARGET]);
    cJSON *epoch = cJSON_AddObjectToObject(out, "epoch");
    cJSON_AddNumberToObject(epoch, "pairs", (double)e->pairs);
    cJSON_AddNumberToObject(epoch, "source_tokens", (double)e->tokens[SOURCE]);
    cJSON_AddNumberToObject(epoch, "target_tokens", (double)e->tokens[TARGET]);
    cJSON_AddNumberToObject(epoch, "micro_batches", (double)e->micro_batches);
    cJSON_AddNumberToObject(epoch, "filled", e->filled);
    cJSON_AddNumberToObject(epoch, "updates", (double)e->updates);
    cJSON_AddNumberToObject(epoch, "update_tokens", tokens / (double)e->updates);
    cJSON_AddNumberToObject(epoch, "update_tokens_most", (double)e->most_tokens);
}

static cJSON *as_json(const struct estimate *e, const struct config *config)
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
    cJSON *memory = cJSON_AddObjectToObject(out, "memory");
    for (int i = 0; i < MEMORY_PURPOSES; i++)
        cJSON_AddNumberToObject(memory, estimate_purpose_names[i], (double)e->memory[i]);
    cJSON_AddNumberToObject(out, "memory_bytes", (double)estimate_memory(e));
    return out;
}

static enum status print_json(const struct estimate *e, const struct config *config)
{
    cJSON *object = as_json(e, config);
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
    TRY(estimate_make(&estimate, config, (int)settings->ranks));
    if (settings->json)
        return print_json(&estimate, config);
    print_model(&estimate, config);
    print_epoch(&estimate, config);
    print_exchange(&estimate);
    print_memory(&estimate);
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
        .summary = "tells what a run would take: memory, updates, traffic",
        .usage = "[CONFIG.yaml] [--KEY VALUE]... [--ranks N] [--json]",
        .examples = "seqtrain plan config.yaml --ranks 4\n"
                    "seqtrain plan --data.train train.h5 --model.width 512 --batch.tokens 2048\n",
        .schemas = {&schema, &config_schema},
        .ranks = false,
        .run = run,
};
