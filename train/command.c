#include "train/command.h"

#include <string.h>

enum { USAGE_WIDTH = 80 };

const struct command *command_find(const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

bool command_asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static const char *name_of(const void *context, size_t i)
{
    return ((const struct command *const *)context)[i]->name;
}

enum status command_unknown(const char *name)
{
    size_t count = 0;
    while (commands[count])
        count++;
    const char *near = options_nearest(name, name_of, commands, count);
    if (near)
        return status_fail(STATUS_USAGE, "unknown command %.60s; did you mean %s?", name, near);
    return status_fail(STATUS_USAGE, "unknown command %.60s; 'seqtrain help' lists the commands", name);
}

/* Each line of `text`, indented. */
static void print_lines(FILE *out, const char *text)
{
    while (*text) {
        int length = (int)strcspn(text, "\n");
        fprintf(out, "  %.*s\n", length, text);
        text += length;
        text += *text == '\n';
    }
}

/* Bytes up to the next blank outside brackets, or the end of the line. */
static size_t usage_part(const char *text)
{
    size_t length = 0;
    for (int depth = 0; text[length] && text[length] != '\n'; length++) {
        depth += (text[length] == '[') - (text[length] == ']');
        if (text[length] == ' ' && depth == 0)
            break;
    }
    return length;
}

/* What follows the command's name: every line of it a usage of its own, broken between parts where it is long. */
static void print_usage(FILE *out, const struct command *command)
{
    const char *text = command->usage;
    fputs("\nusage:\n", out);
    do {
        int indent = fprintf(out, "  seqtrain %s", command->name), column = indent;
        while (*text && *text != '\n') {
            int length = (int)usage_part(text);
            if (column > indent && column + 1 + length > USAGE_WIDTH)
                column = fprintf(out, "\n%*s", indent, "") - 1;
            column += fprintf(out, " %.*s", length, text);
            text += length;
            text += strspn(text, " ");
        }
        fputc('\n', out);
        text += *text == '\n';
    } while (*text);
}

void command_print_help(FILE *out, const struct command *command)
{
    fprintf(out, "seqtrain %s: %s\n", command->name, command->summary);
    print_usage(out, command);
    if (command->words) {
        fprintf(out, "\n%s:\n", command->words->what);
        options_print_kinds(out, command->words, 2);
    }
    for (size_t i = 0; i < sizeof command->schemas / sizeof command->schemas[0]; i++)
        if (command->schemas[i]) {
            fputc('\n', out);
            options_print_help(out, command->schemas[i]);
        }
    fputs("\nexamples:\n", out);
    print_lines(out, command->examples);
}

enum status command_run(const struct command *command, void *settings, int argc, char **argv,
        enum status (*work)(const void *settings, const struct text_list *words))
{
    const struct schema *schema = command->schemas[0];
    const struct option_target target = {schema, settings};
    struct text_list words = {0};
    TRY(options_defaults(schema, settings));
    enum status status = options_read_arguments(&target, 1, argc, argv, &words);
    if (status == STATUS_OK)
        status = work(settings, &words);
    text_list_release(&words);
    options_release(schema, settings);
    return status;
}
