#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "comm/memory.h"
#include "train/metrics/metrics.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static const struct text_metric_kind *metric_called(const char *name)
{
    const struct kind *kind = kind_find(&text_metric_kinds, name);
    assert_non_null(kind);
    return (const struct text_metric_kind *)kind;
}

static struct text_metric_options options_of(const char *tokenizer, bool lowercase)
{
    const struct kind *kind = kind_find(&text_tokenizer_kinds, tokenizer);
    assert_non_null(kind);
    return (struct text_metric_options){kind, lowercase};
}

static void count(const char *metric, const struct text_metric_options *options, const char *hypothesis,
        const char *reference, int64_t *counts)
{
    assert_int_equal(text_metric_count(metric_called(metric), options, hypothesis, strlen(hypothesis),
                             reference, strlen(reference), counts),
            STATUS_OK);
    assert_int_equal(memory_blocks(), 0);
}

static double value_with(const char *metric, const char *tokenizer, bool lowercase, const char *hypothesis,
        const char *reference)
{
    struct text_metric_options options = options_of(tokenizer, lowercase);
    int64_t counts[METRIC_COUNTS] = {0};
    count(metric, &options, hypothesis, reference, counts);
    return metric_called(metric)->value(counts);
}

static double value(const char *metric, const char *hypothesis, const char *reference)
{
    return value_with(metric, "13a", false, hypothesis, reference);
}

/* ---- every metric ---- */

static void test_metrics__equal_texts_are_the_best_value_and_strangers_the_worst(void **unused)
{
    (void)unused;
    for (size_t m = 0; m < text_metric_kinds.count; m++) {
        const struct text_metric_kind *metric = (const void *)kind_at(&text_metric_kinds, m);
        const char *name = metric->kind.name;
        bool ter = !metric->higher_is_better;
        assert_near(value(name, "the cat sat on the mat", "the cat sat on the mat"), ter ? 0 : 100, 0);
        assert_near(value(name, "xyz zyx", "the cat"), ter ? 100 : 0, 0);
        assert_in_range(metric->counts, 1, METRIC_COUNTS);
    }
}

static void test_metrics__empty_lines_have_values(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        double both, hypothesis, reference; /* which is empty */
    } rows[] = {{"bleu", 0, 0, 0}, {"chrf", 0, 0, 0}, {"chrf++", 0, 0, 0}, {"ter", 0, 100, 100},
            {"exact", 100, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_near(value(rows[i].name, "", ""), rows[i].both, 0);
        assert_near(value(rows[i].name, "", "a b"), rows[i].hypothesis, 0);
        assert_near(value(rows[i].name, "a b", ""), rows[i].reference, 0);
        assert_near(value(rows[i].name, " \xC2\xA0 ", "a b"), rows[i].hypothesis, 0);
    }
}

static void test_metrics__no_line_at_all_has_a_value(void **unused)
{
    (void)unused;
    const int64_t counts[METRIC_COUNTS] = {0};
    for (size_t m = 0; m < text_metric_kinds.count; m++)
        assert_near(((const struct text_metric_kind *)kind_at(&text_metric_kinds, m))->value(counts), 0, 0);
}

static void test_metrics__signatures_are_sacrebleus(void **unused)
{
    (void)unused;
    static const char *const rows[][2] = {
            {"bleu", "nrefs:1|case:lc|eff:no|tok:char|smooth:exp|version:seqtrain"},
            {"chrf", "nrefs:1|case:lc|eff:yes|nc:6|nw:0|space:no|version:seqtrain"},
            {"chrf++", "nrefs:1|case:lc|eff:yes|nc:6|nw:2|space:no|version:seqtrain"},
            {"ter", "nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:seqtrain"},
            {"exact", "nrefs:1|case:lc|version:seqtrain"},
    };
    struct text_metric_options options = options_of("char", true);
    char signature[METRIC_TEXT];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        text_metric_signature(metric_called(rows[i][0]), &options, signature, sizeof signature);
        assert_string_equal(signature, rows[i][1]);
    }
}

static void test_metrics__bytes_that_are_no_utf8_are_characters(void **unused)
{
    (void)unused;
    assert_near(value("exact",
                        "a\xFF"
                        "b",
                        "a\xEF\xBF\xBD"
                        "b"),
            100, 0);
    assert_near(value("exact", "a\xE2\x82", "a\xEF\xBF\xBD\xEF\xBF\xBD"), 100, 0);
    assert_near(value("exact", "\xC0\xAF", "/"), 0, 0);
    assert_near(value("exact", "\xED\xA0\x80", "x"), 0, 0);
}

/* ---- BLEU ---- */

static void test_metrics__bleu_by_hand(void **unused)
{
    (void)unused;
    struct text_metric_options options = options_of("none", false);
    int64_t counts[METRIC_COUNTS] = {0};
    count("bleu", &options, "a b c d e", "a b c d f g", counts);
    static const int64_t expected[] = {5, 6, 4, 3, 2, 1, 5, 4, 3, 2};
    assert_memory_equal(counts, expected, sizeof expected);
    double mean = (log(4 / 5.) + log(3 / 4.) + log(2 / 3.) + log(1 / 2.)) / 4;
    assert_near(metric_called("bleu")->value(counts), 100 * exp(1 - 6 / 5.) * exp(mean), 1e-9);
    char details[METRIC_TEXT];
    metric_called("bleu")->details(counts, details, sizeof details);
    assert_string_equal(details, "80.0/75.0/66.7/50.0 (BP = 0.819 ratio = 0.833 hyp_len = 5 ref_len = 6)");
}

static void test_metrics__bleu_counts_no_ngram_more_often_than_the_reference(void **unused)
{
    (void)unused;
    struct text_metric_options options = options_of("none", false);
    int64_t counts[METRIC_COUNTS] = {0};
    count("bleu", &options, "the the the the", "the cat the", counts);
    assert_int_equal(counts[2], 2);
    assert_int_equal(counts[3], 0);
}

static void test_metrics__bleu_smooths_orders_without_a_match(void **unused)
{
    (void)unused;
    /* Pairs and more never match: 1/2, 1/4, 1/8 matches. */
    double mean = (log(1) + log(1 / 2. / 3) + log(1 / 4. / 2) + log(1 / 8.)) / 4;
    assert_near(value_with("bleu", "none", false, "d c b a", "a b c d"), 100 * exp(mean), 1e-9);
    assert_near(value("bleu", "a b c", "a b c"), 0, 0); /* no 4-gram at all */
}

static void test_metrics__13a_sets_punctuation_apart(void **unused)
{
    (void)unused;
    static const char *const rows[][2] = {
            {"Hello, World!", "Hello , World !"},
            {"1,000.5 is 5.", "1,000.5 is 5 ."},
            {"a.b .5 x,1", "a . b . 5 x , 1"},
            {"10-12 x-y", "10 - 12 x-y"},
            {"it's (so) [far]", "it's ( so ) [ far ]"},
            {"&quot;A&amp;B&quot; &lt;c&gt;", "\" A & B \" < c >"},
            {"&amp;lt;", "<"},
            {"&amp;quot;", "& quot ;"},
            {"a<skipped>b", "ab"},
            {"..", ". ."},
            {"a\xC2\xA0"
             "b",
                    "a b"},
            {"\xE2\x80\x9Eja\xE2\x80\x9C.", "\xE2\x80\x9Eja\xE2\x80\x9C ."},
    };
    struct text_metric_options none = options_of("none", false), tokens = options_of("13a", false);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t own[METRIC_COUNTS] = {0}, expected[METRIC_COUNTS] = {0};
        /* What is apart already stays so. */
        count("bleu", &tokens, rows[i][0], rows[i][1], own);
        count("bleu", &none, rows[i][1], rows[i][1], expected);
        if (memcmp(own, expected, sizeof own) != 0)
            fail_msg("%s is not %s", rows[i][0], rows[i][1]);
    }
}

static void test_metrics__char_makes_words_of_characters(void **unused)
{
    (void)unused;
    struct text_metric_options options = options_of("char", false);
    int64_t counts[METRIC_COUNTS] = {0};
    count("bleu", &options, "\xE6\x88\x91\xE4\xBB\xAC a", "\xE6\x88\x91\xE7\x9A\x84 a", counts);
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[2], 2);
}

/* ---- chrF ---- */

static void test_metrics__chrf_by_hand(void **unused)
{
    (void)unused;
    struct text_metric_options options = options_of("13a", false);
    int64_t counts[METRIC_COUNTS] = {0};
    count("chrf", &options, "a bc", "abd", counts);
    static const int64_t expected[18] = {3, 3, 2, 2, 2, 1, 1, 1, 0};
    assert_memory_equal(counts, expected, sizeof expected);
    /* P = R, so F = P: the mean of 2/3, 1/2 and 0. */
    assert_near(metric_called("chrf")->value(counts), 100 * (2 / 3. + 1 / 2.) / 3, 1e-9);
}

static void test_metrics__chrf_words_lose_their_punctuation(void **unused)
{
    (void)unused;
    struct text_metric_options options = options_of("13a", false);
    int64_t counts[METRIC_COUNTS] = {0};
    count("chrf++", &options, "(hi) well, \"so ! ", "( hi well , \" so !", counts);
    /* (hi ) well , " so !  against  ( hi well , " so ! */
    static const int64_t words[6] = {7, 7, 5, 6, 6, 4};
    assert_memory_equal(counts + 18, words, sizeof words);
}

static void test_metrics__chrf_leaves_out_orders_the_reference_lacks(void **unused)
{
    (void)unused;
    struct text_metric_options options = options_of("13a", false);
    int64_t counts[METRIC_COUNTS] = {0};
    count("chrf", &options, "abcdef", "ab", counts);
    static const int64_t expected[18] = {6, 2, 2, 5, 1, 1};
    assert_memory_equal(counts, expected, sizeof expected);
}

/* ---- TER ---- */

static int64_t edits(const char *hypothesis, const char *reference)
{
    struct text_metric_options options = options_of("13a", false);
    int64_t counts[METRIC_COUNTS] = {0};
    count("ter", &options, hypothesis, reference, counts);
    return counts[0];
}

static void test_metrics__ter_counts_edits(void **unused)
{
    (void)unused;
    assert_int_equal(edits("a b c", "a b c"), 0);
    assert_int_equal(edits("a x c", "a b c"), 1);
    assert_int_equal(edits("a c", "a b c"), 1);
    assert_int_equal(edits("a b b c", "a b c"), 1);
    assert_int_equal(edits("A B C", "a b c"), 0);
    assert_int_equal(edits("a, b", "a , b"), 2); /* nothing is set apart */
}

static void test_metrics__ter_shifts_a_block_for_one_edit(void **unused)
{
    (void)unused;
    assert_int_equal(edits("d e f a b c", "a b c d e f"), 1);
    assert_int_equal(edits("c a b", "a b c"), 1);
    /* Two shifts would do, but the first alone brings it no nearer: four words are replaced. */
    assert_int_equal(edits("e f c d a b", "a b c d e f"), 4);
    /* Snover's example: a shift, a substitution, two insertions. */
    assert_int_equal(
            edits("THIS WEEK THE SAUDIS denied information published in the new york times",
                    "SAUDI ARABIA denied THIS WEEK information published in the AMERICAN new york times"),
            4);
    /* A block longer than 10 words moves in parts. */
    assert_int_equal(edits("l m n o p q r s t u v w a b c d e f g h i j k",
                             "a b c d e f g h i j k l m n o p q r s t u v w"),
            2);
}

static void test_metrics__ter_keeps_near_the_diagonal_of_long_lines(void **unused)
{
    (void)unused;
    char hypothesis[4096] = "", reference[4096] = "";
    for (int i = 0; i < 300; i++) {
        strcat(reference, i % 2 ? "x " : "y ");
        if (i < 3)
            strcat(hypothesis, i % 2 ? "x " : "y ");
    }
    assert_int_equal(edits(hypothesis, reference), 297);
    assert_int_equal(edits(reference, hypothesis), 297);
    assert_int_equal(edits(reference, reference), 0);
}

/* ---- lower case ---- */

static void test_metrics__lower_case_is_pythons(void **unused)
{
    (void)unused;
    static const char *const rows[][2] = {
            {"ABC xyz", "abc xyz"}, {"\xC3\x84\xC3\x96\xC3\x9C\xC3\x9F", "\xC3\xA4\xC3\xB6\xC3\xBC\xC3\x9F"},
            {"\xD0\x96\xD0\xAF", "\xD0\xB6\xD1\x8F"},
            {"\xE1\xBA\x9E", "\xC3\x9F"},                             /* capital sharp s: shorter */
            {"\xC4\xB0I", "i\xCC\x87i"},                              /* dotted I */
            {"\xCE\x9F\xCE\xA3", "\xCE\xBF\xCF\x82"},                 /* sigma ends a word, */
            {"\xCE\x9F\xCE\xA3\xCE\x9F", "\xCE\xBF\xCF\x83\xCE\xBF"}, /* or not, */
            {"\xCE\xA3", "\xCF\x83"},                                 /* or is one, */
            {"\xCE\x91.\xCE\xA3.", "\xCE\xB1.\xCF\x82."},             /* signs between */
            {"\xF0\x90\x90\x80", "\xF0\x90\x90\xA8"},                 /* four bytes */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (value_with("exact", "13a", true, rows[i][0], rows[i][1]) != 100)
            fail_msg("lower case of %s is not %s", rows[i][0], rows[i][1]);
        assert_near(value("exact", rows[i][0], rows[i][1]), 0, 0);
    }
}

/* ---- sums ---- */

static void test_metrics__counts_of_lines_add_up(void **unused)
{
    (void)unused;
    static const char *const lines[][2] = {{"a b c d", "a b x d"}, {"", "q"}, {"the cat", "the cat"}};
    struct text_metric_options options = options_of("13a", false);
    for (size_t m = 0; m < text_metric_kinds.count; m++) {
        const char *name = kind_at(&text_metric_kinds, m)->name;
        int64_t together[METRIC_COUNTS] = {0}, sum[METRIC_COUNTS] = {0};
        for (size_t i = 0; i < 3; i++) {
            int64_t one[METRIC_COUNTS] = {0};
            count(name, &options, lines[i][0], lines[i][1], together);
            count(name, &options, lines[i][0], lines[i][1], one);
            for (size_t c = 0; c < METRIC_COUNTS; c++)
                sum[c] += one[c];
        }
        assert_memory_equal(together, sum, sizeof sum);
    }
}

/* ---- bootstrap ---- */

enum { LINES = 200, SAMPLES = 1000 };

/* exact: {equal, lines} of each line. */
static void make_counts(int64_t *counts, int every)
{
    for (int i = 0; i < LINES; i++) {
        counts[2 * i] = i % every != 0;
        counts[2 * i + 1] = 1;
    }
}

static void test_metrics__bootstrap_tells_chance_from_difference(void **unused)
{
    (void)unused;
    const struct text_metric_kind *exact = metric_called("exact");
    int64_t good[2 * LINES], same[2 * LINES], bad[2 * LINES];
    struct bootstrap found, again, other;
    make_counts(good, 10);
    make_counts(same, 10);
    make_counts(bad, 2);
    assert_int_equal(bootstrap_compare(&found, exact, good, bad, LINES, SAMPLES, 1), STATUS_OK);
    assert_near(found.value, 90, 1e-9);
    assert_near(found.baseline, 50, 1e-9);
    assert_near(found.p_value, 1. / (SAMPLES + 1), 1e-12);
    assert_near(found.better, 1, 0);
    /* 40 % of 200 lines: the standard deviation is 3.5. */
    assert_true(found.lower > 29 && found.lower < 36 && found.upper > 44 && found.upper < 51);
    assert_int_equal(bootstrap_compare(&again, exact, good, bad, LINES, SAMPLES, 1), STATUS_OK);
    assert_memory_equal(&found, &again, sizeof found);
    assert_int_equal(bootstrap_compare(&other, exact, good, bad, LINES, SAMPLES, 2), STATUS_OK);
    assert_true(other.lower != found.lower || other.upper != found.upper);
    assert_int_equal(bootstrap_compare(&found, exact, good, same, LINES, SAMPLES, 1), STATUS_OK);
    assert_near(found.lower, 0, 0);
    assert_near(found.upper, 0, 0);
    assert_near(found.better, 0, 0);
    assert_int_equal(memory_blocks(), 0);
}

static void test_metrics__bootstrap_knows_that_less_ter_is_better(void **unused)
{
    (void)unused;
    int64_t few[2 * LINES], many[2 * LINES];
    struct bootstrap found;
    for (int i = 0; i < LINES; i++) {
        few[2 * i] = 1;
        many[2 * i] = 2 + i % 3;
        few[2 * i + 1] = many[2 * i + 1] = 10;
    }
    assert_int_equal(bootstrap_compare(&found, metric_called("ter"), few, many, LINES, 100, 7), STATUS_OK);
    assert_near(found.better, 1, 0);
    assert_true(found.upper < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_metrics__equal_texts_are_the_best_value_and_strangers_the_worst),
            cmocka_unit_test(test_metrics__empty_lines_have_values),
            cmocka_unit_test(test_metrics__no_line_at_all_has_a_value),
            cmocka_unit_test(test_metrics__signatures_are_sacrebleus),
            cmocka_unit_test(test_metrics__bytes_that_are_no_utf8_are_characters),
            cmocka_unit_test(test_metrics__bleu_by_hand),
            cmocka_unit_test(test_metrics__bleu_counts_no_ngram_more_often_than_the_reference),
            cmocka_unit_test(test_metrics__bleu_smooths_orders_without_a_match),
            cmocka_unit_test(test_metrics__13a_sets_punctuation_apart),
            cmocka_unit_test(test_metrics__char_makes_words_of_characters),
            cmocka_unit_test(test_metrics__chrf_by_hand),
            cmocka_unit_test(test_metrics__chrf_words_lose_their_punctuation),
            cmocka_unit_test(test_metrics__chrf_leaves_out_orders_the_reference_lacks),
            cmocka_unit_test(test_metrics__ter_counts_edits),
            cmocka_unit_test(test_metrics__ter_shifts_a_block_for_one_edit),
            cmocka_unit_test(test_metrics__ter_keeps_near_the_diagonal_of_long_lines),
            cmocka_unit_test(test_metrics__lower_case_is_pythons),
            cmocka_unit_test(test_metrics__counts_of_lines_add_up),
            cmocka_unit_test(test_metrics__bootstrap_tells_chance_from_difference),
            cmocka_unit_test(test_metrics__bootstrap_knows_that_less_ter_is_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
