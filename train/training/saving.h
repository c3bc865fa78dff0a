/*
 * Saves beside the updates, and what becomes of the run when one fails (checkpoint.on_failure): a row of a table. Rank 0
 * writes, so it learns first; a run that is to stop for it stops where the ranks agree next.
 */
#ifndef TRAIN_SAVING_H
#define TRAIN_SAVING_H

#include "train/training/trainer.h"

extern const struct kind_table save_failure_kinds; /* warn, stop */

struct saving {
    struct trainer *trainer;
    bool failed; /* rank 0: the run is to stop, */
    char reason[2048];
};

/* Moves a save under way on; never waits. */
void saving_progress(struct saving *saving);

/* What a save that could not start (`started` false), or failed on the way, means: told, or noted for saving_status(). */
void saving_judge(struct saving *saving, enum status status, bool started);

/* STATUS_IO if the run is to stop. Of this rank: to be agreed on. */
enum status saving_status(const struct saving *saving);

/* The last save of a start, to its end. STATUS_IO, whatever failed, naming the newest good checkpoint; STATUS_BUSY if the run
 * directory is another's by now. Collective. */
enum status saving_last(struct trainer *trainer);

#endif
