/*
 * Private to h5*.c: the file below HDF5, its header, the one lock around the library, and what an opened file knows.
 *
 * HDF5 is not thread-safe, and reports failed writes late or never. So every call into it is made between h5_lock()
 * and h5_unlock(), and every byte goes through struct h5_disk, whose first failure sticks: HDF5 is told "success" from
 * then on, so that it can always close, and the failure is raised by us.
 */
#ifndef IO_H5_INTERNAL_H
#define IO_H5_INTERNAL_H

#include "io/h5.h"

#include <hdf5.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "arrays are little-endian in files and are copied as they are: this host needs a conversion"
#endif

/* Starts the library once (no work at exit, no printing, no plugins) and takes the lock. */
void h5_lock(void);
void h5_unlock(void);

/* ---- the file on the disk (driver.c) ---- */

enum { H5_REASON_BYTES = 1024 };

struct h5_disk_file;

struct h5_disk {
    const char *path; /* borrowed */
    int descriptor;   /* -1: closed */
    bool writing;
    uint64_t length;              /* bytes HDF5 believes to be there; reading: of the file */
    int64_t modified;             /* reading: ns, when the file was opened */
    uint64_t unsynced;            /* bytes written since h5_disk_sync() */
    enum status failed;           /* the first failure, with */
    char reason[H5_REASON_BYTES]; /* its message */
    uint64_t *located;            /* not NULL: reads of array data only leave their address here */
    struct h5_disk_file *file;    /* HDF5's handle on us, NULL when it has none */
};

enum status h5_disk_create(struct h5_disk *disk, const char *path);
enum status h5_disk_open(struct h5_disk *disk, const char *path);

/* Closes the descriptor, and cuts off an HDF5 handle that could not be closed. */
enum status h5_disk_close(struct h5_disk *disk);

/* Whole reads and writes, through interruptions and short counts; each is a beat for the watchdog. A write that fails
 * makes the disk fail; fewer bytes than asked for is STATUS_IO. Reading: any thread. */
enum status h5_disk_read(const struct h5_disk *disk, uint64_t offset, void *data, size_t bytes);
enum status h5_disk_write(struct h5_disk *disk, uint64_t offset, const void *data, size_t bytes);
enum status h5_disk_sync(struct h5_disk *disk);

/* Length and time of the last change, as they are now. */
enum status h5_disk_examine(const struct h5_disk *disk, uint64_t *length, int64_t *modified);

/* STATUS_OK, or the first failure raised again. */
enum status h5_disk_status(const struct h5_disk *disk);

/* When the library has failed: STATUS_OK if the contents of the file are to blame, else the disk's first failure, or
 * STATUS_INTERNAL if memory ended. Locked. */
enum status h5_library_status(const struct h5_disk *disk);

/* An HDF5 file access list that goes through `disk`; the caller closes it. Locked. */
hid_t h5_disk_access(struct h5_disk *disk);

/* ---- the header (header.c) ---- */

struct h5_header {
    uint32_t version, kind;
    uint64_t length; /* of the whole file */
    uint32_t digest; /* CRC-32 of everything after the header */
};

enum { H5_FORMAT_VERSION = 1 };

/* Reads and checks the header alone: STATUS_DATA for anything else than a file of ours of that length. */
enum status h5_header_read(struct h5_header *out, const struct h5_disk *disk);
enum status h5_header_write(struct h5_disk *disk, enum h5_kind kind);

/* CRC-32 of the bytes [first, end). */
enum status h5_digest(uint32_t *out, const struct h5_disk *disk, uint64_t first, uint64_t end);

/* Compares the contents with the header. `everywhere`: each rank reads its share; Collective then. */
enum status h5_verify(const struct h5_disk *disk, const struct h5_header *header, bool everywhere);

/* STATUS_DATA unless the file is of `kind`. */
enum status h5_header_expect(const struct h5_disk *disk, const struct h5_header *header, enum h5_kind kind);

/* ---- types (types.c) ---- */

const char *h5_type_name(enum h5_type type);

/* A new HDF5 type, to be closed. Locked. */
hid_t h5_type_make(enum h5_type type, size_t text_bytes);

/* Whether `id` is one of ours, and which. Locked. */
bool h5_type_know(hid_t id, enum h5_type *type, size_t *text_bytes);

/* ---- an opened file (open.c, read.c) ---- */

struct h5_entry {
    struct h5_array array;
    uint64_t address; /* in the file, of an array stored whole */
};

struct h5_file {
    char *path;
    struct h5_disk disk;
    struct h5_header header;
    _Atomic int64_t modified; /* ns; the contents of that time are known to be those of the header */
    hid_t id;
    struct h5_entry *entries; /* in byte order of names */
    size_t count, capacity;
    size_t visited; /* groups and arrays, while it is opened */
};

#endif
