/* HDF5 files of others as sources: what lies, or would take memory without bound, is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/h5_foreign.h"
#include "io/source.h"
#include "tests/io/h5_files.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { ROWS = 10, COLUMNS = 7, BOMB_BYTES = 1 << 23 };

static void refused(enum status status, enum status expected, const char *words)
{
    assert_int_equal(status, expected);
    if (!strstr(status_message(), words))
        fail_msg("'%s' is not in '%s'", words, status_message());
}

static hid_t create(void)
{
    hid_t file = H5Fcreate(files_path("f.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

/* A dataset, written if `data`; `chunk`: NULL, or deflated in such chunks. */
static void put(hid_t file, const char *name, hid_t type, int rank, const hsize_t *shape,
        const hsize_t *chunk, const void *data)
{
    hid_t space = H5Screate_simple(rank, shape, NULL), creation = H5Pcreate(H5P_DATASET_CREATE);
    if (chunk) {
        H5Pset_chunk(creation, rank, chunk);
        H5Pset_deflate(creation, 9);
    }
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    assert_true(dataset >= 0);
    if (data)
        assert_true(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(dataset);
    H5Pclose(creation);
    H5Sclose(space);
}

static void test_foreign__rows_cross_chunks(void **state)
{
    (void)state;
    static const hsize_t shape[] = {ROWS, COLUMNS}, chunk[] = {3, 4};
    int64_t values[ROWS][COLUMNS], found[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i / COLUMNS][i % COLUMNS] = i;
    hid_t file = create();
    put(file, "a", H5T_NATIVE_INT64, 2, shape, chunk, values);
    H5Fclose(file);
    struct h5_foreign *foreign;
    assert_int_equal(h5_foreign_open(&foreign, files_path("f.h5"), "/a"), STATUS_OK);
    for (uint64_t first = 0; first < ROWS; first++)
        for (uint64_t count = 0; count <= ROWS - first; count++) {
            memset(found, 0, sizeof found);
            assert_int_equal(h5_foreign_integers(foreign, first, count, found), STATUS_OK);
            assert_memory_equal(found, values[first], count * sizeof values[0]);
        }
    h5_foreign_close(foreign);
}

static void test_foreign__what_cannot_be_read_is_named(void **state)
{
    (void)state;
    static const hsize_t flat[] = {4}, five[] = {1, 1, 1, 1, 1}, huge[] = {1, 1 << 27};
    struct h5_foreign *foreign;
    hid_t file = create(), text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    put(file, "text", text, 1, flat, NULL, NULL);
    put(file, "five", H5T_STD_I32LE, 5, five, NULL, NULL);
    put(file, "huge", H5T_STD_I32LE, 2, huge, huge, NULL);
    put(file, "scalar", H5T_STD_I32LE, 0, flat, NULL, NULL);
    H5Lcreate_soft("/circle", file, "circle", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("none.h5", "/a", file, "outside", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Tclose(text);
    H5Fclose(file);
    static const struct {
        const char *name, *words;
    } rows[] = {
            {"/text", "f.h5:/text: expected numbers, found another type"},
            {"/five", "f.h5:/five: expected an array of 1 to 4 dimensions, found 5"},
            {"/scalar", "f.h5:/scalar: expected an array of 1 to 4 dimensions, found 0"},
            {"/huge", "f.h5:/huge: expected chunks of at most 256 MB, found larger ones"},
            {"/circle", "f.h5: expected a dataset /circle, found none"},
            {"/outside", "f.h5: expected a dataset /outside, found none"},
            {"/group", "f.h5: expected a dataset /group, found none"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(h5_foreign_open(&foreign, files_path("f.h5"), rows[i].name), STATUS_DATA, rows[i].words);
    files_write(files_path("t.h5"), "just text", 9);
    refused(h5_foreign_open(&foreign, files_path("t.h5"), "/a"), STATUS_DATA, "t.h5: expected an HDF5 file");
}

/* 8 MiB of zeros, packed, where a chunk of 16 bytes should be. */
static void write_bomb(void)
{
    static const hsize_t shape[] = {1, 2, 2}, at[] = {0, 0, 0};
    uint8_t *zeros = calloc(BOMB_BYTES, 1), *packed = malloc(BOMB_BYTES);
    uLongf bytes = BOMB_BYTES;
    assert_int_equal(compress2(packed, &bytes, zeros, BOMB_BYTES, 9), Z_OK);
    hid_t file = create();
    put(file, "a", H5T_IEEE_F32LE, 3, shape, shape, NULL);
    hid_t dataset = H5Dopen2(file, "a", H5P_DEFAULT);
    assert_true(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, at, bytes, packed) >= 0);
    H5Dclose(dataset);
    H5Fclose(file);
    free(zeros);
    free(packed);
}

static void test_foreign__a_chunk_that_gives_too_much_is_refused(void **state)
{
    (void)state;
    const struct source_form form = {SOURCE_FRAMES, 0, 0, 0};
    char name[600];
    struct source_reader *reader;
    const void *tokens;
    size_t count;
    write_bomb();
    snprintf(name, sizeof name, "%s:/a", files_path("f.h5"));
    assert_int_equal(source_open(&reader, name, &form), STATUS_OK);
    refused(source_next(reader, &tokens, &count), STATUS_DATA,
            "f.h5:/a[0]: expected 1 rows that can be read, found damaged ones");
    source_close(reader);
}

/* Where sentences begin and end, as the file says. */
static void test_foreign__offsets_that_lie_are_named(void **state)
{
    (void)state;
    static const hsize_t shape[] = {5, 2}, ends[] = {2};
    static const float values[10] = {1};
    static const struct {
        int64_t offsets[2];
        const char *words;
    } rows[] = {
            {{0, 6}, "sentence 1: expected offsets that rise to at most 5, found 0 and 6"},
            {{3, 2}, "sentence 1: expected offsets that rise to at most 5, found 3 and 2"},
            {{-1, 2}, "sentence 1: expected offsets that rise to at most 5, found -1 and 2"},
            {{INT64_MIN, INT64_MAX}, "sentence 1: expected offsets that rise to at most 5"},
    };
    const struct source_form form = {SOURCE_FRAMES, 0, 0, 0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[600];
        struct source_reader *reader;
        const void *tokens;
        size_t count;
        hid_t file = create();
        put(file, "a", H5T_NATIVE_FLOAT, 2, shape, NULL, values);
        put(file, "ends", H5T_NATIVE_INT64, 1, ends, NULL, rows[i].offsets);
        H5Fclose(file);
        snprintf(name, sizeof name, "%s:/a:/ends", files_path("f.h5"));
        assert_int_equal(source_open(&reader, name, &form), STATUS_OK);
        refused(source_next(reader, &tokens, &count), STATUS_DATA, rows[i].words);
        source_close(reader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(test_foreign__rows_cross_chunks, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_foreign__what_cannot_be_read_is_named, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_foreign__a_chunk_that_gives_too_much_is_refused, files_setup, files_teardown),
            cmocka_unit_test_setup_teardown(
                    test_foreign__offsets_that_lie_are_named, files_setup, files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
