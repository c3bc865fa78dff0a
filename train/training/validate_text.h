/*
 * Validation by translation: data.valid is translated by search and compared with its raw target lines. Windows of the
 * corpus are sorted by length, cut into batches and spread over the ranks (spread.h); metrics add up integers. So it
 * depends on the corpus, the parameters and the options alone, as validate() does.
 */
#ifndef TRAIN_VALIDATE_TEXT_H
#define TRAIN_VALIDATE_TEXT_H

#include "io/corpus.h"
#include "models/models.h"
#include "train/metrics/metrics.h"

struct text_validation_options {
    const struct text_metric_kind *metrics[TEXT_METRICS];
    size_t count;                    /* of them; 0: only the samples are translated */
    struct text_metric_options text; /* what the metrics take */
    int64_t beam;
    size_t samples; /* the first pairs of the corpus, shown in the log with their translations */
};

/* values [options->count] of options->metrics; STATUS_CONFIG if the corpus has no text for them, STATUS_STOPPED if a rank is
 * asked to stop meanwhile (stop.h). Collective. */
enum status validate_text(double *values, struct model *model, struct corpus *corpus,
        const struct text_validation_options *options);

#endif
