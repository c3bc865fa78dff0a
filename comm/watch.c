#include "comm/watch.h"

#include "comm/clock.h"
#include "comm/outlet.h"
#include "comm/thread.h"
#include "comm/watch_internal.h"
#include "comm/world.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The rank that tells goes first: the launcher ends the others before they tell the same. */
static const double OTHERS_SECONDS = 5;
enum { LAST_WORDS_SECONDS = 2, LINE_BYTES = 1536 };

static struct {
    struct waker waker;
    double limit, tick;
    double own_idle,
            idle; /* seconds without a beat of this rank, of any that was heard of; under waker.lock */
    int rank;
    char host[64];
} watch;

static atomic_uint_fast64_t beats, heard, meets;
static atomic_int_fast64_t update;
static atomic_bool waits, is_over;

/* ---- the threads' sleep ---- */

void waker_init(struct waker *waker)
{
    pthread_condattr_t attributes;
    *waker = (struct waker){0};
    pthread_mutex_init(&waker->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&waker->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool waker_sleep(struct waker *waker, double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t nanoseconds = until.tv_nsec + (int64_t)(seconds * 1e9);
    until.tv_sec += nanoseconds / 1000000000;
    until.tv_nsec = nanoseconds % 1000000000;
    pthread_mutex_lock(&waker->lock);
    if (!waker->is_ending)
        pthread_cond_timedwait(&waker->wake, &waker->lock, &until);
    bool goes_on = !waker->is_ending;
    pthread_mutex_unlock(&waker->lock);
    return goes_on;
}

void waker_stop(struct waker *waker)
{
    if (!waker->is_running)
        return;
    pthread_mutex_lock(&waker->lock);
    waker->is_ending = true;
    pthread_cond_signal(&waker->wake);
    pthread_mutex_unlock(&waker->lock);
    pthread_join(waker->thread, NULL);
    pthread_cond_destroy(&waker->wake);
    pthread_mutex_destroy(&waker->lock);
    waker->is_running = false;
}

/* ---- the end ---- */

static void end_now(int signal)
{
    (void)signal;
    _exit(STATUS_HUNG);
}

/* What follows may hang as well: a pipe that nobody reads, a file server. */
static void end_soon(void)
{
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    signal(SIGALRM, end_now);
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    alarm(LAST_WORDS_SECONDS);
}

static void end_process(double idle, const char *verdict)
{
    char line[LINE_BYTES];
    atomic_store(&is_over, true);
    end_soon();
    int length = snprintf(line, sizeof line, "[rank %d] error: ", watch.rank);
    if (verdict[0])
        length += snprintf(line + length, sizeof line - (size_t)length,
                "%s; nothing has got on for %.1f s (comm.timeout %.1f): the job ends, the last checkpoint "
                "stands\n",
                verdict, idle, watch.limit);
    else
        length += snprintf(line + length, sizeof line - (size_t)length,
                "no progress for %.1f s (comm.timeout %.1f) on %s in phase '%s': this rank or one it waits "
                "for hangs or died\n",
                idle, watch.limit, watch.host, phase_name(clock_phase()));
    outlet_end(line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
    _exit(STATUS_HUNG);
}

/* ---- the thread ---- */

static void end_if_due(double idle)
{
    char verdict[LINE_BYTES - 256];
    if (idle < watch.limit)
        return;
    bool tells = watch_verdict(verdict, sizeof verdict);
    if (tells || idle >= watch.limit + OTHERS_SECONDS)
        end_process(idle, verdict);
}

static void count_idle(double seconds, bool has_beaten, bool has_heard)
{
    pthread_mutex_lock(&watch.waker.lock);
    watch.own_idle = has_beaten ? 0 : watch.own_idle + seconds;
    watch.idle = has_beaten || has_heard ? 0 : watch.idle + seconds;
    pthread_mutex_unlock(&watch.waker.lock);
}

static void *watch_thread(void *unused)
{
    uint_fast64_t seen = atomic_load(&beats), listened = atomic_load(&heard);
    double before = clock_now();
    while (waker_sleep(&watch.waker, watch.tick)) {
        double now = clock_now(), passed = now - before;
        uint_fast64_t b = atomic_load(&beats), h = atomic_load(&heard);
        before = now;
        /* more than two ticks: the process was suspended */
        count_idle(passed < 2 * watch.tick ? passed : 2 * watch.tick, b != seen, h != listened);
        seen = b;
        listened = h;
        end_if_due(watch_idle());
    }
    return unused;
}

/* ---- for the roll call ---- */

double watch_limit(void)
{
    return watch.waker.is_running ? watch.limit : 0;
}

double watch_idle(void)
{
    pthread_mutex_lock(&watch.waker.lock);
    double idle = watch.idle;
    pthread_mutex_unlock(&watch.waker.lock);
    return idle;
}

void watch_place(struct roll_place *out)
{
    pthread_mutex_lock(&watch.waker.lock);
    double idle = watch.own_idle;
    pthread_mutex_unlock(&watch.waker.lock);
    *out = (struct roll_place){.beats = (int64_t)atomic_load(&beats),
            .heard = (int64_t)atomic_load(&heard),
            .meets = (int64_t)atomic_load(&meets),
            .update = atomic_load(&update),
            .waits = atomic_load(&waits),
            .phase = clock_phase(),
            .idle = idle};
}

void watch_heard(void)
{
    atomic_fetch_add(&heard, 1);
}

void watch_waits(bool meet)
{
    if (meet)
        atomic_fetch_add_explicit(&meets, 1, memory_order_relaxed);
    atomic_store_explicit(&waits, true, memory_order_relaxed);
}

int watch_waited(int code)
{
    atomic_store_explicit(&waits, false, memory_order_relaxed);
    return code;
}

/* ---- for everybody ---- */

enum status watch_start(double seconds)
{
    ASSERT(!watch.waker.is_running);
    if (seconds <= 0)
        return STATUS_OK;
    waker_init(&watch.waker);
    watch.limit = seconds;
    watch.tick = seconds / 20 < 1 ? seconds / 20 : 1;
    watch.own_idle = watch.idle = 0;
    watch.rank = world_launch_rank();
    memcpy(watch.host, world()->host, sizeof watch.host);
    return thread_start(
            &watch.waker.thread, &watch.waker.is_running, watch_thread, NULL, "the watchdog thread");
}

void watch_beat(void)
{
    atomic_fetch_add_explicit(&beats, 1, memory_order_relaxed);
}

void watch_update(int64_t next)
{
    atomic_store_explicit(&update, next, memory_order_relaxed);
    watch_beat();
}

uint64_t watch_beats(void)
{
    return atomic_load_explicit(&beats, memory_order_relaxed);
}

enum status watch_check(void)
{
    CHECK(!atomic_load(&is_over), STATUS_HUNG, "the job has lost a rank and ends: nothing more is written");
    return STATUS_OK;
}

void watch_stop(void)
{
    watch_call_stop(); /* first: its files may hang, and then the other thread ends the process */
    waker_stop(&watch.waker);
}
