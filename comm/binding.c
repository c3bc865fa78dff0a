#include "comm/binding.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room for 8,192 cores; one cpu_set_t holds 1,024. */
union cores {
    cpu_set_t sets[BINDING_BYTES / sizeof(cpu_set_t)];
    unsigned char bytes[BINDING_BYTES];
};

static bool read_cores(pid_t process, union cores *out)
{
    memset(out, 0, sizeof *out);
    return sched_getaffinity(process, sizeof out->sets, out->sets) == 0;
}

static int count_cores(const union cores *cores)
{
    int count = CPU_COUNT_S(sizeof cores->sets, cores->sets);
    return count > 0 ? count : 1;
}

static pid_t parent_of(pid_t process)
{
    char path[32], line[256];
    long parent = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)process);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file) && sscanf(line, "PPid: %ld", &parent) != 1)
        ;
    fclose(file);
    return (pid_t)parent;
}

/* What the launcher may use: the cores of the nearest ancestor that has more than this process (between them may be a
 * shell); a batch system's or taskset's limits on the launcher stay in force. */
static bool read_unbound(union cores *out)
{
    enum { GENERATIONS = 3 };
    union cores own;
    if (!read_cores(0, &own))
        return false;
    pid_t process = getppid();
    for (int i = 0; i < GENERATIONS && process > 1; i++, process = parent_of(process))
        if (read_cores(process, out) && count_cores(out) > count_cores(&own))
            return true;
    *out = own;
    return true;
}

/* mpirun binds where nobody asked; what was asked for is visible in the environment (mpirun 4 and its options, the
 * parameters of mpirun 5). Other launchers bind on request only. */
static bool is_default_binding(void)
{
    static const char *const asked[] = {"OMPI_MCA_hwloc_base_binding_policy", "OMPI_MCA_hwloc_base_cpu_list",
            "PRTE_MCA_hwloc_default_binding_policy", "PRTE_MCA_hwloc_default_cpu_list"};
    static const char *const mapping[] = {
            "OMPI_MCA_rmaps_base_mapping_policy", "PRTE_MCA_rmaps_default_mapping_policy"};
    if (!getenv("OMPI_COMM_WORLD_LOCAL_SIZE"))
        return false;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        if (getenv(asked[i]))
            return false;
    for (size_t i = 0; i < sizeof mapping / sizeof mapping[0]; i++) {
        const char *policy = getenv(mapping[i]);
        if (policy && strcasestr(policy, "pe="))
            return false;
    }
    return true;
}

int binding_cores(void)
{
    union cores now;
    return read_cores(0, &now) ? count_cores(&now) : 1;
}

int binding_node_cores(void)
{
    union cores all;
    return read_unbound(&all) ? count_cores(&all) : 1;
}

int binding_reach(void)
{
    return is_default_binding() ? binding_node_cores() : binding_cores();
}

int binding_threads_asked(int threads)
{
    const char *text = getenv("OMP_NUM_THREADS");
    if (threads > 0 || !text)
        return threads;
    long asked = strtol(text, NULL, 10); /* of a list, "4,2", the first */
    return asked > 0 && asked < 1 << 16 ? (int)asked : 0;
}

/* Keeps the cores number [from, to) of those set. */
static void keep_range(union cores *cores, int from, int to)
{
    int seen = 0;
    for (size_t core = 0; core < 8 * sizeof cores->bytes; core++) {
        if (!CPU_ISSET_S(core, sizeof cores->sets, cores->sets))
            continue;
        if (seen < from || seen >= to)
            CPU_CLR_S(core, sizeof cores->sets, cores->sets);
        seen++;
    }
}

bool binding_widen(int node_rank, int node_size)
{
    union cores share;
    if (!is_default_binding() || !read_unbound(&share))
        return false;
    int all = count_cores(&share);
    int from = all * node_rank / node_size, to = all * (node_rank + 1) / node_size;
    if (to - from <= binding_cores())
        return false;
    keep_range(&share, from, to);
    return sched_setaffinity(0, sizeof share.sets, share.sets) == 0;
}

void binding_mask(unsigned char out[BINDING_BYTES])
{
    union cores now;
    if (!read_cores(0, &now))
        memset(&now, 0, sizeof now);
    memcpy(out, now.bytes, BINDING_BYTES);
}

int binding_share(const unsigned char *masks, int node_rank, int node_size)
{
    const unsigned char *mine = masks + (size_t)node_rank * BINDING_BYTES;
    double share = 0;
    for (int core = 0; core < 8 * BINDING_BYTES; core++) {
        int byte = core / 8, bit = 1 << core % 8, users = 0;
        if (!(mine[byte] & bit))
            continue;
        for (int r = 0; r < node_size; r++)
            users += (masks[(size_t)r * BINDING_BYTES + (size_t)byte] & bit) != 0;
        share += 1.0 / users;
    }
    int whole = (int)(share + 1e-6);
    return whole > 0 ? whole : 1;
}
