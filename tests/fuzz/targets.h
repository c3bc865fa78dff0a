/* The rows of targets. */
#ifndef TESTS_FUZZ_TARGETS_H
#define TESTS_FUZZ_TARGETS_H

#include "tests/fuzz/fuzz.h"

extern const struct fuzz_target fuzz_corpus, fuzz_checkpoint; /* HDF5 files of ours, behind a right header */
extern const struct fuzz_target fuzz_array;                   /* HDF5 files of others */
extern const struct fuzz_target fuzz_yaml, fuzz_arguments;    /* settings: a file, a command line */
extern const struct fuzz_target fuzz_vocabulary;              /* SentencePiece models */
extern const struct fuzz_target fuzz_alignment, fuzz_text, fuzz_pairs; /* lines, plain and gzip */
extern const struct fuzz_target fuzz_picture;                          /* PNG, PGM, PPM */
extern const struct fuzz_target fuzz_metrics; /* what lies in a run directory: metrics.jsonl, lock */

#endif
