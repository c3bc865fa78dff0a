#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/fault.h"
#include "comm/memory.h"
#include "io/generate.h"
#include "io/generate/rules.h"
#include "io/text.h"
#include "tests/io/made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Written by hand. */
static const struct truth {
    struct value value;
    enum form form;
    const char *english, *german;
} truths[] = {
        {{VALUE_NUMBER, {0}}, FORM_BARE, "zero", "null"},
        {{VALUE_NUMBER, {1}}, FORM_BARE, "one", "eins"},
        {{VALUE_NUMBER, {7}}, FORM_BARE, "seven", "sieben"},
        {{VALUE_NUMBER, {12}}, FORM_BARE, "twelve", "zwölf"},
        {{VALUE_NUMBER, {16}}, FORM_BARE, "sixteen", "sechzehn"},
        {{VALUE_NUMBER, {17}}, FORM_BARE, "seventeen", "siebzehn"},
        {{VALUE_NUMBER, {20}}, FORM_BARE, "twenty", "zwanzig"},
        {{VALUE_NUMBER, {21}}, FORM_BARE, "twenty-one", "einundzwanzig"},
        {{VALUE_NUMBER, {30}}, FORM_BARE, "thirty", "dreißig"},
        {{VALUE_NUMBER, {44}}, FORM_BARE, "forty-four", "vierundvierzig"},
        {{VALUE_NUMBER, {66}}, FORM_BARE, "sixty-six", "sechsundsechzig"},
        {{VALUE_NUMBER, {77}}, FORM_BARE, "seventy-seven", "siebenundsiebzig"},
        {{VALUE_NUMBER, {100}}, FORM_BARE, "one hundred", "einhundert"},
        {{VALUE_NUMBER, {101}}, FORM_BARE, "one hundred and one", "einhunderteins"},
        {{VALUE_NUMBER, {111}}, FORM_BARE, "one hundred and eleven", "einhundertelf"},
        {{VALUE_NUMBER, {250}}, FORM_BARE, "two hundred and fifty", "zweihundertfünfzig"},
        {{VALUE_NUMBER, {999}}, FORM_BARE, "nine hundred and ninety-nine", "neunhundertneunundneunzig"},
        {{VALUE_NUMBER, {1000}}, FORM_BARE, "one thousand", "eintausend"},
        {{VALUE_NUMBER, {1001}}, FORM_BARE, "one thousand and one", "eintausendeins"},
        {{VALUE_NUMBER, {1100}}, FORM_BARE, "one thousand one hundred", "eintausendeinhundert"},
        {{VALUE_NUMBER, {1999}}, FORM_BARE, "one thousand nine hundred and ninety-nine",
                "eintausendneunhundertneunundneunzig"},
        {{VALUE_NUMBER, {3016}}, FORM_BARE, "three thousand and sixteen", "dreitausendsechzehn"},
        {{VALUE_NUMBER, {9876}}, FORM_BARE, "nine thousand eight hundred and seventy-six",
                "neuntausendachthundertsechsundsiebzig"},
        {{VALUE_DATE, {1984, 5, 3}}, FORM_BARE, "the third of May nineteen eighty-four",
                "dritter Mai neunzehnhundertvierundachtzig"},
        {{VALUE_DATE, {1900, 1, 1}}, FORM_DATIVE, "the first of January nineteen hundred",
                "ersten Januar neunzehnhundert"},
        {{VALUE_DATE, {1907, 3, 7}}, FORM_ARTICLE, "the seventh of March nineteen oh seven",
                "siebte März neunzehnhundertsieben"},
        {{VALUE_DATE, {1901, 8, 8}}, FORM_BARE, "the eighth of August nineteen oh one",
                "achter August neunzehnhunderteins"},
        {{VALUE_DATE, {1919, 12, 19}}, FORM_DATIVE, "the nineteenth of December nineteen nineteen",
                "neunzehnten Dezember neunzehnhundertneunzehn"},
        {{VALUE_DATE, {1940, 10, 20}}, FORM_DATIVE, "the twentieth of October nineteen forty",
                "zwanzigsten Oktober neunzehnhundertvierzig"},
        {{VALUE_DATE, {1951, 7, 21}}, FORM_ARTICLE, "the twenty-first of July nineteen fifty-one",
                "einundzwanzigste Juli neunzehnhunderteinundfünfzig"},
        {{VALUE_DATE, {1999, 12, 31}}, FORM_BARE, "the thirty-first of December nineteen ninety-nine",
                "einunddreißigster Dezember neunzehnhundertneunundneunzig"},
        {{VALUE_DATE, {1962, 2, 12}}, FORM_BARE, "the twelfth of February nineteen sixty-two",
                "zwölfter Februar neunzehnhundertzweiundsechzig"},
        {{VALUE_TIME, {7, 30, 0}}, FORM_BARE, "half past seven", "halb acht"},
        {{VALUE_TIME, {12, 30, 2}}, FORM_BARE, "half past twelve in the evening", "halb eins abends"},
        {{VALUE_TIME, {1, 0, 0}}, FORM_BARE, "one o'clock", "ein Uhr"},
        {{VALUE_TIME, {11, 0, 1}}, FORM_BARE, "eleven o'clock in the morning", "elf Uhr morgens"},
        {{VALUE_TIME, {1, 15, 0}}, FORM_BARE, "quarter past one", "Viertel nach eins"},
        {{VALUE_TIME, {12, 45, 0}}, FORM_BARE, "quarter to one", "Viertel vor eins"},
        {{VALUE_TIME, {3, 1, 0}}, FORM_BARE, "one minute past three", "eine Minute nach drei"},
        {{VALUE_TIME, {4, 59, 0}}, FORM_BARE, "one minute to five", "eine Minute vor fünf"},
        {{VALUE_TIME, {8, 21, 1}}, FORM_BARE, "twenty-one past eight in the morning",
                "einundzwanzig nach acht morgens"},
        {{VALUE_TIME, {8, 40, 0}}, FORM_BARE, "twenty to nine", "zwanzig vor neun"},
        {{VALUE_AMOUNT, {3, 20}}, FORM_BARE, "three euros and twenty cents", "drei Euro zwanzig"},
        {{VALUE_AMOUNT, {1, 0}}, FORM_BARE, "one euro", "ein Euro"},
        {{VALUE_AMOUNT, {1, 1}}, FORM_BARE, "one euro and one cent", "ein Euro und ein Cent"},
        {{VALUE_AMOUNT, {101, 5}}, FORM_BARE, "one hundred and one euros and five cents",
                "einhundertein Euro und fünf Cent"},
        {{VALUE_AMOUNT, {21, 21}}, FORM_BARE, "twenty-one euros and twenty-one cents",
                "einundzwanzig Euro einundzwanzig"},
        {{VALUE_AMOUNT, {999, 99}}, FORM_BARE, "nine hundred and ninety-nine euros and ninety-nine cents",
                "neunhundertneunundneunzig Euro neunundneunzig"},
};

static void test_generate__words_are_those_of_the_languages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof truths / sizeof truths[0]; i++) {
        struct phrase english = {0}, german = {0};
        value_say(&truths[i].value, SOURCE, truths[i].form, &english);
        value_say(&truths[i].value, TARGET, truths[i].form, &german);
        assert_string_equal(english.text, truths[i].english);
        assert_string_equal(german.text, truths[i].german);
    }
}

static int compare_phrases(const void *a, const void *b)
{
    return strcmp(((const struct phrase *)a)->text, ((const struct phrase *)b)->text);
}

static void test_generate__every_number_has_words_of_its_own(void **state)
{
    (void)state;
    for (int side = 0; side < SIDES; side++) {
        struct phrase *all;
        assert_int_equal(memory_new(&all, "test", 10000, sizeof *all), STATUS_OK);
        for (int n = 0; n < 10000; n++)
            (side == SOURCE ? words_english : words_german)(&all[n], n);
        qsort(all, 10000, sizeof *all, compare_phrases);
        for (int n = 1; n < 10000; n++)
            assert_int_not_equal(compare_phrases(&all[n - 1], &all[n]), 0);
        memory_free(all);
    }
}

static size_t read_all(const char *name, struct phrase *lines, size_t limit)
{
    struct text *text;
    const char *line;
    size_t bytes, count = 0;
    assert_int_equal(text_open(&text, made_path(name)), STATUS_OK);
    while (text_next_good(text, &line, &bytes) == STATUS_OK && line) {
        assert_true(count < limit);
        lines[count].bytes = 0;
        phrase_add(&lines[count++], "%s", line);
    }
    text_close(text);
    return count;
}

static const struct kind *numbers(void)
{
    return kind_find(&generator_kinds, "numbers");
}

/* The value of a line is what remains without its carrier; the longest common ones suffice here. */
static const char *value_of(const char *line)
{
    static const char *const carriers[] = {"the number ", "page ", "room ", "I live at number ", "today is ",
            "on ", "we met on ", "the letter of ", "it is ", "at ", "the train leaves at ", "I will come at ",
            "it costs ", "that makes ", "I paid ", "he owes me "};
    for (size_t i = 0; i < sizeof carriers / sizeof carriers[0]; i++)
        if (strncmp(line, carriers[i], strlen(carriers[i])) == 0)
            return line + strlen(carriers[i]);
    return line;
}

static void strip(struct phrase *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memmove(lines[i].text, value_of(lines[i].text), strlen(value_of(lines[i].text)) + 1);
}

static void test_generate__held_out_values_are_in_no_training_sentence(void **state)
{
    (void)state;
    enum { TRAIN = 6000, TEST = 400 };
    struct phrase *train, *test;
    assert_int_equal(memory_new(&train, "test", TRAIN, sizeof *train), STATUS_OK);
    assert_int_equal(memory_new(&test, "test", TEST, sizeof *test), STATUS_OK);
    assert_int_equal(generate_corpus(numbers(), made_path("held"), TRAIN, TEST, 3), STATUS_OK);
    assert_int_equal(read_all("held/train.de", train, TRAIN), TRAIN);
    assert_int_equal(read_all("held/train.en", train, TRAIN), TRAIN);
    strip(train, TRAIN);
    qsort(train, TRAIN, sizeof *train, compare_phrases);
    static const char *const files[] = {"held/valid.en", "held/test.en"};
    for (int f = 0; f < 2; f++) {
        assert_int_equal(read_all(files[f], test, TEST), TEST);
        strip(test, TEST);
        for (size_t i = 0; i < TEST; i++)
            if (bsearch(&test[i], train, TRAIN, sizeof *train, compare_phrases))
                fail_msg("%s: '%s' is in the training text", files[f], test[i].text);
    }
    memory_free(train);
    memory_free(test);
}

static void test_generate__euros_above_a_hundred_follow_their_number(void **state)
{
    (void)state;
    bool held[10000] = {false};
    for (uint64_t n = 101; n < 10000; n++)
        held[n] = generate_split(9, VALUE_NUMBER, n) != SPLIT_TRAIN;
    for (uint64_t line = 0; line < 2000; line++) {
        struct phrase said[SIDES], euros;
        assert_int_equal(numbers_say(NULL,
                                 &(struct line){.seed = 9,
                                         .draws = random_stream(9, RANDOM_GENERATE, line, SPLIT_TRAIN, 0),
                                         .split = SPLIT_TRAIN},
                                 said),
                STATUS_OK);
        for (int n = 101; n < 1000 && strstr(said[SOURCE].text, " euros"); n++) {
            euros.bytes = 0;
            words_english(&euros, n);
            phrase_add(&euros, " euros");
            if (held[n] && strncmp(value_of(said[SOURCE].text), euros.text, euros.bytes) == 0)
                fail_msg("'%s' is held out as a number", said[SOURCE].text);
        }
    }
}

static void test_generate__the_seed_decides_the_bytes(void **state)
{
    (void)state;
    static struct phrase one[200], two[200];
    assert_int_equal(generate_corpus(numbers(), made_path("a"), 200, 50, 5), STATUS_OK);
    assert_int_equal(generate_corpus(numbers(), made_path("b"), 200, 50, 5), STATUS_OK);
    assert_int_equal(generate_corpus(numbers(), made_path("c"), 200, 50, 6), STATUS_OK);
    assert_int_equal(read_all("a/train.de", one, 200), 200);
    assert_int_equal(read_all("b/train.de", two, 200), 200);
    for (int i = 0; i < 200; i++)
        assert_string_equal(one[i].text, two[i].text);
    assert_int_equal(read_all("c/train.de", two, 200), 200);
    size_t equal = 0;
    for (int i = 0; i < 200; i++)
        equal += compare_phrases(&one[i], &two[i]) == 0;
    assert_in_range(equal, 0, 10);
}

/* The first training pair of seed 5. */
static void say_first(const char *name, struct phrase out[SIDES])
{
    const struct generator *generator = (const struct generator *)kind_find(&generator_kinds, name);
    const struct line line = {
            .seed = 5, .draws = random_stream(5, RANDOM_GENERATE, 0, SPLIT_TRAIN, 0), .split = SPLIT_TRAIN};
    assert_non_null(generator);
    assert_int_equal(generator->say(generator, &line, out), STATUS_OK);
}

static void test_generate__exercises_are_what_they_are_called(void **state)
{
    (void)state;
    struct phrase said[SIDES];
    say_first("copy", said);
    assert_string_equal(said[SOURCE].text, said[TARGET].text);
    say_first("reverse", said);
    size_t bytes = said[SOURCE].bytes;
    assert_in_range(bytes, 2 * 16 - 1, 2 * 64 - 1);
    assert_int_equal(said[TARGET].bytes, bytes);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(said[SOURCE].text[i], said[TARGET].text[bytes - 1 - i]);
    say_first("sort", said);
    assert_int_equal(said[SOURCE].bytes, said[TARGET].bytes);
    int counts[256] = {0};
    for (size_t i = 0; i < said[SOURCE].bytes; i++) {
        counts[(unsigned char)said[SOURCE].text[i]]++;
        counts[(unsigned char)said[TARGET].text[i]]--;
        assert_true(i < 2 || said[TARGET].text[i] >= said[TARGET].text[i - 2]);
    }
    for (int c = 0; c < 256; c++)
        assert_int_equal(counts[c], 0);
}

static void test_generate__strands_pair_base_by_base(void **state)
{
    (void)state;
    struct phrase said[SIDES];
    say_first("strands", said);
    size_t bytes = said[SOURCE].bytes;
    assert_int_equal(said[TARGET].bytes, bytes);
    for (size_t i = 0; i < bytes; i++) {
        const char pair[] = {said[SOURCE].text[i], said[TARGET].text[bytes - 1 - i], '\0'};
        assert_true(!strcmp(pair, "AT") || !strcmp(pair, "TA") || !strcmp(pair, "CG") || !strcmp(pair, "GC"));
    }
}

/* Cuts introns one by one out of the text itself. */
static void test_generate__introns_are_cut_out_of_genes(void **state)
{
    (void)state;
    size_t introns = 0;
    for (uint64_t line = 0; line < 200; line++) {
        const struct generator *genes = (const struct generator *)kind_find(&generator_kinds, "genes");
        const struct line of = {.seed = 5,
                .draws = random_stream(5, RANDOM_GENERATE, line, SPLIT_VALID, 0),
                .split = SPLIT_VALID};
        struct phrase said[SIDES];
        assert_int_equal(genes->say(genes, &of, said), STATUS_OK);
        char *text = said[SOURCE].text, *at = text;
        for (char *from; (from = strstr(at, "GTAAG")); introns++) {
            char *to = strstr(from + 5, "TCAG");
            assert_non_null(to);
            memmove(from, to + 4, strlen(to + 4) + 1);
            at = from;
        }
        assert_string_equal(text, said[TARGET].text);
    }
    assert_in_range(introns, 200, 400);
}

static void test_generate__no_sequence_is_in_two_parts(void **state)
{
    (void)state;
    static struct phrase train[2000], test[100];
    for (size_t i = 0; i < kind_count(&generator_kinds); i++) {
        const struct kind *kind = kind_at(&generator_kinds, i);
        if (strcmp(kind->name, "numbers") == 0) /* whose sentences share values on purpose */
            continue;
        assert_int_equal(generate_corpus(kind, made_path(kind->name), 2000, 100, 3), STATUS_OK);
        char name[64];
        const char *suffix =
                strcmp(kind->name, "shapes") == 0 ? "en" : "source"; /* of pictures the captions */
        snprintf(name, sizeof name, "%s/train.%s", kind->name, suffix);
        assert_int_equal(read_all(name, train, 2000), 2000);
        qsort(train, 2000, sizeof *train, compare_phrases);
        snprintf(name, sizeof name, "%s/test.%s", kind->name, suffix);
        assert_int_equal(read_all(name, test, 100), 100);
        for (size_t t = 0; t < 100; t++)
            assert_null(bsearch(&test[t], train, 2000, sizeof *train, compare_phrases));
    }
}

static void test_generate__a_failing_write_leaves_no_file(void **state)
{
    (void)state;
    assert_int_equal(fault_plan("write:7", 0), STATUS_OK);
    assert_int_equal(generate_corpus(numbers(), made_path("d"), 200, 50, 5), STATUS_IO);
    assert_int_equal(fault_plan(NULL, 0), STATUS_OK);
    assert_int_equal(rmdir(made_path("d")), 0);
    const char *file = made_file("e", "", 0);
    assert_int_not_equal(generate_corpus(numbers(), file, 200, 50, 5), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_generate__words_are_those_of_the_languages),
            cmocka_unit_test(test_generate__every_number_has_words_of_its_own),
            cmocka_unit_test(test_generate__held_out_values_are_in_no_training_sentence),
            cmocka_unit_test(test_generate__euros_above_a_hundred_follow_their_number),
            cmocka_unit_test(test_generate__the_seed_decides_the_bytes),
            cmocka_unit_test(test_generate__exercises_are_what_they_are_called),
            cmocka_unit_test(test_generate__strands_pair_base_by_base),
            cmocka_unit_test(test_generate__introns_are_cut_out_of_genes),
            cmocka_unit_test(test_generate__no_sequence_is_in_two_parts),
            cmocka_unit_test(test_generate__a_failing_write_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
