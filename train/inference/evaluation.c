#include "train/inference/evaluation.h"

#include "comm/memory.h"
#include "train/json.h"

#include <string.h>

/* ---- which metrics ---- */

static enum status find_metrics(const struct text_list *names, const struct text_metric_options *options,
        const struct text_metric_kind *out[TEXT_METRICS])
{
    TRY(metrics_check_names("--metrics", names, &text_metric_kinds, STATUS_USAGE));
    for (size_t i = 0; i < names->count; i++)
        out[i] = (const struct text_metric_kind *)kind_find(&text_metric_kinds, names->items[i]);
    return text_metrics_check(options, out, names->count, "--", "--metrics", STATUS_USAGE);
}

enum status evaluation_open(struct evaluation *out, const struct evaluate_options *options)
{
    static char *standard[] = {"bleu", "chrf"};
    const struct text_list defaults = {standard, sizeof standard / sizeof *standard};
    const struct text_list *names = options->metrics.count ? &options->metrics : &defaults;
    const struct text_metric_kind *metrics[TEXT_METRICS];
    *out = (struct evaluation){.options = options->text, .compared = options->baseline != NULL};
    TRY(find_metrics(names, &options->text, metrics));
    TRY(memory_new(&out->items, "evaluation", names->count, sizeof *out->items));
    out->count = names->count;
    for (size_t i = 0; i < out->count; i++)
        out->items[i].metric = metrics[i];
    return STATUS_OK;
}

void evaluation_close(struct evaluation *evaluation)
{
    for (size_t i = 0; i < evaluation->count; i++)
        for (int side = 0; side < EVALUATION_SIDES; side++)
            memory_free(evaluation->items[i].lines[side]);
    memory_free(evaluation->items);
    *evaluation = (struct evaluation){0};
}

/* ---- counting ---- */

static enum status keep_counts(
        struct scored_metric *item, enum evaluation_side side, size_t pair, const int64_t *counts)
{
    size_t width = item->metric->counts;
    TRY(memory_grow(
            &item->lines[side], "evaluation", &item->line_room[side], (pair + 1) * width, sizeof *counts));
    memcpy(item->lines[side] + pair * width, counts, width * sizeof *counts);
    return STATUS_OK;
}

enum status evaluation_add(struct evaluation *evaluation, enum evaluation_side side, const char *line,
        size_t bytes, const char *reference, size_t reference_bytes)
{
    for (size_t i = 0; i < evaluation->count; i++) {
        struct scored_metric *item = &evaluation->items[i];
        int64_t counts[METRIC_COUNTS] = {0};
        TRY(text_metric_count(
                item->metric, &evaluation->options, line, bytes, reference, reference_bytes, counts));
        for (size_t c = 0; c < item->metric->counts && side == EVALUATION_OWN; c++)
            item->sum[c] += counts[c];
        if (evaluation->compared)
            TRY(keep_counts(item, side, evaluation->pairs[side], counts));
    }
    evaluation->pairs[side]++;
    return STATUS_OK;
}

/* ---- telling ---- */

static void print_loss(const struct evaluation *evaluation)
{
    printf("loss       %.4f\nperplexity %.4f\naccuracy   %.4f\n", validation_cross_entropy(&evaluation->loss),
            validation_perplexity(&evaluation->loss), validation_accuracy(&evaluation->loss));
}

static void add_loss(cJSON *out, const struct evaluation *evaluation)
{
    cJSON_AddNumberToObject(out, "target_tokens", (double)evaluation->loss.tokens);
    cJSON_AddNumberToObject(out, "loss", validation_cross_entropy(&evaluation->loss));
    cJSON_AddNumberToObject(out, "perplexity", validation_perplexity(&evaluation->loss));
    cJSON_AddNumberToObject(out, "accuracy", validation_accuracy(&evaluation->loss));
}

/* `out` NULL: as text. */
static void tell_metric(cJSON *out, const struct evaluation *evaluation, const struct scored_metric *item)
{
    char signature[METRIC_TEXT], details[METRIC_TEXT] = "";
    double value = item->metric->value(item->sum);
    text_metric_signature(item->metric, &evaluation->options, signature, sizeof signature);
    if (item->metric->details)
        item->metric->details(item->sum, details, sizeof details);
    if (!out) {
        printf("%s|%s = %.2f%s%s\n", item->metric->label, signature, value, details[0] ? " " : "", details);
        return;
    }
    cJSON_AddNumberToObject(out, "value", value);
    cJSON_AddStringToObject(out, "signature", signature);
    if (details[0])
        cJSON_AddStringToObject(out, "details", details);
}

static void tell_comparison(cJSON *out, const struct bootstrap *found, const struct evaluate_options *options)
{
    double difference = found->value - found->baseline;
    if (!out) {
        printf("  baseline %.2f, difference %+.2f (95 %%: %+.2f to %+.2f), better in %.1f %% of %lld "
               "samples, p = %.4f (seed %lld)\n",
                found->baseline, difference, found->lower, found->upper, 100 * found->better,
                (long long)options->resamples, found->p_value, (long long)options->resample_seed);
        return;
    }
    cJSON_AddNumberToObject(out, "baseline", found->baseline);
    cJSON_AddNumberToObject(out, "difference", difference);
    cJSON_AddNumberToObject(out, "lower", found->lower);
    cJSON_AddNumberToObject(out, "upper", found->upper);
    cJSON_AddNumberToObject(out, "better", found->better);
    cJSON_AddNumberToObject(out, "p_value", found->p_value);
    cJSON_AddNumberToObject(out, "samples", (double)options->resamples);
    cJSON_AddNumberToObject(out, "seed", (double)options->resample_seed);
}

static enum status tell(
        cJSON *out, const struct evaluation *evaluation, const struct evaluate_options *options)
{
    cJSON *metrics = out ? cJSON_AddObjectToObject(out, "metrics") : NULL;
    for (size_t i = 0; i < evaluation->count; i++) {
        const struct scored_metric *item = &evaluation->items[i];
        cJSON *object = out ? cJSON_AddObjectToObject(metrics, item->metric->kind.name) : NULL;
        CHECK(!out || object, STATUS_INTERNAL, "out of memory: evaluation as JSON");
        tell_metric(object, evaluation, item);
        if (!evaluation->compared)
            continue;
        struct bootstrap found;
        TRY(bootstrap_compare(&found, item->metric, item->lines[EVALUATION_OWN],
                item->lines[EVALUATION_BASELINE], evaluation->pairs[EVALUATION_OWN],
                (size_t)options->resamples, (uint64_t)options->resample_seed));
        tell_comparison(object, &found, options);
    }
    return STATUS_OK;
}

static enum status print_json(const struct evaluation *evaluation, const struct evaluate_options *options)
{
    cJSON *out = cJSON_CreateObject();
    CHECK(out, STATUS_INTERNAL, "out of memory: evaluation as JSON");
    cJSON_AddNumberToObject(out, "pairs", (double)evaluation->pairs[EVALUATION_OWN]);
    if (evaluation->has_loss)
        add_loss(out, evaluation);
    enum status status = tell(out, evaluation, options);
    if (status == STATUS_OK)
        status = json_print(out, "the evaluation");
    cJSON_Delete(out);
    return status;
}

enum status evaluation_print(const struct evaluation *evaluation, const struct evaluate_options *options)
{
    if (options->json)
        return print_json(evaluation, options);
    if (evaluation->has_loss)
        print_loss(evaluation);
    return tell(NULL, evaluation, options);
}
