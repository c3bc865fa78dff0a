/*
 * What the tests of io/h5 and of what stands on it share: a folder of their own, bytes of files, small sample files.
 */
#ifndef TESTS_IO_H5_FILES_H
#define TESTS_IO_H5_FILES_H

#include "io/h5.h"

/* A new temporary folder; files_leave() removes it with all that is in it. */
const char *files_enter(void);
void files_leave(void);

/* The same two as what cmocka calls before and after a test: warnings are not shown; faults that were planned are
 * forgotten, and memory that is left is a failure. */
int files_setup(void **state);
int files_teardown(void **state);

/* FOLDER/name, valid to the end of the program. */
const char *files_path(const char *name);

/* The bytes of a file, allocated with malloc(); NULL if it is not there. */
unsigned char *files_read(const char *path, size_t *bytes);
void files_write(const char *path, const void *data, size_t bytes);

/* Whether two files are there and equal. */
bool files_equal(const char *a, const char *b);

/* Whether any entry of the folder ends so. */
bool files_any(const char *folder, const char *end);

/* A small file with every type, stored whole and in chunks, written with `compression`. */
enum status files_sample(const char *path, enum h5_kind kind, int compression);

#endif
