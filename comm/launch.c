/*
 * Before MPI starts: what the launcher tells, and the environment that libraries read only once, when they load.
 */
#include "comm/binding.h"
#include "comm/cpu.h"
#include "comm/log.h"
#include "comm/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where launchers leave the rank, the number of ranks, and the ranks on this node (slurm: "4(x2),3"). */
static const struct {
    const char *rank, *size, *node_size;
} launchers[] = {
        {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"},
        {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE"},
        {"PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"},
        {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_TASKS_PER_NODE"},
};

static int number_in(const char *variable, int otherwise)
{
    const char *text = getenv(variable);
    return text ? atoi(text) : otherwise;
}

/* The launcher's row, or -1: started alone. */
static int launcher(void)
{
    for (int i = 0; i < (int)(sizeof launchers / sizeof launchers[0]); i++)
        if (getenv(launchers[i].rank) && number_in(launchers[i].size, 0) > 0)
            return i;
    return -1;
}

int world_launch_rank(void)
{
    int i = launcher();
    return i < 0 ? 0 : number_in(launchers[i].rank, 0);
}

int world_launch_size(void)
{
    int i = launcher();
    return i < 0 ? 1 : number_in(launchers[i].size, 1);
}

static int launch_node_size(void)
{
    int i = launcher();
    int size = i < 0 ? 1 : number_in(launchers[i].node_size, 1);
    return size > 0 ? size : 1;
}

/* Whether idle threads that spin would keep others from a core. */
static bool is_oversubscribed(int threads)
{
    int ranks = launch_node_size(), cores = binding_node_cores(), reach = binding_reach();
    threads = binding_threads_asked(threads);
    if (threads == 0) {
        threads = cores > ranks ? cores / ranks : 1;
        if (threads > reach)
            threads = reach;
    }
    return threads > reach || threads > cores / ranks;
}

/* The mark of the second execution: the process keeps its number through it, a child has another. */
static bool is_second_execution(void)
{
    return number_in("SEQTRAIN_PREPARED", 0) == (int)getpid();
}

static bool is_unset(const char *variable)
{
    const char *text = getenv(variable);
    return !text || !*text;
}

/* Threads that wait spin a little, since the next loop mostly comes at once, but not for the milliseconds that are
 * libgomp's default: beside busy neighbours they would take the core from the very thread they wait for. Measured with 4
 * threads on 4 cores that had three times the work: over 60 s by default, 2 to 4 s so, 2 s passive. */
static bool choose_waiting(int threads)
{
    if (is_oversubscribed(threads))
        return setenv("OMP_WAIT_POLICY", "passive", 1) == 0;
    return setenv("GOMP_SPINCOUNT", "2000", 1) == 0;
}

/* By the program's own path, so that ps and pgrep go on to show its name. */
static void execute_again(char **argv)
{
    char path[4096];
    ssize_t bytes = readlink("/proc/self/exe", path, sizeof path - 1);
    if (bytes > 0) {
        path[bytes] = '\0';
        execv(path, argv);
    }
    execv("/proc/self/exe", argv); /* the file has moved since */
}

void world_prepare(char **argv, int threads)
{
    if (is_second_execution())
        return;
    bool again = false;
    const char *core = cpu_better_core();
    if (core && is_unset("OPENBLAS_CORETYPE"))
        again = setenv("OPENBLAS_CORETYPE", core, 1) == 0;
    if (is_unset("OMP_WAIT_POLICY") && is_unset("GOMP_SPINCOUNT"))
        again = choose_waiting(threads) || again;
    if (!again)
        return;
    char mark[16];
    snprintf(mark, sizeof mark, "%d", (int)getpid());
    setenv("SEQTRAIN_PREPARED", mark, 1);
    execute_again(argv);
    if (world_launch_rank() == 0)
        log_line(LOG_WARNING,
                "cannot execute the program again with another OpenBLAS core or way of waiting: %s",
                strerror(errno));
}
