/*
 * Arrays of numbers in HDF5 files of any make: what users bring. They are read by the HDF5 library, a row at a time, with
 * what is in memory bounded before it is taken.
 */
#ifndef IO_H5_FOREIGN_H
#define IO_H5_FOREIGN_H

#include "comm/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { H5_FOREIGN_RANK = 4 };

struct h5_foreign;

/* The dataset `name` of the file. STATUS_MISSING, STATUS_PERMISSION; STATUS_DATA naming the file if it is no HDF5 file,
 * has no such dataset, or one of another type than numbers, of 0 or more than H5_FOREIGN_RANK dimensions, or in chunks of
 * more than 256 MB. */
enum status h5_foreign_open(struct h5_foreign **out, const char *path, const char *name);
void h5_foreign_close(struct h5_foreign *foreign); /* NULL is allowed */

int h5_foreign_rank(const struct h5_foreign *foreign);
const uint64_t *h5_foreign_shape(const struct h5_foreign *foreign); /* [rank] */
bool h5_foreign_is_bytes(const struct h5_foreign *foreign);         /* integers from 0 to 255 */

/* Entries [first, first + count) of the first dimension, all of the others, as float, as int64, or of
 * bytes as they are. */
enum status h5_foreign_floats(struct h5_foreign *foreign, uint64_t first, uint64_t count, float *out);
enum status h5_foreign_integers(struct h5_foreign *foreign, uint64_t first, uint64_t count, int64_t *out);
enum status h5_foreign_bytes(struct h5_foreign *foreign, uint64_t first, uint64_t count, uint8_t *out);

#endif
