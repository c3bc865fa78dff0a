/*
 * The translations of a sentence as bytes, for the way to rank 0:
 *
 *     hypotheses (uint64) | header, ids, log probabilities, alignment, attention | header, ids, ...
 */
#ifndef TRAIN_TRANSLATION_RECORD_H
#define TRAIN_TRANSLATION_RECORD_H

#include "models/models.h"

/* `source_tokens`: columns of the alignment. *out is allocated. */
enum status translation_pack(
        void *out, size_t *bytes, const struct translation *translation, size_t source_tokens);

/* *out is given back to translations_release(), on failure too. */
enum status translation_unpack(struct translation *out, const void *record);

#endif
