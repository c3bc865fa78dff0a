#include "train/metrics/metrics.h"

#include <string.h>

static const char *name_at(const void *kinds, size_t i)
{
    return kind_at(kinds, i)->name;
}

enum status metrics_check_names(
        const char *option, const struct text_list *names, const struct kind_table *kinds, enum status code)
{
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        for (size_t before = 0; before < i; before++)
            CHECK(strcmp(names->items[before], name) != 0, code, "%s: %s is named twice", option, name);
        if (kind_find(kinds, name))
            continue;
        char known[METRIC_TEXT];
        const char *near = options_nearest(name, name_at, kinds, kind_count(kinds));
        return status_fail(code, "%s: expected %s, found '%.60s'%s%s%s", option,
                kind_list(kinds, NULL, known, sizeof known), name, near ? "; did you mean " : "",
                near ? near : "", near ? "?" : "");
    }
    return STATUS_OK;
}

static bool is_tokenized(const struct kind *kind)
{
    return ((const struct text_metric_kind *)kind)->tokenized;
}

static bool is_cased(const struct kind *kind)
{
    return ((const struct text_metric_kind *)kind)->cased;
}

enum status text_metrics_check(const struct text_metric_options *options,
        const struct text_metric_kind *const *metrics, size_t count, const char *prefix, const char *lists,
        enum status code)
{
    char able[METRIC_TEXT];
    bool tokenized = options->tokenizer == kind_at(&text_tokenizer_kinds, 0), cased = !options->lowercase;
    for (size_t m = 0; m < count; m++) {
        tokenized |= metrics[m]->tokenized;
        cased |= metrics[m]->cased;
    }
    CHECK(tokenized, code, "%stokenizer is %s, but counts only with %s in %s", prefix,
            options->tokenizer->name, kind_list(&text_metric_kinds, is_tokenized, able, sizeof able), lists);
    CHECK(cased, code, "%slowercase is true, but counts only with %s in %s", prefix,
            kind_list(&text_metric_kinds, is_cased, able, sizeof able), lists);
    return STATUS_OK;
}
