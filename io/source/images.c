#include "io/source/internal.h"

#include "comm/memory.h"
#include "io/source/picture.h"
#include "io/text.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

/* A text file with a path on each line, from its own folder where it does not begin with a slash. */
struct images {
    struct text *list; /* NULL: from its start */
    struct picture picture;
};

static void close_images(void *data)
{
    struct images *images = data;
    text_close(images->list);
    memory_free(images->picture.pixels);
    memory_free(images);
}

static enum status open_images(struct source_reader *reader)
{
    TRY(memory_new(&reader->data, "source", 1, sizeof(struct images)));
    return text_open(&((struct images *)reader->data)->list, reader->path);
}

/* The path of a line as it is reached from here. */
static enum status resolve(const struct source_reader *reader, const char *line, char out[PATH_BYTES])
{
    const char *slash = strrchr(reader->path, '/');
    int folder = slash && line[0] != '/' ? (int)(slash - reader->path) + 1 : 0;
    int bytes = snprintf(out, PATH_BYTES, "%.*s%s", folder, reader->path, line);
    CHECK(line[0] && bytes < PATH_BYTES, STATUS_DATA, "expected the path of an image, found %s",
            line[0] ? "a line that is too long" : "an empty line");
    return STATUS_OK;
}

static enum status read_image(struct source_reader *reader, const char *line)
{
    struct images *images = reader->data;
    const struct source_form *form = &reader->form;
    char path[PATH_BYTES];
    TRY(resolve(reader, line, path));
    TRY(picture_read(&images->picture, path));
    TRY(source_reserve(reader, form->height));
    return picture_fit(&images->picture, form->height, form->width, form->channels, reader->tokens);
}

static enum status next_image(struct source_reader *reader, size_t *count, bool *end)
{
    struct images *images = reader->data;
    const char *line;
    size_t bytes;
    if (!images->list)
        TRY(text_open(&images->list, reader->path));
    TRY(text_next_good(images->list, &line, &bytes));
    *end = !line;
    if (!line)
        return STATUS_OK;
    enum status status = read_image(reader, line);
    if (status != STATUS_OK) {
        char reason[PATH_BYTES + 512];
        snprintf(reason, sizeof reason, "%s", status_message());
        return status_fail(status, "%s:%lld: %s", reader->path, (long long)reader->number, reason);
    }
    *count = reader->form.height;
    return STATUS_OK;
}

static void rewind_images(struct source_reader *reader)
{
    struct images *images = reader->data;
    text_close(images->list);
    images->list = NULL;
}

const struct source_kind_row source_images = {
        "paths of images", open_images, next_image, rewind_images, close_images};
