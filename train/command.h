/*
 * Commands: rows of the table in main.c, one file each in commands/. To add one: write
 * commands/NAME.c with its switches as an option group, its work, and `const struct command
 * NAME_command`; name it in the table in main.c, and its help is there.
 *
 *     static enum status score(const void *given, const struct text_list *words)
 *     {
 *         const struct settings *settings = given;
 *         TRY(options_check_required(&schema, settings));
 *         ...                                              words: what is no switch, here MODEL
 *     }
 *
 *     static enum status run(int argc, char **argv)
 *     {
 *         struct settings settings;
 *         return command_run(&score_command, &settings, argc, argv, score);
 *     }
 *
 * main() handles --help, prints the message of a failed status, and closes the world.
 */
#ifndef TRAIN_COMMAND_H
#define TRAIN_COMMAND_H

#include "io/options.h"

struct command {
    const char *name;
    const char *summary;                       /* one line for `seqtrain help` */
    const char *usage;                         /* after "seqtrain NAME "; several lines: several usages */
    const char *examples;                      /* lines of shell, for `seqtrain help NAME` */
    const struct schema *schemas[2];           /* what its switches are; NULL where absent */
    bool ranks;                                /* may run under mpirun on several ranks */
    enum status (*run)(int argc, char **argv); /* arguments after the name */
    const struct kind_table *words;            /* what its words, not switches, are; NULL: files */
};

/* Those built in: their files in commands/. */
extern const struct command prepare_command, train_command, translate_command, score_command,
        evaluate_command, average_command, info_command, completion_command, man_command, plan_command,
        help_command, generate_command, bench_command, report_command;

/* The commands, NULL at the end: the table in main.c. */
extern const struct command *const commands[];

/* What the run() of most commands is: the defaults and the command line into `settings`, which is what the command's
 * first schema describes, then `work` on them and on the words that are no switches; all is released. */
enum status command_run(const struct command *command, void *settings, int argc, char **argv,
        enum status (*work)(const void *settings, const struct text_list *words));

/* The command called `name`, or NULL. */
const struct command *command_find(const char *name);

/* STATUS_USAGE naming the nearest command. */
enum status command_unknown(const char *name);

/* Whether --help or -h stands among the words before a `--`. */
bool command_asks_for_help(int argc, char **argv);

/* Full help of one command. */
void command_print_help(FILE *out, const struct command *command);

#endif
