/*
 * seqtrain prepare: two text files become one corpus file.
 */
#include "train/prepare/prepare.h"

#include "comm/memory.h"
#include "io/durable.h"
#include "io/text.h"
#include "train/command.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT(field) offsetof(struct prepare_options, field)

static const struct option rows[] = {
        {"source", OPTION_LIST, AT(text[SOURCE]), .placeholder = "FILE",
                .help = "source text, a sentence a line; .gz is read as it is, - is standard input"},
        {"target", OPTION_LIST, AT(text[TARGET]), .placeholder = "FILE",
                .help = "target text, line by line with the source; several files pair in order"},
        {"pairs", OPTION_LIST, AT(joined), .placeholder = "FILE",
                .help = "instead of these: text with source, a tab and target on each line"},
        {"source-features", OPTION_TEXT, AT(features), .placeholder = "F.h5:/DATASET",
                .help = "instead of --source: frames of numbers from an HDF5 file, [sentences, frames, "
                        "values]; or F.h5:/DATASET:/OFFSETS, [all frames, values] and where sentences start "
                        "[sentences + 1]"},
        {"source-images", OPTION_TEXT, AT(images), .placeholder = "FILE",
                .help = "instead of --source: a text file with the path of a PNG, PGM or PPM picture a line; "
                        "a folder, whose pictures come by name, 2.png before 10.png; or F.h5:/DATASET, bytes "
                        "[images, height, width], or with 1 or 3 channels last or before the height"},
        {"image-size", OPTION_TEXT, AT(image_size), .needs = "source-images", .placeholder = "HxW",
                .help = "height and width that pictures become, as 32x48: scaled, and the middle cut out; "
                        "not given: as in --vocab"},
        {"image-grey", OPTION_BOOL, AT(image_grey), .value = "false", .needs = "source-images",
                .help = "without colours"},
        {"alignments", OPTION_TEXT, AT(alignments), .placeholder = "FILE",
                .help = "words that belong together, a line for each pair as 0-0 1-2 2-1 (source-target, "
                        "from 0), for train.guided_alignment"},
        {"output", OPTION_TEXT, AT(output), .required = true, .placeholder = "OUT.h5",
                .help = "the corpus file to be written"},
        {"vocab", OPTION_TEXT, AT(vocab), .placeholder = "FILE",
                .help = "vocabulary of a corpus, checkpoint, run directory, or SentencePiece .model"},
        {"vocab-size", OPTION_INTEGER, AT(vocab_size), .value = "8000", .minimum = 4, .maximum = 1e8,
                .help = "pieces to learn, </s>, <unk> and <s> included"},
        {"vocab-kind", OPTION_CHOICE, AT(vocab_kind), .value = "unigram", .kinds = &vocabulary_kinds,
                .help = "how text is cut into pieces"},
        {"joint", OPTION_BOOL, AT(joint), .value = "false",
                .help = "learn one vocabulary for both sides, as without --separate"},
        {"separate", OPTION_BOOL, AT(separate), .value = "false", .help = "learn a vocabulary for each side"},
        {"vocab-sample", OPTION_INTEGER, AT(vocab_sample), .value = "2000000", .minimum = 1, .maximum = 1e10,
                .help = "most lines a vocabulary learns from, drawn at random"},
        {"character-coverage", OPTION_REAL, AT(coverage), .value = "1", .minimum = 0.98, .maximum = 1,
                .help = "share of the sample's characters that get pieces, as 0.9995; rarer ones are "
                        "unknown"},
        {"byte-fallback", OPTION_BOOL, AT(byte_fallback), .value = "false",
                .needs = "vocab-kind=unigram|bpe|char",
                .help = "256 of the pieces are bytes: what would be unknown is written in them"},
        {"max-length", OPTION_INTEGER, AT(max_length), .value = "256", .minimum = 2, .maximum = 1e6,
                .help = "tokens of a sentence, </s> included; longer pairs are left out and listed"},
        {"min-length", OPTION_INTEGER, AT(min_length), .value = "2", .minimum = 2, .maximum = 1e6,
                .help = "likewise; shorter pairs are left out and listed"},
        {"max-ratio", OPTION_REAL, AT(max_ratio), .value = "off", .minimum = 1, .maximum = 1e6, .zero = "off",
                .help = "pairs of which one side has more than so many times the other's tokens are left out "
                        "and listed"},
        {"identical", OPTION_CHOICE, AT(identical), .value = "keep", .kinds = &pair_way_kinds,
                .help = "pairs with the same line on both sides"},
        {"duplicates", OPTION_CHOICE, AT(duplicates), .value = "keep", .kinds = &pair_way_kinds,
                .help = "pairs that are the same as one before them"},
        {"bad-lines", OPTION_CHOICE, AT(bad_lines), .value = "refuse", .kinds = &bad_line_kinds,
                .help = "lines that are no UTF-8, hold NUL bytes, are longer than a megabyte, or in --pairs "
                        "have not exactly one tab"},
        {"text", OPTION_BOOL, AT(text_kept), .value = "true",
                .help = "keep the target lines in the file, for BLEU while training (--no-text: do not)"},
        {"compression", OPTION_INTEGER, AT(compression), .value = "1", .minimum = 0, .maximum = 9,
                .help = "0 none, 1 fast ... 9 small"},
        {"seed", OPTION_INTEGER, AT(seed), .value = "1", .minimum = 0, .maximum = 1e15,
                .help = "decides the sample that the vocabulary learns from"},
};

static const struct option_group group = OPTION_GROUP("prepare", "text to corpus", rows);
static const struct option_place places[] = {{&group, 0}};
static const struct schema schema = {places, sizeof places / sizeof *places};

/* With --vocab nothing is learned: settings of the learning would be accepted and ignored. */
static enum status check_unlearned(const char *vocab, int argc, char **argv)
{
    static const char *const names[] = {"vocab-size", "vocab-kind", "vocab-sample", "character-coverage",
            "byte-fallback", "joint", "separate", "seed"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK(!options_given(argc, argv, names[i]), STATUS_USAGE,
                "--%s is about a vocabulary to be learned; --vocab %s takes one that exists", names[i],
                vocab);
    return STATUS_OK;
}

/* Told before minutes of learning, not after: the output's folder, and that it replaces nothing that is read. */
static enum status check_output(const struct prepare_options *options)
{
    const char *output = options->output, *slash = strrchr(output, '/');
    char folder[4096];
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - output) + 1 : 1, slash ? output : ".");
    TRY(durable_check(output));
    char *vocab = options->vocab;
    const struct text_list vocabs = {&vocab, vocab ? 1 : 0};
    TRY(text_check_output(output, &options->joined));
    TRY(text_check_output(output, &vocabs));
    char *alignments = options->alignments;
    TRY(text_check_output(output, &(struct text_list){&alignments, alignments ? 1 : 0}));
    for (int side = 0; side < SIDES; side++)
        TRY(text_check_output(output, &options->text[side]));
    return access(folder, W_OK) == 0 ? STATUS_OK : status_fail_errno("create", output);
}

/* A source that is not text stands beside target files, and alone. */
static enum status check_source(const struct prepare_options *options)
{
    const char *name = options->images ? "source-images" : "source-features";
    const char *other = options->images && options->features ? "source-features"
                        : options->text[SOURCE].count > 0    ? "source"
                        : options->joined.count > 0          ? "pairs"
                                                             : NULL;
    CHECK(!other, STATUS_USAGE, "--%s and --%s both give the source: expected one of these, found both", name,
            other);
    CHECK(!options->images || options->max_ratio == 0, STATUS_USAGE,
            "--max-ratio compares the lengths of both sides, but images of --source-images are all of one "
            "size: leave it out");
    CHECK(!options->alignments, STATUS_USAGE,
            "--alignments %s is of words, but --%s gives none: leave it out, or expected --source FILE",
            options->alignments, name);
    CHECK(options->text[TARGET].count > 0, STATUS_USAGE, "--target FILE is missing");
    return STATUS_OK;
}

/* Two files side by side, or one that holds both sides. */
static enum status check_text(const struct prepare_options *options)
{
    if (!prepare_is_text(options))
        return check_source(options);
    for (int side = 0; side < SIDES; side++) {
        bool given = options->text[side].count > 0;
        CHECK(!given || options->joined.count == 0, STATUS_USAGE,
                "--%s gives one side of the text and --pairs both: expected one of these, found both",
                side_names[side]);
        CHECK(given || options->joined.count > 0, STATUS_USAGE, "--%s FILE is missing", side_names[side]);
    }
    return STATUS_OK;
}

/* Only text has a vocabulary to share, and lines that may be the same. */
static enum status check_text_only(int argc, char **argv)
{
    static const char *const names[] = {"joint", "separate", "identical"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK(!options_given(argc, argv, names[i]), STATUS_USAGE,
                "--%s is about a source of text: leave it out", names[i]);
    return STATUS_OK;
}

static enum status check(struct prepare_options *options, int argc, char **argv)
{
    TRY(check_text(options));
    CHECK(!options->alignments || strcmp(options->alignments, "-") != 0, STATUS_USAGE,
            "--alignments expects a file, found - (standard input)");
    if (!prepare_is_text(options))
        TRY(check_text_only(argc, argv));
    TRY(options_check_needs(&schema, options));
    CHECK(options->min_length <= options->max_length, STATUS_USAGE,
            "--min-length %lld leaves no pair within --max-length %lld", (long long)options->min_length,
            (long long)options->max_length);
    CHECK(!options->joint || !options->separate, STATUS_USAGE, "expected --joint or --separate, found both");
    options->separate |= !options->joint && options_given(argc, argv, "joint"); /* --no-joint */
    if (options->vocab)
        TRY(check_unlearned(options->vocab, argc, argv));
    return check_output(options);
}

static void print_side(
        enum side side, const struct prepare_counts *counts, const struct vocabulary *vocabulary, bool joint)
{
    if (vocabulary_form(vocabulary)->kind != SOURCE_TEXT) {
        char form[SOURCE_FORM_BYTES];
        source_describe(vocabulary_form(vocabulary), form);
        printf("  %s      %s; %lld frames, %.1f a sentence\n", side_names[side], form,
                (long long)counts->tokens[side], (double)counts->tokens[side] / (double)counts->pairs);
        return;
    }
    printf("  %s      %lld tokens, %.1f a sentence, %.2f %% unknown; vocabulary of %zu pieces%s\n",
            side_names[side], (long long)counts->tokens[side],
            (double)counts->tokens[side] / (double)counts->pairs,
            100.0 * (double)counts->unknown[side] / (double)counts->tokens[side],
            vocabulary_pieces(vocabulary), joint ? " (joint)" : "");
}

static void print_summary(const struct prepare_options *options, struct vocabulary *const vocabularies[SIDES],
        const struct prepare_counts *counts)
{
    struct stat facts = {0};
    stat(options->output, &facts);
    printf("%s: %lld sentence pairs, %.1f MB\n", options->output, (long long)counts->pairs,
            (double)facts.st_size * 1e-6);
    for (int side = 0; side < SIDES; side++)
        print_side((enum side)side, counts, vocabularies[side], vocabularies[SOURCE] == vocabularies[TARGET]);
    if (options->alignments)
        printf("  alignment   %lld points, %.2f a target token\n", (long long)counts->points,
                (double)counts->points / (double)counts->tokens[TARGET]);
    char skipped[PREPARE_TOLD];
    printf("  left out    %s\n", prepare_tell_skipped(counts->skipped, skipped, sizeof skipped));
    if (strcmp(skipped, "none") != 0)
        printf("              each line and reason: seqtrain info %s --skipped\n", options->output);
    printf("next: seqtrain train --data.train %s%s --run.directory run\n",
            options->vocab ? "TRAIN.h5 --data.valid " : "", options->output);
}

static enum status run(int argc, char **argv)
{
    struct prepare_options options;
    struct option_target targets[] = {{&schema, &options}};
    struct text_list words = {NULL, 0};
    TRY(options_defaults(&schema, &options));
    enum status status = options_read_arguments(targets, 1, argc, argv, &words);
    if (status == STATUS_OK && words.count > 0)
        status = status_fail(STATUS_USAGE, "prepare: expected switches only, found %s", words.items[0]);
    if (status == STATUS_OK)
        status = options_check_required(&schema, &options);
    if (status == STATUS_OK)
        status = check(&options, argc, argv);
    if (status == STATUS_OK)
        status = prepare_run(&options, print_summary);
    text_list_release(&words);
    options_release(&schema, &options);
    return status;
}

const struct command prepare_command = {
        .name = "prepare",
        .summary = "makes a corpus file from parallel text",
        .usage = "--source FILE... --target FILE... --output O.h5\n"
                 "--source FILE... --target FILE... --vocab FILE --output O.h5\n"
                 "--pairs FILE... [--vocab FILE] --output O.h5\n"
                 "--source-features F.h5:/DATASET --target FILE... --output O.h5\n"
                 "--source-images FILE --image-size HxW --target FILE... --output O.h5",
        .examples = "seqtrain prepare --source train.en --target train.de --output train.h5\n"
                    "seqtrain prepare --source valid.en --target valid.de \\\n"
                    "    --output valid.h5 --vocab train.h5\n"
                    "xzcat b.en.xz | seqtrain prepare --source - --target b.de.gz \\\n"
                    "    --output b.h5 --vocab-size 32000\n"
                    "zcat crawl.tsv.gz | seqtrain prepare --pairs - --output crawl.h5 \\\n"
                    "    --max-ratio 3 --duplicates drop --bad-lines skip --byte-fallback",
        .schemas = {&schema, NULL},
        .ranks = false,
        .run = run,
};
