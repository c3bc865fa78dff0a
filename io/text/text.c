#include "io/text.h"

#include "comm/fault.h"
#include "comm/memory.h"
#include "io/spool.h"
#include "io/text/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 17, MARK_BYTES = 3 /* of a byte order mark, U+FEFF */ };

struct text {
    char *path;
    struct input input;
    char *buffer;
    size_t used, filled; /* of buffer */
    bool begun, ended, compressed_name;
    char *line;
    size_t capacity, kept; /* of line; the last line's bytes, its end removed */
    size_t length;         /* of the last line, with what was not kept */
    int64_t number;
};

static const char *name_of(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

/* Takes over `descriptor`. */
static enum status text_start(struct text **out, int descriptor, const char *path)
{
    struct text *text = NULL;
    enum status status = memory_new(&text, "text", 1, sizeof *text);
    if (status != STATUS_OK) {
        close(descriptor);
        return status;
    }
    const char *suffix = strrchr(path, '.');
    text->compressed_name = suffix && strcmp(suffix, ".gz") == 0;
    status = input_open(&text->input, descriptor, name_of(path));
    if (status == STATUS_OK)
        status = memory_text(&text->path, "text", name_of(path));
    if (status == STATUS_OK)
        status = memory_new(&text->buffer, "text", READ_BYTES, 1);
    if (status != STATUS_OK) {
        text_close(text);
        return status;
    }
    *out = text;
    return STATUS_OK;
}

static enum status open_file(int *out, const char *path)
{
    int descriptor = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0 && fault_fires(FAULT_OPEN)) {
        close(descriptor);
        descriptor = -1;
    }
    if (descriptor < 0)
        return status_fail_errno("read", name_of(path));
    struct stat facts;
    if (fstat(descriptor, &facts) == 0 && S_ISDIR(facts.st_mode)) {
        close(descriptor);
        errno = EISDIR;
        return status_fail_errno("read", name_of(path));
    }
    *out = descriptor;
    return STATUS_OK;
}

enum status text_open(struct text **out, const char *path)
{
    int descriptor = -1;
    TRY(open_file(&descriptor, path));
    return text_start(out, descriptor, path);
}

enum status text_open_spool(struct text **out, int spool, const char *path)
{
    int copy = dup(spool);
    if (copy < 0 || lseek(copy, 0, SEEK_SET) < 0) {
        enum status status = status_fail_errno("read", name_of(path));
        if (copy >= 0)
            close(copy);
        return status;
    }
    return text_start(out, copy, path);
}

static enum status copy_all(int spool, int descriptor, const char *path)
{
    char *buffer = NULL;
    ssize_t count;
    TRY(memory_new(&buffer, "text", READ_BYTES, 1));
    enum status status = STATUS_OK;
    do {
        count = read(descriptor, buffer, READ_BYTES);
        if (count > 0)
            status = spool_append(spool, buffer, (size_t)count);
        else if (count < 0 && errno != EINTR)
            status = status_fail_errno("read", name_of(path));
    } while (count != 0 && status == STATUS_OK);
    memory_free(buffer);
    return status;
}

enum status text_spool(int *out, const char *path)
{
    int descriptor = -1, spool;
    TRY(open_file(&descriptor, path));
    enum status status = spool_open(&spool);
    if (status == STATUS_OK) {
        status = copy_all(spool, descriptor, path);
        if (status == STATUS_OK)
            *out = spool;
        else
            close(spool);
    }
    close(descriptor);
    return status;
}

void text_close(struct text *text)
{
    if (!text)
        return;
    input_close(&text->input);
    memory_free(text->path);
    memory_free(text->buffer);
    memory_free(text->line);
    memory_free(text);
}

static enum status read_failed(const struct text *text, enum input_fault fault)
{
    if (fault == INPUT_FAILED)
        return status_fail_errno("read", text->path);
    if (fault == INPUT_NO_MEMORY)
        return STATUS_INTERNAL;
    if (fault == INPUT_CUT)
        return status_fail(STATUS_DATA,
                "%s: expected a whole gzip file, found its end missing after line %lld: the file is "
                "truncated",
                text->path, (long long)text->number);
    return status_fail(STATUS_DATA, "%s: expected a gzip file, found damage after line %lld: %s", text->path,
            (long long)text->number, text->input.stream.msg ? text->input.stream.msg : "not understood");
}

/* Whether the buffer begins with a byte order mark, or, of fewer bytes than that, may yet turn out to. */
static bool marked(const struct text *text)
{
    static const char mark[] = {'\xEF', '\xBB', '\xBF'};
    size_t count = text->filled < MARK_BYTES ? text->filled : MARK_BYTES;
    return count > 0 && memcmp(text->buffer, mark, count) == 0;
}

/* Refills the empty buffer, or notes the end. */
static enum status fill(struct text *text)
{
    size_t count;
    text->used = text->filled = 0;
    do {
        enum input_fault fault =
                input_read(&text->input, text->buffer + text->filled, READ_BYTES - text->filled, &count);
        if (fault != INPUT_GOOD)
            return read_failed(text, fault);
        text->filled += count;
    } while (count > 0 && !text->begun && text->filled < MARK_BYTES && marked(text));
    CHECK(!text->compressed_name || text->input.compressed, STATUS_DATA,
            "%s: expected gzip data as its name says, found %s", text->path,
            text->filled > 0 ? "other bytes" : "an empty file");
    text->ended = text->filled == 0;
    if (!text->begun && text->filled >= MARK_BYTES && marked(text))
        text->used = MARK_BYTES;
    text->begun = true;
    return STATUS_OK;
}

/* Adds bytes to the line; what passes the limit by more than a \r is counted, not kept. */
static enum status keep(struct text *text, const char *bytes, size_t count)
{
    size_t room = TEXT_LINE_LIMIT + 1 - text->kept;
    size_t taken = count < room ? count : room;
    TRY(memory_grow(&text->line, "text", &text->capacity, text->kept + taken + 1, 1));
    memcpy(text->line + text->kept, bytes, taken);
    text->kept += taken;
    text->length += count;
    return STATUS_OK;
}

/* Collects a line up to its \n or the end of the file. *any: whether there was one. */
static enum status collect(struct text *text, bool *any)
{
    text->kept = text->length = 0;
    *any = false;
    for (;;) {
        while (text->used == text->filled && !text->ended)
            TRY(fill(text));
        if (text->ended)
            break;
        *any = true;
        const char *start = text->buffer + text->used;
        const char *end = memchr(start, '\n', text->filled - text->used);
        size_t count = end ? (size_t)(end - start) : text->filled - text->used;
        TRY(keep(text, start, count));
        text->used += count + (end != NULL);
        if (end)
            break;
    }
    if (*any && text->kept == text->length && text->kept > 0 && text->line[text->kept - 1] == '\r')
        text->kept = --text->length;
    return keep(text, "", 0);
}

enum status text_next(struct text *text, const char **line, size_t *bytes, enum text_fault *fault)
{
    bool any;
    *line = NULL;
    *bytes = 0;
    *fault = TEXT_GOOD;
    TRY(collect(text, &any));
    if (!any)
        return STATUS_OK;
    text->number++;
    text->line[text->kept] = '\0';
    *line = text->line;
    *bytes = text->kept;
    if (text->length > TEXT_LINE_LIMIT)
        *fault = TEXT_TOO_LONG;
    else if (memchr(text->line, '\0', text->kept))
        *fault = TEXT_NUL;
    else if (text_valid_utf8(text->line, text->kept) < text->kept)
        *fault = TEXT_BAD_UTF8;
    return STATUS_OK;
}

enum status text_next_good(struct text *text, const char **line, size_t *bytes)
{
    enum text_fault fault;
    TRY(text_next(text, line, bytes, &fault));
    return fault == TEXT_GOOD ? STATUS_OK : text_fail(text, fault);
}

enum status text_fail(const struct text *text, enum text_fault fault)
{
    const char *path = text->path;
    long long number = text->number;
    size_t position;
    switch (fault) {
    case TEXT_TOO_LONG:
        return status_fail(STATUS_DATA, "%s:%lld: expected a line of at most %d bytes, found %zu bytes", path,
                number, TEXT_LINE_LIMIT, text->length);
    case TEXT_NUL:
        position = (size_t)((const char *)memchr(text->line, '\0', text->kept) - text->line);
        return status_fail(STATUS_DATA, "%s:%lld: expected text, found a NUL byte at byte %zu of the line",
                path, number, position + 1);
    case TEXT_BAD_UTF8:
        position = text_valid_utf8(text->line, text->kept);
        return status_fail(STATUS_DATA, "%s:%lld: expected UTF-8, found 0x%02x at byte %zu of the line", path,
                number, (unsigned)(unsigned char)text->line[position], position + 1);
    case TEXT_GOOD:
        break;
    }
    return status_fail(STATUS_INTERNAL, "%s:%lld: nothing is wrong with this line", path, number);
}

const char *text_path(const struct text *text)
{
    return text->path;
}

int64_t text_line_number(const struct text *text)
{
    return text->number;
}

/* Bytes of the character at `s`, of at most `left`; 0 if it is no valid UTF-8. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || length > left)
        return 0;
    /* The second byte's range rules out overlong forms, surrogates and what lies past U+10FFFF. */
    unsigned low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

size_t text_valid_utf8(const char *line, size_t bytes)
{
    size_t i = 0;
    while (i < bytes) {
        size_t length = utf8_length((const unsigned char *)line + i, bytes - i);
        if (length == 0)
            break;
        i += length;
    }
    return i;
}
