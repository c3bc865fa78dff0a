#include "train/report/report.h"
#include "train/training/validate.h"

#include <string.h>

/* ---- text ---- */

enum status page_html(struct output *page, const char *html)
{
    return output_write(page, html, strlen(html));
}

enum status page_text(struct output *page, const char *text)
{
    static const char marks[] = "<>&\"'";
    static const char *const escapes[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&#39;"};
    for (;;) {
        size_t plain = strcspn(text, marks);
        TRY(output_write(page, text, plain));
        text += plain;
        if (!*text)
            return STATUS_OK;
        TRY(page_html(page, escapes[strchr(marks, *text++) - marks]));
    }
}

/* What a script element could end or be commented by stands in strings only, where JSON has another way to write it. */
static enum status put_json(struct output *page, const char *json)
{
    for (;;) {
        size_t plain = strcspn(json, "<>&");
        TRY(output_write(page, json, plain));
        json += plain;
        if (!*json)
            return STATUS_OK;
        TRY(output_print(page, "\\u%04x", (unsigned)*json++));
    }
}

enum status page_json(struct output *page, const cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);
    CHECK(text, STATUS_INTERNAL, "out of memory: a report as JSON");
    enum status status = page_html(page, "<script type=\"application/json\" id=\"data\">");
    if (status == STATUS_OK)
        status = put_json(page, text);
    if (status == STATUS_OK)
        status = page_html(page, "</script>\n");
    cJSON_free(text);
    return status;
}

/* ---- facts ---- */

/* A fact by its way through objects; NULL: is not known. */
static const cJSON *fact(const struct report *report, const char *object, const char *key)
{
    const cJSON *facts = report->info->facts;
    if (object)
        facts = cJSON_GetObjectItemCaseSensitive(facts, object);
    return cJSON_GetObjectItemCaseSensitive(facts, key);
}

static enum status put_fact(struct output *page, const char *name, const cJSON *value)
{
    if (!value || !(cJSON_IsNumber(value) || (cJSON_IsString(value) && value->valuestring[0])))
        return STATUS_OK;
    TRY(output_print(page, "<div><dt>%s</dt><dd>", name));
    if (cJSON_IsString(value))
        TRY(page_text(page, value->valuestring));
    else
        TRY(output_print(page, value->valuedouble >= 1e5 ? "%.0f" : "%.6g", value->valuedouble));
    return page_html(page, "</dd></div>\n");
}

static enum status put_facts(struct output *page, const struct report *report)
{
    static const struct {
        const char *name, *object, *key;
    } shown[] = {
            {"state", NULL, "state"},
            {"because", NULL, "reason"},
            {"updates", NULL, "update"},
            {"epochs", NULL, "epoch"},
            {"parameters", NULL, "parameters"},
            {"crc32 of the parameters", NULL, "parameters_crc32"},
            {"best by", "best", "metric"},
            {"best value", "best", "value"},
            {"at update", "best", "update"},
            {"tokens trained", "training", "tokens"},
            {"tokens a second", "training", "tokens_per_second"},
    };
    TRY(page_html(page, "<dl class=\"facts\">\n"));
    if (report->info->configured)
        TRY(output_print(
                page, "<div><dt>model</dt><dd>%s</dd></div>\n", report->info->config.model.kind->name));
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        TRY(put_fact(page, shown[i].name, fact(report, shown[i].object, shown[i].key)));
    return page_html(page, "</dl>\n");
}

static enum status put_settings(struct output *page, const struct report *report)
{
    const cJSON *item, *settings = cJSON_GetObjectItemCaseSensitive(report->info->facts, "settings");
    if (!settings)
        return STATUS_OK;
    TRY(page_html(page, "<details><summary>Settings that are not at their defaults</summary><div "
                        "class=\"scroll\"><table>\n"));
    cJSON_ArrayForEach(item, settings)
    {
        TRY(page_html(page, "<tr><th>"));
        TRY(page_text(page, item->string));
        TRY(page_html(page, "</th><td>"));
        TRY(page_text(page, cJSON_IsString(item) ? item->valuestring : "-"));
        TRY(page_html(page, "</td></tr>\n"));
    }
    return page_html(page, "</table></div></details>\n");
}

/* ---- curves ---- */

static enum status put_validated(struct output *page, const struct info *info, const struct kind *metric)
{
    struct points validated = {0};
    struct chart chart = {"Loss", "nats per target token",
            {{"training", &info->losses, false}, {"validation", &validated, true}}, 2};
    enum status status = points_of_history(&validated, &info->history, metric);
    chart.count -= validated.count == 0;
    if (status == STATUS_OK)
        status = chart_write(page, &chart);
    points_release(&validated);
    return status;
}

/* BLEU and its like, those that the run computed, in one chart. */
static enum status put_text_metrics(struct output *page, const struct info *info)
{
    struct points points[CHART_SERIES] = {{0}};
    struct chart chart = {"Translations of data.valid", "score", {{0}}, 0};
    enum status status = STATUS_OK;
    for (size_t m = 0; m < kind_count(&metric_kinds) && chart.count < CHART_SERIES; m++) {
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
    for (size_t i = 0; i < CHART_SERIES; i++)
        points_release(&points[i]);
    return status;
}

static enum status put_curves(struct output *page, const struct info *info)
{
    const struct chart rate = {"Learning rate", "learning rate", {{"learning rate", &info->rates, false}}, 1};
    const struct chart speed = {"Speed", "source and target tokens a second",
            {{"source and target tokens", &info->speeds, false}}, 1};
    TRY(page_html(page, "<section><h2>Training</h2>\n"));
    if (info->losses.count < 2)
        TRY(page_html(page, "<p class=\"note\">No two updates yet: nothing to draw.</p>\n"));
    TRY(page_html(page, "<div class=\"charts\">\n"));
    TRY(put_validated(page, info, kind_find(&metric_kinds, "loss")));
    TRY(put_text_metrics(page, info));
    TRY(chart_write(page, &rate));
    TRY(chart_write(page, &speed));
    return page_html(page, "</div></section>\n");
}

/* ---- the page ---- */

/* The policy lets nothing be fetched. */
static enum status put_head(struct output *page, const char *title)
{
    TRY(page_html(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                        "style-src 'unsafe-inline'; "
                        "script-src 'unsafe-inline'\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"));
    TRY(page_text(page, title));
    TRY(page_html(page, " - seqtrain report</title>\n<style>\n"));
    TRY(page_html(page, page_style));
    TRY(page_html(page, "</style></head><body><main>\n<h1>"));
    TRY(page_text(page, title));
    return page_html(page, "</h1>\n");
}

static enum status put_reason(struct output *page, const char *reason)
{
    TRY(page_html(page, "<p class=\"note\">No sentences are shown: "));
    TRY(page_text(page, reason));
    return page_html(page, "</p>\n");
}

enum status page_write(struct output *page, const struct report *report)
{
    TRY(put_head(page, fact(report, NULL, "directory")->valuestring));
    TRY(put_facts(page, report));
    TRY(put_curves(page, report->info));
    if (!report->sample)
        TRY(put_reason(page, report->reason));
    TRY(lengths_write(page, report));
    TRY(heat_write(page, report));
    TRY(put_settings(page, report));
    TRY(page_html(page, "</main>\n<script>\n"));
    TRY(page_html(page, page_script));
    return page_html(page, "</script></body></html>\n");
}
