/*
 * The audit: every comm.verify_every updates the ranks prove that they still compute alike, which a processor or memory
 * that has begun to err silently does not.
 *
 *     parameters     the CRC of all ranks', which the last update has spread, must be one
 *     a micro-batch  of the update is computed by a second rank, on parameters and batch alike: loss and gradient must be
 *                    the same bits (alone: it is computed twice)
 *
 * Slots and second ranks take turns. Where two differ, a third rank (two ranks: both again; one: it again) tells whom to
 * believe, and the job ends: STATUS_HUNG, so that it is started again from the last checkpoint, and STATUS_INTERNAL if
 * the run has met that before (RUN/suspects.txt). No bit of a run depends on its audits.
 */
#ifndef TRAIN_AUDIT_H
#define TRAIN_AUDIT_H

#include "train/training/trainer.h"

struct audit {
    struct trainer *trainer;
    bool noted;         /* of the update under way */
    uint32_t crc;       /* of the loss and gradient noted */
    struct batch batch; /* their micro-batch, the reader's */
};

void audit_open(struct audit *out, struct trainer *trainer);

/* Whether the update under way has this slot audited: then its gradient may not leave before audit_note(). */
bool audit_is_due(const struct audit *audit, int slot);

/* What the slot's own rank has computed, before it is added to others. */
void audit_note(struct audit *audit, const struct batch *batch, const struct loss *loss, float *gradient);

/* The comparison, when parameters are still those of the update's forward; nothing where no slot is due. The same status on
 * every rank. Collective. */
enum status audit_check(struct audit *audit);

/* ---- for tests ---- */

struct audit_trial {
    int32_t rank;
    uint32_t crc;
};

/* The rank whose trial departs from what more than half of them say, or -1. */
int audit_odd_rank(const struct audit_trial *trials, int count);

#endif
