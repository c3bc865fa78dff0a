#include "train/training/estimate.h"

#include "comm/memory.h"
#include "comm/world.h"
#include "train/training/trainer.h"
#include "train/training/validate.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const estimate_purpose_names[MEMORY_PURPOSES] = {
        [MEMORY_PARAMETERS] = "parameters",
        [MEMORY_GRADIENTS] = "gradients",
        [MEMORY_OPTIMISER] = "optimiser",
        [MEMORY_STEP] = "step",
        [MEMORY_VALIDATION] = "validation",
        [MEMORY_READER] = "reader",
        [MEMORY_AUDIT] = "audit",
        [MEMORY_CHECKPOINT] = "checkpoint",
        [MEMORY_REST] = "rest",
        [MEMORY_PROCESS] = "process",
};

/* What makes a micro-batch heavy: its rows, or the pairs of tokens that attention looks at. */
enum weight { WEIGHT_ROWS, WEIGHT_ATTENTION, WEIGHTS };

/* What Open MPI 4.1 takes once ranks of a node exchange: measured on 2 and 4 of them. */
enum { MPI_BYTES = 16 << 20 };

/* A copy of the heaviest micro-batch so far. */
struct heaviest {
    double weight;
    struct batch batch;
    int32_t *ids[SIDES], *offsets[SIDES], *point_offsets, *points;
    size_t id_room[SIDES], offset_room[SIDES], point_offset_room, point_room;
};

struct work {
    struct trainer trainer;
    struct heaviest heaviest[WEIGHTS];
    float *gradient;
    double filled; /* summed over micro-batches */
};

/* ---- memory held ---- */

static size_t bytes_held(void)
{
    struct memory_label label;
    size_t sum = 0;
    for (size_t i = 0; memory_report(i, &label); i++)
        sum += label.bytes;
    return sum;
}

static struct memory_label held_for(const char *name)
{
    struct memory_label label;
    for (size_t i = 0; memory_report(i, &label); i++)
        if (strcmp(label.label, name) == 0)
            return label;
    return (struct memory_label){.label = name};
}

/* Bytes of this process in memory; 0 where the system does not tell. */
static size_t bytes_resident(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

size_t estimate_memory(const struct estimate *estimate)
{
    size_t sum = 0;
    for (int i = 0; i < MEMORY_PURPOSES; i++)
        sum += estimate->memory[i];
    return sum;
}

/* ---- parameters ---- */

/* "encoder" of "encoder/0/...", "embeddings" for tables of tokens and positions. */
static void group_name(const char *parameter, char out[32])
{
    bool table = strstr(parameter, "embedding/") || strstr(parameter, "position/");
    snprintf(out, 32, "%.*s", table ? 31 : (int)strcspn(parameter, "/"), table ? "embeddings" : parameter);
}

static void count_parameters(const struct parameters *parameters, struct estimate *out)
{
    out->parameters = parameters_count(parameters);
    for (size_t i = 0; i < parameters->count; i++) {
        char name[32];
        size_t g = 0;
        group_name(parameters->items[i].array.name, name);
        while (g < out->group_count && strcmp(out->groups[g].name, name) != 0)
            g++;
        if (g == ESTIMATE_GROUPS)
            g--;
        if (g == out->group_count) {
            memcpy(out->groups[g].name, name, sizeof name);
            out->group_count++;
        }
        out->groups[g].parameters += parameters->items[i].floats;
    }
}

/* ---- one epoch ---- */

static void weigh(const struct batch *batch, double out[WEIGHTS])
{
    out[WEIGHT_ROWS] = (double)(batch->tokens[SOURCE] + batch->tokens[TARGET]);
    out[WEIGHT_ATTENTION] = 0;
    for (size_t p = 0; p < batch->pairs; p++) {
        double source = batch->offsets[SOURCE][p + 1] - batch->offsets[SOURCE][p];
        double target = batch->offsets[TARGET][p + 1] - batch->offsets[TARGET][p];
        out[WEIGHT_ATTENTION] += source * source + target * (source + target);
    }
}

static void release_heaviest(struct heaviest *heaviest)
{
    for (int side = 0; side < SIDES; side++) {
        memory_free(heaviest->ids[side]);
        memory_free(heaviest->offsets[side]);
    }
    memory_free(heaviest->point_offsets);
    memory_free(heaviest->points);
}

static enum status keep_alignment(struct heaviest *heaviest, const struct batch *batch)
{
    const struct alignment *from = &batch->alignment;
    size_t offsets = batch->tokens[TARGET] + 1, points = (size_t)from->offsets[offsets - 1];
    TRY(memory_grow(&heaviest->point_offsets, "estimate", &heaviest->point_offset_room, offsets,
            sizeof *heaviest->point_offsets));
    TRY(memory_grow(
            &heaviest->points, "estimate", &heaviest->point_room, points + 1, sizeof *heaviest->points));
    memcpy(heaviest->point_offsets, from->offsets, offsets * sizeof *from->offsets);
    memcpy(heaviest->points, from->points, points * sizeof *from->points);
    heaviest->batch.alignment = (struct alignment){heaviest->point_offsets, heaviest->points};
    return STATUS_OK;
}

static enum status keep(
        struct heaviest *heaviest, const struct corpus *corpus, const struct batch *batch, double weight)
{
    heaviest->weight = weight;
    heaviest->batch = *batch;
    heaviest->batch.inputs = NULL; /* the reader's, as pair_numbers: what is not dropped weighs the same */
    heaviest->batch.pair_numbers = NULL;
    for (int side = 0; side < SIDES; side++) {
        size_t offsets = batch->pairs + 1;
        size_t words = batch->tokens[side] * corpus_words(corpus, (enum side)side);
        TRY(memory_grow(&heaviest->ids[side], "estimate", &heaviest->id_room[side], words, sizeof(int32_t)));
        TRY(memory_grow(&heaviest->offsets[side], "estimate", &heaviest->offset_room[side], offsets,
                sizeof(int32_t)));
        memcpy(heaviest->ids[side], batch->ids[side], words * sizeof(int32_t));
        memcpy(heaviest->offsets[side], batch->offsets[side], offsets * sizeof(int32_t));
        heaviest->batch.ids[side] = heaviest->ids[side];
        heaviest->batch.offsets[side] = heaviest->offsets[side];
    }
    return batch->alignment.offsets ? keep_alignment(heaviest, batch) : STATUS_OK;
}

static enum status see_batch(struct work *work, const struct batch *batch, struct estimate *out)
{
    double weights[WEIGHTS];
    size_t fuller = batch->tokens[batch->tokens[SOURCE] < batch->tokens[TARGET] ? TARGET : SOURCE];
    weigh(batch, weights);
    for (int w = 0; w < WEIGHTS; w++)
        if (weights[w] > work->heaviest[w].weight)
            TRY(keep(&work->heaviest[w], work->trainer.corpus, batch, weights[w]));
    out->micro_batches++;
    out->pairs += (int64_t)batch->pairs;
    for (int side = 0; side < SIDES; side++)
        out->tokens[side] += (int64_t)batch->tokens[side];
    work->filled += (double)fuller / (double)work->trainer.config->batch.tokens;
    return STATUS_OK;
}

static int64_t tokens_seen(const struct estimate *out)
{
    return out->tokens[SOURCE] + out->tokens[TARGET];
}

/* The slots of one rank. */
static enum status see_slots(struct work *work, struct estimate *out, int rank, bool *any_more)
{
    int end = exchange_first_slot(out->slots, out->ranks, rank + 1);
    for (int slot = exchange_first_slot(out->slots, out->ranks, rank); slot < end; slot++) {
        struct batch batch;
        bool more;
        TRY(reader_next(work->trainer.reader, &batch, &more));
        *any_more |= more;
        if (batch.pairs > 0)
            TRY(see_batch(work, &batch, out));
    }
    return STATUS_OK;
}

static enum status see_update(struct work *work, struct estimate *out, bool *any_more)
{
    int64_t before = tokens_seen(out), slowest = 0;
    *any_more = false;
    for (int rank = 0; rank < out->ranks; rank++) {
        int64_t rank_before = tokens_seen(out);
        TRY(see_slots(work, out, rank, any_more));
        slowest = tokens_seen(out) - rank_before > slowest ? tokens_seen(out) - rank_before : slowest;
    }
    int64_t tokens = tokens_seen(out) - before;
    out->slowest_tokens += slowest;
    out->most_tokens = tokens > out->most_tokens ? tokens : out->most_tokens;
    out->updates++;
    return STATUS_OK;
}

/* The first epoch; and what a reader of the heaviest rank's slots holds, as a share of one that reads all. */
static enum status see_epoch(struct work *work, struct estimate *out)
{
    size_t before = bytes_held(), kept = held_for("estimate").bytes;
    bool more = true;
    TRY(trainer_open_reader(&work->trainer, 1, 0));
    while (more)
        TRY(see_update(work, out, &more));
    size_t reader = held_for("reader").bytes;
    size_t own = (size_t)(exchange_first_slot(out->slots, out->ranks, out->exchange.rank + 1) -
                          exchange_first_slot(out->slots, out->ranks, out->exchange.rank));
    kept = held_for("estimate").bytes - kept;
    out->memory[MEMORY_READER] = bytes_held() - before - kept - reader + reader / (size_t)out->slots * own;
    reader_close(work->trainer.reader);
    work->trainer.reader = NULL;
    out->filled = work->filled / (double)out->micro_batches;
    return STATUS_OK;
}

/* ---- the step ---- */

static enum status run_step(struct work *work, const struct heaviest *heaviest)
{
    struct pass pass = trainer_pass(&work->trainer, 0, work->gradient);
    struct loss loss;
    pass.sampling = sampling_most(&work->trainer.config->train.sampling);
    return model_loss(work->trainer.model, &heaviest->batch, &pass, &loss);
}

/* The heaviest micro-batch goes through last: then so much of the step arena is in use as ever. */
static enum status measure_step(struct work *work, struct estimate *out)
{
    struct model *model = work->trainer.model;
    model_initialise(model, (uint64_t)work->trainer.config->run.seed);
    TRY(memory_new(&work->gradient, "gradient", model_parameters(model)->floats, sizeof *work->gradient));
    size_t peak[WEIGHTS];
    for (int w = 0; w < WEIGHTS; w++) {
        TRY(run_step(work, &work->heaviest[w]));
        peak[w] = model_peak_bytes(model);
    }
    const struct heaviest *heaviest = &work->heaviest[WEIGHTS - 1];
    if (peak[WEIGHT_ROWS] == peak[WEIGHT_ATTENTION]) {
        heaviest = &work->heaviest[WEIGHT_ROWS];
        TRY(run_step(work, heaviest));
    }
    for (int side = 0; side < SIDES; side++)
        out->heaviest[side] = heaviest->batch.tokens[side];
    out->memory[MEMORY_STEP] = model_peak_bytes(model);
    return STATUS_OK;
}

static enum status measure_validation(struct work *work, struct estimate *out)
{
    struct trainer *trainer = &work->trainer;
    struct validation validation;
    if (!trainer->valid || trainer->every.value == 0)
        return STATUS_OK;
    TRY(validate(&validation, trainer->model, trainer->valid, trainer->config->train.label_smoothing));
    out->memory[MEMORY_VALIDATION] = model_peak_bytes(trainer->model) - out->memory[MEMORY_STEP];
    return STATUS_OK;
}

/* ---- speed ---- */

/* Once memory is known: parameters and moments move. */
static enum status measure_pace(struct work *work, struct estimate *out)
{
    return pace_measure(&out->pace, &work->trainer, &out->exchange.blocks, &work->heaviest[WEIGHT_ROWS].batch,
            work->gradient);
}

/* ---- the whole ---- */

static enum status see_exchange(struct work *work, struct estimate *out, int node_ranks)
{
    const struct config *config = work->trainer.config;
    size_t floats = model_parameters(work->trainer.model)->floats;
    TRY(exchange_cost(&out->exchange, &config->comm.exchange, floats, out->slots, out->ranks, node_ranks));
    exchange_good_ranks(out->slots, out->ranks, &out->ranks_below, &out->ranks_above);
    out->floats = floats;
    out->memory[MEMORY_PARAMETERS] = floats * sizeof(float);
    out->memory[MEMORY_GRADIENTS] =
            (size_t)out->exchange.buffers * floats * sizeof(float) + out->exchange.room_bytes;
    out->memory[MEMORY_AUDIT] = config->comm.verify_every > 0 ? floats * sizeof(float) : 0;
    return STATUS_OK;
}

static enum status see_state(struct work *work, struct estimate *out)
{
    struct trainer *trainer = &work->trainer;
    struct trainer_record record;
    const struct blocks *blocks = &out->exchange.blocks;
    size_t before = bytes_held();
    TRY(trainer_open_moments(trainer, blocks, out->exchange.rank));
    out->memory[MEMORY_OPTIMISER] = bytes_held() - before;
    trainer_record(trainer, &record);
    struct checkpoint_contents contents;
    trainer_contents(trainer, &record, &contents);
    TRY(checkpoint_held_bytes(&out->memory[MEMORY_CHECKPOINT], blocks, out->exchange.rank, &contents));
    out->checkpoint_bytes = checkpoint_file_bytes(&contents, (int)trainer->config->checkpoint.compression);
    return STATUS_OK;
}

/* Everything else that is held now, and the buffers of files at their largest. Of the step arena only what is used is
 * in memory. */
static void see_rest(const struct work *work, struct estimate *out)
{
    struct memory_label files = held_for("h5");
    size_t gradient = model_parameters(work->trainer.model)->floats * sizeof(float);
    size_t others = bytes_held() - held_for("model step").bytes, resident = bytes_resident();
    size_t used = others + out->memory[MEMORY_STEP];
    out->memory[MEMORY_REST] = others - out->memory[MEMORY_PARAMETERS] - out->memory[MEMORY_OPTIMISER] -
                               gradient - held_for("estimate").bytes + files.peak - files.bytes;
    out->memory[MEMORY_PROCESS] = (resident > used ? resident - used : 0) + (out->ranks > 1 ? MPI_BYTES : 0);
}

static enum status make(struct work *work, struct estimate *out, int node_ranks)
{
    struct trainer *trainer = &work->trainer;
    TRY(config_check(trainer->config, out->ranks));
    TRY(trainer_open_model(trainer));
    count_parameters(model_parameters(trainer->model), out);
    TRY(see_exchange(work, out, node_ranks));
    TRY(see_state(work, out));
    TRY(see_epoch(work, out));
    TRY(measure_step(work, out));
    see_rest(work, out);
    TRY(measure_validation(work, out));
    return measure_pace(work, out);
}

enum status estimate_make(struct estimate *out, const struct config *config, int ranks, int node_ranks)
{
    struct work work = {.trainer = {.config = config}};
    *out = (struct estimate){
            .ranks = ranks, .slots = (int)config->batch.micro_batches, .threads = world()->threads};
    enum status status = make(&work, out, node_ranks);
    for (int w = 0; w < WEIGHTS; w++)
        release_heaviest(&work.heaviest[w]);
    memory_free(work.gradient);
    trainer_close(&work.trainer);
    return status;
}
