/* Pictures: PNG, and binary PGM and PPM, of 8 or 16 bits. Private to io/source/. */
#ifndef IO_SOURCE_PICTURE_H
#define IO_SOURCE_PICTURE_H

#include "comm/status.h"

#include <stddef.h>
#include <stdint.h>

enum { PICTURE_SIDE_MOST = 1 << 16, PICTURE_PIXELS_MOST = 1 << 26 };

struct picture {
    size_t width, height, channels; /* 1: grey, 3: red, green, blue */
    uint8_t *pixels;                /* [height, width, channels]; memory_free() */
    size_t room;
};

/* Room for the pixels, of a size that was read from a file: checked before memory is taken, STATUS_DATA naming `path`. */
enum status picture_reserve(
        struct picture *picture, const char *path, uint64_t width, uint64_t height, size_t channels);

/* What is transparent is white. STATUS_DATA naming the file, what was expected
 * and what was found. */
enum status picture_read(struct picture *picture, const char *path);

/* Scaled until it covers [height, width], the middle cut out, grey to colour or back: `out` [height, width, channels]. Of
 * a picture of that size a copy. */
enum status picture_fit(
        const struct picture *picture, size_t height, size_t width, size_t channels, uint8_t *out);

#endif
