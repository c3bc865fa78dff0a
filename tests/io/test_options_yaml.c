#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "comm/fault.h"
#include "comm/memory.h"
#include "tests/io/option_sample.h"

/* ---- YAML ---- */

static void test_options_yaml__is_read(void **state)
{
    struct all *all = *state;
    assert_int_equal(sample_parse(all, "# comment\nmodel:\n  width: 8 # eight\n  cell: gru\n  bias: off\n"
                                       "train: {until: 3u, label: 'a: b', files: [x, \"y z\"]}\nout: o\n"),
            STATUS_OK);
    assert_int_equal(all->shape.width, 8);
    assert_ptr_equal(all->shape.cell, &sample_cells[0]);
    assert_false(all->shape.bias);
    assert_true(all->course.until.value == 3 && all->course.until.unit == 'u');
    assert_string_equal(all->course.label, "a: b");
    assert_int_equal(all->course.files.count, 2);
    assert_string_equal(all->course.files.items[1], "y z");
    assert_string_equal(all->course.out, "o");
}

static void test_options_yaml__that_is_fine(void **state)
{
    static const char *const texts[] = {"", "\n", "# nothing\n", "---\n", "---\n...\n", "model:\n",
            "model: ~\n", "{}", "\xEF\xBB\xBFmodel:\n  width: 3\n", "model:\r\n  width: 3\r\n",
            "model.width: 3", "\"model\": {\"width\": \"3\"}", "train:\n  label: null\n  files:\n",
            "train:\n  files: one\n", "train:\n  files:\n  - a\n  - b\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (sample_parse(*state, texts[i]) != STATUS_OK)
            fail_msg("%s: %s", texts[i], status_message());
}

static void test_options_yaml__null_means_not_given(void **state)
{
    struct all *all = *state;
    assert_int_equal(sample_parse(all, "train: {label: x, files: [a]}"), STATUS_OK);
    assert_int_equal(sample_parse(all, "train: {label: null, files: ~}"), STATUS_OK);
    assert_null(all->course.label);
    assert_int_equal(all->course.files.count, 0);
    assert_int_equal(sample_parse(all, "train: {label: 'null'}"), STATUS_OK);
    assert_string_equal(all->course.label, "null");
}

static void test_options_yaml__hostile_text_is_refused_by_line(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {{"model:\n  width: abc\n",
                        "t.yaml:2: model.width expects a whole number from 1 to 4096, found 'abc'"},
            {"model:\n  width:\n",
                    "t.yaml:2: model.width expects a whole number from 1 to 4096, found nothing"},
            {"model:\n  width: [1]\n",
                    "t.yaml:2: model.width expects a whole number from 1 to 4096, found a list"},
            {"model:\n  width:\n    deep: 1\n", "found keys below it"},
            {"model:\n  widht: 1\n", "t.yaml:2: unknown setting model.widht; did you mean model.width?"},
            {"\nmodle:\n  width: 1\n", "t.yaml:2: unknown setting modle; did you mean model?"},
            {"width: 1\n", "t.yaml:1: unknown setting width; did you mean model.width?"},
            {"model:\n  width: 1\n  width: 2\n", "t.yaml:3: model.width stands here again, first on line 2"},
            {"model:\n  width: 1\nmodel.width: 2\n",
                    "t.yaml:3: model.width stands here again, first on line 2"},
            {"model:\n  width: 1\nmodel:\n  rate: 0\n", "t.yaml:3: model stands here again, first on line 1"},
            {"model: 3\n", "t.yaml:1: model is a group: expected keys below it, found '3'"},
            {"model: [3]\n", "t.yaml:1: model is a group: expected keys below it, found a list"},
            {"train:\n  files: [a, [b]]\n", "t.yaml:2: train.files expects UTF-8 text, found a list or keys"},
            {"train:\n  files: [a, ]\n  label: {a: b}\n",
                    "t.yaml:3: train.label expects UTF-8 text, found keys"},
            {"train:\n  files: [a, ~]\n", "t.yaml:2: train.files expects UTF-8 text, found nothing"},
            {"train: &a\n  label: x\n", "t.yaml:1: expected plain keys and values, found an anchor (&)"},
            {"train:\n  label: *a\n", "t.yaml:2: expected plain keys and values, found an alias (*)"},
            {"train:\n  label: !!str x\n", "t.yaml:2: expected plain keys and values, found a tag (!)"},
            {"%YAML 1.1\n---\nmodel:\n", "expected plain keys and values, found a directive (%)"},
            {"train:\n  <<: {label: x}\n",
                    "t.yaml:2: expected plain keys and values, found a merge key (<<)"},
            {"model:\n---\nmodel:\n", "t.yaml:2: expected the end of the file, found a second document"},
            {"- a\n- b\n", "t.yaml:1: expected keys and values, found a list"},
            {"just words\n", "t.yaml:1: expected keys and values, found 'just words'"},
            {"? [a, b]\n: c\n", "t.yaml:1: expected a key, found a list"},
            {"model:\n\twidth: 3\n", "t.yaml:2: expected blanks before the key, found a tab"},
            {"model:\n  width: 3\n bias: no\n", "t.yaml:3: not YAML: "},
            {"train:\n  label: \"abc\n", "not YAML: found unexpected end of stream"},
            {"train:\n  label: \xff\xff\n", "t.yaml:2: expected UTF-8 text, found 0xFF"},
            {"train:\n  label: \x01\n", "t.yaml:2: expected UTF-8 text, found 0x01"},
            {"\xff\xfem\n", "t.yaml:1: expected UTF-8 text, found UTF-16"},
            {"train:\n  label: \"a\\0b\"\n",
                    "t.yaml:2: train.label expects UTF-8 text, found a text with a NUL"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        status_clear();
        assert_refused(sample_parse(*state, rows[i].text), STATUS_CONFIG, rows[i].message);
    }
    static const char nul[] = "model:\n  width: 3\n\0\n";
    assert_refused(options_parse_yaml(&sample_schema, *state, nul, sizeof nul - 1, "t.yaml"), STATUS_CONFIG,
            "t.yaml:3: expected text, found a NUL byte");
}

static void test_options_yaml__deep_and_large_text_ends_soon(void **state)
{
    size_t bytes = 1 << 20;
    char *text = malloc(bytes + 2);
    memset(text, '[', bytes + 1);
    assert_refused(
            options_parse_yaml(&sample_schema, *state, text, bytes, "t"), STATUS_CONFIG, "found a list");
    assert_refused(options_parse_yaml(&sample_schema, *state, text, bytes + 1, "t"), STATUS_CONFIG,
            "t: expected at most 1048576 bytes, found more");
    for (size_t i = 0; i + 1 < bytes; i += 2)
        memcpy(text + i, "a:", 2);
    assert_int_equal(options_parse_yaml(&sample_schema, *state, text, bytes, "t"), STATUS_CONFIG);
    memset(text, 'x', bytes);
    memcpy(text, "train: {label: ", 15);
    text[bytes - 1] = '}';
    assert_int_equal(options_parse_yaml(&sample_schema, *state, text, bytes, "t"), STATUS_OK);
    assert_int_equal(strlen(((struct all *)*state)->course.label), bytes - 16);
    free(text);
}

static void test_options_yaml__any_bytes_are_no_crash(void **state)
{
    static const char alphabet[] = "model:width train-label{}[]&*!%\"'\n\n  \t|>#?~0e,\\\xc3\xa4";
    uint64_t x = 1;
    char text[64];
    for (int i = 0; i < 20000; i++) {
        for (size_t j = 0; j < sizeof text; j++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            text[j] = alphabet[(x >> 33) % (sizeof alphabet - 1)];
        }
        status_clear();
        memcpy(text, i % 2 ? "train: {label: " : "model:\n  rate: ", 15);
        if (options_parse_yaml(&sample_schema, *state, text, sizeof text, "t") != STATUS_OK)
            assert_true(status_message()[0]);
    }
}

/* ---- files ---- */

static void test_options_yaml__files(void **state)
{
    char folder[] = "/tmp/seqtrain-options-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/c.yaml", folder);
    assert_refused(options_read_yaml(&sample_schema, *state, path), STATUS_MISSING,
            "cannot open /tmp/seqtrain-options-");
    assert_refused(options_read_yaml(&sample_schema, *state, folder), STATUS_CONFIG,
            "expected a YAML file, found a folder");
    FILE *file = fopen(path, "w");
    fputs("model:\n  width: 12\n", file);
    fclose(file);
    assert_int_equal(options_read_yaml(&sample_schema, *state, path), STATUS_OK);
    assert_int_equal(((struct all *)*state)->shape.width, 12);
    static const char *const faults[] = {"open:1", "read:1", "read:2", "memory:1", "memory:2"};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        assert_int_equal(fault_plan(faults[i], 0), STATUS_OK);
        assert_int_equal(
                options_read_yaml(&sample_schema, *state, path), i < 3 ? STATUS_IO : STATUS_INTERNAL);
        fault_plan(NULL, 0);
    }
    if (geteuid() != 0) {
        chmod(path, 0);
        assert_int_equal(options_read_yaml(&sample_schema, *state, path), STATUS_PERMISSION);
    }
    unlink(path);
    rmdir(folder);
}

/* ---- the record ---- */

static void test_options_yaml__the_record_reads_back_equal(void **state)
{
    struct all *all = *state, other;
    char *first, *second;
    assert_int_equal(
            sample_parse(all, "train: {label: \"on\\nb\\t\\\"'# ä\\x07\", until: 3u, scale: 0.1, files: "
                              "['', 'null', '- x', ' y ', '1', 'a,b', '[', '&a', \"\\x85\"]}\n"
                              "model: {rate: 0.3, threads: auto, cell: gru, bias: no}"),
            STATUS_OK);
    assert_int_equal(options_write_yaml(&first, &sample_schema, all, false), STATUS_OK);
    assert_int_equal(options_defaults(&sample_schema, &other), STATUS_OK);
    if (options_parse_yaml(&sample_schema, &other, first, strlen(first), "record") != STATUS_OK)
        fail_msg("%s in\n%s", status_message(), first);
    assert_string_equal(other.course.label, all->course.label);
    assert_int_equal(other.course.files.count, all->course.files.count);
    for (size_t i = 0; i < other.course.files.count; i++)
        assert_string_equal(other.course.files.items[i], all->course.files.items[i]);
    assert_true(other.shape.rate == all->shape.rate && other.course.until.unit == 'u');
    assert_int_equal(options_write_yaml(&second, &sample_schema, &other, false), STATUS_OK);
    assert_string_equal(first, second);
    options_release(&sample_schema, &other);
    memory_free(first);
    memory_free(second);
}

static void test_options_yaml__the_record_is_readable(void **state)
{
    char *text;
    assert_int_equal(options_set(&sample_schema, *state, "train.files", "x", "t"), STATUS_OK);
    assert_int_equal(options_write_yaml(&text, &sample_schema, *state, false), STATUS_OK);
    assert_string_equal(text,
            "model:\n  width: 256\n  threads: auto\n  rate: 0.1\n  bias: true\n  cell: lstm\n"
            "train:\n  until: 10e\n  limit: never\n  label: null\n  files: [x]\n  scale: 1\n"
            "out: null\n");
    memory_free(text);
    assert_int_equal(options_write_yaml(&text, &sample_schema, *state, true), STATUS_OK);
    assert_string_equal(text, "model:\n  width: 256\n  rate: 0.1\n  bias: true\n  cell: lstm\n"
                              "train:\n  until: 10e\n  label: null\n  scale: 1\n");
    memory_free(text);
}

static void test_options_yaml__memory_ends_anywhere_while_writing(void **state)
{
    int failures = 0;
    for (int n = 1; n < 20; n++) {
        char plan[32], *text = NULL;
        snprintf(plan, sizeof plan, "memory:%d", n);
        assert_int_equal(fault_plan(plan, 0), STATUS_OK);
        enum status status = options_write_yaml(&text, &sample_schema, *state, false);
        fault_plan(NULL, 0);
        failures += status == STATUS_INTERNAL;
        if (status == STATUS_OK)
            memory_free(text);
    }
    assert_true(failures > 0);
}

/* teardown() finds what a failed call left behind. */
static void test_options_yaml__memory_ends_anywhere_while_reading(void **state)
{
    static const char text[] = "train: {label: x, files: [a, b], until: 3u}\nmodel: {width: 7}\nout: o\n";
    int failures = 0, n = 1;
    enum status status = STATUS_INTERNAL;
    for (; status != STATUS_OK; n++) {
        char plan[32];
        struct text_list words = {NULL, 0};
        struct all fresh;
        snprintf(plan, sizeof plan, "memory:%d", n);
        assert_int_equal(fault_plan(plan, 0), STATUS_OK);
        status = options_defaults(&sample_schema, &fresh);
        if (status == STATUS_OK) {
            status = sample_parse(&fresh, text);
            if (status == STATUS_OK)
                status = sample_line(&fresh, "a --out x --train.files c d - --train.label y", &words);
            options_release(&sample_schema, &fresh);
        }
        fault_plan(NULL, 0);
        text_list_release(&words);
        failures += status != STATUS_OK;
        assert_true(status == STATUS_OK || status == STATUS_INTERNAL);
        assert_true(n < 100);
    }
    assert_true(failures > 10);
    assert_int_equal(options_check_required(&sample_schema, *state), STATUS_USAGE);
}

struct differences {
    char text[512];
    enum status status;
};

static enum status note(void *context, const struct option *option, const char *then, const char *now)
{
    struct differences *differences = context;
    size_t used = strlen(differences->text);
    snprintf(differences->text + used, sizeof differences->text - used, "%s %s>%s;", option->name, then, now);
    return differences->status;
}

static void test_options_yaml__differences_are_told_with_both_values(void **state)
{
    struct all *all = *state;
    struct differences seen = {"", STATUS_OK};
    /* An older record without train.*: those count as their defaults. Threads do not shape the result. */
    static const char record[] = "model: {width: 100, rate: 0.1, threads: 7}\n";
    assert_int_equal(sample_line(all, "--train.until 5u --model.threads 3", NULL), STATUS_OK);
    assert_int_equal(options_compare(&sample_schema, all, record, strlen(record), note, &seen), STATUS_OK);
    assert_string_equal(seen.text, "model.width 100>256;train.until 10e>5u;");
    seen = (struct differences){"", STATUS_CONFIG};
    assert_int_equal(
            options_compare(&sample_schema, all, record, strlen(record), note, &seen), STATUS_CONFIG);
    assert_string_equal(seen.text, "model.width 100>256;");
    assert_refused(options_compare(&sample_schema, all, "a: b", 4, note, &seen), STATUS_CONFIG,
            "recorded settings:1: unknown setting a");
}

static void test_options_yaml__texts_that_differ_late_are_different(void **state)
{
    struct all *all = *state;
    struct differences seen = {"", STATUS_OK};
    char text[400], record[500];
    memset(text, 'x', sizeof text);
    text[399] = '\0';
    snprintf(record, sizeof record, "train: {label: %s}", text);
    text[398] = 'y';
    assert_int_equal(options_set(&sample_schema, all, "train.label", text, NULL), STATUS_OK);
    assert_int_equal(options_compare(&sample_schema, all, record, strlen(record), note, &seen), STATUS_OK);
    assert_non_null(strstr(seen.text, "train.label xxx"));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, sample_setup, sample_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            WITH(test_options_yaml__is_read),
            WITH(test_options_yaml__that_is_fine),
            WITH(test_options_yaml__null_means_not_given),
            WITH(test_options_yaml__hostile_text_is_refused_by_line),
            WITH(test_options_yaml__deep_and_large_text_ends_soon),
            WITH(test_options_yaml__any_bytes_are_no_crash),
            WITH(test_options_yaml__files),
            WITH(test_options_yaml__the_record_reads_back_equal),
            WITH(test_options_yaml__the_record_is_readable),
            WITH(test_options_yaml__memory_ends_anywhere_while_writing),
            WITH(test_options_yaml__memory_ends_anywhere_while_reading),
            WITH(test_options_yaml__differences_are_told_with_both_values),
            WITH(test_options_yaml__texts_that_differ_late_are_different),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
