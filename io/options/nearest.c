#include "io/options/internal.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein: insertions, deletions, replacements, and swaps of neighbours count 1 (optimal string alignment).
 * Rows i-2, i-1 and i of the table d[i][j] = distance of the first i bytes of a and the first j of b. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][OPTION_NAME_LIMIT + 1], n = strlen(a), m = strlen(b);
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    if (n > OPTION_NAME_LIMIT || m > OPTION_NAME_LIMIT)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        above[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = above, above = row, row = spare;
    }
    return above[m];
}

const char *options_nearest(const char *name, const char *(*known)(const void *context, size_t i),
        const void *context, size_t count)
{
    /* One slip, and one more for every five letters; never all of a short name. */
    size_t length = strlen(name), best = least(2 + length / 5, length);
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(name, known(context, i));
        if (distance < best) {
            best = distance;
            nearest = known(context, i);
        }
    }
    return nearest;
}

struct names {
    const struct option_target *targets;
    size_t count;
    bool last_part; /* compare what follows the last dot only */
};

static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static const struct option *option_number(const struct names *names, size_t i)
{
    for (size_t t = 0; t < names->count; t++) {
        size_t options = options_count(names->targets[t].schema);
        if (i < options)
            return options_at(names->targets[t].schema, i).option;
        i -= options;
    }
    return NULL;
}

static const char *option_name(const void *context, size_t i)
{
    const struct names *names = context;
    const char *name = option_number(names, i)->name;
    return names->last_part ? last_part(name) : name;
}

/* The full name of the option nearest to `name`: as a whole, or (someone who forgot the group) by its last part. */
static const char *nearest_option(struct names *names, const char *name)
{
    size_t count = 0;
    while (option_number(names, count))
        count++;
    const char *whole = options_nearest(name, option_name, names, count);
    if (whole)
        return whole;
    names->last_part = true;
    const char *part = options_nearest(last_part(name), option_name, names, count);
    for (size_t i = 0; part && i < count; i++)
        if (option_name(names, i) == part)
            return option_number(names, i)->name;
    return NULL;
}

static const char *place_name(const void *context, size_t i)
{
    return ((const struct schema *)context)->places[i].group->name;
}

enum status options_unknown(const struct option_target *targets, size_t count, const char *name,
        const char *where, enum status code)
{
    struct names names = {targets, count, false};
    const char *near = NULL, *dash = where ? "" : "--";
    char quoted[OPTION_NAME_LIMIT];
    text_quoted(name, quoted);
    if (where && !strchr(name, '.')) /* in a file, a group misspelt */
        near = options_nearest(name, place_name, targets[0].schema, targets[0].schema->count);
    if (!near)
        near = nearest_option(&names, name);
    const char *colon = where ? ": " : "";
    where = where ? where : "";
    if (near)
        return status_fail(code, "%s%sunknown setting %s%.*s; did you mean %s%s?", where, colon, dash,
                (int)strlen(quoted) - 2, quoted + 1, dash, near);
    return status_fail(code, "%s%sunknown setting %s%.*s; --help lists all there are", where, colon, dash,
            (int)strlen(quoted) - 2, quoted + 1);
}
