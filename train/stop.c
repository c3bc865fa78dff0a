#include "train/stop.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const int signals[] = {SIGUSR1, SIGTERM, SIGINT};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static struct sigaction before[SIGNALS];
static volatile sig_atomic_t asked;

/* Only what a handler may do: a flag, or _exit() as the shell would report the signal. */
static void on_signal(int number)
{
    if (asked)
        _exit(128 + number);
    asked = number;
}

void stop_watch(void)
{
    asked = 0;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
}

void stop_unwatch(void)
{
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
}

int stop_signal(void)
{
    return asked;
}
