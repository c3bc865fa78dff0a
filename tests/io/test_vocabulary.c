#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "io/vocabulary.h"
#include "io/vocabulary_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 300 };

static char lines[LINES][80];
static const char *pointers[LINES];
static size_t sizes[LINES];

static void says(const char *words)
{
    if (!strstr(status_message(), words))
        fail_msg("'%s' is not in '%s'", words, status_message());
}

static enum status train(const char *kind, size_t size, char **model, size_t *bytes)
{
    const struct vocabulary_settings settings = {
            .kind = kind_find(&vocabulary_kinds, kind), .size = size, .coverage = 1};
    return vocabulary_train(model, bytes, "joint", &settings, pointers, sizes, LINES);
}

static struct vocabulary *made(const char *kind, size_t size)
{
    char *model;
    size_t bytes;
    struct vocabulary *vocabulary;
    assert_int_equal(train(kind, size, &model, &bytes), STATUS_OK);
    assert_int_equal(vocabulary_open(&vocabulary, model, bytes, "test"), STATUS_OK);
    memory_free(model);
    return vocabulary;
}

static void test_vocabulary__every_kind_keeps_the_ids_and_gives_text_back(void **state)
{
    (void)state;
    assert_int_equal(vocabulary_kinds.count, 4);
    for (size_t k = 0; k < vocabulary_kinds.count; k++) {
        const char *kind = kind_at(&vocabulary_kinds, k)->name;
        struct vocabulary *vocabulary = made(kind, 60);
        size_t pieces = vocabulary_pieces(vocabulary);
        assert_in_range(pieces, 20, 60);
        assert_int_equal(vocabulary_rows(vocabulary), pieces + 2);
        assert_string_equal(vocabulary_piece(vocabulary, 0), "</s>");
        assert_string_equal(vocabulary_piece(vocabulary, 1), "<unk>");
        assert_string_equal(vocabulary_piece(vocabulary, 2), "<s>");
        assert_string_equal(vocabulary_piece(vocabulary, (int32_t)pieces), "<mask>");
        assert_string_equal(vocabulary_piece(vocabulary, (int32_t)pieces + 1), "<pad>");

        int32_t *ids = NULL;
        char *text = NULL;
        size_t id_room = 0, text_room = 0, count, bytes;
        for (size_t i = 0; i < LINES; i += 17) {
            assert_int_equal(
                    vocabulary_encode(vocabulary, pointers[i], sizes[i], &ids, &id_room, &count), STATUS_OK);
            assert_true(count > 0);
            bool whole = true; /* a small vocabulary of words does not know all of them */
            for (size_t j = 0; j < count; j++)
                whole = whole && ids[j] != TOKEN_UNKNOWN;
            assert_true(whole || strcmp(kind, "word") == 0);
            if (!whole)
                continue;
            assert_int_equal(vocabulary_decode(vocabulary, ids, count, &text, &text_room, &bytes), STATUS_OK);
            assert_string_equal(text, pointers[i]);
            assert_int_equal(bytes, sizes[i]);
        }
        memory_free(ids);
        memory_free(text);
        vocabulary_close(vocabulary);
    }
}

/* Ids as without, and the words of each; `expected`: "0 1 1-2" where the ranges are known, else only their order. */
static void check_words(
        const struct vocabulary *vocabulary, const char *line, size_t words, const char *expected)
{
    static char found[400];
    int32_t *ids = NULL, *same = NULL, before = 0;
    struct word_range *of = NULL;
    size_t room = 0, same_room = 0, word_room = 0, count, same_count, word_count, used = 0;
    assert_int_equal(
            vocabulary_encode(vocabulary, line, strlen(line), &same, &same_room, &same_count), STATUS_OK);
    assert_int_equal(vocabulary_encode_words(vocabulary, line, strlen(line), &ids, &room, &count, &of,
                             &word_room, &word_count),
            STATUS_OK);
    assert_int_equal(word_count, words);
    assert_int_equal(count, same_count);
    assert_memory_equal(ids, same, count * sizeof *ids);
    for (size_t i = 0; i < count; i++) {
        assert_true(of[i].first >= before && of[i].last >= of[i].first && (size_t)of[i].last < words);
        assert_true(of[i].first <= before + 1);
        before = of[i].last;
        used += (size_t)snprintf(found + used, sizeof found - used, "%s%d", i > 0 ? " " : "", of[i].first);
        if (of[i].last > of[i].first)
            used += (size_t)snprintf(found + used, sizeof found - used, "-%d", of[i].last);
    }
    assert_true(count == 0 || (size_t)before + 1 == words);
    if (expected)
        assert_string_equal(found, expected);
    memory_free(ids);
    memory_free(same);
    memory_free(of);
}

static void test_vocabulary__pieces_know_their_words(void **state)
{
    (void)state;
    for (size_t k = 0; k < vocabulary_kinds.count; k++) {
        struct vocabulary *vocabulary = made(kind_at(&vocabulary_kinds, k)->name, 60);
        for (size_t i = 0; i < LINES; i += 13) {
            size_t words = 1;
            for (size_t at = 0; at < sizes[i]; at++)
                words += pointers[i][at] == ' ';
            check_words(vocabulary, pointers[i], words, NULL);
        }
        check_words(vocabulary, "  the \t\xc2\xbd  \xe2\x88\x9e\xe2\x88\x9e x\xc2\xbd ", 4, NULL);
        vocabulary_close(vocabulary);
    }
    struct vocabulary *letters = made("char", 60);
    check_words(letters, "ab  c", 2, "0 0 0 1 1");
    check_words(letters,
            "a\xc2\xa0"
            "b c",
            2, "0 0 0 0 1 1"); /* a no-break space is none between words */
    vocabulary_close(letters);
    struct vocabulary *words = made("word", 60);
    check_words(words, "\xe2\x88\x9e \xe2\x88\x9e\xe2\x88\x9e", 2, "0-1"); /* one <unk> */
    vocabulary_close(words);
}

static void test_vocabulary__the_same_lines_give_the_same_bytes(void **state)
{
    (void)state;
    for (size_t k = 0; k < vocabulary_kinds.count; k++) {
        char *one, *two;
        size_t one_bytes, two_bytes;
        const char *kind = kind_at(&vocabulary_kinds, k)->name;
        assert_int_equal(train(kind, 50, &one, &one_bytes), STATUS_OK);
        assert_int_equal(train(kind, 50, &two, &two_bytes), STATUS_OK);
        assert_int_equal(one_bytes, two_bytes);
        assert_memory_equal(one, two, one_bytes);
        memory_free(one);
        memory_free(two);
    }
}

/* The size that a refusal names is possible, the next one is not. */
static void test_vocabulary__a_refusal_names_a_possible_size(void **state)
{
    (void)state;
    static const char *const exact[] = {"unigram", "bpe"};
    for (int k = 0; k < 2; k++) {
        char *model;
        size_t bytes, possible;
        assert_int_equal(train(exact[k], 30000, &model, &bytes), STATUS_DATA);
        const char *found = strstr(status_message(), "expected at most ");
        assert_non_null(found);
        possible = strtoul(found + strlen("expected at most "), NULL, 10);
        struct vocabulary *vocabulary = made(exact[k], possible);
        assert_int_equal(vocabulary_pieces(vocabulary), possible);
        vocabulary_close(vocabulary);
        assert_int_equal(train(exact[k], possible + 1, &model, &bytes), STATUS_DATA);

        assert_int_equal(train(exact[k], 6, &model, &bytes), STATUS_DATA);
        found = strstr(status_message(), "expected at least ");
        assert_non_null(found);
        possible = strtoul(found + strlen("expected at least "), NULL, 10);
        assert_int_equal(train(exact[k], possible - 1, &model, &bytes), STATUS_DATA);
        vocabulary = made(exact[k], possible);
        assert_int_equal(vocabulary_pieces(vocabulary), possible);
        vocabulary_close(vocabulary);
    }
    char *model;
    size_t bytes;
    assert_int_equal(train("char", 3, &model, &bytes), STATUS_DATA);
    says("expected at least 4");
}

static void test_vocabulary__words_and_characters_may_be_fewer(void **state)
{
    (void)state;
    static const char *const open[] = {"word", "char"};
    for (int k = 0; k < 2; k++) {
        struct vocabulary *vocabulary = made(open[k], 5000);
        assert_in_range(vocabulary_pieces(vocabulary), 10, 400);
        vocabulary_close(vocabulary);
    }
}

static void test_vocabulary__unseen_and_special_ids(void **state)
{
    (void)state;
    struct vocabulary *vocabulary = made("unigram", 60);
    int32_t *ids = NULL;
    char *text = NULL;
    size_t id_room = 0, text_room = 0, count, bytes;
    const char *line = "Sch\xC3\xB6n \xE6\xBC\xA2";
    assert_int_equal(vocabulary_encode(vocabulary, line, strlen(line), &ids, &id_room, &count), STATUS_OK);
    assert_int_equal(ids[count - 1], TOKEN_UNKNOWN);
    /* Marks in the text are text, not marks. */
    assert_int_equal(vocabulary_encode(vocabulary, "</s>", 4, &ids, &id_room, &count), STATUS_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_not_equal(ids[i], TOKEN_END);
    assert_int_equal(vocabulary_encode(vocabulary, "", 0, &ids, &id_room, &count), STATUS_OK);
    assert_int_equal(count, 0);

    int32_t rows = (int32_t)vocabulary_rows(vocabulary);
    int32_t special[] = {TOKEN_START, rows - 2, rows - 1, TOKEN_END};
    assert_int_equal(vocabulary_decode(vocabulary, special, 4, &text, &text_room, &bytes), STATUS_OK);
    assert_string_equal(text, "");
    int32_t unknown = TOKEN_UNKNOWN;
    assert_int_equal(vocabulary_decode(vocabulary, &unknown, 1, &text, &text_room, &bytes), STATUS_OK);
    assert_string_equal(text, " \xE2\x81\x87 ");
    int32_t outside = rows;
    assert_int_equal(vocabulary_decode(vocabulary, &outside, 1, &text, &text_room, &bytes), STATUS_INTERNAL);
    memory_free(ids);
    memory_free(text);
    vocabulary_close(vocabulary);
}

static int32_t id_of(const struct vocabulary *vocabulary, const char *piece)
{
    int32_t id = 0, pieces = (int32_t)vocabulary_pieces(vocabulary);
    while (id < pieces && strcmp(vocabulary_piece(vocabulary, id), piece) != 0)
        id++;
    assert_true(id < pieces);
    return id;
}

/* Whatever bytes a model strings together. */
static void expect_one_line(const struct vocabulary *vocabulary)
{
    static const char *const pieces[] = {"<0x61>", "<0x0A>", "<0x0D>", "<0x00>", "<0x62>"};
    int32_t ids[5];
    char *text = NULL;
    size_t room = 0, bytes;
    for (int i = 0; i < 5; i++)
        ids[i] = id_of(vocabulary, pieces[i]);
    assert_int_equal(vocabulary_decode(vocabulary, ids, 5, &text, &room, &bytes), STATUS_OK);
    assert_int_equal(bytes, 5);
    assert_string_equal(text, "a   b");
    memory_free(text);
}

/* All kinds but words give back what they have never seen, in 256 pieces of their own. */
static void test_vocabulary__bytes_leave_nothing_unknown(void **state)
{
    (void)state;
    static const char line[] = "Sch\xC3\xB6n \xE6\xBC\xA2";
    int32_t *ids = NULL;
    char *model, *text = NULL;
    size_t id_room = 0, text_room = 0, count, bytes;
    for (size_t k = 0; k < kind_count(&vocabulary_kinds); k++) {
        struct vocabulary_settings settings = {
                .kind = kind_at(&vocabulary_kinds, k), .size = 310, .coverage = 1, .bytes = true};
        enum status status = vocabulary_train(&model, &bytes, "joint", &settings, pointers, sizes, LINES);
        if (strcmp(settings.kind->name, "word") == 0) {
            assert_int_equal(status, STATUS_CONFIG);
            says("can be written in bytes, found word");
            continue;
        }
        struct vocabulary *vocabulary;
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(vocabulary_open(&vocabulary, model, bytes, "test"), STATUS_OK);
        memory_free(model);
        assert_int_equal(
                vocabulary_encode(vocabulary, line, strlen(line), &ids, &id_room, &count), STATUS_OK);
        for (size_t i = 0; i < count; i++)
            assert_int_not_equal(ids[i], TOKEN_UNKNOWN);
        assert_int_equal(vocabulary_decode(vocabulary, ids, count, &text, &text_room, &bytes), STATUS_OK);
        assert_string_equal(text, line);
        expect_one_line(vocabulary);
        vocabulary_close(vocabulary);
        settings.size = 259;
        assert_int_equal(
                vocabulary_train(&model, &bytes, "joint", &settings, pointers, sizes, LINES), STATUS_DATA);
        says("expected at least 260");
    }
    memory_free(ids);
    memory_free(text);
}

/* A line as long as may be, without a space, whose normal form is twice as many characters: all of it is learned from. */
static void test_vocabulary__long_lines_count(void **state)
{
    (void)state;
    static const char *const kinds[] = {"unigram", "bpe", "char"};
    static const char kilometre[] = "\xE3\x8C\x96", metre[] = "\xE3\x83\xA1";
    static char line[VOCABULARY_LINE_LIMIT + 1];
    const char *kept = pointers[0];
    int32_t *ids = NULL;
    size_t room = 0, count, kept_bytes = sizes[0];
    for (size_t i = 0; i + 3 < sizeof line; i += 3)
        memcpy(line + i, kilometre, 3);
    pointers[0] = line;
    sizes[0] = strlen(line);
    for (int k = 0; k < 3; k++) {
        struct vocabulary *vocabulary = made(kinds[k], 70);
        assert_int_equal(vocabulary_encode(vocabulary, metre, 3, &ids, &room, &count), STATUS_OK);
        assert_int_not_equal(ids[count - 1], TOKEN_UNKNOWN);
        vocabulary_close(vocabulary);
    }
    pointers[0] = kept;
    sizes[0] = kept_bytes;
    memory_free(ids);
}

/* Digits are frequent here, f is not. */
static void test_vocabulary__rare_characters_are_left_out(void **state)
{
    (void)state;
    struct vocabulary_settings settings = {
            .kind = kind_find(&vocabulary_kinds, "char"), .size = 1000, .coverage = 0.98};
    char *model;
    size_t bytes;
    struct vocabulary *whole = made("char", 1000), *covered;
    assert_int_equal(vocabulary_train(&model, &bytes, "joint", &settings, pointers, sizes, LINES), STATUS_OK);
    assert_int_equal(vocabulary_open(&covered, model, bytes, "test"), STATUS_OK);
    memory_free(model);
    assert_in_range(vocabulary_pieces(covered), 10, vocabulary_pieces(whole) - 1);
    vocabulary_close(covered);
    vocabulary_close(whole);
}

static void test_vocabulary__the_model_opens_again(void **state)
{
    (void)state;
    struct vocabulary *first = made("bpe", 60), *second;
    size_t bytes;
    const void *model = vocabulary_model(first, &bytes);
    assert_int_equal(vocabulary_open(&second, model, bytes, "copy"), STATUS_OK);
    assert_int_equal(vocabulary_pieces(second), 60);
    vocabulary_close(second);
    assert_int_equal(vocabulary_open(&second, model, bytes / 2, "half.model"), STATUS_DATA);
    says("half.model: expected a SentencePiece model");
    assert_null(second);
    assert_int_equal(vocabulary_open(&second, "no model at all", 15, "some.txt"), STATUS_DATA);
    assert_int_equal(vocabulary_open(&second, "", 0, "some.txt"), STATUS_DATA);
    vocabulary_close(first);
    vocabulary_close(NULL);
}

/* Where the table of normalisation begins in a model: after the name of the rules, a tag and a length. */
static unsigned char *table_of(unsigned char *model, size_t bytes)
{
    static const char name[] = "nmt_nfkc";
    unsigned char *at = memmem(model, bytes, name, strlen(name));
    assert_non_null(at);
    at += strlen(name);
    assert_int_equal(*at++, 2 << 3 | 2);
    while (*at++ & 128)
        ;
    return at;
}

static void test_vocabulary__a_table_that_leads_astray_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t place; /* of a number of 4 bytes in the table */
        uint32_t value;
    } rows[] = {{0, 0}, {0, 3}, {0, 4}, {0, 1020}, {0, UINT32_MAX}, {0, 0x7FFFFFFC}, {4, 0xFFFFFF00},
            {4, 0x7FFFFC00}};
    struct vocabulary *first = made("char", 60), *second;
    size_t bytes;
    const void *model = vocabulary_model(first, &bytes);
    unsigned char *copy = malloc(bytes);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memcpy(copy, model, bytes);
        memcpy(table_of(copy, bytes) + rows[i].place, &rows[i].value, sizeof rows[i].value);
        bool sound = true;
        assert_int_equal(vocabulary_model_is_sound(&sound, copy, bytes), STATUS_OK);
        assert_false(sound);
        assert_int_equal(vocabulary_open(&second, copy, bytes, "astray.model"), STATUS_DATA);
        says("astray.model: expected a SentencePiece model, found");
    }
    free(copy);
    vocabulary_close(first);
}

static int setup(void **state)
{
    (void)state;
    static const char *const words[] = {"Haus", "haben", "einen", "Baum", "gr\xC3\xBCn", "und", "Schnee",
            "f\xC3\xA4llt", "leise", "zwanzig"};
    for (unsigned i = 0; i < LINES; i++) {
        snprintf(lines[i], sizeof lines[i], "%s %s %u%s", words[i % 10], words[i / 10 % 10], i * i % 97,
                words[i / 7 % 10]);
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
            cmocka_unit_test(test_vocabulary__every_kind_keeps_the_ids_and_gives_text_back),
            cmocka_unit_test(test_vocabulary__pieces_know_their_words),
            cmocka_unit_test(test_vocabulary__the_same_lines_give_the_same_bytes),
            cmocka_unit_test(test_vocabulary__a_refusal_names_a_possible_size),
            cmocka_unit_test(test_vocabulary__words_and_characters_may_be_fewer),
            cmocka_unit_test(test_vocabulary__unseen_and_special_ids),
            cmocka_unit_test(test_vocabulary__bytes_leave_nothing_unknown),
            cmocka_unit_test(test_vocabulary__long_lines_count),
            cmocka_unit_test(test_vocabulary__rare_characters_are_left_out),
            cmocka_unit_test(test_vocabulary__the_model_opens_again),
            cmocka_unit_test(test_vocabulary__a_table_that_leads_astray_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
