#include "tests/io/h5_files.h"

#include "comm/fault.h"
#include "comm/log.h"
#include "comm/memory.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATHS = 256 };

static char folder[256];

const char *files_enter(void)
{
    snprintf(folder, sizeof folder, "%s/seqtrain-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    return mkdtemp(folder);
}

static int remove_one(const char *path, const struct stat *facts, int type, struct FTW *walk)
{
    (void)facts, (void)type, (void)walk;
    return remove(path);
}

void files_leave(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int files_setup(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    return files_enter() ? 0 : -1;
}

int files_teardown(void **state)
{
    (void)state;
    fault_plan(NULL, 0);
    files_leave();
    return memory_blocks() == 0 ? 0 : -1;
}

const char *files_path(const char *name)
{
    static char paths[PATHS][512];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (int i = 0; i < PATHS; i++)
        if (paths[i][0] == '\0' || strcmp(paths[i], path) == 0)
            return strcpy(paths[i], path);
    abort();
}

unsigned char *files_read(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = malloc(*bytes + 1);
    if (fread(data, 1, *bytes, file) != *bytes)
        *bytes = 0;
    fclose(file);
    return data;
}

void files_write(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0)
        abort();
}

bool files_equal(const char *a, const char *b)
{
    size_t a_bytes = 0, b_bytes = 0;
    unsigned char *a_data = files_read(a, &a_bytes), *b_data = files_read(b, &b_bytes);
    bool equal = a_data && b_data && a_bytes == b_bytes && memcmp(a_data, b_data, a_bytes) == 0;
    free(a_data);
    free(b_data);
    return equal;
}

bool files_any(const char *where, const char *end)
{
    DIR *stream = opendir(where);
    bool found = false;
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        size_t bytes = strlen(entry->d_name), end_bytes = strlen(end);
        found = found || (bytes >= end_bytes && strcmp(entry->d_name + bytes - end_bytes, end) == 0);
    }
    if (stream)
        closedir(stream);
    return found;
}

static enum status append_counting(
        struct h5_writer *writer, const char *name, enum h5_type type, size_t rows, int compression)
{
    struct h5_array array = {.type = type,
            .rank = 1,
            .chunk_rows = 64,
            .compression = compression,
            .description = "counts up"};
    snprintf(array.name, sizeof array.name, "%s", name);
    int id;
    TRY(h5_declare(writer, &array, &id));
    for (size_t i = 0; i < rows; i++) {
        int32_t narrow = (int32_t)(i * 7 % 1000);
        int64_t wide = (int64_t)i * 11;
        TRY(h5_append(writer, id, type == H5_INT64 ? (void *)&wide : (void *)&narrow, 1));
    }
    return STATUS_OK;
}

static enum status put_chunks(struct h5_writer *writer, int compression)
{
    struct h5_array array = {.name = "/model/layer/weight",
            .type = H5_FLOAT32,
            .rank = 2,
            .shape = {10, 12},
            .chunk_rows = 4,
            .compression = compression,
            .description = "a matrix"};
    float rows[4 * 12];
    uint8_t *packed = NULL;
    size_t capacity = 0, bytes;
    int id;
    TRY(h5_declare(writer, &array, &id));
    enum status status = STATUS_OK;
    for (size_t chunk = 0; chunk < 3 && status == STATUS_OK; chunk++) {
        for (size_t i = 0; i < 48; i++)
            rows[i] = chunk * 48 + i < 120 ? 0.01f * (float)(chunk * 48 + i) : 0.0f;
        status = h5_pack(&array, rows, &packed, &capacity, &bytes);
        if (status == STATUS_OK)
            status = h5_put_chunk(writer, id, chunk, packed, bytes);
    }
    memory_free(packed);
    return status;
}

static enum status fill(struct h5_writer *writer, int compression)
{
    static const double reals[3] = {1.5, -2.0, 3.25};
    struct h5_array array = {
            .name = "/state/history", .type = H5_FLOAT64, .rank = 1, .shape = {3}, .description = "h"};
    TRY(append_counting(writer, "/source/tokens", H5_INT32, 150, compression));
    TRY(append_counting(writer, "/source/offsets", H5_INT64, 65, compression));
    TRY(append_counting(writer, "/source/nothing", H5_INT64, 0, compression));
    TRY(put_chunks(writer, compression));
    TRY(h5_put(writer, &array, reals));
    TRY(h5_put_int(writer, "/state/update", 42, "updates done"));
    TRY(h5_put_real(writer, "/state/best", 0.125, "best loss"));
    TRY(h5_put_text(writer, "/config", "model:\n  width: 8\n", "settings"));
    return h5_put_text(writer, "/empty", "", "no text");
}

enum status files_sample(const char *path, enum h5_kind kind, int compression)
{
    struct h5_writer *writer;
    TRY(h5_create(&writer, path, kind));
    enum status status = fill(writer, compression);
    if (status == STATUS_OK)
        return h5_commit(writer);
    h5_discard(writer);
    return status;
}
