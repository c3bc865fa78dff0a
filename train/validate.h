/*
 * Validation: the loss over data.valid without dropout. Windows of the corpus are sorted by length, cut into batches and
 * spread over the ranks (spread.h); sums are added in double in the order of the batches. So it depends on the corpus
 * and the parameters alone: not on ranks, seed or batch.*.
 */
#ifndef TRAIN_VALIDATE_H
#define TRAIN_VALIDATE_H

#include "io/corpus.h"
#include "models/models.h"

struct validation {
    double objective;     /* nats, summed over target tokens; with label smoothing */
    double cross_entropy; /* without */
    int64_t pairs, tokens, correct;
};

/* Metrics of a validation, for `validate.metric` and `validate.metrics`: rows of struct metric_kind. */
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

/* The number of a metric in metric_kinds. */
size_t metric_number(const struct kind *metric);

/* Whether `value` beats `best` by more than `margin`. */
bool metric_better(const struct kind *metric, double value, double best, double margin);

/* STATUS_STOPPED if a rank is asked to stop meanwhile (stop.h). Collective. */
enum status validate(
        struct validation *out, struct model *model, struct corpus *corpus, double label_smoothing);

#endif
