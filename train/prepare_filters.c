#include "train/prepare.h"

#include <stdio.h>
#include <string.h>

enum { BAD_REFUSE, BAD_SKIP };

static const struct kind bad_lines[] = {
        [BAD_REFUSE] = {"refuse", "stop with an error that names file and line", NULL},
        [BAD_SKIP] = {"skip", "leave the pair out and list it", NULL},
};
const struct kind_table bad_line_kinds = KIND_TABLE("way with bad lines", bad_lines);

enum { PAIRS_KEEP, PAIRS_DROP };

static const struct kind pair_ways[] = {
        [PAIRS_KEEP] = {"keep", "use them like others", NULL},
        [PAIRS_DROP] = {"drop", "leave them out and list them", NULL},
};
const struct kind_table pair_way_kinds = KIND_TABLE("way with pairs", pair_ways);

/* Completes "3 pairs ...". */
static const char *const reasons[SKIP_REASONS] = {
        [SKIP_EMPTY] = "with an empty line",
        [SKIP_SHORT] = "shorter than --min-length",
        [SKIP_LONG] = "longer than --max-length",
        [SKIP_UNEVEN] = "more uneven than --max-ratio",
        [SKIP_IDENTICAL] = "with the same line on both sides",
        [SKIP_UNDIVIDED] = "without exactly one tab",
        [SKIP_BAD] = "that are no text",
};

bool prepare_refuses(const struct prepare_options *options, const struct pair *pair)
{
    return !pair_is_good(pair) && options->bad_lines == &bad_lines[BAD_REFUSE];
}

enum skip_reason prepare_filter_text(const struct prepare_options *options, const struct pair *pair)
{
    if (!pair_is_good(pair))
        return pair->faults[SOURCE] == TEXT_GOOD && pair->faults[TARGET] == TEXT_GOOD ? SKIP_UNDIVIDED
                                                                                      : SKIP_BAD;
    const size_t *bytes = pair->bytes;
    if (bytes[SOURCE] == 0 || bytes[TARGET] == 0)
        return SKIP_EMPTY;
    if (options->identical == &pair_ways[PAIRS_DROP] && bytes[SOURCE] == bytes[TARGET] &&
            memcmp(pair->text[SOURCE], pair->text[TARGET], bytes[SOURCE]) == 0)
        return SKIP_IDENTICAL;
    return SKIP_NOT;
}

enum skip_reason prepare_filter_tokens(const struct prepare_options *options, const size_t counts[SIDES])
{
    bool source_is_longer = counts[SOURCE] > counts[TARGET];
    int64_t longer = (int64_t)counts[source_is_longer ? SOURCE : TARGET] + 1;
    int64_t shorter = (int64_t)counts[source_is_longer ? TARGET : SOURCE] + 1;
    if (shorter == 1)
        return SKIP_EMPTY;
    if (longer > options->max_length)
        return SKIP_LONG;
    if (shorter < options->min_length)
        return SKIP_SHORT;
    if (options->max_ratio > 0 && (double)longer > options->max_ratio * (double)shorter)
        return SKIP_UNEVEN;
    return SKIP_NOT;
}

const char *prepare_tell_skipped(const int64_t skipped[SKIP_REASONS], char *out, size_t bytes)
{
    size_t used = 0;
    snprintf(out, bytes, "none");
    for (size_t reason = 0; reason < SKIP_REASONS; reason++)
        if (skipped[reason] && used < bytes)
            used += (size_t)snprintf(out + used, bytes - used, "%s%lld %s", used ? ", " : "",
                    (long long)skipped[reason], reasons[reason]);
    return out;
}
