#include "comm/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MILLISECONDS = 1000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int descriptor;
    bool is_socket;
    size_t kept;
    unsigned long dropped; /* lines, since the last that had room */
    unsigned long notes,
            noted; /* lines that tell of dropped ones, among what is kept, and how many those were */
    char room[OUTLET_ROOM];
} outlet = {.descriptor = STDERR_FILENO};

/* ---- opening ---- */

/* A pipe or terminal is shared with others, who may want to wait: a description of our own, which does not. */
static int open_again(int descriptor)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void outlet_open(void)
{
    struct stat facts;
    for (int d = STDIN_FILENO; d <= STDERR_FILENO; d++)
        if (fcntl(d, F_GETFD) == -1 && errno == EBADF) /* open() takes the lowest free number: this one */
            (void)open("/dev/null", d == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    if (fstat(STDERR_FILENO, &facts) != 0)
        return;
    outlet.is_socket = S_ISSOCK(facts.st_mode);
    int own = S_ISFIFO(facts.st_mode) || isatty(STDERR_FILENO) ? open_again(STDERR_FILENO) : -1;
    if (own >= 0)
        outlet.descriptor = own;
}

/* ---- writing ---- */

static bool wait_for_room(int milliseconds)
{
    struct pollfd ready = {.fd = outlet.descriptor, .events = POLLOUT};
    return poll(&ready, 1, milliseconds) > 0;
}

/* Bytes that were taken; 0: none now; -1: this cannot be written. A pipe that has any room has it for PIPE_BUF bytes. */
static ssize_t write_some(const char *text, size_t bytes)
{
    if (!wait_for_room(0))
        return 0;
    size_t part = bytes < PIPE_BUF ? bytes : PIPE_BUF;
    ssize_t written = outlet.is_socket ? send(outlet.descriptor, text, part, MSG_DONTWAIT | MSG_NOSIGNAL)
                                       : write(outlet.descriptor, text, part);
    if (written < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return written;
}

static unsigned long lines_of(const char *text, size_t bytes)
{
    unsigned long lines = 0;
    for (const char *end; (end = memchr(text, '\n', bytes)); text = end + 1, lines++)
        bytes -= (size_t)(end + 1 - text);
    return lines;
}

/* What is kept, as far as it goes now. */
static void write_kept(void)
{
    size_t done = 0;
    for (ssize_t written = 1; written > 0 && done<outlet.kept; done += written> 0 ? (size_t)written : 0) {
        written = write_some(outlet.room + done, outlet.kept - done);
        if (written < 0) {
            outlet.dropped += lines_of(outlet.room + done, outlet.kept - done) - outlet.notes + outlet.noted;
            done = outlet.kept;
        }
    }
    outlet.kept -= done;
    if (outlet.kept == 0)
        outlet.notes = outlet.noted = 0;
    memmove(outlet.room, outlet.room + done, outlet.kept);
}

/* That lines are missing, before what comes after them: `text`, if there is room for both. */
static bool keep_all(const char *text, size_t bytes)
{
    char note[128] = "";
    if (outlet.dropped > 0)
        snprintf(note, sizeof note, "warning: %lu lines are missing here: standard error took no more\n",
                outlet.dropped);
    size_t length = strlen(note);
    if (length + bytes > OUTLET_ROOM - outlet.kept)
        return false;
    memcpy(outlet.room + outlet.kept, note, length);
    memcpy(outlet.room + outlet.kept + length, text, bytes);
    outlet.kept += length + bytes;
    outlet.notes += outlet.dropped > 0;
    outlet.noted += outlet.dropped;
    outlet.dropped = 0;
    return true;
}

void outlet_put(const char *text, size_t bytes)
{
    int error = errno;
    pthread_mutex_lock(&lock);
    write_kept();
    if (!keep_all(text, bytes))
        outlet.dropped += lines_of(text, bytes);
    write_kept();
    pthread_mutex_unlock(&lock);
    errno = error;
}

void outlet_try(const char *text, size_t bytes)
{
    pthread_mutex_lock(&lock);
    if (outlet.kept == 0)
        (void)write_some(text, bytes);
    pthread_mutex_unlock(&lock);
}

void outlet_end(const char *text, size_t bytes)
{
    (void)write_some(text, bytes);
}

bool outlet_close(void)
{
    pthread_mutex_lock(&lock);
    write_kept();
    (void)keep_all("", 0);
    for (size_t before = outlet.kept + 1; outlet.kept > 0 && outlet.kept < before;) {
        before = outlet.kept;
        if (wait_for_room(PATIENCE_MILLISECONDS))
            write_kept();
    }
    bool whole = outlet.kept == 0 && outlet.dropped == 0;
    pthread_mutex_unlock(&lock);
    return whole;
}
