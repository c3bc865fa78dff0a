#include "comm/log.h"

#include "comm/outlet.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_level limit = LOG_INFO;
static int rank;
static FILE *file;
static bool progress_shown, file_failed;

static const char *prefix(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return "error: ";
    case LOG_WARNING:
        return "warning: ";
    default:
        return "";
    }
}

enum { TO_FILE = 1, TO_PEOPLE = 2, WITH_RANK = 4, LINE_BYTES = 4096 + 64 };

/* With the lock held. What the file does not take is told once for each file. */
static void append(const char *text)
{
    if ((fputs(text, file) >= 0 && fflush(file) == 0) || file_failed)
        return;
    char line[256];
    int bytes = snprintf(
            line, sizeof line, "warning: the log file is incomplete from here on: %s\n", strerror(errno));
    outlet_put(line, (size_t)bytes);
    file_failed = true;
}

static void write_line(int how, enum log_level level, const char *format, va_list arguments)
{
    static const char erase[] = "\r\033[K";
    char text[4096], who[32] = "", line[LINE_BYTES];
    if (how & WITH_RANK)
        snprintf(who, sizeof who, "[rank %d] ", rank);
    vsnprintf(text, sizeof text, format, arguments);
    int bytes = snprintf(line, sizeof line, "%s%s%s\n", who, prefix(level), text);
    pthread_mutex_lock(&lock);
    if (how & TO_PEOPLE) {
        if (progress_shown)
            outlet_try(erase, strlen(erase));
        progress_shown = false;
        outlet_put(line, (size_t)bytes);
    }
    if (file && (how & TO_FILE))
        append(line);
    pthread_mutex_unlock(&lock);
}

void log_line(enum log_level level, const char *format, ...)
{
    if (rank != 0 || level > limit)
        return;
    va_list arguments;
    va_start(arguments, format);
    write_line(TO_FILE | TO_PEOPLE, level, format, arguments);
    va_end(arguments);
}

void log_record(enum log_level level, const char *format, ...)
{
    if (rank != 0 || level > limit)
        return;
    va_list arguments;
    va_start(arguments, format);
    write_line(TO_FILE, level, format, arguments);
    va_end(arguments);
}

void log_rank(enum log_level level, const char *format, ...)
{
    if (level > limit)
        return;
    va_list arguments;
    va_start(arguments, format);
    write_line(TO_FILE | TO_PEOPLE | WITH_RANK, level, format, arguments);
    va_end(arguments);
}

void log_words(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(TO_PEOPLE, LOG_INFO, format, arguments);
    va_end(arguments);
}

void log_progress(const char *text)
{
    char line[LINE_BYTES];
    if (rank != 0 || !log_is_terminal())
        return;
    int bytes = snprintf(line, sizeof line, "\r\033[K%s", text ? text : "");
    pthread_mutex_lock(&lock);
    if (text || progress_shown)
        outlet_try(line, (size_t)bytes);
    progress_shown = text;
    pthread_mutex_unlock(&lock);
}

bool log_is_terminal(void)
{
    return isatty(STDERR_FILENO) == 1;
}

void log_set_level(enum log_level level)
{
    limit = level;
}

void log_set_rank(int r)
{
    rank = r;
}

enum status log_file(const char *path)
{
    FILE *next = NULL;
    if (path && rank == 0) {
        next = fopen(path, "ae");
        if (!next)
            return status_fail_errno("append to", path);
    }
    pthread_mutex_lock(&lock);
    if (file)
        fclose(file);
    file = next;
    file_failed = false;
    pthread_mutex_unlock(&lock);
    return STATUS_OK;
}
