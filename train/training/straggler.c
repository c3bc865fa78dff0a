#include "train/training/straggler.h"

#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Between the two a rank is neither: so that one at the edge is not named again and again. */
static const double SLOW = 1.5, FAST = 1.25;

/* Not those in which a rank waits for others. */
static const enum phase phases[AGREE_SECONDS] = {PHASE_DATA, PHASE_FORWARD, PHASE_BACKWARD};

enum status straggler_open(struct straggler *s, int slots)
{
    char host[64];
    size_t ranks = (size_t)world()->size;
    *s = (struct straggler){.ranks = (int)ranks, .slots = slots, .began = clock_now()};
    clock_seconds(s->before);
    enum status status = memory_new(&s->sums, "straggler", ranks, sizeof *s->sums);
    if (status == STATUS_OK)
        status = memory_new(&s->named, "straggler", ranks, sizeof *s->named);
    if (status == STATUS_OK)
        status = memory_new(&s->hosts, "straggler", ranks, sizeof *s->hosts);
    TRY(status_agree(status));
    snprintf(host, sizeof host, "%s", world()->host);
    return world_gather(host, s->hosts, sizeof host);
}

void straggler_close(struct straggler *s)
{
    memory_free(s->sums);
    memory_free(s->named);
    memory_free(s->hosts);
    *s = (struct straggler){0};
}

void straggler_seconds(struct straggler *s, double out[AGREE_SECONDS])
{
    double now[PHASES];
    clock_seconds(now);
    for (int i = 0; i < AGREE_SECONDS; i++) {
        double passed = now[phases[i]] - s->before[phases[i]];
        out[i] = passed > 0 ? passed : 0; /* the clock may have been reset */
    }
    memcpy(s->before, now, sizeof now);
}

/* ---- judging ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of an even number the lower: of two ranks the faster is the measure. */
static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[(count - 1) / 2];
}

static double per_slot(const struct straggler *s, int rank, double seconds)
{
    int own =
            exchange_first_slot(s->slots, s->ranks, rank + 1) - exchange_first_slot(s->slots, s->ranks, rank);
    return own > 0 ? seconds / own : 0;
}

/* A rank's seconds in one phase, or in all of them (-1). */
static double seconds_in(const struct straggler *s, int rank, int phase)
{
    double sum = 0;
    for (int i = 0; i < AGREE_SECONDS; i++)
        sum += phase < 0 || phase == i ? s->sums[rank][i] : 0;
    return per_slot(s, rank, sum);
}

static double median_in(const struct straggler *s, int phase, double *scratch)
{
    for (int r = 0; r < s->ranks; r++)
        scratch[r] = seconds_in(s, r, phase);
    return median(scratch, s->ranks);
}

enum status straggler_judge(const struct straggler *s, struct slow *out)
{
    double *scratch, medians[AGREE_SECONDS];
    TRY(memory_new(&scratch, "straggler", (size_t)s->ranks, sizeof *scratch));
    double all = median_in(s, -1, scratch);
    for (int i = 0; i < AGREE_SECONDS; i++)
        medians[i] = median_in(s, i, scratch);
    memory_free(scratch);
    for (int r = 0; r < s->ranks; r++) {
        int most = 0;
        for (int i = 1; i < AGREE_SECONDS; i++)
            if (seconds_in(s, r, i) - medians[i] > seconds_in(s, r, most) - medians[most])
                most = i;
        out[r] = (struct slow){all > 0 ? seconds_in(s, r, -1) / all : 1, phases[most]};
    }
    return STATUS_OK;
}

/* ---- telling ---- */

static void tell(struct straggler *s, const struct slow *slow, double seconds)
{
    for (int r = 0; r < s->ranks; r++)
        if (!s->named[r] && slow[r].times > SLOW) {
            s->named[r] = true;
            log_line(LOG_WARNING,
                    "rank %d on %s is slow: it computes for %.1f times the median of the ranks (%lld "
                    "updates, %.0f s), most of it more in phase '%s'; all wait for it",
                    r, s->hosts[r], slow[r].times, (long long)s->updates, seconds, phase_name(slow[r].phase));
        } else if (s->named[r] && slow[r].times < FAST) {
            s->named[r] = false;
            log_line(LOG_INFO, "rank %d on %s is as fast as the others again", r, s->hosts[r]);
        }
}

static void end_window(struct straggler *s, double seconds)
{
    struct slow *slow;
    if (memory_new(&slow, "straggler", (size_t)s->ranks, sizeof *slow) == STATUS_OK) {
        if (straggler_judge(s, slow) == STATUS_OK)
            tell(s, slow, seconds);
        memory_free(slow);
    }
    memset(s->sums, 0, (size_t)s->ranks * sizeof *s->sums);
    s->updates = 0;
    s->began += seconds;
}

void straggler_add(struct straggler *s, const struct exchange *exchange)
{
    if (world()->rank != 0 || s->ranks == 1)
        return;
    for (int r = 0; r < s->ranks; r++) {
        double seconds[AGREE_SECONDS];
        exchange_told_seconds(exchange, r, seconds);
        for (int i = 0; i < AGREE_SECONDS; i++)
            s->sums[r][i] += seconds[i];
    }
    s->updates++;
    double passed = clock_now() - s->began;
    if (s->updates >= STRAGGLER_UPDATES && passed >= STRAGGLER_SECONDS)
        end_window(s, passed);
}
