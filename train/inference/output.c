#include "train/inference/output.h"

#include "comm/fault.h"
#include "comm/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *name_of(const struct output *output)
{
    const char *path = output->path ? output->path : "standard output";
    return output->temporary ? output->temporary : path;
}

static enum status name_temporary(struct output *out, const char *path)
{
    size_t length = strlen(path);
    TRY(memory_new(&out->temporary, "output", length + sizeof ".tmp", 1));
    memcpy(out->temporary, path, length);
    memcpy(out->temporary + length, ".tmp", sizeof ".tmp");
    return STATUS_OK;
}

static enum status open_file(struct output *out, const char *path)
{
    struct stat found;
    TRY(memory_text(&out->path, "output", path));
    if (lstat(path, &found) != 0 || S_ISREG(found.st_mode))
        TRY(name_temporary(out, path));
    out->stream = fault_fires(FAULT_OPEN) ? NULL : fopen(name_of(out), "wb");
    return out->stream ? STATUS_OK : status_fail_errno("create", name_of(out));
}

enum status output_open(struct output *out, const char *path)
{
    *out = (struct output){0};
    if (path && strcmp(path, "-") != 0)
        return open_file(out, path);
    out->stream = stdout;
    return STATUS_OK;
}

enum status output_write(struct output *output, const char *text, size_t bytes)
{
    if (fault_fires(FAULT_WRITE) || fwrite(text, 1, bytes, output->stream) != bytes)
        return status_fail_errno("write", name_of(output));
    return STATUS_OK;
}

enum status output_print(struct output *output, const char *format, ...)
{
    char text[128];
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ASSERT(bytes >= 0 && (size_t)bytes < sizeof text);
    return output_write(output, text, (size_t)bytes);
}

enum status output_flush(struct output *output)
{
    return fflush(output->stream) == 0 ? STATUS_OK : status_fail_errno("write", name_of(output));
}

static void release(struct output *output)
{
    memory_free(output->temporary);
    memory_free(output->path);
    *output = (struct output){0};
}

static enum status finish_file(struct output *output)
{
    FILE *stream = output->stream;
    output->stream = NULL;
    bool synced = fflush(stream) == 0 && !fault_fires(FAULT_SYNC);
    synced = synced && (!output->temporary || fsync(fileno(stream)) == 0);
    int error = errno;
    bool closed = fclose(stream) == 0;
    if (!synced)
        errno = error;
    if (!synced || !closed)
        return status_fail_errno("write", name_of(output));
    if (output->temporary && (fault_fires(FAULT_RENAME) || rename(output->temporary, output->path) != 0))
        return status_fail_errno("create", output->path);
    return STATUS_OK;
}

enum status output_commit(struct output *output)
{
    if (!output->path)
        return output_flush(output);
    TRY(finish_file(output));
    release(output);
    return STATUS_OK;
}

void output_discard(struct output *output)
{
    if (output->path && output->stream)
        fclose(output->stream);
    if (output->temporary)
        unlink(output->temporary);
    release(output);
}
