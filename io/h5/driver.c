#include "io/h5/internal.h"

#include "comm/fault.h"
#include "comm/memory.h"
#include "comm/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* Interruptions in a row after which a call counts as failed: an endless storm must not hang the writer. */
enum { INTERRUPTIONS_LIMIT = 1000 };

/* What is brought to the disk at once: the watchdog sees a long file get on. */
enum { SYNC_BYTES = 64 << 20 };

/* ---- the lock ---- */

static pthread_once_t started = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool start_failed; /* as it does only where memory ends */
static bool memory_ended; /* in a call of the library since h5_lock() */

static void start_library(void)
{
    H5dont_atexit(); /* after a failed close the library's own clean-up at exit crashes */
    start_failed = H5open() < 0 || H5PLset_loading_state(0) < 0;
}

static herr_t look_for_memory(unsigned place, const H5E_error2_t *error, void *context)
{
    (void)place, (void)context;
    memory_ended |= error->min_num == H5E_NOSPACE;
    return 0;
}

/* The library calls this whenever one of its functions fails: nothing is printed, our messages tell it. */
static herr_t on_failure(hid_t stack, void *context)
{
    return H5Ewalk2(stack, H5E_WALK_UPWARD, look_for_memory, context);
}

void h5_lock(void)
{
    pthread_once(&started, start_library);
    pthread_mutex_lock(&lock);
    memory_ended = start_failed;
    H5Eset_auto2(H5E_DEFAULT, on_failure, NULL); /* a setting of the thread in some builds */
}

void h5_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* ---- the disk ---- */

static enum status open_descriptor(struct h5_disk *disk, const char *path, bool writing)
{
    memset(disk, 0, sizeof *disk);
    disk->path = path;
    /* What an earlier try has left is never written to again: its pages may have been dropped after a failed fsync. A pipe
     * to read from is refused, not waited for. */
    if (writing)
        unlink(path);
    int flags = O_CLOEXEC | (writing ? O_RDWR | O_CREAT | O_EXCL : O_RDONLY | O_NONBLOCK);
    disk->descriptor = fault_fires(FAULT_OPEN) ? -1 : open(path, flags, 0666);
    if (disk->descriptor < 0)
        return status_fail_errno(writing ? "create" : "open", path);
    disk->writing = writing;
    return STATUS_OK;
}

enum status h5_disk_create(struct h5_disk *disk, const char *path)
{
    return open_descriptor(disk, path, true);
}

enum status h5_disk_examine(const struct h5_disk *disk, uint64_t *length, int64_t *modified)
{
    struct stat facts;
    if (fstat(disk->descriptor, &facts) != 0)
        return status_fail_errno("examine", disk->path);
    CHECK(S_ISREG(facts.st_mode), STATUS_DATA, "%s: expected a corpus or checkpoint file, found %s",
            disk->path, S_ISDIR(facts.st_mode) ? "a folder" : "no regular file");
    *length = (uint64_t)facts.st_size;
    *modified = (int64_t)facts.st_mtim.tv_sec * 1000000000 + facts.st_mtim.tv_nsec;
    return STATUS_OK;
}

enum status h5_disk_open(struct h5_disk *disk, const char *path)
{
    TRY(open_descriptor(disk, path, false));
    enum status status = h5_disk_examine(disk, &disk->length, &disk->modified);
    if (status != STATUS_OK)
        h5_disk_close(disk);
    return status;
}

enum status h5_disk_status(const struct h5_disk *disk)
{
    return disk->failed == STATUS_OK ? STATUS_OK : status_fail(disk->failed, "%s", disk->reason);
}

enum status h5_library_status(const struct h5_disk *disk)
{
    TRY(h5_disk_status(disk));
    CHECK(!memory_ended, STATUS_INTERNAL, "%s: out of memory in the HDF5 library", disk->path);
    return STATUS_OK;
}

/* Makes the failure described by the status message stick. */
static enum status stick(struct h5_disk *disk, enum status status)
{
    if (disk->failed == STATUS_OK) {
        disk->failed = status;
        snprintf(disk->reason, sizeof disk->reason, "%s", status_message());
    }
    return status;
}

static enum status fail_write(struct h5_disk *disk, uint64_t needed)
{
    int error = errno;
    enum status status = status_fail_errno("write", disk->path);
    struct statvfs facts;
    if ((error == ENOSPC || error == EDQUOT) && fstatvfs(disk->descriptor, &facts) == 0)
        status = status_fail(status, "%s (it needs at least %llu bytes; the file system says %llu are free)",
                status_message(), (unsigned long long)needed,
                (unsigned long long)facts.f_bavail * facts.f_frsize);
    return stick(disk, status);
}

static void got_on(void)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    if (fault_fires(FAULT_SLOW))
        nanosleep(&pause, NULL);
    watch_beat();
}

static size_t taken_at_once(size_t bytes)
{
    return fault_fires(FAULT_SHORT) ? (bytes + 1) / 2 : bytes;
}

/* As on a file server that has gone. */
static void hang_if_planned(void)
{
    if (fault_fires(FAULT_STUCK))
        for (;;)
            pause();
}

enum status h5_disk_write(struct h5_disk *disk, uint64_t offset, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    int interruptions = 0;
    hang_if_planned();
    while (bytes > 0) {
        ssize_t written = -1;
        if (!fault_fires(FAULT_WRITE) && !fault_fires(FAULT_INTERRUPT))
            written = pwrite(disk->descriptor, from, taken_at_once(bytes), (off_t)offset);
        if (written < 0 && errno == EINTR && ++interruptions < INTERRUPTIONS_LIMIT)
            continue;
        if (written <= 0) {
            if (written == 0)
                errno = ENOSPC;
            return fail_write(disk, offset + bytes);
        }
        interruptions = 0;
        from += written;
        offset += (uint64_t)written;
        bytes -= (size_t)written;
        disk->unsynced += (uint64_t)written;
        got_on();
    }
    return disk->unsynced < SYNC_BYTES ? STATUS_OK : h5_disk_sync(disk);
}

enum status h5_disk_read(const struct h5_disk *disk, uint64_t offset, void *data, size_t bytes)
{
    uint8_t *to = data;
    int interruptions = 0;
    while (bytes > 0) {
        ssize_t got = -1;
        if (!fault_fires(FAULT_READ) && !fault_fires(FAULT_INTERRUPT))
            got = pread(disk->descriptor, to, taken_at_once(bytes), (off_t)offset);
        if (got < 0 && errno == EINTR && ++interruptions < INTERRUPTIONS_LIMIT)
            continue;
        if (got < 0)
            return status_fail_errno("read", disk->path);
        CHECK(got > 0, STATUS_IO, "%s: expected %zu more bytes at %llu, found the end: the file was cut off",
                disk->path, bytes, (unsigned long long)offset);
        interruptions = 0;
        to += got;
        offset += (uint64_t)got;
        bytes -= (size_t)got;
        got_on();
    }
    return STATUS_OK;
}

enum status h5_disk_sync(struct h5_disk *disk)
{
    /* Never tried twice: after a failed fsync the kernel may have dropped the pages. */
    if (fault_fires(FAULT_SYNC) || fsync(disk->descriptor) != 0)
        return stick(disk, status_fail_errno("bring to the disk", disk->path));
    disk->unsynced = 0;
    watch_beat();
    return STATUS_OK;
}

/* ---- HDF5's side: a virtual file driver ---- */

struct h5_disk_file {
    H5FD_t base;
    struct h5_disk *disk; /* NULL once the disk was closed below us */
    haddr_t end;          /* of what HDF5 has allocated */
};

enum status h5_disk_close(struct h5_disk *disk)
{
    if (disk->file)
        disk->file->disk = NULL;
    disk->file = NULL;
    int descriptor = disk->descriptor;
    disk->descriptor = -1;
    if (descriptor >= 0 && close(descriptor) != 0 && disk->writing)
        return status_fail_errno("close", disk->path);
    return STATUS_OK;
}

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t limit)
{
    (void)name, (void)flags, (void)limit;
    struct h5_disk *const *disk = H5Pget_driver_info(access);
    struct h5_disk_file *file = NULL;
    if (!disk)
        return NULL;
    enum status status = memory_new(&file, "h5", 1, sizeof *file);
    if (status != STATUS_OK) {
        stick(*disk, status);
        return NULL;
    }
    file->disk = *disk;
    file->disk->file = file;
    return &file->base;
}

static herr_t driver_close(H5FD_t *base)
{
    struct h5_disk_file *file = (struct h5_disk_file *)base;
    if (file->disk && file->disk->file == file)
        file->disk->file = NULL;
    memory_free(file);
    return 0;
}

static herr_t driver_query(const H5FD_t *base, unsigned long *flags)
{
    (void)base;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
}

static haddr_t driver_get_end(const H5FD_t *base, H5FD_mem_t type)
{
    (void)type;
    return ((const struct h5_disk_file *)base)->end;
}

static herr_t driver_set_end(H5FD_t *base, H5FD_mem_t type, haddr_t end)
{
    (void)type;
    ((struct h5_disk_file *)base)->end = end;
    return 0;
}

static haddr_t driver_get_length(const H5FD_t *base, H5FD_mem_t type)
{
    (void)type;
    const struct h5_disk_file *file = (const struct h5_disk_file *)base;
    return file->disk ? file->disk->length : file->end;
}

static herr_t driver_read(
        H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t bytes, void *out)
{
    (void)transfer;
    struct h5_disk *disk = ((struct h5_disk_file *)base)->disk;
    if (disk && disk->located && type == H5FD_MEM_DRAW) {
        *disk->located = address;
        return 0;
    }
    memset(out, 0, bytes);
    if (!disk)
        return 0;
    /* Past the end there are zeros, as behind a hole. */
    size_t there = address >= disk->length                   ? 0
                   : disk->length - address < (haddr_t)bytes ? (size_t)(disk->length - address)
                                                             : bytes;
    if (disk->failed == STATUS_OK && there > 0 && h5_disk_read(disk, address, out, there) != STATUS_OK)
        stick(disk, STATUS_IO);
    return disk->failed != STATUS_OK && !disk->writing ? -1 : 0;
}

static herr_t driver_write(
        H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t bytes, const void *data)
{
    (void)type, (void)transfer;
    struct h5_disk *disk = ((struct h5_disk_file *)base)->disk;
    if (!disk)
        return 0;
    if (disk->failed == STATUS_OK)
        h5_disk_write(disk, address, data, bytes);
    if (address + bytes > disk->length)
        disk->length = address + bytes;
    return 0;
}

/* HDF5 closes a file with its length set to what it has allocated. */
static herr_t driver_truncate(H5FD_t *base, hid_t transfer, hbool_t closing)
{
    (void)transfer, (void)closing;
    const struct h5_disk_file *file = (const struct h5_disk_file *)base;
    struct h5_disk *disk = file->disk;
    if (!disk || !disk->writing || disk->length == file->end)
        return 0;
    disk->length = file->end;
    if (disk->failed != STATUS_OK)
        return 0;
    if (fault_fires(FAULT_WRITE) || ftruncate(disk->descriptor, (off_t)file->end) != 0)
        fail_write(disk, file->end);
    return 0;
}

static const H5FD_class_t driver = {
        .name = "seqtrain",
        .maxaddr = (haddr_t)INT64_MAX,
        .fc_degree = H5F_CLOSE_STRONG,
        .fapl_size = sizeof(struct h5_disk *),
        .open = driver_open,
        .close = driver_close,
        .query = driver_query,
        .get_eoa = driver_get_end,
        .set_eoa = driver_set_end,
        .get_eof = driver_get_length,
        .read = driver_read,
        .write = driver_write,
        .truncate = driver_truncate,
        .fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t h5_disk_access(struct h5_disk *disk)
{
    static hid_t driver_id = -1;
    if (driver_id < 0)
        driver_id = H5FDregister(&driver);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    /* The V110 layout has checksums on all its structures; older ones hide flipped bits. */
    if (H5Pset_driver(access, driver_id, &disk) < 0 ||
            H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) < 0 ||
            H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0) {
        H5Pclose(access);
        return -1;
    }
    return access;
}
