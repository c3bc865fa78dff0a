/*
 * TensorBoard event files: scalars over updates, in a run directory.
 *
 *     RUN/events.out.tfevents.<seconds>.<host>.<n>         one for each start of the run; n parts those of one second
 *
 *     |0      length|8   crc of it|12   an Event in protobuf|...   crc of that|     little-endian; both CRC-32C, masked
 *
 *     Event      { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5;
 *                  SessionLog session_log = 7; }
 *     Summary    { repeated Value value = 1; }     Value { string tag = 1; float simple_value = 2; }
 *     SessionLog { int32 status = 1; }             START is 1
 *
 * A file begins with its version ("brain.Event:2") and a START at the first update to come: where TensorBoard meets it, it
 * forgets what earlier files hold from that update on, so that nothing is shown twice of a run that was ahead of the
 * checkpoint it went on from.
 */
#ifndef IO_EVENTS_H
#define IO_EVENTS_H

#include "comm/status.h"

#include <stddef.h>
#include <stdint.h>

struct events;

struct event_scalar {
    const char *tag; /* "train/loss" */
    double value;
};

/* A new file in `folder`, for updates from `first` on. */
enum status events_open(struct events **out, const char *folder, int64_t first);

/* The scalars of an update. After a failure the file may end in half a record, which readers pass over. */
enum status events_add(
        struct events *events, int64_t update, const struct event_scalar *scalars, size_t count);

/* NULL is allowed. */
void events_close(struct events *events);

/* A record as it stands in a file, into out [room]; its bytes, or 0 if there is no room. For tests. */
size_t events_record(uint8_t *out, size_t room, double wall_time, int64_t update,
        const struct event_scalar *scalars, size_t count);

#endif
