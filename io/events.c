#include "io/events.h"

#include "comm/memory.h"
#include "comm/world.h"
#include "io/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RECORD_BYTES = 4096, HEAD_BYTES = 12, TAIL_BYTES = 4, FILES_A_SECOND = 1000 };

struct events {
    int descriptor;
    char path[PATH_MAX];
};

/* ---- bytes ---- */

/* What is written so far; `full` once something did not fit. */
struct bytes {
    uint8_t *data;
    size_t count, room;
    bool full;
};

static void put(struct bytes *out, const void *data, size_t count)
{
    if (out->full || count > out->room - out->count) {
        out->full = true;
        return;
    }
    memcpy(out->data + out->count, data, count);
    out->count += count;
}

/* The low `count` bytes of a number, lowest first. */
static void put_number(struct bytes *out, uint64_t number, size_t count)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
    put(out, bytes, count);
}

/* Castagnoli's polynomial, reflected; with the mask of TFRecord. */
static uint32_t masked_crc(const uint8_t *data, size_t count)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

/* ---- protobuf: a field is a key (its number and how its value is written), then the value ---- */

enum wire { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

static void put_varint(struct bytes *out, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        put_number(out, 0x80 | (number & 0x7f), 1);
    put_number(out, number, 1);
}

static void put_key(struct bytes *out, unsigned field, enum wire wire)
{
    put_varint(out, field << 3 | (unsigned)wire);
}

static void put_double(struct bytes *out, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(out, field, FIXED64);
    put_number(out, bits, sizeof bits);
}

static void put_float(struct bytes *out, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(out, field, FIXED32);
    put_number(out, bits, sizeof bits);
}

static void put_part(struct bytes *out, unsigned field, const void *data, size_t count)
{
    put_key(out, field, LENGTH);
    put_varint(out, count);
    put(out, data, count);
}

/* ---- messages ---- */

static void put_value(struct bytes *summary, const struct event_scalar *scalar)
{
    uint8_t room[256];
    struct bytes value = {.data = room, .room = sizeof room};
    put_part(&value, 1, scalar->tag, strlen(scalar->tag));
    put_float(&value, 2, (float)scalar->value);
    summary->full |= value.full;
    put_part(summary, 1, value.data, value.count);
}

static void start_event(struct bytes *out, double wall_time, int64_t step)
{
    put_double(out, 1, wall_time);
    put_key(out, 2, VARINT);
    put_varint(out, (uint64_t)step);
}

/* Head and tail around the event that stands at out->data + HEAD_BYTES. */
static size_t close_record(struct bytes *out)
{
    struct bytes head = {.data = out->data, .room = HEAD_BYTES};
    size_t count = out->count - HEAD_BYTES;
    put_number(&head, count, 8);
    put_number(&head, masked_crc(out->data, 8), 4);
    put_number(out, masked_crc(out->data + HEAD_BYTES, count), TAIL_BYTES);
    return out->full ? 0 : out->count;
}

static struct bytes open_record(uint8_t *data, size_t room)
{
    return (struct bytes){.data = data,
            .room = room,
            .count = room < HEAD_BYTES ? 0 : HEAD_BYTES,
            .full = room < HEAD_BYTES};
}

size_t events_record(uint8_t *out, size_t room, double wall_time, int64_t update,
        const struct event_scalar *scalars, size_t count)
{
    uint8_t values[RECORD_BYTES];
    struct bytes summary = {.data = values, .room = sizeof values};
    struct bytes record = open_record(out, room);
    for (size_t i = 0; i < count; i++)
        put_value(&summary, &scalars[i]);
    record.full |= summary.full;
    start_event(&record, wall_time, update);
    put_part(&record, 5, summary.data, summary.count);
    return record.full ? 0 : close_record(&record);
}

/* ---- files ---- */

static double wall_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static enum status create(struct events *events, const char *folder)
{
    long long seconds = (long long)time(NULL);
    events->descriptor = -1;
    for (int n = 0; n < FILES_A_SECOND && events->descriptor < 0; n++) {
        int length = snprintf(events->path, sizeof events->path, "%s/events.out.tfevents.%010lld.%s.%d",
                folder, seconds, world()->host, n);
        CHECK(length > 0 && (size_t)length < sizeof events->path, STATUS_IO,
                "expected paths of less than %zu bytes, found %s", sizeof events->path, folder);
        events->descriptor = open(events->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
        if (events->descriptor < 0 && errno != EEXIST)
            break;
    }
    return events->descriptor < 0 ? status_fail_errno("create", events->path) : STATUS_OK;
}

static enum status write_start(struct events *events, int64_t first)
{
    static const char version[] = "brain.Event:2";
    static const uint8_t session_start[] = {1 << 3 | VARINT, 1};
    uint8_t data[2][128];
    struct bytes record = open_record(data[0], sizeof data[0]);
    put_double(&record, 1, wall_time());
    put_part(&record, 3, version, sizeof version - 1);
    TRY(durable_put(events->descriptor, events->path, data[0], close_record(&record)));
    record = open_record(data[1], sizeof data[1]);
    start_event(&record, wall_time(), first);
    put_part(&record, 7, session_start, sizeof session_start);
    return durable_put(events->descriptor, events->path, data[1], close_record(&record));
}

enum status events_open(struct events **out, const char *folder, int64_t first)
{
    struct events *events;
    TRY(memory_new(&events, "events", 1, sizeof *events));
    enum status status = create(events, folder);
    if (status == STATUS_OK)
        status = write_start(events, first);
    if (status == STATUS_OK)
        *out = events;
    else
        events_close(events);
    return status;
}

enum status events_add(
        struct events *events, int64_t update, const struct event_scalar *scalars, size_t count)
{
    uint8_t record[RECORD_BYTES];
    size_t bytes = events_record(record, sizeof record, wall_time(), update, scalars, count);
    CHECK(bytes > 0, STATUS_INTERNAL, "%zu scalars do not fit an event of %zu bytes", count, sizeof record);
    return durable_put(events->descriptor, events->path, record, bytes);
}

void events_close(struct events *events)
{
    if (!events)
        return;
    if (events->descriptor >= 0)
        close(events->descriptor);
    memory_free(events);
}
