#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "io/source.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IMAGES = 3, HEIGHT = 4, WIDTH = 8, CHANNELS = 3, PIXELS = HEIGHT * WIDTH };

static char folder[] = "/tmp/seqtrain-images-XXXXXX";
static const struct source_form grey = {SOURCE_IMAGES, WIDTH, HEIGHT, 1},
                                colour = {SOURCE_IMAGES, WIDTH, HEIGHT, CHANNELS};

static uint8_t pixel(size_t image, size_t place, size_t channel)
{
    return (uint8_t)(image * 101 + place * 3 + channel * 17);
}

/* ---- arrays ---- */

static void write_array(
        hid_t file, const char *name, hid_t type, int rank, const hsize_t *shape, const uint8_t *data)
{
    hid_t space = H5Screate_simple(rank, shape, NULL);
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(dataset >= 0);
    if (data)
        assert_true(H5Dwrite(dataset, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
}

/* The same pictures in every layout, and arrays that are none. */
static void write_arrays(void)
{
    static uint8_t plain[IMAGES][PIXELS], last[IMAGES][PIXELS][CHANNELS], first[IMAGES][CHANNELS][PIXELS];
    for (size_t i = 0; i < IMAGES; i++)
        for (size_t p = 0; p < PIXELS; p++) {
            plain[i][p] = pixel(i, p, 0);
            for (size_t c = 0; c < CHANNELS; c++)
                last[i][p][c] = first[i][c][p] = pixel(i, p, c);
        }
    hid_t file = H5Fcreate("a.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    write_array(file, "grey", H5T_STD_U8LE, 3, (hsize_t[]){IMAGES, HEIGHT, WIDTH}, plain[0]);
    write_array(file, "one", H5T_STD_U8LE, 4, (hsize_t[]){IMAGES, 1, HEIGHT, WIDTH}, plain[0]);
    write_array(file, "last", H5T_STD_U8LE, 4, (hsize_t[]){IMAGES, HEIGHT, WIDTH, CHANNELS}, last[0][0]);
    write_array(file, "first", H5T_STD_U8LE, 4, (hsize_t[]){IMAGES, CHANNELS, HEIGHT, WIDTH}, first[0][0]);
    write_array(file, "both", H5T_STD_U8LE, 4, (hsize_t[]){IMAGES, 3, HEIGHT, 3}, NULL);
    write_array(file, "neither", H5T_STD_U8LE, 4, (hsize_t[]){IMAGES, 5, HEIGHT, 4}, NULL);
    write_array(file, "flat", H5T_STD_U8LE, 2, (hsize_t[]){IMAGES, PIXELS}, NULL);
    write_array(file, "signed", H5T_STD_I8LE, 3, (hsize_t[]){IMAGES, HEIGHT, WIDTH}, NULL);
    write_array(file, "floats", H5T_IEEE_F32LE, 3, (hsize_t[]){IMAGES, HEIGHT, WIDTH}, NULL);
    write_array(file, "empty", H5T_STD_U8LE, 3, (hsize_t[]){IMAGES, 0, WIDTH}, NULL);
    write_array(file, "huge", H5T_STD_U8LE, 3, (hsize_t[]){1, 1 << 17, 1}, NULL);
    H5Fclose(file);
}

static void read_all(const char *path, const struct source_form *form)
{
    struct source_reader *reader;
    const uint8_t *bytes;
    size_t count;
    assert_int_equal(source_open(&reader, path, form), STATUS_OK);
    for (int pass = 0; pass < 2; pass++, source_rewind(reader)) {
        for (size_t i = 0; i < IMAGES; i++) {
            assert_int_equal(source_next(reader, (const void **)&bytes, &count), STATUS_OK);
            assert_int_equal(count, HEIGHT);
            assert_int_equal(source_number(reader), i + 1);
            for (size_t p = 0; p < PIXELS; p++)
                for (size_t c = 0; c < form->channels; c++)
                    assert_int_equal(*bytes++, pixel(i, p, c));
        }
        assert_int_equal(source_next(reader, (const void **)&bytes, &count), STATUS_OK);
        assert_null(bytes);
    }
    source_close(reader);
}

static void test_images__of_an_array_are_the_same_in_every_layout(void **state)
{
    (void)state;
    read_all("a.h5:/grey", &grey);
    read_all("a.h5:/one", &grey);
    read_all("a.h5:/last", &colour);
    read_all("a.h5:/first", &colour);
}

static void assert_refused(const char *path, const char *expected, const char *found)
{
    struct source_reader *reader;
    const void *bytes;
    size_t count;
    enum status status = source_open(&reader, path, &grey);
    if (status == STATUS_OK) {
        status = source_next(reader, &bytes, &count);
        source_close(reader);
    }
    assert_int_equal(status, STATUS_DATA);
    if (!strstr(status_message(), expected) || !strstr(status_message(), found))
        fail_msg("%s: expected '%s' and '%s' in: %s", path, expected, found, status_message());
}

static void test_images__arrays_that_are_none_are_refused(void **state)
{
    (void)state;
    assert_refused("a.h5:/no", "a.h5: expected a dataset /no", "found none");
    assert_refused("a.h5:/both", "a.h5:/both: expected 1 or 3 channels in the second or the last place",
            "found bytes [3, 3, 4, 3]");
    assert_refused("a.h5:/neither", "with 1 or 3 channels", "found bytes [3, 5, 4, 4]");
    assert_refused("a.h5:/flat", "expected unsigned bytes [images, height, width]", "found bytes [3, 32]");
    assert_refused("a.h5:/signed", "expected unsigned bytes", "found other numbers [3, 4, 8]");
    assert_refused("a.h5:/floats", "expected unsigned bytes", "found other numbers [3, 4, 8]");
    assert_refused("a.h5:/empty", "a.h5:/empty: expected a picture", "found 8 x 0");
    assert_refused("a.h5:/huge", "a.h5:/huge: expected a picture", "found 1 x 131072");
}

/* ---- folders ---- */

static void write_grey(const char *path, size_t image)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "P5\n%d %d\n255\n", WIDTH, HEIGHT);
    for (size_t p = 0; p < PIXELS; p++)
        fputc(pixel(image, p, 0), file);
    fclose(file);
}

static void test_images__of_a_folder_come_in_natural_order(void **state)
{
    (void)state;
    assert_int_equal(mkdir("pictures", 0777), 0);
    assert_refused("pictures", "pictures: expected pictures in this folder", "found none");
    write_grey("pictures/10.pgm", 2);
    write_grey("pictures/9.PGM", 1);
    write_grey("pictures/.8.pgm", 0);
    write_grey("pictures/7.pgm.old", 0);
    write_grey("pictures/1.pgm", 0);
    read_all("pictures", &grey);
    FILE *file = fopen("pictures/0.png", "wb");
    fclose(file);
    assert_refused("pictures", "pictures/0.png: expected a PNG", "found something else");
    unlink("pictures/0.png");
}

static int enter(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return 1;
    write_arrays();
    return 0;
}

static int leave(void **state)
{
    static const char *const files[] = {"a.h5", "pictures/10.pgm", "pictures/9.PGM", "pictures/.8.pgm",
            "pictures/7.pgm.old", "pictures/1.pgm"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    rmdir("pictures");
    return chdir("/") != 0 || rmdir(folder) != 0 || memory_blocks() > 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_images__of_an_array_are_the_same_in_every_layout),
            cmocka_unit_test(test_images__arrays_that_are_none_are_refused),
            cmocka_unit_test(test_images__of_a_folder_come_in_natural_order),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
