/*
 * Our HDF5 files: named arrays with a description, behind a 512-byte header that finds any flipped or missing byte.
 *
 *     |0   header (HDF5 user block)   512|   HDF5 (format V110)                         length|
 *      magic, version, kind, length, digest of the rest, CRC of the header
 *
 * h5py and h5dump read the files without help. Writing goes to NAME.tmp through an own file driver with a sticky error;
 * h5_commit() closes, fills in the header, fsyncs, reads back and verifies, renames, fsyncs the folder. Equal contents
 * are equal bytes. Reading verifies the digest first; then arrays are read chunk by chunk with pread and a bounded
 * inflate, without the HDF5 library, so that any thread may read once an array is opened. What is written to meanwhile is
 * STATUS_IO, never other numbers. Foreign types stay in h5*.c.
 */
#ifndef IO_H5_H
#define IO_H5_H

#include "comm/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum h5_kind { H5_CORPUS = 1, H5_CHECKPOINT = 2, H5_ATTENTION = 3 };
const char *h5_kind_name(enum h5_kind kind); /* "corpus" */

enum h5_type { H5_FLOAT32, H5_FLOAT64, H5_INT32, H5_INT64, H5_BYTE, H5_TEXT };

enum { H5_NAME_LIMIT = 256, H5_RANK_LIMIT = 4, H5_HEADER_BYTES = 512 };

struct h5_array {
    char name[H5_NAME_LIMIT]; /* full path, "/source/tokens"; groups on the way are made */
    enum h5_type type;
    size_t text_bytes; /* H5_TEXT: bytes per item, 0-padded */
    int rank;          /* 0: one value */
    size_t shape[H5_RANK_LIMIT];
    size_t chunk_rows; /* rows of the first dimension per chunk; 0: stored whole, without filters
                          (small arrays) */
    int compression;   /* 0 none; 1 planes (floats) or deflate 1; 2-9 deflate */
    const char *description;
};

size_t h5_type_bytes(enum h5_type type, size_t text_bytes);
size_t h5_row_bytes(const struct h5_array *array); /* of one row of the first dimension */
size_t h5_chunk_bytes(
        const struct h5_array *array); /* uncompressed; a last chunk is padded with zeros to it */
size_t h5_chunk_count(const struct h5_array *array);

/* One chunk (h5_chunk_bytes) through shuffle and deflate as the stock filters read it; pure functions of type, chunk
 * shape and compression, any thread. *packed grows with memory_resize(). Unpacking gives exactly a chunk or
 * STATUS_DATA. */
enum status h5_pack(const struct h5_array *array, const void *chunk, uint8_t **packed, size_t *capacity,
        size_t *packed_bytes);
enum status h5_unpack(const struct h5_array *array, const void *packed, size_t packed_bytes, void *chunk);

/* ---- writing: one thread at a time ---- */

struct h5_writer;

enum status h5_create(struct h5_writer **out, const char *path, enum h5_kind kind);

/* Declares an array and returns its number. shape[0] may be 0 for a chunked array that h5_append()
 * makes grow. */
enum status h5_declare(struct h5_writer *writer, const struct h5_array *array, int *id);

/* A chunk already packed, in any order of arrays but in order of `chunk` within one. */
enum status h5_put_chunk(
        struct h5_writer *writer, int id, size_t chunk, const void *packed, size_t packed_bytes);

/* Rows at the end of a growing array; packs full chunks as they fill. */
enum status h5_append(struct h5_writer *writer, int id, const void *rows, size_t count);

/* A whole small array (chunk_rows 0): declares and writes. */
enum status h5_put(struct h5_writer *writer, const struct h5_array *array, const void *data);
enum status h5_put_int(struct h5_writer *writer, const char *name, int64_t value, const char *description);
enum status h5_put_real(struct h5_writer *writer, const char *name, double value, const char *description);
enum status h5_put_text(
        struct h5_writer *writer, const char *name, const char *text, const char *description);

/* h5_commit() is not to read the file back: what fsync(2) has said is enough. */
void h5_trust_disk(struct h5_writer *writer);

/* Ends the file as the head of this page says; frees the writer in any case. On failure NAME.tmp is gone and NAME is
 * as it was before (or, where only the last step failed, already the new file, whole). */
enum status h5_commit(struct h5_writer *writer);

/* Gives up: removes NAME.tmp, frees the writer. NULL is allowed. */
void h5_discard(struct h5_writer *writer);

/* ---- reading ---- */

struct h5_file;

/* Verifies header, length and digest (each rank one N-th of the bytes when the world is open and
 * `everywhere`; alone otherwise), then opens. STATUS_DATA naming file, expected and found for
 * anything else than a whole file of `kind` in a known format version. Collective if `everywhere`.
 */
enum status h5_open(struct h5_file **out, const char *path, enum h5_kind kind, bool everywhere);
void h5_close(struct h5_file *file);

/* Header alone, without opening: which kind a file is. */
enum status h5_peek(const char *path, enum h5_kind *kind);

const char *h5_path(const struct h5_file *file);

/* The i-th array of the file in byte order of names; false past the last. Names only the whitelist
 * of this page: hard links, fixed-size little-endian types. */
bool h5_list(const struct h5_file *file, size_t i, struct h5_array *out);
bool h5_has(const struct h5_file *file, const char *name);

/* The array called `name`; false if there is none. */
bool h5_find(const struct h5_file *file, const char *name, struct h5_array *out);

/* An opened array: chunk addresses in memory, no HDF5 call from here on. `expected` type and rank
 * are checked (STATUS_DATA naming both). The description is not filled in. */
struct h5_reader;
enum status h5_reader_open(
        struct h5_reader **out, struct h5_file *file, const char *name, enum h5_type type, int rank);
void h5_reader_close(struct h5_reader *reader);
const struct h5_array *h5_reader_array(const struct h5_reader *reader);

/* Rows [first, first + count) into `out`. Keeps the last chunk it unpacked; one thread at a time
 * per reader. */
enum status h5_read_rows(struct h5_reader *reader, size_t first, size_t count, void *out);

/* One whole chunk (h5_chunk_bytes, padding included) into `out`. Any thread. */
enum status h5_read_chunk(const struct h5_reader *reader, size_t chunk, void *out);

/* A whole array, allocated with memory_new(); and single values. */
enum status h5_get(struct h5_file *file, const char *name, enum h5_type type, int rank, void *out,
        struct h5_array *array);
/* STATUS_DATA if the first dimension of an array that is there has more than `most` rows: before all of it is read. */
enum status h5_check_rows(const struct h5_file *file, const char *name, size_t most);
enum status h5_get_int(struct h5_file *file, const char *name, int64_t *out);
enum status h5_get_real(struct h5_file *file, const char *name, double *out);
enum status h5_get_description(struct h5_file *file, const char *name, char **out); /* NULL: has none */
enum status h5_get_text(struct h5_file *file, const char *name, char **out);

#endif
