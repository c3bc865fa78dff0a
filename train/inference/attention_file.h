/*
 * What translations attended to, in an HDF5 file that h5py reads without help; sentences end to end, in input order:
 *
 *     /source/pieces text, /source/offsets int64 [sentences + 1]     </s> included
 *     /target/pieces text, /target/offsets int64 [sentences + 1]     </s> included where it was reached
 *     /attention/weights float32, /attention/offsets int64 [sentences + 1]
 *     /attention/layers, /attention/heads
 *
 * Sentence i has weights[offsets[i]:offsets[i + 1]] as [layers, heads, target pieces, source pieces]; a row over the source
 * pieces sums to 1, of luong_local_p to less. An empty line has none of all. A source of frames or images has no
 * /source/pieces: offsets count its frames, or the cells of an image's grid, row by row from the top, which is
 * /attention/height by /attention/width.
 */
#ifndef TRAIN_ATTENTION_FILE_H
#define TRAIN_ATTENTION_FILE_H

#include "train/inference/translation_format.h"

struct attention_stream {
    int values, offsets; /* arrays of the file */
    int64_t end;         /* values so far */
    size_t bytes;        /* of a value */
};

struct attention_file {
    struct h5_writer *file; /* NULL: not open */
    struct vocabulary *const *vocabularies;
    struct attention_planes planes;
    struct attention_stream pieces[SIDES], weights;
};

/* `vocabularies` [SIDES] stay the caller's. STATUS_USAGE for standard output, which cannot hold HDF5. On failure nothing is
 * left to discard. */
enum status attention_file_open(struct attention_file *out, const char *path,
        struct vocabulary *const *vocabularies, struct attention_planes planes);

/* The next sentence: the attention of its best translation. */
enum status attention_file_add(struct attention_file *file, const struct translation_line *line);

/* The file has its name; it is closed in any case. */
enum status attention_file_commit(struct attention_file *file);

/* After a failure: leaves no file. Nothing where none is open. */
void attention_file_discard(struct attention_file *file);

#endif
