/*
 * Where pictures come from: a list of paths, a folder, an array in an HDF5 file. Private to io/source/. To add another:
 * write its file, which ends in a row, and name that in images.c.
 */
#ifndef IO_SOURCE_ALBUM_H
#define IO_SOURCE_ALBUM_H

#include "io/source/picture.h"

#include <stdbool.h>

struct album {
    const char *path; /* as the user gave it, borrowed */
    void *data;       /* the kind's own; NULL until it is opened */
};

struct album_kind {
    bool (*takes)(const char *path);
    enum status (*open)(struct album *album);
    /* Picture `number`, from 1 on in turn; *end: there is none. STATUS_DATA naming it, what was expected and found. */
    enum status (*next)(struct album *album, int64_t number, struct picture *picture, bool *end);
    void (*rewind)(struct album *album); /* NULL: pictures are found by number */
    void (*close)(struct album *album);
};

extern const struct album_kind album_list, album_folder, album_array;

#endif
