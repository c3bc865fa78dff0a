#include "comm/clock.h"

#include <stdatomic.h>
#include <time.h>

static double seconds[PHASES];
static _Atomic(enum phase) current = PHASE_START;
static double since;

const char *phase_name(enum phase phase)
{
    static const char *const names[PHASES] = {
#define PHASE_TEXT(name, text) text,
            PHASE_LIST(PHASE_TEXT)
#undef PHASE_TEXT
    };
    return names[phase];
}

double clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

enum phase clock_enter(enum phase phase)
{
    enum phase before = current;
    double now = clock_now();
    if (since > 0)
        seconds[before] += now - since;
    since = now;
    current = phase;
    return before;
}

void clock_seconds(double out[PHASES])
{
    clock_enter(current);
    for (int i = 0; i < PHASES; i++)
        out[i] = seconds[i];
}

void clock_reset(void)
{
    for (int i = 0; i < PHASES; i++)
        seconds[i] = 0;
    since = clock_now();
}

enum phase clock_phase(void)
{
    return current;
}
