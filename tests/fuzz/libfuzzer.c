/* What libFuzzer calls. The target is FUZZ_TARGET; FUZZ_SEEDS is a folder that its first inputs are written to;
 * FUZZ_FORGIVE=1: checksums of HDF5's metadata always fit. */
#include "tests/fuzz/fuzz.h"
#include "tests/io/h5_files.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static const struct fuzz_target *target;

static void write_seed(void *context, const void *bytes, size_t count)
{
    int *number = context;
    char path[4096];
    snprintf(path, sizeof path, "%s/seed-%d", getenv("FUZZ_SEEDS"), (*number)++);
    files_write(path, bytes, count);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int number = 0;
    (void)argc, (void)argv;
    const char *name = getenv("FUZZ_TARGET");
    target = fuzz_find(name ? name : "");
    fuzz_must(target, "expected the name of a target in FUZZ_TARGET");
    fuzz_begin(getenv("FUZZ_FORGIVE") != NULL);
    atexit(fuzz_end);
    if (getenv("FUZZ_SEEDS"))
        target->seed(write_seed, &number);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    fuzz_run(target, bytes, count);
    return 0;
}
