#include "train/info/info.h"

#include "comm/memory.h"
#include "train/inference/weights.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void add_file(struct info *info, const char *kind, const char *path)
{
    struct stat found;
    cJSON_AddStringToObject(info->facts, "kind", kind);
    cJSON_AddStringToObject(info->facts, "file", path);
    if (stat(path, &found) == 0)
        cJSON_AddNumberToObject(info->facts, "bytes", (double)found.st_size);
}

static enum status verify_file(struct info *info, const char *path, enum h5_kind kind)
{
    char *item = (char *)path;
    return info->settings->verify ? info_verify(info, &(struct text_list){&item, 1}, kind) : STATUS_OK;
}

/* ---- checkpoints ---- */

/* A single value under the last part of its name; other arrays, and what is told already, are passed over. */
static enum status add_value(cJSON *facts, struct h5_file *file, const char *name)
{
    struct h5_array array;
    const char *key = strrchr(name, '/') + 1;
    int64_t integer;
    double real;
    if (!h5_find(file, name, &array) || array.rank != 0 || cJSON_HasObjectItem(facts, key))
        return STATUS_OK;
    if (array.type == H5_INT64) {
        TRY(h5_get_int(file, name, &integer));
        cJSON_AddNumberToObject(facts, key, (double)integer);
    } else if (array.type == H5_FLOAT64) {
        TRY(h5_get_real(file, name, &real));
        cJSON_AddNumberToObject(facts, key, real);
    }
    return STATUS_OK;
}

/* The state; update and epoch go first. */
static enum status add_state(cJSON *facts, struct h5_file *file)
{
    struct h5_array array;
    TRY(add_value(facts, file, "/state/update"));
    TRY(add_value(facts, file, "/state/epoch"));
    for (size_t i = 0; h5_list(file, i, &array); i++)
        if (strncmp(array.name, "/state/", strlen("/state/")) == 0)
            TRY(add_value(facts, file, array.name));
    return STATUS_OK;
}

static enum status add_text(cJSON *facts, const char *key, struct h5_file *file, const char *name)
{
    char *text = NULL;
    if (!h5_has(file, name))
        return STATUS_OK;
    TRY(h5_get_text(file, name, &text));
    cJSON_AddStringToObject(facts, key, text);
    memory_free(text);
    return STATUS_OK;
}

static enum status add_parameters(cJSON *facts, struct checkpoint *checkpoint)
{
    uint32_t crc;
    size_t parameters;
    char hex[16];
    TRY(checkpoint_parameters_crc32(checkpoint, &crc, &parameters));
    snprintf(hex, sizeof hex, "%08x", crc);
    cJSON_AddNumberToObject(facts, "parameters", (double)parameters);
    cJSON_AddStringToObject(facts, "parameters_crc32", hex);
    cJSON_AddBoolToObject(facts, "ema", checkpoint_has_group(checkpoint, WEIGHTS_EMA));
    return STATUS_OK;
}

static enum status add_vocabularies(cJSON *facts, const struct checkpoint *checkpoint)
{
    for (enum side side = SOURCE; side < SIDES; side++) {
        size_t bytes;
        bool joint;
        const void *model = checkpoint_vocabulary(checkpoint, side, &bytes, &joint);
        if (side == SOURCE)
            cJSON_AddBoolToObject(facts, "joint_vocabulary", joint);
        cJSON *object = cJSON_AddObjectToObject(facts, side_names[side]);
        TRY(info_add_vocabulary(object, model, bytes, checkpoint_path(checkpoint)));
    }
    return STATUS_OK;
}

static enum status load_history(struct info *info, struct checkpoint *checkpoint)
{
    struct field fields[HISTORY_FIELDS];
    char names[HISTORY_FIELDS][H5_NAME_LIMIT];
    size_t count = history_fields(&info->history, fields, names);
    TRY(checkpoint_load(checkpoint, NULL, NULL, 0, NULL, 0, fields, count));
    return history_check(&info->history, checkpoint_path(checkpoint));
}

enum status info_add_checkpoint(struct info *info, struct checkpoint *checkpoint)
{
    struct h5_file *file = checkpoint_file(checkpoint);
    TRY(add_state(info->facts, file));
    TRY(add_parameters(info->facts, checkpoint));
    TRY(add_text(info->facts, "fingerprint", file, "/corpus/fingerprint"));
    TRY(add_text(info->facts, "version", file, "/code/version"));
    TRY(add_vocabularies(info->facts, checkpoint));
    TRY(load_history(info, checkpoint));
    info_read_settings(info, checkpoint_config(checkpoint), checkpoint_path(checkpoint));
    return STATUS_OK;
}

enum status info_checkpoint(struct info *info, const char *path)
{
    struct checkpoint *checkpoint;
    add_file(info, "checkpoint", path);
    TRY(checkpoint_open(&checkpoint, path));
    enum status status = info_add_checkpoint(info, checkpoint);
    checkpoint_close(checkpoint);
    TRY(status);
    info_add_validations(info);
    TRY(info_add_settings(info));
    return verify_file(info, path, H5_CHECKPOINT);
}

/* ---- corpora ---- */

static void count_reasons(cJSON *out, const char *reasons, const struct h5_array *array)
{
    for (size_t i = 0; i < array->shape[0]; i++) {
        char reason[256];
        snprintf(reason, sizeof reason, "%.*s", (int)array->text_bytes, reasons + i * array->text_bytes);
        cJSON *count = cJSON_GetObjectItemCaseSensitive(out, reason);
        if (count)
            cJSON_SetNumberValue(count, count->valuedouble + 1);
        else
            cJSON_AddNumberToObject(out, reason, 1);
    }
}

static void list_lines(cJSON *out, const int64_t *lines, const char *reasons, const struct h5_array *array)
{
    for (size_t i = 0; i < array->shape[0]; i++) {
        char text[320];
        snprintf(text, sizeof text, "line %lld: %.*s", (long long)lines[i], (int)array->text_bytes,
                reasons + i * array->text_bytes);
        cJSON_AddItemToArray(out, cJSON_CreateString(text));
    }
}

static enum status add_skipped(struct info *info, struct h5_file *file)
{
    struct h5_array array, numbers;
    char *reasons = NULL;
    int64_t *lines = NULL;
    TRY(h5_get(file, "/skipped/reason", H5_TEXT, 1, &reasons, &array));
    cJSON_AddNumberToObject(info->facts, "skipped", (double)array.shape[0]);
    if (array.shape[0])
        count_reasons(cJSON_AddObjectToObject(info->facts, "skipped_because"), reasons, &array);
    enum status status = STATUS_OK;
    if (info->settings->skipped)
        status = h5_get(file, "/skipped/line", H5_INT64, 1, &lines, &numbers);
    if (lines && numbers.shape[0] != array.shape[0])
        status = status_fail(STATUS_DATA, "%s: expected a reason for each line left out, found %zu for %zu",
                h5_path(file), (size_t)array.shape[0], (size_t)numbers.shape[0]);
    else if (lines)
        list_lines(cJSON_AddArrayToObject(info->facts, "skipped_lines"), lines, reasons, &array);
    memory_free(lines);
    memory_free(reasons);
    return status;
}

static enum status describe_corpus(cJSON *facts, const struct corpus *corpus)
{
    const struct corpus_facts *known = corpus_facts(corpus);
    cJSON_AddNumberToObject(facts, "pairs", (double)known->pairs);
    cJSON_AddBoolToObject(facts, "text", known->has_text);
    if (known->aligned)
        cJSON_AddNumberToObject(facts, "points", (double)known->points);
    cJSON_AddStringToObject(facts, "fingerprint", known->fingerprint);
    cJSON_AddBoolToObject(facts, "joint_vocabulary", known->joint);
    for (enum side side = SOURCE; side < SIDES; side++) {
        size_t bytes;
        const void *model = corpus_vocabulary(corpus, side, &bytes);
        cJSON *object = cJSON_AddObjectToObject(facts, side_names[side]);
        cJSON_AddNumberToObject(object, "tokens", (double)known->tokens[side]);
        cJSON_AddNumberToObject(object, "longest", (double)known->longest[side]);
        TRY(info_add_vocabulary(object, model, bytes, corpus_path(corpus)));
    }
    return STATUS_OK;
}

enum status info_corpus(struct info *info, const char *path)
{
    struct corpus *corpus;
    struct h5_file *file;
    add_file(info, "corpus", path);
    TRY(corpus_open(&corpus, path));
    enum status status = describe_corpus(info->facts, corpus);
    corpus_close(corpus);
    TRY(status);
    TRY(h5_open(&file, path, H5_CORPUS, false));
    status = add_skipped(info, file);
    h5_close(file);
    TRY(status);
    return verify_file(info, path, H5_CORPUS);
}

/* ---- attention weights ---- */

static enum status describe_attention(struct info *info, struct h5_file *file)
{
    struct h5_array offsets;
    CHECK(h5_find(file, "/attention/offsets", &offsets) && offsets.rank == 1 && offsets.shape[0] > 0,
            STATUS_DATA, "%s: expected /attention/offsets, a value for each sentence and one more",
            h5_path(file));
    cJSON_AddNumberToObject(info->facts, "sentences", (double)(offsets.shape[0] - 1));
    TRY(add_value(info->facts, file, "/attention/layers"));
    TRY(add_value(info->facts, file, "/attention/heads"));
    TRY(add_value(info->facts, file, "/attention/height"));
    return add_value(info->facts, file, "/attention/width");
}

enum status info_attention(struct info *info, const char *path)
{
    struct h5_file *file;
    add_file(info, "attention", path);
    TRY(h5_open(&file, path, H5_ATTENTION, false));
    enum status status = describe_attention(info, file);
    h5_close(file);
    TRY(status);
    return verify_file(info, path, H5_ATTENTION);
}

/* ---- verifying ---- */

/* Reads and unpacks all of an array. */
static enum status unpack(struct h5_file *file, const struct h5_array *array, double *bytes)
{
    struct h5_reader *reader;
    void *chunk = NULL;
    TRY(h5_reader_open(&reader, file, array->name, array->type, array->rank));
    enum status status = memory_new(&chunk, "info", h5_chunk_bytes(array), 1);
    for (size_t i = 0; i < h5_chunk_count(array) && status == STATUS_OK; i++)
        status = h5_read_chunk(reader, i, chunk);
    *bytes += (double)h5_chunk_count(array) * (double)h5_chunk_bytes(array);
    memory_free(chunk);
    h5_reader_close(reader);
    return status;
}

static enum status unpack_all(const char *path, enum h5_kind kind, size_t *count, double *bytes)
{
    struct h5_file *file;
    struct h5_array array;
    TRY(h5_open(&file, path, kind, false));
    enum status status = STATUS_OK;
    for (size_t i = 0; h5_list(file, i, &array) && status == STATUS_OK; i++, ++*count)
        status = unpack(file, &array, bytes);
    h5_close(file);
    return status;
}

enum status info_verify(struct info *info, const struct text_list *paths, enum h5_kind kind)
{
    double bytes = 0;
    size_t count = 0;
    for (size_t i = 0; i < paths->count; i++)
        TRY(unpack_all(paths->items[i], kind, &count, &bytes));
    cJSON_AddNumberToObject(info->facts, "verified_arrays", (double)count);
    cJSON_AddNumberToObject(info->facts, "verified_bytes", bytes);
    return STATUS_OK;
}
