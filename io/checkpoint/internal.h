/*
 * Private to io/checkpoint/: units and their parts, the queue of packed chunks, names of files.
 */
#ifndef IO_CHECKPOINT_INTERNAL_H
#define IO_CHECKPOINT_INTERNAL_H

#include "io/checkpoint.h"

#include <limits.h>
#include <pthread.h>

/* ---- units: file order is planes x arrays x units (units.c) ---- */

/* A run of whole rows of one array of one plane: one chunk of its dataset. */
struct unit {
    size_t plane, array, chunk;
    size_t first, count;            /* floats of the flat buffer */
    const struct flat_array *shape; /* of the array in this plane */
};

struct unit_walk {
    const struct flat_array *arrays;
    const struct flat_plane *planes;
    size_t array_count, plane_count;
    struct unit next;
};

struct unit_walk units_start(const struct flat_array *arrays, size_t array_count,
        const struct flat_plane *planes, size_t plane_count);
bool units_next(struct unit_walk *walk, struct unit *out);

/* Floats of a whole unit of `array`, padding of the last one included. */
size_t unit_floats(const struct flat_array *array);

/* An array as a plane has it. */
const struct flat_array *plane_array(
        const struct flat_plane *plane, const struct flat_array *arrays, size_t number);

/* The dataset of an array in a plane. */
struct h5_array unit_dataset(const struct flat_array *array, const struct flat_plane *plane, int compression);

/* A stretch of one owner; `own` is where it lies in its own buffer. */
struct part {
    size_t first, count, own;
    int owner;
};

/* The part that begins at *position, which moves past it; false at `end`. */
bool part_next(const struct blocks *blocks, size_t *position, size_t end, struct part *out);

/* ---- packed chunks between threads (queue.c) ---- */

enum { QUEUE_BYTES = 16 << 20 }; /* that wait in a queue at most, but for one chunk */

struct packet {
    struct packet *next;
    uint8_t *data; /* memory_new() */
    size_t bytes;
};

void packet_free(struct packet *packet);

/* First in, first out, at most about `limit` bytes (a single packet always fits). The first failure sticks. */
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct packet *first, **last;
    size_t bytes, limit;
    bool ended;
    enum status failed;
    char reason[1024];
};

void queue_init(struct queue *queue, size_t limit);
void queue_release(struct queue *queue);
/* Waits for room; false (and the packet is freed) after a failure. */
bool queue_push(struct queue *queue, struct packet *packet);
bool queue_offer(struct queue *queue, struct packet *packet); /* false: no room now */
struct packet *queue_pop(struct queue *queue);                /* waits; NULL at the end or after a failure */
struct packet *queue_poll(struct queue *queue, bool *ended);  /* NULL: nothing now, or *ended */
void queue_end(struct queue *queue);

/* Records `status` with this thread's message and ends the queue. */
void queue_fail(struct queue *queue, enum status status);

/* STATUS_OK, or the recorded failure raised again. */
enum status queue_status(struct queue *queue);

/* ---- one save (save.c, snapshot.c, settle.c, write.c) ---- */

struct own_unit {
    struct unit unit;
    const float *values; /* [unit_floats] */
    bool in_place;       /* they are the caller's until snapshot_settle() */
    size_t place;        /* floats in place of the units before this one */
};

/* Who reads what lies in place: the packer, unit by unit, until snapshot_settle() has copied the rest. */
struct reading {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t next;  /* unit that the packer takes next */
    bool packing; /* it reads the one before */
};

struct save {
    /* a copy of what the caller gave, on `arena` */
    struct arena *arena;
    struct checkpoint_contents contents; /* values of planes NULL */
    int64_t update;
    struct best_list best;
    const struct checkpoint_options *options;
    /* what this rank packs, in file order */
    struct own_unit *units;
    size_t unit_count, place_floats; /* place_floats: of all that are in place */
    float *gathered;                 /* values of units that do not lie in one piece */
    float *settled;                  /* of those that snapshot_settle() has copied; NULL: none */
    struct reading reading;
    struct queue packed;  /* from the packer to the main thread */
    struct queue ordered; /* rank 0: from the main thread to the writer, in file order */
    uint64_t file_bytes;  /* rank 0: of the file that was saved before; 0: not known; then of this one */
    bool named; /* rank 0: the file is good under its name, whatever comes of links and older files */
};

/* Copies contents; finds this rank's units, and copies those that do not lie in one piece: parts of units that straddle
 * owners travel to the first. Collective. */
enum status snapshot_take(
        struct save *save, const struct blocks *blocks, const struct checkpoint_contents *contents);
void snapshot_release(struct save *save);

void reading_init(struct reading *reading);
void reading_release(struct reading *reading);

/* For the packer: the next unit, whose values stay until snapshot_packed(); NULL if there is none. */
const struct own_unit *snapshot_next(struct save *save);
void snapshot_packed(struct save *save);

/* Copies what lies in place and is not packed: from here on the caller's values may change. After a failure there is no
 * next unit. */
enum status snapshot_settle(struct save *save);

/* The writer: takes packets from save->ordered until it ends. Leaves a whole new checkpoint and its links, or nothing
 * new; then removes older ones. */
enum status save_write(struct save *save);

/* STATUS_IO naming what is needed and what is free, if the file cannot fit; asked before it is begun (room.c). */
enum status save_check_room(const struct save *save, const char *path);

/* ---- names (load.c, files.c) ---- */

/* What follows "/GROUP/" in the name of an array, or NULL if it is of another group. */
const char *checkpoint_within(const char *name, const char *group);

/* Updates of a folder's checkpoints. */
struct listing {
    int64_t *updates; /* newest first */
    size_t count, capacity;
};

enum status listing_add(struct listing *listing, int64_t update);

/* A folder that is not there has none. `clean`: removes stale *.tmp. The caller frees `updates`, in any case. */
enum status listing_make(struct listing *out, const char *folder, bool clean);

enum status checkpoint_name(char out[PATH_MAX], const char *folder, int64_t update);

/* options->allowed(). */
enum status checkpoint_allowed(const struct checkpoint_options *options);

/* Moves the links of the run directory above `folder` and removes what retention does not keep. */
enum status checkpoint_publish(
        const struct checkpoint_options *options, int64_t update, const struct best_list *best);

#endif
