#include "io/checkpoint/internal.h"

#include "comm/memory.h"

#include <string.h>

void reading_init(struct reading *reading)
{
    *reading = (struct reading){0};
    pthread_mutex_init(&reading->lock, NULL);
    pthread_cond_init(&reading->changed, NULL);
}

void reading_release(struct reading *reading)
{
    pthread_cond_destroy(&reading->changed);
    pthread_mutex_destroy(&reading->lock);
}

/* ---- the packer ---- */

const struct own_unit *snapshot_next(struct save *save)
{
    struct reading *reading = &save->reading;
    pthread_mutex_lock(&reading->lock);
    reading->packing = reading->next < save->unit_count;
    const struct own_unit *own = reading->packing ? &save->units[reading->next++] : NULL;
    pthread_mutex_unlock(&reading->lock);
    return own;
}

void snapshot_packed(struct save *save)
{
    struct reading *reading = &save->reading;
    pthread_mutex_lock(&reading->lock);
    reading->packing = false;
    pthread_cond_broadcast(&reading->changed);
    pthread_mutex_unlock(&reading->lock);
}

/* ---- who changes the values ---- */

/* The pages of the copy are new, and take longer to get than values to copy: threads share that. */
static enum status copy_from(struct save *save, size_t first)
{
    if (first == save->unit_count || save->settled)
        return STATUS_OK;
    size_t before = save->units[first].place;
    TRY(memory_take(&save->settled, "checkpoint", save->place_floats - before, sizeof *save->settled));
#pragma omp parallel for schedule(dynamic)
    for (size_t i = first; i < save->unit_count; i++) {
        struct own_unit *own = &save->units[i];
        if (!own->in_place)
            continue;
        float *to = save->settled + own->place - before;
        memcpy(to, own->values, own->unit.count * sizeof *to);
        own->values = to;
    }
    return STATUS_OK;
}

/* The packer ends its unit meanwhile, and begins none as long as the lock is held: later ones are copies. */
enum status snapshot_settle(struct save *save)
{
    struct reading *reading = &save->reading;
    pthread_mutex_lock(&reading->lock);
    size_t next = reading->next;
    enum status status = copy_from(save, next);
    if (status != STATUS_OK)
        save->unit_count = next;
    while (reading->packing && reading->next == next)
        pthread_cond_wait(&reading->changed, &reading->lock);
    pthread_mutex_unlock(&reading->lock);
    return status;
}
