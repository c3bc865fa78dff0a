#include "comm/kind.h"

#include <string.h>

const struct kind *kind_at(const struct kind_table *table, size_t i)
{
    return (const struct kind *)((const char *)table->rows + i * table->stride);
}

const struct kind *kind_find(const struct kind_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(kind_at(table, i)->name, name) == 0)
            return kind_at(table, i);
    return NULL;
}
