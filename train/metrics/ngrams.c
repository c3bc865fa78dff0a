/*
 * n-grams in a trie: a node for each n-gram of the reference, its children found through one hash table of
 * (node, symbol). Keys are compared whole, so no two n-grams are ever taken for one another.
 *
 *     root --a--> "a" --b--> "a b" --c--> "a b c"          a word is the node of its characters
 */
#include "train/metrics/internal.h"

#include <string.h>

struct trie {
    uint64_t *keys;  /* [node] parent << 32 | symbol */
    int32_t *counts; /* [node] */
    uint32_t *slots; /* [mask + 1] node, or 0: free */
    size_t mask, used;
};

enum { ROOT = 0 };

/* For at most `most` nodes besides the root. */
static enum status trie_open(struct trie *out, struct arena *arena, size_t most)
{
    size_t slots = 16;
    CHECK(most < INT32_MAX / 2, STATUS_DATA, "a line of %zu n-grams; expected at most %d", most,
            INT32_MAX / 2);
    while (slots < 2 * most)
        slots *= 2;
    *out = (struct trie){.keys = arena_take(arena, most + 1, sizeof *out->keys),
            .counts = arena_take_zeroed(arena, most + 1, sizeof *out->counts),
            .slots = arena_take_zeroed(arena, slots, sizeof *out->slots),
            .mask = slots - 1,
            .used = 1};
    return arena_status(arena);
}

/* The slot that holds the child, or that it would take. */
static uint32_t *find_slot(const struct trie *trie, uint64_t key)
{
    uint64_t hash = key * 0x9E3779B97F4A7C15U;
    size_t slot = (size_t)(hash ^ hash >> 32) & trie->mask;
    while (trie->slots[slot] != 0 && trie->keys[trie->slots[slot]] != key)
        slot = (slot + 1) & trie->mask;
    return &trie->slots[slot];
}

/* ROOT: there is none. */
static uint32_t child(const struct trie *trie, uint32_t node, uint32_t symbol)
{
    return *find_slot(trie, (uint64_t)node << 32 | symbol);
}

static uint32_t add_child(struct trie *trie, uint32_t node, uint32_t symbol)
{
    uint64_t key = (uint64_t)node << 32 | symbol;
    uint32_t *slot = find_slot(trie, key);
    if (*slot == 0) {
        *slot = (uint32_t)trie->used++;
        trie->keys[*slot] = key;
    }
    return *slot;
}

/* ---- words ---- */

static uint32_t word_id(const struct trie *trie, const struct words *words, struct span word)
{
    uint32_t node = ROOT;
    for (size_t i = 0; i < word.count; i++) {
        node = child(trie, node, words->text->items[word.first + i]);
        if (node == ROOT)
            return SYMBOL_NONE;
    }
    return node;
}

static uint32_t add_word(struct trie *trie, const struct words *words, struct span word)
{
    uint32_t node = ROOT;
    for (size_t i = 0; i < word.count; i++)
        node = add_child(trie, node, words->text->items[word.first + i]);
    return node;
}

enum status words_number(struct symbols *hypothesis, struct symbols *reference, struct arena *arena,
        const struct words *hypothesis_words, const struct words *reference_words)
{
    struct trie trie;
    TRY(trie_open(&trie, arena, reference_words->text->count));
    *hypothesis = (struct symbols){
            arena_take(arena, hypothesis_words->count, sizeof(uint32_t)), hypothesis_words->count};
    *reference = (struct symbols){
            arena_take(arena, reference_words->count, sizeof(uint32_t)), reference_words->count};
    TRY(arena_status(arena));
    for (size_t i = 0; i < reference->count; i++)
        reference->items[i] = add_word(&trie, reference_words, reference_words->items[i]);
    for (size_t i = 0; i < hypothesis->count; i++)
        hypothesis->items[i] = word_id(&trie, hypothesis_words, hypothesis_words->items[i]);
    return STATUS_OK;
}

/* ---- n-grams ---- */

static int64_t ngrams_of(const struct symbols *text, size_t order)
{
    return text->count < order ? 0 : (int64_t)(text->count - order + 1);
}

static void add_ngrams(struct trie *trie, size_t orders, const struct symbols *text)
{
    for (size_t i = 0; i < text->count; i++) {
        uint32_t node = ROOT;
        for (size_t n = 0; n < orders && i + n < text->count; n++) {
            node = add_child(trie, node, text->items[i + n]);
            trie->counts[node]++;
        }
    }
}

/* Each n-gram that is found is used up. */
static void match_ngrams(
        struct ngram_counts *out, struct trie *trie, size_t orders, const struct symbols *text)
{
    for (size_t i = 0; i < text->count; i++) {
        uint32_t node = ROOT;
        for (size_t n = 0; n < orders && i + n < text->count; n++) {
            node = child(trie, node, text->items[i + n]);
            if (node == ROOT)
                break;
            if (trie->counts[node] > 0) {
                trie->counts[node]--;
                out[n].matches++;
            }
        }
    }
}

enum status ngrams_count(struct ngram_counts *out, size_t orders, struct arena *arena,
        const struct symbols *hypothesis, const struct symbols *reference)
{
    struct trie trie;
    size_t most;
    CHECK(size_multiply(&most, orders, reference->count), STATUS_DATA, "a line of %zu symbols is too long",
            reference->count);
    TRY(trie_open(&trie, arena, most));
    for (size_t n = 0; n < orders; n++)
        out[n] = (struct ngram_counts){ngrams_of(hypothesis, n + 1), ngrams_of(reference, n + 1), 0};
    add_ngrams(&trie, orders, reference);
    match_ngrams(out, &trie, orders, hypothesis);
    return STATUS_OK;
}
