#include "train/training/trainer.h"

#include "comm/clock.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/watch.h"
#include "comm/world.h"
#include "train/inference/weights.h"
#include "train/training/freeze.h"
#include "train/training/validation.h"

#include <stdio.h>
#include <string.h>

struct plan_options trainer_plan(const struct trainer *trainer)
{
    const struct config *config = trainer->config;
    return (struct plan_options){.tokens = (size_t)config->batch.tokens,
            .slots = (int)config->batch.micro_batches,
            .seed = (uint64_t)config->run.seed};
}

struct pass trainer_pass(const struct trainer *trainer, int slot, float *gradient)
{
    const struct config *config = trainer->config;
    return (struct pass){.training = true,
            .seed = (uint64_t)config->run.seed,
            .update = (uint64_t)trainer->state.update + 1,
            .slot = (uint32_t)slot,
            .label_smoothing = config->train.label_smoothing,
            .r_drop = config->train.r_drop,
            .guide = config->train.guided_alignment,
            .guide_weight = config->train.guided_weight,
            .sampling = sampling_rate(&config->train.sampling, trainer->state.update),
            .recompute = config->train.recompute,
            .gradient = gradient,
            .frozen = trainer->frozen};
}

/* ---- what a checkpoint holds ---- */

static void record_planes(struct trainer *trainer, struct trainer_record *out)
{
    out->planes[0] = (struct flat_plane){.group = WEIGHTS_RAW,
            .values = model_parameters(trainer->model)->values,
            .flat = true,
            .description = "parameter"};
    out->plane_count = 1 + optimizer_planes(trainer->optimizer, out->planes + 1);
    if (trainer->ema.values)
        out->planes[out->plane_count++] = (struct flat_plane){.group = WEIGHTS_EMA,
                .values = trainer->ema.values,
                .description = "moving average of a parameter"};
}

double trainer_epochs(const struct trainer *trainer)
{
    double share = (double)trainer->state.epoch_tokens / corpora_epoch_tokens(trainer->corpora);
    return (double)trainer->state.epoch + (share < 1 ? share : 1);
}

void trainer_record(struct trainer *trainer, struct trainer_record *out)
{
    struct run_state *state = &trainer->state;
    const struct field fields[] = {
            {"/state/update", FIELD_INTEGER, &state->update, "updates done"},
            {"/state/epoch", FIELD_INTEGER, &state->epoch, "epochs completed"},
            {"/state/update_in_epoch", FIELD_INTEGER, &state->position, "updates done in the next epoch"},
            {"/state/tokens", FIELD_INTEGER, &state->tokens, "source and target tokens trained on"},
            {"/state/validated_update", FIELD_INTEGER, &state->validated,
                    "update of the last validation, or 0"},
            {"/state/best_update", FIELD_INTEGER, &state->best_update, "update of the best validation, or 0"},
            {"/state/best_metric", FIELD_REAL, &state->best, "validate.metric at best_update"},
            {"/state/tokens_in_epoch", FIELD_INTEGER, &state->epoch_tokens,
                    "source and target tokens trained on in the next epoch, as stored"},
            {"/state/moments_from", FIELD_INTEGER, &state->moments_from,
                    "updates done when the moments of the optimiser were zero"},
            {"/state/plateau_cuts", FIELD_INTEGER, &state->cuts, "cuts of the rate on plateaus"},
            {"/state/skipped", FIELD_INTEGER, &state->skipped,
                    "updates that changed nothing, their loss or gradient not being finite (train.on_nan)"},
            {"/state/skipped_in_a_row", FIELD_INTEGER, &state->skipped_in_a_row,
                    "of them, the last ones done"},
            {"/state/seed", FIELD_INTEGER, &state->seed, "run.seed"},
            {"/state/micro_batches", FIELD_INTEGER, &state->slots, "micro-batches an update"},
            {"/state/validated_on", FIELD_TEXT, &state->validated_on,
                    "fingerprint of the corpus that the history of validations is of"},
            {"/corpus/fingerprint", FIELD_TEXT, &state->fingerprint, "of the corpus trained on"},
    };
    _Static_assert(sizeof fields / sizeof fields[0] + HISTORY_FIELDS == STATE_FIELDS,
            "a record has room for all fields");
    out->field_count = sizeof fields / sizeof fields[0];
    memcpy(out->fields, fields, sizeof fields);
    out->field_count += history_fields(&state->history, out->fields + out->field_count, out->names);
    record_planes(trainer, out);
}

/* Far from where an int64_t ends: what is added to a count does not run over. */
static const int64_t count_most = 1000000000000000;

enum status run_state_check(const struct run_state *state, const char *path)
{
    const struct {
        const char *name;
        int64_t found, most;
    } counts[] = {
            {"update", state->update, count_most},
            {"epoch", state->epoch, state->update},
            {"update_in_epoch", state->position, state->update},
            {"tokens", state->tokens, count_most},
            {"tokens_in_epoch", state->epoch_tokens, count_most},
            {"validated_update", state->validated, state->update},
            {"moments_from", state->moments_from, state->update},
            {"plateau_cuts", state->cuts, state->update},
            {"skipped", state->skipped, state->update},
            {"skipped_in_a_row", state->skipped_in_a_row, state->skipped},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        CHECK(counts[i].found >= 0 && counts[i].found <= counts[i].most, STATUS_DATA,
                "%s: /state/%s: expected from 0 to %lld, found %lld", path, counts[i].name,
                (long long)counts[i].most, (long long)counts[i].found);
    return STATUS_OK;
}

void trainer_contents(
        const struct trainer *trainer, const struct trainer_record *record, struct checkpoint_contents *out)
{
    *out = (struct checkpoint_contents){.arrays = trainer->arrays,
            .array_count = trainer->array_count,
            .planes = record->planes,
            .plane_count = record->plane_count,
            .fields = record->fields,
            .field_count = record->field_count,
            .joint = corpus_facts(trainer->corpus)->joint};
    for (enum side side = SOURCE; side < SIDES; side++)
        out->vocabulary[side] = corpus_vocabulary(trainer->corpus, side, &out->vocabulary_bytes[side]);
}

static enum status save_with(struct trainer *trainer, const struct trainer_record *record, const char *config)
{
    struct best_list best;
    struct checkpoint_contents contents;
    trainer_contents(trainer, record, &contents);
    contents.config = config;
    validation_best(trainer, &best);
    return checkpoint_save(trainer->checkpointer, &contents, trainer->state.update, &best);
}

enum status trainer_save(struct trainer *trainer)
{
    char *config = NULL;
    struct trainer_record record;
    trainer_record(trainer, &record);
    enum status status = status_agree(options_write_yaml(&config, &config_schema, trainer->config, true));
    if (status == STATUS_OK)
        status = save_with(trainer, &record, config);
    memory_free(config);
    return status;
}

/* ---- opening ---- */

static void say_corpora(const struct corpora *corpora)
{
    for (size_t i = 0; i < corpora_count(corpora); i++) {
        const struct corpus *corpus = corpora_at(corpora, i);
        const struct corpus_facts *facts = corpus_facts(corpus);
        char weight[48] = "";
        if (corpora_weight(corpora, i) != 1)
            snprintf(weight, sizeof weight, ", %g times an epoch", corpora_weight(corpora, i));
        log_line(LOG_INFO,
                "corpus %s: %zu pairs%s, %zu source and %zu target tokens, %s vocabulary of %zu rows",
                corpus_path(corpus), facts->pairs, weight, facts->tokens[SOURCE], facts->tokens[TARGET],
                facts->joint ? "joint" : "separate", corpus_rows(corpus, TARGET));
    }
}

static enum status open_corpora(struct trainer *trainer)
{
    const struct data_options *data = &trainer->config->data;
    TRY(corpora_open(&trainer->corpora, (const char *const *)data->train.items, data->train.count));
    trainer->corpus = corpora_at(trainer->corpora, 0);
    say_corpora(trainer->corpora);
    if (data->valid)
        TRY(corpus_open(&trainer->valid, data->valid));
    return STATUS_OK;
}

/* The ids of data.valid mean something only in the vocabulary trained on; metrics of text need its lines. */
static enum status check_valid(const struct trainer *trainer)
{
    struct text_validation_options asked;
    validation_translates(&trainer->config->validate, &asked);
    CHECK(!trainer->valid || asked.count == 0 || corpus_facts(trainer->valid)->has_text, STATUS_CONFIG,
            "the metric %s compares with the raw target lines, but data.valid %s holds none: prepare it "
            "without --no-text, or leave the metric out of validate.metric and validate.metrics",
            asked.metrics[0]->kind.name, corpus_path(trainer->valid));
    for (enum side side = SOURCE; trainer->valid && side < SIDES; side++) {
        size_t bytes, valid_bytes;
        const void *train = corpus_vocabulary(trainer->corpus, side, &bytes);
        const void *valid = corpus_vocabulary(trainer->valid, side, &valid_bytes);
        CHECK(bytes == valid_bytes && memcmp(train, valid, bytes) == 0, STATUS_DATA,
                "data.valid %s has another %s vocabulary than data.train %s: prepare it with --vocab %s",
                corpus_path(trainer->valid), side_names[side], corpus_path(trainer->corpus),
                corpus_path(trainer->corpus));
    }
    return STATUS_OK;
}

/* train.guided_alignment needs an alignment of the tokens as they are stored, and attention that it guides. */
static enum status check_guide(const struct trainer *trainer)
{
    const struct config *config = trainer->config;
    const char *guide = config->train.guided_alignment->name;
    if (!guide_is_on(config->train.guided_alignment))
        return STATUS_OK;
    for (size_t i = 0; i < corpora_count(trainer->corpora); i++)
        CHECK(corpus_facts(corpora_at(trainer->corpora, i))->aligned, STATUS_CONFIG,
                "train.guided_alignment %s needs an alignment, but data.train %s has none: prepare it with "
                "--alignments FILE, or set train.guided_alignment none",
                guide, corpus_path(corpora_at(trainer->corpora, i)));
    CHECK(config->data.sampling == 0, STATUS_CONFIG,
            "train.guided_alignment %s is of the tokens that are stored, but data.sampling %g cuts words "
            "into others: set one of them off",
            guide, config->data.sampling);
    CHECK(model_attention(trainer->model).layers > 0, STATUS_CONFIG,
            "train.guided_alignment %s guides attention, but model.attention none has none: set another "
            "model.attention, or train.guided_alignment none",
            guide);
    return STATUS_OK;
}

static enum status open_model(struct trainer *trainer)
{
    const struct config *config = trainer->config;
    size_t rows[SIDES] = {corpus_rows(trainer->corpus, SOURCE), corpus_rows(trainer->corpus, TARGET)};
    struct model_options options = config->model;
    options.source = corpus_facts(trainer->corpus)->form;
    TRY(check_valid(trainer));
    TRY(model_open(&trainer->model, &options, rows, corpus_facts(trainer->corpus)->joint));
    TRY(check_guide(trainer));
    const struct parameters *parameters = model_parameters(trainer->model);
    TRY(memory_new(&trainer->arrays, "trainer", parameters->count, sizeof *trainer->arrays));
    for (size_t i = 0; i < parameters->count; i++)
        trainer->arrays[i] = parameters->items[i].array;
    trainer->array_count = parameters->count;
    log_line(LOG_INFO, "model %s: %zu parameters", config->model.kind->name, parameters_count(parameters));
    return STATUS_OK;
}

enum status trainer_open_moments(struct trainer *trainer, const struct blocks *blocks, int rank)
{
    const struct parameters *parameters = model_parameters(trainer->model);
    TRY(freeze_open(&trainer->frozen, parameters, &trainer->config->train.freeze));
    TRY(ema_open(&trainer->ema, trainer->config->train.ema, blocks, rank));
    return optimizer_open(
            &trainer->optimizer, &trainer->config->optimizer, parameters, blocks, rank, trainer->frozen);
}

static void say_frozen(const struct trainer *trainer)
{
    const struct parameters *parameters = model_parameters(trainer->model);
    size_t floats = 0;
    for (size_t i = 0; trainer->frozen && i < parameters->count; i++)
        floats += trainer->frozen[i] ? parameters->items[i].floats : 0;
    if (trainer->frozen)
        log_line(LOG_INFO, "%zu of %zu parameters are frozen", floats, parameters_count(parameters));
}

static void say_nodes(const struct trainer *trainer)
{
    const struct world *w = world();
    int node_ranks = exchange_blocks(trainer->exchange)->node_ranks;
    if (node_ranks > 1)
        log_line(LOG_INFO, "gradients are added up among the %d ranks of a node before they leave it",
                node_ranks);
    else if (w->even_ranks == 0 && trainer->config->comm.exchange.node_ranks == 0)
        log_line(LOG_INFO, "hosts have different numbers of ranks, or ranks of one do not follow each other: "
                           "gradients are not added up within hosts first");
}

static void say_layout(const struct trainer *trainer)
{
    const struct config *config = trainer->config;
    int ranks = world()->size, slots = (int)config->batch.micro_batches, below, above;
    log_line(LOG_INFO, "%d %s with %d %s%s; %d micro-batches of at most %lld tokens a side an update", ranks,
            ranks == 1 ? "rank" : "ranks", world()->threads, world()->threads == 1 ? "thread" : "threads",
            ranks == 1 ? "" : " each", slots, (long long)config->batch.tokens);
    if (trainer->valid && config->train.ema > 0)
        log_line(LOG_INFO, "train.ema: validation, and so best.h5, is of the averaged weights");
    if (strcmp(config->comm.exchange.reduce->name, "ordered") != 0) {
        log_line(LOG_WARNING, "comm.reduce %s: the result depends on the number of ranks",
                config->comm.exchange.reduce->name);
        return;
    }
    say_nodes(trainer);
    exchange_good_ranks(slots, ranks, &below, &above);
    if (below != ranks && above != ranks)
        log_line(LOG_INFO,
                "%d ranks do not fit %d micro-batches evenly and exchange more; %d or %d would not", ranks,
                slots, below, above);
}

/* Fails at the start, not where the sentence would be reached. */
static enum status check_longest(const struct trainer *trainer, const struct corpus *corpus)
{
    size_t longest = model_longest(trainer->model);
    for (enum side side = SOURCE; corpus && side < SIDES; side++)
        CHECK(corpus_facts(corpus)->longest[side] <= longest, STATUS_CONFIG,
                "%s has a %s sentence of %zu tokens, but the model has %zu positions: raise "
                "model.position_limit, or prepare the corpus with --max-length %zu",
                corpus_path(corpus), side_names[side], corpus_facts(corpus)->longest[side], longest, longest);
    return STATUS_OK;
}

/* data.word_dropout and data.sampling. */
static struct noise_options noise_options(const struct trainer *trainer)
{
    const struct data_options *data = &trainer->config->data;
    return (struct noise_options){.word_dropout = {data->word_dropout[SOURCE], data->word_dropout[TARGET]},
            .sampling = data->sampling,
            .sampling_alpha = data->sampling_alpha,
            .longest = model_longest(trainer->model),
            .seed = (uint64_t)trainer->config->run.seed};
}

enum status trainer_open_reader(struct trainer *trainer, int ranks, int rank)
{
    const struct run_state *state = &trainer->state;
    struct plan_options options = trainer_plan(trainer);
    struct noise_options noise = noise_options(trainer);
    for (size_t i = 0; i < corpora_count(trainer->corpora); i++)
        TRY(check_longest(trainer, corpora_at(trainer->corpora, i)));
    TRY(check_longest(trainer, trainer->valid));
    return reader_open(&trainer->reader, trainer->corpora, &options, &noise,
            exchange_first_slot(options.slots, ranks, rank),
            exchange_first_slot(options.slots, ranks, rank + 1), state->epoch, state->position);
}

/* Rank 0's files of the run directory. */
static enum status open_files(struct trainer *trainer)
{
    if (world()->rank != 0)
        return STATUS_OK;
    char *yaml = NULL;
    TRY(options_write_yaml(&yaml, &config_schema, trainer->config, false));
    enum status status = run_write(trainer->run, "config.yaml", yaml);
    memory_free(yaml);
    TRY(status);
    return run_metrics_open(trainer->run, trainer->state.update, trainer->state.validated);
}

static enum status open_state(struct trainer *trainer)
{
    bool resumed;
    TRY(trainer_resume(trainer, &resumed));
    return resumed ? STATUS_OK : trainer_start(trainer);
}

static enum status open_log(struct trainer *trainer)
{
    return world()->rank == 0 ? log_file(run_file(trainer->run, RUN_LOG)) : STATUS_OK;
}

enum status trainer_open_model(struct trainer *trainer)
{
    TRY(open_corpora(trainer));
    if (trainer->valid)
        trainer->every = trainer->config->validate.every;
    return status_agree(open_model(trainer));
}

/* A disk that is too small is told when there is still time to make room. */
static void foresee_room(struct trainer *trainer, const struct checkpoint_options *options)
{
    struct trainer_record record;
    struct checkpoint_contents contents;
    trainer_record(trainer, &record);
    trainer_contents(trainer, &record, &contents);
    size_t best = trainer->every.value > 0 ? 1 + trainer->config->validate.metrics.count : 0;
    if (world()->rank == 0)
        checkpoint_foresee_room(options, &contents, best);
}

/* What is due to be named is: not by a job that another has taken the place of, or that ends with a rank lost. */
static enum status may_write(void *run)
{
    TRY(watch_check());
    return run_check_now(run);
}

struct checkpoint_options trainer_checkpoints(const struct trainer *trainer)
{
    const struct checkpoint_settings *settings = &trainer->config->checkpoint;
    return (struct checkpoint_options){.folder = run_checkpoints(trainer->run),
            .keep = (int)settings->keep,
            .compression = (int)settings->compression,
            .trusted = !settings->verify,
            .good = trainer->origin,
            .allowed = may_write,
            .context = trainer->run};
}

enum status trainer_open(struct trainer *trainer, const struct config *config)
{
    *trainer = (struct trainer){.config = config, .started = clock_now()};
    TRY(run_open(&trainer->run, config->run.directory));
    TRY(status_agree(open_log(trainer)));
    TRY(watch_folder(run_file(trainer->run, "watch")));
    TRY(trainer_open_model(trainer));
    TRY(exchange_open(&trainer->exchange, &config->comm.exchange, model_parameters(trainer->model)->floats,
            (int)config->batch.micro_batches, 0));
    TRY(status_agree(trainer_open_moments(trainer, exchange_blocks(trainer->exchange), world()->rank)));
    say_frozen(trainer);
    say_layout(trainer);
    TRY(status_agree(open_state(trainer)));
    TRY(status_agree(trainer_open_reader(trainer, world()->size, world()->rank)));
    TRY(status_agree(open_files(trainer)));
    struct checkpoint_options options = trainer_checkpoints(trainer);
    foresee_room(trainer, &options);
    return checkpointer_open(&trainer->checkpointer, &options, exchange_blocks(trainer->exchange));
}

void trainer_close(struct trainer *trainer)
{
    if (trainer->checkpointer)
        (void)checkpointer_close(trainer->checkpointer); /* whoever needed its status has waited for it */
    if (trainer->reader)
        reader_close(trainer->reader);
    optimizer_close(trainer->optimizer);
    if (trainer->exchange)
        exchange_close(trainer->exchange);
    if (trainer->model)
        model_close(trainer->model);
    if (trainer->valid)
        corpus_close(trainer->valid);
    corpora_close(trainer->corpora);
    (void)log_file(NULL);
    if (trainer->run)
        run_close(trainer->run);
    memory_free(trainer->frozen);
    ema_close(&trainer->ema);
    memory_free(trainer->arrays);
    memory_free(trainer->origin);
    memory_free(trainer->state.fingerprint);
    memory_free(trainer->state.validated_on);
    history_release(&trainer->state.history);
    *trainer = (struct trainer){0};
}
