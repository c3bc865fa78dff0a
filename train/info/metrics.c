#include "train/info/info.h"

#include "comm/log.h"
#include "comm/memory.h"
#include "io/run.h"
#include "train/training/validate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct figures {
    int64_t updates, last;
    double tokens, seconds;
};

/* NaN if it is not there. */
static double number_of(const cJSON *line, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(line, key);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

static enum status add_update(struct info *info, struct figures *figures, const cJSON *line, int64_t update)
{
    double tokens = number_of(line, "tokens"), speed = number_of(line, "tokens_per_second");
    figures->updates++;
    if (speed > 0 && tokens > 0) {
        figures->tokens += tokens;
        figures->seconds += tokens / speed;
    }
    TRY(points_add(&info->rates, update, number_of(line, "learning_rate")));
    TRY(points_add(&info->speeds, update, speed));
    return points_add(&info->losses, update, number_of(line, "loss"));
}

/* One that the checkpoint's history does not have yet. */
static enum status add_validation(struct info *info, const cJSON *line, int64_t update)
{
    const struct field_row *known = &info->history.updates;
    double values[METRICS_LIMIT];
    if (known->count > 0 && known->integers[known->count - 1] >= update)
        return STATUS_OK;
    for (size_t m = 0; m < METRICS_LIMIT; m++) {
        char key[64] = "";
        if (m < kind_count(&metric_kinds))
            snprintf(key, sizeof key, "valid_%s", kind_at(&metric_kinds, m)->name);
        values[m] = number_of(line, key);
    }
    return history_add(&info->history, update, values);
}

static enum status add_line(struct info *info, struct figures *figures, const cJSON *line, bool *known)
{
    double update = number_of(line, "update");
    *known = update >= 0 && update < 9e15;
    if (!*known)
        return STATUS_OK;
    figures->last = (int64_t)update;
    return cJSON_HasObjectItem(line, "valid_loss") ? add_validation(info, line, (int64_t)update)
                                                   : add_update(info, figures, line, (int64_t)update);
}

static enum status read_lines(struct info *info, struct figures *figures, FILE *file, size_t *unknown)
{
    char *text = NULL;
    size_t bytes;
    TRY(memory_new(&text, "info", RUN_METRICS_LINE, 1));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && run_metrics_next(file, text, &bytes)) {
        bool known;
        cJSON *line = cJSON_ParseWithLength(text, bytes);
        status = add_line(info, figures, line, &known);
        *unknown += !known;
        cJSON_Delete(line);
    }
    memory_free(text);
    return status;
}

static void add_figures(struct info *info, const struct figures *figures)
{
    const struct points *losses = &info->losses;
    if (figures->updates == 0)
        return;
    cJSON *object = cJSON_AddObjectToObject(info->facts, "training");
    cJSON_AddNumberToObject(object, "updates", (double)figures->updates);
    cJSON_AddNumberToObject(object, "tokens", figures->tokens);
    cJSON_AddNumberToObject(object, "seconds", figures->seconds);
    if (figures->seconds > 0)
        cJSON_AddNumberToObject(object, "tokens_per_second", figures->tokens / figures->seconds);
    if (isfinite(losses->values[losses->count - 1]))
        cJSON_AddNumberToObject(object, "loss", losses->values[losses->count - 1]);
}

enum status info_add_metrics(struct info *info, const char *path, int64_t *last)
{
    struct figures figures = {0};
    size_t unknown = 0;
    *last = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? STATUS_OK : status_fail_errno("read", path);
    enum status status = read_lines(info, &figures, file, &unknown);
    if (status == STATUS_OK && ferror(file))
        status = status_fail_errno("read", path);
    fclose(file);
    if (unknown > 0)
        log_line(LOG_WARNING, "%s: %zu lines are passed over: expected a JSON object with an update", path,
                unknown);
    TRY(status);
    add_figures(info, &figures);
    *last = figures.last;
    return STATUS_OK;
}
