#include "train/info/info.h"

#include "comm/memory.h"
#include "train/command.h"

#include <stdio.h>
#include <string.h>

struct tables {
    const struct kind_table **items; /* told already */
    size_t count, room;
};

static cJSON *describe_kind(const struct kind *kind)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "help", kind->help);
    cJSON_AddItemToObject(
            object, "source", kind->source ? cJSON_CreateString(kind->source) : cJSON_CreateNull());
    return object;
}

static enum status add_table(
        cJSON *facts, struct tables *told, const char *title, const struct kind_table *table)
{
    for (size_t i = 0; i < told->count; i++)
        if (told->items[i] == table)
            return STATUS_OK;
    TRY(memory_grow(&told->items, "info", &told->room, told->count + 1, sizeof *told->items));
    told->items[told->count++] = table;
    cJSON *kinds = cJSON_AddObjectToObject(facts, title);
    for (size_t i = 0; i < kind_count(table); i++)
        cJSON_AddItemToObject(kinds, kind_at(table, i)->name, describe_kind(kind_at(table, i)));
    return STATUS_OK;
}

/* A setting has a dot in its name; else it is a switch of `command`. */
static void make_title(char *out, size_t bytes, const char *command, const struct option *option)
{
    if (strchr(option->name, '.'))
        snprintf(out, bytes, "%s", option->name);
    else
        snprintf(out, bytes, "%s --%s", command, option->name);
}

static enum status add_schema(
        cJSON *facts, struct tables *told, const char *command, const struct schema *schema)
{
    for (size_t p = 0; schema && p < schema->count; p++) {
        const struct option_group *group = schema->places[p].group;
        for (size_t o = 0; o < group->count; o++) {
            const struct option *option = &group->options[o];
            char title[128];
            make_title(title, sizeof title, command, option);
            if (option->kinds)
                TRY(add_table(facts, told, title, option->kinds));
        }
    }
    return STATUS_OK;
}

static enum status add_all(cJSON *facts, struct tables *told)
{
    TRY(add_schema(facts, told, "", &config_schema));
    for (size_t c = 0; commands[c]; c++)
        for (size_t s = 0; s < sizeof commands[c]->schemas / sizeof *commands[c]->schemas; s++)
            TRY(add_schema(facts, told, commands[c]->name, commands[c]->schemas[s]));
    for (size_t c = 0; commands[c]; c++)
        if (commands[c]->words)
            TRY(add_table(facts, told, commands[c]->name, commands[c]->words));
    return STATUS_OK;
}

enum status info_kinds(struct info *info)
{
    struct tables told = {0};
    enum status status = add_all(info->facts, &told);
    memory_free(told.items);
    return status;
}

/* ---- printing ---- */

/* The source stands behind the help, or below it where the line would be too long. */
static void print_kind(const cJSON *kind, int width, int columns)
{
    const char *help = cJSON_GetObjectItemCaseSensitive(kind, "help")->valuestring;
    const char *source = cJSON_GetObjectItemCaseSensitive(kind, "source")->valuestring;
    int used = printf("    %-*s  %s", width, kind->string, help);
    if (source && used + (int)strlen(source) + 3 > columns)
        printf("\n%*s(%s)", width + 6, "", source);
    else if (source)
        printf(" (%s)", source);
    putchar('\n');
}

void info_print_kinds(const cJSON *facts)
{
    const cJSON *table, *kind;
    int columns = info_columns();
    cJSON_ArrayForEach(table, facts)
    {
        int width = 0;
        cJSON_ArrayForEach(kind, table)
        {
            int length = (int)strlen(kind->string);
            width = length > width ? length : width;
        }
        printf("%s\n", table->string);
        cJSON_ArrayForEach(kind, table) print_kind(kind, width, columns);
    }
}
