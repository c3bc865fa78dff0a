#include "train/training/validation.h"

#include "comm/clock.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "train/training/stop.h"

#include <math.h>
#include <string.h>

bool validation_due(const struct trainer *trainer)
{
    const struct run_state *state = &trainer->state;
    const struct place place = {state->update, state->epoch, state->position == 0};
    return state->validated < state->update && period_due(trainer->every, place);
}

bool validation_exhausted(const struct trainer *trainer)
{
    const struct validate_options *options = &trainer->config->validate;
    return options->patience > 0 &&
           history_waiting(&trainer->state.history, options->metric, options->min_delta) >= options->patience;
}

void validation_judge(struct trainer *trainer)
{
    struct run_state *state = &trainer->state;
    struct history_best best = history_best(&state->history, trainer->config->validate.metric);
    state->best = best.value;
    state->best_update = best.update;
}

static void add_best(struct best_list *out, const char *name, int64_t update)
{
    if (update > 0)
        out->items[out->count++] = (struct best){name, update};
}

void validation_best(const struct trainer *trainer, struct best_list *out)
{
    out->count = 0;
    add_best(out, "", trainer->state.best_update);
    for (size_t m = 0; m < kind_count(&metric_kinds); m++) {
        const struct kind *metric = kind_at(&metric_kinds, m);
        if (metric_is_listed(&trainer->config->validate.metrics, metric))
            add_best(out, metric->name, history_best(&trainer->state.history, metric).update);
    }
}

/* Whether what was just validated is the best by any metric that has a link. */
static bool is_best(const struct trainer *trainer)
{
    struct best_list list;
    validation_best(trainer, &list);
    size_t i = 0;
    while (i < list.count && list.items[i].update != trainer->state.update)
        i++;
    return i < list.count;
}

void validation_forget_others(struct trainer *trainer)
{
    struct run_state *state = &trainer->state;
    if (!trainer->valid || !state->validated_on)
        return;
    if (strcmp(state->validated_on, corpus_facts(trainer->valid)->fingerprint) == 0)
        return;
    log_line(LOG_WARNING,
            "data.valid %s is another corpus than that of the validations so far: best checkpoint and "
            "patience start anew",
            corpus_path(trainer->valid));
    history_release(&state->history);
    memory_free(state->validated_on);
    state->validated_on = NULL;
}

static enum status find_loss(const struct trainer *trainer, struct validation_report *report)
{
    TRY(validate(&report->sums, trainer->model, trainer->valid, trainer->config->train.label_smoothing));
    for (size_t m = 0; m < metric_kinds.count; m++)
        report->values[m] = ((const struct metric_kind *)kind_at(&metric_kinds, m))->value(&report->sums);
    return STATUS_OK;
}

void validation_translates(const struct validate_options *settings, struct text_validation_options *out)
{
    *out = (struct text_validation_options){
            .text = settings->text, .beam = settings->beam, .samples = (size_t)settings->samples};
    for (size_t m = 0; m < kind_count(&metric_kinds); m++) {
        const struct kind *metric = kind_at(&metric_kinds, m);
        bool asked = metric == settings->metric || metric_is_listed(&settings->metrics, metric);
        if (asked && metric_of_text(metric))
            out->metrics[out->count++] = metric_of_text(metric);
    }
}

static enum status find_text(const struct trainer *trainer, struct validation_report *report)
{
    struct text_validation_options options;
    double values[TEXT_METRICS];
    validation_translates(&trainer->config->validate, &options);
    if (options.count == 0 && options.samples == 0)
        return STATUS_OK;
    TRY(validate_text(values, trainer->model, trainer->valid, &options));
    for (size_t m = 0; m < options.count; m++)
        report->values[metric_number(&options.metrics[m]->kind)] = values[m];
    return STATUS_OK;
}

static enum status find_values(const struct trainer *trainer, struct validation_report *report)
{
    ASSERT(kind_count(&metric_kinds) <= METRICS_LIMIT);
    for (size_t m = 0; m < METRICS_LIMIT; m++)
        report->values[m] = NAN;
    TRY(stop_listen());
    enum status status = find_loss(trainer, report);
    if (status == STATUS_OK)
        status = find_text(trainer, report);
    enum status settled = stop_settle();
    return status == STATUS_OK ? settled : status;
}

static enum status add_to_history(struct trainer *trainer, const struct validation_report *report)
{
    struct run_state *state = &trainer->state;
    if (!state->validated_on)
        TRY(memory_text(&state->validated_on, "trainer", corpus_facts(trainer->valid)->fingerprint));
    return history_add(&state->history, state->update, report->values);
}

static enum status record(struct trainer *trainer, const struct validation_report *report)
{
    const struct validate_options *options = &trainer->config->validate;
    struct run_state *state = &trainer->state;
    TRY(status_agree(add_to_history(trainer, report)));
    state->validated = state->update;
    int64_t waited = history_waiting(&state->history, options->metric, options->min_delta);
    state->cuts += schedule_cuts(&trainer->config->schedule, waited);
    validation_judge(trainer);
    return STATUS_OK;
}

/* Of the averaged weights, where there are any. They may change places: the update before has settled the save under way. */
static enum status validate_model(struct trainer *trainer, struct validation_report *report)
{
    TRY(ema_swap(&trainer->ema, trainer->exchange, model_parameters(trainer->model)->values));
    enum status status = find_values(trainer, report);
    TRY(ema_swap(&trainer->ema, trainer->exchange, model_parameters(trainer->model)->values));
    return status;
}

enum status validation_run(struct trainer *trainer, struct progress *progress, bool *best)
{
    struct validation_report report = {0};
    enum phase before = clock_enter(PHASE_VALIDATE);
    TRY(validate_model(trainer, &report));
    TRY(record(trainer, &report));
    *best = is_best(trainer);
    progress_validation(progress, &report);
    progress_skip(progress);
    clock_enter(before);
    return STATUS_OK;
}
