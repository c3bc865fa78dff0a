#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "io/segment.h"
#include "io/vocabulary.h"
#include "io/vocabulary_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LINES = 600, DRAWS = 20000, MOST = 64 };

static char lines[LINES][160];
static const char *pointers[LINES];
static size_t sizes[LINES];

static const struct random_stream stream = {{1, 2}, {3, 4}};

static void says(const char *words)
{
    if (!strstr(status_message(), words))
        fail_msg("'%s' is not in '%s'", words, status_message());
}

struct made {
    char *model;
    size_t bytes;
    struct vocabulary *vocabulary;
    struct segmenter *segmenter;
    int32_t *stored, *drawn;
    size_t stored_room, drawn_room, stored_count, drawn_count;
};

static void learn(char **model, size_t *bytes, const char *kind, size_t size)
{
    const struct vocabulary_settings settings = {
            .kind = kind_find(&vocabulary_kinds, kind), .size = size, .coverage = 1};
    assert_int_equal(vocabulary_train(model, bytes, "joint", &settings, pointers, sizes, LINES), STATUS_OK);
}

static void make(struct made *made, const char *kind, size_t size)
{
    *made = (struct made){0};
    learn(&made->model, &made->bytes, kind, size);
    assert_int_equal(vocabulary_open(&made->vocabulary, made->model, made->bytes, "test"), STATUS_OK);
    assert_int_equal(segmenter_open(&made->segmenter, made->model, made->bytes, "test"), STATUS_OK);
}

static void release(struct made *made)
{
    segmenter_close(made->segmenter);
    vocabulary_close(made->vocabulary);
    memory_free(made->model);
    memory_free(made->stored);
    memory_free(made->drawn);
}

static void encode(struct made *made, const char *line)
{
    assert_int_equal(vocabulary_encode(made->vocabulary, line, strlen(line), &made->stored,
                             &made->stored_room, &made->stored_count),
            STATUS_OK);
}

static void draw(struct made *made, double probability, double alpha, uint64_t index)
{
    assert_int_equal(segmenter_draw(made->segmenter, probability, alpha, &stream, index, made->stored,
                             made->stored_count, &made->drawn, &made->drawn_room, &made->drawn_count),
            STATUS_OK);
}

static bool as_stored(const struct made *made)
{
    return made->drawn_count == made->stored_count &&
           memcmp(made->drawn, made->stored, made->stored_count * sizeof *made->stored) == 0;
}

static void join(const struct made *made, const int32_t *ids, size_t count, char out[1000])
{
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        strcat(out, vocabulary_piece(made->vocabulary, ids[i]));
}

/* Nothing passed over, and nothing but the likeliest: as SentencePiece encodes. */
static void test_segment__without_chance_it_is_sentencepiece(void **state)
{
    (void)state;
    static const size_t vocabulary_sizes[] = {60, 120, 300};
    for (int unigram = 0; unigram < 2; unigram++)
        for (size_t n = 0; n < 3; n++) {
            struct made made;
            make(&made, unigram ? "unigram" : "bpe", vocabulary_sizes[n]);
            assert_true(segmenter_is_unigram(made.segmenter) == unigram);
            for (size_t i = 0; i < LINES; i++) {
                encode(&made, lines[i]);
                draw(&made, unigram, 1e7, 0);
                if (!as_stored(&made))
                    fail_msg("'%s' is cut otherwise", lines[i]);
            }
            release(&made);
        }
}

static void test_segment__the_text_stays(void **state)
{
    (void)state;
    for (int unigram = 0; unigram < 2; unigram++) {
        struct made made;
        size_t others = 0;
        char before[1000], after[1000];
        make(&made, unigram ? "unigram" : "bpe", 200);
        for (size_t i = 0; i < LINES; i++) {
            encode(&made, lines[i]);
            draw(&made, unigram ? 1 : 0.2, 0.1, i << 24);
            others += !as_stored(&made);
            join(&made, made.stored, made.stored_count, before);
            join(&made, made.drawn, made.drawn_count, after);
            assert_string_equal(before, after);
        }
        assert_true(others > LINES / 2);
        /* The same numbers, the same pieces; no probability, no change; all merges passed over: characters. */
        int32_t again[MOST];
        size_t count = made.drawn_count;
        assert_true(count <= MOST);
        memcpy(again, made.drawn, count * sizeof *again);
        draw(&made, unigram ? 1 : 0.2, 0.1, (uint64_t)(LINES - 1) << 24);
        assert_int_equal(made.drawn_count, count);
        assert_memory_equal(again, made.drawn, count * sizeof *again);
        draw(&made, 0, 0.1, 5);
        assert_true(as_stored(&made));
        draw(&made, 1, 0.001, 5);
        assert_true(unigram || made.drawn_count >= strlen(after) / 2);
        release(&made);
    }
}

/* ---- chances, against a plain walk through all ways ---- */

struct way {
    double weight;
    size_t count;
    int32_t ids[MOST];
};

static size_t ways_of(const struct made *made, const struct model_piece *pieces, size_t piece_count,
        double alpha, const char *text, struct way *now, struct way *out, size_t found)
{
    (void)made;
    if (!*text) {
        out[found] = *now;
        out[found].weight = exp(now->weight);
        return found + 1;
    }
    for (size_t id = TOKEN_FIRST_PIECE; id < piece_count; id++) {
        if (pieces[id].bytes > strlen(text) || memcmp(pieces[id].text, text, pieces[id].bytes) != 0)
            continue;
        now->ids[now->count++] = (int32_t)id;
        now->weight += alpha * (double)pieces[id].score;
        found = ways_of(made, pieces, piece_count, alpha, text + pieces[id].bytes, now, out, found);
        now->weight -= alpha * (double)pieces[id].score;
        now->count--;
    }
    return found;
}

static void test_segment__unigram_draws_all_ways_by_their_weight(void **state)
{
    (void)state;
    static struct way ways[4096];
    static size_t counts[4096];
    const double alpha = 0.3, probability = 0.8;
    struct made made;
    struct way now = {0};
    const struct kind *kind;
    struct model_piece *pieces;
    size_t piece_count, stored = 0;
    char word[1000];
    make(&made, "unigram", 200);
    assert_int_equal(
            vocabulary_model_read(made.model, made.bytes, "test", &kind, &pieces, &piece_count), STATUS_OK);
    assert_int_equal(piece_count, vocabulary_pieces(made.vocabulary));
    assert_string_equal(kind->name, "unigram");
    encode(&made, "Haus");
    join(&made, made.stored, made.stored_count, word);
    size_t count = ways_of(&made, pieces, piece_count, alpha, word, &now, ways, 0);
    assert_in_range(count, 3, 4096);
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += ways[i].weight;
    memset(counts, 0, sizeof counts);
    for (uint64_t n = 0; n < DRAWS; n++) {
        draw(&made, probability, alpha, n << 24);
        size_t i = 0;
        while (i < count && (ways[i].count != made.drawn_count ||
                                    memcmp(ways[i].ids, made.drawn, made.drawn_count * sizeof(int32_t)) != 0))
            i++;
        assert_true(i < count);
        counts[i]++;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_stored = ways[i].count == made.stored_count &&
                         memcmp(ways[i].ids, made.stored, made.stored_count * sizeof(int32_t)) == 0;
        double expected = probability * ways[i].weight / sum + (is_stored ? 1 - probability : 0);
        double spread = sqrt(DRAWS * expected * (1 - expected));
        stored += is_stored;
        assert_true(fabs((double)counts[i] - DRAWS * expected) < 5 * spread + 3);
    }
    assert_int_equal(stored, 1);
    memory_free(pieces);
    release(&made);
}

/* Algorithm 1 of the paper to the letter: each step draws for every merge there is. Returns the pieces. */
static size_t plain_dropout(const struct model_piece *pieces, size_t piece_count, double probability,
        const char *word, const struct random_stream *numbers, uint64_t *next)
{
    char symbols[MOST][32];
    size_t count = 0;
    for (; *word; word++) {
        if (((unsigned char)*word & 0xC0) != 0x80)
            symbols[count++][0] = '\0';
        size_t bytes = strlen(symbols[count - 1]);
        symbols[count - 1][bytes] = *word;
        symbols[count - 1][bytes + 1] = '\0';
    }
    for (;;) {
        size_t best = count;
        float best_score = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            char both[64];
            snprintf(both, sizeof both, "%.31s%.31s", symbols[i], symbols[i + 1]);
            size_t id = TOKEN_FIRST_PIECE;
            while (id < piece_count &&
                    (pieces[id].bytes != strlen(both) || memcmp(pieces[id].text, both, strlen(both)) != 0))
                id++;
            if (id == piece_count || random_uniform(numbers, (*next)++) < probability)
                continue;
            if (best == count || pieces[id].score > best_score) {
                best = i;
                best_score = pieces[id].score;
            }
        }
        if (best == count)
            return count;
        char both[64];
        snprintf(both, sizeof both, "%.31s%.31s", symbols[best], symbols[best + 1]);
        memcpy(symbols[best], both, sizeof symbols[best]);
        memmove(symbols[best + 1], symbols[best + 2], (count - best - 2) * sizeof symbols[0]);
        count--;
    }
}

static void test_segment__bpe_dropout_is_that_of_the_paper(void **state)
{
    (void)state;
    enum { REPEATS = 4000 };
    struct made made;
    const struct kind *kind;
    struct model_piece *pieces;
    size_t piece_count;
    char word[1000];
    make(&made, "bpe", 200);
    assert_int_equal(
            vocabulary_model_read(made.model, made.bytes, "test", &kind, &pieces, &piece_count), STATUS_OK);
    encode(&made, "zwanzigSchnee");
    join(&made, made.stored, made.stored_count, word);
    for (double probability = 0.1; probability < 1; probability += 0.4) {
        double ours[MOST] = {0}, theirs[MOST] = {0};
        uint64_t next = 0;
        struct random_stream numbers = random_stream(5, RANDOM_TEST, 0, 0, 0);
        for (uint64_t n = 0; n < REPEATS; n++) {
            draw(&made, probability, 0, n << 24);
            ours[made.drawn_count]++;
            theirs[plain_dropout(pieces, piece_count, probability, word, &numbers, &next)]++;
        }
        for (int i = 0; i < MOST; i++)
            assert_true(fabs(ours[i] - theirs[i]) < 5 * sqrt(ours[i] + theirs[i]) + 3);
    }
    memory_free(pieces);
    release(&made);
}

static void test_segment__a_word_with_an_unknown_letter_keeps_its_pieces(void **state)
{
    (void)state;
    for (int unigram = 0; unigram < 2; unigram++) {
        struct made made;
        make(&made, unigram ? "unigram" : "bpe", 200);
        encode(&made, "Sch\xE6\xBC\xA2nee");
        size_t unknown = 0;
        for (size_t i = 0; i < made.stored_count; i++)
            unknown += made.stored[i] == TOKEN_UNKNOWN;
        assert_int_equal(unknown, 1);
        for (uint64_t n = 0; n < 50; n++) {
            draw(&made, 1, 0.01, n << 24);
            assert_true(as_stored(&made));
        }
        /* So does one that is too long to be cut. */
        char long_word[SEGMENT_WORD_MOST * 2 + 1];
        for (size_t i = 0; i + 1 < sizeof long_word; i++)
            long_word[i] = "zwanzig"[i % 7];
        long_word[sizeof long_word - 1] = '\0';
        encode(&made, long_word);
        draw(&made, 1, 0.01, 0);
        assert_true(as_stored(&made));
        long_word[SEGMENT_WORD_MOST - 2] = '\0';
        encode(&made, long_word);
        draw(&made, 1, 0.01, 0);
        assert_false(as_stored(&made));
        release(&made);
    }
}

static void test_segment__what_cannot_be_cut_is_refused(void **state)
{
    (void)state;
    static const char *const kinds[] = {"word", "char"};
    struct segmenter *segmenter;
    for (int k = 0; k < 2; k++) {
        char *model, words[100];
        size_t bytes;
        learn(&model, &bytes, kinds[k], 60);
        assert_int_equal(segmenter_open(&segmenter, model, bytes, "some.h5"), STATUS_CONFIG);
        snprintf(words, sizeof words,
                "data.sampling expects a bpe or unigram vocabulary, found the %s vocabulary of some.h5",
                kinds[k]);
        says(words);
        memory_free(model);
    }
    /* A piece across words: the letters of "aben" become a letter and a mark. */
    struct made made;
    make(&made, "bpe", 200);
    char *at = memmem(made.model, made.bytes, "aben", 4);
    assert_non_null(at);
    memcpy(at + 1, "\xE2\x96\x81", 3);
    assert_int_equal(segmenter_open(&segmenter, made.model, made.bytes, "some.h5"), STATUS_CONFIG);
    says("begin words or are inside them, found '");
    release(&made);
    segmenter_close(NULL);
}

static void test_segment__a_cut_model_is_refused(void **state)
{
    (void)state;
    struct made made;
    const struct kind *kind;
    struct model_piece *pieces;
    size_t count;
    make(&made, "bpe", 60);
    for (size_t bytes = 0; bytes < made.bytes; bytes++) {
        char *copy; /* of its own size: reading past it is seen */
        assert_int_equal(memory_new(&copy, "test", bytes + 1, 1), STATUS_OK);
        memcpy(copy, made.model, bytes);
        enum status status = vocabulary_model_read(copy, bytes, "cut.model", &kind, &pieces, &count);
        assert_true(status == STATUS_OK || status == STATUS_DATA);
        assert_true(bytes > 2 || status == STATUS_DATA);
        memory_free(pieces);
        memory_free(copy);
    }
    assert_int_equal(
            vocabulary_model_read("no model at all", 15, "some.txt", &kind, &pieces, &count), STATUS_DATA);
    says("some.txt: expected a SentencePiece model, found 15 other bytes");
    release(&made);
}

static int setup(void **state)
{
    (void)state;
    static const char *const words[] = {"Haus", "haben", "einen", "Baum", "gr\xC3\xBCn", "und", "Schnee",
            "f\xC3\xA4llt", "leise", "zwanzig"};
    static const char *const parts[] = {"ver", "ab", "ste", "hen", "licht", "keit", "ung", "wor", "tes", "ge",
            "ma", "cht", "bar",
            "\xC3\xBC"
            "ber",
            "schaf", "ten"};
    for (unsigned i = 0; i < LINES; i++) {
        uint32_t draws[4];
        random_block(&stream, i, draws);
        snprintf(lines[i], sizeof lines[i], "%s %s%s %u%s, %s%s%s%s %s%s%s", words[i % 10],
                words[i / 10 % 10], words[i * 7 / 3 % 10], i * i % 97, words[i / 7 % 10],
                parts[draws[0] % 16], parts[draws[0] / 16 % 16], parts[draws[1] % 16],
                parts[draws[1] / 16 % 16], parts[draws[2] % 16], parts[draws[2] / 16 % 16],
                parts[draws[3] % 16]);
        pointers[i] = lines[i];
        sizes[i] = strlen(lines[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return memory_blocks() == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_segment__without_chance_it_is_sentencepiece),
            cmocka_unit_test(test_segment__the_text_stays),
            cmocka_unit_test(test_segment__unigram_draws_all_ways_by_their_weight),
            cmocka_unit_test(test_segment__bpe_dropout_is_that_of_the_paper),
            cmocka_unit_test(test_segment__a_word_with_an_unknown_letter_keeps_its_pieces),
            cmocka_unit_test(test_segment__what_cannot_be_cut_is_refused),
            cmocka_unit_test(test_segment__a_cut_model_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
