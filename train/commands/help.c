#include "train/command.h"

static const char overview_head[] = "seqtrain trains sequence-to-sequence models on CPU clusters.\n"
                                    "\n"
                                    "usage:\n"
                                    "  seqtrain COMMAND ...\n"
                                    "  seqtrain help COMMAND\n"
                                    "  seqtrain --version | --build-info\n"
                                    "\n"
                                    "commands:\n";

static const char overview_tail[] =
        "\n"
        "examples:\n"
        "  seqtrain prepare --source train.en --target train.de --output train.h5\n"
        "  mpirun -n 4 seqtrain train --data.train train.h5 --run.directory run\n"
        "  seqtrain translate run < test.en > test.de\n";

static void print_overview(FILE *out)
{
    fputs(overview_head, out);
    for (size_t i = 0; commands[i]; i++)
        fprintf(out, "  %-10s  %s\n", commands[i]->name, commands[i]->summary);
    fputs(overview_tail, out);
}

static enum status run(int argc, char **argv)
{
    CHECK(argc <= 1, STATUS_USAGE, "help: expected one command, found %d words", argc);
    if (argc == 0) {
        print_overview(stdout);
        return STATUS_OK;
    }
    const struct command *command = command_find(argv[0]);
    if (!command)
        return command_unknown(argv[0]);
    command_print_help(stdout, command);
    return STATUS_OK;
}

const struct command help_command = {
        .name = "help",
        .summary = "lists the commands, or tells all about one",
        .usage = "[COMMAND]",
        .examples = "seqtrain help\nseqtrain help train",
        .ranks = false,
        .run = run,
};
