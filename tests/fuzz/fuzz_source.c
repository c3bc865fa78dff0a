/* Sources that are not text: arrays in HDF5 files of any make, pictures. */
#include "io/source.h"

#include "comm/memory.h"
#include "io/source/picture.h"
#include "tests/fuzz/targets.h"
#include "tests/io/h5_files.h"

#include <hdf5.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MOST = 1 << 16, PICTURE_MOST = 1 << 12, SENTENCES_MOST = 100, FLOATS = 24 };

static void read_all(const char *path, const struct source_form *form)
{
    struct source_reader *reader;
    const void *tokens;
    size_t count;
    if (source_open(&reader, path, form) != STATUS_OK)
        return;
    for (int i = 0; i < SENTENCES_MOST; i++)
        if (source_next(reader, &tokens, &count) != STATUS_OK || !tokens)
            break;
    source_close(reader);
}

/* ---- arrays ---- */

static void run_array(const uint8_t *bytes, size_t count)
{
    static const struct source_form frames = {SOURCE_FRAMES, 0, 0, 0}, images = {SOURCE_IMAGES, 4, 4, 1};
    char name[512];
    const char *path = fuzz_file("array.h5", bytes, count);
    snprintf(name, sizeof name, "%s:/even", path);
    read_all(name, &frames);
    snprintf(name, sizeof name, "%s:/frames:/offsets", path);
    read_all(name, &frames);
    snprintf(name, sizeof name, "%s:/images", path);
    read_all(name, &images);
}

static void put(hid_t file, const char *name, hid_t type, int rank, const hsize_t *shape, hid_t creation)
{
    static const int64_t values[FLOATS] = {0, 1, 3, 4};
    hid_t space = H5Screate_simple(rank, shape, NULL);
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    hid_t memory = H5Tget_class(type) == H5T_FLOAT ? H5T_NATIVE_FLOAT : H5T_NATIVE_INT64;
    fuzz_must(H5Dwrite(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0, "no array");
    H5Dclose(dataset);
    H5Sclose(space);
}

static void write_arrays(const char *path, H5F_libver_t layout, bool compressed)
{
    static const hsize_t even[] = {3, 4, 2}, frames[] = {4, 2}, offsets[] = {4}, images[] = {2, 3, 4};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_libver_bounds(access, layout, H5F_LIBVER_LATEST);
    if (compressed) {
        H5Pset_chunk(creation, 3, (const hsize_t[]){1, 3, 2});
        H5Pset_shuffle(creation);
        H5Pset_deflate(creation, 9);
    }
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    put(file, "even", H5T_IEEE_F32LE, 3, even, creation);
    put(file, "frames", H5T_IEEE_F64BE, 2, frames, H5P_DEFAULT);
    put(file, "offsets", H5T_STD_I32LE, 1, offsets, H5P_DEFAULT);
    put(file, "images", H5T_STD_U8LE, 3, images, creation);
    H5Fclose(file);
    H5Pclose(creation);
    H5Pclose(access);
}

static void seed_array(fuzz_taker *take, void *context)
{
    static const H5F_libver_t layouts[] = {H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST};
    const char *path = files_path("seed.h5");
    for (int i = 0; i < 4; i++) {
        write_arrays(path, layouts[i % 2], i / 2);
        fuzz_take_file(take, context, path, 0);
    }
}

const struct fuzz_target fuzz_array = {"array", run_array, seed_array, FILE_MOST, true};

/* ---- pictures ---- */

static void run_picture(const uint8_t *bytes, size_t count)
{
    struct picture picture = {0};
    uint8_t out[4 * 8 * 3];
    if (picture_read(&picture, fuzz_file("picture", bytes, count)) == STATUS_OK) {
        (void)picture_fit(&picture, 4, 8, 3, out);
        (void)picture_fit(&picture, 8, 4, 1, out);
    }
    memory_free(picture.pixels);
}

static void seed_picture(fuzz_taker *take, void *context)
{
    static const uint8_t pixels[5 * 8 * 3] = {1, 2, 3, 250};
    for (size_t channels = 1; channels <= 3; channels += 2) {
        const struct source_form form = {SOURCE_IMAGES, 8, 5, channels};
        uint8_t *png;
        size_t bytes;
        fuzz_must(source_png(&png, &bytes, &form, pixels) == STATUS_OK, "no picture");
        take(context, png, bytes);
        memory_free(png);
    }
    fuzz_take_text(take, context, "P5\n# a comment\n4 3\n255\nabcdefghijkl");
    fuzz_take_text(take, context, "P6 2 2 65535\nabcdefghijklmnopqrstuvwx");
    fuzz_take_text(take, context, "P5 1 1 7\n5");
}

const struct fuzz_target fuzz_picture = {"picture", run_picture, seed_picture, PICTURE_MOST, false};
