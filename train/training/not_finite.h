/*
 * Updates whose loss or gradient is not finite: what is done about them (train.on_nan), and what they come from.
 *
 *     stop       the run ends (70)
 *     skip       the update changes no parameter, moment or average; it counts, and its pairs are not seen again. After
 *                NOT_FINITE_IN_A_ROW of them as roll_back.
 *     roll_back  the run goes back to its newest checkpoint, once in a start: what a passing fault of the machine has done
 *                does not come again. Training is deterministic: what has other reasons does, and then the run ends (70).
 *
 * All of it depends on values alone, so the bits of a run are the same on any layout, and skips in a row are saved.
 */
#ifndef TRAIN_NOT_FINITE_H
#define TRAIN_NOT_FINITE_H

#include "train/training/trainer.h"

enum { NOT_FINITE_IN_A_ROW = 10 };

extern const struct kind_table on_nan_kinds; /* stop, skip, roll_back */

/* Tells which micro-batches of the update under way give a loss or gradient that is not finite, when they are computed
 * again: a line each, and RUN/not-finite/update-U-slot-S.txt with the pairs. batches [own slots], from first_slot on, may
 * be read; nothing has been updated. Trouble on the way is only warned of. Collective. */
void not_finite_inspect(struct trainer *trainer, const struct batch *batches, int first_slot, int end_slot);

enum not_finite_way { NOT_FINITE_ENDS, NOT_FINITE_SKIPS, NOT_FINITE_GOES_BACK };

/* What is to be done about the update under way; the same on every rank. */
enum not_finite_way not_finite_way(const struct trainer *trainer);

/* The gradient of a micro-batch as fault sites would have it. */
void not_finite_inject(const struct trainer *trainer, int slot, float *gradient);

#endif
