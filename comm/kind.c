#include "comm/kind.h"

#include <stdio.h>
#include <string.h>

size_t kind_count(const struct kind_table *table)
{
    return table->count + (table->further ? kind_count(table->further) : 0);
}

const struct kind *kind_at(const struct kind_table *table, size_t i)
{
    if (i >= table->count)
        return kind_at(table->further, i - table->count);
    return (const struct kind *)((const char *)table->rows + i * table->stride);
}

const struct kind *kind_find(const struct kind_table *table, const char *name)
{
    for (size_t i = 0; i < kind_count(table); i++)
        if (strcmp(kind_at(table, i)->name, name) == 0)
            return kind_at(table, i);
    return NULL;
}

const char *kind_list(
        const struct kind_table *table, bool (*wanted)(const struct kind *kind), char *out, size_t bytes)
{
    size_t used = 0, left = 0;
    out[0] = '\0';
    for (size_t i = 0; i < kind_count(table); i++)
        left += !wanted || wanted(kind_at(table, i));
    for (size_t i = 0; i < kind_count(table) && used < bytes; i++) {
        const struct kind *kind = kind_at(table, i);
        if (wanted && !wanted(kind))
            continue;
        const char *between = used == 0 ? "" : left == 1 ? " or " : ", ";
        used += (size_t)snprintf(out + used, bytes - used, "%s%s", between, kind->name);
        left--;
    }
    return out;
}
