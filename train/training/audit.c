#include "train/training/audit.h"

#include "comm/fault.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/watch.h"
#include "comm/world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { TRIALS_MOST = 4 };
#define SUSPECTS "suspects.txt"

void audit_open(struct audit *out, struct trainer *trainer)
{
    *out = (struct audit){.trainer = trainer};
}

/* ---- whose turn it is ---- */

/* Audits so far, this one counted; 0: none is due. */
static int64_t turn(const struct audit *audit)
{
    int64_t every = audit->trainer->config->comm.verify_every, update = audit->trainer->state.update + 1;
    return every > 0 && update % every == 0 ? update / every : 0;
}

static int slot_count(const struct audit *audit)
{
    return (int)audit->trainer->config->batch.micro_batches;
}

static int slot_of(const struct audit *audit)
{
    return (int)(turn(audit) % slot_count(audit));
}

static int rank_of(const struct audit *audit, int slot)
{
    int rank = 0;
    while (exchange_first_slot(slot_count(audit), world()->size, rank + 1) <= slot)
        rank++;
    return rank;
}

/* Each time all slots had their turn, the next of the other ranks is the second. */
static int second_of(const struct audit *audit, int first)
{
    int others = world()->size - 1;
    int round = others > 0 ? (int)(turn(audit) / slot_count(audit) % others) : 0;
    return others > 0 ? (first + 1 + round) % world()->size : first;
}

bool audit_is_due(const struct audit *audit, int slot)
{
    return turn(audit) > 0 && slot == slot_of(audit);
}

/* ---- computing ---- */

/* The lowest bit of the mantissa. */
static void flip(enum fault_site site, float *value)
{
    uint32_t bits;
    if (!fault_fires(site))
        return;
    memcpy(&bits, value, sizeof bits);
    bits ^= 1;
    memcpy(value, &bits, sizeof bits);
}

static size_t floats_of(const struct audit *audit)
{
    return model_parameters(audit->trainer->model)->floats;
}

static uint32_t crc_of(const struct audit *audit, const struct loss *loss, float *gradient)
{
    flip(FAULT_FLIP, gradient);
    uLong crc = crc32_z(0, (const Bytef *)&loss->objective, sizeof loss->objective);
    return (uint32_t)crc32_z(crc, (const Bytef *)gradient, floats_of(audit) * sizeof *gradient);
}

void audit_note(struct audit *audit, const struct batch *batch, const struct loss *loss, float *gradient)
{
    audit->noted = true;
    audit->batch = *batch;
    audit->crc = crc_of(audit, loss, gradient);
}

static enum status compute(const struct audit *audit, const struct batch *batch, uint32_t *crc)
{
    float *gradient = NULL;
    struct loss loss;
    TRY(memory_new(&gradient, "audit", floats_of(audit), sizeof *gradient));
    struct pass pass = trainer_pass(audit->trainer, slot_of(audit), gradient);
    enum status status = model_loss(audit->trainer->model, batch, &pass, &loss);
    if (status == STATUS_OK)
        *crc = crc_of(audit, &loss, gradient);
    memory_free(gradient);
    watch_beat();
    return status;
}

/* ---- the verdict ---- */

static int votes(const struct audit_trial *trials, int count, uint32_t crc)
{
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += trials[i].crc == crc;
    return sum;
}

int audit_odd_rank(const struct audit_trial *trials, int count)
{
    int odd = -1;
    bool decided = false;
    for (int i = 0; i < count; i++) {
        bool right = 2 * votes(trials, count, trials[i].crc) > count;
        decided = decided || right;
        if (!right && odd < 0)
            odd = trials[i].rank;
    }
    return decided ? odd : -1;
}

/* What is wrong, as far as the trials tell: they differ. */
static void describe(char *out, size_t bytes, const struct audit_trial *trials, int count, const char *what)
{
    char host[sizeof world()->host];
    int odd = audit_odd_rank(trials, count), other = 1;
    memcpy(host, world()->host, sizeof host);
    while (trials[other].crc == trials[0].crc)
        other++;
    if (odd < 0)
        snprintf(out, bytes, "ranks %d and %d have different %s, and which of them errs cannot be told",
                trials[0].rank, trials[other].rank, what);
    else if (world_broadcast(host, sizeof host, odd) == STATUS_OK)
        snprintf(out, bytes, "rank %d on %s has other %s than %s", odd, host, what,
                world()->size > 1 ? "the others" : "when it computed them again");
}

/* Whether the run has had a suspect before; this one is written down. Rank 0. */
static bool suspect_again(struct run_directory *run, const char *line)
{
    bool again = access(run_file(run, SUSPECTS), F_OK) == 0;
    if (run_write(run, SUSPECTS, line) != STATUS_OK)
        log_line(LOG_WARNING, "%s", status_message());
    return again;
}

static enum status judge(
        const struct audit *audit, const struct audit_trial *trials, int count, const char *what)
{
    char found[256] = "", line[320];
    struct run_directory *run = audit->trainer->run;
    long long update = audit->trainer->state.update + 1;
    describe(found, sizeof found, trials, count, what);
    snprintf(line, sizeof line, "update %lld: %s\n", update, found);
    uint8_t again = world()->rank == 0 && suspect_again(run, line);
    TRY(world_broadcast(&again, sizeof again, 0));
    if (again)
        return status_fail(STATUS_INTERNAL,
                "update %lld: %s, and %s/" SUSPECTS
                " told of another time: a processor or memory errs; go on without that host, and remove the "
                "file to have this taken for the first time",
                update, found, run_path(run));
    return status_fail(STATUS_HUNG,
            "update %lld: %s: a processor or memory errs; nothing of this update is saved, the same command "
            "goes on from the last checkpoint",
            update, found);
}

/* ---- both audits ---- */

static enum status check_parameters(const struct audit *audit)
{
    struct audit_trial mine = {.rank = world()->rank}, *all = NULL;
    float *values = model_parameters(audit->trainer->model)->values;
    flip(FAULT_DRIFT, values);
    mine.crc = (uint32_t)crc32_z(0, (const Bytef *)values, floats_of(audit) * sizeof *values);
    TRY(status_agree(memory_new(&all, "audit", (size_t)world()->size, sizeof *all)));
    enum status status = world_gather(&mine, all, sizeof mine);
    if (status == STATUS_OK && votes(all, world()->size, all[0].crc) < world()->size)
        status = judge(audit, all, world()->size, "parameters");
    memory_free(all);
    return status;
}

static int third_of(int first, int second)
{
    int rank = 0;
    while (rank == first || rank == second)
        rank++;
    return rank;
}

/* Adds what `rank` computes from the batch; all agree. */
static enum status try_rank(const struct audit *audit, const struct batch *batch, struct audit_trial *trials,
        int *count, int rank)
{
    struct audit_trial *trial = &trials[(*count)++];
    *trial = (struct audit_trial){.rank = rank};
    TRY(status_agree(world()->rank == rank ? compute(audit, batch, &trial->crc) : STATUS_OK));
    return world_broadcast(&trial->crc, sizeof trial->crc, rank);
}

static enum status check_batch(const struct audit *audit, const struct batch *batch, int first)
{
    struct audit_trial trials[TRIALS_MOST] = {{first, audit->crc}};
    int count = 1, ranks = world()->size, second = second_of(audit, first);
    TRY(world_broadcast(&trials[0].crc, sizeof trials[0].crc, first));
    TRY(try_rank(audit, batch, trials, &count, second));
    if (trials[0].crc == trials[1].crc)
        return STATUS_OK;
    if (ranks > 2)
        TRY(try_rank(audit, batch, trials, &count, third_of(first, second)));
    for (int rank = 0; ranks <= 2 && rank < ranks; rank++)
        TRY(try_rank(audit, batch, trials, &count, rank));
    return judge(audit, trials, count, "gradients of a micro-batch");
}

/* The slot's rank gives its micro-batch to all: any of them may have to compute it. *bytes 0: it has none to give. */
static enum status share_batch(
        const struct audit *audit, int first, const size_t words[SIDES], void **packed, uint64_t *bytes)
{
    enum status status = STATUS_OK;
    size_t length = 0;
    if (world()->rank == first && audit->noted)
        status = batch_pack(packed, &length, &audit->batch, words);
    *bytes = length;
    TRY(status_agree(status));
    TRY(world_broadcast(bytes, sizeof *bytes, first));
    if (world()->rank != first && *bytes > 0)
        status = memory_new(packed, "batch", *bytes, 1);
    TRY(status_agree(status));
    return *bytes > 0 ? world_broadcast(*packed, *bytes, first) : STATUS_OK;
}

static enum status check_slot(const struct audit *audit)
{
    const struct corpus *corpus = audit->trainer->corpus;
    const size_t words[SIDES] = {corpus_words(corpus, SOURCE), corpus_words(corpus, TARGET)};
    int first = rank_of(audit, slot_of(audit));
    void *packed = NULL;
    uint64_t bytes;
    struct batch batch;
    enum status status = share_batch(audit, first, words, &packed, &bytes);
    if (status == STATUS_OK && bytes > 0) {
        status = status_agree(batch_unpack(&batch, packed, bytes, words));
        if (status == STATUS_OK)
            status = check_batch(audit, &batch, first);
    }
    memory_free(packed);
    return status;
}

enum status audit_check(struct audit *audit)
{
    if (turn(audit) == 0)
        return STATUS_OK;
    enum status status = check_parameters(audit);
    if (status == STATUS_OK)
        status = check_slot(audit);
    audit->noted = false;
    return status;
}
