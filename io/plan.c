#include "io/plan.h"

#include "comm/memory.h"
#include "comm/random.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_PAIRS_MOST = 1024,
    CHUNKS_PER_SLOT = 16,  /* at least, when there are pairs enough: so that slots come out even */
    WINDOW_BATCHES = 32,   /* micro-batches in a window, roughly: enough to find sentences of equal length */
    LENGTH_PAIRS = 1 << 14 /* whose lengths are read at once */
};

/* Sites of random_stream(): the epoch's chunks, then for each window its pairs and its micro-batches. */
enum { SITE_CHUNKS = 0, SITE_WINDOWS = 1, SITES_PER_WINDOW = 2 };

/* A pair in a window. */
struct item {
    int64_t pair;
    uint32_t lengths[SIDES];
    uint32_t place; /* after the shuffle: the last sorting key */
};

struct slot {
    const size_t *chunks; /* dealt to it, in order */
    size_t chunk_count, chunk_next;
    /* the window */
    int64_t number;
    struct plan_run *runs;
    size_t run_count, run_room;
    struct item *items; /* sorted */
    int64_t *pairs;     /* the items' pairs */
    size_t item_count, item_room;
    size_t *starts; /* of micro-batches among the items, and one more */
    size_t *order;  /* in which they are given */
    size_t batch_count, batch_room, batch_next;
};

struct plan {
    struct corpus *corpus;
    struct plan_options options;
    size_t pairs, chunk_pairs, chunk_count, tokens;
    size_t *chunk_tokens; /* both sides */
    int64_t epoch;
    size_t *dealt;    /* chunks, slot by slot */
    size_t *shuffled; /* chunks as the epoch draws them */
    int *owners;      /* slot of shuffled[i] */
    int64_t *offsets[SIDES];
    struct slot *slots;
};

/* ---- lengths ---- */

/* Offsets of pairs [first, first + count), count <= LENGTH_PAIRS, into plan->offsets. */
static enum status read_offsets(struct plan *plan, size_t first, size_t count)
{
    for (int side = 0; side < SIDES; side++)
        TRY(corpus_offsets(plan->corpus, (enum side)side, first, count, plan->offsets[side]));
    return STATUS_OK;
}

static size_t length_of(const struct plan *plan, int side, size_t i)
{
    return (size_t)(plan->offsets[side][i + 1] - plan->offsets[side][i]);
}

static enum status see_lengths(struct plan *plan)
{
    const struct corpus_facts *facts = corpus_facts(plan->corpus);
    size_t limit = plan->options.tokens;
    size_t longest = facts->longest[facts->longest[SOURCE] < facts->longest[TARGET] ? TARGET : SOURCE];
    for (size_t first = 0; first < plan->pairs; first += LENGTH_PAIRS) {
        size_t left = plan->pairs - first, count = left < LENGTH_PAIRS ? left : LENGTH_PAIRS;
        TRY(read_offsets(plan, first, count));
        for (size_t i = 0; i < count; i++) {
            size_t source = length_of(plan, SOURCE, i), target = length_of(plan, TARGET, i);
            CHECK(source <= limit && target <= limit, STATUS_CONFIG,
                    "batch.tokens %zu: expected at least the longest sentence of %s (%zu tokens), found pair "
                    "%zu "
                    "of %zu with %zu source and %zu target tokens",
                    limit, corpus_path(plan->corpus), longest, first + i + 1, plan->pairs, source, target);
            plan->chunk_tokens[(first + i) / plan->chunk_pairs] += source + target;
            plan->tokens += source + target;
        }
    }
    return STATUS_OK;
}

/* ---- life ---- */

static size_t chunk_size(size_t pairs, int slots)
{
    size_t size = pairs / ((size_t)slots * CHUNKS_PER_SLOT);
    return size < 1 ? 1 : size > CHUNK_PAIRS_MOST ? CHUNK_PAIRS_MOST : size;
}

static enum status make(struct plan *plan)
{
    plan->pairs = corpus_facts(plan->corpus)->pairs;
    plan->chunk_pairs = chunk_size(plan->pairs, plan->options.slots);
    plan->chunk_count = (plan->pairs + plan->chunk_pairs - 1) / plan->chunk_pairs;
    TRY(memory_new(&plan->chunk_tokens, "plan", plan->chunk_count, sizeof *plan->chunk_tokens));
    TRY(memory_new(&plan->dealt, "plan", plan->chunk_count, sizeof *plan->dealt));
    TRY(memory_new(&plan->shuffled, "plan", plan->chunk_count, sizeof *plan->shuffled));
    TRY(memory_new(&plan->owners, "plan", plan->chunk_count, sizeof *plan->owners));
    TRY(memory_new(&plan->slots, "plan", (size_t)plan->options.slots, sizeof *plan->slots));
    for (int side = 0; side < SIDES; side++)
        TRY(memory_new(&plan->offsets[side], "plan", LENGTH_PAIRS + 1, sizeof **plan->offsets));
    return see_lengths(plan);
}

enum status plan_open(struct plan **out, struct corpus *corpus, const struct plan_options *options)
{
    struct plan *plan = NULL;
    ASSERT(options->slots > 0 && options->slots < RANDOM_SLOTS && options->tokens > 0);
    TRY(memory_new(&plan, "plan", 1, sizeof *plan));
    plan->corpus = corpus;
    plan->options = *options;
    enum status status = make(plan);
    if (status == STATUS_OK)
        status = plan_epoch(plan, 0);
    if (status != STATUS_OK) {
        plan_close(plan);
        return status;
    }
    *out = plan;
    return STATUS_OK;
}

void plan_close(struct plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; plan->slots && i < plan->options.slots; i++) {
        struct slot *slot = &plan->slots[i];
        memory_free(slot->runs);
        memory_free(slot->items);
        memory_free(slot->pairs);
        memory_free(slot->starts);
        memory_free(slot->order);
    }
    for (int side = 0; side < SIDES; side++)
        memory_free(plan->offsets[side]);
    memory_free(plan->chunk_tokens);
    memory_free(plan->dealt);
    memory_free(plan->shuffled);
    memory_free(plan->owners);
    memory_free(plan->slots);
    memory_free(plan);
}

size_t plan_epoch_tokens(const struct plan *plan)
{
    return plan->tokens;
}

/* ---- dealing ---- */

static int poorest(const size_t *tokens, int slots)
{
    int best = 0;
    for (int i = 1; i < slots; i++)
        if (tokens[i] < tokens[best])
            best = i;
    return best;
}

/* Each chunk goes to the slot with the fewest tokens so far. */
static void choose_owners(struct plan *plan, size_t *tokens)
{
    for (size_t i = 0; i < plan->chunk_count; i++) {
        int owner = poorest(tokens, plan->options.slots);
        plan->owners[i] = owner;
        plan->slots[owner].chunk_count++;
        tokens[owner] += plan->chunk_tokens[plan->shuffled[i]];
    }
}

static void lay_out(struct plan *plan)
{
    size_t first = 0;
    for (int s = 0; s < plan->options.slots; s++) {
        struct slot *slot = &plan->slots[s];
        slot->chunks = plan->dealt + first;
        first += slot->chunk_count;
    }
    for (size_t i = 0; i < plan->chunk_count; i++) {
        struct slot *slot = &plan->slots[plan->owners[i]];
        plan->dealt[(size_t)(slot->chunks - plan->dealt) + slot->chunk_next++] = plan->shuffled[i];
    }
    for (int s = 0; s < plan->options.slots; s++)
        plan->slots[s].chunk_next = 0;
}

enum status plan_epoch(struct plan *plan, int64_t epoch)
{
    size_t *tokens = NULL;
    TRY(memory_new(&tokens, "plan", (size_t)plan->options.slots, sizeof *tokens));
    plan->epoch = epoch;
    for (int s = 0; s < plan->options.slots; s++) {
        struct slot *slot = &plan->slots[s];
        slot->chunk_count = slot->chunk_next = slot->batch_count = slot->batch_next = 0;
        slot->number = 0;
    }
    for (size_t i = 0; i < plan->chunk_count; i++)
        plan->shuffled[i] = i;
    struct random_stream stream =
            random_stream(plan->options.seed, RANDOM_SHUFFLE, (uint64_t)epoch, 0, SITE_CHUNKS);
    random_shuffle(&stream, plan->shuffled, plan->chunk_count);
    choose_owners(plan, tokens);
    lay_out(plan);
    memory_free(tokens);
    return STATUS_OK;
}

/* ---- windows ---- */

/* Draws chunks until the window is full or the slot is empty. */
static enum status draw_runs(struct plan *plan, struct slot *slot)
{
    size_t tokens = 0, wanted = plan->options.tokens * SIDES * WINDOW_BATCHES;
    slot->run_count = slot->item_count = 0;
    while (slot->chunk_next < slot->chunk_count && tokens < wanted) {
        size_t chunk = slot->chunks[slot->chunk_next++], first = chunk * plan->chunk_pairs;
        size_t left = plan->pairs - first, count = left < plan->chunk_pairs ? left : plan->chunk_pairs;
        TRY(memory_grow(&slot->runs, "plan", &slot->run_room, slot->run_count + 1, sizeof *slot->runs));
        slot->runs[slot->run_count++] = (struct plan_run){first, count};
        slot->item_count += count;
        tokens += plan->chunk_tokens[chunk];
    }
    return STATUS_OK;
}

static enum status load_items(struct plan *plan, struct slot *slot)
{
    size_t room = slot->item_room, n = 0;
    TRY(memory_grow(&slot->items, "plan", &room, slot->item_count, sizeof *slot->items));
    TRY(memory_grow(&slot->pairs, "plan", &slot->item_room, slot->item_count, sizeof *slot->pairs));
    for (size_t r = 0; r < slot->run_count; r++) {
        TRY(read_offsets(plan, slot->runs[r].first, slot->runs[r].count));
        for (size_t i = 0; i < slot->runs[r].count; i++, n++) {
            slot->items[n].pair = (int64_t)(slot->runs[r].first + i);
            for (int side = 0; side < SIDES; side++)
                slot->items[n].lengths[side] = (uint32_t)length_of(plan, side, i);
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
        slot->pairs[i] = slot->items[i].pair;
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
    return slot->batch_next < slot->batch_count || slot->chunk_next < slot->chunk_count;
}

enum status plan_next(struct plan *plan, int slot_number, const int64_t **pairs, size_t *count, bool *more)
{
    struct slot *slot = &plan->slots[slot_number];
    *pairs = NULL;
    *count = 0;
    *more = false;
    if (!plan_more(plan, slot_number))
        return STATUS_OK;
    if (slot->batch_next == slot->batch_count)
        TRY(load_window(plan, slot));
    size_t batch = slot->order[slot->batch_next++];
    *pairs = slot->pairs + slot->starts[batch];
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
    const int64_t *pairs;
    size_t count = 1;
    bool more;
    for (int64_t i = 0; i < updates && count > 0; i++)
        TRY(plan_next(plan, slot, &pairs, &count, &more));
    return STATUS_OK;
}
