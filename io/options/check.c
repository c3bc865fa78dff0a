#include "io/options/internal.h"

#include <string.h>

static bool good_name(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length < OPTION_NAME_LIMIT &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.") == length && name[0] != '-' &&
           name[0] != '.' && name[length - 1] != '.';
}

static bool has_words(const char *text)
{
    return text && text[0];
}

static enum status check_kinds(const struct option *option)
{
    const struct kind_table *kinds = option->kinds;
    CHECK(kinds && kind_count(kinds) > 0, STATUS_INTERNAL, "option %s: a choice without kinds", option->name);
    for (size_t i = 0; i < kind_count(kinds); i++) {
        const struct kind *kind = kind_at(kinds, i);
        CHECK(has_words(kind->name) && has_words(kind->help), STATUS_INTERNAL,
                "option %s: kind %zu of the table %s lacks name or help", option->name, i, kinds->what);
        CHECK(kind_find(kinds, kind->name) == kind, STATUS_INTERNAL, "option %s: kind %s stands twice",
                option->name, kind->name);
    }
    return STATUS_OK;
}

static enum status check_units(const struct option *option)
{
    CHECK(has_words(option->units) && strspn(option->units, "uesmh") == strlen(option->units),
            STATUS_INTERNAL, "option %s: a period needs units among u, e, s, m, h", option->name);
    CHECK(!option->shapes_result || strspn(option->units, "ue") == strlen(option->units), STATUS_INTERNAL,
            "option %s: shapes the result, but may be told in clock time", option->name);
    return STATUS_OK;
}

static enum status check_type(const struct option *option)
{
    bool number = option->type == OPTION_INTEGER || option->type == OPTION_REAL;
    bool period = option->type == OPTION_PERIOD, choice = option->type == OPTION_CHOICE;
    CHECK(number || period || (option->minimum == 0 && option->maximum == 0 && !option->zero),
            STATUS_INTERNAL, "option %s: bounds or a word for 0, but no number", option->name);
    CHECK(option->minimum <= option->maximum, STATUS_INTERNAL, "option %s: minimum above maximum",
            option->name);
    CHECK(option->type == OPTION_LIST || !option->commas, STATUS_INTERNAL,
            "option %s: commas between items, but no list", option->name);
    CHECK(choice || !option->kinds, STATUS_INTERNAL, "option %s: kinds, but no choice", option->name);
    CHECK(period || !option->units, STATUS_INTERNAL, "option %s: units, but no period", option->name);
    if (choice)
        TRY(check_kinds(option));
    return period ? check_units(option) : STATUS_OK;
}

static enum status check_default(const struct option *option)
{
    bool optional = value_can_be_absent(option) || option->required;
    CHECK(option->value || optional, STATUS_INTERNAL, "option %s: no default", option->name);
    CHECK(!option->value || !option->required, STATUS_INTERNAL, "option %s: required, with a default",
            option->name);
    CHECK(!option->required || value_can_be_absent(option) || option->type == OPTION_CHOICE, STATUS_INTERNAL,
            "option %s: a number cannot be required", option->name);
    if (!option->value)
        return STATUS_OK;
    union any_value value;
    memset(&value, 0, sizeof value);
    enum status status = value_set(option, &value, option->value, "default");
    value_clear(option, &value);
    return status == STATUS_CONFIG ? status_fail(STATUS_INTERNAL, "%s", status_message()) : status;
}

/* Names that differ, fields that do not overlap. */
static enum status check_pairs(const struct schema *schema, size_t i)
{
    struct option_at a = options_at(schema, i);
    for (size_t j = 0; j < i; j++) {
        struct option_at b = options_at(schema, j);
        CHECK(strcmp(a.option->name, b.option->name) != 0, STATUS_INTERNAL, "option %s stands twice",
                a.option->name);
        bool apart =
                a.offset + value_size(a.option) <= b.offset || b.offset + value_size(b.option) <= a.offset;
        CHECK(apart, STATUS_INTERNAL, "options %s and %s land in the same field", a.option->name,
                b.option->name);
    }
    CHECK(!options_is_group(schema, a.option->name), STATUS_INTERNAL, "%s is an option and a group",
            a.option->name);
    return STATUS_OK;
}

enum status options_check_schema(const struct schema *schema)
{
    for (size_t p = 0; p < schema->count; p++) {
        const struct option_group *group = schema->places[p].group;
        CHECK(has_words(group->name) && has_words(group->help), STATUS_INTERNAL,
                "group %zu lacks name or help", p);
        for (size_t i = 0; i < group->count; i++) {
            const struct option *option = &group->options[i];
            const char *name = option->name ? option->name : "", *dot = strchr(name, '.');
            CHECK(good_name(name), STATUS_INTERNAL, "group %s: '%s' is no name for an option", group->name,
                    name);
            CHECK(has_words(option->help), STATUS_INTERNAL, "option %s: no help", name);
            CHECK(!dot || strncmp(group->name, name, (size_t)(dot - name)) == 0, STATUS_INTERNAL,
                    "option %s stands in group %s", name, group->name);
            TRY(check_type(option));
            TRY(check_default(option));
        }
    }
    for (size_t i = 0; i < options_count(schema); i++)
        TRY(check_pairs(schema, i));
    for (size_t i = 0; i < options_count(schema); i++)
        TRY(need_check(schema, options_at(schema, i).option));
    return STATUS_OK;
}
