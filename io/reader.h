/*
 * The reader: a thread that prepares the micro-batches of this rank's slots ahead of the updates.
 * What it holds is never state: a resume opens it at (epoch, update within the epoch).
 */
#ifndef IO_READER_H
#define IO_READER_H

#include "io/batch.h"
#include "io/noise.h"
#include "io/plan.h"

struct reader;

/* Starts reading slots [first_slot, end_slot) at `epoch` after `done` updates of it. Epochs follow
 * one another without end. `noise`: what is done to sentences as they are read; NULL: nothing. The plan counts the tokens
 * of sentences as they are stored: with other pieces a micro-batch can hold more. Micro-batches have an alignment where
 * all corpora have one and words keep their pieces. */
enum status reader_open(struct reader **out, const struct corpora *corpora,
        const struct plan_options *options, const struct noise_options *noise, int first_slot, int end_slot,
        int64_t epoch, int64_t done);
void reader_close(struct reader *reader);

/* The micro-batch of the next (update, slot), slots in order within an update; batch->pairs 0: the
 * slot is dry in this update. *more: the slot has another one in this epoch. The batch is borrowed
 * until the next call for the same slot. */
enum status reader_next(struct reader *reader, struct batch *batch, bool *more);

/* All ranks have agreed that the epoch ended: the next reader_next() starts the next epoch. A
 * reader works ahead across this. */
void reader_next_epoch(struct reader *reader);

#endif
