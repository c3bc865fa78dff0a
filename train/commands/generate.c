/*
 * seqtrain generate: parallel text from rules and a seed.
 */
#include "io/generate.h"

#include "comm/memory.h"
#include "train/command.h"

struct settings {
    char *output;
    int64_t lines, test_lines, seed;
};

static const struct option rows[] = {
        {"output", OPTION_TEXT, offsetof(struct settings, output), .required = true, .placeholder = "FOLDER",
                .help = "where train, valid and test are written, two files each: .en and .de, or .source "
                        "and .target; of shapes .images, a list of pictures, and .en"},
        {"lines", OPTION_INTEGER, offsetof(struct settings, lines), .value = "30000", .minimum = 1,
                .maximum = 1e9, .help = "sentence pairs to train on"},
        {"test-lines", OPTION_INTEGER, offsetof(struct settings, test_lines), .value = "500", .minimum = 1,
                .maximum = 1e9,
                .help = "sentence pairs to validate on, and as many to test on; their values are in no "
                        "training sentence"},
        {"seed", OPTION_INTEGER, offsetof(struct settings, seed), .value = "1", .minimum = 0, .maximum = 1e15,
                .help = "the same seed gives the same text"},
};

static const struct option_group group = OPTION_GROUP("generate", "built-in corpora", rows);
static const struct option_place places[] = {{&group, 0}};
static const struct schema schema = {places, sizeof places / sizeof *places};

static enum status find_generator(const struct kind **out, const struct text_list *words)
{
    char names[256];
    kind_list(&generator_kinds, NULL, names, sizeof names);
    CHECK(words->count == 1, STATUS_USAGE, "generate: expected one of %s, found %zu words", names,
            words->count);
    *out = kind_find(&generator_kinds, words->items[0]);
    CHECK(*out, STATUS_USAGE, "generate: expected %s, found %s", names, words->items[0]);
    return STATUS_OK;
}

static enum status generate(const void *given, const struct text_list *words)
{
    const struct settings *settings = given;
    const struct kind *kind;
    TRY(find_generator(&kind, words));
    TRY(options_check_required(&schema, settings));
    TRY(generate_corpus(kind, settings->output, (size_t)settings->lines, (size_t)settings->test_lines,
            (uint64_t)settings->seed));
    printf("%s: %s; %lld pairs to train on, %lld to validate on, %lld to test on\n", settings->output,
            kind->help, (long long)settings->lines, (long long)settings->test_lines,
            (long long)settings->test_lines);
    return STATUS_OK;
}

static enum status run(int argc, char **argv)
{
    struct settings settings;
    return command_run(&generate_command, &settings, argc, argv, generate);
}

const struct command generate_command = {
        .name = "generate",
        .summary = "writes a built-in parallel corpus as text",
        .usage = "CORPUS --output FOLDER",
        .examples = "seqtrain generate numbers --output numbers\n"
                    "seqtrain prepare --source numbers/train.en --target numbers/train.de \\\n"
                    "    --output numbers/train.h5 --vocab-size 300\n"
                    "seqtrain generate strands --output dna",
        .schemas = {&schema, NULL},
        .ranks = false,
        .run = run,
        .words = &generator_kinds,
};
