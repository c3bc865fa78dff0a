#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "comm/random.h"
#include "io/encoder.h"

#include <stdio.h>
#include <string.h>

enum { LEARNED = 600, LINES = 20000, LINE_BYTES = 1 << 16 };

static const struct random_stream stream = {{5, 6}, {7, 8}};
static uint64_t drawn;

static size_t draw(size_t count)
{
    return (size_t)(random_uniform(&stream, drawn++) * (double)count);
}

/* Words of equal letters have several likeliest segmentations, between which roundings decide. */
static const char *const plain[] = {"the", "houses", "house", "stand", "near", "1000", "2000", "aaaa",
        "aaaaaaa", "banana", "......", "--", "Häuser", "größere", "lalala", "lalalala", "ababab", "x", "abc",
        "cab,", "(the)", "0.0000"};

/* Whose normalisation is not themselves, or whose neighbours count; what no vocabulary knows. */
static const char *const odd[] = {"e\xCC\x81", "\xCC\x81", "\xCC\x88\xCC\x81", "\xC2\xA0",
        "a\xC2\xA0"
        "b",
        "\xEF\xBC\xA1", "\xEF\xAC\x81n", "\t", "a\tb", "\xE3\x80\x80", "\xE2\x80\x8B", "\xE2\x98\x83",
        "a\xE2\x98\x83", "\xE2\x96\x81", "a\xE2\x96\x81the", "<unk>", "</s>", "<0x41>", "\xEF\xB7\xBA",
        "\xC2\xA8", "I\xCC\x87", "", "", "caf\xC3\xA9", "\xE3\x81\x8B\xE3\x82\x99",
        "a-word-that-is-longer-than-what-is-remembered-of-words"};

/* A line of words; one in `rare` is odd, none for 0. */
static size_t make_line(char *line, size_t words, size_t rare)
{
    size_t bytes = 0;
    for (size_t i = 0; i < words; i++) {
        const char *word = plain[draw(sizeof plain / sizeof *plain)];
        if (rare && draw(rare) == 0)
            word = odd[draw(sizeof odd / sizeof *odd)];
        bytes += (size_t)snprintf(line + bytes, LINE_BYTES - bytes, "%s%s", i > 0 ? " " : "", word);
        if (draw(50) == 0) /* one that was never there */
            bytes += (size_t)snprintf(line + bytes, LINE_BYTES - bytes, "%zua", draw(1000000));
    }
    return bytes;
}

static struct vocabulary *learn(const char *kind, bool bytes, size_t size)
{
    static char lines[LEARNED][256];
    const char *pointers[LEARNED];
    size_t sizes[LEARNED], model_bytes;
    char *model;
    struct vocabulary *vocabulary;
    const struct vocabulary_settings settings = {
            .kind = kind_find(&vocabulary_kinds, kind), .size = size, .coverage = 1, .bytes = bytes};
    drawn = 0;
    for (size_t i = 0; i < LEARNED; i++) {
        sizes[i] = make_line(lines[i], 8, 0);
        pointers[i] = lines[i];
    }
    assert_int_equal(
            vocabulary_train(&model, &model_bytes, "joint", &settings, pointers, sizes, LEARNED), STATUS_OK);
    assert_int_equal(vocabulary_open(&vocabulary, model, model_bytes, "test"), STATUS_OK);
    memory_free(model);
    return vocabulary;
}

struct ids {
    int32_t *ids;
    size_t room, count;
};

static void same(const char *line, const struct ids *found, const struct ids *expected)
{
    if (found->count != expected->count ||
            (expected->count > 0 &&
                    memcmp(found->ids, expected->ids, expected->count * sizeof *found->ids) != 0))
        fail_msg("other tokens of '%.300s'", line);
}

/* How many of the lines came from words. */
static size_t compare(const struct vocabulary *vocabulary, size_t lines, size_t words, size_t rare)
{
    static char line[LINE_BYTES];
    struct encoder *encoder;
    struct ids found = {0}, expected = {0};
    drawn = 1 << 20;
    assert_int_equal(encoder_open(&encoder, vocabulary), STATUS_OK);
    for (size_t i = 0; i < lines; i++) {
        size_t bytes = make_line(line, 1 + draw(words), rare);
        assert_int_equal(
                vocabulary_encode(vocabulary, line, bytes, &expected.ids, &expected.room, &expected.count),
                STATUS_OK);
        assert_int_equal(
                encoder_encode(encoder, line, bytes, &found.ids, &found.room, &found.count), STATUS_OK);
        same(line, &found, &expected);
    }
    size_t from_words = encoder_from_words(encoder);
    encoder_close(encoder);
    memory_free(found.ids);
    memory_free(expected.ids);
    return from_words;
}

static const struct {
    const char *kind;
    bool bytes;
    size_t size;
} cases[] = {{"unigram", false, 60}, {"unigram", true, 330}, {"bpe", false, 90}, {"bpe", true, 330},
        {"word", false, 20}, {"char", false, 40}};

static void test_encoder__gives_the_tokens_of_the_library(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct vocabulary *vocabulary = learn(cases[c].kind, cases[c].bytes, cases[c].size);
        compare(vocabulary, LINES, 12, 10);
        compare(vocabulary, LINES / 100, 2000, 0);
        vocabulary_close(vocabulary);
    }
}

/* Else it would be no faster. */
static void test_encoder__takes_most_lines_from_words(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct vocabulary *vocabulary = learn(cases[c].kind, cases[c].bytes, cases[c].size);
        size_t from_words = compare(vocabulary, LINES, 3, 0);
        if (from_words < LINES / 2)
            fail_msg("%s: %zu of %d lines", cases[c].kind, from_words, LINES);
        vocabulary_close(vocabulary);
    }
}

/* The same model with a field more of its normalisation's settings, after their name. */
static struct vocabulary *changed(
        const struct vocabulary *vocabulary, const char *rules, char field, char value)
{
    char more[] = {0x1A, 12, 0x0A, 8, 0, 0, 0, 0, 0, 0, 0, 0, field, value}, *model;
    struct vocabulary *other;
    size_t bytes;
    const char *stock = vocabulary_model(vocabulary, &bytes);
    memcpy(more + 4, rules, 8);
    assert_int_equal(memory_new(&model, "test", bytes + sizeof more, 1), STATUS_OK);
    memcpy(model, stock, bytes);
    memcpy(model + bytes, more, sizeof more);
    assert_int_equal(vocabulary_open(&other, model, bytes + sizeof more, "test"), STATUS_OK);
    memory_free(model);
    return other;
}

enum {
    DUMMY_PREFIX = 0x18,
    REMOVE_BLANKS = 0x20,
    ESCAPE_BLANKS = 0x28
}; /* fields of SentencePiece's NormalizerSpec */

static void test_encoder__knows_other_normalisations(void **state)
{
    (void)state;
    for (size_t c = 0; c < 3; c += 2) { /* unigram, bpe */
        struct vocabulary *vocabulary = learn(cases[c].kind, false, cases[c].size), *other;
        for (char field = DUMMY_PREFIX; field <= ESCAPE_BLANKS; field += REMOVE_BLANKS - DUMMY_PREFIX) {
            other = changed(vocabulary, "nmt_nfkc", field, 0);
            compare(other, LINES, 3, 10);
            vocabulary_close(other);
        }
        other = changed(vocabulary, "of_users", DUMMY_PREFIX, 1); /* whose rules may join words */
        assert_int_equal(compare(other, 100, 3, 0), 0);
        vocabulary_close(other);
        vocabulary_close(vocabulary);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_encoder__gives_the_tokens_of_the_library),
            cmocka_unit_test(test_encoder__takes_most_lines_from_words),
            cmocka_unit_test(test_encoder__knows_other_normalisations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
