#include "train/inference/translation_record.h"

#include "comm/memory.h"

#include <string.h>

struct header {
    uint64_t ids, log_probabilities, alignment, attention; /* values of each; 0: there is no such array */
    uint64_t ended;
    double log_probability, score;
};

static struct header header_of(const struct hypothesis *hypothesis, size_t source_tokens)
{
    size_t rows = hypothesis->count + 1;
    return (struct header){
            .ids = hypothesis->count,
            .log_probabilities = hypothesis->log_probabilities ? rows : 0,
            .alignment = hypothesis->alignment ? rows * source_tokens : 0,
            .attention = hypothesis->attention ? hypothesis->attention_count : 0,
            .ended = hypothesis->ended,
            .log_probability = hypothesis->log_probability,
            .score = hypothesis->score,
    };
}

static size_t packed_bytes(const struct translation *translation, size_t source_tokens)
{
    size_t bytes = sizeof(uint64_t);
    for (size_t i = 0; i < translation->count; i++) {
        struct header header = header_of(&translation->items[i], source_tokens);
        bytes += sizeof header + header.ids * sizeof(int32_t) +
                 (header.log_probabilities + header.alignment + header.attention) * sizeof(float);
    }
    return bytes;
}

static uint8_t *put(uint8_t *at, const void *from, size_t bytes)
{
    if (bytes > 0)
        memcpy(at, from, bytes);
    return at + bytes;
}

static uint8_t *put_hypothesis(uint8_t *at, const struct hypothesis *hypothesis, size_t source_tokens)
{
    struct header header = header_of(hypothesis, source_tokens);
    at = put(at, &header, sizeof header);
    at = put(at, hypothesis->ids, header.ids * sizeof(int32_t));
    at = put(at, hypothesis->log_probabilities, header.log_probabilities * sizeof(float));
    at = put(at, hypothesis->alignment, header.alignment * sizeof(float));
    return put(at, hypothesis->attention, header.attention * sizeof(float));
}

enum status translation_pack(
        void *out, size_t *bytes, const struct translation *translation, size_t source_tokens)
{
    uint8_t *record;
    *bytes = packed_bytes(translation, source_tokens);
    TRY(memory_new(&record, "translations", *bytes, 1));
    *(void **)out = record;
    uint64_t count = translation->count;
    uint8_t *at = put(record, &count, sizeof count);
    for (size_t i = 0; i < count; i++)
        at = put_hypothesis(at, &translation->items[i], source_tokens);
    return STATUS_OK;
}

/* The next `bytes` as an array of its own; NULL if there are none. */
static enum status get_array(void *out, const uint8_t **at, size_t bytes)
{
    if (bytes > 0)
        TRY(memory_copy(out, "translations", *at, bytes));
    *at += bytes;
    return STATUS_OK;
}

static enum status get_hypothesis(struct hypothesis *out, const uint8_t **at)
{
    struct header header;
    memcpy(&header, *at, sizeof header);
    *at += sizeof header;
    out->count = header.ids;
    out->log_probability = header.log_probability;
    out->score = header.score;
    out->ended = header.ended;
    TRY(get_array(&out->ids, at, header.ids * sizeof(int32_t)));
    TRY(get_array(&out->log_probabilities, at, header.log_probabilities * sizeof(float)));
    TRY(get_array(&out->alignment, at, header.alignment * sizeof(float)));
    out->attention_count = header.attention;
    return get_array(&out->attention, at, header.attention * sizeof(float));
}

enum status translation_unpack(struct translation *out, const void *record)
{
    const uint8_t *at = record;
    uint64_t count;
    *out = (struct translation){0};
    memcpy(&count, at, sizeof count);
    at += sizeof count;
    TRY(memory_new(&out->items, "translations", count, sizeof *out->items));
    out->count = count;
    for (size_t i = 0; i < count; i++)
        TRY(get_hypothesis(&out->items[i], &at));
    return STATUS_OK;
}
