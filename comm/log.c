#include "comm/log.h"

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
static bool progress_shown;

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

/* With the lock held. */
static void erase_progress(void)
{
    if (progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
}

enum { TO_FILE = 1, TO_PEOPLE = 2, WITH_RANK = 4 };

static void write_line(int how, enum log_level level, const char *format, va_list arguments)
{
    char text[4096], who[32] = "";
    if (how & WITH_RANK)
        snprintf(who, sizeof who, "[rank %d] ", rank);
    vsnprintf(text, sizeof text, format, arguments);
    pthread_mutex_lock(&lock);
    if (how & TO_PEOPLE) {
        erase_progress();
        fprintf(stderr, "%s%s%s\n", who, prefix(level), text);
    }
    if (file && (how & TO_FILE)) {
        fprintf(file, "%s%s%s\n", who, prefix(level), text);
        fflush(file);
    }
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

void log_progress(const char *text)
{
    if (rank != 0 || !log_is_terminal())
        return;
    pthread_mutex_lock(&lock);
    erase_progress();
    if (text) {
        fputs(text, stderr);
        fflush(stderr);
        progress_shown = true;
    }
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
    pthread_mutex_unlock(&lock);
    return STATUS_OK;
}
