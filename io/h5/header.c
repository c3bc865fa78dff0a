#include "io/h5/internal.h"

#include "comm/memory.h"
#include "comm/world.h"

#include <string.h>
#include <zlib.h>

/*
 * The header, little-endian:
 *
 *     0 magic (8)   8 version (4)   12 kind (4)   16 length (8)   24 digest (4)   zeros   508 CRC-32 of bytes 0-507 (4)
 */
static const char magic[8] = {'s', 'e', 'q', 't', 'r', 'a', 'i', 'n'};

enum {
    VERSION_AT = 8,
    KIND_AT = 12,
    LENGTH_AT = 16,
    DIGEST_AT = 24,
    CRC_AT = H5_HEADER_BYTES - 4,
    PIECE_BYTES = 1 << 20
};

static uint32_t crc_of(const void *data, size_t bytes)
{
    return (uint32_t)crc32(0, data, (uInt)bytes);
}

const char *h5_kind_name(enum h5_kind kind)
{
    static const char *const names[] = {[H5_CORPUS] = "corpus",
            [H5_CHECKPOINT] = "checkpoint",
            [H5_ATTENTION] = "file of attention weights"};
    bool known = kind >= H5_CORPUS && kind <= H5_ATTENTION;
    return known ? names[kind] : "file of an unknown kind";
}

enum status h5_header_read(struct h5_header *out, const struct h5_disk *disk)
{
    uint8_t raw[H5_HEADER_BYTES];
    CHECK(disk->length >= sizeof raw, STATUS_DATA,
            "%s: expected a corpus or checkpoint with a header of %zu bytes, found a file of %llu bytes",
            disk->path, sizeof raw, (unsigned long long)disk->length);
    TRY(h5_disk_read(disk, 0, raw, sizeof raw));
    CHECK(memcmp(raw, magic, sizeof magic) == 0, STATUS_DATA,
            "%s: expected a corpus or checkpoint of seqtrain, found another kind of file (its first 8 bytes "
            "are not \"%.8s\")",
            disk->path, magic);
    uint32_t crc;
    memcpy(&crc, raw + CRC_AT, sizeof crc);
    uint32_t found = crc_of(raw, CRC_AT);
    CHECK(crc == found, STATUS_DATA, "%s: the header is damaged: expected CRC-32 %08x as it says, found %08x",
            disk->path, crc, found);
    memcpy(&out->version, raw + VERSION_AT, sizeof out->version);
    memcpy(&out->kind, raw + KIND_AT, sizeof out->kind);
    memcpy(&out->length, raw + LENGTH_AT, sizeof out->length);
    memcpy(&out->digest, raw + DIGEST_AT, sizeof out->digest);
    CHECK(out->version <= H5_FORMAT_VERSION, STATUS_DATA,
            "%s: expected format version %d or older, found %u: a newer seqtrain wrote it", disk->path,
            H5_FORMAT_VERSION, out->version);
    CHECK(out->length == disk->length, STATUS_DATA,
            "%s: expected %llu bytes as its header says, found %llu: the file was cut off or added to",
            disk->path, (unsigned long long)out->length, (unsigned long long)disk->length);
    return STATUS_OK;
}

enum status h5_header_expect(const struct h5_disk *disk, const struct h5_header *header, enum h5_kind kind)
{
    CHECK(header->kind == kind, STATUS_DATA, "%s: expected a %s, found a %s", disk->path, h5_kind_name(kind),
            h5_kind_name((enum h5_kind)header->kind));
    return STATUS_OK;
}

enum status h5_header_write(struct h5_disk *disk, enum h5_kind kind)
{
    uint32_t version = H5_FORMAT_VERSION, kind_value = kind, digest;
    TRY(h5_digest(&digest, disk, H5_HEADER_BYTES, disk->length));
    uint8_t raw[H5_HEADER_BYTES] = {0};
    memcpy(raw, magic, sizeof magic);
    memcpy(raw + VERSION_AT, &version, sizeof version);
    memcpy(raw + KIND_AT, &kind_value, sizeof kind_value);
    memcpy(raw + LENGTH_AT, &disk->length, sizeof disk->length);
    memcpy(raw + DIGEST_AT, &digest, sizeof digest);
    uint32_t crc = crc_of(raw, CRC_AT);
    memcpy(raw + CRC_AT, &crc, sizeof crc);
    return h5_disk_write(disk, 0, raw, sizeof raw);
}

enum status h5_digest(uint32_t *out, const struct h5_disk *disk, uint64_t first, uint64_t end)
{
    size_t piece_bytes = end - first < PIECE_BYTES ? (size_t)(end - first) : PIECE_BYTES;
    uint8_t *piece = NULL;
    TRY(memory_new(&piece, "h5", piece_bytes, 1));
    enum status status = STATUS_OK;
    uLong crc = crc32(0, NULL, 0);
    while (first < end && status == STATUS_OK) {
        size_t bytes = end - first < piece_bytes ? (size_t)(end - first) : piece_bytes;
        status = h5_disk_read(disk, first, piece, bytes);
        crc = crc32(crc, piece, (uInt)bytes);
        first += bytes;
    }
    memory_free(piece);
    *out = (uint32_t)crc;
    return status;
}

struct share {
    uint64_t bytes;
    uint64_t crc;
};

/* The digest of the whole from each rank's share of it. Collective. */
static enum status digest_together(uint32_t *out, const struct h5_disk *disk)
{
    uint64_t bytes = disk->length - H5_HEADER_BYTES, rank = (uint64_t)world()->rank,
             size = (uint64_t)world()->size;
    uint64_t first = bytes / size * rank, end = rank + 1 == size ? bytes : bytes / size * (rank + 1);
    uint32_t crc = 0;
    struct share *shares = NULL;
    enum status status = memory_new(&shares, "h5", (size_t)size, sizeof *shares);
    if (status == STATUS_OK)
        status = h5_digest(&crc, disk, H5_HEADER_BYTES + first, H5_HEADER_BYTES + end);
    status = status_agree(status);
    struct share mine = {end - first, crc};
    if (status == STATUS_OK)
        status = world_gather(&mine, shares, sizeof mine);
    uLong joined = crc32(0, NULL, 0);
    for (uint64_t r = 0; status == STATUS_OK && r < size; r++)
        joined = crc32_combine(joined, (uLong)shares[r].crc, (z_off_t)shares[r].bytes);
    memory_free(shares);
    *out = (uint32_t)joined;
    return status;
}

enum status h5_verify(const struct h5_disk *disk, const struct h5_header *header, bool everywhere)
{
    uint32_t digest = 0;
    TRY(everywhere ? digest_together(&digest, disk)
                   : h5_digest(&digest, disk, H5_HEADER_BYTES, disk->length));
    CHECK(digest == header->digest, STATUS_DATA,
            "%s: the contents are damaged: expected digest %08x as the header says, found %08x", disk->path,
            header->digest, digest);
    return STATUS_OK;
}
