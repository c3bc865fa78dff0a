/*
 * A toy training state for the tests of checkpoints: arrays of odd sizes, values that are a function of plane, position
 * and update alone, and the file that a plain serial writer makes of them.
 */
#ifndef TESTS_IO_TOY_STATE_H
#define TESTS_IO_TOY_STATE_H

#include "io/checkpoint.h"

enum { TOY_ARRAYS = 6, TOY_PLANES = 3, TOY_FIELDS = 7, TOY_ROW = 3, TOY_VOCABULARY = 300 };

struct toy {
    struct blocks blocks;
    struct flat_array arrays[TOY_ARRAYS];
    struct flat_plane planes[TOY_PLANES]; /* the first flat, the others in own buffers */
    struct field fields[TOY_FIELDS];
    int64_t update, epoch;
    double best;
    char *note;
    struct field_row updates, losses, nothing; /* the last one is empty: not in the file */
    unsigned char vocabulary[TOY_VOCABULARY];
    struct checkpoint_contents contents;
    size_t floats, own_floats;
};

/* The state after `update` as `rank` of `ranks` holds it. `large`: units that straddle several owners. */
void toy_make(struct toy *toy, bool large, int rank, int ranks, int64_t update);
void toy_release(struct toy *toy);

/* Forgets all values; whether they are those of toy_make() again. */
void toy_wipe(struct toy *toy);
bool toy_is(const struct toy *toy, int64_t update, int rank);

/* The same file, unit by unit in file order through io/h5.h alone. `version`: of the code. */
enum status toy_write_serially(const struct toy *toy, const char *path, int compression, const char *version);

#endif
