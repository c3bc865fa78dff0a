#include "train/info/info.h"

#include "comm/memory.h"
#include "io/durable.h"
#include "io/run.h"
#include "io/run_lock.h"
#include "train/training/loop.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What was found of a run. */
struct parts {
    const char *run;                     /* its folder */
    const struct text_list *checkpoints; /* paths, oldest first */
    bool saved;                          /* one of them verifies: info->facts have its state */
    bool configured; /* config.yaml could be read; else info->config has what shapes the result */
};

static int64_t integer_of(const struct info *info, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(info->facts, key);
    return item ? (int64_t)item->valuedouble : 0;
}

/* ---- checkpoints ---- */

/* The names of the links in the run directory to `file`, a name in checkpoints/. */
static void add_links(cJSON *out, const char *run, const char *file)
{
    struct dirent **entries;
    int count = scandir(run, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char link[PATH_MAX], target[PATH_MAX];
        ssize_t length = -1;
        if (path_join(link, run, entries[i]->d_name) == STATUS_OK)
            length = readlink(link, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        const char *slash = strrchr(target, '/');
        if (slash && strcmp(slash + 1, file) == 0)
            cJSON_AddItemToArray(out, cJSON_CreateString(entries[i]->d_name));
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void list_checkpoint(cJSON *array, const char *run, const char *path)
{
    struct stat found;
    int64_t update = 0;
    const char *file = strrchr(path, '/') + 1;
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToArray(array, object);
    (void)checkpoint_update(path, &update);
    cJSON_AddNumberToObject(object, "update", (double)update);
    if (stat(path, &found) == 0)
        cJSON_AddNumberToObject(object, "bytes", (double)found.st_size);
    cJSON_AddStringToObject(object, "file", file);
    add_links(cJSON_AddArrayToObject(object, "links"), run, file);
}

static void list_checkpoints(struct info *info, const struct parts *parts)
{
    cJSON *array = cJSON_AddArrayToObject(info->facts, "checkpoints");
    for (size_t i = 0; i < parts->checkpoints->count; i++)
        list_checkpoint(array, parts->run, parts->checkpoints->items[i]);
}

/* ---- whether it runs, and why not ---- */

/* The last line of log.txt: what ended a run that stopped. */
static void add_last_words(struct info *info, const char *run)
{
    enum { TAIL = 8192 }; /* more than the longest line */
    char path[PATH_MAX], text[TAIL + 1];
    FILE *file = path_join(path, run, RUN_LOG) == STATUS_OK ? fopen(path, "re") : NULL;
    if (!file)
        return;
    if (fseek(file, -TAIL, SEEK_END) != 0)
        rewind(file);
    size_t length = fread(text, 1, TAIL, file);
    fclose(file);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    text[length] = '\0';
    const char *last = strrchr(text, '\n');
    if (length > 0)
        cJSON_AddStringToObject(info->facts, "last_log_line", last ? last + 1 : text);
}

static void add_holder(struct info *info, const struct run_holder *holder)
{
    if (holder->host[0] == '\0')
        return;
    cJSON *object = cJSON_AddObjectToObject(info->facts, "held_by");
    cJSON_AddStringToObject(object, "host", holder->host);
    cJSON_AddNumberToObject(object, "process", (double)holder->pid);
    cJSON_AddStringToObject(object, "job", holder->job);
    cJSON_AddStringToObject(object, "since", holder->since);
}

/* The setting that the newest checkpoint has reached, so that nothing is left to do; NULL: none. */
static const char *completed_by(const struct info *info)
{
    const struct config *config = &info->config;
    struct trainer trainer = {.config = config,
            .state = {.update = integer_of(info, "update"),
                    .epoch = integer_of(info, "epoch"),
                    .position = integer_of(info, "update_in_epoch"),
                    .validated = integer_of(info, "validated_update"),
                    .history = info->history}};
    if (config->data.valid)
        trainer.every = config->validate.every;
    return loop_completed_by(&trainer);
}

static void set_state(struct info *info, const char *state, const char *reason)
{
    cJSON_ReplaceItemInObjectCaseSensitive(info->facts, "state", cJSON_CreateString(state));
    cJSON_ReplaceItemInObjectCaseSensitive(info->facts, "reason", cJSON_CreateString(reason));
}

static const char *stopped_because(const struct parts *parts)
{
    if (!parts->saved)
        return "no checkpoint yet";
    return parts->configured ? "something is left to do: the same command goes on"
                             : "no config.yaml tells when it is complete";
}

static void tell_state(struct info *info, const struct parts *parts)
{
    struct run_holder holder;
    char words[256];
    const char *setting = parts->saved && parts->configured ? completed_by(info) : NULL;
    if (run_lock_is_held(parts->run, &holder)) {
        run_holder_words(&holder, words, sizeof words);
        set_state(info, "running", words);
        add_holder(info, &holder);
    } else if (setting) {
        snprintf(words, sizeof words, "%s is reached", setting);
        set_state(info, "complete", words);
    } else
        set_state(info, "stopped", stopped_because(parts));
}

/* ---- the run ---- */

static enum status check_run(const struct parts *parts)
{
    char path[PATH_MAX];
    TRY(path_join(path, parts->run, "config.yaml"));
    CHECK(parts->checkpoints->count > 0 || access(path, F_OK) == 0, STATUS_MISSING,
            "%s: expected a run directory, found neither checkpoints nor config.yaml in it", parts->run);
    return STATUS_OK;
}

/* The newest checkpoint that verifies. */
static enum status add_newest(struct info *info, struct parts *parts)
{
    char folder[PATH_MAX];
    struct checkpoint *checkpoint;
    TRY(path_join(folder, parts->run, "checkpoints"));
    TRY(checkpoint_find(&checkpoint, folder, false));
    parts->saved = checkpoint;
    if (!checkpoint) {
        cJSON_AddNumberToObject(info->facts, "update", 0);
        cJSON_AddNumberToObject(info->facts, "epoch", 0);
        return STATUS_OK;
    }
    cJSON_AddStringToObject(info->facts, "checkpoint", checkpoint_path(checkpoint));
    enum status status = info_add_checkpoint(info, checkpoint);
    checkpoint_close(checkpoint);
    return status;
}

/* All settings are in config.yaml; a checkpoint has those that shape the result, for a run that was copied without. */
static enum status read_settings(struct info *info, struct parts *parts)
{
    char path[PATH_MAX];
    TRY(path_join(path, parts->run, "config.yaml"));
    if (access(path, F_OK) != 0)
        return STATUS_OK;
    options_release(&config_schema, &info->config);
    TRY(options_defaults(&config_schema, &info->config));
    info_read_settings(info, NULL, path);
    parts->configured = info->configured;
    return STATUS_OK;
}

static enum status add_metrics(struct info *info, const char *run)
{
    char path[PATH_MAX];
    int64_t last, update = integer_of(info, "update");
    TRY(path_join(path, run, "metrics.jsonl"));
    TRY(info_add_metrics(info, path, &last));
    cJSON_AddNumberToObject(
            info->facts, "updates_since_checkpoint", last > update ? (double)(last - update) : 0);
    return STATUS_OK;
}

static enum status describe(struct info *info, struct parts *parts)
{
    cJSON_AddStringToObject(info->facts, "kind", "run");
    cJSON_AddStringToObject(info->facts, "directory", parts->run);
    cJSON_AddStringToObject(info->facts, "state", ""); /* told when it is known, but here */
    cJSON_AddStringToObject(info->facts, "reason", "");
    add_last_words(info, parts->run);
    TRY(add_newest(info, parts));
    TRY(read_settings(info, parts));
    tell_state(info, parts);
    TRY(add_metrics(info, parts->run));
    list_checkpoints(info, parts);
    info_add_validations(info);
    TRY(info_add_settings(info));
    return info->settings->verify ? info_verify(info, parts->checkpoints, H5_CHECKPOINT) : STATUS_OK;
}

enum status info_run(struct info *info, const char *path)
{
    struct text_list checkpoints = {0};
    struct parts parts = {.run = path, .checkpoints = &checkpoints};
    enum status status = checkpoint_list(&checkpoints, path);
    if (status == STATUS_OK)
        status = check_run(&parts);
    if (status == STATUS_OK)
        status = describe(info, &parts);
    text_list_release(&checkpoints);
    return status;
}
