/*
 * Temporary files without a name, in TMPDIR or /tmp: what is to be read again and is too large for memory. A file is
 * gone when its descriptor, the caller's, is closed.
 */
#ifndef IO_SPOOL_H
#define IO_SPOOL_H

#include "comm/status.h"

#include <stddef.h>
#include <stdint.h>

enum status spool_open(int *descriptor);
enum status spool_append(int descriptor, const void *data, size_t bytes);
enum status spool_read(int descriptor, int64_t offset, void *data, size_t bytes);

#endif
