#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "io/corpora.h"
#include "tests/io/made.h"

#include <stdio.h>
#include <string.h>

static void says(const char *words)
{
    if (!strstr(status_message(), words))
        fail_msg("'%s' is not in '%s'", words, status_message());
}

static void test_corpora__weights_stand_after_the_last_colon(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path;
        double weight;
    } rows[] = {{"a.h5", "a.h5", 1}, {"a.h5:2", "a.h5", 2}, {"a.h5:0.5", "a.h5", 0.5},
            {"host:a.h5", "host:a.h5", 1}, {"host:a.h5:3", "host:a.h5", 3}, {"a.h5:", "a.h5:", 1},
            {"a:b", "a:b", 1}, {"a:1:2", "a:1", 2}, {"a:2x", "a:2x", 1}, {"a:nan", "a:nan", 1},
            {"a:1e2", "a", 100}, {"12", "12", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path;
        double weight;
        assert_int_equal(corpora_parse(rows[i].text, &path, &weight), STATUS_OK);
        assert_string_equal(path, rows[i].path);
        assert_true(weight == rows[i].weight);
        memory_free(path);
    }
    static const char *const bad[] = {"a.h5:0", "a.h5:-1", "a.h5:1001", "a.h5:1e999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *path;
        double weight;
        assert_int_equal(corpora_parse(bad[i], &path, &weight), STATUS_CONFIG);
        says("expected a weight above 0 and at most 1000 after the colon, found ");
        says(bad[i]);
    }
    char *path;
    double weight;
    assert_int_equal(corpora_parse("", &path, &weight), STATUS_CONFIG);
    says("data.train expects a name, found ''");
    assert_int_equal(corpora_parse(":2", &path, &weight), STATUS_CONFIG);
}

static const struct made_shape shapes[2] = {
        {.pairs = 40, .longest = 12, .seed = 1, .compression = 1, .joint = true},
        {.pairs = 7, .longest = 30, .seed = 2, .compression = 1, .joint = true}};

static void test_corpora__one_of_weight_one_keeps_its_fingerprint(void **state)
{
    (void)state;
    struct corpora *corpora;
    const char *one = made_corpus("one.h5", &shapes[0]);
    assert_int_equal(corpora_open(&corpora, &one, 1), STATUS_OK);
    assert_string_equal(corpora_fingerprint(corpora), corpus_facts(corpora_at(corpora, 0))->fingerprint);
    corpora_close(corpora);
}

static void test_corpora__pairs_stand_one_after_another(void **state)
{
    (void)state;
    struct corpora *corpora;
    char texts[2][700], expected[300];
    snprintf(texts[0], sizeof texts[0], "%s:2", made_corpus("one.h5", &shapes[0]));
    snprintf(texts[1], sizeof texts[1], "%s:0.25", made_corpus("two.h5", &shapes[1]));
    assert_int_equal(corpora_open(&corpora, (const char *[]){texts[0], texts[1]}, 2), STATUS_OK);
    assert_int_equal(corpora_count(corpora), 2);
    assert_int_equal(corpora_first(corpora, 0), 0);
    assert_int_equal(corpora_first(corpora, 1), 40);
    assert_int_equal(corpora_first(corpora, 2), 47);
    for (size_t pair = 0; pair < 47; pair++) {
        size_t within;
        assert_ptr_equal(corpora_of(corpora, pair, &within), corpora_at(corpora, pair >= 40));
        assert_int_equal(within, pair < 40 ? pair : pair - 40);
    }
    const struct corpus_facts *facts[2];
    double tokens = 0;
    for (size_t i = 0; i < 2; i++) {
        facts[i] = corpus_facts(corpora_at(corpora, i));
        tokens += (i == 0 ? 2 : 0.25) * (double)(facts[i]->tokens[SOURCE] + facts[i]->tokens[TARGET]);
    }
    assert_true(corpora_epoch_tokens(corpora) == tokens);
    snprintf(expected, sizeof expected, "%s:2 %s:0.25", facts[0]->fingerprint, facts[1]->fingerprint);
    assert_string_equal(corpora_fingerprint(corpora), expected);
    corpora_close(corpora);
}

static void test_corpora__what_does_not_belong_together_is_refused(void **state)
{
    (void)state;
    struct corpora *corpora;
    struct made_shape apart = shapes[1];
    apart.joint = false;
    const char *names[2] = {made_corpus("one.h5", &shapes[0]), made_corpus("apart.h5", &apart)};
    assert_int_equal(corpora_open(&corpora, names, 2), STATUS_DATA);
    says("apart.h5 has another source vocabulary than ");
    says("one.h5: prepare it with --vocab ");
    names[1] = "/nothing/here.h5:2";
    assert_int_equal(corpora_open(&corpora, names, 2), STATUS_MISSING);
    says("/nothing/here.h5");
    assert_int_equal(corpora_open(&corpora, names, 0), STATUS_CONFIG);
    /* 7 pairs, a tenth of them an epoch: some epochs would be empty. */
    char little[700];
    snprintf(little, sizeof little, "%s:0.1", made_corpus("two.h5", &shapes[1]));
    assert_int_equal(corpora_open(&corpora, (const char *[]){little}, 1), STATUS_CONFIG);
    says("expected at least one pair in every epoch, found 7 pairs of weight 0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_corpora__weights_stand_after_the_last_colon),
            cmocka_unit_test(test_corpora__one_of_weight_one_keeps_its_fingerprint),
            cmocka_unit_test(test_corpora__pairs_stand_one_after_another),
            cmocka_unit_test(test_corpora__what_does_not_belong_together_is_refused),
    };
    return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
