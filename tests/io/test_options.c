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
#include "io/options.h"

/* ---- a table with every type, in two groups whose names lie apart ---- */

struct shape {
    int64_t width, threads;
    double rate;
    bool bias;
    const struct kind *cell;
};

struct course {
    struct period until, limit;
    char *label, *out;
    struct text_list files;
    double scale;
};

struct all {
    struct shape shape;
    struct course course;
};

static const struct kind cells[] = {{"gru", "two gates", NULL}, {"lstm", "three gates", "Hochreiter 1997"}};
static const struct kind_table cell_kinds = KIND_TABLE("cell", cells);

static const struct option shape_rows[] = {
        {"model.width", OPTION_INTEGER, offsetof(struct shape, width), .value = "256", .minimum = 1,
                .maximum = 4096, .change = CHANGE_REFUSED, .shapes_result = true,
                .help = "width of the rows"},
        {"model.threads", OPTION_INTEGER, offsetof(struct shape, threads), .value = "auto", .minimum = 1,
                .maximum = 64, .zero = "auto", .help = "threads"},
        {"model.rate", OPTION_REAL, offsetof(struct shape, rate), .value = "0.1", .minimum = -1, .maximum = 1,
                .change = CHANGE_NOTED, .shapes_result = true, .help = "rate"},
        {"model.bias", OPTION_BOOL, offsetof(struct shape, bias), .value = "true", .shapes_result = true,
                .help = "with a bias"},
        {"model.cell", OPTION_CHOICE, offsetof(struct shape, cell), .value = "lstm", .kinds = &cell_kinds,
                .shapes_result = true, .help = "the cell"},
};
static const struct option_group shape_group = OPTION_GROUP("model", "the model", shape_rows);

static const struct option course_rows[] = {
        {"train.until", OPTION_PERIOD, offsetof(struct course, until), .value = "10e", .units = "ue",
                .shapes_result = true, .help = "when it ends"},
        {"train.limit", OPTION_PERIOD, offsetof(struct course, limit), .value = "never", .units = "smh",
                .zero = "never", .help = "most time"},
        {"train.label", OPTION_TEXT, offsetof(struct course, label), .shapes_result = true, .help = "a text"},
        {"out", OPTION_TEXT, offsetof(struct course, out), .required = true, .placeholder = "FILE",
                .help = "where to"},
        {"train.files", OPTION_LIST, offsetof(struct course, files), .placeholder = "FILE", .help = "files"},
        {"train.scale", OPTION_REAL, offsetof(struct course, scale), .value = "1", .shapes_result = true,
                .help = "any number"},
};
static const struct option_group course_group = OPTION_GROUP("train", "the course", course_rows);

static const struct option_place places[] = {
        {&shape_group, offsetof(struct all, shape)}, {&course_group, offsetof(struct all, course)}};
static const struct schema schema = {places, 2};

/* ---- helpers ---- */

static int setup(void **state)
{
    struct all *all = calloc(1, sizeof *all);
    *state = all;
    return options_defaults(&schema, all) == STATUS_OK ? 0 : -1;
}

static int teardown(void **state)
{
    options_release(&schema, *state);
    free(*state);
    return memory_blocks() == 0 ? 0 : -1;
}

static enum status parse(struct all *all, const char *text)
{
    return options_parse_yaml(&schema, all, text, strlen(text), "t.yaml");
}

#define assert_refused(call, code, words)                                                                    \
    do {                                                                                                     \
        assert_int_equal(call, code);                                                                        \
        if (!strstr(status_message(), words))                                                                \
            fail_msg("expected '%s' in '%s'", words, status_message());                                      \
    } while (0)

/* The words of a command line, blanks between them. */
static enum status line(struct all *all, const char *text, struct text_list *words)
{
    char buffer[512], *argv[32], *save = NULL;
    int argc = 0;
    snprintf(buffer, sizeof buffer, "%s", text);
    for (char *word = strtok_r(buffer, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    struct option_target target = {&schema, all};
    return options_read_arguments(&target, 1, argc, argv, words);
}

/* ---- values ---- */

static void test_options__defaults_are_what_the_rows_say(void **state)
{
    struct all *all = *state;
    assert_int_equal(all->shape.width, 256);
    assert_int_equal(all->shape.threads, 0);
    assert_true(all->shape.rate == 0.1);
    assert_true(all->shape.bias);
    assert_ptr_equal(all->shape.cell, &cells[1]);
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
        assert_int_equal(options_set(&schema, all, rows[i].name, rows[i].text, "here"), STATUS_OK);
        for (size_t p = 0; p < schema.count; p++)
            for (size_t o = 0; o < places[p].group->count; o++)
                if (strcmp(places[p].group->options[o].name, rows[i].name) == 0)
                    options_format(&places[p].group->options[o], (char *)all + places[p].offset, shown,
                            sizeof shown);
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
        assert_refused(options_set(&schema, *state, rows[i].name, rows[i].text, "f.yaml:7"), STATUS_CONFIG,
                rows[i].message);
}

static void test_options__a_refused_value_leaves_the_old_one(void **state)
{
    struct all *all = *state;
    assert_int_equal(options_set(&schema, all, "model.width", "7", "a"), STATUS_OK);
    assert_int_equal(options_set(&schema, all, "model.width", "x", "a"), STATUS_CONFIG);
    assert_int_equal(all->shape.width, 7);
}

static void test_options__a_message_stays_short_and_clean(void **state)
{
    char *text = malloc(1000001);
    memset(text, 'x', 1000000);
    text[1000000] = '\0', text[3] = '\n', text[4] = '\033';
    assert_refused(options_set(&schema, *state, "model.width", text, "f"), STATUS_CONFIG, "'xxx??xxx");
    assert_true(strlen(status_message()) < 200);
    assert_refused(options_set(&schema, *state, text, "1", "f"), STATUS_CONFIG, "unknown setting xxx??x");
    assert_true(strlen(status_message()) < 200);
    free(text);
}

static void test_options__required_is_told_by_name(void **state)
{
    struct all *all = *state;
    assert_refused(options_check_required(&schema, all), STATUS_USAGE, "--out FILE is missing");
    assert_int_equal(options_set(&schema, all, "out", "x", NULL), STATUS_OK);
    assert_int_equal(options_check_required(&schema, all), STATUS_OK);
}

/* ---- YAML ---- */

static void test_options__yaml_is_read(void **state)
{
    struct all *all = *state;
    assert_int_equal(parse(all, "# comment\nmodel:\n  width: 8 # eight\n  cell: gru\n  bias: off\n"
                                "train: {until: 3u, label: 'a: b', files: [x, \"y z\"]}\nout: o\n"),
            STATUS_OK);
    assert_int_equal(all->shape.width, 8);
    assert_ptr_equal(all->shape.cell, &cells[0]);
    assert_false(all->shape.bias);
    assert_true(all->course.until.value == 3 && all->course.until.unit == 'u');
    assert_string_equal(all->course.label, "a: b");
    assert_int_equal(all->course.files.count, 2);
    assert_string_equal(all->course.files.items[1], "y z");
    assert_string_equal(all->course.out, "o");
}

static void test_options__yaml_that_is_fine(void **state)
{
    static const char *const texts[] = {"", "\n", "# nothing\n", "---\n", "---\n...\n", "model:\n",
            "model: ~\n", "{}", "\xEF\xBB\xBFmodel:\n  width: 3\n", "model:\r\n  width: 3\r\n",
            "model.width: 3", "\"model\": {\"width\": \"3\"}", "train:\n  label: null\n  files:\n",
            "train:\n  files: one\n", "train:\n  files:\n  - a\n  - b\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (parse(*state, texts[i]) != STATUS_OK)
            fail_msg("%s: %s", texts[i], status_message());
}

static void test_options__yaml_null_means_not_given(void **state)
{
    struct all *all = *state;
    assert_int_equal(parse(all, "train: {label: x, files: [a]}"), STATUS_OK);
    assert_int_equal(parse(all, "train: {label: null, files: ~}"), STATUS_OK);
    assert_null(all->course.label);
    assert_int_equal(all->course.files.count, 0);
    assert_int_equal(parse(all, "train: {label: 'null'}"), STATUS_OK);
    assert_string_equal(all->course.label, "null");
}

static void test_options__hostile_yaml_is_refused_by_line(void **state)
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
        assert_refused(parse(*state, rows[i].text), STATUS_CONFIG, rows[i].message);
    }
    static const char nul[] = "model:\n  width: 3\n\0\n";
    assert_refused(options_parse_yaml(&schema, *state, nul, sizeof nul - 1, "t.yaml"), STATUS_CONFIG,
            "t.yaml:3: expected text, found a NUL byte");
}

static void test_options__deep_and_large_yaml_ends_soon(void **state)
{
    size_t bytes = 1 << 20;
    char *text = malloc(bytes + 2);
    memset(text, '[', bytes + 1);
    assert_refused(options_parse_yaml(&schema, *state, text, bytes, "t"), STATUS_CONFIG, "found a list");
    assert_refused(options_parse_yaml(&schema, *state, text, bytes + 1, "t"), STATUS_CONFIG,
            "t: expected at most 1048576 bytes, found more");
    for (size_t i = 0; i + 1 < bytes; i += 2)
        memcpy(text + i, "a:", 2);
    assert_int_equal(options_parse_yaml(&schema, *state, text, bytes, "t"), STATUS_CONFIG);
    memset(text, 'x', bytes);
    memcpy(text, "train: {label: ", 15);
    text[bytes - 1] = '}';
    assert_int_equal(options_parse_yaml(&schema, *state, text, bytes, "t"), STATUS_OK);
    assert_int_equal(strlen(((struct all *)*state)->course.label), bytes - 16);
    free(text);
}

static void test_options__any_bytes_are_no_crash(void **state)
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
        if (options_parse_yaml(&schema, *state, text, sizeof text, "t") != STATUS_OK)
            assert_true(status_message()[0]);
    }
}

/* ---- files ---- */

static void test_options__files(void **state)
{
    char folder[] = "/tmp/seqtrain-options-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/c.yaml", folder);
    assert_refused(
            options_read_yaml(&schema, *state, path), STATUS_MISSING, "cannot open /tmp/seqtrain-options-");
    assert_refused(options_read_yaml(&schema, *state, folder), STATUS_CONFIG,
            "expected a YAML file, found a folder");
    FILE *file = fopen(path, "w");
    fputs("model:\n  width: 12\n", file);
    fclose(file);
    assert_int_equal(options_read_yaml(&schema, *state, path), STATUS_OK);
    assert_int_equal(((struct all *)*state)->shape.width, 12);
    static const char *const faults[] = {"open:1", "read:1", "read:2", "memory:1", "memory:2"};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        assert_int_equal(fault_plan(faults[i], 0), STATUS_OK);
        assert_int_equal(options_read_yaml(&schema, *state, path), i < 3 ? STATUS_IO : STATUS_INTERNAL);
        fault_plan(NULL, 0);
    }
    if (geteuid() != 0) {
        chmod(path, 0);
        assert_int_equal(options_read_yaml(&schema, *state, path), STATUS_PERMISSION);
    }
    unlink(path);
    rmdir(folder);
}

/* ---- the command line ---- */

static void test_options__arguments_are_read(void **state)
{
    struct all *all = *state;
    struct text_list words = {NULL, 0};
    assert_int_equal(
            line(all,
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
        assert_int_equal(line(all, rows[i].text, &words), STATUS_OK);
        assert_int_equal(all->shape.bias, rows[i].value);
        assert_int_equal(words.count, rows[i].words);
    }
    text_list_release(&words);
}

static void test_options__lists_replace_the_file_then_grow(void **state)
{
    struct all *all = *state;
    assert_int_equal(parse(all, "train: {files: [old]}"), STATUS_OK);
    assert_int_equal(line(all, "--train.files a b --model.width 3 --train.files=c", NULL), STATUS_OK);
    assert_int_equal(all->course.files.count, 3);
    assert_string_equal(all->course.files.items[0], "a");
    assert_string_equal(all->course.files.items[2], "c");
    assert_int_equal(line(all, "--out first --out last", NULL), STATUS_OK);
    assert_string_equal(all->course.out, "last");
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
        assert_refused(line(*state, rows[i].text, NULL), rows[i].status, rows[i].message);
}

/* ---- the record ---- */

static void test_options__the_record_reads_back_equal(void **state)
{
    struct all *all = *state, other;
    char *first, *second;
    assert_int_equal(parse(all, "train: {label: \"on\\nb\\t\\\"'# ä\\x07\", until: 3u, scale: 0.1, files: "
                                "['', 'null', '- x', ' y ', '1', 'a,b', '[', '&a', \"\\x85\"]}\n"
                                "model: {rate: 0.3, threads: auto, cell: gru, bias: no}"),
            STATUS_OK);
    assert_int_equal(options_write_yaml(&first, &schema, all, false), STATUS_OK);
    assert_int_equal(options_defaults(&schema, &other), STATUS_OK);
    if (options_parse_yaml(&schema, &other, first, strlen(first), "record") != STATUS_OK)
        fail_msg("%s in\n%s", status_message(), first);
    assert_string_equal(other.course.label, all->course.label);
    assert_int_equal(other.course.files.count, all->course.files.count);
    for (size_t i = 0; i < other.course.files.count; i++)
        assert_string_equal(other.course.files.items[i], all->course.files.items[i]);
    assert_true(other.shape.rate == all->shape.rate && other.course.until.unit == 'u');
    assert_int_equal(options_write_yaml(&second, &schema, &other, false), STATUS_OK);
    assert_string_equal(first, second);
    options_release(&schema, &other);
    memory_free(first);
    memory_free(second);
}

static void test_options__the_record_is_readable(void **state)
{
    char *text;
    assert_int_equal(options_set(&schema, *state, "train.files", "x", "t"), STATUS_OK);
    assert_int_equal(options_write_yaml(&text, &schema, *state, false), STATUS_OK);
    assert_string_equal(text,
            "model:\n  width: 256\n  threads: auto\n  rate: 0.1\n  bias: true\n  cell: lstm\n"
            "train:\n  until: 10e\n  limit: never\n  label: null\n  files: [x]\n  scale: 1\n"
            "out: null\n");
    memory_free(text);
    assert_int_equal(options_write_yaml(&text, &schema, *state, true), STATUS_OK);
    assert_string_equal(text, "model:\n  width: 256\n  rate: 0.1\n  bias: true\n  cell: lstm\n"
                              "train:\n  until: 10e\n  label: null\n  scale: 1\n");
    memory_free(text);
}

static void test_options__memory_ends_anywhere_while_writing(void **state)
{
    int failures = 0;
    for (int n = 1; n < 20; n++) {
        char plan[32], *text = NULL;
        snprintf(plan, sizeof plan, "memory:%d", n);
        assert_int_equal(fault_plan(plan, 0), STATUS_OK);
        enum status status = options_write_yaml(&text, &schema, *state, false);
        fault_plan(NULL, 0);
        failures += status == STATUS_INTERNAL;
        if (status == STATUS_OK)
            memory_free(text);
    }
    assert_true(failures > 0);
}

/* teardown() finds what a failed call left behind. */
static void test_options__memory_ends_anywhere_while_reading(void **state)
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
        status = options_defaults(&schema, &fresh);
        if (status == STATUS_OK) {
            status = parse(&fresh, text);
            if (status == STATUS_OK)
                status = line(&fresh, "a --out x --train.files c d - --train.label y", &words);
            options_release(&schema, &fresh);
        }
        fault_plan(NULL, 0);
        text_list_release(&words);
        failures += status != STATUS_OK;
        assert_true(status == STATUS_OK || status == STATUS_INTERNAL);
        assert_true(n < 100);
    }
    assert_true(failures > 10);
    assert_int_equal(options_check_required(&schema, *state), STATUS_USAGE);
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

static void test_options__differences_are_told_with_both_values(void **state)
{
    struct all *all = *state;
    struct differences seen = {"", STATUS_OK};
    /* An older record without train.*: those count as their defaults. Threads do not shape the result. */
    static const char record[] = "model: {width: 100, rate: 0.1, threads: 7}\n";
    assert_int_equal(line(all, "--train.until 5u --model.threads 3", NULL), STATUS_OK);
    assert_int_equal(options_compare(&schema, all, record, strlen(record), note, &seen), STATUS_OK);
    assert_string_equal(seen.text, "model.width 100>256;train.until 10e>5u;");
    seen = (struct differences){"", STATUS_CONFIG};
    assert_int_equal(options_compare(&schema, all, record, strlen(record), note, &seen), STATUS_CONFIG);
    assert_string_equal(seen.text, "model.width 100>256;");
    assert_refused(options_compare(&schema, all, "a: b", 4, note, &seen), STATUS_CONFIG,
            "recorded settings:1: unknown setting a");
}

static void test_options__texts_that_differ_late_are_different(void **state)
{
    struct all *all = *state;
    struct differences seen = {"", STATUS_OK};
    char text[400], record[500];
    memset(text, 'x', sizeof text);
    text[399] = '\0';
    snprintf(record, sizeof record, "train: {label: %s}", text);
    text[398] = 'y';
    assert_int_equal(options_set(&schema, all, "train.label", text, NULL), STATUS_OK);
    assert_int_equal(options_compare(&schema, all, record, strlen(record), note, &seen), STATUS_OK);
    assert_non_null(strstr(seen.text, "train.label xxx"));
}

/* ---- help and names ---- */

static void test_options__help_fits_80_columns(void **state)
{
    char *text = NULL, *save = NULL;
    size_t bytes = 0;
    (void)state;
    FILE *out = open_memstream(&text, &bytes);
    options_print_help(out, &schema);
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
    assert_int_equal(options_check_schema(&schema), STATUS_OK);
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

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            WITH(test_options__defaults_are_what_the_rows_say),
            WITH(test_options__values_are_read_and_formatted),
            WITH(test_options__a_refused_value_tells_place_expected_and_found),
            WITH(test_options__a_refused_value_leaves_the_old_one),
            WITH(test_options__a_message_stays_short_and_clean),
            WITH(test_options__required_is_told_by_name),
            WITH(test_options__yaml_is_read),
            WITH(test_options__yaml_that_is_fine),
            WITH(test_options__yaml_null_means_not_given),
            WITH(test_options__hostile_yaml_is_refused_by_line),
            WITH(test_options__deep_and_large_yaml_ends_soon),
            WITH(test_options__any_bytes_are_no_crash),
            WITH(test_options__files),
            WITH(test_options__arguments_are_read),
            WITH(test_options__switches_of_yes_and_no),
            WITH(test_options__lists_replace_the_file_then_grow),
            WITH(test_options__malformed_lines_are_refused),
            WITH(test_options__the_record_reads_back_equal),
            WITH(test_options__the_record_is_readable),
            WITH(test_options__memory_ends_anywhere_while_writing),
            WITH(test_options__memory_ends_anywhere_while_reading),
            WITH(test_options__differences_are_told_with_both_values),
            WITH(test_options__texts_that_differ_late_are_different),
            cmocka_unit_test(test_options__help_fits_80_columns),
            cmocka_unit_test(test_options__the_nearest_name),
            cmocka_unit_test(test_options__a_good_table_passes),
            cmocka_unit_test(test_options__bad_rows_are_found),
            cmocka_unit_test(test_options__clashing_rows_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
