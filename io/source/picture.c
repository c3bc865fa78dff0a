#include "io/source/picture.h"

#include "comm/memory.h"
#include "io/source.h"

#include <ctype.h>
#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum status picture_reserve(
        struct picture *picture, const char *path, uint64_t width, uint64_t height, size_t channels)
{
    CHECK(width > 0 && height > 0 && width <= PICTURE_SIDE_MOST && height <= PICTURE_SIDE_MOST &&
                    width * height <= PICTURE_PIXELS_MOST,
            STATUS_DATA, "%s: expected a picture of at most %d pixels, %d a side, found %llu x %llu", path,
            PICTURE_PIXELS_MOST, PICTURE_SIDE_MOST, (unsigned long long)width, (unsigned long long)height);
    picture->width = (size_t)width;
    picture->height = (size_t)height;
    picture->channels = channels;
    return memory_grow(&picture->pixels, "picture", &picture->room, (size_t)(width * height) * channels, 1);
}

/* ---- PNG ---- */

static enum status decode_png(struct picture *picture, const char *path, png_image *image)
{
    static const png_color white = {255, 255, 255};
    bool colour = image->format & PNG_FORMAT_FLAG_COLOR;
    image->format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    TRY(picture_reserve(picture, path, image->width, image->height, colour ? 3 : 1));
    CHECK(png_image_finish_read(image, &white, picture->pixels, 0, NULL), STATUS_DATA,
            "%s: expected a whole PNG picture, found a damaged one (%s)", path, image->message);
    return STATUS_OK;
}

static enum status read_png(struct picture *picture, const char *path, FILE *file)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    CHECK(png_image_begin_read_from_stdio(&image, file), STATUS_DATA,
            "%s: expected a PNG picture, found a damaged one (%s)", path, image.message);
    enum status status = decode_png(picture, path, &image);
    png_image_free(&image);
    return status;
}

/* ---- PGM and PPM ---- */

/* The next number of a header, after blanks and comments; false if there is none below 2^31. */
static bool read_number(FILE *file, uint64_t *out)
{
    int c = fgetc(file);
    while (isspace(c) || c == '#') {
        while (c == '#' && c != EOF && c != '\n')
            do
                c = fgetc(file);
            while (c != EOF && c != '\n');
        c = fgetc(file);
    }
    bool any = false;
    for (*out = 0; isdigit(c) && *out <= INT32_MAX; any = true, c = fgetc(file))
        *out = *out * 10 + (uint64_t)(c - '0');
    return any && isspace(c) && *out <= INT32_MAX; /* one blank ends the number */
}

/* Samples of up to `most` to bytes; of two bytes each above 255. */
static bool read_samples(FILE *file, uint64_t most, uint8_t *out, size_t count)
{
    if (most == 255)
        return fread(out, 1, count, file) == count;
    for (size_t i = 0; i < count; i++) {
        int high = most > 255 ? fgetc(file) : 0, low = fgetc(file);
        if (high == EOF || low == EOF)
            return false;
        uint64_t sample = (uint64_t)high << 8 | (uint64_t)low;
        out[i] = (uint8_t)(((sample < most ? sample : most) * 255 + most / 2) / most);
    }
    return true;
}

static enum status read_pnm(struct picture *picture, const char *path, FILE *file)
{
    char mark[2];
    uint64_t width, height, most;
    bool header = fread(mark, 1, sizeof mark, file) == sizeof mark && read_number(file, &width) &&
                  read_number(file, &height) && read_number(file, &most) && most > 0 && most < 1 << 16;
    CHECK(header, STATUS_DATA,
            "%s: expected width, height and a largest value below 65536 after P5 or P6, found no such header",
            path);
    TRY(picture_reserve(picture, path, width, height, mark[1] == '6' ? 3 : 1));
    size_t count = picture->width * picture->height * picture->channels;
    CHECK(read_samples(file, most, picture->pixels, count), STATUS_DATA,
            "%s: expected %zu x %zu pixels, found the end of the file before", path, picture->width,
            picture->height);
    return STATUS_OK;
}

/* ---- either ---- */

enum status picture_read(struct picture *picture, const char *path)
{
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    uint8_t mark[sizeof png] = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return status_fail_errno("read", path);
    size_t found = fread(mark, 1, sizeof mark, file);
    enum status status;
    if (fseek(file, 0, SEEK_SET) != 0)
        status = status_fail_errno("read", path);
    else if (found == sizeof png && memcmp(mark, png, sizeof png) == 0)
        status = read_png(picture, path, file);
    else if (found > 2 && mark[0] == 'P' && (mark[1] == '5' || mark[1] == '6'))
        status = read_pnm(picture, path, file);
    else
        status = status_fail(
                STATUS_DATA, "%s: expected a PNG, PGM (P5) or PPM (P6) picture, found something else", path);
    fclose(file);
    return status;
}

/* ---- writing ---- */

enum status source_png(uint8_t **out, size_t *bytes, const struct source_form *form, const void *tokens)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
            .width = (png_uint_32)form->width,
            .height = (png_uint_32)form->height,
            .format = form->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
    png_alloc_size_t most = PNG_IMAGE_PNG_SIZE_MAX(image);
    ASSERT(form->kind == SOURCE_IMAGES);
    TRY(memory_new(out, "picture", most, 1));
    bool written = png_image_write_to_memory(&image, *out, &most, 0, tokens, 0, NULL);
    *bytes = most;
    if (written)
        return STATUS_OK;
    memory_free(*out);
    return status_fail(STATUS_INTERNAL, "a picture as PNG: %s", image.message);
}
