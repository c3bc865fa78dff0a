/*
 * What reads bytes from others, each reader behind one function that takes any bytes at all. `make fuzz` looks for bytes
 * that crash it, make it hang, lose memory, or take too much of it; those that were found stay in cases/TARGET/ and are
 * run by test_fuzz_cases.c, without a fuzzer.
 *
 * To add a target: write its file, which ends in a row, and name that in targets.c.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes one input; `bytes` need not outlive the call. */
typedef void fuzz_taker(void *context, const void *bytes, size_t count);

struct fuzz_target {
    const char *name;
    /* Whatever the bytes are: comes back soon, and all memory is given back. */
    void (*run)(const uint8_t *bytes, size_t count);
    /* Gives inputs that are good, or nearly so, to `take`. */
    void (*seed)(fuzz_taker *take, void *context);
    size_t most; /* bytes of an input */
    /* Bytes of metadata are the HDF5 library's to judge, which crashes and loops on some: only `make fuzz` changes them. */
    bool fragile;
};

extern const struct fuzz_target *const fuzz_targets[]; /* up to NULL */

/* NULL: there is none of that name. */
const struct fuzz_target *fuzz_find(const char *name);

/* Before the first target: a folder of its own (fuzz_end() removes it), no log. `forgiving`: metadata of HDF5 passes its
 * checksums whatever it is, so that bytes that were changed get past them. */
void fuzz_begin(bool forgive);
void fuzz_end(void);

/* One input of a target; a block of memory that is left ends the process. */
void fuzz_run(const struct fuzz_target *target, const uint8_t *bytes, size_t count);

/* ---- for targets ---- */

/* A file of these bytes in the folder; its path. */
const char *fuzz_file(const char *name, const void *bytes, size_t count);

/* Gives the bytes of a file, from `first` on, to `take`. */
void fuzz_take_file(fuzz_taker *take, void *context, const char *path, size_t first);
void fuzz_take_text(fuzz_taker *take, void *context, const char *text);

/* What must hold whatever the bytes are: ends the process if it does not. */
void fuzz_must(bool good, const char *what);

#endif
