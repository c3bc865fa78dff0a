/* All pictures of a folder by their names in natural order: "2.png" before "10.png". Names are in memory, pictures are not. */
#include "comm/memory.h"
#include "io/durable.h"
#include "io/source/album.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

struct names {
    struct dirent **items;
    int64_t count;
};

static bool takes(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

/* What ends as pictures do, and is not hidden. */
static int is_picture(const struct dirent *entry)
{
    static const char *const endings[] = {".png", ".pgm", ".ppm"};
    size_t length = strnlen(entry->d_name, sizeof entry->d_name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (entry->d_name[0] != '.' && length > 4 && strcasecmp(entry->d_name + length - 4, endings[i]) == 0)
            return 1;
    return 0;
}

static enum status open_folder(struct album *album)
{
    struct names *names;
    TRY(memory_new(&names, "source", 1, sizeof *names));
    album->data = names;
    names->count = scandir(album->path, &names->items, is_picture, versionsort);
    if (names->count < 0)
        return status_fail_errno("read", album->path);
    CHECK(names->count > 0, STATUS_DATA,
            "%s: expected pictures in this folder, whose names end in .png, .pgm or .ppm, found none",
            album->path);
    return STATUS_OK;
}

static void close_folder(struct album *album)
{
    struct names *names = album->data;
    for (int64_t i = 0; i < names->count; i++)
        free(names->items[i]);
    if (names->count >= 0)
        free(names->items);
    memory_free(names);
}

static enum status next(struct album *album, int64_t number, struct picture *picture, bool *end)
{
    const struct names *names = album->data;
    char path[PATH_MAX];
    *end = number > names->count;
    if (*end)
        return STATUS_OK;
    TRY(path_join(path, album->path, names->items[number - 1]->d_name));
    return picture_read(picture, path);
}

const struct album_kind album_folder = {takes, open_folder, next, NULL, close_folder};
