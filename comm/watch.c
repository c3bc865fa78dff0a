#include "comm/watch.h"

#include "comm/clock.h"
#include "comm/outlet.h"
#include "comm/thread.h"
#include "comm/world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_running, is_ending;
    double limit, tick;
    int rank;
    char host[64];
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

static atomic_uint_fast64_t beats;

static void end_process(double idle)
{
    char line[256];
    int length = snprintf(line, sizeof line,
            "[rank %d] error: no progress for %.1f s (comm.timeout %.1f) on %s in phase '%s': this rank or "
            "one it "
            "waits for hangs or died\n",
            watch.rank, idle, watch.limit, watch.host, phase_name(clock_phase()));
    outlet_end(line, (size_t)length);
    _exit(STATUS_HUNG);
}

/* Sleeps one tick or until watch_stop(); the lock is held. */
static void sleep_tick(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t nanoseconds = until.tv_nsec + (int64_t)(watch.tick * 1e9);
    until.tv_sec += nanoseconds / 1000000000;
    until.tv_nsec = nanoseconds % 1000000000;
    pthread_cond_timedwait(&watch.wake, &watch.lock, &until);
}

static void *watch_thread(void *unused)
{
    uint_fast64_t seen = atomic_load(&beats);
    double idle = 0, before = clock_now();
    pthread_mutex_lock(&watch.lock);
    while (!watch.is_ending) {
        sleep_tick();
        double now = clock_now(), passed = now - before;
        before = now;
        if (atomic_load(&beats) != seen) {
            seen = atomic_load(&beats);
            idle = 0;
            continue;
        }
        idle += passed < 2 * watch.tick ? passed : 2 * watch.tick; /* more: the process was suspended */
        if (idle >= watch.limit && !watch.is_ending)
            end_process(idle);
    }
    pthread_mutex_unlock(&watch.lock);
    return unused;
}

enum status watch_start(double seconds)
{
    ASSERT(!watch.is_running);
    if (seconds <= 0)
        return STATUS_OK;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch.wake, &attributes);
    pthread_condattr_destroy(&attributes);
    watch.limit = seconds;
    watch.tick = seconds / 20 < 1 ? seconds / 20 : 1;
    watch.is_ending = false;
    watch.rank = world()->rank;
    memcpy(watch.host, world()->host, sizeof watch.host);
    return thread_start(&watch.thread, &watch.is_running, watch_thread, NULL, "the watchdog thread");
}

void watch_beat(void)
{
    atomic_fetch_add_explicit(&beats, 1, memory_order_relaxed);
}

uint64_t watch_beats(void)
{
    return atomic_load_explicit(&beats, memory_order_relaxed);
}

void watch_stop(void)
{
    if (!watch.is_running)
        return;
    pthread_mutex_lock(&watch.lock);
    watch.is_ending = true;
    pthread_cond_signal(&watch.wake);
    pthread_mutex_unlock(&watch.lock);
    pthread_join(watch.thread, NULL);
    pthread_cond_destroy(&watch.wake);
    watch.is_running = false;
}
