#include "train/training/history.h"

#include "comm/memory.h"
#include "train/training/validate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void history_release(struct history *history)
{
    memory_free(history->updates.integers);
    for (int m = 0; m < METRICS_LIMIT; m++)
        memory_free(history->values[m].reals);
    *history = (struct history){0};
}

size_t history_fields(struct history *history, struct field *out, char (*names)[H5_NAME_LIMIT])
{
    size_t count = kind_count(&metric_kinds);
    out[0] = (struct field){
            "/state/history/update", FIELD_INTEGERS, &history->updates, "update of each validation"};
    for (size_t m = 0; m < count; m++) {
        snprintf(names[m], sizeof names[m], "/state/history/%s", kind_at(&metric_kinds, m)->name);
        out[1 + m] = (struct field){names[m], FIELD_REALS, &history->values[m], "at each validation"};
    }
    return 1 + count;
}

/* One more value; those that are missing before it are NaN. */
static enum status add_value(struct field_row *row, size_t number, double value)
{
    if (row->count == 0 && isnan(value))
        return STATUS_OK;
    TRY(memory_resize(&row->reals, "history", number + 1, sizeof *row->reals));
    for (size_t i = row->count; i < number; i++)
        row->reals[i] = NAN;
    row->reals[number] = value;
    row->count = number + 1;
    return STATUS_OK;
}

enum status history_add(struct history *history, int64_t update, const double *values)
{
    struct field_row *updates = &history->updates;
    TRY(memory_resize(&updates->integers, "history", updates->count + 1, sizeof *updates->integers));
    for (int m = 0; m < METRICS_LIMIT; m++)
        TRY(add_value(&history->values[m], updates->count, values[m]));
    updates->integers[updates->count++] = update;
    return STATUS_OK;
}

enum status history_check(const struct history *history, const char *path)
{
    size_t count = history->updates.count;
    for (size_t i = 1; i < count; i++)
        CHECK(history->updates.integers[i] > history->updates.integers[i - 1], STATUS_DATA,
                "%s: expected rising updates in the history of validations, found %lld after %lld", path,
                (long long)history->updates.integers[i], (long long)history->updates.integers[i - 1]);
    for (int m = 0; m < METRICS_LIMIT; m++)
        CHECK(history->values[m].count == 0 || history->values[m].count == count, STATUS_DATA,
                "%s: expected %zu values of %s in the history of validations, found %zu", path, count,
                kind_at(&metric_kinds, (size_t)m)->name, history->values[m].count);
    return STATUS_OK;
}

static const struct field_row *values_of(const struct history *history, const struct kind *metric)
{
    return &history->values[metric_number(metric)];
}

struct history_best history_best(const struct history *history, const struct kind *metric)
{
    const struct field_row *values = values_of(history, metric);
    struct history_best best = {0};
    for (size_t i = 0; i < values->count; i++) {
        double value = values->reals[i];
        if (!isnan(value) && (best.update == 0 || metric_better(metric, value, best.value, 0)))
            best = (struct history_best){history->updates.integers[i], value};
    }
    return best;
}

int64_t history_waiting(const struct history *history, const struct kind *metric, double min_delta)
{
    const struct field_row *values = values_of(history, metric);
    double best = NAN;
    int64_t waiting = 0;
    for (size_t i = 0; i < values->count; i++) {
        double value = values->reals[i];
        if (isnan(value))
            continue;
        bool better = isnan(best) || metric_better(metric, value, best, min_delta);
        best = better ? value : best;
        waiting = better ? 0 : waiting + 1;
    }
    return waiting;
}
