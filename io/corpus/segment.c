#include "io/segment.h"

#include "comm/memory.h"
#include "io/vocabulary_model.h"

#include <math.h>
#include <string.h>

enum { MARK_BYTES = sizeof WORD_MARK - 1 };

struct piece {
    const char *text; /* in the model */
    uint32_t bytes;
    bool plain; /* text that may be cut and joined */
    bool starts_word;
    double score;
};

/* A word, cut into characters or pieces. */
struct word {
    char *text;
    size_t bytes, text_room;
    size_t count;                         /* of symbols */
    size_t starts[SEGMENT_WORD_MOST + 1]; /* of each symbol in `text`, and the end */
    int32_t ids[SEGMENT_WORD_MOST];       /* bpe: of each symbol; unigram: drawn, last first */
    int32_t merged[SEGMENT_WORD_MOST];    /* bpe: the piece that a symbol makes with the next one, or NONE */
    bool passed[SEGMENT_WORD_MOST];       /* bpe: over, in this step */
    double forward[SEGMENT_WORD_MOST +
                   1]; /* unigram: log of the sum over all ways to get to here; or of the best */
    double second[SEGMENT_WORD_MOST + 1]; /* of the second best */
};

struct segmenter {
    bool unigram;
    struct piece *pieces;
    size_t count, longest; /* bytes of a plain piece */
    int32_t *table;        /* ids of plain pieces by the hash of their text, NONE where free */
    size_t mask;
    struct word word;
};

struct draws {
    const struct random_stream *stream;
    uint64_t next;
    double probability, alpha;
};

enum { NONE = -1 };

/* ---- pieces by their text ---- */

/* FNV-1a, of a text that goes on. */
static const uint64_t no_text = 0xcbf29ce484222325u;
static uint64_t hash_on(uint64_t hash, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    return hash;
}

static size_t place_of(const struct segmenter *segmenter, uint64_t hash)
{
    return (hash ^ hash >> 32) & segmenter->mask;
}

/* The plain piece of this text and hash, or NONE. */
static int32_t find_hashed(const struct segmenter *segmenter, const char *text, size_t bytes, uint64_t hash)
{
    for (size_t i = place_of(segmenter, hash);; i = (i + 1) & segmenter->mask) {
        int32_t id = segmenter->table[i];
        if (id == NONE)
            return NONE;
        if (segmenter->pieces[id].bytes == bytes && memcmp(segmenter->pieces[id].text, text, bytes) == 0)
            return id;
    }
}

static int32_t find(const struct segmenter *segmenter, const char *text, size_t bytes)
{
    if (bytes > segmenter->longest)
        return NONE;
    return find_hashed(segmenter, text, bytes, hash_on(no_text, text, bytes));
}

static enum status add(struct segmenter *segmenter, const struct model_piece *from, const char *where)
{
    struct piece *piece = &segmenter->pieces[segmenter->count];
    bool marked = from->bytes >= MARK_BYTES && memcmp(from->text, WORD_MARK, MARK_BYTES) == 0;
    *piece = (struct piece){.text = from->text,
            .bytes = (uint32_t)from->bytes,
            .plain = from->type == PIECE_NORMAL,
            .starts_word = marked,
            .score = (double)from->score};
    int32_t id = (int32_t)segmenter->count++;
    if (!piece->plain)
        return STATUS_OK;
    CHECK(!model_piece_crosses_words(from), STATUS_CONFIG,
            "data.sampling expects a vocabulary whose pieces begin words or are inside them, found '%.*s' in "
            "%s",
            (int)from->bytes, from->text, where);
    segmenter->longest = from->bytes > segmenter->longest ? from->bytes : segmenter->longest;
    size_t i = place_of(segmenter, hash_on(no_text, piece->text, piece->bytes));
    while (segmenter->table[i] != NONE)
        i = (i + 1) & segmenter->mask;
    segmenter->table[i] = id;
    return STATUS_OK;
}

static enum status fill(
        struct segmenter *segmenter, const struct model_piece *pieces, size_t count, const char *where)
{
    size_t room = 1;
    while (room < 2 * count)
        room *= 2;
    TRY(memory_new(&segmenter->pieces, "segmenter", count, sizeof *segmenter->pieces));
    TRY(memory_new(&segmenter->table, "segmenter", room, sizeof *segmenter->table));
    segmenter->mask = room - 1;
    for (size_t i = 0; i < room; i++)
        segmenter->table[i] = NONE;
    for (size_t i = 0; i < count; i++)
        TRY(add(segmenter, &pieces[i], where));
    return STATUS_OK;
}

enum status segmenter_open(struct segmenter **out, const void *model, size_t bytes, const char *where)
{
    const struct kind *kind;
    struct model_piece *pieces;
    struct segmenter *segmenter = NULL;
    size_t count;
    TRY(vocabulary_model_read(model, bytes, where, &kind, &pieces, &count));
    bool bpe = strcmp(kind->name, "bpe") == 0, unigram = strcmp(kind->name, "unigram") == 0;
    enum status status = STATUS_OK;
    if (!bpe && !unigram)
        status = status_fail(STATUS_CONFIG,
                "data.sampling expects a bpe or unigram vocabulary, found the %s vocabulary of %s",
                kind->name, where);
    if (status == STATUS_OK)
        status = memory_new(&segmenter, "segmenter", 1, sizeof *segmenter);
    if (status == STATUS_OK) {
        segmenter->unigram = unigram;
        status = fill(segmenter, pieces, count, where);
    }
    memory_free(pieces);
    if (status != STATUS_OK) {
        segmenter_close(segmenter);
        return status;
    }
    *out = segmenter;
    return STATUS_OK;
}

void segmenter_close(struct segmenter *segmenter)
{
    if (!segmenter)
        return;
    memory_free(segmenter->pieces);
    memory_free(segmenter->table);
    memory_free(segmenter->word.text);
    memory_free(segmenter);
}

bool segmenter_is_unigram(const struct segmenter *segmenter)
{
    return segmenter->unigram;
}

/* ---- a word ---- */

/* Its text and characters; false if it is to keep its pieces. */
static enum status spell(struct segmenter *segmenter, const int32_t *ids, size_t count, bool *good)
{
    struct word *word = &segmenter->word;
    word->bytes = word->count = 0;
    *good = false;
    for (size_t i = 0; i < count; i++) {
        const struct piece *piece = &segmenter->pieces[ids[i]];
        if (!piece->plain)
            return STATUS_OK;
        TRY(memory_grow(&word->text, "segmenter", &word->text_room, word->bytes + piece->bytes, 1));
        memcpy(word->text + word->bytes, piece->text, piece->bytes);
        word->bytes += piece->bytes;
    }
    for (size_t i = 0; i < word->bytes; i++) {
        if (((unsigned char)word->text[i] & 0xC0) == 0x80) /* inside a character */
            continue;
        if (word->count == SEGMENT_WORD_MOST)
            return STATUS_OK;
        word->starts[word->count++] = i;
    }
    word->starts[word->count] = word->bytes;
    *good = word->count > 0;
    return STATUS_OK;
}

/* The piece from symbol `first` up to symbol `end`. */
static int32_t piece_of(const struct segmenter *segmenter, size_t first, size_t end)
{
    const size_t *starts = segmenter->word.starts;
    return find(segmenter, segmenter->word.text + starts[first], starts[end] - starts[first]);
}

static double uniform(struct draws *draws)
{
    return random_uniform(draws->stream, draws->next++);
}

/* ---- bpe ---- */

/* What symbol i makes with the next one. */
static void join(struct segmenter *segmenter, size_t i)
{
    struct word *word = &segmenter->word;
    word->merged[i] = i + 1 < word->count ? piece_of(segmenter, i, i + 2) : NONE;
}

/* The best merge that is not passed over; of equal ones the leftmost. word->count: none. */
static size_t best_merge(const struct segmenter *segmenter)
{
    const struct word *word = &segmenter->word;
    size_t best = word->count;
    for (size_t i = 0; i + 1 < word->count; i++) {
        if (word->merged[i] == NONE || word->passed[i])
            continue;
        if (best == word->count ||
                segmenter->pieces[word->merged[i]].score > segmenter->pieces[word->merged[best]].score)
            best = i;
    }
    return best;
}

static void merge(struct segmenter *segmenter, size_t i)
{
    struct word *word = &segmenter->word;
    size_t after = word->count - i - 2; /* symbols */
    word->ids[i] = word->merged[i];
    memmove(&word->ids[i + 1], &word->ids[i + 2], after * sizeof *word->ids);
    memmove(&word->merged[i + 1], &word->merged[i + 2], after * sizeof *word->merged);
    memmove(&word->starts[i + 1], &word->starts[i + 2], (after + 1) * sizeof *word->starts);
    word->count--;
    join(segmenter, i);
    if (i > 0)
        join(segmenter, i - 1);
}

/* Drawing only for merges better than the one taken gives the same chances as drawing for all. */
static bool merge_symbols(struct segmenter *segmenter, struct draws *draws)
{
    struct word *word = &segmenter->word;
    for (size_t i = 0; i < word->count; i++) {
        word->ids[i] = piece_of(segmenter, i, i + 1);
        if (word->ids[i] == NONE)
            return false;
        join(segmenter, i);
    }
    for (;;) {
        memset(word->passed, 0, word->count * sizeof *word->passed);
        size_t best = best_merge(segmenter);
        while (best < word->count && draws->probability > 0 && uniform(draws) < draws->probability) {
            word->passed[best] = true;
            best = best_merge(segmenter);
        }
        if (best == word->count)
            return true;
        merge(segmenter, best);
    }
}

/* ---- unigram ---- */

/* log(exp(a) + exp(b)) */
static double log_add(double a, double b)
{
    double more = a > b ? a : b, less = a > b ? b : a;
    return isinf(less) ? more : more + log1p(exp(less - more));
}

/* Log weight of getting to `end` by a piece from `first` on, over all ways to `first`; -INFINITY: no such piece. */
static double edge(const struct segmenter *segmenter, double alpha, size_t first, size_t end, int32_t *id)
{
    *id = piece_of(segmenter, first, end);
    return *id == NONE ? -INFINITY : segmenter->word.forward[first] + alpha * segmenter->pieces[*id].score;
}

/* How far before `end` a piece can begin. */
static size_t earliest(const struct segmenter *segmenter, size_t end)
{
    const size_t *starts = segmenter->word.starts;
    size_t first = end - 1;
    while (first > 0 && starts[end] - starts[first - 1] <= segmenter->longest)
        first--;
    return first;
}

/* One step back from `end`: draws the piece that ends there, returns where it begins. */
static size_t step_back(const struct segmenter *segmenter, struct draws *draws, size_t end, int32_t *drawn)
{
    double left = uniform(draws);
    size_t at = end;
    for (size_t first = earliest(segmenter, end); first < end && left >= 0; first++) {
        int32_t id;
        double weight = edge(segmenter, draws->alpha, first, end, &id);
        if (isinf(weight))
            continue;
        left -= exp(weight - segmenter->word.forward[end]);
        *drawn = id;
        at = first;
    }
    return at;
}

/* Draws the whole word; ids come last first and are turned round. */
static bool draw_path(struct segmenter *segmenter, struct draws *draws)
{
    struct word *word = &segmenter->word;
    size_t count = 0;
    word->forward[0] = 0;
    for (size_t end = 1; end <= word->count; end++) {
        word->forward[end] = -INFINITY;
        for (size_t first = earliest(segmenter, end); first < end; first++) {
            int32_t id;
            word->forward[end] = log_add(word->forward[end], edge(segmenter, draws->alpha, first, end, &id));
        }
    }
    if (isinf(word->forward[word->count]))
        return false;
    for (size_t end = word->count; end > 0;)
        end = step_back(segmenter, draws, end, &word->ids[count++]);
    for (size_t i = 0; i < count / 2; i++) {
        int32_t id = word->ids[i];
        word->ids[i] = word->ids[count - 1 - i];
        word->ids[count - 1 - i] = id;
    }
    word->count = count;
    return true;
}

/* A way to `end` joins the likeliest two. */
static void rank_way(struct word *word, size_t end, double way)
{
    word->second[end] = fmax(word->second[end], fmin(way, word->forward[end]));
    word->forward[end] = fmax(word->forward[end], way);
}

/* All ways on from `first`. */
static void rank_pieces(struct segmenter *segmenter, size_t first)
{
    struct word *word = &segmenter->word;
    const char *text = word->text + word->starts[first];
    uint64_t hash = no_text;
    size_t bytes = 0;
    for (size_t end = first + 1; end <= word->count; end++) {
        size_t more = word->starts[end] - word->starts[first] - bytes;
        hash = hash_on(hash, text + bytes, more);
        bytes += more;
        if (bytes > segmenter->longest)
            return;
        int32_t id = find_hashed(segmenter, text, bytes, hash);
        if (id == NONE)
            continue;
        rank_way(word, end, word->forward[first] + segmenter->pieces[id].score);
        rank_way(word, end, word->second[first] + segmenter->pieces[id].score);
    }
}

enum status segmenter_lead(struct segmenter *segmenter, const int32_t *ids, size_t count, double *score,
        double *lead, bool *known)
{
    struct word *word = &segmenter->word;
    TRY(spell(segmenter, ids, count, known));
    for (size_t i = 0; i < word->count && *known; i++)
        *known = piece_of(segmenter, i, i + 1) != NONE;
    if (!*known)
        return STATUS_OK;
    for (size_t i = 0; i <= word->count; i++)
        word->forward[i] = word->second[i] = -INFINITY;
    word->forward[0] = 0;
    for (size_t first = 0; first < word->count; first++)
        rank_pieces(segmenter, first);
    *score = word->forward[word->count];
    *lead = *score - word->second[word->count];
    return STATUS_OK;
}

/* ---- a sentence ---- */

/* Whether the word was cut anew, into word->ids. */
static enum status draw_word(
        struct segmenter *segmenter, struct draws *draws, const int32_t *ids, size_t count, bool *cut)
{
    *cut = false;
    if (segmenter->unigram && uniform(draws) >= draws->probability)
        return STATUS_OK;
    TRY(spell(segmenter, ids, count, cut));
    if (*cut)
        *cut = segmenter->unigram ? draw_path(segmenter, draws) : merge_symbols(segmenter, draws);
    return STATUS_OK;
}

enum status segmenter_draw(struct segmenter *segmenter, double probability, double alpha,
        const struct random_stream *stream, uint64_t index, const int32_t *ids, size_t count, int32_t **out,
        size_t *room, size_t *out_count)
{
    struct draws draws = {stream, index, probability, alpha};
    *out_count = 0;
    for (size_t first = 0, end; first < count; first = end) {
        bool cut;
        for (end = first + 1; end < count && !segmenter->pieces[ids[end]].starts_word;)
            end++;
        TRY(draw_word(segmenter, &draws, ids + first, end - first, &cut));
        const int32_t *chosen = cut ? segmenter->word.ids : ids + first;
        size_t chosen_count = cut ? segmenter->word.count : end - first;
        TRY(memory_grow(out, "segmenter", room, *out_count + chosen_count, sizeof **out));
        memcpy(*out + *out_count, chosen, chosen_count * sizeof *chosen);
        *out_count += chosen_count;
    }
    return STATUS_OK;
}
