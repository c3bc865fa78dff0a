#include "io/h5/internal.h"

#include "comm/memory.h"

#include <stdio.h>
#include <string.h>

struct piece {
    uint64_t address, bytes; /* in the file */
};

struct h5_reader {
    struct h5_file *file;
    struct h5_array array;
    uint64_t address;     /* of an array stored whole */
    struct piece *pieces; /* of its chunks */
    uint8_t *chunk;       /* the last chunk unpacked, */
    size_t chunk_number;  /* this one; SIZE_MAX: none */
};

const char *h5_path(const struct h5_file *file)
{
    return file->path;
}

/* The entry called `name`, or NULL. */
static const struct h5_entry *find_entry(const struct h5_file *file, const char *name)
{
    size_t first = 0, end = file->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = strcmp(name, file->entries[middle].array.name);
        if (order == 0)
            return &file->entries[middle];
        if (order < 0)
            end = middle;
        else
            first = middle + 1;
    }
    return NULL;
}

bool h5_list(const struct h5_file *file, size_t i, struct h5_array *out)
{
    if (i >= file->count)
        return false;
    *out = file->entries[i].array;
    return true;
}

bool h5_has(const struct h5_file *file, const char *name)
{
    return find_entry(file, name) != NULL;
}

bool h5_find(const struct h5_file *file, const char *name, struct h5_array *out)
{
    const struct h5_entry *entry = find_entry(file, name);
    if (entry)
        *out = entry->array;
    return entry != NULL;
}

/* ---- readers ---- */

/* Where chunk `i` lies: HDF5 looks it up and asks our driver for it, which notes the address and reads nothing. (Asking
 * by number, H5Dget_chunk_info(), walks the chunks before it each time: 16 s for 20,000.) */
static bool locate(struct h5_reader *reader, hid_t dataset, size_t i, void *scratch, size_t limit)
{
    const struct h5_array *array = &reader->array;
    uint64_t length = reader->file->disk.length, address = UINT64_MAX;
    hsize_t offset[H5_RANK_LIMIT] = {i * array->chunk_rows}, bytes = 0;
    uint32_t mask = 1;
    if (H5Dget_chunk_storage_size(dataset, offset, &bytes) < 0 || bytes == 0 || bytes > limit)
        return false;
    reader->file->disk.located = &address;
    herr_t result = H5Dread_chunk(dataset, H5P_DEFAULT, offset, &mask, scratch);
    reader->file->disk.located = NULL;
    reader->pieces[i] = (struct piece){address, bytes};
    return result >= 0 && mask == 0 && address >= H5_HEADER_BYTES && address <= length &&
           bytes <= length - address;
}

static enum status locate_all(struct h5_reader *reader, size_t count)
{
    void *scratch = NULL;
    size_t limit = 2 * h5_chunk_bytes(&reader->array) + 1024;
    TRY(memory_new(&scratch, "h5", limit, 1));
    h5_lock();
    hid_t dataset = H5Dopen2(reader->file->id, reader->array.name, H5P_DEFAULT);
    size_t i = 0;
    while (i < count && locate(reader, dataset, i, scratch, limit))
        i++;
    H5Dclose(dataset);
    enum status status = i == count ? STATUS_OK : h5_library_status(&reader->file->disk);
    h5_unlock();
    memory_free(scratch);
    TRY(status);
    CHECK(i == count, STATUS_DATA, "%s: %s: expected %zu filtered chunks inside the file, found none at %zu",
            reader->file->path, reader->array.name, count, i);
    return STATUS_OK;
}

static enum status open_chunks(struct h5_reader *reader)
{
    size_t count = h5_chunk_count(&reader->array);
    if (count == 0)
        return STATUS_OK;
    TRY(memory_new(&reader->pieces, "h5", count, sizeof *reader->pieces));
    return locate_all(reader, count);
}

enum status h5_reader_open(
        struct h5_reader **out, struct h5_file *file, const char *name, enum h5_type type, int rank)
{
    const struct h5_entry *entry = find_entry(file, name);
    CHECK(entry, STATUS_DATA, "%s: expected an array %s, found none", file->path, name);
    CHECK(entry->array.type == type && entry->array.rank == rank, STATUS_DATA,
            "%s: expected %s to be %s of rank %d, found %s of rank %d", file->path, name, h5_type_name(type),
            rank, h5_type_name(entry->array.type), entry->array.rank);
    struct h5_reader *reader = NULL;
    TRY(memory_new(&reader, "h5", 1, sizeof *reader));
    reader->file = file;
    reader->array = entry->array;
    reader->address = entry->address;
    reader->chunk_number = SIZE_MAX;
    enum status status = entry->array.chunk_rows ? open_chunks(reader) : STATUS_OK;
    if (status != STATUS_OK) {
        h5_reader_close(reader);
        return status;
    }
    *out = reader;
    return STATUS_OK;
}

void h5_reader_close(struct h5_reader *reader)
{
    if (!reader)
        return;
    memory_free(reader->chunk);
    memory_free(reader->pieces);
    memory_free(reader);
}

const struct h5_array *h5_reader_array(const struct h5_reader *reader)
{
    return &reader->array;
}

/* Others may write to a file that we read for days: one whose time has changed is verified again. A file that took over
 * its name is none of ours, we keep the one that was opened. */
static enum status check_unchanged(struct h5_file *file)
{
    uint64_t length;
    int64_t modified;
    TRY(h5_disk_examine(&file->disk, &length, &modified));
    if (modified == file->modified && length == file->disk.length)
        return STATUS_OK;
    enum status status = length == file->disk.length
                                 ? h5_verify(&file->disk, &file->header, false)
                                 : status_fail(STATUS_DATA, "%s: expected %llu bytes, found %llu", file->path,
                                           (unsigned long long)file->disk.length, (unsigned long long)length);
    CHECK(status == STATUS_OK, status == STATUS_DATA ? STATUS_IO : status,
            "%s; it was good when it was opened, and has been written to since", status_message());
    file->modified = modified;
    return STATUS_OK;
}

static enum status read_bytes(struct h5_file *file, uint64_t address, void *out, size_t bytes)
{
    TRY(h5_disk_read(&file->disk, address, out, bytes));
    return check_unchanged(file);
}

enum status h5_read_chunk(const struct h5_reader *reader, size_t chunk, void *out)
{
    struct h5_file *file = reader->file;
    if (!reader->array.chunk_rows)
        return read_bytes(file, reader->address, out, h5_chunk_bytes(&reader->array));
    const struct piece *piece = &reader->pieces[chunk];
    if (!reader->array.compression && piece->bytes == h5_chunk_bytes(&reader->array))
        return read_bytes(file, piece->address, out, piece->bytes);
    uint8_t *packed = NULL;
    TRY(memory_new(&packed, "h5", piece->bytes, 1));
    enum status status = read_bytes(file, piece->address, packed, piece->bytes);
    if (status == STATUS_OK) {
        status = h5_unpack(&reader->array, packed, piece->bytes, out);
        if (status == STATUS_DATA)
            status_fail(
                    status, "%s: %s, chunk %zu: %s", file->path, reader->array.name, chunk, status_message());
    }
    memory_free(packed);
    return status;
}

/* The chunk in memory that holds `row`. */
static enum status keep_chunk(struct h5_reader *reader, size_t number)
{
    if (reader->chunk_number == number)
        return STATUS_OK;
    if (!reader->chunk)
        TRY(memory_new(&reader->chunk, "h5", h5_chunk_bytes(&reader->array), 1));
    reader->chunk_number = SIZE_MAX;
    TRY(h5_read_chunk(reader, number, reader->chunk));
    reader->chunk_number = number;
    return STATUS_OK;
}

enum status h5_read_rows(struct h5_reader *reader, size_t first, size_t count, void *out)
{
    const struct h5_array *array = &reader->array;
    size_t row = h5_row_bytes(array), rows = array->rank ? array->shape[0] : 1;
    ASSERT(first <= rows && count <= rows - first);
    if (!array->chunk_rows)
        return read_bytes(reader->file, reader->address + first * row, out, count * row);
    uint8_t *to = out;
    while (count > 0) {
        size_t number = first / array->chunk_rows, from = first % array->chunk_rows;
        size_t now = array->chunk_rows - from < count ? array->chunk_rows - from : count;
        TRY(keep_chunk(reader, number));
        memcpy(to, reader->chunk + from * row, now * row);
        to += now * row;
        first += now;
        count -= now;
    }
    return STATUS_OK;
}

/* ---- whole arrays and single values ---- */

enum status h5_check_rows(const struct h5_file *file, const char *name, size_t most)
{
    const struct h5_entry *entry = find_entry(file, name);
    CHECK(!entry || entry->array.rank == 0 || entry->array.shape[0] <= most, STATUS_DATA,
            "%s: %s: expected at most %zu rows, found %zu", file->path, name, most, entry->array.shape[0]);
    return STATUS_OK;
}

enum status h5_get(struct h5_file *file, const char *name, enum h5_type type, int rank, void *out,
        struct h5_array *array)
{
    struct h5_reader *reader = NULL;
    TRY(h5_reader_open(&reader, file, name, type, rank));
    size_t rows = rank ? reader->array.shape[0] : 1, bytes = rows * h5_row_bytes(&reader->array);
    char *data = NULL; /* one byte more, so that a text ends in 0 */
    enum status status = memory_new(&data, "h5", bytes + 1, 1);
    if (status == STATUS_OK)
        status = h5_read_rows(reader, 0, rows, data);
    if (array)
        *array = reader->array;
    h5_reader_close(reader);
    if (status != STATUS_OK)
        memory_free(data);
    else
        *(void **)out = data;
    return status;
}

static enum status get_value(
        struct h5_file *file, const char *name, enum h5_type type, void *out, size_t bytes)
{
    void *value = NULL;
    TRY(h5_get(file, name, type, 0, &value, NULL));
    memcpy(out, value, bytes);
    memory_free(value);
    return STATUS_OK;
}

enum status h5_get_int(struct h5_file *file, const char *name, int64_t *out)
{
    return get_value(file, name, H5_INT64, out, sizeof *out);
}

enum status h5_get_real(struct h5_file *file, const char *name, double *out)
{
    return get_value(file, name, H5_FLOAT64, out, sizeof *out);
}

enum status h5_get_text(struct h5_file *file, const char *name, char **out)
{
    return h5_get(file, name, H5_TEXT, 0, out, NULL);
}

/* Locked. */
static enum status read_text(const struct h5_file *file, hid_t attribute, char **out)
{
    enum h5_type type;
    size_t bytes = 0;
    hid_t id = H5Aget_type(attribute), space = H5Aget_space(attribute);
    bool known =
            h5_type_know(id, &type, &bytes) && type == H5_TEXT && H5Sget_simple_extent_npoints(space) == 1;
    enum status status = known ? memory_new(out, "h5", bytes + 1, 1) : STATUS_OK;
    if (status == STATUS_OK && (!known || H5Aread(attribute, id, *out) < 0))
        status = status_fail(
                STATUS_DATA, "%s: expected descriptions that are texts, found another", file->path);
    H5Sclose(space);
    H5Tclose(id);
    return status;
}

enum status h5_get_description(struct h5_file *file, const char *name, char **out)
{
    static const char attribute_name[] = "description";
    enum status status = STATUS_OK;
    *out = NULL;
    h5_lock();
    hid_t dataset = H5Dopen2(file->id, name, H5P_DEFAULT), attribute = -1;
    if (dataset >= 0 && H5Aexists(dataset, attribute_name) > 0)
        attribute = H5Aopen(dataset, attribute_name, H5P_DEFAULT);
    if (attribute >= 0) {
        status = read_text(file, attribute, out);
        H5Aclose(attribute);
    }
    if (dataset >= 0)
        H5Dclose(dataset);
    h5_unlock();
    if (status != STATUS_OK) {
        memory_free(*out);
        *out = NULL;
    }
    return status;
}
