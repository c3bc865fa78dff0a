#include "train/report/report.h"
#include "train/training/validate.h"

/* What a run has a value of at its updates. */
struct quantity {
    const char *title, *unit;
    const struct kind *metric; /* of validations; NULL: */
    size_t offset;             /* of points in struct info */
};

/* The series of all runs in one chart. */
static enum status put_quantity(
        struct output *page, const struct report *report, const struct quantity *quantity)
{
    struct points found[REPORT_RUNS] = {{0}};
    struct chart chart = {quantity->title, quantity->unit, report->count > 1, {{0}}, report->count};
    enum status status = STATUS_OK;
    for (size_t r = 0; r < report->count; r++) {
        const struct info *info = &report->runs[r].info;
        chart.series[r].label = report->runs[r].name;
        chart.series[r].points = (const struct points *)((const char *)info + quantity->offset);
        if (!quantity->metric)
            continue;
        if (status == STATUS_OK)
            status = points_of_history(&found[r], &info->history, quantity->metric);
        chart.series[r].points = &found[r];
        chart.series[r].marked = true;
    }
    if (status == STATUS_OK)
        status = chart_write(page, &chart);
    for (size_t r = 0; r < REPORT_RUNS; r++)
        points_release(&found[r]);
    return status;
}

/* ---- several runs: a chart for each quantity ---- */

static const char loss_unit[] = "nats per target token";

static enum status put_metrics_apart(struct output *page, const struct report *report)
{
    for (size_t m = 0; m < kind_count(&metric_kinds); m++) {
        const struct kind *kind = kind_at(&metric_kinds, m);
        const struct text_metric_kind *metric = metric_of_text(kind);
        const struct quantity quantity = {metric ? metric->label : NULL, "score", .metric = kind};
        if (metric)
            TRY(put_quantity(page, report, &quantity));
    }
    return STATUS_OK;
}

static enum status put_apart(struct output *page, const struct report *report)
{
    const struct quantity training = {"Loss in training", loss_unit, .offset = offsetof(struct info, losses)};
    const struct quantity validation = {
            "Loss on data.valid", loss_unit, .metric = kind_find(&metric_kinds, "loss")};
    TRY(put_quantity(page, report, &training));
    TRY(put_quantity(page, report, &validation));
    return put_metrics_apart(page, report);
}

/* ---- one run: quantities of a kind in one chart ---- */

static enum status put_validated(struct output *page, const struct info *info)
{
    struct points validated = {0};
    struct chart chart = {"Loss", loss_unit, false,
            {{"training", &info->losses, false}, {"validation", &validated, true}}, 2};
    enum status status = points_of_history(&validated, &info->history, kind_find(&metric_kinds, "loss"));
    if (status == STATUS_OK)
        status = chart_write(page, &chart);
    points_release(&validated);
    return status;
}

/* BLEU and its like, those that the run computed. */
static enum status put_text_metrics(struct output *page, const struct info *info)
{
    struct points points[REPORT_RUNS] = {{0}};
    struct chart chart = {"Translations of data.valid", "score", false, {{0}}, 0};
    enum status status = STATUS_OK;
    for (size_t m = 0; m < kind_count(&metric_kinds) && chart.count < REPORT_RUNS; m++) {
        const struct kind *kind = kind_at(&metric_kinds, m);
        const struct text_metric_kind *metric = metric_of_text(kind);
        struct points *own = &points[chart.count];
        if (metric && status == STATUS_OK)
            status = points_of_history(own, &info->history, kind);
        if (own->count == 0)
            continue;
        chart.series[chart.count].label = metric->label;
        chart.series[chart.count].points = own;
        chart.series[chart.count++].marked = true;
    }
    if (chart.count == 1)
        chart.unit = chart.series[0].label;
    if (status == STATUS_OK)
        status = chart_write(page, &chart);
    for (size_t i = 0; i < REPORT_RUNS; i++)
        points_release(&points[i]);
    return status;
}

/* ---- the section ---- */

enum status curves_write(struct output *page, const struct report *report)
{
    static const struct quantity rate = {
            "Learning rate", "learning rate", .offset = offsetof(struct info, rates)};
    static const struct quantity speed = {
            "Speed", "source and target tokens a second", .offset = offsetof(struct info, speeds)};
    const struct info *first = &report->runs[0].info;
    TRY(page_html(page, "<section><h2>Training</h2>\n"));
    if (report->count == 1 && first->losses.count < 2)
        TRY(page_html(page, "<p class=\"note\">No two updates yet: nothing to draw.</p>\n"));
    TRY(page_html(page, "<div class=\"charts\">\n"));
    if (report->count > 1)
        TRY(put_apart(page, report));
    else {
        TRY(put_validated(page, first));
        TRY(put_text_metrics(page, first));
    }
    TRY(put_quantity(page, report, &rate));
    TRY(put_quantity(page, report, &speed));
    return page_html(page, "</div></section>\n");
}
