#include "io/checkpoint/internal.h"

#include "comm/clock.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/thread.h"
#include "comm/watch.h"
#include "comm/world.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/*
 *     rank r:  units -> [packer thread] -> packed -> main thread -> MPI -+
 *     rank 0:  units -> [packer thread] -> packed -> main thread ---------+-> ordered -> [writer thread] -> file
 *
 * The main thread only moves packets, whenever it calls checkpoint_progress(). Every rank sends its packets in file
 * order, so rank 0 knows from whom the next one comes. A rank that cannot pack says how many packets it has sent; what
 * is under way is taken in any case, so that nothing of a failed save is left for the next.
 */
enum { CHUNK_TAG = 7002, FAILURE_TAG = 7003, SENDS_LIMIT = 64 };

static const size_t ARRIVAL_BYTES = (size_t)32 << 20;
static const double ROUND_SECONDS = 0.2; /* of waiting, before all hear whether rank 0 gets on */

/* A packet on its way between ranks. */
struct travelling {
    struct packet *packet;
    struct world_request *request;
};

/* First in, first out. */
struct line {
    struct travelling items[SENDS_LIMIT];
    size_t first, count, bytes;
};

struct peer {
    size_t expected; /* packets still to come */
    size_t arrived;  /* that have come or are in `line` */
    struct line line;
};

struct failure {
    int64_t sent; /* packets */
    int32_t status;
    char reason[1024];
};

struct checkpointer {
    struct checkpoint_options options;
    char *folder;
    struct blocks blocks;
    struct save save;
    bool active;
    pthread_t packer, writer;
    bool packing, writing; /* threads to be joined */
    /* ranks but 0 */
    struct line sends;
    int64_t sent;
    struct failure failure;
    struct world_request *failing;
    /* rank 0 */
    struct peer *peers; /* [ranks] */
    struct unit_walk order;
    struct unit next; /* to hand to the writer */
    bool more;        /* `next` holds */
    struct packet *held;
    char good[PATH_MAX]; /* checkpoint_good(); "": none */
    uint64_t file_bytes; /* of the last file saved */
    atomic_bool written;
    enum status write_status;
    char write_reason[1024];
};

/* ---- opening ---- */

enum status checkpointer_open(
        struct checkpointer **out, const struct checkpoint_options *options, const struct blocks *blocks)
{
    struct checkpointer *c = NULL;
    enum status status = memory_new(&c, "checkpoint", 1, sizeof *c);
    if (status == STATUS_OK)
        status = memory_text(&c->folder, "checkpoint", options->folder);
    if (status == STATUS_OK)
        status = memory_new(&c->peers, "checkpoint", (size_t)world()->size, sizeof *c->peers);
    if (status == STATUS_OK && world()->rank == 0 && mkdir(options->folder, 0777) != 0 && errno != EEXIST)
        status = status_fail_errno("create", options->folder);
    status = status_agree(status);
    if (status != STATUS_OK) {
        if (c) {
            memory_free(c->peers);
            memory_free(c->folder);
        }
        memory_free(c);
        return status;
    }
    c->options = *options;
    c->options.folder = c->folder;
    c->options.good = NULL; /* the caller's */
    snprintf(c->good, sizeof c->good, "%s", options->good ? options->good : "");
    c->blocks = *blocks;
    *out = c;
    return STATUS_OK;
}

/* ---- the threads ---- */

static enum status pack_unit(const struct save *save, const struct own_unit *own, struct packet **out)
{
    const struct checkpoint_contents *contents = &save->contents;
    struct h5_array array =
            unit_dataset(own->unit.shape, &contents->planes[own->unit.plane], save->options->compression);
    struct packet *packet = NULL;
    size_t capacity = 0;
    TRY(memory_new(&packet, "checkpoint", 1, sizeof *packet));
    enum status status = h5_pack(&array, own->values, &packet->data, &capacity, &packet->bytes);
    if (status != STATUS_OK) {
        packet_free(packet);
        return status;
    }
    *out = packet;
    return STATUS_OK;
}

static void *run_packer(void *context)
{
    struct save *save = context;
    for (const struct own_unit *own; (own = snapshot_next(save));) {
        struct packet *packet = NULL;
        enum status status = pack_unit(save, own, &packet);
        snapshot_packed(save);
        if (status != STATUS_OK) {
            queue_fail(&save->packed, status);
            return NULL;
        }
        if (!queue_push(&save->packed, packet))
            return NULL;
    }
    queue_end(&save->packed);
    return NULL;
}

static void *run_writer(void *context)
{
    struct checkpointer *c = context;
    c->write_status = save_write(&c->save);
    if (c->write_status != STATUS_OK)
        snprintf(c->write_reason, sizeof c->write_reason, "%s", status_message());
    atomic_store(&c->written, true);
    return NULL;
}

/* ---- starting a save ---- */

/* How many packets come from each rank. */
static void count_peers(struct checkpointer *c)
{
    const struct checkpoint_contents *contents = &c->save.contents;
    memset(c->peers, 0, (size_t)world()->size * sizeof *c->peers);
    struct unit_walk units =
            units_start(contents->arrays, contents->array_count, contents->planes, contents->plane_count);
    struct unit unit;
    while (units_next(&units, &unit)) {
        int owner = blocks_owner(&c->blocks, unit.first, NULL);
        c->peers[owner].expected += owner != 0;
    }
    c->order = units_start(contents->arrays, contents->array_count, contents->planes, contents->plane_count);
    c->more = units_next(&c->order, &c->next);
    if (!c->more)
        queue_end(&c->save.ordered);
}

static void finish(struct checkpointer *c)
{
    if (c->packing)
        pthread_join(c->packer, NULL);
    if (c->writing)
        pthread_join(c->writer, NULL);
    packet_free(c->held);
    queue_release(&c->save.packed);
    queue_release(&c->save.ordered);
    reading_release(&c->save.reading);
    snapshot_release(&c->save);
    c->held = NULL;
    c->active = c->packing = c->writing = false;
}

/* Ends a save that cannot start on all ranks. */
static void abandon(struct checkpointer *c, enum status status)
{
    queue_fail(&c->save.packed, status);
    queue_fail(&c->save.ordered, status);
    finish(c);
}

static enum status start_threads(struct checkpointer *c)
{
    if (world()->rank == 0) {
        count_peers(c);
        TRY(thread_start(&c->writer, &c->writing, run_writer, c, "the thread that writes the checkpoint"));
    }
    return thread_start(
            &c->packer, &c->packing, run_packer, &c->save, "the thread that packs the checkpoint");
}

enum status checkpoint_save(struct checkpointer *c, const struct checkpoint_contents *contents,
        int64_t update, const struct best_list *best)
{
    if (checkpoint_wait(c) != STATUS_OK)
        log_line(LOG_WARNING, "the checkpoint before this one was not saved: %s", status_message());
    memset(&c->save, 0, sizeof c->save);
    c->save.update = update;
    c->save.file_bytes = c->file_bytes;
    if (best)
        c->save.best = *best;
    c->save.options = &c->options;
    queue_init(&c->save.packed, QUEUE_BYTES);
    queue_init(&c->save.ordered, QUEUE_BYTES);
    reading_init(&c->save.reading);
    c->sent = 0;
    memset(&c->sends, 0, sizeof c->sends);
    memset(&c->failure, 0, sizeof c->failure);
    atomic_store(&c->written, false);
    c->write_status = STATUS_OK;
    enum status status = snapshot_take(&c->save, &c->blocks, contents);
    if (status == STATUS_OK)
        status = start_threads(c);
    status = status_agree(status);
    c->active = true;
    if (status != STATUS_OK)
        abandon(c, status);
    return status;
}

void checkpoint_settle(struct checkpointer *c)
{
    enum status status = c->active ? snapshot_settle(&c->save) : STATUS_OK;
    if (status != STATUS_OK)
        queue_fail(&c->save.packed, status);
}

/* ---- moving packets: ranks but 0 ---- */

static void line_add(struct line *line, struct packet *packet, struct world_request *request)
{
    line->items[(line->first + line->count++) % SENDS_LIMIT] = (struct travelling){packet, request};
    line->bytes += packet->bytes;
}

/* The oldest packet if it has arrived, else NULL. */
static struct packet *line_take(struct line *line)
{
    struct travelling *item = &line->items[line->first];
    if (line->count == 0 || !world_send_done(&item->request))
        return NULL;
    line->first = (line->first + 1) % SENDS_LIMIT;
    line->count--;
    line->bytes -= item->packet->bytes;
    return item->packet;
}

static enum status send_packet(struct checkpointer *c, struct packet *packet)
{
    struct world_request *request;
    enum status status = world_send_start(&request, packet->data, packet->bytes, 0, CHUNK_TAG);
    if (status == STATUS_OK) {
        line_add(&c->sends, packet, request);
        c->sent++;
        return STATUS_OK;
    }
    if (request) /* MPI itself failed half-way: rank 0 cannot be told any more */
        world_abort(status);
    packet_free(packet);
    return status;
}

/* Whether all that can be sent has left. */
static bool send_packets(struct checkpointer *c)
{
    bool ended = false;
    for (struct packet *packet; (packet = line_take(&c->sends));)
        packet_free(packet);
    while (!ended && c->sends.count < SENDS_LIMIT && c->sends.bytes < QUEUE_BYTES &&
            queue_status(&c->save.packed) == STATUS_OK) {
        struct packet *packet = queue_poll(&c->save.packed, &ended);
        if (!packet)
            break;
        enum status status = send_packet(c, packet);
        if (status != STATUS_OK)
            queue_fail(&c->save.packed, status);
    }
    return (ended || queue_status(&c->save.packed) != STATUS_OK) && c->sends.count == 0;
}

static bool progress_sender(struct checkpointer *c)
{
    if (!send_packets(c))
        return false;
    enum status status = queue_status(&c->save.packed);
    if (status != STATUS_OK && c->failure.status == STATUS_OK) {
        struct failure failure = {.sent = c->sent, .status = (int32_t)status};
        snprintf(failure.reason, sizeof failure.reason, "%s", status_message());
        c->failure = failure;
        if (world_send_start(&c->failing, &c->failure, sizeof c->failure, 0, FAILURE_TAG) != STATUS_OK) {
            c->failure.status = STATUS_OK; /* the next call tries again */
            return false;
        }
    }
    return world_send_done(&c->failing);
}

/* ---- moving packets: rank 0 ---- */

static enum status start_arrival(struct peer *peer, int rank, size_t bytes)
{
    struct packet *packet = NULL;
    struct world_request *request;
    TRY(memory_new(&packet, "checkpoint", 1, sizeof *packet));
    packet->bytes = bytes;
    enum status status = memory_new(&packet->data, "checkpoint", bytes, 1);
    if (status == STATUS_OK)
        status = world_receive_start(&request, packet->data, bytes, rank, CHUNK_TAG);
    if (status != STATUS_OK) {
        packet_free(packet);
        return status;
    }
    line_add(&peer->line, packet, request);
    peer->expected--;
    peer->arrived++;
    return STATUS_OK;
}

static enum status take_failure(struct checkpointer *c, int rank)
{
    struct failure failure;
    TRY(world_receive(&failure, sizeof failure, rank, FAILURE_TAG));
    struct peer *peer = &c->peers[rank];
    peer->expected = (size_t)failure.sent - peer->arrived;
    return status_fail((enum status)failure.status, "rank %d: %s", rank, failure.reason);
}

static enum status receive_packets(struct checkpointer *c)
{
    size_t window = ARRIVAL_BYTES / (size_t)world()->size, bytes;
    for (int r = 1; r < world()->size; r++) {
        struct peer *peer = &c->peers[r];
        while (peer->expected > 0 && peer->line.count < SENDS_LIMIT &&
                (peer->line.count == 0 || peer->line.bytes < window) && world_probe(r, CHUNK_TAG, &bytes))
            TRY(start_arrival(peer, r, bytes));
        if (peer->expected > 0 && world_probe(r, FAILURE_TAG, &bytes))
            TRY(take_failure(c, r));
    }
    return STATUS_OK;
}

/* Hands the writer what comes next in file order, as far as it is there and the writer has room. */
static enum status hand_over(struct checkpointer *c)
{
    while (c->more) {
        int owner = blocks_owner(&c->blocks, c->next.first, NULL);
        bool ended;
        if (!c->held)
            c->held = owner == 0 ? queue_poll(&c->save.packed, &ended) : line_take(&c->peers[owner].line);
        if (!c->held)
            return queue_status(&c->save.packed);
        if (!queue_offer(&c->save.ordered, c->held))
            return STATUS_OK;
        c->held = NULL;
        c->more = units_next(&c->order, &c->next);
    }
    queue_end(&c->save.ordered);
    return STATUS_OK;
}

/* After a failure: takes what still comes from other ranks and drops it. */
static bool drained(struct checkpointer *c)
{
    bool all = true;
    for (int r = 1; r < world()->size; r++) {
        for (struct packet *packet; (packet = line_take(&c->peers[r].line));)
            packet_free(packet);
        all = all && c->peers[r].expected == 0 && c->peers[r].line.count == 0;
    }
    return all;
}

static bool progress_receiver(struct checkpointer *c)
{
    enum status status = receive_packets(c);
    bool failed = queue_status(&c->save.ordered) != STATUS_OK;
    if (status == STATUS_OK && !failed)
        status = hand_over(c);
    if (status != STATUS_OK && !failed) {
        queue_fail(&c->save.ordered, status);
        queue_fail(&c->save.packed, status);
        failed = true;
    }
    return (failed ? drained(c) : !c->more) && atomic_load(&c->written);
}

/* ---- progress ---- */

bool checkpoint_is_under_way(const struct checkpointer *c)
{
    return c->active;
}

bool checkpoint_is_named(const struct checkpointer *c)
{
    return c->save.named;
}

const char *checkpoint_good(const struct checkpointer *c)
{
    return c->good[0] ? c->good : NULL;
}

/* Rank 0, after a save. */
static void note_good(struct checkpointer *c)
{
    if (!c->save.named || checkpoint_name(c->good, c->folder, c->save.update) != STATUS_OK)
        return;
    c->file_bytes = c->save.file_bytes;
}

enum status checkpoint_progress(struct checkpointer *c)
{
    if (!c->active || !(world()->rank == 0 ? progress_receiver(c) : progress_sender(c)))
        return STATUS_OK;
    finish(c);
    note_good(c);
    return c->write_status == STATUS_OK ? STATUS_OK : status_fail(c->write_status, "%s", c->write_reason);
}

static enum status progress_round(struct checkpointer *c)
{
    const struct timespec pause = {.tv_nsec = 200000};
    double end = clock_now() + ROUND_SECONDS;
    enum status status = STATUS_OK;
    while (c->active && status == STATUS_OK && clock_now() < end) {
        status = checkpoint_progress(c);
        if (c->active)
            nanosleep(&pause, NULL);
    }
    return status;
}

/* Rank 0's disk beats there; the others wait for it with good reason only while it does. */
enum status checkpoint_wait(struct checkpointer *c)
{
    enum status status = STATUS_OK;
    bool active = true, writes = world()->rank == 0;
    for (int64_t beats = 0; active;) {
        if (status == STATUS_OK)
            status = progress_round(c);
        int64_t facts[] = {c->active, writes ? (int64_t)watch_beats() : 0};
        TRY(world_sum_integers(facts, 2));
        if (!writes && facts[1] != beats)
            watch_beat();
        beats = facts[1];
        active = facts[0] > 0;
    }
    return status_agree(status);
}

enum status checkpointer_close(struct checkpointer *c)
{
    if (!c)
        return STATUS_OK;
    enum status status = checkpoint_wait(c);
    memory_free(c->peers);
    memory_free(c->folder);
    memory_free(c);
    return status;
}
