#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "io/options/internal.h"
#include "tests/io/option_sample.h"

/* ---- values ---- */

static void test_options__defaults_are_what_the_rows_say(void **state)
{
    struct all *all = *state;
    assert_int_equal(all->shape.width, 256);
    assert_int_equal(all->shape.threads, 0);
    assert_true(all->shape.rate == 0.1);
    assert_true(all->shape.bias);
    assert_ptr_equal(all->shape.cell, &sample_cells[1]);
    assert_true(all->course.until.value == 10 && all->course.until.unit == 'e');
    assert_true(all->course.limit.value == 0);
    assert_null(all->course.label);
    assert_int_equal(all->course.files.count, 0);
}

static void test_options__values_are_read_and_formatted(void **state)
{
    static const struct {
        const char *name, *text, *shown;
    } rows[] = {{"model.width", "4096", "4096"}, {"model.threads", "auto", "auto"},
            {"model.threads", "64", "64"}, {"model.threads", "0", "auto"}, {"model.rate", "-1", "-1"},
            {"model.rate", "1e-9", "1e-09"}, {"model.rate", ".25", "0.25"}, {"model.rate", "-0", "0"},
            {"model.bias", "no", "false"}, {"model.bias", "On", "true"}, {"model.cell", "gru", "gru"},
            {"train.until", "500u", "500u"}, {"train.until", "1e3u", "1000u"},
            {"train.limit", "1.5h", "1.5h"}, {"train.limit", "0", "never"}, {"train.limit", "0h", "never"},
            {"train.label", "", ""}, {"train.label", "ä b", "ä b"},
            {"train.scale", "0.30000000000000004", "0.30000000000000004"}, {"train.files", "a b", "a b"}};
    struct all *all = *state;
    char shown[64];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(options_set(&sample_schema, all, rows[i].name, rows[i].text, "here"), STATUS_OK);
        struct option_at at = options_find(&sample_schema, rows[i].name);
        value_format(at.option, option_field(all, at), shown, sizeof shown);
        assert_string_equal(shown, rows[i].shown);
    }
}

static void test_options__a_refused_value_tells_place_expected_and_found(void **state)
{
    static const struct {
        const char *name, *text, *message;
    } rows[] = {{"model.width", "abc",
                        "f.yaml:7: model.width expects a whole number from 1 to 4096, found 'abc'"},
            {"model.width", "0", "expects a whole number from 1 to 4096, found '0'"},
            {"model.width", "4097", "found '4097'"}, {"model.width", "2.5", "found '2.5'"},
            {"model.width", "", "found ''"}, {"model.width", " 7", "found ' 7'"},
            {"model.width", "0x10", "found '0x10'"},
            {"model.width", "99999999999999999999", "found '99999999999999999999'"},
            {"model.threads", "-1", "expects a whole number from 1 to 64 or auto, found '-1'"},
            {"model.rate", "nan", "model.rate expects a number from -1 to 1, found 'nan'"},
            {"model.rate", "1.0001", "found '1.0001'"}, {"model.rate", "0x1", "found '0x1'"},
            {"model.rate", "1e999", "found '1e999'"},
            {"model.bias", "maybe", "model.bias expects true or false, found 'maybe'"},
            {"model.cell", "lsmt", "model.cell expects gru or lstm, found 'lsmt'; did you mean lstm?"},
            {"train.until", "3", "expects a period such as 500u (updates), 2e (epochs), found '3'"},
            {"train.until", "3h", "found '3h'"}, {"train.until", "0e", "found '0e'"},
            {"train.until", "1.5e", "found '1.5e'"}, {"train.limit", "-3s", "found '-3s'"},
            {"train.limit", "3ss", "found '3ss'"}, {"train.limit", "h", "or never, found 'h'"},
            {"train.limit", "1e30h", "found '1e30h'"}, {"train.label", "\xff\xfe", "expects UTF-8 text"},
            {"model.widht", "3", "f.yaml:7: unknown setting model.widht; did you mean model.width?"},
            {"width", "3", "unknown setting width; did you mean model.width?"},
            {"modle", "3", "unknown setting modle; did you mean model?"},
            {"zzzzzzzz", "3", "unknown setting zzzzzzzz; --help lists"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(options_set(&sample_schema, *state, rows[i].name, rows[i].text, "f.yaml:7"),
                STATUS_CONFIG, rows[i].message);
}

static void test_options__a_refused_value_leaves_the_old_one(void **state)
{
    struct all *all = *state;
    assert_int_equal(options_set(&sample_schema, all, "model.width", "7", "a"), STATUS_OK);
    assert_int_equal(options_set(&sample_schema, all, "model.width", "x", "a"), STATUS_CONFIG);
    assert_int_equal(all->shape.width, 7);
}

static void test_options__a_message_stays_short_and_clean(void **state)
{
    char *text = malloc(1000001);
    memset(text, 'x', 1000000);
    text[1000000] = '\0', text[3] = '\n', text[4] = '\033';
    assert_refused(options_set(&sample_schema, *state, "model.width", text, "f"), STATUS_CONFIG, "'xxx??xxx");
    assert_true(strlen(status_message()) < 200);
    assert_refused(
            options_set(&sample_schema, *state, text, "1", "f"), STATUS_CONFIG, "unknown setting xxx??x");
    assert_true(strlen(status_message()) < 200);
    free(text);
}

static void test_options__required_is_told_by_name(void **state)
{
    struct all *all = *state;
    assert_refused(options_check_required(&sample_schema, all), STATUS_USAGE, "--out FILE is missing");
    assert_int_equal(options_set(&sample_schema, all, "out", "x", NULL), STATUS_OK);
    assert_int_equal(options_check_required(&sample_schema, all), STATUS_OK);
}

/* ---- what counts only together with another ---- */

struct together {
    const struct kind *cell;
    char *label;
    struct period every;
    double rate;
    bool fast;
    int64_t best;
    char *name;
};

static const struct kind three[] = {{"gru", "h", NULL}, {"lstm", "h", NULL}, {"rnn", "h", NULL}};
static const struct kind_table three_kinds = KIND_TABLE("cell", three);
static const struct option together_rows[] = {
        {"g.cell", OPTION_CHOICE, offsetof(struct together, cell), .value = "lstm", .kinds = &three_kinds,
                .help = "h"},
        {"g.label", OPTION_TEXT, offsetof(struct together, label), .help = "h"},
        {"g.every", OPTION_PERIOD, offsetof(struct together, every), .value = "1e", .units = "ue",
                .zero = "never", .needs = "g.label", .help = "h"},
        {"g.rate", OPTION_REAL, offsetof(struct together, rate), .value = "1e-1", .needs = "g.cell=gru|rnn",
                .help = "h"},
        {"g.fast", OPTION_BOOL, offsetof(struct together, fast), .value = "true", .needs = "g.cell=rnn",
                .help = "h"},
        {"g.best", OPTION_INTEGER, offsetof(struct together, best), .value = "1", .needs = "g.every",
                .help = "h"},
        {"name", OPTION_TEXT, offsetof(struct together, name), .needs = "g.fast", .help = "h"},
};
static const struct option_group together_group = OPTION_GROUP("g", "together", together_rows);
static const struct option_place together_place = {&together_group, 0};
static const struct schema together_schema = {&together_place, 1};

static void test_options__what_would_be_ignored_is_refused(void **state)
{
    static const struct {
        const char *set[3][2]; /* name, value */
        enum status status;
        const char *message;
    } rows[] = {{{{"g.rate", "0.10"}}, STATUS_OK, NULL},
            {{{"g.rate", "0.2"}}, STATUS_CONFIG,
                    "g.rate is 0.2, but counts only with g.cell gru or rnn, found lstm: set g.cell gru or "
                    "rnn, or leave g.rate out"},
            {{{"g.rate", "0.2"}, {"g.cell", "gru"}}, STATUS_OK, NULL},
            {{{"g.rate", "0.2"}, {"g.cell", "rnn"}}, STATUS_OK, NULL},
            {{{"g.every", "2e"}}, STATUS_CONFIG,
                    "g.every is 2e, but counts only with g.label, found nothing"},
            {{{"g.every", "2e"}, {"g.label", "x"}}, STATUS_OK, NULL},
            {{{"g.every", "never"}}, STATUS_OK, NULL}, {{{"g.fast", "no"}}, STATUS_OK, NULL},
            {{{"g.best", "2"}}, STATUS_CONFIG, "g.best is 2, but counts only with g.label, found nothing"},
            {{{"g.best", "2"}, {"g.label", "x"}}, STATUS_OK, NULL},
            {{{"g.best", "2"}, {"g.label", "x"}, {"g.every", "0"}}, STATUS_CONFIG,
                    "g.best is 2, but counts only with g.every, found never: set g.every, or leave g.best "
                    "out"},
            {{{"name", "n"}, {"g.cell", "rnn"}}, STATUS_OK, NULL},
            {{{"name", "n"}, {"g.cell", "rnn"}, {"g.fast", "no"}}, STATUS_USAGE,
                    "name is n, but counts only with g.fast, found false"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct together t;
        assert_int_equal(options_defaults(&together_schema, &t), STATUS_OK);
        for (size_t k = 0; k < 3 && rows[i].set[k][0]; k++)
            assert_int_equal(
                    options_set(&together_schema, &t, rows[i].set[k][0], rows[i].set[k][1], NULL), STATUS_OK);
        if (rows[i].status == STATUS_OK)
            assert_int_equal(options_check_needs(&together_schema, &t), STATUS_OK);
        else
            assert_refused(options_check_needs(&together_schema, &t), rows[i].status, rows[i].message);
        options_release(&together_schema, &t);
    }
    assert_int_equal(memory_blocks(), 0);
}

static void test_options__help_tells_what_is_needed(void **state)
{
    char *text = NULL;
    size_t bytes = 0;
    (void)state;
    FILE *out = open_memstream(&text, &bytes);
    options_print_help(out, &together_schema);
    fclose(out);
    assert_non_null(strstr(text, "h (default 1; only with g.every)\n"));
    assert_non_null(strstr(text, "h (only with g.fast)\n"));
    assert_non_null(strstr(text, "h (default 1e-1; only with g.cell gru or rnn)\n"));
    free(text);
}

/* ---- the command line ---- */

static void test_options__arguments_are_read(void **state)
{
    struct all *all = *state;
    struct text_list words = {NULL, 0};
    assert_int_equal(
            sample_line(all,
                    "a.yaml --model.width 9 --model.rate -0.5 --no-model.bias - --train.label=x=y "
                    "--train.until=7e --train.files p q -1 --out - --train.scale -.5 -- --model.width",
                    &words),
            STATUS_OK);
    assert_int_equal(all->shape.width, 9);
    assert_true(all->shape.rate == -0.5 && all->course.scale == -0.5);
    assert_false(all->shape.bias);
    assert_string_equal(all->course.label, "x=y");
    assert_string_equal(all->course.out, "-");
    assert_int_equal(all->course.files.count, 3);
    assert_string_equal(all->course.files.items[2], "-1");
    assert_int_equal(words.count, 3);
    assert_string_equal(words.items[0], "a.yaml");
    assert_string_equal(words.items[1], "-");
    assert_string_equal(words.items[2], "--model.width");
    text_list_release(&words);
}

static void test_options__switches_of_yes_and_no(void **state)
{
    struct all *all = *state;
    struct text_list words = {NULL, 0};
    static const struct {
        const char *text;
        bool value;
        size_t words;
    } rows[] = {{"--no-model.bias", false, 0}, {"--model.bias", true, 0}, {"--model.bias=off", false, 0},
            {"--model.bias true", true, 0}, {"--model.bias no", false, 0}, {"--model.bias file", true, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(sample_line(all, rows[i].text, &words), STATUS_OK);
        assert_int_equal(all->shape.bias, rows[i].value);
        assert_int_equal(words.count, rows[i].words);
    }
    text_list_release(&words);
}

static void test_options__lists_replace_the_file_then_grow(void **state)
{
    struct all *all = *state;
    assert_int_equal(sample_parse(all, "train: {files: [old]}"), STATUS_OK);
    assert_int_equal(sample_line(all, "--train.files a b --model.width 3 --train.files=c", NULL), STATUS_OK);
    assert_int_equal(all->course.files.count, 3);
    assert_string_equal(all->course.files.items[0], "a");
    assert_string_equal(all->course.files.items[2], "c");
    assert_int_equal(sample_line(all, "--out first --out last", NULL), STATUS_OK);
    assert_string_equal(all->course.out, "last");
}

static void test_options__what_was_given_is_known(void **state)
{
    static const struct {
        const char *word;
        bool given;
    } rows[] = {{"--bias", true}, {"--bias=no", true}, {"--no-bias", true}, {"--biased", false},
            {"bias", false}, {"--bia", false}, {"--no-biased", false}, {"--", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char first[] = "--out", second[16];
        char *argv[] = {first, second};
        snprintf(second, sizeof second, "%s", rows[i].word);
        assert_int_equal(options_given(2, argv, "bias"), rows[i].given);
        assert_true(options_given(2, argv, "out"));
    }
    char end[] = "--", after[] = "--bias";
    assert_false(options_given(2, (char *[]){end, after}, "bias"));
}

static void test_options__malformed_lines_are_refused(void **state)
{
    static const struct {
        const char *text;
        enum status status;
        const char *message;
    } rows[] = {
            {"--model.widht 3", STATUS_CONFIG, "unknown setting --model.widht; did you mean --model.width?"},
            {"--ouput x", STATUS_USAGE, "unknown setting --ouput; did you mean --out?"},
            {"--width 3", STATUS_USAGE, "did you mean --model.width?"},
            {"--model.width x", STATUS_CONFIG,
                    "--model.width expects a whole number from 1 to 4096, found 'x'"},
            {"--model.width", STATUS_USAGE,
                    "--model.width N: expected a whole number from 1 to 4096, found nothing"},
            {"--out --model.bias", STATUS_USAGE, "--out FILE: expected UTF-8 text, found --model.bias"},
            {"--train.files --out x", STATUS_USAGE, "--train.files FILE: expected UTF-8 text, found --out"},
            {"--no-model.bias=true", STATUS_USAGE, "--no-model.bias takes no value, found =true"},
            {"--no-model.width", STATUS_USAGE, "--no-model.width: only what is on or off can be negated"},
            {"--model.bias=perhaps", STATUS_CONFIG, "--model.bias expects true or false, found 'perhaps'"},
            {"-x", STATUS_USAGE, "expected a switch such as --name, found -x"},
            {"stray", STATUS_USAGE, "expected a switch such as --name, found stray"}, {"--", STATUS_OK, ""}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(sample_line(*state, rows[i].text, NULL), rows[i].status, rows[i].message);
}

/* ---- help and names ---- */

static void test_options__help_fits_80_columns(void **state)
{
    char *text = NULL, *save = NULL;
    size_t bytes = 0;
    (void)state;
    FILE *out = open_memstream(&text, &bytes);
    options_print_help(out, &sample_schema);
    fclose(out);
    assert_non_null(
            strstr(text, "model: the model\n  --model.width N               width of the rows (default "
                         "256; from 1 to 4096)\n"));
    assert_non_null(strstr(text, "--[no-]model.bias"));
    assert_non_null(strstr(text, "lstm  three gates"));
    assert_non_null(strstr(text, "--train.files FILE..."));
    assert_non_null(strstr(text, "(required)"));
    for (char *row = strtok_r(text, "\n", &save); row; row = strtok_r(NULL, "\n", &save)) {
        assert_true(strlen(row) <= 80);
        assert_true(row[strlen(row) - 1] != ' ');
    }
    free(text);
}

static const char *item(const void *context, size_t i)
{
    return ((const char *const *)context)[i];
}

static void test_options__the_nearest_name(void **state)
{
    static const char *const known[] = {"train", "translate", "score", "info", "help", "prepare"};
    static const struct {
        const char *name, *nearest;
    } rows[] = {{"trian", "train"}, {"trani", "train"}, {"translat", "translate"}, {"inof", "info"},
            {"hlep", "help"}, {"scores", "score"}, {"prepair", "prepare"}, {"xyz", NULL}, {"", NULL},
            {"x", NULL}, {"evaluate", NULL}, {"train", "train"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *nearest = options_nearest(rows[i].name, item, known, 6);
        if (rows[i].nearest)
            assert_string_equal(nearest ? nearest : "(none)", rows[i].nearest);
        else
            assert_null(nearest);
    }
}

/* ---- the table checks itself ---- */

static void test_options__a_good_table_passes(void **state)
{
    (void)state;
    assert_int_equal(options_check_schema(&sample_schema), STATUS_OK);
    assert_int_equal(options_check_schema(&together_schema), STATUS_OK);
}

static void test_options__bad_rows_are_found(void **state)
{
    static const struct kind twice[] = {{"a", "h", NULL}, {"a", "h", NULL}};
    static const struct kind_table twice_kinds = KIND_TABLE("twice", twice);
    static const struct {
        struct option option;
        const char *message;
    } rows[] = {{{"g.a", OPTION_INTEGER, 0, .help = "h"}, "option g.a: no default"},
            {{"g.a", OPTION_INTEGER, 0, .value = "x", .help = "h"}, "default: g.a expects a whole number"},
            {{"g.a", OPTION_INTEGER, 0, .value = "9", .minimum = 1, .maximum = 3, .help = "h"}, "found '9'"},
            {{"g.a", OPTION_INTEGER, 0, .value = "9", .minimum = 3, .maximum = 1, .help = "h"},
                    "minimum above"},
            {{"g.a", OPTION_INTEGER, 0, .value = "9"}, "option g.a: no help"},
            {{"g.a", OPTION_BOOL, 0, .value = "no", .zero = "never", .help = "h"}, "bounds or a word for 0"},
            {{"g.a", OPTION_CHOICE, 0, .value = "a", .help = "h"}, "a choice without kinds"},
            {{"g.a", OPTION_CHOICE, 0, .value = "a", .kinds = &twice_kinds, .help = "h"},
                    "kind a stands twice"},
            {{"g.a", OPTION_PERIOD, 0, .value = "1u", .help = "h"}, "needs units"},
            {{"g.a", OPTION_PERIOD, 0, .value = "1u", .units = "uh", .shapes_result = true, .help = "h"},
                    "may be told in clock time"},
            {{"g.a", OPTION_TEXT, 0, .needs = "g.b", .help = "h"},
                    "option g.a: needs g.b, which is no option"},
            {{"g.a", OPTION_TEXT, 0, .commas = true, .help = "h"}, "commas between items, but no list"},
            {{"g.a", OPTION_TEXT, 0, .needs = "g.a=x", .help = "h"}, "needs one of x, but g.a is no choice"},
            {{"g.a", OPTION_TEXT, 0, .needs = "g.a", .help = "h"}, "option g.a: needs itself"},
            {{"g.a", OPTION_CHOICE, 0, .value = "gru", .kinds = &three_kinds, .needs = "g.a", .help = "h"},
                    "needs g.a, but not which of its choices"},
            {{"g.a", OPTION_CHOICE, 0, .value = "gru", .kinds = &three_kinds, .needs = "g.a=rnn|gur",
                     .help = "h"},
                    "option g.a: needs g.a gur, which is no choice"},
            {{"g.a", OPTION_TEXT, 0, .value = "x", .required = true, .help = "h"},
                    "required, with a default"},
            {{"g.a", OPTION_REAL, 0, .required = true, .help = "h"}, "a number cannot be required"},
            {{"G A", OPTION_TEXT, 0, .help = "h"}, "'G A' is no name for an option"},
            {{"h.a", OPTION_TEXT, 0, .help = "h"}, "option h.a stands in group g"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct option_group group = {"g", "a group", &rows[i].option, 1};
        struct option_place place = {&group, 0};
        struct schema bad = {&place, 1};
        assert_refused(options_check_schema(&bad), STATUS_INTERNAL, rows[i].message);
    }
}

static void test_options__clashing_rows_are_found(void **state)
{
    static const struct option same[] = {
            {"g.a", OPTION_TEXT, 0, .help = "h"}, {"g.a", OPTION_TEXT, 8, .help = "h"}};
    static const struct option over[] = {
            {"g.a", OPTION_TEXT, 0, .help = "h"}, {"g.b", OPTION_TEXT, 4, .help = "h"}};
    struct option_group groups[] = {{"g", "h", same, 2}, {"g", "h", over, 2}};
    struct option_place place[] = {{&groups[0], 0}, {&groups[1], 0}};
    (void)state;
    assert_refused(options_check_schema(&(struct schema){&place[0], 1}), STATUS_INTERNAL, "g.a stands twice");
    assert_refused(options_check_schema(&(struct schema){&place[1], 1}), STATUS_INTERNAL,
            "g.b and g.a land in the same field");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, sample_setup, sample_teardown)

/* Every value in order; those that differ from the default with a star before. */
static enum status append_value(
        void *context, const struct option *option, const char *value, bool is_default)
{
    char *out = context;
    CHECK(strcmp(value, "stop") != 0, STATUS_DATA, "stopped at %s", option->name);
    snprintf(out + strlen(out), 512 - strlen(out), "%s%s=%s\n", is_default ? "" : "*", option->name, value);
    return STATUS_OK;
}

static void test_options__every_value_is_visited(void **state)
{
    struct all *all = *state;
    char out[512] = "";
    assert_int_equal(options_set(&sample_schema, all, "model.width", "12", NULL), STATUS_OK);
    assert_int_equal(options_set(&sample_schema, all, "model.cell", "lstm", NULL), STATUS_OK);
    assert_int_equal(options_set(&sample_schema, all, "train.files", "a b", NULL), STATUS_OK);
    assert_int_equal(options_visit(&sample_schema, all, append_value, out), STATUS_OK);
    assert_string_equal(out,
            "*model.width=12\nmodel.threads=auto\nmodel.rate=0.1\nmodel.bias=true\nmodel.cell=lstm\n"
            "train.until=10e\ntrain.limit=never\ntrain.label=\nout=\n*train.files=a b\ntrain.scale=1\n");
    assert_int_equal(options_set(&sample_schema, all, "train.label", "stop", NULL), STATUS_OK);
    assert_refused(
            options_visit(&sample_schema, all, append_value, out), STATUS_DATA, "stopped at train.label");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            WITH(test_options__defaults_are_what_the_rows_say),
            WITH(test_options__values_are_read_and_formatted),
            WITH(test_options__a_refused_value_tells_place_expected_and_found),
            WITH(test_options__a_refused_value_leaves_the_old_one),
            WITH(test_options__a_message_stays_short_and_clean),
            WITH(test_options__required_is_told_by_name),
            cmocka_unit_test(test_options__what_would_be_ignored_is_refused),
            cmocka_unit_test(test_options__help_tells_what_is_needed),
            WITH(test_options__arguments_are_read),
            WITH(test_options__switches_of_yes_and_no),
            WITH(test_options__lists_replace_the_file_then_grow),
            cmocka_unit_test(test_options__what_was_given_is_known),
            WITH(test_options__malformed_lines_are_refused),
            cmocka_unit_test(test_options__help_fits_80_columns),
            cmocka_unit_test(test_options__the_nearest_name),
            cmocka_unit_test(test_options__a_good_table_passes),
            cmocka_unit_test(test_options__bad_rows_are_found),
            cmocka_unit_test(test_options__clashing_rows_are_found),
            WITH(test_options__every_value_is_visited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
