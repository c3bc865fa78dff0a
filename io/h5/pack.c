#include "io/h5/internal.h"

#include "comm/memory.h"

#include <string.h>
#include <zlib.h>

/* Stock filters' shuffle: byte b of all items, then byte b + 1 of all items; a rest too short for an item last. */
static void shuffle(const uint8_t *from, uint8_t *to, size_t bytes, size_t item_bytes)
{
    size_t items = bytes / item_bytes;
    for (size_t b = 0; b < item_bytes; b++)
        for (size_t i = 0; i < items; i++)
            to[b * items + i] = from[i * item_bytes + b];
    memcpy(to + items * item_bytes, from + items * item_bytes, bytes - items * item_bytes);
}

static void unshuffle(const uint8_t *from, uint8_t *to, size_t bytes, size_t item_bytes)
{
    size_t items = bytes / item_bytes;
    for (size_t b = 0; b < item_bytes; b++)
        for (size_t i = 0; i < items; i++)
            to[i * item_bytes + b] = from[b * items + i];
    memcpy(to + items * item_bytes, from + items * item_bytes, bytes - items * item_bytes);
}

/* zlib's own bound, for blocks stored or coded as they come, plus what changing between them may cost. */
static size_t packed_bound(size_t bytes)
{
    return compressBound((uLong)bytes) + bytes / 32 + 256;
}

/*
 * One zlib stream. Of shuffled floats the first `stored` bytes are the planes of the mantissa, which are noise: they
 * are stored, and the rest (signs and exponents) only Huffman-coded. Otherwise `stored` is 0 and the level plain.
 */
static enum status deflate_planes(const uint8_t *from, size_t bytes, size_t stored, int level, uint8_t *to,
        size_t capacity, size_t *packed_bytes)
{
    z_stream stream = {.next_in = (Bytef *)from, .next_out = to, .avail_out = (uInt)capacity};
    CHECK(deflateInit(&stream, stored ? Z_NO_COMPRESSION : level) == Z_OK, STATUS_INTERNAL,
            "zlib cannot start to compress %zu bytes", bytes);
    int result = Z_OK;
    if (stored) {
        stream.avail_in = (uInt)stored;
        result = deflate(&stream, Z_NO_FLUSH);
        if (result == Z_OK)
            result = deflateParams(&stream, level, Z_HUFFMAN_ONLY);
    }
    stream.avail_in = (uInt)(bytes - stored);
    if (result == Z_OK)
        result = deflate(&stream, Z_FINISH);
    *packed_bytes = stream.total_out;
    deflateEnd(&stream);
    CHECK(result == Z_STREAM_END, STATUS_INTERNAL, "zlib cannot compress %zu bytes (result %d)", bytes,
            result);
    return STATUS_OK;
}

static enum status reserve(uint8_t **buffer, size_t *capacity, size_t bytes)
{
    if (*capacity >= bytes)
        return STATUS_OK;
    TRY(memory_resize(buffer, "h5", bytes, 1));
    *capacity = bytes;
    return STATUS_OK;
}

enum status h5_pack(const struct h5_array *array, const void *chunk, uint8_t **packed, size_t *capacity,
        size_t *packed_bytes)
{
    size_t bytes = h5_chunk_bytes(array), item = h5_type_bytes(array->type, array->text_bytes);
    if (array->compression == 0) {
        TRY(reserve(packed, capacity, bytes));
        memcpy(*packed, chunk, bytes);
        *packed_bytes = bytes;
        return STATUS_OK;
    }
    uint8_t *shuffled = NULL;
    size_t stored = array->type == H5_FLOAT32 && array->compression == 1 ? bytes / item * 3 : 0;
    TRY(reserve(packed, capacity, packed_bound(bytes)));
    if (item == 1)
        return deflate_planes(chunk, bytes, stored, array->compression, *packed, *capacity, packed_bytes);
    TRY(memory_new(&shuffled, "h5", bytes, 1));
    shuffle(chunk, shuffled, bytes, item);
    enum status status =
            deflate_planes(shuffled, bytes, stored, array->compression, *packed, *capacity, packed_bytes);
    memory_free(shuffled);
    return status;
}

/* Exactly `bytes` bytes or STATUS_DATA: a stream that would give more is stopped where the buffer ends. */
static enum status inflate_exactly(const uint8_t *packed, size_t packed_bytes, uint8_t *to, size_t bytes)
{
    z_stream stream = {.next_in = (Bytef *)packed,
            .avail_in = (uInt)packed_bytes,
            .next_out = to,
            .avail_out = (uInt)bytes};
    CHECK(inflateInit(&stream) == Z_OK, STATUS_INTERNAL, "zlib cannot start to expand %zu bytes", bytes);
    int result = inflate(&stream, Z_FINISH);
    size_t given = stream.total_out, left = stream.avail_in;
    inflateEnd(&stream);
    CHECK(result == Z_STREAM_END || result == Z_BUF_ERROR, STATUS_DATA,
            "expected a compressed chunk of %zu bytes, found a damaged one (zlib result %d after %zu bytes)",
            bytes, result, given);
    CHECK(result == Z_STREAM_END && given == bytes && left == 0, STATUS_DATA,
            "expected a compressed chunk that gives %zu bytes, found one that gives %s", bytes,
            given < bytes ? "fewer" : "more");
    return STATUS_OK;
}

enum status h5_unpack(const struct h5_array *array, const void *packed, size_t packed_bytes, void *chunk)
{
    size_t bytes = h5_chunk_bytes(array), item = h5_type_bytes(array->type, array->text_bytes);
    CHECK(packed_bytes <= packed_bound(bytes), STATUS_DATA,
            "expected a chunk of at most %zu bytes for %zu, found %zu", packed_bound(bytes), bytes,
            packed_bytes);
    if (array->compression == 0) {
        CHECK(packed_bytes == bytes, STATUS_DATA, "expected a chunk of %zu bytes, found %zu", bytes,
                packed_bytes);
        memcpy(chunk, packed, bytes);
        return STATUS_OK;
    }
    if (item == 1)
        return inflate_exactly(packed, packed_bytes, chunk, bytes);
    uint8_t *shuffled = NULL;
    TRY(memory_new(&shuffled, "h5", bytes, 1));
    enum status status = inflate_exactly(packed, packed_bytes, shuffled, bytes);
    if (status == STATUS_OK)
        unshuffle(shuffled, chunk, bytes, item);
    memory_free(shuffled);
    return status;
}
