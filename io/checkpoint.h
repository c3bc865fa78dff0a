/*
 * Checkpoints: the whole model and the whole run in one HDF5 file, written beside the training.
 *
 *     /model/<parameter>  /optimizer/<moment>/<parameter>   float32, natural shapes, one chunk per unit
 *     /state/...  /config  /vocabulary/...  /corpus/fingerprint  /code/version
 *
 * checkpoint_save() returns at once; a thread per rank packs units from where they lie, and checkpoint_settle() copies
 * what it has not come to when the state is about to change; rank 0's thread writes units in file order. The main thread
 * moves packed chunks to rank 0 whenever it calls checkpoint_progress(), between ops.
 * Files depend on the state alone: not on ranks, time, or order of arrival.
 */
#ifndef IO_CHECKPOINT_H
#define IO_CHECKPOINT_H

#include "comm/blocks.h"
#include "io/corpus.h"
#include "io/h5.h"
#include "io/options.h"

#include <stdio.h>

/* One parameter of the flat buffer. */
struct flat_array {
    char name[H5_NAME_LIMIT]; /* "encoder/0/attention/weight", without the group */
    int rank;
    size_t shape[H5_RANK_LIMIT];
    size_t offset; /* of its first float in the flat buffer */
    const char *description;
};

/* A set of values for all flat arrays: "model", "optimizer/m". */
struct flat_plane {
    const char *group;
    float *values; /* saving: this rank's own buffer (blocks.h), or the flat buffer if `flat`;
                      loading: where they go */
    bool flat;
    const char *description;
    /* Arrays of the same number and names, with shapes and offsets of their own, for values that are `flat`; they end
     * no later than the flat buffer does. NULL: the flat arrays. */
    const struct flat_array *arrays;
};

/* One value of the run's state; a text and a row of values are in the file only if there are any: NULL and {0} if not. */
enum field_type { FIELD_INTEGER, FIELD_REAL, FIELD_TEXT, FIELD_INTEGERS, FIELD_REALS };
struct field_row {
    size_t count;
    union {
        int64_t *integers;
        double *reals;
    };
};
struct field {
    const char *name; /* "/state/update" */
    enum field_type type;
    void *value; /* int64_t *, double *, char **, struct field_row *; loading allocates texts and rows with memory_new() */
    const char *description;
};

struct checkpoint_contents {
    const struct flat_array *arrays;
    size_t array_count;
    const struct flat_plane *planes;
    size_t plane_count;
    const struct field *fields;
    size_t field_count;
    const char *config; /* YAML of the settings that shape the result */
    const void *vocabulary[SIDES];
    size_t vocabulary_bytes[SIDES];
    bool joint;
};

/* The best so far by each metric, for links to them: "" is best.h5, "bleu" is best-bleu.h5. Names are string constants. */
enum { BEST_LIMIT = 24 };
struct best_list {
    struct best {
        const char *name;
        int64_t update;
    } items[BEST_LIMIT];
    size_t count;
};

struct checkpoint_options {
    const char *folder; /* RUN/checkpoints; best*.h5 and last.h5 are links in RUN */
    int keep;           /* newest kept, besides those that best*.h5 point to; 0: all */
    int compression;
    bool trusted;     /* files are not read back before they get their names; then two are kept at least */
    const char *good; /* checkpoint that the run goes on from; NULL: none */
    /* Asked before a new file gets its name, and before links move and older files go: a failure ends the save there.
     * NULL: always allowed. Called by a thread of rank 0. */
    enum status (*allowed)(void *context);
    void *context;
};

struct checkpointer;

enum status checkpointer_open(struct checkpointer **out, const struct checkpoint_options *options,
        const struct blocks *blocks); /* Collective */

/* Bytes of a file, roughly: how well numbers compress is not known beforehand. Of contents it looks at arrays, planes and
 * vocabularies. */
uint64_t checkpoint_file_bytes(const struct checkpoint_contents *contents, int compression);

/* Warns if the file system has no room for what is still to come: options->keep files, `best` that links point to, and the
 * one under way. Rank 0 only. */
void checkpoint_foresee_room(
        const struct checkpoint_options *options, const struct checkpoint_contents *contents, size_t best);

/* Saves the state as it is; waits first for a save under way. No value of a plane may change before checkpoint_settle(),
 * or before the save has ended. The file is FOLDER/update-%08lld.h5; last.h5 moves to it, and the links of `best` (NULL:
 * none) to the files of their updates, where these are there. Collective. */
enum status checkpoint_save(struct checkpointer *checkpointer, const struct checkpoint_contents *contents,
        int64_t update, const struct best_list *best);

/* Copies what a save under way has still to read: from here on values of planes may change. A failure ends the save, as
 * one on the way. */
void checkpoint_settle(struct checkpointer *checkpointer);

/* Bytes that a save holds at most on `rank` of blocks->ranks: a copy of all, should it be settled before much is packed,
 * and messages between owners. Of contents it looks at arrays and planes. Nothing is sent. */
enum status checkpoint_held_bytes(
        size_t *out, const struct blocks *blocks, int rank, const struct checkpoint_contents *contents);

/* Moves packed chunks on; never waits. A failed save is the return value (rank 0's; others OK), once: the older
 * checkpoints are intact and nothing is left of the failed one, unless checkpoint_is_named(). */
enum status checkpoint_progress(struct checkpointer *checkpointer);

/* Whether a save has not ended on this rank. */
bool checkpoint_is_under_way(const struct checkpointer *checkpointer);

/* After a failed save: whether its file is there all the same, and only links or the removal of older files failed.
 * Rank 0 only. */
bool checkpoint_is_named(const struct checkpointer *checkpointer);

/* The newest checkpoint known to be good: the last that was saved, else options->good; NULL: none. Borrowed until the next
 * save. Rank 0 only. */
const char *checkpoint_good(const struct checkpointer *checkpointer);

/* Waits until no save is under way and returns its status, agreed. A beat of the watchdog on every rank as long as rank 0
 * gets on. Collective. */
enum status checkpoint_wait(struct checkpointer *checkpointer);

/* checkpoint_wait(), then frees. Collective. */
enum status checkpointer_close(struct checkpointer *checkpointer);

/* On resume: moves last.h5 to FOLDER/update-%08lld.h5 and the links of `best` (NULL: none) to the files of their updates,
 * and removes older files that are not to be kept, as a crash after a checkpoint got its name, or another choice of
 * metrics, has left that to do. Warns of a best that has no file any more. Of options it looks at those of files. Rank 0
 * only. */
enum status checkpoint_relink(
        const struct checkpoint_options *options, int64_t update, const struct best_list *best);

/* A run directory's best checkpoint, else its last; or the file itself. Collective. */
enum status checkpoint_resolve(char **path, const char *model);

struct checkpoint;

/* Verifies and opens. Collective. */
enum status checkpoint_open(struct checkpoint **out, const char *path);

/* Opens the newest checkpoint of a folder by update; *out NULL if there is none. Files that cannot be read or do not verify
 * are passed over, told with their reasons in one line; if all fail: STATUS_DATA with the reasons. `clean`: stale *.tmp are
 * removed, and damaged files that were passed over get the name *.h5.bad: retention is not to count them, nor a later
 * start to try them again. Collective. */
enum status checkpoint_find(struct checkpoint **out, const char *folder, bool clean);
void checkpoint_close(struct checkpoint *checkpoint);
struct h5_file *checkpoint_file(const struct checkpoint *checkpoint);
const char *checkpoint_path(const struct checkpoint *checkpoint);

/* Whether there are arrays /GROUP/...: "ema". */
bool checkpoint_has_group(const struct checkpoint *checkpoint, const char *group);
const char *checkpoint_config(const struct checkpoint *checkpoint); /* YAML, borrowed */

/* The SentencePiece model of a side, borrowed; *joint if one serves both. */
const void *checkpoint_vocabulary(
        const struct checkpoint *checkpoint, enum side side, size_t *bytes, bool *joint);

/* Reads planes and fields; every array must be there in its shape: STATUS_DATA naming both. Rank 0
 * reads, all receive what is theirs (`flat`: everything; else own stretches of `blocks`).
 * Collective. */
enum status checkpoint_load(struct checkpoint *checkpoint, const struct blocks *blocks,
        const struct flat_array *arrays, size_t array_count, const struct flat_plane *planes,
        size_t plane_count, const struct field *fields, size_t field_count);

/* ---- the checkpoints of a run ---- */

/* Paths of all checkpoints of a run directory, oldest first; a directory without any has none. */
enum status checkpoint_list(struct text_list *out, const char *run);

/* The update in the name of a file; false for other names. */
bool checkpoint_update(const char *path, int64_t *update);

/* ---- averages ---- */

/* Paths of the `count` newest checkpoints of a run directory, oldest first: STATUS_MISSING if there are fewer. */
enum status checkpoint_newest(struct text_list *out, const char *run, size_t count);

/* Writes a checkpoint whose /model is the mean of the arrays of `group` ("model", "ema"), added in double in the order
 * given; all else is the newest's (the highest update), without moments and averages. Shapes and vocabularies must
 * agree: STATUS_DATA naming both files. By one process alone. */
enum status checkpoint_average(
        const char *path, struct checkpoint *const *checkpoints, size_t count, const char *group);

/* Whether checkpoint_average() wrote it: then it is a model, but no state to go on from. */
bool checkpoint_is_average(const struct checkpoint *checkpoint);

/* CRC-32 over the /model arrays in byte order of their names, float32 little-endian; and their
 * number of values. */
enum status checkpoint_parameters_crc32(struct checkpoint *checkpoint, uint32_t *crc, size_t *parameters);

#endif
