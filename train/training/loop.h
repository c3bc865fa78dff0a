/*
 * The loop: updates until train.until, a stop on request, or a failure; validation and checkpoints at their periods.
 */
#ifndef TRAIN_LOOP_H
#define TRAIN_LOOP_H

#include "train/training/trainer.h"

/* STATUS_OK when the run is complete; STATUS_STOPPED when it stopped on request after saving; STATUS_INTERNAL naming the
 * update whose loss or gradient is no finite number (nothing is saved then). The last checkpoint is on the disk in the
 * first two cases. Collective. */
enum status loop_run(struct trainer *trainer);

/* The setting that leaves the run nothing to do, "train.until" or "validate.patience"; NULL: there is something. Looks at
 * config, state and validate.every of the trainer alone. */
const char *loop_completed_by(const struct trainer *trainer);

#endif
