#include "comm/fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const site_names[FAULT_SITES] = {
#define FAULT_NAME(name, text, error, help) text,
        FAULT_LIST(FAULT_NAME)
#undef FAULT_NAME
};

static const int site_errors[FAULT_SITES] = {
#define FAULT_ERROR(name, text, error, help) error,
        FAULT_LIST(FAULT_ERROR)
#undef FAULT_ERROR
};

struct site {
    int64_t first, last; /* passes that fail; first 0: none */
    atomic_int_fast64_t passes;
};

static atomic_bool planned;
static struct site sites[FAULT_SITES];

static int find_site(const char *name, size_t length)
{
    for (int i = 0; i < FAULT_SITES; i++)
        if (strlen(site_names[i]) == length && memcmp(site_names[i], name, length) == 0)
            return i;
    return -1;
}

/* One "site:N[+][:RANK]"; *end is where it stops. */
static enum status plan_one(const char *item, int rank, const char **end)
{
    const char *colon = strchr(item, ':');
    int site = colon ? find_site(item, (size_t)(colon - item)) : -1;
    CHECK(site >= 0, STATUS_CONFIG, "SEQTRAIN_FAULT: expected SITE:N with a known site, found '%s'", item);
    char *rest;
    long long first = strtoll(colon + 1, &rest, 10);
    CHECK(rest != colon + 1 && first > 0, STATUS_CONFIG,
            "SEQTRAIN_FAULT: expected a count from 1 after '%s', found '%s'", site_names[site], colon + 1);
    long long last = first;
    if (*rest == '+') {
        last = INT64_MAX;
        rest++;
    }
    long long only = rank;
    if (*rest == ':') {
        const char *number = rest + 1;
        only = strtoll(number, &rest, 10);
        CHECK(rest != number, STATUS_CONFIG, "SEQTRAIN_FAULT: expected a rank after '%s'", item);
    }
    CHECK(*rest == '\0' || *rest == ',', STATUS_CONFIG, "SEQTRAIN_FAULT: unexpected '%s'", rest);
    if (only == rank) {
        sites[site].first = first;
        sites[site].last = last;
    }
    *end = *rest == ',' ? rest + 1 : rest;
    return STATUS_OK;
}

enum status fault_plan(const char *plan, int rank)
{
    for (int i = 0; i < FAULT_SITES; i++) {
        sites[i].first = sites[i].last = 0;
        atomic_store(&sites[i].passes, 0);
    }
    atomic_store(&planned, false);
    if (!plan || !*plan)
        return STATUS_OK;
    for (const char *item = plan; *item;)
        TRY(plan_one(item, rank, &item));
    atomic_store(&planned, true);
    return STATUS_OK;
}

bool fault_fires_at(enum fault_site site, int64_t pass)
{
    if (!atomic_load_explicit(&planned, memory_order_relaxed))
        return false;
    bool fires = sites[site].first > 0 && pass >= sites[site].first && pass <= sites[site].last;
    if (fires)
        errno = site_errors[site];
    return fires;
}

bool fault_fires(enum fault_site site)
{
    if (!atomic_load_explicit(&planned, memory_order_relaxed))
        return false;
    return fault_fires_at(site, atomic_fetch_add(&sites[site].passes, 1) + 1);
}
