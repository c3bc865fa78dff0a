#include "io/h5/internal.h"

#include "comm/memory.h"
#include "comm/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Opening: header and digest first, then every object is held against a whitelist before any of it is used: groups and
 * arrays by hard links, our types, stored whole or in chunks inside this file, no filters but shuffle and deflate.
 * Nothing here makes HDF5 read data, so none of its filters runs.
 */

enum { DEPTH_LIMIT = 16, OBJECTS_LIMIT = 1 << 17, ATTRIBUTES_LIMIT = 64, ATTRIBUTE_BYTES_LIMIT = 1 << 16 };

/* Deflate's best: no stored byte can stand for more. */
enum { DEFLATE_RATIO_LIMIT = 1100 };

static enum status fail_object(
        const struct h5_file *file, const char *name, const char *expected, const char *found)
{
    TRY(h5_library_status(&file->disk));
    return status_fail(STATUS_DATA, "%s: %s: expected %s, found %s", file->path, name, expected, found);
}

/* ---- one array ---- */

static enum status check_filters(const struct h5_file *file, struct h5_array *array, hid_t creation)
{
    static const char expected[] = "no filters but shuffle and deflate";
    int filters = H5Pget_nfilters(creation);
    if (filters < 0 || filters > 2 || (filters && !array->chunk_rows))
        return fail_object(file, array->name, expected, "others");
    size_t item = h5_type_bytes(array->type, array->text_bytes);
    for (int i = 0; i < filters; i++) {
        unsigned flags, values[8] = {0}, setting;
        size_t count = 8;
        char name[32];
        H5Z_filter_t filter =
                H5Pget_filter2(creation, (unsigned)i, &flags, &count, values, sizeof name, name, &setting);
        bool last = i == filters - 1;
        if (last && filter == H5Z_FILTER_DEFLATE && count == 1 && values[0] >= 1 && values[0] <= 9)
            array->compression = (int)values[0];
        else if (last || filter != H5Z_FILTER_SHUFFLE || count != 1 || values[0] != item)
            return fail_object(file, array->name, expected, "others");
    }
    if (array->compression && (filters == 2) != (item > 1))
        return fail_object(
                file, array->name, "shuffle before deflate for items of more than a byte", "another order");
    return STATUS_OK;
}

static enum status check_layout(
        const struct h5_file *file, struct h5_entry *entry, hid_t dataset, hid_t creation)
{
    struct h5_array *array = &entry->array;
    H5D_layout_t layout = H5Pget_layout(creation);
    if (H5Pget_external_count(creation) != 0)
        return fail_object(file, array->name, "data in this file", "data in other files");
    if (layout == H5D_CONTIGUOUS) {
        haddr_t address = H5Dget_offset(dataset);
        entry->address = address == HADDR_UNDEF ? 0 : address;
        return STATUS_OK;
    }
    hsize_t chunk[H5_RANK_LIMIT];
    if (layout != H5D_CHUNKED || array->rank == 0 ||
            H5Pget_chunk(creation, array->rank, chunk) != array->rank)
        return fail_object(file, array->name, "an array stored whole or in chunks", "another layout");
    array->chunk_rows = chunk[0];
    for (int i = 1; i < array->rank; i++)
        if (chunk[i] != array->shape[i])
            return fail_object(file, array->name, "chunks of whole rows", "parts of rows");
    return STATUS_OK;
}

static enum status check_type(const struct h5_file *file, struct h5_array *array, hid_t dataset)
{
    hid_t type = H5Dget_type(dataset);
    bool known = h5_type_know(type, &array->type, &array->text_bytes);
    H5Tclose(type);
    return known ? STATUS_OK
                 : fail_object(
                           file, array->name, "a fixed-size little-endian type of this format", "another");
}

static enum status check_shape(const struct h5_file *file, struct h5_array *array, hid_t dataset)
{
    hid_t space = H5Dget_space(dataset);
    hsize_t shape[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_type(space) == H5S_NULL ? -1 : H5Sget_simple_extent_ndims(space);
    bool known = rank >= 0 && rank <= H5_RANK_LIMIT && H5Sget_simple_extent_dims(space, shape, NULL) == rank;
    H5Sclose(space);
    if (!known)
        return fail_object(file, array->name, "an array of at most 4 dimensions", "another space");
    array->rank = rank;
    for (int i = 0; i < rank; i++)
        array->shape[i] = shape[i];
    return STATUS_OK;
}

/* All products fit, and the file is long enough to hold so much. */
static enum status check_size(const struct h5_file *file, const struct h5_entry *entry)
{
    const struct h5_array *array = &entry->array;
    size_t row = h5_type_bytes(array->type, array->text_bytes), bytes, chunk = 0;
    bool fits = true;
    for (int i = 1; i < array->rank; i++)
        fits = fits && size_multiply(&row, row, array->shape[i]);
    fits = fits && size_multiply(&bytes, row, array->rank ? array->shape[0] : 1) &&
           size_multiply(&chunk, row, array->chunk_rows) && chunk <= UINT32_MAX / 2 &&
           array->shape[0] <= SIZE_MAX / 2;
    uint64_t limit = file->disk.length * (array->compression ? DEFLATE_RATIO_LIMIT : 1);
    if (!fits || bytes > limit || (array->shape[0] && chunk > limit) || (array->chunk_rows && !row))
        return fail_object(file, array->name, "a size that fits the length of the file", "a larger one");
    if (!array->chunk_rows && bytes &&
            (entry->address < H5_HEADER_BYTES || entry->address > file->disk.length ||
                    bytes > file->disk.length - entry->address))
        return fail_object(file, array->name, "data inside the file", "an address outside");
    return STATUS_OK;
}

static bool has_all_chunks(const struct h5_array *array, hid_t dataset)
{
    hid_t space = H5Dget_space(dataset);
    hsize_t chunks;
    bool all = H5Dget_num_chunks(dataset, space, &chunks) >= 0 && chunks == h5_chunk_count(array);
    H5Sclose(space);
    return all;
}

static enum status check_dataset(const struct h5_file *file, struct h5_entry *entry, hid_t dataset)
{
    TRY(check_type(file, &entry->array, dataset));
    TRY(check_shape(file, &entry->array, dataset));
    hid_t creation = H5Dget_create_plist(dataset);
    enum status status = check_layout(file, entry, dataset, creation);
    if (status == STATUS_OK)
        status = check_filters(file, &entry->array, creation);
    H5Pclose(creation);
    if (status != STATUS_OK)
        return status;
    TRY(check_size(file, entry));
    if (entry->array.chunk_rows && !has_all_chunks(&entry->array, dataset))
        return fail_object(file, entry->array.name, "as many chunks as its shape needs", "another number");
    return STATUS_OK;
}

/* ---- all objects ---- */

static herr_t visit_attribute(hid_t object, const char *name, const H5A_info_t *info, void *context)
{
    (void)object, (void)name, (void)context;
    return info->data_size > ATTRIBUTE_BYTES_LIMIT;
}

static enum status check_attributes(const struct h5_file *file, hid_t object, const char *name)
{
    H5O_info_t info;
    if (H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS) < 0 || info.num_attrs > ATTRIBUTES_LIMIT)
        return fail_object(file, name, "few attributes", "many");
    if (H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, visit_attribute, NULL) != 0)
        return fail_object(file, name, "attributes of at most 64 KiB", "a larger one");
    return STATUS_OK;
}

struct walk {
    struct h5_file *file;
    const char *path; /* of the group, without a slash at the end */
    int depth;
    enum status status;
};

static enum status walk_group(struct h5_file *file, hid_t group, const char *path, int depth);

static enum status add_dataset(struct h5_file *file, hid_t dataset, const char *name)
{
    TRY(check_attributes(file, dataset, name));
    TRY(memory_grow(&file->entries, "h5", &file->capacity, file->count + 1, sizeof *file->entries));
    struct h5_entry *entry = &file->entries[file->count];
    memset(entry, 0, sizeof *entry);
    snprintf(entry->array.name, sizeof entry->array.name, "%s", name);
    TRY(check_dataset(file, entry, dataset));
    file->count++;
    return STATUS_OK;
}

static enum status visit(struct walk *walk, hid_t group, const char *link_name, H5L_type_t link_type)
{
    struct h5_file *file = walk->file;
    char name[H5_NAME_LIMIT];
    int length = snprintf(name, sizeof name, "%s/%s", walk->path, link_name);
    if (length < 0 || (size_t)length >= sizeof name)
        return fail_object(file, walk->path, "names of at most 255 bytes", "a longer one");
    if (link_type != H5L_TYPE_HARD)
        return fail_object(file, name, "an array or a group", "a link");
    hid_t object = H5Oopen(group, link_name, H5P_DEFAULT);
    H5I_type_t type = object >= 0 ? H5Iget_type(object) : H5I_BADID;
    enum status status;
    if (type != H5I_DATASET && type != H5I_GROUP)
        status = fail_object(file, name, "an array or a group", "another object");
    else if (++file->visited > OBJECTS_LIMIT) /* several names for each group multiply its paths */
        status = fail_object(file, name, "fewer objects", "too many");
    else
        status = type == H5I_DATASET ? add_dataset(file, object, name)
                                     : walk_group(file, object, name, walk->depth + 1);
    if (object >= 0)
        H5Oclose(object);
    return status;
}

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    struct walk *walk = context;
    walk->status = visit(walk, group, name, info->type);
    return walk->status == STATUS_OK ? 0 : 1;
}

static enum status walk_group(struct h5_file *file, hid_t group, const char *path, int depth)
{
    if (depth > DEPTH_LIMIT)
        return fail_object(file, path, "a few levels of groups", "too many");
    TRY(check_attributes(file, group, *path ? path : "/"));
    struct walk walk = {file, path, depth, STATUS_OK};
    herr_t result = H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, visit_link, &walk);
    if (result < 0)
        return fail_object(file, *path ? path : "/", "a readable group", "a damaged one");
    return walk.status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct h5_entry *)a)->array.name, ((const struct h5_entry *)b)->array.name);
}

/* Of the layout that we write every structure has a checksum; what older ones hold the library is not given at all. */
static enum status check_superblock(const struct h5_file *file)
{
    static const uint8_t expected[] = {
            0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n', 3 /* version */, sizeof(haddr_t), sizeof(hsize_t)};
    uint8_t found[sizeof expected] = {0};
    if (file->disk.length >= H5_HEADER_BYTES + sizeof found)
        TRY(h5_disk_read(&file->disk, H5_HEADER_BYTES, found, sizeof found));
    CHECK(memcmp(found, expected, sizeof found) == 0, STATUS_DATA,
            "%s: expected the layout of HDF5 1.10 after the header, found another", file->path);
    return STATUS_OK;
}

static enum status scan(struct h5_file *file)
{
    enum status status;
    TRY(check_superblock(file));
    h5_lock();
    hid_t access = h5_disk_access(&file->disk);
    file->id = access >= 0 ? H5Fopen(file->path, H5F_ACC_RDONLY, access) : -1;
    if (access >= 0)
        H5Pclose(access);
    if (file->id >= 0)
        status = walk_group(file, file->id, "", 0);
    else
        status = fail_object(file, "/", "a file the HDF5 library opens", "one it refuses");
    h5_unlock();
    if (status == STATUS_OK && file->count)
        qsort(file->entries, file->count, sizeof *file->entries, by_name);
    return status;
}

/* ---- opening and closing ---- */

static enum status begin(struct h5_file **out, const char *path, enum h5_kind kind)
{
    struct h5_file *file = NULL;
    TRY(memory_new(&file, "h5", 1, sizeof *file));
    *out = file;
    file->id = -1;
    file->disk.descriptor = -1;
    TRY(memory_text(&file->path, "h5", path));
    TRY(h5_disk_open(&file->disk, file->path));
    file->modified = file->disk.modified;
    TRY(h5_header_read(&file->header, &file->disk));
    return h5_header_expect(&file->disk, &file->header, kind);
}

enum status h5_open(struct h5_file **out, const char *path, enum h5_kind kind, bool everywhere)
{
    struct h5_file *file = NULL;
    enum status status = begin(&file, path, kind);
    if (everywhere)
        status = status_agree(status);
    if (status == STATUS_OK)
        status = h5_verify(&file->disk, &file->header, everywhere);
    if (status == STATUS_OK)
        status = scan(file);
    if (everywhere)
        status = status_agree(status);
    if (status != STATUS_OK) {
        h5_close(file);
        return status;
    }
    *out = file;
    return STATUS_OK;
}

void h5_close(struct h5_file *file)
{
    if (!file)
        return;
    if (file->id >= 0) {
        h5_lock();
        H5Fclose(file->id);
        h5_unlock();
    }
    if (file->disk.descriptor >= 0)
        h5_disk_close(&file->disk);
    memory_free(file->entries);
    memory_free(file->path);
    memory_free(file);
}

enum status h5_peek(const char *path, enum h5_kind *kind)
{
    struct h5_disk disk;
    struct h5_header header;
    TRY(h5_disk_open(&disk, path));
    enum status status = h5_header_read(&header, &disk);
    h5_disk_close(&disk);
    TRY(status);
    CHECK(header.kind >= H5_CORPUS && header.kind <= H5_ATTENTION, STATUS_DATA,
            "%s: expected a corpus or a checkpoint, found kind %u", path, header.kind);
    *kind = (enum h5_kind)header.kind;
    return STATUS_OK;
}
