/*
 * Where a command's results go: standard output, or a file that has its name only once it is complete. What is there and
 * no plain file (a pipe, a device, a link) is written as it is: no file takes its place.
 */
#ifndef TRAIN_OUTPUT_H
#define TRAIN_OUTPUT_H

#include "comm/status.h"

#include <stdio.h>

struct output {
    FILE *stream;    /* NULL: not open */
    char *path;      /* NULL: standard output */
    char *temporary; /* NULL: `path` is written as it is */
};

/* NULL or "-": standard output; else PATH.tmp is written. On failure output_discard() is still the caller's. */
enum status output_open(struct output *out, const char *path);
enum status output_write(struct output *output, const char *text, size_t bytes);

/* Formatted as printf() does, at most 127 bytes. */
enum status output_print(struct output *output, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Who reads standard output has all that was written. */
enum status output_flush(struct output *output);

/* All is written, and the file has its name. */
enum status output_commit(struct output *output);

/* After a failure: leaves no file. Nothing after output_commit(). */
void output_discard(struct output *output);

#endif
