#include "train/prepare/duplicates.h"

#include "comm/memory.h"
#include "io/spool.h"

#include <stdlib.h>
#include <unistd.h>

/* Equal pairs come into the same part; parts are searched one by one. */
enum { PARTS = 256, CHUNK_RECORDS = 1024 };

struct record {
    uint64_t hash[2];
    int64_t number;
};

/*
 * The temporary file: full chunks of CHUNK_RECORDS records of one part each, in the order in which they became full.
 *
 *     | part 3 | part 61 | part 3 | part 0 | ...        chunk_parts: 3, 61, 3, 0 ...
 */
struct duplicates {
    int spool;             /* -1: none */
    struct record *chunks; /* [PARTS, CHUNK_RECORDS] being filled */
    size_t filled[PARTS];
    uint8_t *chunk_parts;
    size_t chunk_count, chunk_room;
    int64_t last;   /* number */
    uint64_t *bits; /* of each number: whether it is a duplicate */
};

enum status duplicates_open(struct duplicates **out)
{
    struct duplicates *duplicates = NULL;
    TRY(memory_new(&duplicates, "duplicates", 1, sizeof *duplicates));
    duplicates->spool = -1;
    enum status status =
            memory_new(&duplicates->chunks, "duplicates", PARTS * CHUNK_RECORDS, sizeof *duplicates->chunks);
    if (status == STATUS_OK)
        status = spool_open(&duplicates->spool);
    if (status != STATUS_OK) {
        duplicates_close(duplicates);
        return status;
    }
    *out = duplicates;
    return STATUS_OK;
}

void duplicates_close(struct duplicates *duplicates)
{
    if (!duplicates)
        return;
    if (duplicates->spool >= 0)
        close(duplicates->spool);
    memory_free(duplicates->chunks);
    memory_free(duplicates->chunk_parts);
    memory_free(duplicates->bits);
    memory_free(duplicates);
}

typedef unsigned __int128 hash_number;

/* FNV-1a of 128 bits; 0xFF, which is in no UTF-8, ends a side. */
static hash_number hash_side(hash_number hash, const char *text, size_t bytes)
{
    const hash_number prime = (hash_number)1 << 88 | 0x13B;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * prime;
    return (hash ^ 0xFF) * prime;
}

static struct record *chunk_of(struct duplicates *duplicates, size_t part)
{
    return duplicates->chunks + part * CHUNK_RECORDS;
}

static enum status write_chunk(struct duplicates *duplicates, size_t part)
{
    TRY(memory_grow(
            &duplicates->chunk_parts, "duplicates", &duplicates->chunk_room, duplicates->chunk_count + 1, 1));
    duplicates->chunk_parts[duplicates->chunk_count++] = (uint8_t)part;
    duplicates->filled[part] = 0;
    return spool_append(duplicates->spool, chunk_of(duplicates, part), CHUNK_RECORDS * sizeof(struct record));
}

enum status duplicates_add(struct duplicates *duplicates, const struct pair *pair)
{
    hash_number hash = (hash_number)0x6c62272e07bb0142u << 64 | 0x62b821756295c58du;
    for (int side = 0; side < SIDES; side++)
        hash = hash_side(hash, pair->text[side], pair->bytes[side]);
    struct record record = {{(uint64_t)(hash >> 64), (uint64_t)hash}, pair->number};
    size_t part = (size_t)((record.hash[0] ^ record.hash[1] >> 32) % PARTS);
    chunk_of(duplicates, part)[duplicates->filled[part]++] = record;
    duplicates->last = pair->number;
    return duplicates->filled[part] == CHUNK_RECORDS ? write_chunk(duplicates, part) : STATUS_OK;
}

/* By hash, then by number. */
static int compare(const void *a, const void *b)
{
    const struct record *one = a, *two = b;
    for (int i = 0; i < 2; i++)
        if (one->hash[i] != two->hash[i])
            return one->hash[i] < two->hash[i] ? -1 : 1;
    return (one->number > two->number) - (one->number < two->number);
}

static void mark(struct duplicates *duplicates, struct record *records, size_t count)
{
    if (count > 0)
        qsort(records, count, sizeof *records, compare);
    for (size_t i = 1; i < count; i++)
        if (records[i].hash[0] == records[i - 1].hash[0] && records[i].hash[1] == records[i - 1].hash[1])
            duplicates->bits[records[i].number / 64] |= (uint64_t)1 << records[i].number % 64;
}

/* The records of a part: its chunks in the file, then what its last one holds. */
static enum status search_part(
        struct duplicates *duplicates, size_t part, struct record **records, size_t *room)
{
    const int64_t chunk_bytes = CHUNK_RECORDS * sizeof(struct record);
    size_t count = 0;
    for (size_t i = 0; i < duplicates->chunk_count; i++) {
        if (duplicates->chunk_parts[i] != part)
            continue;
        TRY(memory_grow(records, "duplicates", room, count + CHUNK_RECORDS, sizeof **records));
        TRY(spool_read(duplicates->spool, (int64_t)i * chunk_bytes, *records + count, (size_t)chunk_bytes));
        count += CHUNK_RECORDS;
    }
    TRY(memory_grow(records, "duplicates", room, count + duplicates->filled[part], sizeof **records));
    for (size_t i = 0; i < duplicates->filled[part]; i++)
        (*records)[count++] = chunk_of(duplicates, part)[i];
    mark(duplicates, *records, count);
    return STATUS_OK;
}

enum status duplicates_find(struct duplicates *duplicates)
{
    struct record *records = NULL;
    size_t room = 0;
    TRY(memory_new(
            &duplicates->bits, "duplicates", (size_t)duplicates->last / 64 + 1, sizeof *duplicates->bits));
    enum status status = STATUS_OK;
    for (size_t part = 0; part < PARTS && status == STATUS_OK; part++)
        status = search_part(duplicates, part, &records, &room);
    memory_free(records);
    memory_free(duplicates->chunks);
    duplicates->chunks = NULL;
    return status;
}

bool duplicates_has(const struct duplicates *duplicates, int64_t number)
{
    return number <= duplicates->last && (duplicates->bits[number / 64] >> number % 64 & 1);
}
