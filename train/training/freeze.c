#include "train/training/freeze.h"

#include "comm/memory.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

static const char *name_at(const void *context, size_t i)
{
    return ((const struct parameters *)context)->items[i].array.name;
}

/* "embedding, encoder, decoder": the first parts of all names. */
static void list_groups(const struct parameters *parameters, char *out, size_t bytes)
{
    const char *last = "";
    size_t used = 0;
    for (size_t i = 0; i < parameters->count && used < bytes; i++) {
        const char *name = name_at(parameters, i);
        size_t length = strcspn(name, "/");
        if (strncmp(name, last, length) == 0 && last[length] == '/')
            continue;
        used += (size_t)snprintf(out + used, bytes - used, "%s%.*s", used > 0 ? ", " : "", (int)length, name);
        last = name;
    }
}

static enum status refuse(const struct parameters *parameters, const char *pattern)
{
    char groups[256] = "";
    const char *near = options_nearest(pattern, name_at, parameters, parameters->count);
    list_groups(parameters, groups, sizeof groups);
    return status_fail(STATUS_CONFIG, "train.freeze: '%s' matches no parameter%s%s%s the names begin with %s",
            pattern, near ? "; did you mean " : "", near ? near : "", near ? "?" : ";", groups);
}

static enum status mark(bool *frozen, const struct parameters *parameters, const char *pattern)
{
    size_t found = 0;
    for (size_t i = 0; i < parameters->count; i++)
        if (fnmatch(pattern, name_at(parameters, i), 0) == 0) {
            frozen[i] = true;
            found++;
        }
    return found > 0 ? STATUS_OK : refuse(parameters, pattern);
}

static enum status mark_all(
        bool *frozen, const struct parameters *parameters, const struct text_list *patterns)
{
    size_t learning = 0;
    for (size_t i = 0; i < patterns->count; i++)
        TRY(mark(frozen, parameters, patterns->items[i]));
    for (size_t i = 0; i < parameters->count; i++)
        learning += !frozen[i];
    CHECK(learning > 0, STATUS_CONFIG, "train.freeze matches all %zu parameters: nothing is left to learn",
            parameters->count);
    return STATUS_OK;
}

enum status freeze_open(bool **out, const struct parameters *parameters, const struct text_list *patterns)
{
    bool *frozen;
    *out = NULL;
    if (patterns->count == 0)
        return STATUS_OK;
    TRY(memory_new(&frozen, "trainer", parameters->count, sizeof *frozen));
    enum status status = mark_all(frozen, parameters, patterns);
    if (status == STATUS_OK)
        *out = frozen;
    else
        memory_free(frozen);
    return status;
}
