/*
 * The names of the arrays of a corpus, for its writer and its reader. Private to io/corpus/.
 */
#ifndef IO_CORPUS_NAMES_H
#define IO_CORPUS_NAMES_H

#include "io/corpus.h"

#define CORPUS_PAIRS             "/pairs"
#define CORPUS_FINGERPRINT       "/fingerprint"
#define CORPUS_TEXT              "/target/text"
#define CORPUS_TEXT_OFFSETS      "/target/text_offsets"
#define CORPUS_ALIGNMENT_OFFSETS "/alignment/offsets"
#define CORPUS_ALIGNMENT_POINTS  "/alignment/points"
#define CORPUS_SKIPPED_LINE      "/skipped/line"
#define CORPUS_SKIPPED_REASON    "/skipped/reason"

enum { SKIP_TEXT_BYTES = 16 };

/* What the tokens of a source of each kind are stored as. */
struct source_array {
    const char *name, *description;
    enum h5_type type;
};
extern const struct source_array corpus_sources[];

struct vocabulary_names {
    const char *model, *pieces;
};

struct side_arrays {
    const char *tokens, *offsets;
    struct vocabulary_names vocabulary; /* when the sides do not share one */
};

extern const struct side_arrays corpus_names[SIDES];
extern const struct vocabulary_names corpus_joint;

#endif
