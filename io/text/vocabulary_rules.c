/*
 * The table of a model's normalisation, precompiled_charsmap: the bytes of a double array of Darts, preceded by their
 * number, then texts that each end in 0. A unit of the array is
 *
 *     bits 0-7 label   8 has a leaf   9 the offset counts in 256s   10-30 offset   31 set in leaves; bits 0-30: a text
 *
 * From a unit `at` its children stand at (at ^ offset) ^ label, its leaf at at ^ offset. The library looks at whatever
 * place that is; it is here that places past the end are found.
 */
#include "io/vocabulary_model.h"

#include "comm/memory.h"
#include "io/text/proto.h"

#include <string.h>

enum { MODEL_NORMALIZER = 3, MODEL_DENORMALIZER = 5, NORMALIZER_TABLE = 2 };
enum { LABELS = 256, TABLE_BYTES_MOST = 1 << 24 };

struct trie {
    const uint8_t *units; /* little-endian, not aligned */
    uint32_t count, text_bytes;
    uint8_t *seen;   /* [count] */
    uint32_t *stack; /* [count] places whose children are to be looked at */
    size_t depth;
};

static uint32_t unit_at(const struct trie *trie, uint32_t at)
{
    uint32_t unit;
    memcpy(&unit, trie->units + (size_t)at * sizeof unit, sizeof unit);
    return unit;
}

/* Where the children of a unit begin; false if one of them could be past the end. */
static bool reach(struct trie *trie, uint32_t at, uint32_t unit)
{
    uint32_t base = at ^ ((unit >> 10) << ((unit & 0x200) >> 6));
    if ((base | (LABELS - 1)) >= trie->count)
        return false;
    if ((unit & 0x100) && (unit_at(trie, base) & INT32_MAX) >= trie->text_bytes)
        return false;
    if (!trie->seen[base])
        trie->stack[trie->depth++] = base;
    trie->seen[base] = 1;
    return true;
}

static bool walk(struct trie *trie)
{
    bool sound = reach(trie, 0, unit_at(trie, 0));
    while (sound && trie->depth > 0) {
        uint32_t base = trie->stack[--trie->depth];
        for (uint32_t label = 0; label < LABELS && sound; label++) {
            uint32_t unit = unit_at(trie, base ^ label);
            if ((unit & (0x80000000 | (LABELS - 1))) == label)
                sound = reach(trie, base ^ label, unit);
        }
    }
    return sound;
}

static enum status check_table(bool *sound, struct proto_cursor table)
{
    size_t bytes = (size_t)(table.end - table.at);
    uint32_t units;
    *sound = bytes == 0;
    if (bytes < sizeof units || bytes > TABLE_BYTES_MOST)
        return STATUS_OK;
    memcpy(&units, table.at, sizeof units);
    bytes -= sizeof units;
    if (units >= bytes || units % sizeof(uint32_t) != 0 || units == 0)
        return STATUS_OK;
    struct trie trie = {.units = table.at + sizeof units,
            .count = (uint32_t)(units / sizeof(uint32_t)),
            .text_bytes = (uint32_t)(bytes - units)};
    TRY(memory_new(&trie.seen, "vocabulary", trie.count, 1));
    enum status status = memory_new(&trie.stack, "vocabulary", trie.count, sizeof *trie.stack);
    if (status == STATUS_OK)
        *sound = walk(&trie);
    memory_free(trie.stack);
    memory_free(trie.seen);
    return status;
}

/* Every field that may count is looked at: of several the library takes the last. */
static enum status check_rules(bool *sound, struct proto_cursor rules)
{
    struct proto_field field;
    while (*sound && rules.at < rules.end) {
        *sound = proto_next(&rules, &field);
        if (*sound && field.number == NORMALIZER_TABLE && field.body.at)
            TRY(check_table(sound, field.body));
    }
    return STATUS_OK;
}

enum status vocabulary_model_is_sound(bool *sound, const void *model, size_t bytes)
{
    struct proto_cursor cursor = {model, (const uint8_t *)model + bytes};
    struct proto_field field;
    *sound = true;
    while (*sound && cursor.at < cursor.end) {
        *sound = proto_next(&cursor, &field);
        if (*sound && (field.number == MODEL_NORMALIZER || field.number == MODEL_DENORMALIZER) &&
                field.body.at)
            TRY(check_rules(sound, field.body));
    }
    return STATUS_OK;
}
