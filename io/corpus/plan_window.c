#include "io/corpus/plan_internal.h"

#include "comm/memory.h"
#include "comm/random.h"

#include <stdlib.h>

enum {
    WINDOW_BATCHES = 32,   /* micro-batches in a window, roughly: enough to find sentences of equal length */
    WINDOW_WORDS = 1 << 22 /* of frames, roughly */
};

/* Of both sides. Frames take many times what ids do: of wide ones a window holds fewer. */
static size_t window_tokens(const struct plan *plan)
{
    size_t batch = plan->options.tokens * SIDES, wanted = batch * WINDOW_BATCHES;
    size_t fitting = WINDOW_WORDS / corpus_words(corpora_at(plan->corpora, 0), SOURCE);
    if (corpus_facts(corpora_at(plan->corpora, 0))->form.kind == SOURCE_TEXT || fitting > wanted)
        return wanted;
    return fitting > batch ? fitting : batch;
}

/* Draws chunks until the window is full or the slot is empty. */
static enum status draw_runs(struct plan *plan, struct slot *slot)
{
    size_t tokens = 0, wanted = window_tokens(plan);
    slot->run_count = slot->item_count = 0;
    while (slot->use_next < slot->use_count && tokens < wanted) {
        const struct use *use = &plan->uses[slot->uses[slot->use_next++]];
        TRY(memory_grow(&slot->runs, "plan", &slot->run_room, slot->run_count + 1, sizeof *slot->runs));
        slot->runs[slot->run_count++] = use->run;
        slot->item_count += use->run.count;
        tokens += use->tokens;
    }
    return STATUS_OK;
}

static enum status load_items(struct plan *plan, struct slot *slot)
{
    size_t room = slot->item_room, n = 0;
    TRY(memory_grow(&slot->items, "plan", &room, slot->item_count, sizeof *slot->items));
    TRY(memory_grow(&slot->given, "plan", &slot->item_room, slot->item_count, sizeof *slot->given));
    for (size_t r = 0; r < slot->run_count; r++) {
        const struct plan_run *run = &slot->runs[r];
        size_t within;
        struct corpus *corpus = corpora_of(plan->corpora, run->first, &within);
        TRY(plan_read_offsets(plan, corpus, within, run->count));
        for (size_t i = 0; i < run->count; i++, n++) {
            slot->items[n].given =
                    (struct plan_item){(int64_t)(run->first + i), run->occurrence, (uint32_t)r};
            for (int side = 0; side < SIDES; side++)
                slot->items[n].lengths[side] = (uint32_t)plan_length(plan, side, i);
        }
    }
    return STATUS_OK;
}

static struct random_stream window_stream(const struct plan *plan, const struct slot *slot, uint32_t site)
{
    uint32_t number = (uint32_t)(slot - plan->slots);
    return random_stream(plan->options.seed, RANDOM_SHUFFLE, (uint64_t)plan->epoch, number,
            SITE_WINDOWS + SITES_PER_WINDOW * (uint32_t)slot->number + site);
}

static int compare(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    for (int side = TARGET; side >= SOURCE; side--)
        if (a->lengths[side] != b->lengths[side])
            return a->lengths[side] < b->lengths[side] ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* Shuffles, then sorts by length; equal lengths stay shuffled. `places` has room for all items. */
static void sort_items(const struct plan *plan, struct slot *slot, size_t *places)
{
    struct random_stream stream = window_stream(plan, slot, 0);
    for (size_t i = 0; i < slot->item_count; i++)
        places[i] = i;
    random_shuffle(&stream, places, slot->item_count);
    for (size_t i = 0; i < slot->item_count; i++)
        slot->items[i].place = (uint32_t)places[i];
    qsort(slot->items, slot->item_count, sizeof *slot->items, compare);
    for (size_t i = 0; i < slot->item_count; i++)
        slot->given[i] = slot->items[i].given;
}

/* Cuts where a further pair would pass the limit on either side. */
static enum status cut(const struct plan *plan, struct slot *slot)
{
    size_t tokens[SIDES] = {
            plan->options.tokens, plan->options.tokens}; /* full: the first pair starts a batch */
    slot->batch_count = slot->batch_next = 0;
    for (size_t i = 0; i < slot->item_count; i++) {
        const uint32_t *lengths = slot->items[i].lengths;
        if (tokens[SOURCE] + lengths[SOURCE] > plan->options.tokens ||
                tokens[TARGET] + lengths[TARGET] > plan->options.tokens) {
            size_t room = slot->batch_room;
            TRY(memory_grow(&slot->starts, "plan", &room, slot->batch_count + 2, sizeof *slot->starts));
            TRY(memory_grow(
                    &slot->order, "plan", &slot->batch_room, slot->batch_count + 2, sizeof *slot->order));
            slot->order[slot->batch_count] = slot->batch_count;
            slot->starts[slot->batch_count++] = i;
            tokens[SOURCE] = tokens[TARGET] = 0;
        }
        tokens[SOURCE] += lengths[SOURCE];
        tokens[TARGET] += lengths[TARGET];
    }
    slot->starts[slot->batch_count] = slot->item_count;
    return STATUS_OK;
}

/* The next window, of a slot that has chunks left. */
static enum status load_window(struct plan *plan, struct slot *slot)
{
    size_t *places = NULL;
    TRY(draw_runs(plan, slot));
    TRY(load_items(plan, slot));
    TRY(memory_new(&places, "plan", slot->item_count, sizeof *places));
    sort_items(plan, slot, places);
    memory_free(places);
    TRY(cut(plan, slot));
    struct random_stream stream = window_stream(plan, slot, 1);
    random_shuffle(&stream, slot->order, slot->batch_count);
    slot->number++;
    return STATUS_OK;
}

bool plan_more(const struct plan *plan, int slot_number)
{
    const struct slot *slot = &plan->slots[slot_number];
    return slot->batch_next < slot->batch_count || slot->use_next < slot->use_count;
}

enum status plan_next(
        struct plan *plan, int slot_number, const struct plan_item **items, size_t *count, bool *more)
{
    struct slot *slot = &plan->slots[slot_number];
    *items = NULL;
    *count = 0;
    *more = false;
    if (!plan_more(plan, slot_number))
        return STATUS_OK;
    if (slot->batch_next == slot->batch_count)
        TRY(load_window(plan, slot));
    size_t batch = slot->order[slot->batch_next++];
    *items = slot->given + slot->starts[batch];
    *count = slot->starts[batch + 1] - slot->starts[batch];
    *more = plan_more(plan, slot_number);
    return STATUS_OK;
}

void plan_window(const struct plan *plan, int slot_number, struct plan_window *out)
{
    const struct slot *slot = &plan->slots[slot_number];
    *out = (struct plan_window){slot->number, slot->run_count, slot->runs};
}

enum status plan_skip(struct plan *plan, int slot, int64_t updates)
{
    const struct plan_item *items;
    size_t count = 1;
    bool more;
    for (int64_t i = 0; i < updates && count > 0; i++)
        TRY(plan_next(plan, slot, &items, &count, &more));
    return STATUS_OK;
}

void plan_slot_release(struct slot *slot)
{
    memory_free(slot->runs);
    memory_free(slot->items);
    memory_free(slot->given);
    memory_free(slot->starts);
    memory_free(slot->order);
}
