#include "train/info/info.h"
#include "train/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { INDENT = 4, CELL = 512, COLUMNS_LIMIT = 32, ROWS_SHOWN = 10 };

/* ---- one value ---- */

static void format_value(char *out, size_t bytes, const cJSON *value)
{
    if (!value || cJSON_IsNull(value))
        snprintf(out, bytes, "-");
    else if (cJSON_IsBool(value))
        snprintf(out, bytes, "%s", cJSON_IsTrue(value) ? "yes" : "no");
    else if (cJSON_IsString(value))
        snprintf(out, bytes, "%s", value->valuestring);
    else if (value->valuedouble == floor(value->valuedouble) && fabs(value->valuedouble) < 1e15)
        snprintf(out, bytes, "%.0f", value->valuedouble);
    else
        snprintf(out, bytes, "%g", value->valuedouble);
}

/* Texts of any length; else as format_value(). */
static void print_value(const cJSON *value)
{
    char text[CELL];
    format_value(text, sizeof text, value);
    puts(cJSON_IsString(value) ? value->valuestring : text);
}

/* ---- tables: an array of objects ---- */

struct table {
    const char *names[COLUMNS_LIMIT];
    int widths[COLUMNS_LIMIT];
    size_t count;
};

/* A list of texts is one cell. */
static void format_cell(char *out, size_t bytes, const cJSON *value)
{
    if (!cJSON_IsArray(value)) {
        format_value(out, bytes, value);
        return;
    }
    const cJSON *item;
    size_t used = 0;
    out[0] = '\0';
    cJSON_ArrayForEach(item, value)
    {
        if (used < bytes)
            used += (size_t)snprintf(out + used, bytes - used, "%s%s", used ? " " : "", item->valuestring);
    }
}

static void add_cell(struct table *table, const cJSON *value)
{
    char text[CELL];
    size_t c = 0;
    while (c < table->count && strcmp(table->names[c], value->string) != 0)
        c++;
    if (c == COLUMNS_LIMIT)
        return;
    if (c == table->count) {
        table->names[table->count++] = value->string;
        table->widths[c] = (int)strlen(value->string);
    }
    format_cell(text, sizeof text, value);
    int length = (int)strlen(text);
    table->widths[c] = length > table->widths[c] ? length : table->widths[c];
}

/* `row` NULL: the names. A list stands last, to the left. */
static void print_row(const struct table *table, const cJSON *row, int indent)
{
    for (size_t c = 0; c < table->count; c++) {
        char text[CELL];
        const cJSON *value = row ? cJSON_GetObjectItemCaseSensitive(row, table->names[c]) : NULL;
        format_cell(text, sizeof text, value);
        if (cJSON_IsArray(value))
            printf("%s%s", text[0] ? "  " : "", text);
        else
            printf("%*s%*s", c > 0 ? 2 : indent, "", table->widths[c], row ? text : table->names[c]);
    }
    putchar('\n');
}

/* The last rows; all with --all. */
static void print_table(const cJSON *rows, int indent, bool all)
{
    struct table table = {.count = 0};
    int skipped = all ? 0 : cJSON_GetArraySize(rows) - ROWS_SHOWN, number = 0;
    const cJSON *row, *value;
    cJSON_ArrayForEach(row, rows)
    {
        cJSON_ArrayForEach(value, row) add_cell(&table, value);
    }
    print_row(&table, NULL, indent);
    if (skipped > 0)
        printf("%*s... %d before (--all)\n", indent, "", skipped);
    cJSON_ArrayForEach(row, rows)
    {
        if (number++ >= skipped)
            print_row(&table, row, indent);
    }
}

/* ---- objects ---- */

static bool is_nested(const cJSON *value)
{
    return cJSON_IsObject(value) || cJSON_IsArray(value);
}

static void print_object(const cJSON *object, int indent, bool all);

static void print_nested(const cJSON *value, int indent, bool all)
{
    const cJSON *item;
    if (cJSON_IsObject(value))
        print_object(value, indent, all);
    else if (cJSON_IsObject(value->child))
        print_table(value, indent, all);
    else
        cJSON_ArrayForEach(item, value) printf("%*s%s\n", indent, "", item->valuestring);
}

/* One name and value a line, values aligned; what is nested stands below its name and indented. */
static void print_object(const cJSON *object, int indent, bool all)
{
    int width = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        int length = is_nested(item) ? 0 : (int)strlen(item->string);
        width = length > width ? length : width;
    }
    cJSON_ArrayForEach(item, object)
    {
        if (is_nested(item)) {
            printf("%*s%s\n", indent, "", item->string);
            print_nested(item, indent + INDENT, all);
        } else {
            printf("%*s%-*s  ", indent, "", width, item->string);
            print_value(item);
        }
    }
}

enum status info_print(const struct info *info)
{
    if (!info->settings->json) {
        print_object(info->facts, 0, info->settings->all);
        return info_print_curves(info);
    }
    return json_print(info->facts, "the facts");
}
