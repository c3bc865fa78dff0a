#include "io/reader.h"

#include "comm/memory.h"
#include "comm/thread.h"
#include "io/corpus/reader_window.h"

#include <pthread.h>
#include <string.h>

enum { UPDATES_AHEAD = 4, REASON_BYTES = 4096 };

/* A micro-batch in the ring, with its memory. */
struct entry {
    int64_t epoch;
    bool more;
    struct batch batch;
    int32_t *ids[SIDES];
    size_t id_room[SIDES];
    int32_t *inputs;
    size_t input_room;
    int32_t *offsets[SIDES];
    int64_t *pairs;
    size_t pair_room;
    int32_t *point_offsets, *points;
    size_t point_offset_room, point_room;
};

/*
 * The ring: entries by number, each at number % capacity. The thread makes entry `made` next, the main thread takes
 * entry `taken` next; those below `released` may be overwritten.
 *
 *     released <= taken <= made <= released + capacity
 */
struct reader {
    /* of the thread alone once it runs */
    const struct corpora *corpora;
    struct plan *plan;
    struct noise *noise;    /* NULL: none */
    struct window *windows; /* of own slots */
    int first_slot, slots;
    /* shared */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct entry *ring;
    size_t capacity, made, taken, released;
    int64_t making; /* epoch that the thread is in: it has made all of the earlier ones */
    int64_t epoch;  /* of the main thread */
    bool stop;
    enum status failed;
    char reason[REASON_BYTES];
    /* of the main thread alone */
    int next_slot;
    bool *lent; /* own slots whose last batch is still borrowed */
    pthread_t thread;
    bool running;
};

/* ---- the thread: micro-batches ---- */

static enum status make_room(struct entry *entry, size_t pairs)
{
    size_t rooms[SIDES] = {entry->pair_room, entry->pair_room};
    for (int side = 0; side < SIDES; side++)
        TRY(memory_grow(&entry->offsets[side], "reader", &rooms[side], pairs + 1, sizeof **entry->offsets));
    return memory_grow(&entry->pairs, "reader", &entry->pair_room, pairs + 1, sizeof *entry->pairs);
}

/* Word dropout: in the ids of the source, in a copy of those of the target. */
static enum status drop_words(
        struct entry *entry, const struct noise *noise, enum side side, const struct plan_item *items)
{
    size_t tokens = entry->batch.tokens[side];
    int32_t *ids = entry->ids[side];
    if (side == TARGET) {
        TRY(memory_grow(&entry->inputs, "reader", &entry->input_room, tokens + 1, sizeof *entry->inputs));
        memcpy(entry->inputs, ids, tokens * sizeof *ids);
        entry->batch.inputs = ids = entry->inputs;
    }
    for (size_t i = 0; i < entry->batch.pairs; i++) {
        const int32_t *offset = entry->offsets[side] + i;
        noise_drop(noise, side, entry->epoch, &items[i], ids + offset[0], (size_t)(offset[1] - offset[0]));
    }
    return STATUS_OK;
}

static enum status fill_side(struct entry *entry, const struct window *window, struct noise *noise,
        enum side side, const struct plan_item *items, size_t count)
{
    size_t end = 0, longest = 0, words = window->words[side];
    for (size_t i = 0; i < count; i++) {
        size_t length;
        const int32_t *ids = window_sentence(window, side, &items[i], &length);
        entry->batch.stored_tokens += length;
        if (noise)
            TRY(noise_pieces(noise, side, entry->epoch, &items[i], &ids, &length));
        TRY(memory_grow(&entry->ids[side], "reader", &entry->id_room[side], (end + length) * words,
                sizeof **entry->ids));
        memcpy(entry->ids[side] + end * words, ids, length * words * sizeof *ids);
        entry->offsets[side][i] = (int32_t)end;
        end += length;
        longest = length > longest ? length : longest;
    }
    entry->offsets[side][count] = (int32_t)end;
    entry->batch.ids[side] = entry->ids[side];
    entry->batch.offsets[side] = entry->offsets[side];
    entry->batch.tokens[side] = end;
    entry->batch.longest[side] = longest;
    if (noise && count > 0 && noise_drops(noise, side))
        return drop_words(entry, noise, side, items);
    return STATUS_OK;
}

/* A point is one of two tokens that are not </s>, and comes after the one before it. */
static enum status check_point(
        const struct entry *entry, size_t i, const struct corpus_point *points, size_t at)
{
    const struct corpus_point *point = &points[at];
    const int32_t *source = entry->offsets[SOURCE] + i, *target = entry->offsets[TARGET] + i;
    bool ordered = at == 0 || point->target > point[-1].target ||
                   (point->target == point[-1].target && point->source > point[-1].source);
    CHECK(ordered && point->source >= 0 && point->source < source[1] - source[0] - 1 && point->target >= 0 &&
                    point->target < target[1] - target[0] - 1,
            STATUS_DATA,
            "data.train: alignment of pair %lld: of %d source and %d target tokens, expected points in "
            "order, found %d-%d",
            (long long)entry->pairs[i], source[1] - source[0] - 1, target[1] - target[0] - 1, point->source,
            point->target);
    return STATUS_OK;
}

/* Points of all pairs, by target token. */
static enum status fill_alignment(
        struct entry *entry, const struct window *window, const struct plan_item *items, size_t count)
{
    size_t end = 0, token = 0, points;
    TRY(memory_grow(&entry->point_offsets, "reader", &entry->point_offset_room,
            entry->batch.tokens[TARGET] + 1, sizeof *entry->point_offsets));
    for (size_t i = 0; i < count; i++) {
        const struct corpus_point *from = window_points(window, &items[i], &points);
        TRY(memory_grow(
                &entry->points, "reader", &entry->point_room, end + points + 1, sizeof *entry->points));
        for (size_t at = 0; at < points; at++) {
            TRY(check_point(entry, i, from, at));
            while (token <= (size_t)(entry->offsets[TARGET][i] + from[at].target))
                entry->point_offsets[token++] = (int32_t)end;
            entry->points[end++] = from[at].source;
        }
    }
    while (token <= entry->batch.tokens[TARGET])
        entry->point_offsets[token++] = (int32_t)end;
    entry->batch.alignment = (struct alignment){entry->point_offsets, entry->points};
    return STATUS_OK;
}

/* Fills `entry` with the next micro-batch of own slot `s`; with none if the slot is dry. */
static enum status fill(struct reader *reader, struct entry *entry, int s)
{
    const struct plan_item *items;
    size_t count;
    struct plan_window now;
    struct window *window = &reader->windows[s];
    entry->epoch = reader->making;
    TRY(plan_next(reader->plan, reader->first_slot + s, &items, &count, &entry->more));
    plan_window(reader->plan, reader->first_slot + s, &now);
    if (count > 0)
        TRY(window_load(window, reader->corpora, &now, reader->making));
    TRY(make_room(entry, count));
    entry->batch.pairs = count;
    entry->batch.stored_tokens = 0;
    entry->batch.pair_numbers = entry->pairs;
    entry->batch.alignment = (struct alignment){0};
    for (size_t i = 0; i < count; i++)
        entry->pairs[i] = items[i].pair;
    for (int side = 0; side < SIDES; side++)
        TRY(fill_side(entry, window, reader->noise, (enum side)side, items, count));
    return window->aligned && count > 0 ? fill_alignment(entry, window, items, count) : STATUS_OK;
}

/* Makes one update of own slots. *stop: the reader is being closed. */
static enum status make_update(struct reader *reader, bool *stop)
{
    for (int s = 0; s < reader->slots; s++) {
        pthread_mutex_lock(&reader->lock);
        while (!reader->stop && reader->made - reader->released == reader->capacity)
            pthread_cond_wait(&reader->changed, &reader->lock);
        *stop = reader->stop;
        struct entry *entry = &reader->ring[reader->made % reader->capacity];
        pthread_mutex_unlock(&reader->lock);
        if (*stop)
            return STATUS_OK;
        TRY(fill(reader, entry, s));
        pthread_mutex_lock(&reader->lock);
        reader->made++;
        pthread_cond_broadcast(&reader->changed);
        pthread_mutex_unlock(&reader->lock);
    }
    return STATUS_OK;
}

static bool own_more(const struct reader *reader)
{
    for (int s = 0; s < reader->slots; s++)
        if (plan_more(reader->plan, reader->first_slot + s))
            return true;
    return false;
}

/* Says that the epoch is made, and waits until the main thread is not far behind: own slots can be dry for ever. */
static bool next_epoch(struct reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    reader->making++;
    pthread_cond_broadcast(&reader->changed);
    while (!reader->stop && reader->making > reader->epoch + 1)
        pthread_cond_wait(&reader->changed, &reader->lock);
    bool stop = reader->stop;
    pthread_mutex_unlock(&reader->lock);
    return !stop;
}

static enum status make_all(struct reader *reader)
{
    bool stop = false;
    for (;;) {
        while (own_more(reader)) {
            TRY(make_update(reader, &stop));
            if (stop)
                return STATUS_OK;
        }
        if (!next_epoch(reader))
            return STATUS_OK;
        TRY(plan_epoch(reader->plan, reader->making));
    }
}

static void *work(void *argument)
{
    struct reader *reader = argument;
    enum status status = make_all(reader);
    if (status == STATUS_OK)
        return NULL;
    pthread_mutex_lock(&reader->lock);
    reader->failed = status;
    strncpy(reader->reason, status_message(), REASON_BYTES - 1);
    pthread_cond_broadcast(&reader->changed);
    pthread_mutex_unlock(&reader->lock);
    return NULL;
}

/* ---- the main thread ---- */

static enum status make(struct reader *reader, const struct plan_options *options,
        const struct noise_options *noise, int64_t done)
{
    size_t slots = (size_t)reader->slots;
    reader->capacity = slots * (UPDATES_AHEAD + 1);
    TRY(memory_new(&reader->ring, "reader", reader->capacity, sizeof *reader->ring));
    TRY(memory_new(&reader->windows, "reader", slots, sizeof *reader->windows));
    TRY(memory_new(&reader->lent, "reader", slots, sizeof *reader->lent));
    for (size_t s = 0; s < slots; s++)
        reader->windows[s].aligned = corpora_aligned(reader->corpora) && !(noise && noise->sampling > 0);
    if (noise)
        TRY(noise_open(&reader->noise, reader->corpora, noise));
    TRY(plan_open(&reader->plan, reader->corpora, options));
    TRY(plan_epoch(reader->plan, reader->epoch));
    for (int s = 0; s < reader->slots; s++)
        TRY(plan_skip(reader->plan, reader->first_slot + s, done));
    return STATUS_OK;
}

enum status reader_open(struct reader **out, const struct corpora *corpora,
        const struct plan_options *options, const struct noise_options *noise, int first_slot, int end_slot,
        int64_t epoch, int64_t done)
{
    struct reader *reader = NULL;
    ASSERT(first_slot >= 0 && first_slot < end_slot && end_slot <= options->slots);
    TRY(memory_new(&reader, "reader", 1, sizeof *reader));
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->changed, NULL);
    reader->corpora = corpora;
    reader->first_slot = first_slot;
    reader->slots = end_slot - first_slot;
    reader->epoch = reader->making = epoch;
    enum status status = make(reader, options, noise, done);
    if (status == STATUS_OK)
        status = thread_start(&reader->thread, &reader->running, work, reader, "the thread that reads ahead");
    if (status != STATUS_OK) {
        reader_close(reader);
        return status;
    }
    *out = reader;
    return STATUS_OK;
}

static void release_entry(struct entry *entry)
{
    for (int side = 0; side < SIDES; side++) {
        memory_free(entry->ids[side]);
        memory_free(entry->offsets[side]);
    }
    memory_free(entry->point_offsets);
    memory_free(entry->points);
    memory_free(entry->inputs);
    memory_free(entry->pairs);
}

void reader_close(struct reader *reader)
{
    if (!reader)
        return;
    if (reader->running) {
        pthread_mutex_lock(&reader->lock);
        reader->stop = true;
        pthread_cond_broadcast(&reader->changed);
        pthread_mutex_unlock(&reader->lock);
        pthread_join(reader->thread, NULL);
    }
    for (size_t i = 0; reader->ring && i < reader->capacity; i++)
        release_entry(&reader->ring[i]);
    for (int s = 0; reader->windows && s < reader->slots; s++)
        window_release(&reader->windows[s]);
    plan_close(reader->plan);
    noise_close(reader->noise);
    memory_free(reader->ring);
    memory_free(reader->windows);
    memory_free(reader->lent);
    pthread_cond_destroy(&reader->changed);
    pthread_mutex_destroy(&reader->lock);
    memory_free(reader);
}

/* With the lock held: waits until the next entry is there, or it is known that this epoch has none. The main thread may
 * be an epoch ahead of the thread, which has made the last entry but not yet said that its epoch ended. */
static enum status await_entry(struct reader *reader, struct entry **out)
{
    while (reader->taken == reader->made && reader->making <= reader->epoch && reader->failed == STATUS_OK)
        pthread_cond_wait(&reader->changed, &reader->lock);
    *out = NULL;
    if (reader->taken < reader->made) {
        struct entry *entry = &reader->ring[reader->taken % reader->capacity];
        if (entry->epoch == reader->epoch)
            *out = entry;
        return STATUS_OK;
    }
    if (reader->making > reader->epoch)
        return STATUS_OK;
    return status_fail(reader->failed, "%s", reader->reason);
}

enum status reader_next(struct reader *reader, struct batch *batch, bool *more)
{
    struct entry *entry;
    int s = reader->next_slot;
    memset(batch, 0, sizeof *batch);
    *more = false;
    pthread_mutex_lock(&reader->lock);
    if (reader->lent[s]) {
        reader->released++;
        pthread_cond_broadcast(&reader->changed);
    }
    enum status status = await_entry(reader, &entry);
    reader->lent[s] = entry != NULL;
    reader->taken += entry != NULL;
    pthread_mutex_unlock(&reader->lock);
    if (entry) {
        *batch = entry->batch;
        *more = entry->more;
    }
    reader->next_slot = (s + 1) % reader->slots;
    return status;
}

void reader_next_epoch(struct reader *reader)
{
    ASSERT(reader->next_slot == 0);
    pthread_mutex_lock(&reader->lock);
    ASSERT(reader->taken == reader->made ||
            reader->ring[reader->taken % reader->capacity].epoch > reader->epoch);
    reader->epoch++;
    pthread_cond_broadcast(&reader->changed);
    pthread_mutex_unlock(&reader->lock);
}
