/*
 * FILE.h5:/DATASET, bytes [images, height, width], grey; or with channels last [images, height, width, channels], as image
 * libraries have them, or first [images, channels, height, width], as PyTorch has them. Which of the two tells the one
 * place where there are 1 or 3.
 */
#include "comm/memory.h"
#include "io/h5_foreign.h"
#include "io/source/album.h"

#include <stdio.h>
#include <string.h>

struct array {
    struct h5_foreign *images;
    uint64_t height, width;
    size_t channels;
    bool channels_first;
    uint8_t *planes; /* of a picture whose channels come first */
    size_t room;
};

static bool takes(const char *path)
{
    return strstr(path, ":/") != NULL;
}

static bool is_channels(uint64_t count)
{
    return count == 1 || count == 3;
}

static enum status fail_shape(
        const struct album *album, const struct h5_foreign *images, const char *expected)
{
    char found[128] = "";
    size_t used = 0;
    for (int i = 0; i < h5_foreign_rank(images) && used < sizeof found; i++)
        used += (size_t)snprintf(found + used, sizeof found - used, "%s%llu", i ? ", " : "",
                (unsigned long long)h5_foreign_shape(images)[i]);
    return status_fail(STATUS_DATA, "%s: expected %s, found %s [%s]", album->path, expected,
            h5_foreign_is_bytes(images) ? "bytes" : "other numbers", found);
}

static enum status find_layout(const struct album *album, struct array *array)
{
    const uint64_t *shape = h5_foreign_shape(array->images);
    const int rank = h5_foreign_rank(array->images);
    if (!h5_foreign_is_bytes(array->images) || (rank != 3 && rank != 4) ||
            (rank == 4 && !is_channels(shape[1]) && !is_channels(shape[3])))
        return fail_shape(album, array->images,
                "unsigned bytes [images, height, width], [images, height, width, channels] or [images, "
                "channels, height, width], with 1 or 3 channels");
    if (rank == 4 && is_channels(shape[1]) && is_channels(shape[3]))
        return fail_shape(album, array->images,
                "1 or 3 channels in the second or the last place, but not both, as either could be them");
    array->channels_first = rank == 4 && is_channels(shape[1]);
    array->channels = rank == 3 ? 1 : (size_t)shape[array->channels_first ? 1 : 3];
    array->height = shape[array->channels_first ? 2 : 1];
    array->width = shape[array->channels_first ? 3 : 2];
    return STATUS_OK;
}

static enum status open_dataset(const struct album *album, struct array *array)
{
    char *file = NULL;
    TRY(memory_text(&file, "source", album->path));
    char *colon = strstr(file, ":/");
    *colon = '\0';
    enum status status = h5_foreign_open(&array->images, file, colon + 1);
    memory_free(file);
    return status == STATUS_OK ? find_layout(album, array) : status;
}

static enum status open_array(struct album *album)
{
    TRY(memory_new(&album->data, "source", 1, sizeof(struct array)));
    return open_dataset(album, album->data);
}

static void close_array(struct album *album)
{
    struct array *array = album->data;
    h5_foreign_close(array->images);
    memory_free(array->planes);
    memory_free(array);
}

/* Channels side by side. */
static void interleave(const struct array *array, struct picture *picture)
{
    const size_t pixels = picture->height * picture->width, channels = picture->channels;
    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < pixels; i++)
            picture->pixels[i * channels + c] = array->planes[c * pixels + i];
}

static enum status next(struct album *album, int64_t number, struct picture *picture, bool *end)
{
    struct array *array = album->data;
    *end = (uint64_t)number > h5_foreign_shape(array->images)[0];
    if (*end)
        return STATUS_OK;
    TRY(picture_reserve(picture, album->path, array->width, array->height, array->channels));
    if (!array->channels_first)
        return h5_foreign_bytes(array->images, (uint64_t)number - 1, 1, picture->pixels);
    size_t bytes = picture->height * picture->width * picture->channels;
    TRY(memory_grow(&array->planes, "source", &array->room, bytes, 1));
    TRY(h5_foreign_bytes(array->images, (uint64_t)number - 1, 1, array->planes));
    interleave(array, picture);
    return STATUS_OK;
}

const struct album_kind album_array = {takes, open_array, next, NULL, close_array};
