#include "io/options/internal.h"

#include <stdarg.h>
#include <string.h>

enum { HELP_WIDTH = 80, HELP_COLUMN = 32, HELP_GAP = 2 };

/* Prints `text` in words from `column` on, further lines indented by `indent`; ends the line. */
static void print_wrapped(FILE *out, const char *text, size_t column, size_t indent)
{
    bool first = true;
    while (*text) {
        size_t length = strcspn(text, " \n");
        if (!first && column + 1 + length > HELP_WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", (int)length, text);
        column += length + !first;
        first = false;
        text += length;
        text += strspn(text, " \n");
    }
    fputc('\n', out);
}

/* Moves to `target` on this line, or on the next if it is past it already. */
static void go_to_column(FILE *out, size_t column, size_t target)
{
    if (column + HELP_GAP > target)
        fprintf(out, "\n%*s", (int)target, "");
    else
        fprintf(out, "%*s", (int)(target - column), "");
}

/* Appends a part to "", " (a", " (a; b" ... */
static void add_limit(char *out, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void add_limit(char *out, size_t bytes, const char *format, ...)
{
    size_t used = strlen(out);
    used += (size_t)snprintf(out + used, bytes - used, "%s", used ? "; " : " (");
    va_list arguments;
    va_start(arguments, format);
    if (used < bytes)
        vsnprintf(out + used, bytes - used, format, arguments);
    va_end(arguments);
}

void option_limits(const struct option *option, char out[OPTION_LIMITS_BYTES])
{
    const size_t bytes = OPTION_LIMITS_BYTES;
    bool other_zero = option->zero && (!option->value || strcmp(option->zero, option->value) != 0);
    const char * or = other_zero ? ", or " : "", *zero = other_zero ? option->zero : "";
    out[0] = '\0';
    if (option->required)
        add_limit(out, bytes, "required");
    if (option->value)
        add_limit(out, bytes, "default %s", option->value);
    if (option->type == OPTION_PERIOD) {
        char units[OPTION_NAME_LIMIT] = "";
        size_t used = 0;
        for (size_t i = 0; option->units[i] && used < sizeof units; i++)
            used += (size_t)snprintf(
                    units + used, sizeof units - used, "%s%c", i ? ", " : "", option->units[i]);
        add_limit(out, bytes, "in %s%s%s", units, or, zero);
    } else if (option->minimum != 0 || option->maximum != 0)
        add_limit(out, bytes, "from %.15g to %.15g%s%s", option->minimum, option->maximum, or, zero);
    if (option->needs) {
        char words[OPTION_TEXT_LIMIT];
        need_words(option->needs, words, sizeof words);
        add_limit(out, bytes, "only with %s", words);
    }
    size_t used = strlen(out);
    if (used && used < bytes)
        snprintf(out + used, bytes - used, ")");
}

void options_print_kinds(FILE *out, const struct kind_table *kinds, size_t indent)
{
    size_t widest = 0;
    for (size_t i = 0; i < kind_count(kinds); i++) {
        size_t length = strlen(kind_at(kinds, i)->name);
        widest = length > widest ? length : widest;
    }
    for (size_t i = 0; i < kind_count(kinds); i++) {
        const struct kind *kind = kind_at(kinds, i);
        size_t column = indent + widest + HELP_GAP;
        fprintf(out, "%*s%-*s", (int)indent, "", (int)(widest + HELP_GAP), kind->name);
        print_wrapped(out, kind->help, column, column);
    }
}

static void print_option(FILE *out, const struct option *option)
{
    char limits[OPTION_LIMITS_BYTES], text[OPTION_TEXT_LIMIT * 4];
    bool negatable = option->type == OPTION_BOOL;
    int column = fprintf(out, "  --%s%s", negatable ? "[no-]" : "", option->name);
    if (!negatable)
        column += fprintf(out, " %s%s", option_placeholder(option), option->type == OPTION_LIST ? "..." : "");
    option_limits(option, limits);
    const char *second = strchr(option->help, '\n');
    int first = second ? (int)(second - option->help) : (int)strlen(option->help);
    snprintf(text, sizeof text, "%.*s%s", first, option->help, limits);
    go_to_column(out, (size_t)column, HELP_COLUMN);
    print_wrapped(out, text, HELP_COLUMN, HELP_COLUMN);
    if (second) {
        fprintf(out, "%*s", HELP_COLUMN, "");
        print_wrapped(out, second + 1, HELP_COLUMN, HELP_COLUMN);
    }
    if (option->type == OPTION_CHOICE)
        options_print_kinds(out, option->kinds, HELP_COLUMN + 2);
}

void options_print_help(FILE *out, const struct schema *schema)
{
    bool periods = false;
    for (size_t p = 0; p < schema->count; p++) {
        const struct option_group *group = schema->places[p].group;
        fprintf(out, "%s%s: %s\n", p ? "\n" : "", group->name, group->help);
        for (size_t i = 0; i < group->count; i++) {
            print_option(out, &group->options[i]);
            periods = periods || group->options[i].type == OPTION_PERIOD;
        }
    }
    if (periods)
        fputs("\nA PERIOD is 500u (updates), 2e (epochs), 30s, 10m or 2h.\n", out);
}
