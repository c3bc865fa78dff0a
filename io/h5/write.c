#include "io/h5/internal.h"

#include "comm/memory.h"
#include "io/durable.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* An array under way. */
struct column {
    struct h5_array array; /* shape[0] grows with what was appended */
    hid_t dataset;
    bool grows;
    size_t chunks;       /* written so far */
    uint8_t *pending;    /* rows that do not fill a chunk yet */
    size_t pending_rows; /* in `pending` */
};

struct h5_writer {
    char *path, *temporary;
    enum h5_kind kind;
    bool trusted; /* h5_trust_disk() */
    struct h5_disk disk;
    hid_t file;
    struct column *columns;
    size_t count, capacity;
    uint8_t *packed;
    size_t packed_capacity;
};

/* The disk's failure, if that is why HDF5 refused; else that HDF5 did. */
static enum status fail_library(const struct h5_writer *writer, const char *action, const char *name)
{
    TRY(h5_disk_status(&writer->disk));
    return status_fail(STATUS_INTERNAL, "%s: the HDF5 library cannot %s %s", writer->path, action, name);
}

/* Object times would make files of equal content differ. */
static hid_t untimed(hid_t class)
{
    hid_t list = H5Pcreate(class);
    H5Pset_obj_track_times(list, false);
    return list;
}

static hid_t create_file(struct h5_writer *writer)
{
    hid_t access = h5_disk_access(&writer->disk);
    hid_t creation = untimed(H5P_FILE_CREATE);
    hid_t file = -1;
    if (access >= 0 && H5Pset_userblock(creation, H5_HEADER_BYTES) >= 0)
        file = H5Fcreate(writer->temporary, H5F_ACC_TRUNC, creation, access);
    H5Pclose(creation);
    if (access >= 0)
        H5Pclose(access);
    return file;
}

static enum status start(struct h5_writer *writer, const char *path)
{
    TRY(durable_check(path));
    TRY(memory_text(&writer->path, "h5", path));
    size_t bytes = strlen(path) + sizeof ".tmp";
    TRY(memory_new(&writer->temporary, "h5", bytes, 1));
    snprintf(writer->temporary, bytes, "%s.tmp", path);
    TRY(h5_disk_create(&writer->disk, writer->temporary));
    h5_lock();
    writer->file = create_file(writer);
    h5_unlock();
    return writer->file >= 0 ? h5_disk_status(&writer->disk) : fail_library(writer, "create", "the file");
}

enum status h5_create(struct h5_writer **out, const char *path, enum h5_kind kind)
{
    struct h5_writer *writer = NULL;
    TRY(memory_new(&writer, "h5", 1, sizeof *writer));
    writer->kind = kind;
    writer->disk.descriptor = -1;
    writer->file = -1;
    enum status status = start(writer, path);
    if (status != STATUS_OK) {
        h5_discard(writer);
        return status;
    }
    *out = writer;
    return STATUS_OK;
}

/* ---- declaring ---- */

/* The groups on the way to `name`, made by hand so that they carry no times. */
static bool make_groups(hid_t file, const char *name)
{
    char path[H5_NAME_LIMIT];
    bool made = true;
    for (const char *slash = strchr(name + 1, '/'); slash && made; slash = strchr(slash + 1, '/')) {
        snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
        if (H5Lexists(file, path, H5P_DEFAULT) > 0)
            continue;
        hid_t creation = untimed(H5P_GROUP_CREATE);
        hid_t group = H5Gcreate2(file, path, H5P_DEFAULT, creation, H5P_DEFAULT);
        made = group >= 0;
        if (made)
            H5Gclose(group);
        H5Pclose(creation);
    }
    return made;
}

static bool describe(hid_t dataset, const char *description)
{
    size_t bytes = strlen(description);
    hid_t type = h5_type_make(H5_TEXT, bytes ? bytes : 1);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(dataset, "description", type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool done = attribute >= 0 && H5Awrite(attribute, type, description) >= 0;
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    return done;
}

static hid_t make_space(const struct column *column)
{
    const struct h5_array *array = &column->array;
    hsize_t shape[H5_RANK_LIMIT], limit[H5_RANK_LIMIT];
    for (int i = 0; i < array->rank; i++)
        limit[i] = shape[i] = array->shape[i];
    if (column->grows)
        limit[0] = H5S_UNLIMITED;
    return array->rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(array->rank, shape, limit);
}

static hid_t make_layout(const struct h5_array *array)
{
    hid_t creation = untimed(H5P_DATASET_CREATE);
    H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
    if (!array->chunk_rows)
        return creation;
    hsize_t chunk[H5_RANK_LIMIT];
    for (int i = 0; i < array->rank; i++)
        chunk[i] = i == 0 ? array->chunk_rows : array->shape[i];
    H5Pset_chunk(creation, array->rank, chunk);
    /* Allocating late would write compressed chunks of fill values first. */
    H5Pset_alloc_time(creation, H5D_ALLOC_TIME_INCR);
    if (array->compression && h5_type_bytes(array->type, array->text_bytes) > 1)
        H5Pset_shuffle(creation);
    if (array->compression)
        H5Pset_deflate(creation, (unsigned)array->compression);
    return creation;
}

static bool create_dataset(hid_t file, struct column *column)
{
    const struct h5_array *array = &column->array;
    if (!make_groups(file, array->name))
        return false;
    hid_t type = h5_type_make(array->type, array->text_bytes);
    hid_t space = make_space(column);
    hid_t creation = make_layout(array);
    column->dataset = H5Dcreate2(file, array->name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    H5Pclose(creation);
    H5Sclose(space);
    H5Tclose(type);
    return column->dataset >= 0 && (!array->description || describe(column->dataset, array->description));
}

/* Names and sizes come from our own code. */
static bool is_sound(const struct h5_array *array)
{
    size_t bytes = h5_type_bytes(array->type, array->text_bytes);
    bool sound = array->name[0] == '/' && bytes > 0 && array->rank >= 0 && array->rank <= H5_RANK_LIMIT &&
                 array->compression >= 0 && array->compression <= 9 &&
                 (array->rank > 0 || !array->chunk_rows);
    for (int i = 0; sound && i < array->rank; i++)
        sound = size_multiply(
                &bytes, bytes, i == 0 ? array->chunk_rows + !array->chunk_rows : array->shape[i]);
    return sound && bytes <= UINT32_MAX / 2;
}

enum status h5_declare(struct h5_writer *writer, const struct h5_array *array, int *id)
{
    ASSERT(is_sound(array));
    TRY(h5_disk_status(&writer->disk));
    TRY(memory_grow(&writer->columns, "h5", &writer->capacity, writer->count + 1, sizeof *writer->columns));
    struct column *column = &writer->columns[writer->count];
    memset(column, 0, sizeof *column);
    column->array = *array;
    column->grows = array->chunk_rows && array->shape[0] == 0;
    ASSERT(column->grows || array->rank == 0 || array->chunk_rows <= array->shape[0]);
    h5_lock();
    bool created = create_dataset(writer->file, column);
    h5_unlock();
    writer->count++;
    if (!created)
        return fail_library(writer, "create", array->name);
    column->array.description = NULL; /* the caller's */
    *id = (int)writer->count - 1;
    return h5_disk_status(&writer->disk);
}

/* ---- writing ---- */

enum status h5_put_chunk(
        struct h5_writer *writer, int id, size_t chunk, const void *packed, size_t packed_bytes)
{
    struct column *column = &writer->columns[id];
    ASSERT(chunk == column->chunks);
    TRY(h5_disk_status(&writer->disk));
    hsize_t offset[H5_RANK_LIMIT] = {chunk * column->array.chunk_rows};
    h5_lock();
    herr_t result = H5Dwrite_chunk(column->dataset, H5P_DEFAULT, 0, offset, packed_bytes, packed);
    h5_unlock();
    column->chunks++;
    return result >= 0 ? h5_disk_status(&writer->disk) : fail_library(writer, "write", column->array.name);
}

/* Writes the pending rows as the next chunk, padded with zeros. */
static enum status flush(struct h5_writer *writer, struct column *column)
{
    struct h5_array *array = &column->array;
    size_t row = h5_row_bytes(array), filled = column->pending_rows * row, packed_bytes;
    memset(column->pending + filled, 0, h5_chunk_bytes(array) - filled);
    TRY(h5_pack(array, column->pending, &writer->packed, &writer->packed_capacity, &packed_bytes));
    array->shape[0] += column->pending_rows;
    column->pending_rows = 0;
    hsize_t shape[H5_RANK_LIMIT];
    for (int i = 0; i < array->rank; i++)
        shape[i] = array->shape[i];
    h5_lock();
    herr_t result = H5Dset_extent(column->dataset, shape);
    h5_unlock();
    if (result < 0)
        return fail_library(writer, "extend", array->name);
    return h5_put_chunk(
            writer, (int)(column - writer->columns), column->chunks, writer->packed, packed_bytes);
}

enum status h5_append(struct h5_writer *writer, int id, const void *rows, size_t count)
{
    struct column *column = &writer->columns[id];
    ASSERT(column->grows);
    const uint8_t *from = rows;
    size_t row = h5_row_bytes(&column->array), chunk_rows = column->array.chunk_rows;
    if (!column->pending)
        TRY(memory_new(&column->pending, "h5", chunk_rows, row));
    while (count > 0) {
        size_t room = chunk_rows - column->pending_rows, now = count < room ? count : room;
        memcpy(column->pending + column->pending_rows * row, from, now * row);
        column->pending_rows += now;
        from += now * row;
        count -= now;
        if (column->pending_rows == chunk_rows)
            TRY(flush(writer, column));
    }
    return STATUS_OK;
}

enum status h5_put(struct h5_writer *writer, const struct h5_array *array, const void *data)
{
    int id;
    ASSERT(!array->chunk_rows);
    TRY(h5_declare(writer, array, &id));
    if (h5_chunk_bytes(array) == 0)
        return STATUS_OK;
    h5_lock();
    hid_t type = h5_type_make(array->type, array->text_bytes);
    herr_t result = H5Dwrite(writer->columns[id].dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    H5Tclose(type);
    h5_unlock();
    return result >= 0 ? h5_disk_status(&writer->disk) : fail_library(writer, "write", array->name);
}

static enum status put_value(struct h5_writer *writer, const char *name, enum h5_type type, size_t text_bytes,
        const void *value, const char *description)
{
    struct h5_array array = {.type = type, .text_bytes = text_bytes, .description = description};
    snprintf(array.name, sizeof array.name, "%s", name);
    return h5_put(writer, &array, value);
}

enum status h5_put_int(struct h5_writer *writer, const char *name, int64_t value, const char *description)
{
    return put_value(writer, name, H5_INT64, 0, &value, description);
}

enum status h5_put_real(struct h5_writer *writer, const char *name, double value, const char *description)
{
    return put_value(writer, name, H5_FLOAT64, 0, &value, description);
}

enum status h5_put_text(struct h5_writer *writer, const char *name, const char *text, const char *description)
{
    size_t bytes = strlen(text); /* HDF5 knows no text of no bytes */
    return put_value(writer, name, H5_TEXT, bytes ? bytes : 1, text, description);
}

/* ---- ending ---- */

/* Closes what HDF5 holds. Only then is the file complete: closing still writes. */
static enum status close_library(struct h5_writer *writer)
{
    herr_t result = 0;
    h5_lock();
    for (size_t i = 0; i < writer->count; i++) {
        if (writer->columns[i].dataset >= 0 && H5Dclose(writer->columns[i].dataset) < 0)
            result = -1;
        writer->columns[i].dataset = -1;
    }
    if (writer->file >= 0 && H5Fclose(writer->file) < 0)
        result = -1;
    h5_unlock();
    writer->file = -1;
    return result >= 0 ? h5_disk_status(&writer->disk) : fail_library(writer, "close", "the file");
}

static void release(struct h5_writer *writer)
{
    for (size_t i = 0; i < writer->count; i++)
        memory_free(writer->columns[i].pending);
    memory_free(writer->columns);
    memory_free(writer->packed);
    memory_free(writer->temporary);
    memory_free(writer->path);
    memory_free(writer);
}

void h5_discard(struct h5_writer *writer)
{
    if (!writer)
        return;
    /* What follows must not hide why we are here, and may not leave more on the disk. */
    char reason[H5_REASON_BYTES];
    snprintf(reason, sizeof reason, "%s", status_message());
    if (writer->disk.failed == STATUS_OK)
        writer->disk.failed = STATUS_INTERNAL;
    close_library(writer);
    h5_disk_close(&writer->disk);
    if (writer->disk.writing)
        unlink(writer->temporary);
    release(writer);
    status_fail(STATUS_INTERNAL, "%s", reason);
}

void h5_trust_disk(struct h5_writer *writer)
{
    writer->trusted = true;
}

static void check_complete(const struct h5_writer *writer)
{
    for (size_t i = 0; i < writer->count; i++) {
        const struct column *column = &writer->columns[i];
        ASSERT(!column->array.chunk_rows || column->chunks == h5_chunk_count(&column->array));
    }
}

/* Compares what the disk gives back with the header. */
static enum status read_back(struct h5_writer *writer)
{
    struct h5_header header;
    posix_fadvise(writer->disk.descriptor, 0, 0, POSIX_FADV_DONTNEED);
    enum status status = h5_header_read(&header, &writer->disk);
    if (status == STATUS_OK)
        status = h5_verify(&writer->disk, &header, false);
    if (status == STATUS_DATA)
        status = status_fail(STATUS_IO, "what was written does not read back: %s", status_message());
    return status;
}

static enum status finish(struct h5_writer *writer)
{
    for (size_t i = 0; i < writer->count; i++)
        if (writer->columns[i].pending_rows)
            TRY(flush(writer, &writer->columns[i]));
    check_complete(writer);
    TRY(close_library(writer));
    TRY(h5_header_write(&writer->disk, writer->kind));
    TRY(h5_disk_sync(&writer->disk));
    if (!writer->trusted)
        TRY(read_back(writer));
    return h5_disk_close(&writer->disk);
}

/* Gives the file its name. If that cannot be made durable, a name that was new is taken back. */
static enum status publish(struct h5_writer *writer)
{
    bool was_there = access(writer->path, F_OK) == 0;
    enum status status = durable_rename(writer->temporary, writer->path);
    if (status != STATUS_OK && !was_there)
        unlink(writer->path);
    return status;
}

enum status h5_commit(struct h5_writer *writer)
{
    enum status status = finish(writer);
    if (status == STATUS_OK)
        status = publish(writer);
    if (status == STATUS_OK)
        release(writer);
    else
        h5_discard(writer);
    return status;
}
