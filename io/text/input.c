#include "io/text/input.h"

#include "comm/fault.h"
#include "comm/memory.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 16, GZIP_WINDOW = 15 + 16 /* of inflateInit2(): the largest; a gzip header */ };

/* As malloc() and free() are to zlib, but counted. */
static void *take_memory(void *context, unsigned count, unsigned size)
{
    (void)context;
    void *block = NULL;
    return memory_new(&block, "zlib", count, size) == STATUS_OK ? block : NULL;
}

static void free_memory(void *context, void *block)
{
    (void)context;
    memory_free(block);
}

enum status input_open(struct input *input, int descriptor, const char *name)
{
    *input =
            (struct input){.descriptor = descriptor, .stream = {.zalloc = take_memory, .zfree = free_memory}};
    enum status status = memory_new(&input->buffer, "text", BUFFER_BYTES, 1);
    if (status == STATUS_OK && inflateInit2(&input->stream, GZIP_WINDOW) != Z_OK)
        status = status_fail(STATUS_INTERNAL, "cannot read %s: no memory for zlib", name);
    if (status != STATUS_OK) {
        memory_free(input->buffer);
        close(descriptor);
        *input = (struct input){0};
    }
    return status;
}

void input_close(struct input *input)
{
    if (!input->buffer)
        return;
    inflateEnd(&input->stream);
    memory_free(input->buffer);
    close(input->descriptor);
    *input = (struct input){0};
}

static enum input_fault read_some(const struct input *input, void *bytes, size_t size, size_t *count)
{
    ssize_t taken;
    do
        taken = read(input->descriptor, bytes, size);
    while (taken < 0 && errno == EINTR);
    if (fault_fires(FAULT_READ))
        taken = -1;
    *count = taken < 0 ? 0 : (size_t)taken;
    return taken < 0 ? INPUT_FAILED : INPUT_GOOD;
}

/* More bytes after those of the buffer that were not given on, which are at its start. */
static enum input_fault refill(struct input *input, size_t *count)
{
    size_t held = input->stream.avail_in;
    enum input_fault fault = read_some(input, input->buffer + held, BUFFER_BYTES - held, count);
    input->stream.next_in = input->buffer;
    input->stream.avail_in = (uInt)(held + *count);
    return fault;
}

/* Reads no further than it takes to tell gzip from plain bytes: an empty line may be all there is for long. */
static enum input_fault begin(struct input *input)
{
    const unsigned char magic[] = {0x1f, 0x8b};
    size_t count = 1;
    while (input->stream.avail_in < sizeof magic && count > 0 &&
            memcmp(input->buffer, magic, input->stream.avail_in) == 0) {
        enum input_fault fault = refill(input, &count);
        if (fault != INPUT_GOOD)
            return fault;
    }
    input->begun = true;
    input->compressed =
            input->stream.avail_in >= sizeof magic && memcmp(input->buffer, magic, sizeof magic) == 0;
    return INPUT_GOOD;
}

static enum input_fault read_plain(struct input *input, char *bytes, size_t size, size_t *count)
{
    z_stream *held = &input->stream;
    if (held->avail_in == 0)
        return read_some(input, bytes, size, count);
    *count = held->avail_in < size ? held->avail_in : size;
    memcpy(bytes, held->next_in, *count);
    held->next_in += *count;
    held->avail_in -= (uInt)*count;
    return INPUT_GOOD;
}

/* What zlib still holds comes before more is read. */
static enum input_fault read_gzip(struct input *input, char *bytes, size_t size, size_t *count)
{
    z_stream *stream = &input->stream;
    stream->next_out = (unsigned char *)bytes;
    stream->avail_out = (uInt)size;
    for (;;) {
        if (input->between && stream->avail_in > 0)
            input->between = inflateReset(stream) != Z_OK;
        int code = input->between ? Z_BUF_ERROR : inflate(stream, Z_NO_FLUSH);
        if (code == Z_STREAM_END)
            input->between = true;
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return code == Z_MEM_ERROR ? INPUT_NO_MEMORY : INPUT_DAMAGED;
        *count = size - stream->avail_out;
        if (*count > 0)
            return INPUT_GOOD;
        if (stream->avail_in > 0)
            continue;
        size_t more;
        enum input_fault fault = refill(input, &more);
        if (fault != INPUT_GOOD)
            return fault;
        if (more == 0)
            return input->between ? INPUT_GOOD : INPUT_CUT;
    }
}

enum input_fault input_read(struct input *input, char *bytes, size_t size, size_t *count)
{
    *count = 0;
    enum input_fault fault = input->begun ? INPUT_GOOD : begin(input);
    if (fault != INPUT_GOOD)
        return fault;
    return input->compressed ? read_gzip(input, bytes, size, count) : read_plain(input, bytes, size, count);
}
