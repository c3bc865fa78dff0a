/*
 * Commands: rows of the table in main.c, one file each in commands/. To add one: write
 * commands/NAME.c with its switches as an option group, its work, and `const struct command
 * NAME_command`; name it in main.c.
 */
#ifndef TRAIN_COMMAND_H
#define TRAIN_COMMAND_H

#include "io/options.h"

struct command {
    const char *name;
    const char *summary;                       /* one line for `seqtrain help` */
    const char *usage;                         /* after "seqtrain NAME " */
    const char *examples;                      /* lines of shell, for `seqtrain help NAME` */
    const struct schema *schemas[2];           /* what its switches are; NULL where absent */
    bool ranks;                                /* may run under mpirun on several ranks */
    enum status (*run)(int argc, char **argv); /* arguments after the name */
};

extern const struct command prepare_command, train_command, translate_command, score_command, info_command,
        help_command, generate_command;

/* The commands, NULL at the end. */
extern const struct command *const commands[];

/* The command called `name`, or NULL. */
const struct command *command_find(const char *name);

/* Full help of one command. */
void command_print_help(FILE *out, const struct command *command);

#endif
