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

/* The same two as what cmocka calls before and after a test or a group; the second fails if memory is left. */
int made_setup(void **state);
int made_teardown(void **state);

/* A file of these bytes, plain or gzip; its path. */
const char *made_file(const char *name, const void *bytes, size_t count);
const char *made_gzip(const char *name, const void *bytes, size_t count);

/* A vocabulary of 40 characters at most, the same each time. */
struct vocabulary *made_vocabulary(void);

/* A corpus file of `pairs` pairs with made_length() and made_token(); its path. */
struct made_shape {
    size_t pairs;
    size_t longest; /* tokens of a sentence, </s> included */
    uint64_t seed;
    int compression;
    bool joint, text, aligned;
};
const char *made_corpus(const char *name, const struct made_shape *shape);
size_t made_length(const struct made_shape *shape, enum side side, size_t pair);
/* Points of a pair into out [as many as the target has tokens]; their number. */
size_t made_points(const struct made_shape *shape, size_t pair, struct corpus_point *out);
int32_t made_token(const struct made_shape *shape, enum side side, size_t pair, size_t position);

#endif
