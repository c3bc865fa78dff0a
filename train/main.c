/*
 * seqtrain: finds the command, runs it, and turns its status into the exit status; one message, by rank 0.
 */
#include "comm/fault.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "train/command.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

const struct command *const commands[] = {
        &generate_command,
        &prepare_command,
        &help_command,
        NULL,
};

/* Whether --help stands among the words before a `--`. */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static enum status run_command(const struct command *command, int argc, char **argv)
{
    if (asks_for_help(argc, argv)) {
        if (world_launch_rank() == 0)
            command_print_help(stdout, command);
        return STATUS_OK;
    }
    CHECK(command->ranks || world_launch_size() == 1, STATUS_USAGE,
            "%s runs alone: expected 1 rank, found %d; start it without mpirun", command->name,
            world_launch_size());
    return command->run(argc, argv);
}

static enum status dispatch(int argc, char **argv)
{
    TRY(fault_plan(getenv("SEQTRAIN_FAULT"), world_launch_rank()));
    CHECK(argc > 1, STATUS_USAGE, "no command given; 'seqtrain help' lists the commands");
    const char *name = argv[1];
    bool first = world_launch_rank() == 0;
    if (strcmp(name, "--version") == 0) {
        if (first)
            puts("seqtrain " SEQTRAIN_VERSION);
        return STATUS_OK;
    }
    if (strcmp(name, "--build-info") == 0) {
        if (first)
            puts(world_build_info());
        return STATUS_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = help_command.name;
    const struct command *command = command_find(name);
    if (!command)
        return command_unknown(name);
    return run_command(command, argc - 2, argv + 2);
}

/* A full disk shows here at the latest. */
static enum status finish_output(void)
{
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout))
        return status_fail_errno("write", "standard output");
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error value, not a death */
    world_prepare(argv, 0);
    enum status status = dispatch(argc, argv);
    if (status == STATUS_OK)
        status = finish_output();
    bool first = world()->size > 1 ? world()->rank == 0 : world_launch_rank() == 0;
    if (status != STATUS_OK && first) {
        fflush(stdout);
        fprintf(stderr, "seqtrain: %s\n", status_message()[0] ? status_message() : status_text(status));
    }
    world_close();
    if (memory_blocks() > 0)
        log_line(LOG_DETAIL, "%zu blocks of memory were not freed", memory_blocks());
    return (int)status;
}
