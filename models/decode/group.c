#include "models/decode/search.h"

#include "comm/memory.h"

#include <string.h>

/* Source tokens decoded at once, per sentence of decode.batch: bounds memory when sentences are long. */
enum { TOKENS_PER_SENTENCE = 64 };

struct group {
    const struct ensemble *ensemble;
    const struct decode_options *options;
    const struct decode_task *task;
    size_t longest;         /* tokens that every model takes */
    int32_t *batch_offsets; /* [batch + 1] */
    struct beam *beams;     /* [batch] */
};

static void group_release(struct group *group)
{
    memory_free(group->batch_offsets);
    memory_free(group->beams);
}

size_t ensemble_longest(const struct ensemble *ensemble)
{
    size_t longest = SIZE_MAX;
    for (size_t m = 0; m < ensemble->count; m++) {
        size_t own = model_longest(ensemble->models[m]);
        longest = own < longest ? own : longest;
    }
    return longest;
}

static size_t source_tokens(const struct decode_task *task, size_t sentence)
{
    return (size_t)(task->offsets[sentence + 1] - task->offsets[sentence]);
}

static enum status group_init(struct group *group)
{
    size_t batch = (size_t)group->options->batch;
    for (size_t s = 1; s < group->task->count; s++)
        ASSERT(source_tokens(group->task, s - 1) >= source_tokens(group->task, s));
    TRY(memory_new(&group->batch_offsets, "search", batch + 1, sizeof *group->batch_offsets));
    TRY(memory_new(&group->beams, "search", batch, sizeof *group->beams));
    group->longest = ensemble_longest(group->ensemble);
    return STATUS_OK;
}

/* Sentences from `first` on that are decoded together: the first is the longest. */
static size_t batch_size(const struct group *group, size_t first)
{
    size_t most = (size_t)group->options->batch, longest = source_tokens(group->task, first);
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

static enum status beam_init(struct beam *beam, const struct group *group, size_t sentence)
{
    const struct decode_task *task = group->task;
    const int32_t *prefix = task->prefix_offsets ? task->prefix_offsets + sentence : NULL;
    *beam = (struct beam){.prefix = prefix ? task->prefix_ids + prefix[0] : NULL,
            .prefix_count = prefix ? (size_t)(prefix[1] - prefix[0]) : 0,
            .number = task->numbers ? task->numbers[sentence] : (int64_t)sentence,
            .planes = model_attention(group->ensemble->models[0])};
    if (!group->options->attention)
        beam->planes.layers = beam->planes.heads = 1;
    beam->columns = attention_columns(&beam->planes, source_tokens(task, sentence));
    beam->limit = length_limit(group, source_tokens(task, sentence), beam->prefix_count);
    CHECK(beam->prefix_count <= beam->limit, STATUS_CONFIG,
            "the prefix of sentence %lld has %zu tokens, more than the model's positions "
            "(model.position_limit %zu)",
            (long long)beam->number, beam->prefix_count, group->longest);
    return STATUS_OK;
}

static enum status decode_some(struct group *group, size_t first, size_t size, struct translation *out)
{
    const int32_t *ids = group->task->ids, *offsets = group->task->offsets + first;
    for (size_t b = 0; b < size; b++)
        TRY(beam_init(&group->beams[b], group, first + b));
    for (size_t b = 0; b <= size; b++)
        group->batch_offsets[b] = offsets[b] - offsets[0];
    size_t words = source_words(&model_options(group->ensemble->models[0])->source);
    struct sentences source = sentences_make(ids + (size_t)offsets[0] * words, group->batch_offsets, size);
    TRY(search_batch(group->ensemble, group->options, &source, group->beams));
    for (size_t b = 0; b < size; b++)
        TRY(beam_translation(&group->beams[b], group->options, &out[first + b]));
    return STATUS_OK;
}

void translations_release(struct translation *translations, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        for (size_t h = 0; h < translations[s].count; h++) {
            memory_free(translations[s].items[h].ids);
            memory_free(translations[s].items[h].log_probabilities);
            memory_free(translations[s].items[h].alignment);
            memory_free(translations[s].items[h].attention);
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
