#include "io/text/proto.h"

enum wire { WIRE_VARINT = 0, WIRE_8_BYTES = 1, WIRE_BYTES = 2, WIRE_4_BYTES = 5 };

static bool read_varint(struct proto_cursor *cursor, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && cursor->at < cursor->end; shift += 7) {
        uint8_t byte = *cursor->at++;
        *out |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

bool proto_next(struct proto_cursor *cursor, struct proto_field *out)
{
    uint64_t tag, bytes;
    *out = (struct proto_field){0};
    if (!read_varint(cursor, &tag))
        return false;
    out->number = tag >> 3;
    switch (tag & 7) {
    case WIRE_VARINT:
        return read_varint(cursor, &out->value);
    case WIRE_BYTES:
        if (!read_varint(cursor, &bytes))
            return false;
        break;
    case WIRE_8_BYTES:
        bytes = 8;
        break;
    case WIRE_4_BYTES:
        bytes = 4;
        break;
    default:
        return false;
    }
    if (bytes > (uint64_t)(cursor->end - cursor->at))
        return false;
    out->body = (struct proto_cursor){cursor->at, cursor->at + bytes};
    cursor->at += bytes;
    return true;
}
