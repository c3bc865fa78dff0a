#include "io/encoder.h"

#include "comm/memory.h"
#include "io/segment.h"
#include "io/vocabulary_model.h"

#include <math.h>
#include <string.h>

/* Longer words, and those of more pieces, are left to the library. */
enum { WORD_BYTES = 36, WORD_PIECES = 8 };

/* Sets of two, the one used last first. */
enum { SETS = 1 << 15 };

/* Words of a line that are looked at: with more new ones the library is faster. */
enum { NEW_WORDS = 2 };

enum known { KNOWN_NOT, KNOWN_PIECES, KNOWN_UNFIT };

struct entry {
    char word[WORD_BYTES];
    uint8_t bytes, known, count;
    float score, lead; /* segmenter_lead() */
    int32_t ids[WORD_PIECES];
};

struct encoder {
    const struct vocabulary *vocabulary;
    bool by_words;
    struct segmenter *segmenter; /* of a unigram vocabulary, else NULL */
    struct entry *entries;       /* [SETS][2] */
    int32_t *ids;                /* of one word */
    size_t room, lines;
};

/* The names of normalisations that SentencePiece brings: what in them crosses a blank stays as it is. */
static const char *const known_rules[] = {"nmt_nfkc", "nmt_nfkc_cf", "nfkc", "nfkc_cf", "identity"};

static bool is_known(const char *rules)
{
    for (size_t i = 0; i < sizeof known_rules / sizeof *known_rules; i++)
        if (strcmp(rules, known_rules[i]) == 0)
            return true;
    return false;
}

/* Whether the tokens of a line are those of its words, one after another. */
static enum status inspect(struct encoder *encoder)
{
    const struct kind *kind;
    struct model_piece *pieces;
    size_t bytes, count;
    char rules[MODEL_RULES_BYTES];
    const void *model = vocabulary_model(encoder->vocabulary, &bytes);
    TRY(vocabulary_model_read(model, bytes, "the vocabulary", &kind, &pieces, &count));
    vocabulary_model_rules(model, bytes, rules);
    encoder->by_words = is_known(rules);
    for (size_t i = 0; i < count; i++)
        encoder->by_words &= !model_piece_crosses_words(&pieces[i]) && pieces[i].type != PIECE_USER_DEFINED &&
                             pieces[i].type != PIECE_UNUSED;
    memory_free(pieces);
    if (!encoder->by_words)
        return STATUS_OK;
    TRY(memory_new(&encoder->entries, "encoder", (size_t)2 * SETS, sizeof *encoder->entries));
    return strcmp(kind->name, "unigram") == 0
                   ? segmenter_open(&encoder->segmenter, model, bytes, "the vocabulary")
                   : STATUS_OK;
}

enum status encoder_open(struct encoder **out, const struct vocabulary *vocabulary)
{
    struct encoder *encoder = NULL;
    TRY(memory_new(&encoder, "encoder", 1, sizeof *encoder));
    encoder->vocabulary = vocabulary;
    enum status status = inspect(encoder);
    if (status != STATUS_OK) {
        encoder_close(encoder);
        return status;
    }
    *out = encoder;
    return STATUS_OK;
}

void encoder_close(struct encoder *encoder)
{
    if (!encoder)
        return;
    segmenter_close(encoder->segmenter);
    memory_free(encoder->entries);
    memory_free(encoder->ids);
    memory_free(encoder);
}

size_t encoder_from_words(const struct encoder *encoder)
{
    return encoder->lines;
}

/* ---- a word ---- */

/* FNV-1a. */
static size_t set_of(const char *word, size_t bytes)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)word[i]) * 0x100000001b3u;
    return (hash ^ hash >> 32) % SETS;
}

static bool holds(const struct entry *entry, const char *word, size_t bytes)
{
    return entry->bytes == bytes && memcmp(entry->word, word, bytes) == 0;
}

/* The word's entry; a new one takes the place of the one of its set that was not used last. */
static struct entry *find(struct encoder *encoder, const char *word, size_t bytes)
{
    struct entry *set = encoder->entries + 2 * set_of(word, bytes);
    if (holds(&set[0], word, bytes))
        return &set[0];
    if (holds(&set[1], word, bytes)) {
        struct entry found = set[1];
        set[1] = set[0];
        set[0] = found;
        return &set[0];
    }
    set[1] = (struct entry){.bytes = (uint8_t)bytes};
    memcpy(set[1].word, word, bytes);
    return &set[1];
}

/* Whether the pieces are plain text and spell the word as it is. */
static bool spells(const struct encoder *encoder, const char *word, size_t bytes, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const char *piece = vocabulary_piece(encoder->vocabulary, encoder->ids[i]);
        if (i == 0) {
            if (strncmp(piece, WORD_MARK, strlen(WORD_MARK)) != 0)
                return false;
            piece += strlen(WORD_MARK);
        }
        size_t length = strlen(piece);
        if (length > bytes - at || memcmp(piece, word + at, length) != 0)
            return false;
        at += length;
    }
    return at == bytes;
}

static enum status learn(struct encoder *encoder, struct entry *entry)
{
    size_t count;
    double score = 0, lead = INFINITY;
    bool known = true;
    entry->known = KNOWN_UNFIT;
    TRY(vocabulary_encode(
            encoder->vocabulary, entry->word, entry->bytes, &encoder->ids, &encoder->room, &count));
    if (count > WORD_PIECES || !spells(encoder, entry->word, entry->bytes, count))
        return STATUS_OK;
    if (encoder->segmenter)
        TRY(segmenter_lead(encoder->segmenter, encoder->ids, count, &score, &lead, &known));
    if (!known)
        return STATUS_OK;
    entry->known = KNOWN_PIECES;
    entry->count = (uint8_t)count;
    entry->score = (float)score;
    entry->lead = (float)lead;
    memcpy(entry->ids, encoder->ids, count * sizeof *entry->ids);
    return STATUS_OK;
}

/* ---- a line ---- */

/* A word has at most WORD_BYTES + 1 pieces, so that sums over two ways through it differ by at most twice so many
 * roundings of the sum over the line up to there. */
static bool leads(const struct entry *entry, double sum)
{
    return (double)entry->lead > 4 * WORD_BYTES * 0x1p-24 * sum;
}

/* *good: whether its words gave the line. */
static enum status encode_words(struct encoder *encoder, const char *line, size_t bytes, int32_t **ids,
        size_t *capacity, size_t *count, bool *good)
{
    const char *word = line, *last = line + bytes, *end;
    int new_words = 0;
    double sum = 0;
    *count = 0;
    for (*good = true; word <= last && *good; word = end + 1) {
        end = memchr(word, ' ', (size_t)(last - word));
        end = end ? end : last;
        *good = end > word && end - word <= WORD_BYTES;
        if (!*good)
            break;
        struct entry *entry = find(encoder, word, (size_t)(end - word));
        if (entry->known == KNOWN_NOT && new_words++ < NEW_WORDS)
            TRY(learn(encoder, entry));
        sum -= (double)entry->score;
        *good = entry->known == KNOWN_PIECES && leads(entry, sum);
        TRY(memory_grow(ids, "tokens", capacity, *count + WORD_PIECES, sizeof **ids));
        memcpy(*ids + *count, entry->ids, sizeof entry->ids);
        *count += entry->count;
    }
    return STATUS_OK;
}

enum status encoder_encode(struct encoder *encoder, const char *line, size_t bytes, int32_t **ids,
        size_t *capacity, size_t *count)
{
    bool good = encoder->by_words;
    if (good)
        TRY(encode_words(encoder, line, bytes, ids, capacity, count, &good));
    encoder->lines += good;
    return good ? STATUS_OK : vocabulary_encode(encoder->vocabulary, line, bytes, ids, capacity, count);
}
