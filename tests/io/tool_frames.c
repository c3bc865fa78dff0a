/*
 * Text as frames, for tests: tool_frames TEXT OUT.h5 writes, as other programs do, /frames [all bytes, 8] with /offsets
 * [lines + 1], a byte of the text being 8 numbers of its own; and /even [lines, 4, 8], the first four bytes of each line,
 * blanks after its end.
 */
#include "comm/random.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 8, EVEN = 4, LINE_BYTES = 4096 };

static void put_byte(float *out, int byte)
{
    struct random_stream stream = random_stream(11, RANDOM_TEST, 0, 0, 0);
    for (int i = 0; i < VALUES; i++)
        out[i] = (float)random_normal(&stream, (uint64_t)(byte * VALUES + i));
}

static void write_array(
        hid_t file, const char *name, hid_t type, int rank, const hsize_t *shape, const void *data)
{
    hid_t space = H5Screate_simple(rank, shape, NULL);
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        exit(EXIT_FAILURE);
    H5Dclose(dataset);
    H5Sclose(space);
}

int main(int argc, char **argv)
{
    static float frames[1 << 20][VALUES], even[1 << 14][EVEN][VALUES];
    static long long offsets[1 << 14];
    static char line[LINE_BYTES];
    hsize_t lines = 0, bytes = 0;
    FILE *text = argc == 3 ? fopen(argv[1], "r") : NULL;
    while (text && fgets(line, sizeof line, text)) {
        size_t length = strcspn(line, "\n");
        for (size_t i = 0; i < length; i++)
            put_byte(frames[bytes++], (unsigned char)line[i]);
        for (size_t i = 0; i < EVEN; i++)
            put_byte(even[lines][i], i < length ? (unsigned char)line[i] : ' ');
        offsets[++lines] = (long long)bytes;
    }
    hid_t file = text ? H5Fcreate(argv[2], H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT) : -1;
    if (file < 0)
        return EXIT_FAILURE;
    write_array(file, "frames", H5T_NATIVE_FLOAT, 2, (hsize_t[]){bytes, VALUES}, frames);
    write_array(file, "offsets", H5T_NATIVE_LLONG, 1, (hsize_t[]){lines + 1}, offsets);
    write_array(file, "even", H5T_NATIVE_FLOAT, 3, (hsize_t[]){lines, EVEN, VALUES}, even);
    H5Fclose(file);
    fclose(text);
    return EXIT_SUCCESS;
}
