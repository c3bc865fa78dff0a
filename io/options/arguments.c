#include "io/options/internal.h"

#include <ctype.h>
#include <string.h>

struct arguments {
    const struct option_target *targets;
    size_t count;
    int argc;
    char **argv;
    int next; /* the word to be read */
};

/* `-` is a word (standard input), `-1` and `-.5` are numbers. */
static bool is_switch(const char *word)
{
    if (word[0] != '-' || word[1] == '\0')
        return false;
    return !isdigit((unsigned char)word[1]) && word[1] != '.';
}

static struct option_at find(const struct arguments *arguments, const char *name, void **settings)
{
    for (size_t i = 0; i < arguments->count; i++) {
        struct option_at at = options_find(arguments->targets[i].schema, name);
        *settings = arguments->targets[i].settings;
        if (at.option)
            return at;
    }
    return (struct option_at){NULL, 0};
}

/* A switch taken apart: --name, --name=value, --no-name. */
struct word_switch {
    char name[2 * OPTION_NAME_LIMIT];
    const char *value; /* after '=', else NULL */
    bool no;
    struct option_at at;
    void *field;
};

static enum status unknown(const struct arguments *arguments, const char *name)
{
    return options_unknown(arguments->targets, arguments->count, name, NULL,
            strchr(name, '.') ? STATUS_CONFIG : STATUS_USAGE);
}

static enum status take_apart(const struct arguments *arguments, const char *word, struct word_switch *out)
{
    void *settings;
    CHECK(strncmp(word, "--", 2) == 0, STATUS_USAGE, "expected a switch such as --name, found %s", word);
    out->value = strchr(word, '=');
    size_t length = out->value ? (size_t)(out->value - word) - 2 : strlen(word) - 2;
    snprintf(out->name, sizeof out->name, "%.*s", (int)length, word + 2);
    out->value = out->value ? out->value + 1 : NULL;
    out->no = false;
    out->at = find(arguments, out->name, &settings);
    if (!out->at.option && strncmp(out->name, "no-", 3) == 0) {
        out->at = find(arguments, out->name + 3, &settings);
        out->no = out->at.option && out->at.option->type == OPTION_BOOL;
        CHECK(!out->at.option || out->no, STATUS_USAGE, "--%s: only what is on or off can be negated",
                out->name);
        CHECK(!out->no || !out->value, STATUS_USAGE, "--%s takes no value, found =%s", out->name, out->value);
    }
    if (!out->at.option)
        return unknown(arguments, out->name);
    out->field = option_field(settings, out->at);
    return STATUS_OK;
}

/* The word after a switch, if it may be its value; else NULL. */
static const char *next_value(const struct arguments *arguments)
{
    if (arguments->next >= arguments->argc || is_switch(arguments->argv[arguments->next]))
        return NULL;
    return arguments->argv[arguments->next];
}

static enum status take_bool(struct arguments *arguments, const struct word_switch *s)
{
    const char *word = next_value(arguments);
    if (s->value || s->no || !word)
        return value_set(s->at.option, s->field, s->value ? s->value : s->no ? "false" : "true", NULL);
    /* `--joint file`: the word is taken only if it says yes or no. */
    if (value_set(s->at.option, s->field, word, NULL) == STATUS_OK) {
        arguments->next++;
        return STATUS_OK;
    }
    status_clear();
    return value_set(s->at.option, s->field, "true", NULL);
}

bool options_given(int argc, char **argv, const char *name)
{
    size_t length = strlen(name);
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *word = argv[i];
        if (strncmp(word, "--", 2) != 0)
            continue;
        word += strncmp(word, "--no-", 5) == 0 && strncmp(name, "no-", 3) != 0 ? 5 : 2;
        if (strncmp(word, name, length) == 0 && (word[length] == '\0' || word[length] == '='))
            return true;
    }
    return false;
}

static enum status missing_value(const struct arguments *arguments, const struct word_switch *s)
{
    char expected[OPTION_TEXT_LIMIT];
    const char *found = arguments->next < arguments->argc ? arguments->argv[arguments->next] : "nothing";
    value_expected(s->at.option, expected, sizeof expected);
    return status_fail(STATUS_USAGE, "--%s %s: expected %s, found %s", s->name,
            option_placeholder(s->at.option), expected, found);
}

static enum status take_list(struct arguments *arguments, const struct word_switch *s)
{
    /* Given earlier on this line it goes on; the first replaces what was there before. */
    if (!options_given(arguments->next - 1, arguments->argv, s->name))
        value_clear(s->at.option, s->field);
    if (s->value)
        return value_set(s->at.option, s->field, s->value, NULL);
    const char *word = next_value(arguments);
    if (!word)
        return missing_value(arguments, s);
    for (; word; word = next_value(arguments)) {
        TRY(value_set(s->at.option, s->field, word, NULL));
        arguments->next++;
    }
    return STATUS_OK;
}

static enum status take_switch(struct arguments *arguments, const char *word)
{
    struct word_switch s;
    TRY(take_apart(arguments, word, &s));
    if (s.at.option->type == OPTION_BOOL)
        return take_bool(arguments, &s);
    if (s.at.option->type == OPTION_LIST)
        return take_list(arguments, &s);
    const char *value = s.value ? s.value : next_value(arguments);
    if (!value)
        return missing_value(arguments, &s);
    arguments->next += !s.value;
    return value_set(s.at.option, s.field, value, NULL);
}

static enum status take_word(const char *word, struct text_list *words)
{
    CHECK(words, STATUS_USAGE, "expected a switch such as --name, found %s", word);
    return text_list_add(words, word);
}

enum status options_read_arguments(
        const struct option_target *targets, size_t count, int argc, char **argv, struct text_list *words)
{
    struct arguments arguments = {targets, count, argc, argv, 0};
    bool switches = true;
    while (arguments.next < argc) {
        const char *word = argv[arguments.next++];
        if (switches && strcmp(word, "--") == 0)
            switches = false;
        else if (switches && is_switch(word))
            TRY(take_switch(&arguments, word));
        else
            TRY(take_word(word, words));
    }
    return STATUS_OK;
}
