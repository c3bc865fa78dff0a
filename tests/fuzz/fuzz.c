#include "tests/fuzz/fuzz.h"

#include "comm/log.h"
#include "comm/memory.h"
#include "comm/status.h"
#include "tests/io/h5_files.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool forgiving;

void fuzz_must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "fuzz: %s (%s)\n", what, status_message());
    abort();
}

/* The library's own function of that name, which its calls would reach: a checksum of metadata that is always the same
 * fits whatever the metadata has become. Where the library is linked statically, its own stays. */
uint32_t H5_checksum_metadata(const void *data, size_t bytes, uint32_t first) __attribute__((weak));
uint32_t H5_checksum_metadata(const void *data, size_t bytes, uint32_t first)
{
    static uint32_t (*own)(const void *, size_t, uint32_t);
    if (forgiving)
        return 0;
    if (!own)
        *(void **)&own = dlsym(RTLD_NEXT, "H5_checksum_metadata");
    fuzz_must(own, "no checksum in the HDF5 library");
    return own(data, bytes, first);
}

const struct fuzz_target *fuzz_find(const char *name)
{
    for (size_t i = 0; fuzz_targets[i]; i++)
        if (strcmp(fuzz_targets[i]->name, name) == 0)
            return fuzz_targets[i];
    return NULL;
}

void fuzz_begin(bool forgive)
{
    log_set_level(LOG_ERROR);
    fuzz_must(files_enter(), "no temporary folder");
    forgiving = forgive;
}

void fuzz_end(void)
{
    forgiving = false;
    files_leave();
}

void fuzz_run(const struct fuzz_target *target, const uint8_t *bytes, size_t count)
{
    if (count > target->most)
        return;
    const size_t before = memory_blocks();
    status_clear();
    target->run(bytes, count);
    fuzz_must(memory_blocks() == before, "memory is left");
}

const char *fuzz_file(const char *name, const void *bytes, size_t count)
{
    const char *path = files_path(name);
    files_write(path, bytes, count);
    return path;
}

void fuzz_take_file(fuzz_taker *take, void *context, const char *path, size_t first)
{
    size_t bytes = 0;
    unsigned char *data = files_read(path, &bytes);
    fuzz_must(data && bytes > first, "no file to start from");
    take(context, data + first, bytes - first);
    free(data);
}

void fuzz_take_text(fuzz_taker *take, void *context, const char *text)
{
    take(context, text, strlen(text));
}
