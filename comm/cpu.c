#include "comm/cpu.h"

#include "comm/world.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* OpenBLAS only: absent (NULL) when BLIS or MKL is linked. */
extern char *openblas_get_corename(void) __attribute__((weak));
extern char *openblas_get_config(void) __attribute__((weak));
extern int openblas_get_parallel(void) __attribute__((weak));
extern void openblas_set_num_threads(int threads) __attribute__((weak));

enum level { LEVEL_SSE, LEVEL_AVX, LEVEL_AVX2, LEVEL_AVX512 };

/*
 * Measured (OpenBLAS 0.3.21, Zen 5, sgemm 256-512, GFLOP/s a core): Prescott 30, Zen 105, Haswell 110, SkylakeX 205,
 * Cooperlake 205. So a core one level below the CPU is worth a new start; between cores of a level there is nothing
 * to gain, and SKYLAKEX asks for less of the CPU than COOPERLAKE.
 */
static const char *const core_of_level[] = {
        [LEVEL_AVX] = "SANDYBRIDGE", [LEVEL_AVX2] = "HASWELL", [LEVEL_AVX512] = "SKYLAKEX"};

/* Cores not listed here (SkylakeX, Cooperlake, SapphireRapids, later ones) are taken for the best there is. */
static const struct {
    const char *core;
    enum level level;
} low_cores[] = {
        {"Katmai", LEVEL_SSE},
        {"Northwood", LEVEL_SSE},
        {"Prescott", LEVEL_SSE},
        {"Core2", LEVEL_SSE},
        {"Penryn", LEVEL_SSE},
        {"Dunnington", LEVEL_SSE},
        {"Atom", LEVEL_SSE},
        {"Nano", LEVEL_SSE},
        {"Nehalem", LEVEL_SSE},
        {"Athlon", LEVEL_SSE},
        {"Opteron", LEVEL_SSE},
        {"Opteron_SSE3", LEVEL_SSE},
        {"Barcelona", LEVEL_SSE},
        {"Bobcat", LEVEL_SSE},
        {"Sandybridge", LEVEL_AVX},
        {"Bulldozer", LEVEL_AVX},
        {"Piledriver", LEVEL_AVX},
        {"Steamroller", LEVEL_AVX},
        {"Excavator", LEVEL_AVX2},
        {"Haswell", LEVEL_AVX2},
        {"Zen", LEVEL_AVX2},
};

#if defined(__x86_64__)

static enum level cpu_level(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512cd"))
        return LEVEL_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return LEVEL_AVX2;
    return __builtin_cpu_supports("avx") ? LEVEL_AVX : LEVEL_SSE;
}

const char *cpu_vector_level(void)
{
    static const char *const names[] = {[LEVEL_SSE] = "x86-64-v2",
            [LEVEL_AVX] = "x86-64-v2 with AVX",
            [LEVEL_AVX2] = "x86-64-v3",
            [LEVEL_AVX512] = "x86-64-v4"};
    return names[cpu_level()];
}

static void cpu_name(char out[64])
{
    unsigned words[12] = {0};
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002 + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
    snprintf(out, 64, "%.48s", (const char *)words);
    for (size_t n = strlen(out); n > 0 && out[n - 1] == ' '; n--)
        out[n - 1] = '\0';
}

#else

static enum level cpu_level(void)
{
    return LEVEL_SSE;
}

const char *cpu_vector_level(void)
{
    return "baseline";
}

static void cpu_name(char out[64])
{
    snprintf(out, 64, "unknown CPU");
}

#endif

const char *cpu_blas_core(void)
{
    return openblas_get_corename ? openblas_get_corename() : "";
}

const char *cpu_better_core(void)
{
    enum level level = cpu_level();
    const char *core = cpu_blas_core();
    for (size_t i = 0; i < sizeof low_cores / sizeof low_cores[0]; i++)
        if (strcasecmp(core, low_cores[i].core) == 0 && low_cores[i].level < level)
            return core_of_level[level];
    return NULL;
}

void cpu_quiet_blas(void)
{
    enum { OWN_THREADS = 1 };
    if (openblas_get_parallel && openblas_set_num_threads && openblas_get_parallel() == OWN_THREADS)
        openblas_set_num_threads(1);
}

/* "OpenBLAS 0.3.21 ..." up to the version. */
static void blas_name(char out[160])
{
    static const char *const threading[] = {"sequential", "pthread", "OpenMP"};
    char version[64] = "";
    if (!openblas_get_config) {
        snprintf(out, 160, "another CBLAS than OpenBLAS");
        return;
    }
    sscanf(openblas_get_config(), "%*s %63s", version);
    int parallel = openblas_get_parallel ? openblas_get_parallel() : 0;
    snprintf(out, 160, "OpenBLAS %s (core %s, %s)", version, cpu_blas_core(),
            parallel >= 0 && parallel <= 2 ? threading[parallel] : "unknown threading");
}

const char *world_build_info(void)
{
    static char info[512 + MPI_MAX_LIBRARY_VERSION_STRING];
    char cpu[64], blas[160], mpi[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    cpu_name(cpu);
    blas_name(blas);
    MPI_Get_library_version(mpi, &length);
    mpi[strcspn(mpi, ",\n")] = '\0';
    snprintf(info, sizeof info, "seqtrain " SEQTRAIN_VERSION "; CPU %s (%s); %s; %s; gcc " __VERSION__, cpu,
            cpu_vector_level(), blas, mpi);
    return info;
}
