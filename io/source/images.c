#include "io/source/internal.h"

#include "comm/memory.h"
#include "io/source/album.h"

/* Pictures of an album, each fitted to the form. */
struct images {
    const struct album_kind *kind;
    struct album album;
    struct picture picture;
};

/* The first that takes a path; the last takes all. */
static const struct album_kind *const kinds[] = {&album_array, &album_folder, &album_list};

static void close_images(void *data)
{
    struct images *images = data;
    if (images->album.data)
        images->kind->close(&images->album);
    memory_free(images->picture.pixels);
    memory_free(images);
}

static enum status open_images(struct source_reader *reader)
{
    TRY(memory_new(&reader->data, "source", 1, sizeof(struct images)));
    struct images *images = reader->data;
    size_t kind = 0;
    while (!kinds[kind]->takes(reader->path))
        kind++;
    images->kind = kinds[kind];
    images->album.path = reader->path;
    return images->kind->open(&images->album);
}

static enum status next_image(struct source_reader *reader, size_t *count, bool *end)
{
    struct images *images = reader->data;
    const struct source_form *form = &reader->form;
    TRY(images->kind->next(&images->album, reader->number, &images->picture, end));
    if (*end)
        return STATUS_OK;
    *count = form->height;
    TRY(source_reserve(reader, form->height));
    return picture_fit(&images->picture, form->height, form->width, form->channels, reader->tokens);
}

static void rewind_images(struct source_reader *reader)
{
    struct images *images = reader->data;
    if (images->kind->rewind)
        images->kind->rewind(&images->album);
}

const struct source_kind_row source_images = {
        "pictures", open_images, next_image, rewind_images, close_images};
