#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/memory.h"
#include "tests/models/tiny.h"
#include "tests/train/words.h"
#include "train/inference/translation_format.h"

/* Pieces 3, 4, 5 are the words one, two and a quotation mark. */
static struct vocabulary *vocabularies[SIDES];

static int setup(void **state)
{
    (void)state;
    vocabularies[SOURCE] = vocabularies[TARGET] = words_vocabulary("one one one two two \"", 6);
    return vocabularies[SOURCE] ? 0 : 1;
}

static int teardown(void **state)
{
    vocabulary_close(vocabularies[SOURCE]);
    return tiny_nothing_is_left(state);
}

/* "two one" and "" for the source "one two". */
static const int32_t source[] = {3, 4, TOKEN_END};
static int32_t ids[] = {4, 3};
static float scores[] = {-0.5f, -1.25f, -0.25f};
static float weights[] = {0.25f, 0.5f, 0.25f, 0.375f, 0.125f, 0.5f, 0, 0, 1};
static float last_weights[] = {0.125f, 0.125f, 0.75f}, last_score = -3;
static struct hypothesis items[] = {
        {.ids = ids,
                .count = 2,
                .log_probability = -2,
                .score = -2.0 / 3,
                .log_probabilities = scores,
                .alignment = weights},
        {.count = 0,
                .log_probability = -3,
                .score = -3,
                .log_probabilities = &last_score,
                .alignment = last_weights},
};
static const struct translation both = {items, 2}, best = {items, 1}, none;

static struct format_options options_of(const char *format, const char *alignment)
{
    return (struct format_options){.format = kind_find(&translation_formats, format),
            .alignment = kind_find(&alignment_kinds, alignment)};
}

/* Line 7 is written as `expected`. */
static void expect(const struct format_options *options, int64_t nbest, const struct translation *translation,
        const char *expected)
{
    char path[] = "/tmp/seqtrain-format-XXXXXX", found[1024];
    close(mkstemp(path));
    struct output output;
    assert_int_equal(output_open(&output, path), STATUS_OK);
    struct translation_writer writer = {
            .options = options, .vocabularies = vocabularies, .output = &output, .nbest = nbest};
    const struct translation_line line = {7, source, translation->count ? 3 : 0, translation};
    assert_int_equal(translation_write(&writer, &line), STATUS_OK);
    translation_writer_release(&writer);
    assert_int_equal(output_commit(&output), STATUS_OK);
    FILE *file = fopen(path, "r");
    found[fread(found, 1, sizeof found - 1, file)] = 0;
    fclose(file);
    unlink(path);
    assert_string_equal(found, expected);
}

static void test_translation_format__text(void **state)
{
    (void)state;
    struct format_options options = options_of("text", "none");
    expect(&options, 1, &best, "two one\n");
    expect(&options, 1, &none, "\n");
    options.pieces = true;
    expect(&options, 1, &best, "\xe2\x96\x81two \xe2\x96\x81one\n");
    options.pieces = false;
    options.word_scores = true;
    expect(&options, 1, &best, "two one ||| WordScores= -0.500000 -1.250000 -0.250000\n");
    expect(&options, 1, &none, " ||| WordScores=\n");
}

static void test_translation_format__alignments(void **state)
{
    (void)state;
    struct format_options options = options_of("text", "hard");
    expect(&options, 1, &best,
            "two one ||| 1-0 0-1\n"); /* </s> has the most of the second, but is no piece */
    expect(&options, 1, &none, " ||| \n");
    options = options_of("text", "soft");
    expect(&options, 1, &best,
            "two one ||| 0.250000,0.500000,0.250000 0.375000,0.125000,0.500000 0.000000,0.000000,1.000000\n");
}

static void test_translation_format__nbest(void **state)
{
    (void)state;
    struct format_options options = options_of("auto", "hard");
    options.word_scores = true;
    expect(&options, 2, &both,
            "7 ||| two one ||| 1-0 0-1 ||| WordScores= -0.500000 -1.250000 -0.250000 ||| F0= -2.000000 ||| "
            "-0.666667\n"
            "7 |||  |||  ||| WordScores= -3.000000 ||| F0= -3.000000 ||| -3.000000\n");
    options = options_of("auto", "none");
    expect(&options, 1, &best, "two one\n");
    options = options_of("nbest", "none");
    expect(&options, 1, &best, "7 ||| two one ||| F0= -2.000000 ||| -0.666667\n");
    expect(&options, 2, &none, "7 |||  ||| F0= 0.000000 ||| 0.000000\n");
}

static void test_translation_format__json(void **state)
{
    (void)state;
    struct format_options options = options_of("json", "none");
    expect(&options, 2, &both,
            "{\"line\":7,\"translations\":["
            "{\"text\":\"two one\",\"log_probability\":-2.000000,\"score\":-0.666667},"
            "{\"text\":\"\",\"log_probability\":-3.000000,\"score\":-3.000000}]}\n");
    options = options_of("json", "hard");
    options.word_scores = true;
    expect(&options, 1, &best,
            "{\"line\":7,\"source_pieces\":[\"\xe2\x96\x81one\",\"\xe2\x96\x81two\"],\"translations\":[{"
            "\"text\":"
            "\"two one\",\"log_probability\":-2.000000,\"score\":-0.666667,\"pieces\":[\"\xe2\x96\x81two\","
            "\"\xe2\x96\x81one\"],\"piece_scores\":[-0.500000,-1.250000,-0.250000],\"alignment\":[[1,0],[0,1]"
            "]}]}\n");
    options = options_of("json", "soft");
    expect(&options, 1, &none,
            "{\"line\":7,\"source_pieces\":[],\"translations\":[{\"text\":\"\",\"log_probability\":0.000000,"
            "\"score\":0.000000,\"pieces\":[],\"alignment\":[]}]}\n");
}

static void test_translation_format__json_escapes_and_has_no_infinity(void **state)
{
    (void)state;
    struct format_options options = options_of("json", "none");
    int32_t quote = 5;
    struct hypothesis item = {.ids = &quote, .count = 1, .log_probability = -INFINITY, .score = -1};
    expect(&options, 1, &(struct translation){&item, 1},
            "{\"line\":7,\"translations\":[{\"text\":\"\\\"\",\"log_probability\":null,\"score\":-1.000000}]}"
            "\n");
}

static void test_translation_format__refuses_several_as_text(void **state)
{
    (void)state;
    struct format_options options = options_of("text", "none");
    assert_int_equal(format_check(&options, 1), STATUS_OK);
    assert_int_equal(format_check(&options, 2), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "--format text"));
    assert_non_null(strstr(status_message(), "--nbest 1, found 2"));
    options = options_of("auto", "none");
    assert_int_equal(format_check(&options, 2), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_translation_format__text),
            cmocka_unit_test(test_translation_format__alignments),
            cmocka_unit_test(test_translation_format__nbest),
            cmocka_unit_test(test_translation_format__json),
            cmocka_unit_test(test_translation_format__json_escapes_and_has_no_infinity),
            cmocka_unit_test(test_translation_format__refuses_several_as_text),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
