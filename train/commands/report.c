/*
 * seqtrain report: runs as one HTML file: curves, BLEU by sentence length, what translations look at; or one chart of them.
 */
#include "train/report/report.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "train/command.h"

#define FIELD(name) offsetof(struct report_settings, name)

static const struct option rows[] = {
        {"output", OPTION_TEXT, FIELD(output), .placeholder = "FILE",
                .help = "the page, or the chart; - is standard output; not given: report.html, or the "
                        "chart's name with .svg"},
        {"chart", OPTION_CHOICE, FIELD(chart), .value = "page", .kinds = &chart_kinds,
                .help = "what is written"},
        {"names", OPTION_LIST, FIELD(names), .placeholder = "NAME",
                .help = "what the RUNs are called, in their order; not given: their paths"},
        {"source", OPTION_TEXT, FIELD(source), .placeholder = "FILE",
                .help = "sentences to translate, one a line; not given: those of data.valid of the first "
                        "RUN"},
        {"target", OPTION_TEXT, FIELD(target), .needs = "source", .placeholder = "FILE",
                .help = "their references, for BLEU by length"},
        {"lines", OPTION_INTEGER, FIELD(lines), .value = "3", .minimum = 0, .maximum = 1000,
                .needs = "chart=page",
                .help = "sentences whose attention is drawn, from the first on; of data.valid those of at "
                        "most 40 pieces"},
        {"sentences", OPTION_INTEGER, FIELD(sentences), .value = "1000", .minimum = 0, .maximum = 1e9,
                .help = "sentences translated for BLEU by length, from the first on"},
        {"beam", OPTION_INTEGER, FIELD(beam), .value = "5", .minimum = 1, .maximum = 1024,
                .help = "hypotheses kept at each step"},
};
static const struct option_group group = OPTION_GROUP("report", "what is shown", rows);
static const struct option_place places[] = {{&group, 0}, {&weights_group, FIELD(weights)}};
static const struct schema schema = {places, sizeof places / sizeof *places};

static enum status write_file(const struct report *report, const char *path)
{
    struct output page;
    enum status status = output_open(&page, path);
    if (status == STATUS_OK)
        status = chart_of(report->settings)->write(&page, report);
    if (status == STATUS_OK)
        status = output_commit(&page);
    output_discard(&page);
    return status;
}

static enum status translate(struct report *report, const struct text_list *runs)
{
    const struct report_settings *settings = report->settings;
    const struct info *first = &report->runs[0].info;
    const char *valid = first->configured ? first->config.data.valid : NULL;
    report->reason = "none were asked for";
    if (settings->lines == 0 && settings->sentences == 0)
        return STATUS_OK;
    for (size_t r = 0; r < report->count; r++)
        TRY(sample_open(&report->runs[r].sample, runs->items[r], settings, valid));
    report->translated = true;
    return STATUS_OK;
}

/* What cannot be translated is told on the page, unless sentences were asked for by name. */
static enum status translate_and_write(struct report *report, const struct text_list *runs, const char *path)
{
    char *reason = NULL;
    enum status status = translate(report, runs);
    if (status != STATUS_OK && !report->settings->source && chart_of(report->settings)->page) {
        TRY(memory_text(&reason, "report", status_message()));
        log_line(LOG_WARNING, "no sentences are shown: %s", reason);
        report->reason = reason;
        status = STATUS_OK;
    }
    if (status == STATUS_OK)
        status = write_file(report, path);
    memory_free(reason);
    return status;
}

static enum status read_runs(struct report *report, const struct text_list *runs)
{
    static const struct info_settings plain;
    const struct text_list *names = &report->settings->names;
    for (; report->count < runs->count; report->count++) {
        struct reported *run = &report->runs[report->count];
        run->name = (names->count ? names : runs)->items[report->count];
        TRY(info_open(&run->info, &plain));
        enum status status = info_run(&run->info, runs->items[report->count]);
        if (status != STATUS_OK) {
            info_close(&run->info);
            return status;
        }
    }
    return STATUS_OK;
}

static enum status check(
        const struct report_settings *settings, const struct text_list *runs, const char *path)
{
    char *paths[] = {settings->source, settings->target};
    const struct text_list files = {paths, settings->target ? 2 : settings->source ? 1 : 0};
    struct text_list reads[REPORT_RUNS];
    CHECK(runs->count > 0 && runs->count <= REPORT_RUNS, STATUS_USAGE,
            "report takes from one to %d RUNs (run directories), found %zu words", REPORT_RUNS, runs->count);
    CHECK(settings->names.count == 0 || settings->names.count == runs->count, STATUS_USAGE,
            "--names expects one name for each RUN: %zu, found %zu", runs->count, settings->names.count);
    TRY(options_check_needs(&schema, settings));
    for (size_t r = 0; r < runs->count; r++)
        reads[r] = files;
    TRY(text_check_inputs(reads, runs->count));
    return text_check_output(path, &files);
}

static enum status work(const void *given, const struct text_list *words)
{
    const struct report_settings *settings = given;
    struct reported runs[REPORT_RUNS] = {0};
    struct report report = {.settings = settings, .runs = runs};
    const char *path = settings->output ? settings->output : chart_of(settings)->output;
    TRY(check(settings, words, path));
    TRY(world_open(0));
    enum status status = read_runs(&report, words);
    if (status == STATUS_OK)
        status = translate_and_write(&report, words, path);
    for (size_t r = 0; r < report.count; r++) {
        sample_close(&runs[r].sample);
        info_close(&runs[r].info);
    }
    return status;
}

static enum status run(int argc, char **argv)
{
    struct report_settings settings;
    return command_run(&report_command, &settings, argc, argv, work);
}

const struct command report_command = {
        .name = "report",
        .summary = "runs as a web page: curves, BLEU by length, attention",
        .usage = "RUN... [--output FILE] [--SWITCH VALUE]...",
        .examples = "seqtrain report run --output report.html\n"
                    "seqtrain report run --source test.en --target test.de --lines 5\n"
                    "seqtrain report runs/rnn runs/attention --source test.en --target test.de \\\n"
                    "    --chart lengths --output lengths.svg",
        .schemas = {&schema},
        .ranks = false,
        .run = run,
};
