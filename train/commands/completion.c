/*
 * seqtrain completion: a script by which a shell completes commands, switches and their values, made from the tables
 * that also give help. To add a shell: a row of `shells`.
 */
#include "train/command.h"

#include <string.h>

/* What may follow a switch. */
enum values { VALUES_NONE, VALUES_FREE, VALUES_WORDS, VALUES_FILES, VALUES_FOLDERS };

static enum values values_of(const struct option *option)
{
    const char *placeholder = option_placeholder(option);
    if (option->type == OPTION_BOOL)
        return VALUES_NONE;
    if (option->type == OPTION_CHOICE || option->zero)
        return VALUES_WORDS;
    if (option->type != OPTION_TEXT && option->type != OPTION_LIST)
        return VALUES_FREE;
    if (strcmp(placeholder, "FOLDER") == 0)
        return VALUES_FOLDERS;
    return strstr(placeholder, "FILE") || strchr(placeholder, '.') ? VALUES_FILES : VALUES_FREE;
}

/* Names with blanks between. */
static void print_kinds(FILE *out, const struct kind_table *kinds)
{
    for (size_t i = 0; i < kind_count(kinds); i++)
        fprintf(out, "%s%s", i ? " " : "", kind_at(kinds, i)->name);
}

static void print_commands(FILE *out)
{
    for (size_t i = 0; commands[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", commands[i]->name);
}

/* The words of VALUES_WORDS. */
static void print_values(FILE *out, const struct option *option)
{
    if (option->type == OPTION_CHOICE)
        print_kinds(out, option->kinds);
    else
        fputs(option->zero, out);
}

/* What is on by default is offered to be switched off. */
static const char *negation(const struct option *option)
{
    return option->type == OPTION_BOOL && strcmp(option->value, "true") == 0 ? "no-" : "";
}

typedef void option_printer(FILE *out, const struct command *command, const struct option *option);

static void each_option(FILE *out, const struct command *command, option_printer *print)
{
    for (size_t s = 0; s < sizeof command->schemas / sizeof command->schemas[0]; s++) {
        const struct schema *schema = command->schemas[s];
        for (size_t p = 0; schema && p < schema->count; p++)
            for (size_t i = 0; i < schema->places[p].group->count; i++)
                print(out, command, &schema->places[p].group->options[i]);
    }
}

/* ---- bash ---- */

static const char bash_head[] =
        "# seqtrain in bash: source this, or keep it as 'seqtrain' in a folder of bash completions.\n"
        "# Made by: seqtrain completion bash\n"
        "_seqtrain() {\n"
        "    local command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]} take\n"
        "    local before=${COMP_WORDS[COMP_CWORD - 1]}\n"
        "    [ \"$before\" = = ] && before=${COMP_WORDS[COMP_CWORD - 2]}\n"
        "    [ \"$word\" = = ] && word=\n";

static const char bash_tail[] = "    [ \"${take[0]}\" = -W ] || compopt -o filenames 2>/dev/null\n"
                                "    mapfile -t COMPREPLY < <(compgen \"${take[@]}\" -- \"$word\")\n"
                                "}\n"
                                "complete -F _seqtrain seqtrain\n";

static void print_bash_switch(FILE *out, const struct command *command, const struct option *option)
{
    (void)command;
    fprintf(out, "--%s%s ", negation(option), option->name);
}

static void print_bash_values(FILE *out, const struct command *command, const struct option *option)
{
    static const char *const takes[] = {
            [VALUES_FREE] = "-W ''", [VALUES_FILES] = "-f", [VALUES_FOLDERS] = "-d"};
    enum values values = values_of(option);
    if (values == VALUES_NONE)
        return;
    fprintf(out, "        '%s --%s') take=(", command->name, option->name);
    if (values == VALUES_WORDS) {
        fputs("-W '", out);
        print_values(out, option);
        fputc('\'', out);
    } else {
        fputs(takes[values], out);
    }
    fputs(") ;;\n", out);
}

static void print_bash_words(FILE *out, const struct command *command)
{
    if (!command->words && command != &help_command)
        return;
    fprintf(out, "        '%s '*) take=(-W '", command->name);
    if (command->words)
        print_kinds(out, command->words);
    else
        print_commands(out);
    fputs("') ;;\n", out);
}

static void print_bash(FILE *out)
{
    fputs(bash_head, out);
    fputs("    if [ \"$COMP_CWORD\" = 1 ]; then\n        take=(-W '", out);
    print_commands(out);
    fputs(" --help --version --build-info')\n    elif [[ $word == -* ]]; then\n"
          "        case $command in\n",
            out);
    for (size_t i = 0; commands[i]; i++) {
        fprintf(out, "        %s) take=(-W '", commands[i]->name);
        each_option(out, commands[i], print_bash_switch);
        fputs("--help') ;;\n", out);
    }
    fputs("        *) take=(-W '') ;;\n        esac\n    else\n        case \"$command $before\" in\n", out);
    for (size_t i = 0; commands[i]; i++) {
        each_option(out, commands[i], print_bash_values);
        print_bash_words(out, commands[i]);
    }
    fputs("        *) take=(-f) ;;\n        esac\n    fi\n", out);
    fputs(bash_tail, out);
}

/* ---- zsh ---- */

static const char zsh_head[] = "#compdef seqtrain\n"
                               "# seqtrain in zsh: keep this as '_seqtrain' in a folder of $fpath.\n"
                               "# Made by: seqtrain completion zsh\n"
                               "_seqtrain() {\n"
                               "    local curcontext=$curcontext state line\n"
                               "    typeset -A opt_args\n"
                               "    _arguments -C '1: :->command' '*:: :->words' && return\n"
                               "    case $state in\n"
                               "    command)\n"
                               "        local -a commands=(\n";

static const char zsh_tail[] =
        "        esac ;;\n"
        "    esac\n"
        "}\n"
        "if [ \"$funcstack[1]\" = _seqtrain ]; then _seqtrain \"$@\"; else compdef _seqtrain seqtrain; fi\n";

/* Inside quotes of zsh, up to the end of the line: a \ before what has a meaning of its own there. */
static void print_zsh_text(FILE *out, const char *text, const char *special)
{
    for (; *text && *text != '\n'; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fprintf(out, "%s%c", strchr(special, *text) ? "\\" : "", *text);
}

static void print_zsh_option(FILE *out, const struct command *command, const struct option *option)
{
    static const char *const takes[] = {
            [VALUES_FREE] = " ", [VALUES_FILES] = "_files", [VALUES_FOLDERS] = "_files -/"};
    enum values values = values_of(option);
    (void)command;
    fprintf(out, "            '%s--%s%s%s[", option->type == OPTION_LIST ? "*" : "", negation(option),
            option->name, values == VALUES_NONE ? "" : "=");
    print_zsh_text(out, option->help, "[]\\");
    fputc(']', out);
    if (values != VALUES_NONE) {
        fputc(':', out);
        print_zsh_text(out, option_placeholder(option), ":\\");
        fputc(':', out);
        if (values == VALUES_WORDS) {
            fputc('(', out);
            print_values(out, option);
            fputc(')', out);
        } else {
            fputs(takes[values], out);
        }
    }
    fputs("' \\\n", out);
}

static void print_zsh_words(FILE *out, const struct command *command)
{
    fputs("            '*:", out);
    if (command->words) {
        fprintf(out, "%s:(", command->words->what);
        print_kinds(out, command->words);
        fputc(')', out);
    } else if (command == &help_command) {
        fputs("command:(", out);
        print_commands(out);
        fputc(')', out);
    } else {
        fputs("file:_files", out);
    }
    fputs("' ;;\n", out);
}

static void print_zsh(FILE *out)
{
    fputs(zsh_head, out);
    for (size_t i = 0; commands[i]; i++) {
        fprintf(out, "            '%s:", commands[i]->name);
        print_zsh_text(out, commands[i]->summary, "\\");
        fputs("'\n", out);
    }
    fputs("        )\n        _describe command commands ;;\n    words)\n        case $line[1] in\n", out);
    for (size_t i = 0; commands[i]; i++) {
        fprintf(out, "        %s) _arguments \\\n", commands[i]->name);
        each_option(out, commands[i], print_zsh_option);
        print_zsh_words(out, commands[i]);
    }
    fputs(zsh_tail, out);
}

/* ---- the command ---- */

struct shell {
    struct kind kind;
    void (*print)(FILE *out);
};

static const struct shell shells[] = {
        {{"bash", "to be sourced, or kept in share/bash-completion/completions/seqtrain", NULL}, print_bash},
        {{"zsh", "to be kept in share/zsh/site-functions/_seqtrain", NULL}, print_zsh},
};
static const struct kind_table shell_kinds = KIND_TABLE("shell", shells);

static enum status run(int argc, char **argv)
{
    CHECK(argc == 1, STATUS_USAGE, "completion: expected one shell, bash or zsh, found %d words", argc);
    const struct kind *kind = kind_find(&shell_kinds, argv[0]);
    CHECK(kind, STATUS_USAGE, "completion: expected bash or zsh, found %s", argv[0]);
    ((const struct shell *)kind)->print(stdout);
    return STATUS_OK;
}

const struct command completion_command = {
        .name = "completion",
        .summary = "prints what a shell needs to complete all this",
        .usage = "bash|zsh",
        .examples = "source <(seqtrain completion bash)\n"
                    "seqtrain completion zsh >\"${fpath[1]}/_seqtrain\"",
        .ranks = false,
        .run = run,
        .words = &shell_kinds,
};
