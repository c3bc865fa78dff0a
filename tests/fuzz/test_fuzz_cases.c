/* Every target of `make fuzz` with the inputs it starts from, the same cut short and with bytes changed, and those that
 * once brought it down. FUZZ_CASES: the folder that these are in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/random.h"
#include "tests/fuzz/fuzz.h"
#include "tests/io/h5_files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CUTS = 24, CHANGED = 24, CHANGES_MOST = 4, TARGETS_MOST = 32 };

struct mutation {
    const struct fuzz_target *target;
    uint64_t seed;
};

static void change(uint8_t *bytes, size_t count, uint64_t seed, uint64_t number)
{
    struct random_stream stream = random_stream(seed, RANDOM_TEST, number, 0, 0);
    size_t changes = 1 + (size_t)random_below(&stream, 0, CHANGES_MOST);
    for (uint64_t i = 0; i < changes; i++)
        bytes[random_below(&stream, 1 + 2 * i, count)] = (uint8_t)random_below(&stream, 2 + 2 * i, 256);
}

static void run_mutations(void *context, const void *bytes, size_t count)
{
    struct mutation *mutation = context;
    uint8_t *copy = malloc(count + 1);
    assert_non_null(copy);
    assert_true(count <= mutation->target->most);
    mutation->seed++;
    fuzz_run(mutation->target, bytes, count);
    for (size_t i = 0; i < CUTS && !mutation->target->fragile; i++) {
        /* A block of its own length, so that a sanitizer sees what is read past it. */
        size_t length = count * i / CUTS;
        uint8_t *cut = malloc(length + !length);
        assert_non_null(cut);
        memcpy(cut, bytes, length);
        fuzz_run(mutation->target, cut, length);
        free(cut);
    }
    for (uint64_t i = 0; i < CHANGED && count > 0 && !mutation->target->fragile; i++) {
        memcpy(copy, bytes, count);
        change(copy, count, mutation->seed, i);
        fuzz_run(mutation->target, copy, count);
    }
    free(copy);
}

static void run_cases(const struct fuzz_target *target)
{
    char folder[512], path[1024];
    const char *cases = getenv("FUZZ_CASES");
    snprintf(folder, sizeof folder, "%s/%s", cases ? cases : "tests/fuzz/cases", target->name);
    DIR *stream = opendir(folder);
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        size_t count = 0;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unsigned char *bytes = files_read(path, &count);
        assert_non_null(bytes);
        fprintf(stderr, "%s\n", path); /* the last one, if it ends the process */
        fuzz_run(target, bytes, count);
        free(bytes);
    }
    if (stream)
        closedir(stream);
}

static void test_fuzz_cases(void **state)
{
    const struct fuzz_target *target = *state;
    struct mutation mutation = {target, 0};
    run_cases(target);
    target->seed(run_mutations, &mutation);
    assert_true(mutation.seed > 0);
}

static int begin(void **state)
{
    (void)state;
    fuzz_begin(false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fuzz_end();
    return 0;
}

int main(void)
{
    struct CMUnitTest tests[TARGETS_MOST] = {{0}};
    size_t count = 0;
    for (; fuzz_targets[count] && count < TARGETS_MOST; count++)
        tests[count] = (struct CMUnitTest){
                fuzz_targets[count]->name, test_fuzz_cases, NULL, NULL, (void *)fuzz_targets[count]};
    return _cmocka_run_group_tests("fuzz cases", tests, count, begin, end);
}
