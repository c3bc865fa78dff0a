#include "comm/world.h"

#include "comm/binding.h"
#include "comm/cpu.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/outlet.h"
#include "comm/watch_internal.h"
#include "comm/world_internal.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct world current = {.size = 1, .node_size = 1, .even_ranks = 1};
static bool is_open;

static void fill_alone(void)
{
    current.cores = binding_cores();
    current.threads = omp_get_max_threads();
    gethostname(current.host, sizeof current.host - 1);
}

const struct world *world(void)
{
    if (current.threads == 0)
        fill_alone();
    return &current;
}

bool world_is_shared(void)
{
    return is_open && current.size > 1;
}

static void end_job(int code)
{
    if (is_open)
        MPI_Abort(MPI_COMM_WORLD, code);
    _exit(code);
}

static void end_job_after_bug(void)
{
    end_job(STATUS_INTERNAL);
}

void world_abort(enum status status)
{
    char line[512];
    int bytes = snprintf(line, sizeof line, "[rank %d] seqtrain: ends the job (%s): %.400s\n", world()->rank,
            status_text(status), status_message());
    outlet_end(line, (size_t)bytes);
    end_job((int)status);
    _exit((int)status);
}

static enum status start_mpi(void)
{
    int provided = MPI_THREAD_SINGLE;
    TRY(mpi_status(
            WATCH_MEET(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided)), "MPI_Init_thread", -1));
    is_open = true;
    status_on_bug(end_job_after_bug);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &current.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &current.size);
    log_set_rank(current.rank);
    CHECK(provided >= MPI_THREAD_FUNNELED, STATUS_CONFIG,
            "expected an MPI library with MPI_THREAD_FUNNELED, found thread level %d on %s", provided,
            current.host);
    return STATUS_OK;
}

/* The fair number of cores among the ranks of `node`. */
static enum status share_cores(MPI_Comm node, int *share)
{
    unsigned char mine[BINDING_BYTES], *masks;
    TRY(status_agree(memory_new(&masks, "world", (size_t)current.node_size, BINDING_BYTES)));
    binding_mask(mine);
    int code = WATCH_MEET(MPI_Allgather(mine, BINDING_BYTES, MPI_BYTE, masks, BINDING_BYTES, MPI_BYTE, node));
    *share = binding_share(masks, current.node_rank, current.node_size);
    memory_free(masks);
    return mpi_status(code, "MPI_Allgather", -1);
}

static enum status place_threads(int threads)
{
    MPI_Comm node;
    TRY(mpi_status(WATCH_MEET(MPI_Comm_split_type(
                           MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, current.rank, MPI_INFO_NULL, &node)),
            "MPI_Comm_split_type", -1));
    MPI_Comm_rank(node, &current.node_rank);
    MPI_Comm_size(node, &current.node_size);
    int narrow = binding_cores();
    if (binding_widen(current.node_rank, current.node_size))
        log_rank(LOG_DETAIL,
                "mpirun's default binding gave this rank %d of its %d cores: it takes them all (mpirun "
                "--bind-to ... is kept)",
                narrow, binding_cores());
    current.cores = binding_cores();
    enum status status = share_cores(node, &current.threads);
    MPI_Comm_free(&node);
    TRY(status);
    int asked = binding_threads_asked(threads);
    if (asked > 0)
        current.threads = asked;
    omp_set_dynamic(0);
    omp_set_num_threads(current.threads);
    cpu_quiet_blas();
    return STATUS_OK;
}

/* The ranks of each host being in order, it is enough that rank r is number r % n of its host. */
int world_even_ranks(const struct world_place *places, int ranks)
{
    int wide = places[0].node_size;
    for (int r = 0; r < ranks; r++)
        if (places[r].node_size != wide || places[r].node_rank != r % wide)
            return 0;
    return wide;
}

static enum status compare_places(void)
{
    struct world_place mine = {current.node_rank, current.node_size}, *all;
    TRY(status_agree(memory_new(&all, "world", (size_t)current.size, sizeof *all)));
    enum status status = world_gather(&mine, all, sizeof mine);
    if (status == STATUS_OK)
        current.even_ranks = world_even_ranks(all, current.size);
    memory_free(all);
    return status;
}

/* What must not differ between ranks: bits depend on it, and how they understand each other. */
struct machine {
    uint32_t order; /* of bytes; first, so that it can be told in any */
    char host[64], core[32], level[32], version[64];
};

static enum status compare_builds(const struct machine *first, const struct machine *other, int rank)
{
    CHECK(other->order == first->order, STATUS_CONFIG,
            "rank %d on %s and rank 0 on %s have another order of bytes: use hosts of one kind", rank,
            other->host, first->host);
    CHECK(strcmp(first->version, other->version) == 0, STATUS_CONFIG,
            "ranks run different programs: expected seqtrain %s as rank 0 on %s, found %s of rank %d on %s; "
            "install one version on all hosts",
            first->version, first->host, other->version, rank, other->host);
    return STATUS_OK;
}

static enum status compare_machines(void)
{
    struct machine mine, *all;
    memset(&mine, 0, sizeof mine);
    snprintf(mine.host, sizeof mine.host, "%s", current.host);
    snprintf(mine.core, sizeof mine.core, "%s", cpu_blas_core());
    snprintf(mine.level, sizeof mine.level, "%s", cpu_vector_level());
    snprintf(mine.version, sizeof mine.version, "%s", SEQTRAIN_VERSION);
    mine.order = 1;
    TRY(status_agree(memory_new(&all, "world", (size_t)current.size, sizeof *all)));
    enum status status = world_gather(&mine, all, sizeof mine);
    for (int r = 1; r < current.size && status == STATUS_OK; r++)
        status = compare_builds(&all[0], &all[r], r);
    for (int r = 1; r < current.size && status == STATUS_OK; r++)
        if (strcmp(all[0].core, all[r].core) != 0 || strcmp(all[0].level, all[r].level) != 0)
            status = status_fail(STATUS_CONFIG,
                    "ranks would compute different bits: rank %d on %s has OpenBLAS core %s and vector level "
                    "%s, rank 0 on %s has %s and %s; use hosts of one CPU type, or set OPENBLAS_CORETYPE "
                    "alike on all if only the cores differ",
                    r, all[r].host, all[r].core, all[r].level, all[0].host, all[0].core, all[0].level);
    memory_free(all);
    return status;
}

enum status world_open(int threads)
{
    ASSERT(!is_open);
    fill_alone();
    TRY(start_mpi());
    TRY(status_agree(message_open()));
    TRY(status_agree(place_threads(threads)));
    TRY(compare_places());
    TRY(compare_machines());
    log_line(LOG_DETAIL, "%d ranks, %d on this node; rank 0 has %d threads on %d cores; %s", current.size,
            current.node_size, current.threads, current.cores, world_build_info());
    if (cpu_better_core())
        log_line(LOG_WARNING, "OPENBLAS_CORETYPE keeps OpenBLAS at core %s; this CPU is much faster with %s",
                cpu_blas_core(), cpu_better_core());
    return STATUS_OK;
}

void world_close(void)
{
    if (!is_open)
        return;
    message_close();
    post_close();
    status_on_bug(NULL);
    is_open = false;
    WATCH_MEET(MPI_Finalize());
    log_set_rank(0);
    current.rank = current.node_rank = 0;
    current.size = current.node_size = current.even_ranks = 1;
}
