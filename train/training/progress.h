/*
 * What a run tells: the line on a terminal, log lines every log.every elsewhere, metrics.jsonl, one object an update and
 * one a validation, and the same numbers for TensorBoard. Rank 0 tells; on the others these functions do nothing.
 */
#ifndef TRAIN_PROGRESS_H
#define TRAIN_PROGRESS_H

#include "io/events.h"
#include "train/training/spike.h"
#include "train/training/trainer.h"
#include "train/training/validate.h"

/* One update, agreed by all ranks. */
struct update_report {
    struct slot_facts total; /* its sums */
    double learning_rate, gradient_norm;
    double sampling; /* share of decoder inputs that are drawn; 0: not told */
    bool epoch_end;
    bool skipped; /* it changed nothing: loss or gradient were not finite (train.on_nan) */
};

/* One validation, agreed by all ranks. */
struct validation_report {
    struct validation sums;
    double values[METRICS_LIMIT]; /* of metric_kinds; NaN: not computed */
};

struct progress {
    struct trainer *trainer;
    double started, updated; /* clock: start of the run, end of the last update */
    double shown, lined;     /* clock: last terminal line, last log line */
    double training;         /* seconds of updates, without validation and saving */
    int64_t first_update, first_tokens;
    double first_share; /* of the run that was done */
    double loss;        /* objective since the last log line */
    int64_t target;     /* tokens it is summed over */
    struct spike spike;
    bool metrics_failed;
    struct events *events; /* NULL: none, or no more after a failure */
};

void progress_start(struct progress *progress, struct trainer *trainer);

/* After trainer->state counts the update. */
void progress_update(struct progress *progress, const struct update_report *report);
void progress_validation(struct progress *progress, const struct validation_report *report);

/* Brings metrics.jsonl to the disk: before a checkpoint, so that a power loss does not leave it behind that. */
void progress_sync(struct progress *progress);

/* What has passed since the last update was no training: speeds leave it out. */
void progress_skip(struct progress *progress);

/* Lines of detail: where rank 0's time went; what its memory was for. */
void progress_phases(void);
void progress_memory(void);

/* The last words of a run that is complete. */
void progress_finish(struct progress *progress);

void progress_close(struct progress *progress);

#endif
