/*
 * The corpus: sentence pairs as token ids, with their vocabularies, in one self-contained HDF5 file.
 *
 *     /source/tokens int32, /source/offsets int64 [pairs+1]      ids of each sentence, </s> included
 *     or /source/features float32 [frames, values]               sources that are not text (source.h):
 *     or /source/images bytes [rows, width * channels]           offsets count frames, or rows of pixels
 *     /target/tokens int32, /target/offsets int64 [pairs+1]
 *     /target/text bytes, /target/text_offsets int64 [pairs+1]   raw target lines, for BLEU (optional)
 *     /alignment/points int32 [points, 2], /alignment/offsets int64 [pairs+1]     which tokens of source and target belong
 *                                                                together (optional)
 *     /vocabulary/{source,target}/{model,pieces}                 or /vocabulary/joint/... when shared
 *     /skipped/{line,reason}                                     what prepare left out
 *     /fingerprint, /pairs, ...                                  one value each
 */
#ifndef IO_CORPUS_H
#define IO_CORPUS_H

#include "comm/status.h"
#include "io/h5.h"
#include "io/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum side { SOURCE, TARGET, SIDES };

extern const char *const side_names[SIDES]; /* "source", "target" */

/* ---- writing (prepare): bounded memory, whatever the size ---- */

struct corpus_writer;

struct corpus_settings {
    const struct vocabulary
            *vocabularies[SIDES]; /* the same pointer twice: joint; the source's may be a form */
    int compression;
    bool keep_text, aligned;
};

/* Tokens of a pair that belong together, counted within their sentences; never </s>. */
struct corpus_point {
    int32_t source, target;
};

enum skip_reason {
    SKIP_EMPTY,
    SKIP_SHORT,
    SKIP_LONG,
    SKIP_UNEVEN,
    SKIP_IDENTICAL,
    SKIP_DUPLICATE,
    SKIP_UNDIVIDED,
    SKIP_BAD,
    SKIP_REASONS,
    SKIP_NOT = SKIP_REASONS /* the pair is kept */
};
extern const char *const skip_texts[SKIP_REASONS];

enum status corpus_create(
        struct corpus_writer **out, const char *path, const struct corpus_settings *settings);
/* Ids without </s>: it is appended here; tokens of a source that is not text as they are (source.h). `text`: the raw
 * target line. */
enum status corpus_add(struct corpus_writer *writer, const int32_t *const ids[SIDES],
        const size_t counts[SIDES], const char *text, size_t text_bytes);
/* If the settings say aligned, after each corpus_add(): its points, in order of their targets, then of their sources. */
enum status corpus_align(struct corpus_writer *writer, const struct corpus_point *points, size_t count);
enum status corpus_skip(struct corpus_writer *writer, int64_t line, enum skip_reason reason);
enum status corpus_commit(struct corpus_writer *writer); /* frees the writer in any case */
void corpus_discard(struct corpus_writer *writer);

/* ---- reading ---- */

struct corpus;

struct corpus_facts {
    size_t pairs;
    size_t tokens[SIDES];
    size_t longest[SIDES]; /* sentence, in tokens */
    size_t skipped;
    bool joint; /* one vocabulary for both sides */
    bool has_text, aligned;
    size_t points;           /* of the alignment */
    struct source_form form; /* of the source */
    char fingerprint[64];    /* of tokens and offsets, independent of compression */
};

/* Verifies the file, then checks offsets (monotonic, in range) and token ids. Collective. */
enum status corpus_open(struct corpus **out, const char *path);
void corpus_close(struct corpus *corpus);
const struct corpus_facts *corpus_facts(const struct corpus *corpus);
const char *corpus_path(const struct corpus *corpus);

/* Bytes of a SentencePiece model, or of the form of a source that is not text; borrowed. */
const void *corpus_vocabulary(const struct corpus *corpus, enum side side, size_t *bytes);
size_t corpus_rows(
        const struct corpus *corpus, enum side side); /* vocabulary rows, <mask> and <pad> included */

/* 4-byte words of a token: 1 but for sources that are not text. */
size_t corpus_words(const struct corpus *corpus, enum side side);

/* Offsets [first, first + count] (count + 1 values), and tokens of the flat range, in words. One thread at a
 * time per corpus; no HDF5. */
enum status corpus_offsets(struct corpus *corpus, enum side side, size_t first, size_t count, int64_t *out);
enum status corpus_tokens(struct corpus *corpus, enum side side, int64_t first, size_t count, int32_t *out);

/* If facts.aligned: offsets [first, first + count] of the points of pairs, and points of the flat range. */
enum status corpus_point_offsets(struct corpus *corpus, size_t first, size_t count, int64_t *out);
enum status corpus_points(struct corpus *corpus, int64_t first, size_t count, struct corpus_point *out);

/* The raw target lines [first, first + count), end to end without line ends, into *text, which memory_grow() enlarges;
 * line i is text[offsets[i]:offsets[i + 1]]. STATUS_CONFIG if the corpus was prepared without text (facts.has_text). */
enum status corpus_text(struct corpus *corpus, size_t first, size_t count, char **text, size_t *room,
        int64_t *offsets /* [count + 1] */);

#endif
