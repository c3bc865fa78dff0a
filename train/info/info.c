#include "train/info/info.h"

#include "comm/log.h"
#include "comm/memory.h"
#include "io/vocabulary.h"
#include "io/vocabulary_model.h"
#include "train/training/validate.h"

#include <math.h>
#include <string.h>

enum status points_add(struct points *points, int64_t update, double value)
{
    size_t count = points->count + 1;
    TRY(memory_grow(&points->updates, "info", &points->updates_room, count, sizeof *points->updates));
    TRY(memory_grow(&points->values, "info", &points->values_room, count, sizeof *points->values));
    points->updates[points->count] = update;
    points->values[points->count] = value;
    points->count = count;
    return STATUS_OK;
}

void points_release(struct points *points)
{
    memory_free(points->updates);
    memory_free(points->values);
    *points = (struct points){0};
}

enum status points_of_history(struct points *out, const struct history *history, const struct kind *metric)
{
    const struct field_row *values = &history->values[metric_number(metric)];
    for (size_t i = 0; i < values->count; i++)
        if (isfinite(values->reals[i]))
            TRY(points_add(out, history->updates.integers[i], values->reals[i]));
    return STATUS_OK;
}

enum status info_open(struct info *out, const struct info_settings *settings)
{
    *out = (struct info){.settings = settings};
    TRY(options_defaults(&config_schema, &out->config));
    out->facts = cJSON_CreateObject();
    if (!out->facts) {
        info_close(out);
        return status_fail(STATUS_INTERNAL, "out of memory: facts");
    }
    return STATUS_OK;
}

void info_close(struct info *info)
{
    cJSON_Delete(info->facts);
    options_release(&config_schema, &info->config);
    history_release(&info->history);
    points_release(&info->losses);
    points_release(&info->rates);
    points_release(&info->speeds);
}

/* ---- parts of several kinds of files ---- */

enum status info_add_vocabulary(cJSON *facts, const void *model, size_t bytes, const char *where)
{
    const struct kind *kind;
    struct model_piece *pieces;
    size_t count;
    struct source_form form;
    if (source_read_form(&form, model, bytes)) {
        char text[SOURCE_FORM_BYTES];
        source_describe(&form, text);
        cJSON_AddStringToObject(facts, "form", text);
        return STATUS_OK;
    }
    TRY(vocabulary_model_read(model, bytes, where, &kind, &pieces, &count));
    memory_free(pieces);
    cJSON_AddNumberToObject(facts, "vocabulary", (double)(count + VOCABULARY_EXTRA));
    cJSON_AddStringToObject(facts, "vocabulary_kind", kind->name);
    return STATUS_OK;
}

/* ---- validations ---- */

static cJSON *validation(const struct history *history, size_t i)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "update", (double)history->updates.integers[i]);
    for (size_t m = 0; m < kind_count(&metric_kinds); m++) {
        const struct field_row *values = &history->values[m];
        if (i < values->count && isfinite(values->reals[i]))
            cJSON_AddNumberToObject(object, kind_at(&metric_kinds, m)->name, values->reals[i]);
    }
    return object;
}

void info_add_validations(struct info *info)
{
    const struct history *history = &info->history;
    if (history->updates.count == 0)
        return;
    const struct kind *metric = info->config.validate.metric;
    struct history_best best = history_best(history, metric);
    if (info->configured && best.update > 0) {
        cJSON *object = cJSON_AddObjectToObject(info->facts, "best");
        cJSON_AddStringToObject(object, "metric", metric->name);
        cJSON_AddNumberToObject(object, "value", best.value);
        cJSON_AddNumberToObject(object, "update", (double)best.update);
    }
    cJSON *array = cJSON_AddArrayToObject(info->facts, "validations");
    for (size_t i = 0; i < history->updates.count; i++)
        cJSON_AddItemToArray(array, validation(history, i));
}

/* ---- settings ---- */

void info_read_settings(struct info *info, const char *yaml, const char *where)
{
    enum status status = yaml ? options_parse_yaml(&config_schema, &info->config, yaml, strlen(yaml), where)
                              : options_read_yaml(&config_schema, &info->config, where);
    info->configured = status == STATUS_OK;
    if (!info->configured)
        log_line(LOG_WARNING, "the settings are not told: %s", status_message());
}

struct told {
    cJSON *settings, *defaults; /* NULL: not told */
};

static enum status tell_setting(
        void *context, const struct option *option, const char *value, bool is_default)
{
    const struct told *told = context;
    cJSON *object = is_default ? told->defaults : told->settings;
    if (object)
        cJSON_AddItemToObject(
                object, option->name, value[0] ? cJSON_CreateString(value) : cJSON_CreateNull());
    return STATUS_OK;
}

enum status info_add_settings(struct info *info)
{
    if (!info->configured)
        return STATUS_OK;
    struct told told = {cJSON_AddObjectToObject(info->facts, "settings"), NULL};
    if (info->settings->all)
        told.defaults = cJSON_AddObjectToObject(info->facts, "defaults");
    return options_visit(&config_schema, &info->config, tell_setting, &told);
}
