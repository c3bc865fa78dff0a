/*
 * seqtrain: finds the command, runs it, and turns its status into the exit status; one message, by rank 0.
 */
#include "comm/fault.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/outlet.h"
#include "comm/watch.h"
#include "comm/world.h"
#include "train/command.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct command *const commands[] = {
        &generate_command,
        &prepare_command,
        &train_command,
        &translate_command,
        &score_command,
        &evaluate_command,
        &average_command,
        &info_command,
        &report_command,
        &plan_command,
        &bench_command,
        &completion_command,
        &man_command,
        &help_command,
        NULL,
};

/* The command to be run, or NULL when all is told. What is refused here is refused by every rank alike: it depends on
 * the words and the launcher only; so rank 0 alone may fail. */
static enum status choose(const struct command **out, int argc, char **argv)
{
    bool first = world_launch_rank() == 0;
    TRY(fault_plan(getenv("SEQTRAIN_FAULT"), world_launch_rank()));
    CHECK(argc > 1, STATUS_USAGE, "no command given; 'seqtrain help' lists the commands");
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "--build-info") == 0) {
        CHECK(argc == 2, STATUS_USAGE, "%s stands alone, found %s after it", name, argv[2]);
        if (first)
            puts(name[2] == 'v' ? "seqtrain " SEQTRAIN_VERSION : world_build_info());
        return STATUS_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = help_command.name;
    const struct command *command = command_find(name);
    if (!command)
        return command_unknown(name);
    if (command_asks_for_help(argc - 2, argv + 2)) {
        if (first)
            command_print_help(stdout, command);
        return STATUS_OK;
    }
    CHECK(command->ranks || world_launch_size() == 1, STATUS_USAGE,
            "%s runs alone: expected 1 rank, found %d; start it without mpirun", command->name,
            world_launch_size());
    *out = command;
    return STATUS_OK;
}

/* A full disk shows here at the latest. */
static enum status finish_output(void)
{
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout))
        return status_fail_errno("write", "standard output");
    return STATUS_OK;
}

/* The one message of a failure, by rank 0. The others wait for it in world_close(), or 0.3 s where the world is not
 * open: the launcher ends rank 0 as soon as another rank fails. */
static void tell(enum status status)
{
    bool open = world()->size > 1;
    if ((open ? world()->rank : world_launch_rank()) == 0) {
        fflush(stdout);
        log_words("seqtrain: %s", status_message()[0] ? status_message() : status_text(status));
    } else if (!open)
        usleep(300000);
}

/* What a command took it gives back, whatever its status. */
static void tell_unfreed(void)
{
    struct memory_label label;
    for (size_t i = 0; memory_report(i, &label); i++)
        if (label.blocks > 0)
            log_rank(LOG_DETAIL, "%zu blocks of memory were not freed: %s, %zu bytes", label.blocks,
                    label.label, label.bytes);
}

/* The number that --comm.threads gives, or 0: wanted before any settings are read, since the way idle threads wait is
 * chosen when the program starts. A number in a settings file comes too late for that: then they wait as by default. */
static int threads_given(int argc, char **argv)
{
    static const char name[] = "--comm.threads";
    const size_t length = sizeof name - 1;
    int threads = 0;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strncmp(argv[i], name, length) == 0) {
            if (argv[i][length] == '=')
                threads = atoi(argv[i] + length + 1);
            else if (argv[i][length] == '\0' && i + 1 < argc)
                threads = atoi(argv[i + 1]);
        }
    return threads;
}

int main(int argc, char **argv)
{
    outlet_open();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error value, not a death */
    world_prepare(argv, threads_given(argc, argv));
    const struct command *command = NULL;
    enum status status = choose(&command, argc, argv);
    if (status != STATUS_OK && world_launch_rank() != 0)
        return STATUS_OK; /* else the launcher may end rank 0 before its message is out */
    if (command)
        status = command->run(argc - 2, argv + 2);
    if (status == STATUS_OK)
        status = finish_output();
    if (status != STATUS_OK)
        tell(status);
    world_close();
    watch_stop();
    tell_unfreed();
    (void)outlet_close();
    return (int)status;
}
