/*
 * The validations of a run: when one is due, what it finds, and what follows from that: which checkpoint is the best by
 * which metric, and whether patience is at its end. All of it follows from the state, so that every rank and every start
 * comes to the same.
 */
#ifndef TRAIN_VALIDATION_H
#define TRAIN_VALIDATION_H

#include "train/training/progress.h"
#include "train/training/validate_text.h"

/* Due where the run stands and not yet done: a stop goes before it, then the next start begins with it. */
bool validation_due(const struct trainer *trainer);

/* Validates and records what was found. *best: a best*.h5 is to be set. STATUS_STOPPED if a rank is asked to stop
 * meanwhile; then nothing is recorded. Collective. */
enum status validation_run(struct trainer *trainer, struct progress *progress, bool *best);

/* After a resume: values found on another corpus do not compare with those to come, so the history starts anew. */
void validation_forget_others(struct trainer *trainer);

/* The best so far by validate.metric into trainer->state, from its history. */
void validation_judge(struct trainer *trainer);

/* The updates that best*.h5 belong to: best.h5 is of validate.metric, best-NAME.h5 of each of validate.metrics. */
void validation_best(const struct trainer *trainer, struct best_list *out);

/* What the settings ask of translations of data.valid: nothing, where it has neither metrics nor samples. */
void validation_translates(const struct validate_options *settings, struct text_validation_options *out);

/* Whether validate.patience validations have passed without improvement. */
bool validation_exhausted(const struct trainer *trainer);

#endif
