#include "train/inference/sentence_list.h"

#include "comm/memory.h"
#include "comm/world.h"

#include <string.h>

void sentence_list_clear(struct sentence_list *list)
{
    list->count = 0;
}

void sentence_list_release(struct sentence_list *list)
{
    memory_free(list->ids);
    memory_free(list->offsets);
    memory_free(list->line);
    *list = (struct sentence_list){0};
}

size_t sentence_list_tokens(const struct sentence_list *list)
{
    return list->count ? (size_t)list->offsets[list->count] : 0;
}

size_t sentence_list_words(const struct sentence_list *list)
{
    return list->words > 0 ? list->words : 1;
}

size_t sentence_list_length(const struct sentence_list *list, size_t sentence)
{
    return (size_t)(list->offsets[sentence + 1] - list->offsets[sentence]);
}

static enum status reserve(struct sentence_list *list, size_t count, size_t tokens)
{
    size_t words;
    CHECK(tokens <= INT32_MAX && size_multiply(&words, tokens, sentence_list_words(list)), STATUS_DATA,
            "%zu tokens at once; expected at most %d", tokens, INT32_MAX);
    TRY(memory_grow(&list->offsets, "sentences", &list->offset_room, count + 1, sizeof *list->offsets));
    return memory_grow(&list->ids, "sentences", &list->id_room, words, sizeof *list->ids);
}

enum status sentence_list_add_tokens(
        struct sentence_list *list, size_t words, const void *tokens, size_t count)
{
    size_t first = sentence_list_tokens(list);
    ASSERT(list->count == 0 || sentence_list_words(list) == words);
    list->words = words;
    TRY(reserve(list, list->count + 1, first + count));
    memcpy(list->ids + first * words, tokens, count * words * sizeof *list->ids);
    list->offsets[0] = 0;
    list->offsets[++list->count] = (int32_t)(first + count);
    return STATUS_OK;
}

enum status sentence_list_add(struct sentence_list *list, const struct vocabulary *vocabulary,
        const char *line, size_t bytes, enum line_form form)
{
    size_t pieces, first = sentence_list_tokens(list);
    TRY(vocabulary_encode(vocabulary, line, bytes, &list->line, &list->line_room, &pieces));
    bool ended = form == LINE_SENTENCE || (form == LINE_OR_NOTHING && pieces > 0);
    size_t length = pieces + ended;
    TRY(reserve(list, list->count + 1, first + length));
    if (pieces > 0)
        memcpy(list->ids + first, list->line, pieces * sizeof *list->ids);
    if (ended)
        list->ids[first + pieces] = TOKEN_END;
    list->offsets[0] = 0;
    list->offsets[++list->count] = (int32_t)(first + length);
    return STATUS_OK;
}

enum status sentence_list_pick(
        struct sentence_list *out, const struct sentence_list *from, const size_t *items, size_t count)
{
    size_t tokens = 0, words = sentence_list_words(from);
    out->words = words;
    for (size_t i = 0; i < count; i++)
        tokens += sentence_list_length(from, items[i]);
    TRY(reserve(out, count, tokens));
    out->offsets[0] = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = sentence_list_length(from, items[i]);
        if (length > 0)
            memcpy(out->ids + (size_t)out->offsets[i] * words,
                    from->ids + (size_t)from->offsets[items[i]] * words, length * words * sizeof *out->ids);
        out->offsets[i + 1] = out->offsets[i] + (int32_t)length;
    }
    out->count = count;
    return STATUS_OK;
}

/* The corpus counts in 64 bits from its own start. */
static enum status read_offsets(struct sentence_list *out, struct corpus *corpus, enum side side,
        size_t first, size_t count, int64_t *flat)
{
    TRY(corpus_offsets(corpus, side, first, count, flat));
    size_t tokens = (size_t)(flat[count] - flat[0]);
    out->words = corpus_words(corpus, side);
    TRY(reserve(out, count, tokens));
    for (size_t i = 0; i <= count; i++)
        out->offsets[i] = (int32_t)(flat[i] - flat[0]);
    return corpus_tokens(corpus, side, flat[0], tokens, out->ids);
}

enum status sentence_list_read(
        struct sentence_list *out, struct corpus *corpus, enum side side, size_t first, size_t count)
{
    int64_t *flat;
    TRY(memory_new(&flat, "sentences", count + 1, sizeof *flat));
    enum status status = read_offsets(out, corpus, side, first, count, flat);
    out->count = status == STATUS_OK ? count : 0;
    memory_free(flat);
    return status;
}

static size_t pair_tokens(const struct sentence_list pairs[SIDES], size_t item)
{
    return sentence_list_length(&pairs[SOURCE], item) + sentence_list_length(&pairs[TARGET], item);
}

size_t sentence_list_fitting(
        const struct sentence_list pairs[SIDES], const size_t *items, size_t count, size_t tokens)
{
    size_t size = 1, sum = pair_tokens(pairs, items[0]);
    while (size < count && (sum += pair_tokens(pairs, items[size])) <= tokens)
        size++;
    return size;
}

enum status sentence_list_batch(struct batch *out, struct sentence_list lists[SIDES],
        const struct sentence_list pairs[SIDES], const size_t *items, size_t count)
{
    *out = (struct batch){.pairs = count};
    for (enum side side = SOURCE; side < SIDES; side++) {
        TRY(sentence_list_pick(&lists[side], &pairs[side], items, count));
        out->ids[side] = lists[side].ids;
        out->offsets[side] = lists[side].offsets;
        out->tokens[side] = sentence_list_tokens(&lists[side]);
        for (size_t i = 0; i < count; i++)
            if (out->longest[side] < sentence_list_length(&lists[side], i))
                out->longest[side] = sentence_list_length(&lists[side], i);
    }
    return STATUS_OK;
}

enum status sentence_list_broadcast(struct sentence_list *list)
{
    uint64_t sizes[3] = {list->count, sentence_list_tokens(list), list->words};
    TRY(world_broadcast(sizes, sizeof sizes, 0));
    list->words = sizes[2];
    TRY(status_agree(reserve(list, sizes[0], sizes[1])));
    list->count = sizes[0];
    TRY(world_broadcast(list->offsets, (list->count + 1) * sizeof *list->offsets, 0));
    return world_broadcast(list->ids, sizes[1] * sentence_list_words(list) * sizeof *list->ids, 0);
}
