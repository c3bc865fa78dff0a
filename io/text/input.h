/*
 * The bytes of a file, plain or gzip (RFC 1952, told by its first two bytes), given on as they arrive: a reader of a
 * pipe gets a line when it was written, where gzread() of zlib would wait for a buffer to fill.
 */
#ifndef IO_TEXT_INPUT_H
#define IO_TEXT_INPUT_H

#include "comm/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <zlib.h>

struct input {
    int descriptor;
    bool begun, compressed;
    bool between; /* gzip: no member is open; a file may be several, one after another */
    unsigned char *buffer;
    z_stream stream; /* its next_in: bytes of buffer that were read and not given on */
};

enum input_fault {
    INPUT_GOOD,
    INPUT_FAILED,    /* errno says why */
    INPUT_CUT,       /* the end of a gzip member is missing */
    INPUT_DAMAGED,   /* stream.msg says where zlib saw it */
    INPUT_NO_MEMORY, /* zlib gets none; the message is set */
};

/* Takes over `descriptor`, also when it fails. An open input stays where it is: zlib keeps its address. */
enum status input_open(struct input *input, int descriptor, const char *name);

void input_close(struct input *input); /* also of a zeroed input */

/* At most `size` bytes; *count is 0 at the end only. */
enum input_fault input_read(struct input *input, char *bytes, size_t size, size_t *count);

#endif
