#include "io/run_lock.h"

#include "comm/log.h"
#include "comm/memory.h"
#include "comm/thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* LOOK_SECONDS: a process that goes on after a stop writes no line before it has looked at the lock. */
enum { BEAT_SECONDS = 30, LOOK_SECONDS = 1, STALE_SECONDS = 600, TEXT_BYTES = 512, TRIES = 3 };

struct run_lock {
    char *path;
    char text[TEXT_BYTES];
    /* A thread beats, so that a long validation or a rare log line does not look like death. */
    pthread_t beater;
    pthread_mutex_t mutex;
    pthread_cond_t ending;
    bool beating, end;
    atomic_bool lost;       /* as the file was read last, */
    _Atomic int64_t looked; /* at this time: seconds since the host was started */
};

/* ---- this process ---- */

static void read_line(const char *path, char *out, size_t bytes)
{
    FILE *file = fopen(path, "re");
    if (!file || !fgets(out, (int)bytes, file))
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (file)
        fclose(file);
}

/* What /proc/PID/stat tells. */
struct process {
    char state;     /* field 3; 0: nothing is told, as where /proc hides what others run */
    long long born; /* field 22; -1 */
};

static struct process look_at(long pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    read_line(path, line, sizeof line);
    const char *at = strrchr(line, ')'); /* the name may hold blanks */
    struct process found = {at && at[1] ? at[2] : '\0', -1};
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    found.born = at ? atoll(at) : -1;
    return found;
}

/* Whether the process of that number is gone, or is another by now. One that was killed is gone although its parent has
 * not asked for its status yet. */
static bool is_dead(long pid, long long born)
{
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        return true;
    struct process found = look_at(pid);
    if (found.state == 'Z' || found.state == 'X')
        return true;
    return found.born >= 0 && born >= 0 && found.born != born;
}

static void describe_self(struct run_holder *self)
{
    *self = (struct run_holder){.pid = (long)getpid(), .born = look_at((long)getpid()).born};
    gethostname(self->host, sizeof self->host - 1);
    read_line("/proc/sys/kernel/random/boot_id", self->boot, sizeof self->boot);
    if (!self->boot[0])
        snprintf(self->boot, sizeof self->boot, "-");
    if (readlink("/proc/self/ns/pid", self->space, sizeof self->space - 1) < 0)
        snprintf(self->space, sizeof self->space, "-");
    const char *job = getenv("SLURM_JOB_ID"), *restart = getenv("SLURM_RESTART_COUNT");
    snprintf(self->job, sizeof self->job, "%s", job ? job : "-");
    self->restart = restart ? atoll(restart) : 0;
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(self->since, sizeof self->since, "%FT%TZ", &utc);
}

/* ---- the file: one "key value" a line ---- */

static void format(const struct run_holder *h, char text[TEXT_BYTES])
{
    snprintf(text, TEXT_BYTES,
            "host %s\npid %ld\nborn %lld\nboot %s\nspace %s\njob %s\nrestart %lld\nsince %s\n", h->host,
            h->pid, h->born, h->boot, h->space, h->job, h->restart, h->since);
}

/* False for a text that is none of a lock: then the holder is nobody. */
static bool parse(const char *text, struct run_holder *h)
{
    *h = (struct run_holder){0};
    bool whole = sscanf(text,
                         "host %63s\npid %ld\nborn %lld\nboot %63s\nspace %63s\njob %63s\nrestart "
                         "%lld\nsince %31s",
                         h->host, &h->pid, &h->born, h->boot, h->space, h->job, &h->restart, h->since) == 8;
    if (!whole)
        *h = (struct run_holder){0};
    return whole;
}

static bool read_text(const char *path, char text[TEXT_BYTES], struct stat *found)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t bytes = read(fd, text, TEXT_BYTES - 1);
    bool good = bytes >= 0 && fstat(fd, found) == 0;
    close(fd);
    text[bytes > 0 ? bytes : 0] = '\0';
    return good;
}

/* A file of our own beside the lock: hosts and process numbers of two containers may be the same. path ends in XXXXXX. */
static enum status write_fresh(char *path, const char *text)
{
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return status_fail_errno("create", path);
    ssize_t length = (ssize_t)strlen(text);
    errno = ENOSPC; /* if fewer bytes are written */
    bool good = write(fd, text, (size_t)length) == length && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
    enum status status = good ? STATUS_OK : status_fail_errno("write", path);
    close(fd);
    return status;
}

/* ---- taking ---- */

/* `now`: a time stamp of the same file server, so that clocks of different hosts do not matter. */
static bool is_stale(const struct run_holder *holder, const struct run_holder *self, time_t beat, time_t now)
{
    if (now - beat > STALE_SECONDS)
        return true;
    if (strcmp(holder->job, "-") != 0 && strcmp(holder->job, self->job) == 0 &&
            self->restart > holder->restart)
        return true;
    if (strcmp(holder->host, self->host) != 0)
        return false;
    if (strcmp(holder->boot, self->boot) != 0)
        return true;
    if (strcmp(holder->space, self->space) != 0)
        return false;
    return is_dead(holder->pid, holder->born);
}

/* Puts a stale lock aside. Another process may have done so a moment ago and hold a fresh one: that is put back. */
static void put_aside(const char *path, const char *stale)
{
    char aside[4096], text[TEXT_BYTES];
    struct stat found;
    snprintf(aside, sizeof aside, "%s.stale.%ld", path, (long)getpid());
    if (rename(path, aside) != 0)
        return;
    if (read_text(aside, text, &found) && strcmp(text, stale) != 0 && link(aside, path) != 0)
        log_line(LOG_WARNING, "the lock %s changed hands twice at once", path);
    unlink(aside);
}

void run_holder_words(const struct run_holder *holder, char *out, size_t bytes)
{
    if (holder->host[0] == '\0') {
        snprintf(out, bytes, "an unknown process");
        return;
    }
    bool job = strcmp(holder->job, "-") != 0;
    snprintf(out, bytes, "process %ld on %s%s%s, since %s", holder->pid, holder->host, job ? ", job " : "",
            job ? holder->job : "", holder->since);
}

static enum status fail_busy(const char *path, const char *text, const struct run_holder *holder)
{
    char words[TEXT_BYTES];
    if (holder->host[0] == '\0')
        return status_fail(STATUS_BUSY,
                "%s: the run directory is in use by an unknown process (found '%.60s')", path, text);
    run_holder_words(holder, words, sizeof words);
    return status_fail(STATUS_BUSY, "%s: the run directory is in use by %s", path, words);
}

/* `known`: the lock names its holder; else only its age tells. */
static bool is_held(
        bool known, const struct run_holder *holder, const struct run_holder *self, time_t beat, time_t now)
{
    return known ? !is_stale(holder, self, beat, now) : now - beat <= STALE_SECONDS;
}

bool run_lock_is_held(const char *folder, struct run_holder *out)
{
    char path[4096], text[TEXT_BYTES];
    struct run_holder self;
    struct stat found;
    describe_self(&self);
    snprintf(path, sizeof path, "%s/lock", folder);
    if (!read_text(path, text, &found))
        return false;
    bool known = parse(text, out);
    return is_held(known, out, &self, found.st_mtime, time(NULL));
}

/* One try; STATUS_OK with *taken false: a stale lock was put aside, try again. */
static enum status try_take(const char *path, const char *fresh, const struct run_holder *self, bool *taken)
{
    char text[TEXT_BYTES];
    struct stat own, found;
    int refused = link(fresh, path) == 0 ? 0 : errno;
    /* On NFS the answer to a link that was made may be lost: the number of links tells. */
    if (stat(fresh, &own) != 0)
        return status_fail_errno("read", fresh);
    *taken = refused == 0 || own.st_nlink == 2;
    if (*taken)
        return STATUS_OK;
    CHECK(refused == EEXIST, STATUS_IO, "cannot lock the run directory: link %s to %s: %s", path, fresh,
            strerror(refused));
    if (!read_text(path, text, &found))
        return errno == ENOENT ? STATUS_OK : status_fail_errno("read", path);
    struct run_holder holder;
    bool known = parse(text, &holder);
    if (is_held(known, &holder, self, found.st_mtime, own.st_mtime))
        return fail_busy(path, text, &holder);
    char words[TEXT_BYTES];
    run_holder_words(&holder, words, sizeof words);
    log_line(LOG_WARNING, "took over the run directory from %s, which is gone", words);
    put_aside(path, text);
    return STATUS_OK;
}

/* Files beside the lock whose processes were killed between making and removing them. */
static void sweep(const char *folder, const struct run_holder *self, time_t now)
{
    char path[4096], text[TEXT_BYTES];
    struct dirent *entry;
    struct run_holder holder;
    struct stat found;
    DIR *stream = opendir(folder);
    while (stream && (entry = readdir(stream))) {
        bool ours = strncmp(entry->d_name, "lock.", strlen("lock.")) == 0;
        if (!ours || (size_t)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= sizeof path)
            continue;
        if (read_text(path, text, &found) &&
                !is_held(parse(text, &holder), &holder, self, found.st_mtime, now))
            unlink(path);
    }
    if (stream)
        closedir(stream);
}

static enum status take(struct run_lock *lock, const char *folder, char *fresh, const struct run_holder *self)
{
    struct stat own;
    enum status status = write_fresh(fresh, lock->text);
    bool taken = false;
    for (int i = 0; i < TRIES && status == STATUS_OK && !taken; i++)
        status = try_take(lock->path, fresh, self, &taken);
    if (taken && stat(fresh, &own) == 0)
        sweep(folder, self, own.st_mtime);
    unlink(fresh);
    if (status == STATUS_OK && !taken)
        status = status_fail(STATUS_BUSY, "%s: several processes want the run directory at once", lock->path);
    return status;
}

/* ---- holding ---- */

static enum status fail_lost(const char *path, const char *text)
{
    struct run_holder holder;
    char words[TEXT_BYTES];
    CHECK(text, STATUS_BUSY, "%s is gone: another job may take the run directory, so this one stops", path);
    parse(text, &holder);
    run_holder_words(&holder, words, sizeof words);
    return status_fail(STATUS_BUSY, "%s: the run directory was taken over by %s", path, words);
}

/* A clock that runs while the machine is suspended, and that nobody sets. */
static int64_t seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec;
}

enum status run_lock_check(struct run_lock *lock)
{
    char text[TEXT_BYTES];
    struct stat found;
    atomic_store(&lock->looked, seconds_now());
    bool there = read_text(lock->path, text, &found);
    /* A file server that does not answer tells nothing. */
    bool ours = there ? strcmp(text, lock->text) == 0 : errno != ENOENT;
    atomic_store(&lock->lost, !ours);
    return ours ? STATUS_OK : fail_lost(lock->path, there ? text : NULL);
}

/* A process that was stopped for long goes on here before its thread has beaten again. */
enum status run_lock_held(struct run_lock *lock)
{
    bool old = seconds_now() - atomic_load(&lock->looked) > LOOK_SECONDS;
    return old || atomic_load(&lock->lost) ? run_lock_check(lock) : STATUS_OK;
}

void run_lock_beat(struct run_lock *lock)
{
    if (run_lock_check(lock) == STATUS_OK)
        (void)utimensat(AT_FDCWD, lock->path, NULL, 0);
}

static void *beat(void *context)
{
    struct run_lock *lock = context;
    pthread_mutex_lock(&lock->mutex);
    while (!lock->end) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += BEAT_SECONDS;
        if (pthread_cond_timedwait(&lock->ending, &lock->mutex, &until) == ETIMEDOUT)
            run_lock_beat(lock);
    }
    pthread_mutex_unlock(&lock->mutex);
    return NULL;
}

static void start_beating(struct run_lock *lock)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&lock->ending, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&lock->mutex, NULL);
    if (thread_start(&lock->beater, &lock->beating, beat, lock, "the thread of the heartbeat") != STATUS_OK)
        log_line(LOG_WARNING, "%s: others may take %s after %d min", status_message(), lock->path,
                STALE_SECONDS / 60);
}

static void stop_beating(struct run_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    lock->end = true;
    pthread_cond_signal(&lock->ending);
    pthread_mutex_unlock(&lock->mutex);
    if (lock->beating)
        pthread_join(lock->beater, NULL);
    pthread_cond_destroy(&lock->ending);
    pthread_mutex_destroy(&lock->mutex);
}

enum status run_lock_take(struct run_lock **out, const char *folder)
{
    struct run_lock *lock;
    struct run_holder self;
    char path[4096], fresh[4096];
    describe_self(&self);
    snprintf(path, sizeof path, "%s/lock", folder);
    snprintf(fresh, sizeof fresh, "%s/lock.XXXXXX", folder);
    TRY(memory_new(&lock, "run", 1, sizeof *lock));
    enum status status = memory_text(&lock->path, "run", path);
    format(&self, lock->text);
    if (status == STATUS_OK)
        status = take(lock, folder, fresh, &self);
    if (status != STATUS_OK) {
        memory_free(lock->path);
        memory_free(lock);
        return status;
    }
    atomic_store(&lock->looked, seconds_now());
    start_beating(lock);
    *out = lock;
    return STATUS_OK;
}

void run_lock_drop(struct run_lock *lock)
{
    if (!lock)
        return;
    stop_beating(lock);
    char text[TEXT_BYTES];
    struct stat found;
    if (read_text(lock->path, text, &found) && strcmp(text, lock->text) == 0)
        unlink(lock->path);
    memory_free(lock->path);
    memory_free(lock);
}
