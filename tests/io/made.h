/*
 * What tests of io/ make for themselves: a folder that goes away, files, small vocabularies and corpora.
 */
#ifndef TESTS_IO_MADE_H
#define TESTS_IO_MADE_H

#include "io/corpus.h"

/* A new temporary folder; made_path() gives a file in it (borrowed, four calls long); made_remove() removes all. */
void made_folder(void);
const char *made_path(const char *name);
void made_remove(void);

/* A file of these bytes, plain or gzip; its path. */
const char *made_file(const char *name, const void *bytes, size_t count);
const char *made_gzip(const char *name, const void *bytes, size_t count);

#endif
