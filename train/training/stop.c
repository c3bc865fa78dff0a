#include "train/training/stop.h"

#include "comm/clock.h"
#include "comm/world.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const int signals[] = {SIGUSR1, SIGTERM, SIGINT};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static volatile sig_atomic_t asked;
static volatile double asked_at; /* clock; written before `asked`, by the first signal alone */

/* Only what a handler may do: read the clock, set a flag, or _exit() as the shell would report the signal. The signals
 * are blocked while it runs, so that two of them on one thread do not meet. */
static void on_signal(int number)
{
    if (!asked) {
        asked_at = clock_now();
        asked = number;
    } else if (clock_now() - asked_at > STOP_REPEATS)
        _exit(128 + number);
}

void stop_watch(void)
{
    asked = 0;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&action.sa_mask, signals[i]);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, NULL);
}

int stop_signal(void)
{
    return asked;
}

enum status stop_agree(bool *stop)
{
    double wish = stop_signal() != 0;
    TRY(world_maximum(&wish, 1));
    *stop = wish > 0;
    return STATUS_OK;
}
