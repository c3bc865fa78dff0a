#include "comm/world.h"

#include "comm/memory.h"
#include "comm/world_internal.h"
#include "expect.h"

#include <cblas.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check_identity(void)
{
    const struct world *w = world();
    EXPECT(w->rank == world_launch_rank() && w->size == world_launch_size());
    EXPECT(w->node_rank < w->node_size && w->node_size <= w->size);
    EXPECT(w->threads >= 1 && w->threads == omp_get_max_threads());
    EXPECT(w->cores >= 1 && strlen(w->host) > 0);
    EXPECT(strstr(world_build_info(), "MPI") != NULL);
    if (!getenv("OMP_NUM_THREADS") && w->size == w->node_size)
        EXPECT(w->threads * w->size <= (int)sysconf(_SC_NPROCESSORS_ONLN) || w->threads == 1);
}

static void check_even_ranks(void)
{
    static const struct {
        int even, hosts[6]; /* of each rank */
    } cases[] = {{2, {0, 0, 1, 1, 2, 2}}, {3, {1, 1, 1, 0, 0, 0}}, {1, {5, 4, 3, 2, 1, 0}}, {6, {0}},
            {0, {0, 0, 1, 1, 1, 1}}, {0, {0, 1, 0, 1, 2, 2}}, {0, {0, 0, 1, 2, 1, 2}},
            {0, {0, 1, 1, 0, 2, 2}}, {0, {0, 1, 2, 0, 1, 2}}, {0, {0, 0, 1, 1, 2, 3}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world_place places[6] = {0};
        for (int r = 0; r < 6; r++)
            for (int other = 0; other < 6; other++)
                if (cases[i].hosts[other] == cases[i].hosts[r]) {
                    places[r].node_size++;
                    places[r].node_rank += other < r;
                }
        EXPECT(world_even_ranks(places, 6) == cases[i].even);
    }
    EXPECT(world()->even_ranks == world()->size || world()->size != world()->node_size);
}

/* Also what makes the linker keep the BLAS library. */
static void check_blas(void)
{
    const float a[4] = {1, 2, 3, 4}, b[4] = {5, 6, 7, 8};
    float c[4];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 2, 2, 2, 1, a, 2, b, 2, 0, c, 2);
    EXPECT(c[0] == 19 && c[1] == 22 && c[2] == 43 && c[3] == 50);
    EXPECT(strstr(world_build_info(), "core") != NULL || strstr(world_build_info(), "another CBLAS") != NULL);
}

static void check_agreement(void)
{
    const struct world *w = world();
    EXPECT_OK(status_agree(STATUS_OK));
    for (int failing = 0; failing < w->size; failing++) {
        char expected[64];
        status_clear();
        enum status mine = STATUS_OK;
        if (w->rank >= failing) /* the lowest wins */
            mine = status_fail(w->rank == failing ? STATUS_DATA : STATUS_IO, "row %d is wrong", w->rank);
        EXPECT(status_agree(mine) == STATUS_DATA);
        snprintf(expected, sizeof expected, "row %d is wrong", failing);
        EXPECT(strstr(status_message(), expected) != NULL);
        snprintf(expected, sizeof expected, "rank %d on ", failing);
        EXPECT((strstr(status_message(), expected) == status_message()) == (failing > 0));
    }
}

static unsigned char byte_at(int rank, size_t i)
{
    return (unsigned char)(31 * (size_t)rank + 7 * i + i / 251);
}

static void fill(unsigned char *data, size_t bytes, int rank)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = byte_at(rank, i);
}

static int holds(const unsigned char *data, size_t bytes, int rank)
{
    for (size_t i = 0; i < bytes; i++)
        if (data[i] != byte_at(rank, i))
            return 0;
    return 1;
}

enum { BYTES = 1000 };

static void check_broadcast(void)
{
    unsigned char data[BYTES];
    for (int root = 0; root < world()->size; root++) {
        fill(data, BYTES, world()->rank);
        EXPECT_OK(world_broadcast(data, BYTES, root));
        EXPECT(holds(data, BYTES, root));
        char *text = NULL, own[32];
        snprintf(own, sizeof own, "from %d", root);
        if (world()->rank == root)
            text = own;
        EXPECT_OK(world_broadcast_text(&text, root));
        EXPECT(strcmp(text, own) == 0);
        if (world()->rank != root)
            memory_free(text);
    }
}

static void check_gather(void)
{
    const struct world *w = world();
    size_t *parts, total = 0;
    unsigned char mine[BYTES + 64], *all;
    EXPECT_OK(memory_new(&parts, "test", (size_t)w->size, sizeof *parts));
    EXPECT_OK(memory_new(&all, "test", (size_t)w->size, BYTES + 64));
    fill(mine, sizeof mine, w->rank);
    EXPECT_OK(world_gather(mine, all, BYTES));
    for (int r = 0; r < w->size; r++)
        EXPECT(holds(all + (size_t)r * BYTES, BYTES, r));
    for (int r = 0; r < w->size; r++)
        parts[r] = r % 3 == 1 ? 0 : BYTES / 2 + (size_t)r;
    EXPECT_OK(world_gather_parts(mine, all, parts));
    for (int r = 0; r < w->size; total += parts[r], r++)
        EXPECT(holds(all + total, parts[r], r));
    memset(all, 0, total);
    EXPECT_OK(world_collect_parts(mine, w->rank == 0 ? all : NULL, parts));
    size_t at = 0;
    for (int r = 0; w->rank == 0 && r < w->size; at += parts[r], r++)
        EXPECT(holds(all + at, parts[r], r));
    memory_free(parts);
    memory_free(all);
}

static void check_sums(void)
{
    enum { COUNT = 200 };
    double values[COUNT], expected[COUNT];
    for (int i = 0; i < COUNT; i++) {
        expected[i] = 0;
        for (int r = 0; r < world()->size; r++)
            expected[i] += 1.0 / (3 + r + i);
        values[i] = 1.0 / (3 + world()->rank + i);
    }
    EXPECT_OK(world_sum(values, COUNT));
    EXPECT(memcmp(values, expected, sizeof values) == 0);
    values[0] = world()->rank;
    values[COUNT - 1] = -world()->rank;
    EXPECT_OK(world_maximum(values, COUNT));
    EXPECT(values[0] == world()->size - 1 && values[COUNT - 1] == 0);
    int64_t integers[COUNT], size = world()->size;
    for (int i = 0; i < COUNT; i++)
        integers[i] = ((int64_t)1 << 40) * i + world()->rank;
    EXPECT_OK(world_sum_integers(integers, COUNT));
    for (int i = 0; i < COUNT; i++)
        EXPECT(integers[i] == ((int64_t)1 << 40) * i * size + size * (size - 1) / 2);
}

/* Everybody sends to everybody, two tags, sizes from 0; received in the order of the ranks. */
static void check_post(void)
{
    const struct world *w = world();
    static const size_t sizes[] = {0, 1, 255, 256, 257, BYTES};
    unsigned char mine[BYTES], got[BYTES];
    fill(mine, BYTES, w->rank);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct world_request *requests[2 * 64] = {NULL};
        int count = 0;
        for (int r = 0; r < w->size && w->size <= 64; r++)
            for (int tag = 5; tag < 7 && r != w->rank; tag++)
                EXPECT_OK(world_send_start(&requests[count++], mine, sizes[i], r, tag));
        for (int r = 0; r < w->size; r++)
            for (int tag = 6; tag > 4 && r != w->rank; tag--) {
                size_t bytes = BYTES + 1;
                while (tag == 6 && !world_probe(r, tag, &bytes))
                    ;
                EXPECT(tag == 5 || (world_probe(r, tag, &bytes) && bytes == sizes[i]));
                EXPECT_OK(world_receive(got, sizes[i], r, tag));
                EXPECT(holds(got, sizes[i], r));
            }
        for (int n = 0; n < count; n++)
            while (!world_send_done(&requests[n]))
                ;
    }
    size_t bytes;
    EXPECT(!world_probe((w->rank + 1) % w->size, 5, &bytes));
    EXPECT_OK(world_barrier());
}

static void check_length_error(void)
{
    const struct world *w = world();
    unsigned char data[8] = {0};
    struct world_request *request = NULL;
    if (w->rank == 0 && w->size > 1)
        EXPECT_OK(world_send_start(&request, data, 8, 1, 9));
    while (!world_send_done(&request))
        ;
    if (w->rank == 1) {
        EXPECT(world_receive(data, 7, 0, 9) == STATUS_INTERNAL);
        EXPECT(strstr(status_message(), "expected a message of 7 bytes from rank 0 (tag 9), found one of 8"));
        EXPECT_OK(world_receive(data, 8, 0, 9));
    }
}

static void check_messages(void)
{
    check_broadcast();
    check_gather();
    check_sums();
    check_post();
    check_length_error();
}

int main(int argc, char **argv)
{
    (void)argc;
    world_prepare(argv, 0);
    EXPECT(world()->size == 1 && world()->rank == 0);
    EXPECT(status_agree(STATUS_CONFIG) == STATUS_CONFIG);
    enum status status = world_open(0);
    if (status != STATUS_OK) { /* tests/cli/mixed_cores.sh looks at this */
        fprintf(stderr, "[rank %d] %s\n", world()->rank, status_message());
        world_close();
        return (int)status;
    }
    check_identity();
    check_even_ranks();
    check_blas();
    check_agreement();
    check_messages();
    static const size_t limits[] = {256, 64, 1}; /* many calls for what is one */
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        world_set_message_limit(limits[i]);
        check_messages();
    }
    world_set_message_limit((size_t)1 << 30);
    EXPECT_OK(
            status_agree(unexpected ? status_fail(STATUS_INTERNAL, "%d unexpected", unexpected) : STATUS_OK));
    world_close();
    EXPECT(memory_blocks() == 0);
    EXPECT(world()->size == 1);
    return unexpected != 0;
}
