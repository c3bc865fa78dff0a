#include "io/batch.h"

#include "comm/memory.h"

#include <string.h>

/*
 *     | head | pair numbers | offsets | offsets | ids | ids | decoder inputs | offsets | points |   each from 8 bytes on
 *                             source    target    source target               of the alignment
 */
struct head {
    size_t pairs, tokens[SIDES], longest[SIDES], stored_tokens, points;
    bool has_numbers, has_inputs, has_alignment;
};

enum { PARTS = 8 };

struct parts {
    const void *data[PARTS];
    size_t bytes[PARTS], total;
};

static size_t padded(size_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

static struct parts measure(const struct head *head, const size_t words[SIDES])
{
    const size_t width = sizeof(int32_t), target = head->tokens[TARGET];
    struct parts parts = {
            .bytes = {head->has_numbers ? head->pairs * sizeof(int64_t) : 0, (head->pairs + 1) * width,
                    (head->pairs + 1) * width, head->tokens[SOURCE] * words[SOURCE] * width,
                    head->tokens[TARGET] * words[TARGET] * width, head->has_inputs ? target * width : 0,
                    head->has_alignment ? (target + 1) * width : 0, head->points * width},
            .total = padded(sizeof *head)};
    for (int i = 0; i < PARTS; i++)
        parts.total += padded(parts.bytes[i]);
    return parts;
}

static struct head head_of(const struct batch *batch)
{
    const int32_t *offsets = batch->alignment.offsets;
    struct head head = {.pairs = batch->pairs,
            .stored_tokens = batch->stored_tokens,
            .points = offsets ? (size_t)offsets[batch->tokens[TARGET]] : 0,
            .has_numbers = batch->pair_numbers,
            .has_inputs = batch->inputs,
            .has_alignment = offsets};
    memcpy(head.tokens, batch->tokens, sizeof head.tokens);
    memcpy(head.longest, batch->longest, sizeof head.longest);
    return head;
}

enum status batch_pack(void **out, size_t *bytes, const struct batch *batch, const size_t words[SIDES])
{
    const struct head head = head_of(batch);
    const struct parts parts = measure(&head, words);
    const void *data[PARTS] = {batch->pair_numbers, batch->offsets[SOURCE], batch->offsets[TARGET],
            batch->ids[SOURCE], batch->ids[TARGET], batch->inputs, batch->alignment.offsets,
            batch->alignment.points};
    char *to = NULL;
    TRY(memory_new(&to, "batch", parts.total, 1));
    *out = to;
    *bytes = parts.total;
    memcpy(to, &head, sizeof head);
    to += padded(sizeof head);
    for (int i = 0; i < PARTS; i++) {
        if (parts.bytes[i] > 0)
            memcpy(to, data[i], parts.bytes[i]);
        to += padded(parts.bytes[i]);
    }
    return STATUS_OK;
}

enum status batch_unpack(struct batch *out, const void *packed, size_t bytes, const size_t words[SIDES])
{
    struct head head = {0};
    if (bytes >= padded(sizeof head))
        memcpy(&head, packed, sizeof head);
    struct parts parts = measure(&head, words);
    CHECK(parts.total == bytes, STATUS_INTERNAL,
            "a micro-batch of another rank: expected %zu bytes, found %zu", parts.total, bytes);
    const char *from = (const char *)packed + padded(sizeof head);
    for (int i = 0; i < PARTS; i++) {
        parts.data[i] = parts.bytes[i] > 0 ? from : NULL;
        from += padded(parts.bytes[i]);
    }
    *out = (struct batch){.pairs = head.pairs,
            .stored_tokens = head.stored_tokens,
            .offsets = {parts.data[1], parts.data[2]},
            .ids = {parts.data[3], parts.data[4]},
            .inputs = parts.data[5],
            .alignment = {parts.data[6], parts.data[7]},
            .pair_numbers = parts.data[0]};
    memcpy(out->tokens, head.tokens, sizeof head.tokens);
    memcpy(out->longest, head.longest, sizeof head.longest);
    return STATUS_OK;
}
