#include "io/h5_foreign.h"

#include "comm/memory.h"
#include "io/h5/internal.h"

#include <unistd.h>

enum { CHUNK_BYTES_MOST = 1 << 28, CHUNK_BYTES_MORE = 1 << 12, CACHE_SLOTS = 521 };

struct h5_foreign {
    char *path, *name;
    hid_t file, dataset;
    int rank;
    bool bytes;
    uint64_t shape[H5_FOREIGN_RANK];
    hsize_t chunk[H5_FOREIGN_RANK]; /* 0: not in chunks */
    hsize_t chunk_bytes;
};

/* The cache holds a chunk, so that one is unpacked once for the rows that are read from it in turn. Locked. */
static hid_t open_dataset(hid_t file, const char *name)
{
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    H5Pset_chunk_cache(access, CACHE_SLOTS, CHUNK_BYTES_MOST, H5D_CHUNK_CACHE_W0_DEFAULT);
    hid_t dataset = H5Dopen2(file, name, access);
    H5Pclose(access);
    return dataset;
}

static bool is_number(hid_t dataset)
{
    hid_t type = H5Dget_type(dataset);
    H5T_class_t kind = H5Tget_class(type);
    H5Tclose(type);
    return kind == H5T_INTEGER || kind == H5T_FLOAT;
}

static bool is_bytes(hid_t dataset)
{
    hid_t type = H5Dget_type(dataset);
    bool bytes =
            H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) == 1 && H5Tget_sign(type) == H5T_SGN_NONE;
    H5Tclose(type);
    return bytes;
}

static bool has_small_chunks(struct h5_foreign *foreign)
{
    hid_t creation = H5Dget_create_plist(foreign->dataset), type = H5Dget_type(foreign->dataset);
    bool chunked = H5Pget_layout(creation) == H5D_CHUNKED;
    int rank = chunked ? H5Pget_chunk(creation, H5_FOREIGN_RANK, foreign->chunk) : 0;
    size_t bytes = H5Tget_size(type);
    bool small = true;
    for (int i = 0; i < rank; i++)
        small = small && size_multiply(&bytes, bytes, foreign->chunk[i]) && bytes <= CHUNK_BYTES_MOST;
    foreign->chunk_bytes = bytes;
    H5Tclose(type);
    H5Pclose(creation);
    return small;
}

/* Locked. */
static enum status look(struct h5_foreign *foreign)
{
    hid_t space = H5Dget_space(foreign->dataset);
    hsize_t shape[H5S_MAX_RANK] = {0};
    foreign->rank = H5Sget_simple_extent_dims(space, shape, NULL);
    H5Sclose(space);
    CHECK(foreign->rank > 0 && foreign->rank <= H5_FOREIGN_RANK, STATUS_DATA,
            "%s:%s: expected an array of 1 to %d dimensions, found %d", foreign->path, foreign->name,
            H5_FOREIGN_RANK, foreign->rank);
    for (int i = 0; i < foreign->rank; i++)
        foreign->shape[i] = shape[i];
    CHECK(is_number(foreign->dataset), STATUS_DATA, "%s:%s: expected numbers, found another type",
            foreign->path, foreign->name);
    foreign->bytes = is_bytes(foreign->dataset);
    CHECK(has_small_chunks(foreign), STATUS_DATA,
            "%s:%s: expected chunks of at most %d MB, found larger ones", foreign->path, foreign->name,
            CHUNK_BYTES_MOST >> 20);
    return STATUS_OK;
}

/* Locked. */
static enum status open_file(struct h5_foreign *foreign)
{
    foreign->file = H5Fopen(foreign->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    CHECK(foreign->file >= 0, STATUS_DATA, "%s: expected an HDF5 file, found something else", foreign->path);
    foreign->dataset = open_dataset(foreign->file, foreign->name);
    CHECK(foreign->dataset >= 0, STATUS_DATA, "%s: expected a dataset %s, found none", foreign->path,
            foreign->name);
    return look(foreign);
}

enum status h5_foreign_open(struct h5_foreign **out, const char *path, const char *name)
{
    struct h5_foreign *foreign = NULL;
    if (access(path, R_OK) != 0)
        return status_fail_errno("read", path);
    TRY(memory_new(&foreign, "h5", 1, sizeof *foreign));
    foreign->file = foreign->dataset = -1;
    enum status status = memory_text(&foreign->path, "h5", path);
    if (status == STATUS_OK)
        status = memory_text(&foreign->name, "h5", name);
    h5_lock();
    if (status == STATUS_OK)
        status = open_file(foreign);
    h5_unlock();
    if (status != STATUS_OK)
        h5_foreign_close(foreign);
    else
        *out = foreign;
    return status;
}

void h5_foreign_close(struct h5_foreign *foreign)
{
    if (!foreign)
        return;
    h5_lock();
    if (foreign->dataset >= 0)
        H5Dclose(foreign->dataset);
    if (foreign->file >= 0)
        H5Fclose(foreign->file);
    h5_unlock();
    memory_free(foreign->path);
    memory_free(foreign->name);
    memory_free(foreign);
}

int h5_foreign_rank(const struct h5_foreign *foreign)
{
    return foreign->rank;
}

const uint64_t *h5_foreign_shape(const struct h5_foreign *foreign)
{
    return foreign->shape;
}

bool h5_foreign_is_bytes(const struct h5_foreign *foreign)
{
    return foreign->bytes;
}

/* The library unpacks whatever a chunk gives: what is stored of one is bounded by what it is to give, so that a small
 * file cannot take much memory. Locked. */
static bool is_bomb(const struct h5_foreign *foreign, uint64_t first, uint64_t end)
{
    const hsize_t *chunk = foreign->chunk;
    hsize_t at[H5_FOREIGN_RANK] = {chunk[0] ? first / chunk[0] * chunk[0] : end}, bytes = 0;
    while (at[0] < end) {
        if (H5Dget_chunk_storage_size(foreign->dataset, at, &bytes) < 0 ||
                bytes > 2 * foreign->chunk_bytes + CHUNK_BYTES_MORE)
            return true;
        int i = foreign->rank - 1;
        for (at[i] += chunk[i]; i > 0 && at[i] >= foreign->shape[i]; at[i] += chunk[i])
            at[i--] = 0;
    }
    return false;
}

static enum status read_rows(
        struct h5_foreign *foreign, uint64_t first, uint64_t count, hid_t type, void *out)
{
    hsize_t starts[H5_FOREIGN_RANK] = {first}, counts[H5_FOREIGN_RANK] = {count};
    ASSERT(first <= foreign->shape[0] && count <= foreign->shape[0] - first);
    for (int i = 1; i < foreign->rank; i++)
        counts[i] = foreign->shape[i];
    h5_lock();
    hid_t from = H5Dget_space(foreign->dataset), to = H5Screate_simple(foreign->rank, counts, NULL);
    bool read = !is_bomb(foreign, first, first + count) &&
                H5Sselect_hyperslab(from, H5S_SELECT_SET, starts, NULL, counts, NULL) >= 0 &&
                H5Dread(foreign->dataset, type, to, from, H5P_DEFAULT, out) >= 0;
    H5Sclose(to);
    H5Sclose(from);
    h5_unlock();
    CHECK(read, STATUS_DATA, "%s:%s[%llu]: expected %llu rows that can be read, found damaged ones",
            foreign->path, foreign->name, (unsigned long long)first, (unsigned long long)count);
    return STATUS_OK;
}

enum status h5_foreign_floats(struct h5_foreign *foreign, uint64_t first, uint64_t count, float *out)
{
    return count > 0 ? read_rows(foreign, first, count, H5T_NATIVE_FLOAT, out) : STATUS_OK;
}

enum status h5_foreign_integers(struct h5_foreign *foreign, uint64_t first, uint64_t count, int64_t *out)
{
    return count > 0 ? read_rows(foreign, first, count, H5T_NATIVE_INT64, out) : STATUS_OK;
}

enum status h5_foreign_bytes(struct h5_foreign *foreign, uint64_t first, uint64_t count, uint8_t *out)
{
    ASSERT(foreign->bytes);
    return count > 0 ? read_rows(foreign, first, count, H5T_NATIVE_UINT8, out) : STATUS_OK;
}
