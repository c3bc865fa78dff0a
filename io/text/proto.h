/* Fields of messages as Protocol Buffers writes them, one after another. Private to io/text/. */
#ifndef IO_TEXT_PROTO_H
#define IO_TEXT_PROTO_H

#include <stdbool.h>
#include <stdint.h>

struct proto_cursor {
    const uint8_t *at, *end;
};

struct proto_field {
    uint64_t number, value;   /* value: of a varint */
    struct proto_cursor body; /* of the others */
};

/* The next field, which the cursor moves past; false if there is none that is whole. */
bool proto_next(struct proto_cursor *cursor, struct proto_field *out);

#endif
