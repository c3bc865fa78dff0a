/* Files with a right header and digest, made by somebody else: whatever is not ours is refused when they are opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/h5/internal.h"
#include "tests/io/h5_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { ROWS = 1000, CHUNK = 100 };

static const int32_t zeros[1 << 16];

static hid_t chunked(hsize_t chunk)
{
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 1, &chunk);
    return creation;
}

/* A dataset /a of `rows` items; `creation` is closed. Written in full if `write`. */
static void put(hid_t file, hid_t type, hsize_t rows, hid_t creation, bool write)
{
    hsize_t limit = H5S_UNLIMITED;
    bool grows = creation != H5P_DEFAULT && H5Pget_layout(creation) == H5D_CHUNKED;
    hid_t space = H5Screate_simple(1, &rows, grows ? &limit : NULL);
    hid_t dataset = H5Dcreate2(file, "a", type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    assert_true(dataset >= 0);
    if (write)
        assert_true(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
    if (creation != H5P_DEFAULT)
        H5Pclose(creation);
}

static void good(hid_t file)
{
    hid_t creation = chunked(CHUNK);
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, 6);
    put(file, H5T_STD_I32LE, ROWS, creation, true);
}

static void soft_link(hid_t file)
{
    good(file);
    H5Lcreate_soft("/a", file, "b", H5P_DEFAULT, H5P_DEFAULT);
}

static void external_link(hid_t file)
{
    H5Lcreate_external("/etc/passwd", "/", file, "b", H5P_DEFAULT, H5P_DEFAULT);
}

static void external_storage(hid_t file)
{
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(creation, "/etc/passwd", 0, 400);
    put(file, H5T_STD_I32LE, 100, creation, false);
}

static void virtual_dataset(hid_t file)
{
    hsize_t rows = 100;
    hid_t space = H5Screate_simple(1, &rows, NULL), creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_virtual(creation, space, "other.h5", "/a", space);
    H5Sclose(space);
    put(file, H5T_STD_I32LE, rows, creation, false);
}

static void compact(hid_t file)
{
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(creation, H5D_COMPACT);
    put(file, H5T_STD_I32LE, 10, creation, true);
}

static void foreign_filter(hid_t file)
{
    hid_t creation = chunked(CHUNK);
    H5Pset_fletcher32(creation);
    put(file, H5T_STD_I32LE, ROWS, creation, true);
}

static void three_filters(hid_t file)
{
    hid_t creation = chunked(CHUNK);
    H5Pset_shuffle(creation);
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, 6);
    put(file, H5T_STD_I32LE, ROWS, creation, true);
}

static void no_shuffle(hid_t file)
{
    hid_t creation = chunked(CHUNK);
    H5Pset_deflate(creation, 6);
    put(file, H5T_STD_I32LE, ROWS, creation, true);
}

static void big_endian(hid_t file)
{
    put(file, H5T_STD_I32BE, 10, H5P_DEFAULT, true);
}

static void unsigned_type(hid_t file)
{
    put(file, H5T_STD_U32LE, 10, H5P_DEFAULT, true);
}

static void compound(hid_t file)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, 8);
    H5Tinsert(type, "x", 0, H5T_STD_I32LE);
    put(file, type, 10, H5P_DEFAULT, true);
    H5Tclose(type);
}

static void variable_text(hid_t file)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    put(file, type, 10, H5P_DEFAULT, false);
    H5Tclose(type);
}

static void named_type(hid_t file)
{
    hid_t type = H5Tcopy(H5T_STD_I32LE);
    H5Tcommit2(file, "b", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Tclose(type);
}

static void huge_whole(hid_t file)
{
    put(file, H5T_STD_I32LE, (hsize_t)1 << 40, H5P_DEFAULT, false);
}

static void huge_chunked(hid_t file)
{
    put(file, H5T_STD_I32LE, (hsize_t)1 << 40, chunked(CHUNK), false);
}

static void huge_rows(hid_t file)
{
    hsize_t shape[3] = {(hsize_t)1 << 21, (hsize_t)1 << 20, (hsize_t)1 << 20};
    hid_t space = H5Screate_simple(3, shape, NULL);
    hid_t dataset = H5Dcreate2(file, "a", H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(dataset >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
}

static void huge_chunk(hid_t file)
{
    put(file, H5T_STD_I32LE, 1, chunked((hsize_t)1 << 29), false);
}

static void missing_chunks(hid_t file)
{
    hid_t creation = chunked(CHUNK);
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, 6);
    put(file, H5T_STD_I32LE, ROWS, creation, false);
}

static void parts_of_rows(hid_t file)
{
    hsize_t shape[2] = {10, 10}, chunk[2] = {10, 5};
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(2, shape, NULL);
    H5Pset_chunk(creation, 2, chunk);
    hid_t dataset = H5Dcreate2(file, "a", H5T_STD_I32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    H5Dwrite(dataset, H5T_STD_I32LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Pclose(creation);
}

static void many_dimensions(hid_t file)
{
    hsize_t shape[5] = {2, 2, 2, 2, 2};
    hid_t space = H5Screate_simple(5, shape, NULL);
    H5Dclose(H5Dcreate2(file, "a", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
}

static void put_attribute(hid_t object, const char *name, hsize_t items)
{
    hid_t space = H5Screate_simple(1, &items, NULL);
    hid_t attribute = H5Acreate2(object, name, H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(attribute >= 0 && H5Awrite(attribute, H5T_STD_I32LE, zeros) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
}

static void huge_attribute(hid_t file)
{
    good(file);
    hid_t dataset = H5Dopen2(file, "a", H5P_DEFAULT);
    put_attribute(dataset, "huge", 1 << 16);
    H5Dclose(dataset);
}

static void huge_root_attribute(hid_t file)
{
    put_attribute(file, "huge", 1 << 16);
}

static void many_attributes(hid_t file)
{
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        put_attribute(file, name, 1);
    }
}

static void circle(hid_t file)
{
    hid_t group = H5Gcreate2(file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Lcreate_hard(file, "g", group, "g", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Gclose(group);
}

/* A ladder of 15 groups with 8 names for each rung: 8^14 paths. */
static void ladder(hid_t file)
{
    hid_t group = H5Gcreate2(file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    for (int level = 1; level < 15; level++) {
        hid_t inner = H5Gcreate2(group, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        for (int i = 1; i < 8; i++) {
            char name[16];
            snprintf(name, sizeof name, "%d", i);
            assert_true(H5Lcreate_hard(group, "g", group, name, H5P_DEFAULT, H5P_DEFAULT) >= 0);
        }
        H5Gclose(group);
        group = inner;
    }
    H5Gclose(group);
}

static void deep(hid_t file)
{
    hid_t group = H5Gcreate2(file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    for (int i = 0; i < 40; i++) {
        hid_t inner = H5Gcreate2(group, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        H5Gclose(group);
        group = inner;
    }
    H5Gclose(group);
}

static void long_name(hid_t file)
{
    char name[400];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    H5Gclose(H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

/* One chunk of `bytes` bytes deflated to be chunk 0 of one that should have CHUNK items. */
static void one_chunk(hid_t file, size_t bytes, uint32_t filter_mask)
{
    static unsigned char packed[1 << 16];
    uLongf packed_bytes = sizeof packed;
    assert_int_equal(compress2(packed, &packed_bytes, (const Bytef *)zeros, bytes, 9), Z_OK);
    hid_t creation = chunked(CHUNK);
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, 9);
    put(file, H5T_STD_I32LE, CHUNK, creation, false);
    hid_t dataset = H5Dopen2(file, "a", H5P_DEFAULT);
    hsize_t offset = 0;
    assert_true(H5Dwrite_chunk(dataset, H5P_DEFAULT, filter_mask, &offset, packed_bytes, packed) >= 0);
    H5Dclose(dataset);
}

static void bomb(hid_t file)
{
    one_chunk(file, sizeof zeros, 0);
}

static void short_chunk(hid_t file)
{
    one_chunk(file, 100, 0);
}

static void masked(hid_t file)
{
    one_chunk(file, CHUNK * sizeof *zeros, 2);
}

/* ---- the files ---- */

static void seal(const char *path)
{
    struct stat facts;
    struct h5_disk disk = {.path = path, .descriptor = open(path, O_RDWR), .writing = true};
    assert_int_equal(stat(path, &facts), 0);
    disk.length = (uint64_t)facts.st_size;
    assert_int_equal(h5_header_write(&disk, H5_CORPUS), STATUS_OK);
    assert_int_equal(h5_disk_close(&disk), STATUS_OK);
}

static const char *craft_as(void (*fill)(hid_t file), H5F_libver_t layout)
{
    const char *path = files_path("crafted.h5");
    hid_t creation = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_userblock(creation, H5_HEADER_BYTES);
    H5Pset_libver_bounds(access, layout, H5F_LIBVER_V110);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, creation, access);
    assert_true(file >= 0);
    fill(file);
    assert_true(H5Fclose(file) >= 0);
    H5Pclose(creation);
    H5Pclose(access);
    seal(path);
    return path;
}

static const char *craft(void (*fill)(hid_t file))
{
    return craft_as(fill, H5F_LIBVER_V110);
}

static const struct crafted {
    const char *name;
    void (*fill)(hid_t file);
    const char *words; /* of the refusal; NULL: opened */
} crafted[] = {
        {"good", good, NULL},
        {"soft link", soft_link, "/b: expected an array or a group, found a link"},
        {"external link", external_link, "/b: expected an array or a group, found a link"},
        {"external storage", external_storage, "found data in other files"},
        {"virtual dataset", virtual_dataset, "/a: expected an array stored whole or in chunks"},
        {"compact", compact, "/a: expected an array stored whole or in chunks"},
        {"foreign filter", foreign_filter, "no filters but shuffle and deflate"},
        {"three filters", three_filters, "no filters but shuffle and deflate"},
        {"no shuffle", no_shuffle, "shuffle before deflate"},
        {"big-endian", big_endian, "little-endian type"},
        {"unsigned", unsigned_type, "little-endian type"},
        {"compound", compound, "little-endian type"},
        {"variable text", variable_text, "little-endian type"},
        {"named type", named_type, "/b: expected an array or a group, found another object"},
        {"huge whole", huge_whole, "a size that fits the length"},
        {"huge chunked", huge_chunked, "a size that fits the length"},
        {"huge rows", huge_rows, "a size that fits the length"},
        {"huge chunk", huge_chunk, "a size that fits the length"},
        {"missing chunks", missing_chunks, "as many chunks as its shape needs"},
        {"parts of rows", parts_of_rows, "chunks of whole rows"},
        {"many dimensions", many_dimensions, "at most 4 dimensions"},
        {"huge attribute", huge_attribute, "/a: expected attributes of at most 64 KiB"},
        {"huge root attribute", huge_root_attribute, "attributes of at most 64 KiB"},
        {"many attributes", many_attributes, "few attributes"},
        {"circle", circle, "a few levels of groups"},
        {"ladder", ladder, "fewer objects"},
        {"deep", deep, "a few levels of groups"},
        {"long name", long_name, "names of at most 255 bytes"},
};

static void test_h5_crafted__what_is_not_ours_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof crafted / sizeof crafted[0]; i++) {
        struct h5_file *file = NULL;
        enum status status = h5_open(&file, craft(crafted[i].fill), H5_CORPUS, false);
        if (crafted[i].words ? status != STATUS_DATA || !strstr(status_message(), crafted[i].words)
                             : status != STATUS_OK)
            fail_msg("%s: status %d (%s)", crafted[i].name, status, status_message());
        if (crafted[i].words)
            assert_non_null(strstr(status_message(), "crafted.h5"));
        else
            h5_close(file);
    }
}

static void open_refused(const char *path, const char *words)
{
    struct h5_file *file;
    assert_int_equal(h5_open(&file, path, H5_CORPUS, false), STATUS_DATA);
    if (!strstr(status_message(), words) || !strstr(status_message(), "crafted.h5"))
        fail_msg("%s", status_message());
}

static void test_h5_crafted__older_layouts_are_refused(void **state)
{
    (void)state;
    static const H5F_libver_t layouts[] = {H5F_LIBVER_EARLIEST, H5F_LIBVER_V18};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        open_refused(craft_as(good, layouts[i]),
                "expected the layout of HDF5 1.10 after the header, found another");
}

/* Nothing, or something else, where HDF5 should begin. */
static void test_h5_crafted__what_is_no_hdf5_is_refused(void **state)
{
    (void)state;
    static const char bytes[H5_HEADER_BYTES + 600];
    const char *path = files_path("crafted.h5");
    static const size_t lengths[] = {0, 1, 10, 11, 48, 600};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        files_write(path, bytes, H5_HEADER_BYTES + lengths[i]);
        seal(path);
        open_refused(path, "expected the layout of HDF5 1.10 after the header, found another");
    }
}

/* What only the data shows is found when it is read. */
static void read_refused(void (*fill)(hid_t file), const char *words)
{
    struct h5_file *file;
    int32_t *data;
    assert_int_equal(h5_open(&file, craft(fill), H5_CORPUS, false), STATUS_OK);
    assert_int_equal(h5_get(file, "/a", H5_INT32, 1, &data, NULL), STATUS_DATA);
    if (!strstr(status_message(), words))
        fail_msg("%s", status_message());
    h5_close(file);
}

static void test_h5_crafted__chunks_give_what_they_should(void **state)
{
    (void)state;
    read_refused(bomb, "found one that gives more");
    read_refused(short_chunk, "found one that gives fewer");
    read_refused(masked, "filtered chunks inside the file");
}

/* The library as the program starts it. */
static int start(void **state)
{
    (void)state;
    h5_lock();
    h5_unlock();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    test_h5_crafted__what_is_not_ours_is_refused, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5_crafted__older_layouts_are_refused, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5_crafted__what_is_no_hdf5_is_refused, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_h5_crafted__chunks_give_what_they_should, files_setup, files_teardown),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
