/*
 * seqtrain evaluate: how good a model is on text it has not seen, or how good a translation is.
 */
#include "comm/world.h"
#include "io/pairs.h"
#include "train/command.h"
#include "train/inference/evaluation.h"
#include "train/inference/saved_model.h"

#include <string.h>

#define FIELD(name) offsetof(struct evaluate_options, name)

static const struct option rows[] = {
        {"target", OPTION_TEXT, FIELD(target), .required = true, .placeholder = "FILE",
                .help = "reference text, a sentence a line"},
        {"metrics", OPTION_LIST, FIELD(metrics), .placeholder = "NAME", .commas = true,
                .help = "bleu, chrf, chrf++, ter, exact; not given: bleu chrf"},
        {"tokenizer", OPTION_CHOICE, FIELD(text.tokenizer), .value = "13a", .kinds = &text_tokenizer_kinds,
                .help = "what words are to bleu"},
        {"lowercase", OPTION_BOOL, FIELD(text.lowercase), .value = "false",
                .help = "capitals do not count (to ter they never do)"},
        {"json", OPTION_BOOL, FIELD(json), .value = "false", .help = "one JSON object"},
};
static const struct option model_rows[] = {
        {"source", OPTION_TEXT, FIELD(source), .placeholder = "FILE",
                .help = "text to translate with MODEL, line by line with the target"},
        {"output", OPTION_TEXT, FIELD(output), .needs = "source", .placeholder = "FILE",
                .help = "keeps the translations"},
        {"group", OPTION_INTEGER, FIELD(group), .value = "1024", .minimum = 1, .maximum = 1 << 20,
                .needs = "source", .help = "lines that are sorted by length together"},
};
static const struct option file_rows[] = {
        {"translation", OPTION_TEXT, FIELD(translation), .placeholder = "FILE",
                .help = "a translation that exists, line by line with the target"},
        {"baseline", OPTION_TEXT, FIELD(baseline), .needs = "translation", .placeholder = "FILE",
                .help = "another translation, to be compared with: paired bootstrap resampling"},
        {"resamples", OPTION_INTEGER, FIELD(resamples), .value = "1000", .minimum = 1, .maximum = 1000000,
                .needs = "baseline", .help = "samples of lines drawn for that"},
        {"resample-seed", OPTION_INTEGER, FIELD(resample_seed), .value = "12345", .minimum = 0,
                .maximum = 1e15, .needs = "baseline", .help = "seed of the samples"},
};
static const struct option_group group = OPTION_GROUP("evaluate", "what is measured", rows);
static const struct option_group translated_group = OPTION_GROUP("translated", "with MODEL", model_rows);
static const struct option_group file_group = OPTION_GROUP("file", "without MODEL: a translation", file_rows);
static const struct option_place places[] = {{&group, 0}, {&translated_group, 0},
        {&weights_group, FIELD(weights)}, {&decode_group_options, FIELD(decode)}, {&file_group, 0}};
static const struct schema schema = {places, sizeof places / sizeof *places};

/* ---- a translation that exists ---- */

/* Counts what is left of both to tell how many lines there are. */
static enum status fail_counts(struct pairs *pairs, int64_t read, struct text *baseline, const char *target)
{
    struct pair pair;
    const char *line;
    size_t bytes;
    enum text_fault fault;
    for (;;) {
        TRY(pairs_next(pairs, &pair));
        if (!pair.text[SOURCE])
            break;
        read = pair.number;
    }
    do
        TRY(text_next(baseline, &line, &bytes, &fault));
    while (line);
    return status_fail(STATUS_DATA, "expected as many lines in %s as in %s, found %lld and %lld",
            text_path(baseline), target, (long long)text_line_number(baseline), (long long)read);
}

/* `baseline` NULL: none. */
static enum status add_lines(
        struct evaluation *evaluation, struct pairs *pairs, struct text *baseline, const char *target)
{
    struct pair pair;
    const char *line = NULL;
    size_t bytes;
    for (int64_t read = 0;; read++) {
        TRY(pairs_next(pairs, &pair));
        if (pair.text[SOURCE] && !pair_is_good(&pair))
            return pairs_fail(pairs, &pair);
        if (baseline)
            TRY(text_next_good(baseline, &line, &bytes));
        if (baseline && !line != !pair.text[SOURCE])
            return fail_counts(pairs, pair.text[SOURCE] ? pair.number : read, baseline, target);
        if (!pair.text[SOURCE])
            return STATUS_OK;
        TRY(evaluation_add(evaluation, EVALUATION_OWN, pair.text[SOURCE], pair.bytes[SOURCE],
                pair.text[TARGET], pair.bytes[TARGET]));
        if (baseline)
            TRY(evaluation_add(
                    evaluation, EVALUATION_BASELINE, line, bytes, pair.text[TARGET], pair.bytes[TARGET]));
    }
}

static enum status evaluate_files(struct evaluation *evaluation, const struct evaluate_options *options)
{
    char *paths[] = {options->translation, options->target, options->baseline};
    const struct text_list all = {paths, options->baseline ? 3 : 2};
    const struct text_list files[SIDES] = {{&paths[0], 1}, {&paths[1], 1}};
    struct text *baseline = NULL;
    struct pairs *pairs;
    CHECK(world_launch_size() == 1, STATUS_USAGE,
            "evaluate --translation runs alone: expected 1 rank, found %d; start it without mpirun",
            world_launch_size());
    TRY(text_check_inputs(&all, 1));
    TRY(pairs_open(&pairs, files, false));
    enum status status = options->baseline ? text_open(&baseline, options->baseline) : STATUS_OK;
    if (status == STATUS_OK)
        status = add_lines(evaluation, pairs, baseline, options->target);
    text_close(baseline);
    pairs_close(pairs);
    return status;
}

/* ---- the command ---- */

/* What is said of a search or of MODEL's files is nothing to a translation that exists, even where it is the default. */
static enum status check_switches(int argc, char **argv)
{
    const struct option_group *model_groups[] = {&translated_group, &weights_group, &decode_group_options};
    if (!options_given(argc, argv, "translation"))
        return STATUS_OK;
    for (size_t g = 0; g < sizeof model_groups / sizeof *model_groups; g++)
        for (size_t i = 0; i < model_groups[g]->count; i++)
            CHECK(!options_given(argc, argv, model_groups[g]->options[i].name), STATUS_USAGE,
                    "--%s counts only with a MODEL: leave it out, or --translation",
                    model_groups[g]->options[i].name);
    return STATUS_OK;
}

/* `model` NULL: a translation that exists. */
static enum status work(
        struct evaluation *evaluation, const struct evaluate_options *options, const struct text_list *model)
{
    TRY(model ? evaluate_model(evaluation, options, model) : evaluate_files(evaluation, options));
    return world()->rank == 0 ? evaluation_print(evaluation, options) : STATUS_OK;
}

/* Hypotheses of a beam of one, or of one sample, are of equal length: nothing that ranks them could count. */
static enum status refuse_ranking(
        void *context, const struct option *option, const char *value, bool is_default)
{
    static const char *const ranking[] = {"length-penalty", "length-alpha", "word-penalty"};
    (void)context;
    for (size_t i = 0; i < sizeof ranking / sizeof *ranking; i++)
        CHECK(is_default || strcmp(option->name, ranking[i]) != 0, STATUS_USAGE,
                "--%s %s counts only where hypotheses differ in length: give --beam above 1 without "
                "--sample, or leave --%s out",
                option->name, value, option->name);
    return STATUS_OK;
}

static enum status check_search(const struct evaluate_options *options)
{
    const struct decode_options *decode = &options->decode;
    CHECK(decode->nbest == 1, STATUS_USAGE,
            "evaluate takes one translation of each line: expected --nbest 1, found %lld",
            (long long)decode->nbest);
    TRY(decode_check(decode, NULL));
    return decode->sample || decode->beam == 1 ? options_visit(&schema, options, refuse_ranking, NULL)
                                               : STATUS_OK;
}

static enum status check(const struct evaluate_options *options, const struct text_list *words)
{
    if (options->translation)
        CHECK(words->count == 0, STATUS_USAGE,
                "evaluate takes a MODEL or --translation, found both: %s and %s", words->items[0],
                options->translation);
    else if (words->count == 0)
        return status_fail(STATUS_USAGE, "evaluate takes a MODEL or --translation FILE, found neither");
    else
        TRY(saved_model_check_one("evaluate", words));
    TRY(options_check_required(&schema, options));
    CHECK(options->translation || options->source, STATUS_USAGE,
            "evaluate MODEL needs --source FILE: what MODEL translates");
    CHECK(!options->output || strcmp(options->output, "-") != 0, STATUS_USAGE,
            "--output - would put translations among the metrics on standard output: name a file");
    TRY(check_search(options));
    return options_check_needs(&schema, options);
}

static enum status evaluate(const void *given, const struct text_list *words)
{
    const struct evaluate_options *options = given;
    struct evaluation evaluation;
    TRY(check(options, words));
    TRY(evaluation_open(&evaluation, options));
    enum status status = work(&evaluation, options, options->translation ? NULL : words);
    evaluation_close(&evaluation);
    return status;
}

static enum status run(int argc, char **argv)
{
    struct evaluate_options options = {0}; /* decode options that commands set have no rows */
    TRY(check_switches(argc, argv));
    return command_run(&evaluate_command, &options, argc, argv, evaluate);
}

const struct command evaluate_command = {
        .name = "evaluate",
        .summary = "loss, BLEU, chrF, TER of a model or of a translation",
        .usage = "MODEL --source FILE --target FILE [--output FILE] [--SWITCH VALUE]...\n"
                 "--translation FILE --target FILE [--baseline FILE] [--SWITCH VALUE]...",
        .examples = "seqtrain evaluate runs/demo --source test.en --target test.de\n"
                    "seqtrain evaluate --translation out.de --target test.de --metrics bleu,ter\n"
                    "seqtrain evaluate --translation new.de --baseline old.de --target test.de",
        .schemas = {&schema},
        .ranks = true,
        .run = run,
};
