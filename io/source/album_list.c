/* A text file with a path on each line, from its own folder where it does not begin with a slash. */
#include "io/source/album.h"
#include "io/text.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

static bool takes(const char *path)
{
    (void)path; /* whatever is nothing else */
    return true;
}

static enum status open_list(struct album *album)
{
    struct text *list = NULL;
    TRY(text_open(&list, album->path));
    album->data = list;
    return STATUS_OK;
}

static void close_list(struct album *album)
{
    text_close(album->data);
    album->data = NULL;
}

/* The path of a line as it is reached from here. */
static enum status resolve(const struct album *album, const char *line, char out[PATH_BYTES])
{
    const char *slash = strrchr(album->path, '/');
    int folder = slash && line[0] != '/' ? (int)(slash - album->path) + 1 : 0;
    int bytes = snprintf(out, PATH_BYTES, "%.*s%s", folder, album->path, line);
    CHECK(line[0] && bytes < PATH_BYTES, STATUS_DATA, "expected the path of an image, found %s",
            line[0] ? "a line that is too long" : "an empty line");
    return STATUS_OK;
}

static enum status read_line(const struct album *album, const char *line, struct picture *picture)
{
    char path[PATH_BYTES];
    TRY(resolve(album, line, path));
    return picture_read(picture, path);
}

static enum status next(struct album *album, int64_t number, struct picture *picture, bool *end)
{
    const char *line;
    size_t bytes;
    if (!album->data)
        TRY(open_list(album));
    TRY(text_next_good(album->data, &line, &bytes));
    *end = !line;
    enum status status = line ? read_line(album, line, picture) : STATUS_OK;
    if (status == STATUS_OK)
        return status;
    char reason[PATH_BYTES + 512];
    snprintf(reason, sizeof reason, "%s", status_message());
    return status_fail(status, "%s:%lld: %s", album->path, (long long)number, reason);
}

const struct album_kind album_list = {takes, open_list, next, close_list, close_list};
