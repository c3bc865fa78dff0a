/*
 * The built-in default corpora: parallel text made from rules and a seed, so that a newcomer needs
 * no data.
 */
#ifndef IO_GENERATE_H
#define IO_GENERATE_H

#include "comm/kind.h"
#include "comm/status.h"

#include <stddef.h>
#include <stdint.h>

/* Rows: numbers (numbers, dates, times and amounts, English to German), strands and genes (DNA), copy, reverse, sort
 * (letters). */
extern const struct kind_table generator_kinds;

/* Writes FOLDER/{train,valid,test}.{source,target} text files (suffixes are the generator's, e.g.
 * en and de). The values in valid and test occur in no training sentence. The same seed gives the
 * same bytes. */
enum status generate_corpus(
        const struct kind *kind, const char *folder, size_t train_lines, size_t test_lines, uint64_t seed);

#endif
