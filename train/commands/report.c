/*
 * seqtrain report: a run as one HTML file: curves, BLEU by sentence length, what translations look at.
 */
#include "train/report/report.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "train/command.h"

#define FIELD(name) offsetof(struct report_settings, name)

static const struct option rows[] = {
        {"output", OPTION_TEXT, FIELD(output), .value = "report.html", .placeholder = "FILE",
                .help = "the page; - is standard output"},
        {"source", OPTION_TEXT, FIELD(source), .placeholder = "FILE",
                .help = "sentences to translate, one a line; not given: those of data.valid"},
        {"target", OPTION_TEXT, FIELD(target), .needs = "source", .placeholder = "FILE",
                .help = "their references, for BLEU by length"},
        {"lines", OPTION_INTEGER, FIELD(lines), .value = "3", .minimum = 0, .maximum = 1000,
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

static enum status write_file(const struct report *report)
{
    struct output page;
    enum status status = output_open(&page, report->settings->output);
    if (status == STATUS_OK)
        status = page_write(&page, report);
    if (status == STATUS_OK)
        status = output_commit(&page);
    output_discard(&page);
    return status;
}

/* What cannot be translated is told on the page, unless sentences were asked for by name. */
static enum status translate_and_write(
        const struct report_settings *settings, const struct info *info, const char *run)
{
    struct sample sample;
    char *reason = NULL;
    struct report report = {.settings = settings, .info = info};
    enum status status = STATUS_OK;
    if (settings->lines > 0 || settings->sentences > 0) {
        status = sample_open(&sample, run, settings, info->configured ? info->config.data.valid : NULL);
        report.sample = status == STATUS_OK ? &sample : NULL;
    }
    if (status != STATUS_OK && !settings->source) {
        TRY(memory_text(&reason, "report", status_message()));
        log_line(LOG_WARNING, "no sentences are shown: %s", reason);
        status = STATUS_OK;
    }
    report.reason = reason ? reason : "none were asked for";
    if (status == STATUS_OK)
        status = write_file(&report);
    if (report.sample)
        sample_close(&sample);
    memory_free(reason);
    return status;
}

static enum status check(const struct report_settings *settings, const struct text_list *words)
{
    char *paths[] = {settings->source, settings->target};
    const struct text_list files = {paths, settings->target ? 2 : settings->source ? 1 : 0};
    CHECK(words->count == 1, STATUS_USAGE, "report takes one RUN (a run directory), found %zu words",
            words->count);
    TRY(options_check_needs(&schema, settings));
    TRY(text_check_inputs(&files, 1));
    return text_check_output(settings->output, &files);
}

static enum status work(const void *given, const struct text_list *words)
{
    static const struct info_settings plain;
    const struct report_settings *settings = given;
    struct info info;
    TRY(check(settings, words));
    TRY(world_open(0));
    TRY(info_open(&info, &plain));
    enum status status = info_run(&info, words->items[0]);
    if (status == STATUS_OK)
        status = translate_and_write(settings, &info, words->items[0]);
    info_close(&info);
    return status;
}

static enum status run(int argc, char **argv)
{
    struct report_settings settings;
    return command_run(&report_command, &settings, argc, argv, work);
}

const struct command report_command = {
        .name = "report",
        .summary = "a run as a web page: curves, BLEU by length, attention",
        .usage = "RUN [--output FILE] [--SWITCH VALUE]...",
        .examples = "seqtrain report run --output report.html\n"
                    "seqtrain report run --source test.en --target test.de --lines 5",
        .schemas = {&schema},
        .ranks = false,
        .run = run,
};
