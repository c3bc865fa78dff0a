/*
 * Which pairs of a text occurred before, the same on both sides: found by their 128-bit hashes, which lie in a
 * temporary file of 24 bytes a pair. Memory: about a third of a byte a pair.
 */
#ifndef TRAIN_PREPARE_DUPLICATES_H
#define TRAIN_PREPARE_DUPLICATES_H

#include "io/pairs.h"

struct duplicates;

enum status duplicates_open(struct duplicates **out);
void duplicates_close(struct duplicates *duplicates); /* NULL is allowed */

/* The pairs in order, then the end of them. */
enum status duplicates_add(struct duplicates *duplicates, const struct pair *pair);
enum status duplicates_find(struct duplicates *duplicates);

/* After duplicates_find(): whether a pair before number `number` was the same. */
bool duplicates_has(const struct duplicates *duplicates, int64_t number);

#endif
