#include "train/inference/spread.h"

#include "comm/memory.h"
#include "comm/world.h"

#include <stdlib.h>
#include <string.h>

/* Records back to back: bytes (size_t), then the record. */
struct results {
    uint8_t *bytes;
    size_t count, room;
};

enum status results_put(struct results *results, const void *record, size_t bytes)
{
    size_t end = results->count + sizeof bytes + bytes;
    TRY(memory_grow(&results->bytes, "results", &results->room, end, 1));
    memcpy(results->bytes + results->count, &bytes, sizeof bytes);
    if (bytes > 0)
        memcpy(results->bytes + results->count + sizeof bytes, record, bytes);
    results->count = end;
    return STATUS_OK;
}

struct place {
    size_t length, item;
};

static int longer_first(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->length != y->length)
        return x->length > y->length ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

/* Items in the order they are worked on. */
static enum status sort_windows(const struct spread *spread, size_t *order)
{
    size_t most = spread->window < spread->items ? spread->window : spread->items;
    struct place *places;
    TRY(memory_new(&places, "spread", most, sizeof *places));
    for (size_t first = 0; first < spread->items; first += spread->window) {
        size_t count = spread->items - first < most ? spread->items - first : most;
        for (size_t i = 0; i < count; i++)
            places[i] = (struct place){spread->length(spread->context, first + i), first + i};
        qsort(places, count, sizeof *places, longer_first);
        for (size_t i = 0; i < count; i++)
            order[first + i] = places[i].item;
    }
    memory_free(places);
    return STATUS_OK;
}

/* The batch that begins at `first` of the order: batches do not reach over the end of a window. */
static size_t batch_size(const struct spread *spread, size_t first)
{
    size_t window_end = (first / spread->window + 1) * spread->window;
    size_t end = window_end < spread->items ? window_end : spread->items;
    return end - first < spread->batch ? end - first : spread->batch;
}

static enum status work_own(const struct spread *spread, const size_t *order, struct results *results)
{
    size_t ranks = (size_t)world()->size, rank = (size_t)world()->rank;
    for (size_t first = 0, b = 0, size; first < spread->items; first += size, b++) {
        size = batch_size(spread, first);
        if (b % ranks == rank)
            TRY(spread->work(spread->context, order + first, size, results));
    }
    return STATUS_OK;
}

/* Rank 0 walks the batches again; next[r] is where rank r's next record begins. */
static enum status take_all(
        const struct spread *spread, const size_t *order, const uint8_t *records, size_t *next)
{
    size_t ranks = (size_t)world()->size;
    for (size_t first = 0, b = 0, size; first < spread->items; first += size, b++) {
        size = batch_size(spread, first);
        for (size_t i = 0; i < size; i++) {
            const uint8_t *record = records + next[b % ranks];
            size_t bytes;
            memcpy(&bytes, record, sizeof bytes);
            TRY(spread->take(spread->context, order[first + i], record + sizeof bytes, bytes));
            next[b % ranks] += sizeof bytes + bytes;
        }
    }
    return STATUS_OK;
}

static enum status gather(const struct spread *spread, const size_t *order, const struct results *results)
{
    size_t ranks = (size_t)world()->size, total = 0;
    size_t *bytes = NULL, *next = NULL;
    uint8_t *records = NULL;
    enum status status = memory_new(&bytes, "results", ranks, sizeof *bytes);
    if (status == STATUS_OK)
        status = memory_new(&next, "results", ranks, sizeof *next);
    if ((status = status_agree(status)) != STATUS_OK)
        goto done;
    if ((status = world_gather(&results->count, bytes, sizeof *bytes)) != STATUS_OK)
        goto done;
    for (size_t r = 0; r < ranks; r++) {
        next[r] = total;
        total += bytes[r];
    }
    status = status_agree(world()->rank == 0 ? memory_take(&records, "results", total, 1) : STATUS_OK);
    if (status == STATUS_OK)
        status = world_collect_parts(results->bytes, records, bytes);
    if (status == STATUS_OK)
        status = status_agree(world()->rank == 0 ? take_all(spread, order, records, next) : STATUS_OK);
done:
    memory_free(records);
    memory_free(next);
    memory_free(bytes);
    return status;
}

enum status spread_run(const struct spread *spread)
{
    ASSERT(spread->window > 0 && spread->batch > 0);
    struct results results = {0};
    size_t *order = NULL;
    enum status status = memory_new(&order, "spread", spread->items, sizeof *order);
    if (status == STATUS_OK)
        status = sort_windows(spread, order);
    if (status == STATUS_OK)
        status = work_own(spread, order, &results);
    status = status_agree(status);
    if (status == STATUS_OK)
        status = gather(spread, order, &results);
    memory_free(order);
    memory_free(results.bytes);
    return status;
}
