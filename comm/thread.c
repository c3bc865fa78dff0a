#include "comm/thread.h"

#include <signal.h>
#include <string.h>

enum status thread_start(
        pthread_t *out, bool *started, void *(*run)(void *), void *context, const char *purpose)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(out, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    CHECK(error == 0, STATUS_INTERNAL, "cannot start %s: %s", purpose, strerror(error));
    *started = true;
    return STATUS_OK;
}
