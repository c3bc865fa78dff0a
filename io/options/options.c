#include "io/options/internal.h"

#include "comm/memory.h"

#include <string.h>

size_t options_count(const struct schema *schema)
{
    size_t count = 0;
    for (size_t p = 0; schema && p < schema->count; p++)
        count += schema->places[p].group->count;
    return count;
}

struct option_at options_at(const struct schema *schema, size_t i)
{
    for (size_t p = 0; p < schema->count; p++) {
        const struct option_place *place = &schema->places[p];
        if (i < place->group->count) {
            const struct option *option = &place->group->options[i];
            return (struct option_at){option, place->offset + option->offset};
        }
        i -= place->group->count;
    }
    return (struct option_at){NULL, 0};
}

struct option_at options_find(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < options_count(schema); i++) {
        struct option_at at = options_at(schema, i);
        if (strcmp(at.option->name, name) == 0)
            return at;
    }
    return (struct option_at){NULL, 0};
}

bool options_is_group(const struct schema *schema, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < options_count(schema); i++) {
        const char *known = options_at(schema, i).option->name;
        if (strncmp(known, name, length) == 0 && known[length] == '.')
            return true;
    }
    return false;
}

enum status options_defaults(const struct schema *schema, void *settings)
{
    size_t count = options_count(schema);
    for (size_t i = 0; i < count; i++) {
        struct option_at at = options_at(schema, i);
        memset(option_field(settings, at), 0, value_size(at.option));
    }
    for (size_t i = 0; i < count; i++) {
        struct option_at at = options_at(schema, i);
        if (!at.option->value)
            continue;
        enum status status = value_set(at.option, option_field(settings, at), at.option->value, "default");
        if (status != STATUS_OK) {
            options_release(schema, settings);
            return status;
        }
    }
    return STATUS_OK;
}

void options_release(const struct schema *schema, void *settings)
{
    for (size_t i = 0; i < options_count(schema); i++) {
        struct option_at at = options_at(schema, i);
        value_clear(at.option, option_field(settings, at));
    }
}

enum status options_set(
        const struct schema *schema, void *settings, const char *name, const char *text, const char *where)
{
    struct option_at at = options_find(schema, name);
    if (!at.option) {
        struct option_target target = {schema, settings};
        return options_unknown(&target, 1, name, where, STATUS_CONFIG);
    }
    void *field = option_field(settings, at);
    if (at.option->type == OPTION_LIST)
        value_clear(at.option, field);
    return value_set(at.option, field, text, where);
}

enum status options_check_required(const struct schema *schema, const void *settings)
{
    for (size_t i = 0; i < options_count(schema); i++) {
        struct option_at at = options_at(schema, i);
        const struct option *option = at.option;
        if (!option->required || !value_is_absent(option, option_field_const(settings, at)))
            continue;
        if (!strchr(option->name, '.'))
            return status_fail(STATUS_USAGE, "--%s %s is missing", option->name, option_placeholder(option));
        return status_fail(STATUS_CONFIG, "%s is not set: expected in the YAML file, or as --%s %s",
                option->name, option->name, option_placeholder(option));
    }
    return STATUS_OK;
}

void text_list_release(struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        memory_free(list->items[i]);
    memory_free(list->items);
    *list = (struct text_list){NULL, 0};
}

enum status text_list_add(struct text_list *list, const char *text)
{
    char *copy;
    TRY(memory_text(&copy, "options", text));
    enum status status = memory_resize(&list->items, "options", list->count + 1, sizeof *list->items);
    if (status != STATUS_OK) {
        memory_free(copy);
        return status;
    }
    list->items[list->count++] = copy;
    return STATUS_OK;
}
