#include "io/corpus/plan_internal.h"

#include "comm/memory.h"
#include "comm/random.h"

enum {
    CHUNK_PAIRS_MOST = 1024,
    CHUNK_BYTES = 1 << 22,
    CHUNKS_PER_SLOT = 16 /* at least, when there are pairs enough: so that slots come out even */
};

/* ---- lengths ---- */

enum status plan_read_offsets(struct plan *plan, struct corpus *corpus, size_t first, size_t count)
{
    for (int side = 0; side < SIDES; side++)
        TRY(corpus_offsets(corpus, (enum side)side, first, count, plan->offsets[side]));
    return STATUS_OK;
}

size_t plan_length(const struct plan *plan, int side, size_t i)
{
    return (size_t)(plan->offsets[side][i + 1] - plan->offsets[side][i]);
}

/* Pairs of a corpus with a sentence that no micro-batch has room for. */
struct too_long {
    size_t count;
    size_t pair, source, target; /* the first */
};

static enum status check_lengths(
        const struct plan *plan, const struct part *part, const struct too_long *found)
{
    const struct corpus_facts *facts = corpus_facts(part->corpus);
    size_t longest = facts->longest[facts->longest[SOURCE] < facts->longest[TARGET] ? TARGET : SOURCE];
    CHECK(found->count == 0, STATUS_CONFIG,
            "batch.tokens %zu: expected at least the longest sentence of %s (%zu tokens), found pair %zu of "
            "%zu with %zu source and %zu target tokens; %zu of its pairs are too long",
            plan->options.tokens, corpus_path(part->corpus), longest, found->pair + 1, part->pairs,
            found->source, found->target, found->count);
    return STATUS_OK;
}

static enum status see_lengths(struct plan *plan, const struct part *part)
{
    struct too_long found = {0};
    size_t limit = plan->options.tokens;
    for (size_t first = 0; first < part->pairs; first += LENGTH_PAIRS) {
        size_t left = part->pairs - first, count = left < LENGTH_PAIRS ? left : LENGTH_PAIRS;
        TRY(plan_read_offsets(plan, part->corpus, first, count));
        for (size_t i = 0; i < count; i++) {
            size_t source = plan_length(plan, SOURCE, i), target = plan_length(plan, TARGET, i);
            if ((source > limit || target > limit) && found.count++ == 0)
                found = (struct too_long){1, first + i, source, target};
            plan->chunk_tokens[part->first_chunk + (first + i) / plan->chunk_pairs] += source + target;
        }
    }
    return check_lengths(plan, part, &found);
}

/* ---- life ---- */

/* Frames take many times what ids do: a chunk holds about CHUNK_BYTES of them, as windows hold whole chunks. */
static double chunk_pairs_most(const struct corpora *corpora)
{
    double pairs = 0, bytes = 0;
    for (size_t i = 0; i < corpora_count(corpora); i++) {
        const struct corpus *corpus = corpora_at(corpora, i);
        pairs += (double)corpus_facts(corpus)->pairs;
        bytes += (double)corpus_facts(corpus)->tokens[SOURCE] * (double)corpus_words(corpus, SOURCE) *
                 sizeof(int32_t);
    }
    double fitting = CHUNK_BYTES * pairs / bytes;
    if (corpus_facts(corpora_at(corpora, 0))->form.kind == SOURCE_TEXT || fitting > CHUNK_PAIRS_MOST)
        return CHUNK_PAIRS_MOST;
    return fitting < 1 ? 1 : fitting;
}

/* By the pairs of an epoch. */
static size_t chunk_size(const struct corpora *corpora, int slots)
{
    double pairs = 0, least = (double)slots * CHUNKS_PER_SLOT;
    for (size_t i = 0; i < corpora_count(corpora); i++)
        pairs += corpora_weight(corpora, i) *
                 (double)(corpora_first(corpora, i + 1) - corpora_first(corpora, i));
    double size = pairs / least, most = chunk_pairs_most(corpora);
    return size < 1 ? 1 : size > most ? (size_t)most : (size_t)size;
}

/* The order in which the fraction goes round the chunks. */
static enum status make_ring(const struct plan *plan, size_t i, struct part *part)
{
    if (part->fraction == 0)
        return STATUS_OK;
    TRY(memory_new(&part->ring, "plan", part->chunk_count, sizeof *part->ring));
    for (size_t chunk = 0; chunk < part->chunk_count; chunk++)
        part->ring[chunk] = chunk;
    struct random_stream stream = random_stream(plan->options.seed, RANDOM_RING, 0, (uint32_t)i, 0);
    random_shuffle(&stream, part->ring, part->chunk_count);
    return STATUS_OK;
}

/* Returns how many chunks there are in all, and the most that an epoch can use. */
static enum status make_parts(struct plan *plan, size_t *chunks)
{
    const struct corpora *corpora = plan->corpora;
    *chunks = 0;
    for (size_t i = 0; i < plan->part_count; i++) {
        struct part *part = &plan->parts[i];
        double weight = corpora_weight(corpora, i);
        part->corpus = corpora_at(corpora, i);
        part->first = corpora_first(corpora, i);
        part->pairs = corpora_first(corpora, i + 1) - part->first;
        part->first_chunk = *chunks;
        part->chunk_count = (part->pairs + plan->chunk_pairs - 1) / plan->chunk_pairs;
        part->whole = (uint32_t)weight;
        part->fraction = weight - (double)part->whole;
        TRY(make_ring(plan, i, part));
        *chunks += part->chunk_count;
        /* A fraction can begin and end inside one chunk. */
        plan->use_room += part->whole * part->chunk_count + (part->ring ? part->chunk_count + 1 : 0);
    }
    return STATUS_OK;
}

static enum status make(struct plan *plan)
{
    size_t chunks;
    plan->part_count = corpora_count(plan->corpora);
    plan->chunk_pairs = chunk_size(plan->corpora, plan->options.slots);
    TRY(memory_new(&plan->parts, "plan", plan->part_count, sizeof *plan->parts));
    TRY(make_parts(plan, &chunks));
    TRY(memory_new(&plan->chunk_tokens, "plan", chunks, sizeof *plan->chunk_tokens));
    TRY(memory_new(&plan->uses, "plan", plan->use_room, sizeof *plan->uses));
    TRY(memory_new(&plan->dealt, "plan", plan->use_room, sizeof *plan->dealt));
    TRY(memory_new(&plan->shuffled, "plan", plan->use_room, sizeof *plan->shuffled));
    TRY(memory_new(&plan->owners, "plan", plan->use_room, sizeof *plan->owners));
    TRY(memory_new(&plan->slots, "plan", (size_t)plan->options.slots, sizeof *plan->slots));
    for (int side = 0; side < SIDES; side++)
        TRY(memory_new(&plan->offsets[side], "plan", LENGTH_PAIRS + 1, sizeof **plan->offsets));
    for (size_t i = 0; i < plan->part_count; i++)
        TRY(see_lengths(plan, &plan->parts[i]));
    return STATUS_OK;
}

enum status plan_open(struct plan **out, const struct corpora *corpora, const struct plan_options *options)
{
    struct plan *plan = NULL;
    ASSERT(options->slots > 0 && options->slots < RANDOM_SLOTS && options->tokens > 0);
    TRY(memory_new(&plan, "plan", 1, sizeof *plan));
    plan->corpora = corpora;
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
    for (int i = 0; plan->slots && i < plan->options.slots; i++)
        plan_slot_release(&plan->slots[i]);
    for (size_t i = 0; plan->parts && i < plan->part_count; i++)
        memory_free(plan->parts[i].ring);
    for (int side = 0; side < SIDES; side++)
        memory_free(plan->offsets[side]);
    memory_free(plan->parts);
    memory_free(plan->chunk_tokens);
    memory_free(plan->uses);
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

/* ---- what an epoch uses ---- */

static struct plan_run chunk_run(const struct plan *plan, const struct part *part, size_t chunk)
{
    size_t first = chunk * plan->chunk_pairs, left = part->pairs - first;
    return (struct plan_run){
            .first = part->first + first, .count = left < plan->chunk_pairs ? left : plan->chunk_pairs};
}

static void add_use(struct plan *plan, struct plan_run run, uint32_t occurrence, size_t tokens)
{
    ASSERT(plan->use_count < plan->use_room);
    run.occurrence = occurrence;
    plan->uses[plan->use_count++] = (struct use){run, tokens};
    plan->tokens += tokens;
}

/* Tokens of a part of a chunk. */
static enum status run_tokens(const struct part *part, const struct plan_run *run, size_t *tokens)
{
    *tokens = 0;
    for (enum side side = SOURCE; side < SIDES; side++) {
        int64_t from, to;
        size_t first = run->first - part->first;
        TRY(corpus_offsets(part->corpus, side, first, 0, &from));
        TRY(corpus_offsets(part->corpus, side, first + run->count, 0, &to));
        *tokens += (size_t)(to - from);
    }
    return STATUS_OK;
}

/* Uses `left` pairs of the ring from its pair `skip` on. */
static enum status use_ring(struct plan *plan, const struct part *part, size_t skip, size_t left)
{
    for (size_t i = 0; left > 0; i = (i + 1) % part->chunk_count) {
        size_t chunk = part->ring[i], tokens = plan->chunk_tokens[part->first_chunk + chunk];
        struct plan_run run = chunk_run(plan, part, chunk);
        size_t whole = run.count, passed = skip < whole ? skip : whole;
        skip -= passed;
        run.first += passed;
        run.count = whole - passed < left ? whole - passed : left;
        left -= run.count;
        if (run.count == 0)
            continue;
        if (run.count < whole)
            TRY(run_tokens(part, &run, &tokens));
        add_use(plan, run, part->whole, tokens);
    }
    return STATUS_OK;
}

static enum status list_uses(struct plan *plan)
{
    plan->use_count = plan->tokens = 0;
    for (size_t p = 0; p < plan->part_count; p++) {
        const struct part *part = &plan->parts[p];
        for (uint32_t n = 0; n < part->whole; n++)
            for (size_t chunk = 0; chunk < part->chunk_count; chunk++)
                add_use(plan, chunk_run(plan, part, chunk), n, plan->chunk_tokens[part->first_chunk + chunk]);
        double step = part->fraction * (double)part->pairs;
        size_t from = (size_t)((double)plan->epoch * step), to = (size_t)((double)(plan->epoch + 1) * step);
        size_t count = to - from < part->pairs ? to - from : part->pairs;
        TRY(use_ring(plan, part, from % part->pairs, count));
    }
    return STATUS_OK;
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

/* Each use goes to the slot with the fewest tokens so far. */
static void choose_owners(struct plan *plan, size_t *tokens)
{
    for (size_t i = 0; i < plan->use_count; i++) {
        int owner = poorest(tokens, plan->options.slots);
        plan->owners[i] = owner;
        plan->slots[owner].use_count++;
        tokens[owner] += plan->uses[plan->shuffled[i]].tokens;
    }
}

static void lay_out(struct plan *plan)
{
    size_t first = 0;
    for (int s = 0; s < plan->options.slots; s++) {
        struct slot *slot = &plan->slots[s];
        slot->uses = plan->dealt + first;
        first += slot->use_count;
    }
    for (size_t i = 0; i < plan->use_count; i++) {
        struct slot *slot = &plan->slots[plan->owners[i]];
        plan->dealt[(size_t)(slot->uses - plan->dealt) + slot->use_next++] = plan->shuffled[i];
    }
    for (int s = 0; s < plan->options.slots; s++)
        plan->slots[s].use_next = 0;
}

enum status plan_epoch(struct plan *plan, int64_t epoch)
{
    size_t *tokens = NULL;
    plan->epoch = epoch;
    TRY(list_uses(plan));
    TRY(memory_new(&tokens, "plan", (size_t)plan->options.slots, sizeof *tokens));
    for (int s = 0; s < plan->options.slots; s++) {
        struct slot *slot = &plan->slots[s];
        slot->use_count = slot->use_next = slot->batch_count = slot->batch_next = 0;
        slot->number = 0;
    }
    for (size_t i = 0; i < plan->use_count; i++)
        plan->shuffled[i] = i;
    struct random_stream stream =
            random_stream(plan->options.seed, RANDOM_SHUFFLE, (uint64_t)epoch, 0, SITE_CHUNKS);
    random_shuffle(&stream, plan->shuffled, plan->use_count);
    choose_owners(plan, tokens);
    lay_out(plan);
    memory_free(tokens);
    return STATUS_OK;
}
