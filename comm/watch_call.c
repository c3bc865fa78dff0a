/*
 * The roll call's thread: a rank that is late calls, the lowest of those reads what the others answer.
 */
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/thread.h"
#include "comm/watch.h"
#include "comm/watch_internal.h"
#include "comm/world.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Of the limit: between two looks, until a rank calls, until it warns. */
static const double PERIOD = 1.0 / 16, CALLS = 1.0 / 4, WARNS = 1.0 / 2;
enum { PATH_BYTES = 4096, VERDICT_BYTES = 1024 };

static struct {
    struct waker waker;
    char folder[PATH_BYTES];
    int rank, ranks;
    char (*hosts)[ROLL_HOST_BYTES]; /* [ranks] */
    struct roll_seen *seen;         /* [ranks] */
    int64_t count;                  /* of writings */
    int64_t heard;                  /* by the rank that reads, as it told last; -1: nothing yet */
    bool calls, answers;            /* a file of this rank is there */
    bool has_warned;
    unsigned warnings; /* times that there was reason */
} call;

/* What the watchdog's other thread asks for. */
static struct {
    pthread_mutex_t lock;
    bool tells;
    char words[VERDICT_BYTES];
} verdict = {.lock = PTHREAD_MUTEX_INITIALIZER, .tells = true};

bool watch_verdict(char *out, size_t bytes)
{
    pthread_mutex_lock(&verdict.lock);
    snprintf(out, bytes, "%s", verdict.words);
    bool tells = verdict.tells;
    pthread_mutex_unlock(&verdict.lock);
    return tells;
}

static void set_verdict(bool tells, const char *words)
{
    pthread_mutex_lock(&verdict.lock);
    verdict.tells = tells;
    snprintf(verdict.words, sizeof verdict.words, "%s", words);
    pthread_mutex_unlock(&verdict.lock);
}

/* ---- a rank that is late ---- */

static bool is_power_of_two(unsigned n)
{
    return (n & (n - 1)) == 0;
}

/* Once in each delay, and of these the 1st, 2nd, 4th, 8th ... */
static void warn(const char *words)
{
    if (call.has_warned || watch_idle() < WARNS * watch_limit())
        return;
    call.has_warned = true;
    if (is_power_of_two(++call.warnings))
        log_rank(LOG_WARNING, "%s; without progress the job ends after %.0f s (comm.timeout)", words,
                watch_limit());
}

static void read_all(const struct roll_place *own)
{
    char words[VERDICT_BYTES];
    bool moved = false;
    for (int r = 0; r < call.ranks; r++)
        if (r != call.rank)
            moved |= roll_look(call.folder, r, &call.seen[r]);
    call.seen[call.rank] = (struct roll_seen){.answered = true, .place = *own};
    roll_judge(words, sizeof words, call.seen, call.ranks, call.rank, CALLS * watch_limit(),
            (const char(*)[ROLL_HOST_BYTES])call.hosts);
    set_verdict(true, words);
    if (moved)
        watch_heard();
    else
        warn(words);
}

/* The others go by what the one that reads has heard. */
static void follow(int reader)
{
    struct roll_seen *seen = &call.seen[reader];
    roll_look(call.folder, reader, seen);
    set_verdict(false, "");
    if (!seen->answered)
        return;
    if (call.heard >= 0 && seen->place.heard != call.heard)
        watch_heard();
    call.heard = seen->place.heard;
}

static void call_others(struct roll_place *own)
{
    if (!call.calls) {
        memset(call.seen, 0, (size_t)call.ranks * sizeof *call.seen);
        call.heard = -1;
        call.has_warned = false;
    }
    own->count = ++call.count;
    roll_write(call.folder, call.rank, own, true);
    call.calls = true;
    int reader = roll_caller(call.folder);
    if (reader < 0 || reader == call.rank) /* without files it knows of itself only */
        read_all(own);
    else
        follow(reader);
}

/* ---- a rank that gets on ---- */

static void answer_others(struct roll_place *own)
{
    if (call.calls) {
        roll_leave(call.folder, call.rank);
        if (call.has_warned && is_power_of_two(call.warnings))
            log_rank(LOG_INFO, "goes on");
        call.calls = false;
        set_verdict(true, "");
    }
    if (roll_caller(call.folder) >= 0) {
        own->count = ++call.count;
        roll_write(call.folder, call.rank, own, false);
        call.answers = true;
    } else if (call.answers) {
        roll_leave(call.folder, call.rank);
        call.answers = false;
    }
}

static void *call_thread(void *unused)
{
    while (waker_sleep(&call.waker, PERIOD * watch_limit())) {
        struct roll_place own;
        watch_place(&own);
        if (own.idle >= CALLS * watch_limit())
            call_others(&own);
        else
            answer_others(&own);
    }
    return unused;
}

/* ---- start and end ---- */

/* What jobs before this one have left: "PREFIX-..." . */
static void clear_older(const char *prefix)
{
    char parent[PATH_BYTES], path[PATH_BYTES + 256];
    snprintf(parent, sizeof parent, "%s", prefix);
    char *slash = strrchr(parent, '/');
    const char *name = slash ? slash + 1 : parent;
    size_t length = strlen(name);
    DIR *names = opendir(slash ? (*slash = '\0', parent) : ".");
    if (!names)
        return;
    for (struct dirent *entry; (entry = readdir(names));)
        if (strncmp(entry->d_name, name, length) == 0 && entry->d_name[length] == '-') {
            snprintf(path, sizeof path, "%.*s%s", (int)(strlen(prefix) - length), prefix, entry->d_name);
            roll_clear(path);
        }
    closedir(names);
}

static enum status gather_hosts(void)
{
    char host[ROLL_HOST_BYTES] = "";
    enum status status = memory_new(&call.hosts, "watch", (size_t)call.ranks, sizeof *call.hosts);
    if (status == STATUS_OK)
        status = memory_new(&call.seen, "watch", (size_t)call.ranks, sizeof *call.seen);
    TRY(status_agree(status));
    snprintf(host, sizeof host, "%s", world()->host);
    return world_gather(host, call.hosts, sizeof host);
}

/* A rank that a job before this one has left behind does not know the number. */
static enum status name_folder(const char *prefix)
{
    long long number = (long long)time(NULL) << 22 | (getpid() & 0x3fffff);
    TRY(world_broadcast(&number, sizeof number, 0));
    snprintf(call.folder, sizeof call.folder, "%s-%llx", prefix, (unsigned long long)number);
    return STATUS_OK;
}

enum status watch_folder(const char *prefix)
{
    if (call.waker.is_running)
        return STATUS_OK;
    if (world()->rank == 0)
        clear_older(prefix);
    if (watch_limit() <= 0 || world()->size == 1)
        return STATUS_OK;
    call.rank = world()->rank;
    call.ranks = world()->size;
    TRY(gather_hosts());
    TRY(name_folder(prefix));
    waker_init(&call.waker);
    return status_agree(thread_start(
            &call.waker.thread, &call.waker.is_running, call_thread, NULL, "the thread of the roll call"));
}

void watch_call_stop(void)
{
    waker_stop(&call.waker);
    if (call.calls || call.answers)
        roll_leave(call.folder, call.rank);
    set_verdict(true, "");
    memory_free(call.hosts);
    memory_free(call.seen);
    call.hosts = NULL;
    call.seen = NULL;
    call.calls = call.answers = false;
    call.warnings = 0;
}
