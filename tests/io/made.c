#include "tests/io/made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static char folder[256];

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "the test cannot go on: %s (%s)\n", what, status_message());
    abort();
}

void made_folder(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/seqtrain-test-XXXXXX", parent && *parent ? parent : "/tmp");
    must(mkdtemp(folder) != NULL, "no temporary folder");
}

const char *made_path(const char *name)
{
    static char paths[4][600];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void made_remove(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    must(system(command) == 0, command);
}

const char *made_file(const char *name, const void *bytes, size_t count)
{
    const char *path = made_path(name);
    FILE *file = fopen(path, "wb");
    must(file && fwrite(bytes, 1, count, file) == count && fclose(file) == 0, path);
    return path;
}

const char *made_gzip(const char *name, const void *bytes, size_t count)
{
    const char *path = made_path(name);
    gzFile file = gzopen(path, "wb");
    must(file && gzwrite(file, bytes, (unsigned)count) == (int)count && gzclose(file) == Z_OK, path);
    return path;
}
