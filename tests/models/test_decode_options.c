/* What is refused before a search starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/models/tiny.h"

#include <string.h>

static const struct decode_options usual = {
        .beam = 4, .nbest = 4, .max_length_ratio = 1, .max_length_extra = 6, .batch = 64};

static const struct option_place places[] = {{&decode_group_options, 0}};
static const struct schema schema = {places, 1};

/* The options that `changes` ("name value" pairs, NULL at the end) give; status and words of the refusal. */
static void assert_refused(const char *const *changes, const char *word, const char *other)
{
    struct decode_options options;
    assert_int_equal(options_defaults(&schema, &options), STATUS_OK);
    for (size_t i = 0; changes[i]; i += 2)
        assert_int_equal(options_set(&schema, &options, changes[i], changes[i + 1], NULL), STATUS_OK);
    enum status status = options_check_needs(&schema, &options);
    status = status == STATUS_OK ? decode_check(&options, NULL) : status;
    assert_int_equal(status, word ? STATUS_USAGE : STATUS_OK);
    if (word && (!strstr(status_message(), word) || !strstr(status_message(), other)))
        fail_msg("no word of %s and %s: %s", word, other, status_message());
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_decode_options__refuses_what_would_be_ignored(void **state)
{
    (void)state;
    assert_int_equal(options_check_schema(&schema), STATUS_OK);
    assert_refused(LIST("beam", "4", "nbest", "4"), NULL, NULL);
    assert_refused(LIST("nbest", "5"), NULL, NULL);
    assert_refused(LIST("sample", "true", "nbest", "50", "temperature", "0.5", "top-k", "5"), NULL, NULL);
    assert_refused(LIST("nbest", "6"), "--nbest 6", "--beam 5");
    assert_refused(LIST("beam", "1", "nbest", "2"), "--nbest 2", "--beam 1");
    assert_refused(LIST("sample", "true", "beam", "4"), "--beam 4", "--sample");
    assert_refused(LIST("temperature", "0.5"), "temperature", "sample");
    assert_refused(LIST("top-k", "5"), "top-k", "sample");
    assert_refused(LIST("top-p", "0.5"), "top-p", "sample");
    assert_refused(LIST("seed", "5"), "seed", "sample");
    assert_refused(LIST("length-penalty", "none", "length-alpha", "0.5"), "length-alpha", "length-penalty");
}

static void test_decode_options__refuses_models_that_are_no_ensemble(void **state)
{
    (void)state;
    struct model_options options = tiny_options(NULL);
    const size_t rows[SIDES] = {TINY_ROWS + 1, TINY_ROWS + 1};
    struct model *models[] = {tiny_model(&options, true), NULL, tiny_model(&options, true)};
    assert_int_equal(model_open(&models[1], &options, rows, true), STATUS_OK);
    const double weights[] = {0.5, 0.25}, negative[] = {1.5, -0.5};
    assert_int_equal(decode_check(&usual, &(struct ensemble){models, NULL, 2}), STATUS_DATA);
    assert_non_null(strstr(status_message(), "model 2 has 16 source tokens, the first 15"));
    struct model *equal[] = {models[0], models[2]};
    assert_int_equal(decode_check(&usual, &(struct ensemble){equal, NULL, 2}), STATUS_OK);
    assert_int_equal(decode_check(&usual, &(struct ensemble){equal, weights, 2}), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "sum to 1, found 0.75"));
    assert_int_equal(decode_check(&usual, &(struct ensemble){equal, negative, 2}), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "-0.5 for model 2"));
    for (int m = 0; m < 3; m++)
        model_close(models[m]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_decode_options__refuses_what_would_be_ignored),
            cmocka_unit_test(test_decode_options__refuses_models_that_are_no_ensemble),
    };
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
