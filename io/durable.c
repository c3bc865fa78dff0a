#include "io/durable.h"

#include "comm/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Interruptions of one write after which it counts as failed: an endless storm must not hang the run. */
enum { INTERRUPTIONS_LIMIT = 1000 };

enum status path_join(char out[PATH_MAX], const char *folder, const char *name)
{
    int length = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    CHECK(length > 0 && length < PATH_MAX, STATUS_IO, "expected paths of less than %d bytes, found %s/%s",
            PATH_MAX, folder, name);
    return STATUS_OK;
}

enum status durable_sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int length = slash == path ? 1 : slash ? (int)(slash - path) : 1;
    snprintf(folder, sizeof folder, "%.*s", length, slash ? path : ".");
    int descriptor = -1;
    if (!fault_fires(FAULT_SYNC))
        descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum status status = STATUS_OK;
    if (descriptor < 0 || (fsync(descriptor) != 0 && errno != EINVAL)) /* EINVAL: a file system without it */
        status = status_fail_errno("bring to the disk", folder);
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

enum status durable_check(const char *path)
{
    struct stat found;
    if (stat(path, &found) != 0 || S_ISREG(found.st_mode))
        return STATUS_OK;
    if (S_ISDIR(found.st_mode)) {
        errno = EISDIR;
        return status_fail_errno("create", path);
    }
    return status_fail(
            STATUS_IO, "cannot create %s: expected a plain file or nothing, found a device or a pipe", path);
}

enum status durable_rename(const char *from, const char *to)
{
    if (fault_fires(FAULT_RENAME) || rename(from, to) != 0)
        return status_fail_errno("give its final name to", from);
    return durable_sync_folder(to);
}

static enum status temporary_name(char out[PATH_MAX], const char *path)
{
    int length = snprintf(out, PATH_MAX, "%s.tmp", path);
    CHECK(length < PATH_MAX, STATUS_IO, "expected a path of less than %d bytes, found %s", PATH_MAX, path);
    return STATUS_OK;
}

enum status durable_put(int descriptor, const char *path, const void *data, size_t bytes)
{
    int interruptions = 0;
    for (const char *next = data; bytes > 0;) {
        ssize_t written = fault_fires(FAULT_WRITE) ? -1 : write(descriptor, next, bytes);
        if (written < 0 && errno == EINTR && ++interruptions < INTERRUPTIONS_LIMIT)
            continue;
        if (written <= 0)
            return status_fail_errno("write", path);
        next += written;
        bytes -= (size_t)written;
    }
    return STATUS_OK;
}

static enum status write_and_sync(int descriptor, const char *path, const void *data, size_t bytes)
{
    TRY(durable_put(descriptor, path, data, bytes));
    if (fault_fires(FAULT_SYNC) || fsync(descriptor) != 0)
        return status_fail_errno("bring to the disk", path);
    return STATUS_OK;
}

enum status durable_write(const char *path, const void *data, size_t bytes)
{
    char temporary[PATH_MAX];
    TRY(temporary_name(temporary, path));
    int descriptor =
            fault_fires(FAULT_OPEN) ? -1 : open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return status_fail_errno("create", temporary);
    enum status status = write_and_sync(descriptor, temporary, data, bytes);
    if (close(descriptor) != 0 && status == STATUS_OK)
        status = status_fail_errno("close", temporary);
    if (status == STATUS_OK)
        status = durable_rename(temporary, path);
    if (status != STATUS_OK)
        unlink(temporary);
    return status;
}

enum status durable_link(const char *target, const char *path)
{
    char temporary[PATH_MAX];
    TRY(temporary_name(temporary, path));
    unlink(temporary);
    if (symlink(target, temporary) != 0)
        return status_fail_errno("create", temporary);
    enum status status = durable_rename(temporary, path);
    if (status != STATUS_OK)
        unlink(temporary);
    return status;
}
