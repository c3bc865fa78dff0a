#include "io/spool.h"

#include "comm/fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *folder(void)
{
    const char *name = getenv("TMPDIR");
    return name && *name ? name : "/tmp";
}

enum status spool_open(int *descriptor)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/seqtrain-XXXXXX", folder());
    int file = mkstemp(path);
    if (file < 0)
        return status_fail_errno("create a temporary file in", folder());
    unlink(path);
    *descriptor = file;
    return STATUS_OK;
}

enum status spool_append(int descriptor, const void *data, size_t bytes)
{
    for (const char *next = data; bytes > 0;) {
        ssize_t written = write(descriptor, next, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (fault_fires(FAULT_WRITE))
            written = -1;
        if (written < 0)
            return status_fail_errno("write a temporary file in", folder());
        next += written;
        bytes -= (size_t)written;
    }
    return STATUS_OK;
}

enum status spool_read(int descriptor, int64_t offset, void *data, size_t bytes)
{
    for (char *next = data; bytes > 0;) {
        ssize_t count = pread(descriptor, next, bytes, offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count == 0)
            errno = EIO;
        if (fault_fires(FAULT_READ) || count <= 0)
            return status_fail_errno("read a temporary file in", folder());
        next += count;
        offset += count;
        bytes -= (size_t)count;
    }
    return STATUS_OK;
}
