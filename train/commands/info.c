/*
 * seqtrain info: what a corpus, a checkpoint or a run directory holds; alone, all kinds there are to choose from.
 *
 * The facts are gathered as one JSON object; --json prints it, otherwise it is printed as aligned lines.
 */
#include "comm/memory.h"
#include "io/checkpoint.h"
#include "train/command.h"
#include "train/weights.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct settings {
    bool verify, json, skipped;
};

static const struct option rows[] = {
        {"verify", OPTION_BOOL, offsetof(struct settings, verify), .value = "false",
                .help = "unpack every array too; header and digest are always verified"},
        {"json", OPTION_BOOL, offsetof(struct settings, json), .value = "false",
                .help = "print one JSON object"},
        {"skipped", OPTION_BOOL, offsetof(struct settings, skipped), .value = "false",
                .help = "list each line that prepare left out of a corpus, and why"},
};

static const struct option_group group = OPTION_GROUP("info", "what is told", rows);
static const struct option_place places[] = {{&group, 0}};
static const struct schema schema = {places, sizeof places / sizeof *places};

/* ---- printing ---- */

static void print_value(FILE *out, const cJSON *value)
{
    if (cJSON_IsBool(value))
        fputs(cJSON_IsTrue(value) ? "yes" : "no", out);
    else if (cJSON_IsString(value))
        fputs(value->valuestring, out);
    else if (value->valuedouble == floor(value->valuedouble) && fabs(value->valuedouble) < 1e15)
        fprintf(out, "%.0f", value->valuedouble);
    else
        fprintf(out, "%g", value->valuedouble);
}

static bool has_lines(const cJSON *value)
{
    return cJSON_IsString(value) && strchr(value->valuestring, '\n');
}

static void print_lines(FILE *out, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        fprintf(out, "    %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

/* One name and value a line, values aligned; what is nested, and texts of several lines, below and indented. */
static void print_object(FILE *out, const cJSON *object, int indent)
{
    int width = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        int length = item->string ? (int)strlen(item->string) : 0;
        width = length > width ? length : width;
    }
    cJSON_ArrayForEach(item, object)
    {
        bool nested = cJSON_IsObject(item) || cJSON_IsArray(item);
        bool below = nested || has_lines(item);
        fprintf(out, "%*s%-*s%s", indent, "", below ? 0 : width, item->string ? item->string : "",
                below ? "" : "  ");
        if (!below)
            print_value(out, item);
        fputc('\n', out);
        if (nested)
            print_object(out, item, indent + 4);
        else if (below)
            print_lines(out, item->valuestring);
    }
}

static enum status print_facts(const cJSON *facts, bool json)
{
    if (!json) {
        print_object(stdout, facts, 0);
        return STATUS_OK;
    }
    char *text = cJSON_PrintUnformatted(facts);
    CHECK(text, STATUS_INTERNAL, "out of memory: facts as JSON");
    puts(text);
    cJSON_free(text);
    return STATUS_OK;
}

/* ---- checkpoints ---- */

/* Every single value of group `group`, under its name. */
static enum status add_values(cJSON *facts, struct h5_file *file, const char *group_name)
{
    struct h5_array array;
    size_t length = strlen(group_name);
    for (size_t i = 0; h5_list(file, i, &array); i++) {
        const char *name = array.name + length;
        int64_t integer;
        double real;
        char *text = NULL;
        if (strncmp(array.name, group_name, length) != 0 || array.rank != 0)
            continue;
        if (array.type == H5_INT64) {
            TRY(h5_get_int(file, array.name, &integer));
            cJSON_AddNumberToObject(facts, name, (double)integer);
        } else if (array.type == H5_FLOAT64) {
            TRY(h5_get_real(file, array.name, &real));
            cJSON_AddNumberToObject(facts, name, real);
        } else if (array.type == H5_TEXT) {
            TRY(h5_get_text(file, array.name, &text));
            cJSON_AddStringToObject(facts, name, text);
            memory_free(text);
        }
    }
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

static enum status describe_checkpoint(cJSON *facts, struct checkpoint *checkpoint)
{
    struct h5_file *file = checkpoint_file(checkpoint);
    uint32_t crc;
    size_t parameters;
    char hex[16];
    TRY(add_values(facts, file, "/state/"));
    TRY(checkpoint_parameters_crc32(checkpoint, &crc, &parameters));
    snprintf(hex, sizeof hex, "%08x", crc);
    cJSON_AddNumberToObject(facts, "parameters", (double)parameters);
    cJSON_AddStringToObject(facts, "parameters_crc32", hex);
    cJSON_AddBoolToObject(facts, "ema", checkpoint_has_group(checkpoint, WEIGHTS_EMA));
    TRY(add_text(facts, "fingerprint", file, "/corpus/fingerprint"));
    TRY(add_text(facts, "version", file, "/code/version"));
    cJSON_AddStringToObject(facts, "config", checkpoint_config(checkpoint));
    return STATUS_OK;
}

static enum status add_checkpoint(cJSON *facts, const char *path)
{
    struct checkpoint *checkpoint;
    TRY(checkpoint_open(&checkpoint, path));
    enum status status = describe_checkpoint(facts, checkpoint);
    checkpoint_close(checkpoint);
    return status;
}

/* ---- corpora ---- */

static enum status count_reasons(cJSON *out, const char *reasons, const struct h5_array *array)
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
    return STATUS_OK;
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

static enum status add_skipped(cJSON *facts, struct h5_file *file, bool list)
{
    struct h5_array array;
    char *reasons = NULL;
    int64_t *lines = NULL;
    TRY(h5_get(file, "/skipped/reason", H5_TEXT, 1, &reasons, &array));
    cJSON_AddNumberToObject(facts, "skipped", (double)array.shape[0]);
    enum status status = STATUS_OK;
    if (array.shape[0])
        status = count_reasons(cJSON_AddObjectToObject(facts, "skipped_because"), reasons, &array);
    if (status == STATUS_OK && list) {
        status = h5_get(file, "/skipped/line", H5_INT64, 1, &lines, NULL);
        if (status == STATUS_OK)
            list_lines(cJSON_AddArrayToObject(facts, "skipped_lines"), lines, reasons, &array);
    }
    memory_free(lines);
    memory_free(reasons);
    return status;
}

static void describe_corpus(cJSON *facts, const struct corpus *corpus)
{
    const struct corpus_facts *known = corpus_facts(corpus);
    cJSON_AddNumberToObject(facts, "pairs", (double)known->pairs);
    for (int side = 0; side < SIDES; side++) {
        cJSON *object = cJSON_AddObjectToObject(facts, side_names[side]);
        cJSON_AddNumberToObject(object, "tokens", (double)known->tokens[side]);
        cJSON_AddNumberToObject(object, "longest", (double)known->longest[side]);
        cJSON_AddNumberToObject(object, "vocabulary", (double)corpus_rows(corpus, (enum side)side));
    }
    cJSON_AddBoolToObject(facts, "joint_vocabulary", known->joint);
    cJSON_AddBoolToObject(facts, "text", known->has_text);
    cJSON_AddStringToObject(facts, "fingerprint", known->fingerprint);
}

static enum status add_corpus(cJSON *facts, const char *path, bool list)
{
    struct corpus *corpus;
    struct h5_file *file;
    TRY(corpus_open(&corpus, path));
    describe_corpus(facts, corpus);
    corpus_close(corpus);
    TRY(h5_open(&file, path, H5_CORPUS, false));
    enum status status = add_skipped(facts, file, list);
    h5_close(file);
    return status;
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

static enum status verify(cJSON *facts, const char *path, enum h5_kind kind)
{
    struct h5_file *file;
    struct h5_array array;
    TRY(h5_open(&file, path, kind, false));
    enum status status = STATUS_OK;
    double bytes = 0;
    size_t count = 0;
    for (; h5_list(file, count, &array) && status == STATUS_OK; count++)
        status = unpack(file, &array, &bytes);
    h5_close(file);
    cJSON_AddNumberToObject(facts, "verified_arrays", (double)count);
    cJSON_AddNumberToObject(facts, "verified_bytes", bytes);
    return status;
}

/* ---- a file or a run ---- */

static enum status gather(cJSON *facts, const char *path, const struct settings *settings)
{
    enum h5_kind kind;
    struct stat found;
    TRY(h5_peek(path, &kind));
    CHECK(kind == H5_CORPUS || !settings->skipped, STATUS_USAGE,
            "info: --skipped is about a corpus, found a checkpoint: %s", path);
    cJSON_AddStringToObject(facts, "kind", kind == H5_CORPUS ? "corpus" : "checkpoint");
    cJSON_AddStringToObject(facts, "file", path);
    if (stat(path, &found) == 0)
        cJSON_AddNumberToObject(facts, "bytes", (double)found.st_size);
    TRY(kind == H5_CORPUS ? add_corpus(facts, path, settings->skipped) : add_checkpoint(facts, path));
    return settings->verify ? verify(facts, path, kind) : STATUS_OK;
}

static enum status tell_file(cJSON *facts, const char *model, const struct settings *settings)
{
    char *path = NULL;
    TRY(checkpoint_resolve(&path, model)); /* leaves a file as it is */
    enum status status = gather(facts, path, settings);
    memory_free(path);
    return status;
}

/* ---- kinds ---- */

struct shown {
    const struct kind_table *tables[64];
    size_t count;
};

static void add_kinds(cJSON *out, struct shown *shown, const char *title, const struct kind_table *table)
{
    for (size_t i = 0; i < shown->count; i++)
        if (shown->tables[i] == table)
            return;
    if (shown->count == sizeof shown->tables / sizeof *shown->tables)
        return;
    shown->tables[shown->count++] = table;
    cJSON *kinds = cJSON_AddObjectToObject(out, title);
    for (size_t i = 0; i < table->count; i++) {
        const struct kind *kind = kind_at(table, i);
        char help[512];
        snprintf(help, sizeof help, "%s%s%s%s", kind->help, kind->source ? " (" : "",
                kind->source ? kind->source : "", kind->source ? ")" : "");
        cJSON_AddStringToObject(kinds, kind->name, help);
    }
}

static void add_schema(cJSON *out, struct shown *shown, const struct schema *settings)
{
    for (size_t p = 0; settings && p < settings->count; p++) {
        const struct option_group *options = settings->places[p].group;
        for (size_t o = 0; o < options->count; o++)
            if (options->options[o].kinds)
                add_kinds(out, shown, options->options[o].name, options->options[o].kinds);
    }
}

/* Every table of kinds that a setting of any command chooses from. */
static enum status tell_kinds(cJSON *facts)
{
    struct shown shown = {.count = 0};
    for (size_t c = 0; commands[c]; c++)
        for (size_t s = 0; s < sizeof commands[c]->schemas / sizeof *commands[c]->schemas; s++)
            add_schema(facts, &shown, commands[c]->schemas[s]);
    for (size_t c = 0; commands[c]; c++)
        if (commands[c]->words)
            add_kinds(facts, &shown, commands[c]->name, commands[c]->words);
    return STATUS_OK;
}

/* ---- the command ---- */

static enum status tell(const void *given, const struct text_list *words)
{
    const struct settings *settings = given;
    CHECK(words->count <= 1, STATUS_USAGE, "info: expected one file or run directory, found %zu words",
            words->count);
    CHECK(words->count == 1 || !(settings->verify || settings->skipped), STATUS_USAGE,
            "info: --%s is about a file or run directory, found none",
            settings->verify ? "verify" : "skipped");
    cJSON *facts = cJSON_CreateObject();
    CHECK(facts, STATUS_INTERNAL, "out of memory: facts");
    enum status status = words->count ? tell_file(facts, words->items[0], settings) : tell_kinds(facts);
    if (status == STATUS_OK)
        status = print_facts(facts, settings->json);
    cJSON_Delete(facts);
    return status;
}

static enum status run(int argc, char **argv)
{
    struct settings settings;
    return command_run(&info_command, &settings, argc, argv, tell);
}

const struct command info_command = {
        .name = "info",
        .summary = "tells what a corpus, checkpoint or run holds; alone, all kinds",
        .usage = "[FILE|RUN]",
        .examples = "seqtrain info train.h5 --skipped\n"
                    "seqtrain info run --json\n"
                    "seqtrain info run/checkpoints/update-00001000.h5 --verify\n"
                    "seqtrain info",
        .schemas = {&schema},
        .ranks = false,
        .run = run,
};
