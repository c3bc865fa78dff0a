#include "train/validation.h"

#include "comm/clock.h"
#include "comm/world.h"

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

/* Whether validate.metrics names `metric`. */
static bool is_listed(const struct trainer *trainer, const struct kind *metric)
{
    const struct text_list *list = &trainer->config->validate.metrics;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], metric->name) == 0)
            return true;
    return false;
}

void validation_best_names(const struct trainer *trainer, struct best_names *out)
{
    const struct run_state *state = &trainer->state;
    out->count = 0;
    if (state->update == 0)
        return;
    if (state->best_update == state->update)
        out->items[out->count++] = "";
    for (size_t m = 0; m < kind_count(&metric_kinds); m++) {
        const struct kind *metric = kind_at(&metric_kinds, m);
        if (is_listed(trainer, metric) && history_best(&state->history, metric).update == state->update)
            out->items[out->count++] = metric->name;
    }
}

static void find_values(struct validation_report *report)
{
    for (size_t m = 0; m < METRICS_LIMIT; m++)
        report->values[m] = NAN;
    for (size_t m = 0; m < metric_kinds.count; m++)
        report->values[m] = ((const struct metric_kind *)kind_at(&metric_kinds, m))->value(&report->sums);
}

static enum status record(struct trainer *trainer, const struct validation_report *report)
{
    struct run_state *state = &trainer->state;
    TRY(status_agree(history_add(&state->history, state->update, report->values)));
    state->validated = state->update;
    validation_judge(trainer);
    return STATUS_OK;
}

/* Of the averaged weights, where there are any. */
static enum status validate_model(struct trainer *trainer, struct validation_report *report)
{
    float *values = model_parameters(trainer->model)->values;
    TRY(ema_swap(&trainer->ema, trainer->exchange, values));
    enum status status =
            validate(&report->sums, trainer->model, trainer->valid, trainer->config->train.label_smoothing);
    TRY(ema_swap(&trainer->ema, trainer->exchange, values));
    return status;
}

enum status validation_run(struct trainer *trainer, struct progress *progress, bool *best)
{
    struct validation_report report = {0};
    struct best_names names;
    enum phase before = clock_enter(PHASE_VALIDATE);
    TRY(validate_model(trainer, &report));
    find_values(&report);
    TRY(record(trainer, &report));
    validation_best_names(trainer, &names);
    *best = names.count > 0;
    progress_validation(progress, &report);
    progress_skip(progress);
    clock_enter(before);
    return STATUS_OK;
}
