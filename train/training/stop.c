#include "train/training/stop.h"

#include "comm/clock.h"
#include "comm/memory.h"
#include "comm/world.h"

#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

static const struct {
    int number;
    const char *name;
    bool ignorable; /* stays ignored where it is when the program starts */
    bool insists;   /* ends the process when it comes after another */
} signals[] = {
        {SIGUSR1, "SIGUSR1", false, true},
        {SIGTERM, "SIGTERM", false, true},
        {SIGINT, "SIGINT", false, true},
        {SIGHUP, "SIGHUP", true, false},
};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static volatile sig_atomic_t asked;
static volatile double asked_at; /* clock; written before `asked`, by the first signal alone */
static double due = INFINITY;    /* clock */

/* What ranks tell each other between stop_listen() and stop_settle(). */
enum { STOP_TAG = 7004 };
static struct {
    bool open;
    int told;                     /* the ranks below have a note of this one */
    struct world_request **notes; /* [ranks] */
} news;

static size_t row_of(int number)
{
    size_t i = 0;
    while (i < SIGNALS && signals[i].number != number)
        i++;
    return i;
}

/* Only what a handler may do: read the clock, set a flag, or _exit() as the shell would report the signal. The signals
 * are blocked while it runs, so that two of them on one thread do not meet. */
static void on_signal(int number)
{
    if (!asked) {
        asked_at = clock_now();
        asked = number;
    } else if (signals[row_of(number)].insists && clock_now() - asked_at > STOP_REPEATS)
        _exit(128 + number);
}

static bool is_ignored(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void stop_watch(void)
{
    asked = 0;
    due = INFINITY;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&action.sa_mask, signals[i].number);
    for (size_t i = 0; i < SIGNALS; i++)
        if (!signals[i].ignorable || !is_ignored(signals[i].number))
            sigaction(signals[i].number, &action, NULL);
}

uint32_t stop_wish(void)
{
    int number = asked;
    return number ? 1U << row_of(number) : 0;
}

void stop_words(char out[STOP_WORDS_BYTES], uint32_t wishes)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < SIGNALS && used < STOP_WORDS_BYTES; i++)
        if (wishes & 1U << i)
            used += (size_t)snprintf(
                    out + used, STOP_WORDS_BYTES - used, "%s%s", used ? ", " : "", signals[i].name);
}

void stop_at(double clock)
{
    due = clock;
}

/* ---- between ranks ---- */

enum status stop_listen(void)
{
    if (world()->size == 1)
        return STATUS_OK;
    TRY(status_agree(memory_new(&news.notes, "stop", (size_t)world()->size, sizeof *news.notes)));
    news.open = true;
    news.told = 0;
    return STATUS_OK;
}

/* Once. A note that cannot be sent does no harm: its rank learns of the stop when it has done its share. */
static void tell_others(void)
{
    static const char note;
    enum status status = STATUS_OK;
    for (; news.open && news.told < world()->size && status == STATUS_OK; news.told++)
        if (news.told != world()->rank)
            status = world_send_start(&news.notes[news.told], &note, sizeof note, news.told, STOP_TAG);
    if (status != STATUS_OK && news.notes[--news.told])
        world_abort(status); /* MPI itself failed half-way */
}

static bool is_told(void)
{
    size_t bytes;
    int r = news.open ? 0 : world()->size;
    while (r < world()->size && (r == world()->rank || !world_probe(r, STOP_TAG, &bytes)))
        r++;
    return r < world()->size;
}

bool stop_is_due(void)
{
    if (!asked && clock_now() < due)
        return is_told();
    tell_others();
    return true;
}

static enum status take_notes(const int *told)
{
    for (int r = 0; r < world()->size; r++) {
        char note;
        if (r != world()->rank && told[r] > world()->rank)
            TRY(world_receive(&note, sizeof note, r, STOP_TAG));
    }
    for (int r = 0; r < world()->size; r++)
        while (!world_send_done(&news.notes[r]))
            continue;
    return STATUS_OK;
}

enum status stop_settle(void)
{
    int *told = NULL;
    if (!news.open)
        return STATUS_OK;
    news.open = false;
    enum status status = status_agree(memory_new(&told, "stop", (size_t)world()->size, sizeof *told));
    if (status == STATUS_OK)
        status = world_gather(&news.told, told, sizeof news.told);
    if (status == STATUS_OK)
        status = take_notes(told);
    memory_free(told);
    memory_free(news.notes);
    news.notes = NULL;
    return status;
}

enum status stop_agree(uint32_t *wishes)
{
    uint32_t own = stop_wish();
    double wish[SIGNALS];
    for (size_t i = 0; i < SIGNALS; i++)
        wish[i] = (own >> i) & 1;
    TRY(world_maximum(wish, SIGNALS));
    *wishes = 0;
    for (size_t i = 0; i < SIGNALS; i++)
        *wishes |= (uint32_t)(wish[i] > 0) << i;
    return STATUS_OK;
}
