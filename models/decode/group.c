#include "models/decode/search.h"

#include "comm/memory.h"

#include <stdlib.h>
#include <string.h>

/* Source tokens decoded at once, per sentence of decode.batch: bounds memory when sentences are long. */
enum { TOKENS_PER_SENTENCE = 64 };

struct place {
    int32_t length;
    uint32_t sentence;
};

static int longer_first(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->length != y->length)
        return x->length > y->length ? -1 : 1;
    return x->sentence < y->sentence ? -1 : x->sentence > y->sentence;
}

struct group {
    const struct ensemble *ensemble;
    const struct decode_options *options;
    const struct decode_task *task;
    size_t longest;         /* tokens that every model takes */
    struct place *order;    /* [sentences] longest first */
    int32_t *batch_ids;     /* packed source of a batch */
    int32_t *batch_offsets; /* [batch + 1] */
    struct beam *beams;     /* [batch] */
};

static void group_release(struct group *group)
{
    memory_free(group->order);
    memory_free(group->batch_ids);
    memory_free(group->batch_offsets);
    memory_free(group->beams);
}

static enum status group_init(struct group *group)
{
    size_t batch = (size_t)group->options->batch, count = group->task->count;
    const int32_t *offsets = group->task->offsets;
    TRY(memory_new(&group->order, "search", count, sizeof *group->order));
    TRY(memory_new(&group->batch_ids, "search", (size_t)offsets[count], sizeof *group->batch_ids));
    TRY(memory_new(&group->batch_offsets, "search", batch + 1, sizeof *group->batch_offsets));
    TRY(memory_new(&group->beams, "search", batch, sizeof *group->beams));
    for (size_t s = 0; s < count; s++)
        group->order[s] = (struct place){offsets[s + 1] - offsets[s], (uint32_t)s};
    qsort(group->order, count, sizeof *group->order, longer_first);
    group->longest = SIZE_MAX;
    for (size_t m = 0; m < group->ensemble->count; m++) {
        size_t longest = model_longest(group->ensemble->models[m]);
        group->longest = longest < group->longest ? longest : group->longest;
    }
    return STATUS_OK;
}

/* Sentences from order[first] on that are decoded together: the first is the longest. */
static size_t batch_size(const struct group *group, size_t first)
{
    size_t most = (size_t)group->options->batch, longest = (size_t)group->order[first].length;
    size_t fitting = longest > 0 ? most * TOKENS_PER_SENTENCE / longest : most;
    size_t size = fitting < most ? fitting : most, left = group->task->count - first;
    size = size > 0 ? size : 1;
    return size < left ? size : left;
}

static size_t length_limit(const struct group *group, size_t source_tokens, size_t prefix_count)
{
    double limit = group->options->max_length_ratio * (double)source_tokens +
                   (double)group->options->max_length_extra;
    size_t tokens = limit < 1 ? 1 : (size_t)limit;
    tokens = tokens > prefix_count ? tokens : prefix_count;
    return tokens < group->longest ? tokens : group->longest;
}

static enum status beam_init(struct beam *beam, const struct group *group, struct place place)
{
    const struct decode_task *task = group->task;
    const int32_t *prefix = task->prefix_offsets ? task->prefix_offsets + place.sentence : NULL;
    *beam = (struct beam){.source_tokens = (size_t)place.length,
            .prefix = prefix ? task->prefix_ids + prefix[0] : NULL,
            .prefix_count = prefix ? (size_t)(prefix[1] - prefix[0]) : 0,
            .number = task->numbers ? task->numbers[place.sentence] : (int64_t)place.sentence};
    beam->limit = length_limit(group, beam->source_tokens, beam->prefix_count);
    CHECK(beam->prefix_count <= beam->limit, STATUS_CONFIG,
            "the prefix of sentence %lld has %zu tokens, more than the model's positions "
            "(model.position_limit %zu)",
            (long long)beam->number, beam->prefix_count, group->longest);
    return STATUS_OK;
}

static enum status decode_some(struct group *group, size_t first, size_t size, struct translation *out)
{
    const struct decode_task *task = group->task;
    int32_t tokens = 0;
    for (size_t b = 0; b < size; b++) {
        struct place place = group->order[first + b];
        memcpy(group->batch_ids + tokens, task->ids + task->offsets[place.sentence],
                (size_t)place.length * sizeof *task->ids);
        group->batch_offsets[b] = tokens;
        tokens += place.length;
        TRY(beam_init(&group->beams[b], group, place));
    }
    group->batch_offsets[size] = tokens;
    struct sentences source = sentences_make(group->batch_ids, group->batch_offsets, size);
    TRY(search_batch(group->ensemble, group->options, &source, group->beams));
    for (size_t b = 0; b < size; b++)
        TRY(beam_translation(&group->beams[b], group->options, &out[group->order[first + b].sentence]));
    return STATUS_OK;
}

void translations_release(struct translation *translations, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        for (size_t h = 0; h < translations[s].count; h++) {
            memory_free(translations[s].items[h].ids);
            memory_free(translations[s].items[h].log_probabilities);
            memory_free(translations[s].items[h].alignment);
        }
        memory_free(translations[s].items);
        translations[s] = (struct translation){0};
    }
}

enum status decode_group(const struct ensemble *ensemble, const struct decode_options *options,
        const struct decode_task *task, struct translation *out)
{
    memset(out, 0, task->count * sizeof *out);
    if (task->count == 0)
        return STATUS_OK;
    struct group group = {.ensemble = ensemble, .options = options, .task = task};
    enum status status = group_init(&group);
    for (size_t first = 0; status == STATUS_OK && first < task->count;) {
        size_t size = batch_size(&group, first);
        status = decode_some(&group, first, size, out);
        first += size;
    }
    group_release(&group);
    if (status != STATUS_OK)
        translations_release(out, task->count);
    return status;
}
