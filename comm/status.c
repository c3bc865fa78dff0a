#include "comm/status.h"

#include "comm/outlet.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 4096 };

static _Thread_local char message[MESSAGE_BYTES];
static void (*bug_hook)(void);

const char *status_text(enum status status)
{
    switch (status) {
#define STATUS_CASE(name, code, text)                                                                        \
    case STATUS_##name:                                                                                      \
        return text;
        STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "unknown status";
}

/* What a file says of itself may stand in a message: on a terminal it must do nothing but be read. */
static void make_plain(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            *text = '?';
}

enum status status_fail(enum status code, const char *format, ...)
{
    /* The arguments may point into the old message: write beside it first. */
    char fresh[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fresh, sizeof fresh, format, arguments);
    va_end(arguments);
    make_plain(fresh);
    memcpy(message, fresh, sizeof message);
    return code;
}

static enum status code_of_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return STATUS_MISSING;
    case EACCES:
    case EPERM:
    case EROFS:
        return STATUS_PERMISSION;
    default:
        return STATUS_IO;
    }
}

enum status status_fail_errno(const char *action, const char *path)
{
    int error = errno;
    return status_fail(code_of_errno(error), "cannot %s %s: %s", action, path, strerror(error));
}

const char *status_message(void)
{
    return message;
}

void status_clear(void)
{
    message[0] = '\0';
}

void status_on_bug(void (*end_job)(void))
{
    bug_hook = end_job;
}

void status_bug(const char *file, int line, const char *expression)
{
    char text[512];
    int bytes = snprintf(
            text, sizeof text, "seqtrain: bug at %.200s:%d: %.200s does not hold\n", file, line, expression);
    outlet_end(text, (size_t)bytes);
    if (bug_hook)
        bug_hook();
    abort();
}
