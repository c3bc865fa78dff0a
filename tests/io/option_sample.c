#include "tests/io/option_sample.h"

#include "comm/memory.h"

#include <stdlib.h>

const struct kind sample_cells[] = {{"gru", "two gates", NULL}, {"lstm", "three gates", "Hochreiter 1997"}};
static const struct kind_table cell_kinds = KIND_TABLE("cell", sample_cells);

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
const struct schema sample_schema = {places, 2};

int sample_setup(void **state)
{
    struct all *all = calloc(1, sizeof *all);
    *state = all;
    return options_defaults(&sample_schema, all) == STATUS_OK ? 0 : -1;
}

int sample_teardown(void **state)
{
    options_release(&sample_schema, *state);
    free(*state);
    return memory_blocks() == 0 ? 0 : -1;
}

enum status sample_parse(struct all *all, const char *text)
{
    return options_parse_yaml(&sample_schema, all, text, strlen(text), "t.yaml");
}
enum status sample_line(struct all *all, const char *text, struct text_list *words)
{
    char buffer[512], *argv[32], *save = NULL;
    int argc = 0;
    snprintf(buffer, sizeof buffer, "%s", text);
    for (char *word = strtok_r(buffer, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    struct option_target target = {&sample_schema, all};
    return options_read_arguments(&target, 1, argc, argv, words);
}
