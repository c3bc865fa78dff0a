#include "train/report/report.h"

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
static const cJSON *fact(const struct reported *run, const char *object, const char *key)
{
    const cJSON *facts = run->info.facts;
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

static enum status put_facts(struct output *page, const struct reported *run)
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
    if (run->info.configured)
        TRY(output_print(page, "<div><dt>model</dt><dd>%s</dd></div>\n", run->info.config.model.kind->name));
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        TRY(put_fact(page, shown[i].name, fact(run, shown[i].object, shown[i].key)));
    return page_html(page, "</dl>\n");
}

/* What tells a run from others, where there are several. */
static enum status put_name(struct output *page, const struct report *report, const struct reported *run,
        const char *before, const char *after)
{
    if (report->count == 1)
        return STATUS_OK;
    TRY(page_html(page, before));
    TRY(page_text(page, run->name));
    return page_html(page, after);
}

static enum status put_settings(struct output *page, const struct report *report, const struct reported *run)
{
    const cJSON *item, *settings = fact(run, NULL, "settings");
    if (!settings)
        return STATUS_OK;
    TRY(page_html(page, "<details><summary>Settings that are not at their defaults"));
    TRY(put_name(page, report, run, ": ", ""));
    TRY(page_html(page, "</summary><div class=\"scroll\"><table>\n"));
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

/* ---- the page ---- */

static enum status put_title(struct output *page, const struct report *report)
{
    for (size_t r = 0; r < report->count; r++) {
        TRY(page_html(page, r > 0 ? ", " : ""));
        TRY(page_text(page, report->runs[r].name));
    }
    return STATUS_OK;
}

/* The policy lets nothing be fetched. */
static enum status put_head(struct output *page, const struct report *report)
{
    TRY(page_html(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                        "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"));
    TRY(put_title(page, report));
    TRY(page_html(page, " - seqtrain report</title>\n<style>\n"));
    TRY(page_html(page, page_colours));
    TRY(page_html(page, figure_style));
    TRY(page_html(page, page_style));
    TRY(page_html(page, "</style></head><body><main>\n<h1>"));
    TRY(put_title(page, report));
    return page_html(page, "</h1>\n");
}

static enum status put_reason(struct output *page, const char *reason)
{
    TRY(page_html(page, "<p class=\"note\">No sentences are shown: "));
    TRY(page_text(page, reason));
    return page_html(page, "</p>\n");
}

static enum status put_lengths(struct output *page, const struct report *report)
{
    if (!lengths_known(report))
        return STATUS_OK;
    TRY(page_html(page, "<section><h2>BLEU by sentence length</h2>\n"));
    TRY(lengths_write(page, report));
    return page_html(page, "</section>\n");
}

static enum status put_page(struct output *page, const struct report *report)
{
    TRY(put_head(page, report));
    for (size_t r = 0; r < report->count; r++) {
        TRY(put_name(page, report, &report->runs[r], "<h3>", "</h3>\n"));
        TRY(put_facts(page, &report->runs[r]));
    }
    TRY(curves_write(page, report));
    if (!report->translated)
        TRY(put_reason(page, report->reason));
    TRY(put_lengths(page, report));
    TRY(sentences_write(page, report));
    for (size_t r = 0; r < report->count; r++)
        TRY(put_settings(page, report, &report->runs[r]));
    TRY(page_html(page, "</main>\n<script>\n"));
    TRY(page_html(page, page_script));
    return page_html(page, "</script></body></html>\n");
}

/* ---- what may be written ---- */

static enum status put_lengths_alone(struct output *out, const struct report *report)
{
    CHECK(lengths_known(report), STATUS_USAGE,
            "--chart lengths needs translations and references: expected data.valid with its text, or "
            "--source and --target, and --sentences above 0");
    return lengths_write(out, report);
}

static const struct chart_kind rows[] = {
        {{"page", "all there is to see, as an HTML page", NULL}, "report.html", true, put_page},
        {{"lengths", "BLEU by length of the source, as an SVG picture", NULL}, "lengths.svg", false,
                put_lengths_alone},
};
const struct kind_table chart_kinds = KIND_TABLE("chart", rows);
