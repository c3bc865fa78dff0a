#include "train/training/deadline.h"

#include "comm/clock.h"
#include "comm/log.h"
#include "comm/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* A first save is expected to be as slow as this: compression on one core and a disk that many share. */
static const double GUESSED_BYTES_PER_SECOND = 50e6;
static const double MARGIN_SECONDS = 30; /* or a tenth of what is left, if that is less */
/* What once took long is forgotten by and by: half of it after 70 times. */
static const double FADING = 0.99;

static const char *const variables[] = {"SEQTRAIN_END_TIME", "SLURM_JOB_END_TIME"};

/* ---- a time as text ---- */

/* "2026-01-31T12:00:00", local. */
static bool parse_local(const char *text, int64_t *seconds)
{
    struct tm parts = {.tm_isdst = -1};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (!end || *end)
        return false;
    time_t value = mktime(&parts);
    *seconds = value;
    return value > 0;
}

static bool parse_number(const char *text, int64_t *seconds)
{
    enum { DIGITS_MOST = 12 };
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > DIGITS_MOST || text[digits])
        return false;
    *seconds = atoll(text);
    return *seconds > 0;
}

/* How Slurm says that a job has no end. */
static bool is_none(const char *text)
{
    static const char *const words[] = {"", "N/A", "NONE", "Unknown", "UNLIMITED"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

bool deadline_parse(const char *text, int64_t *seconds)
{
    *seconds = 0;
    return is_none(text) || parse_number(text, seconds) || parse_local(text, seconds);
}

/* ---- the end of the job ---- */

/* Seconds until the end that a variable tells; INFINITY: it tells none that means something. */
static double seconds_left(const char *variable, int64_t *end)
{
    const char *text = getenv(variable);
    *end = 0;
    if (!text)
        return INFINITY;
    if (!deadline_parse(text, end)) {
        log_line(LOG_WARNING,
                "%s=%.60s is passed over: expected seconds since 1970, or a time as 2026-01-31T12:00:00",
                variable, text);
        return INFINITY;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double left = (double)*end - ((double)now.tv_sec + (double)now.tv_nsec * 1e-9);
    if (*end == 0 || left > 0)
        return *end == 0 ? INFINITY : left;
    log_line(LOG_WARNING, "%s=%.60s is passed over: expected a time to come, found one %.0f s ago", variable,
            text, -left);
    return INFINITY;
}

static void format_end(struct deadline *deadline, int64_t end, const char *variable)
{
    char text[32] = "";
    const time_t value = end;
    struct tm parts;
    if (localtime_r(&value, &parts))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(deadline->words, sizeof deadline->words, "%s by %s", text, variable);
}

static void find_end(struct deadline *deadline, double now)
{
    int64_t end = 0;
    double left = INFINITY;
    size_t v = 0;
    for (; v < sizeof variables / sizeof variables[0]; v++)
        if ((left = seconds_left(variables[v], &end)) < INFINITY)
            break;
    if (left == INFINITY)
        return;
    deadline->end = now + left;
    deadline->margin = fmin(MARGIN_SECONDS, left / 10);
    format_end(deadline, end, variables[v]);
    log_line(LOG_INFO, "the job ends in %.0f s, at %s: the run saves and stops before that", left,
            deadline->words);
}

void deadline_open(struct deadline *deadline, double started, double seconds, double bytes)
{
    *deadline = (struct deadline){.limit = seconds > 0 ? started + seconds : INFINITY,
            .end = INFINITY,
            .save = bytes / GUESSED_BYTES_PER_SECOND};
    if (world()->rank == 0)
        find_end(deadline, clock_now());
}

/* ---- what things take ---- */

static void note(double *longest, double seconds)
{
    *longest = fmax(seconds, *longest * FADING);
}

void deadline_saved(struct deadline *deadline, double seconds)
{
    if (!deadline->measured_save)
        deadline->save = 0;
    deadline->measured_save = true;
    note(&deadline->save, seconds);
}

void deadline_updated(struct deadline *deadline, double seconds)
{
    note(&deadline->update, seconds);
}

void deadline_validated(struct deadline *deadline, double seconds)
{
    note(&deadline->validation, seconds);
}

/* ---- decisions ---- */

double deadline_last_save(const struct deadline *deadline)
{
    return deadline->end - deadline->margin - deadline->save;
}

enum deadline_cause deadline_reached(
        const struct deadline *deadline, double now, bool saving, bool validating)
{
    double next = now + deadline->update + (validating ? deadline->validation : 0);
    if (next + (saving ? deadline->save : 0) >= deadline_last_save(deadline))
        return DEADLINE_JOB;
    return now >= deadline->limit ? DEADLINE_LIMIT : DEADLINE_NONE;
}
