#include "io/options/internal.h"

#include <stdio.h>
#include <string.h>

/* "model.kind=gpt|bert" apart: the length of the name, and what stands after "=" or NULL. */
static const char *need_choices(const char *need, char name[OPTION_NAME_LIMIT])
{
    const char *equals = strchr(need, '=');
    snprintf(name, OPTION_NAME_LIMIT, "%.*s", (int)(equals ? (size_t)(equals - need) : strlen(need)), need);
    return equals ? equals + 1 : NULL;
}

/* The next word of "gpt|bert" into `word`; NULL after the last. */
static const char *next_choice(const char *choices, char word[OPTION_NAME_LIMIT])
{
    size_t length = strcspn(choices, "|");
    if (!*choices)
        return NULL;
    snprintf(word, OPTION_NAME_LIMIT, "%.*s", (int)length, choices);
    return choices + length + (choices[length] == '|');
}

const char *option_dashes(const char *name)
{
    return strchr(name, '.') ? "" : "--";
}

void need_words(const char *need, char *out, size_t bytes)
{
    char name[OPTION_NAME_LIMIT], word[OPTION_NAME_LIMIT];
    const char *choices = need_choices(need, name), *before = " ";
    size_t used = (size_t)snprintf(out, bytes, "%s%s", option_dashes(name), name);
    for (; choices && used < bytes && (choices = next_choice(choices, word)); before = " or ")
        used += (size_t)snprintf(out + used, bytes - used, "%s%s", before, word);
}

/* ---- settings ---- */

static bool chosen(const struct kind *kind, const char *choices)
{
    char word[OPTION_NAME_LIMIT];
    while (kind && (choices = next_choice(choices, word)))
        if (strcmp(kind->name, word) == 0)
            return true;
    return false;
}

/* The need of `option` that is not met, its own or that of what it needs; NULL: all are. *found: the setting asked
 * for. */
static const char *unmet_need(const struct schema *schema, const void *settings, const struct option *option,
        struct option_at *found)
{
    char name[OPTION_NAME_LIMIT];
    if (!option->needs)
        return NULL;
    const char *choices = need_choices(option->needs, name);
    struct option_at at = options_find(schema, name);
    const void *field = option_field_const(settings, at);
    *found = at;
    if (choices ? !chosen(*(const struct kind *const *)field, choices) : value_is_off(at.option, field))
        return option->needs;
    return unmet_need(schema, settings, at.option, found);
}

static enum status refuse(
        const struct option_at at, const void *settings, const char *need, const struct option_at needed)
{
    char value[OPTION_TEXT_LIMIT], words[OPTION_TEXT_LIMIT], found[OPTION_TEXT_LIMIT];
    const char *name = at.option->name, *dashes = option_dashes(name);
    value_format(at.option, option_field_const(settings, at), value, sizeof value);
    value_format(needed.option, option_field_const(settings, needed), found, sizeof found);
    need_words(need, words, sizeof words);
    if (!found[0] || (needed.option->type == OPTION_BOOL && option_dashes(needed.option->name)[0]))
        snprintf(found, sizeof found, "nothing");
    return status_fail(dashes[0] ? STATUS_USAGE : STATUS_CONFIG,
            "%s%s is %s, but counts only with %s, found %s: %s %s, or leave %s%s out", dashes, name, value,
            words, found, dashes[0] ? "give" : "set", words, dashes, name);
}

enum status options_check_needs(const struct schema *schema, const void *settings)
{
    for (size_t i = 0; i < options_count(schema); i++) {
        struct option_at at = options_at(schema, i), needed = {NULL, 0};
        const void *field = option_field_const(settings, at);
        const char *need = unmet_need(schema, settings, at.option, &needed);
        bool same = true;
        if (!need || value_is_off(at.option, field))
            continue;
        TRY(value_is_default(at.option, field, &same));
        if (!same)
            return refuse(at, settings, need, needed);
    }
    return STATUS_OK;
}

/* ---- the table ---- */

enum status need_check(const struct schema *schema, const struct option *option)
{
    char name[OPTION_NAME_LIMIT], word[OPTION_NAME_LIMIT];
    const struct option *needed = option;
    for (size_t steps = 0; needed->needs; steps++) {
        const char *choices = need_choices(needed->needs, name);
        const struct option *next = options_find(schema, name).option;
        CHECK(next, STATUS_INTERNAL, "option %s: needs %s, which is no option", needed->name, name);
        CHECK(!choices || next->type == OPTION_CHOICE, STATUS_INTERNAL,
                "option %s: needs one of %s, but %s is no choice", needed->name, choices, name);
        CHECK(choices || next->type != OPTION_CHOICE, STATUS_INTERNAL,
                "option %s: needs %s, but not which of its choices", needed->name, name);
        while (choices && (choices = next_choice(choices, word)))
            CHECK(kind_find(next->kinds, word), STATUS_INTERNAL, "option %s: needs %s %s, which is no choice",
                    needed->name, name, word);
        CHECK(steps < options_count(schema), STATUS_INTERNAL, "option %s: needs itself", option->name);
        needed = next;
    }
    return STATUS_OK;
}
