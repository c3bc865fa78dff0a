/*
 * Validation: the loss over data.valid without dropout. Windows of the corpus are sorted by length, cut into batches and
 * spread over the ranks (spread.h); sums are added in double in the order of the batches. So it depends on the corpus
 * and the parameters alone: not on ranks, seed or batch.*.
 */
#ifndef TRAIN_VALIDATE_H
#define TRAIN_VALIDATE_H

#include "io/corpus.h"
#include "models/models.h"
#include "train/metrics/metrics.h"

struct validation {
    double objective;     /* nats, summed over target tokens; with label smoothing */
    double cross_entropy; /* without */
    int64_t pairs, tokens, correct;
};

/* Adds the loss of `pairs` pairs; adds another part of the same text. */
void validation_add(struct validation *sum, const struct loss *loss, size_t pairs);
void validation_join(struct validation *sum, const struct validation *part);

/* Metrics of a validation, for `validate.metric` and `validate.metrics`: rows of struct metric_kind, then those of
 * text_metric_kinds (metrics.h). */
extern const struct kind_table metric_kinds;
struct metric_kind {
    struct kind kind;
    bool higher_is_better;
    double (*value)(const struct validation *validation);
};

double validation_loss(const struct validation *validation);          /* objective a target token */
double validation_cross_entropy(const struct validation *validation); /* nats a target token */
double validation_perplexity(const struct validation *validation);
double validation_accuracy(const struct validation *validation); /* of the likeliest token; 0 to 1 */

/* The number of a metric in metric_kinds; the metric of text it is, or NULL. */
size_t metric_number(const struct kind *metric);
const struct text_metric_kind *metric_of_text(const struct kind *metric);

/* Whether validate.metrics names a metric. */
bool metric_is_listed(const struct text_list *names, const struct kind *metric);

/* Whether `value` beats `best` by more than `margin`. */
bool metric_better(const struct kind *metric, double value, double best, double margin);

/* STATUS_STOPPED if a rank is asked to stop meanwhile (stop.h). Collective. */
enum status validate(
        struct validation *out, struct model *model, struct corpus *corpus, double label_smoothing);

#endif
