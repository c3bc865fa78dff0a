/*
 * Sources that are not text: a sentence of real-valued frames (speech, sensors), or a picture. What a token is to text a
 * frame is to them; of a picture it is a row of pixels, from the top.
 *
 *     frames   FILE.h5:/dataset            [sentences, frames, values]
 *              FILE.h5:/dataset:/offsets   [all frames, values]; sentence i is frames offsets[i] to offsets[i + 1]
 *     images   LIST                        a text file with the path of a picture (PNG, PGM, PPM) on each line
 *              FOLDER                      all pictures in it, by name in natural order: 2.png before 10.png
 *              FILE.h5:/dataset            bytes [images, height, width], [images, height, width, channels] or
 *                                          [images, channels, height, width]
 *
 * In memory a token of any source is a fixed number of 4-byte words, so that sentences of all kinds are packed and moved
 * alike: the id, the floats of a frame, or the bytes of a row of pixels. The form of a source stands in corpora and
 * checkpoints where else its vocabulary is.
 */
#ifndef IO_SOURCE_H
#define IO_SOURCE_H

#include "comm/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum source_kind { SOURCE_TEXT, SOURCE_FRAMES, SOURCE_IMAGES };

struct source_form {
    enum source_kind kind;
    size_t width;            /* values of a frame, or pixels of a row */
    size_t height, channels; /* images */
};

enum { SOURCE_WIDTH_MOST = 1 << 16, SOURCE_PIXELS_MOST = 4096, SOURCE_FORM_BYTES = 80 };

/* Values of a frame, and the 4-byte words of a token. */
size_t source_values(const struct source_form *form);
size_t source_words(const struct source_form *form);
bool source_is_possible(const struct source_form *form); /* sizes within limits; not of text */
bool source_same(const struct source_form *a, const struct source_form *b);

/* "frames of 40 values", "images of 32x48x3" (height, width, channels), "text". */
void source_describe(const struct source_form *form, char out[SOURCE_FORM_BYTES]);

/* What stands in files, and back; false if the bytes are something else (a SentencePiece model). Not of text. */
void source_write_form(const struct source_form *form, char out[SOURCE_FORM_BYTES]);
bool source_read_form(struct source_form *out, const void *bytes, size_t count);

/* An image as a PNG file in memory; memory_free(). */
enum status source_png(uint8_t **out, size_t *bytes, const struct source_form *form, const void *tokens);

/* ---- reading ---- */

struct source_reader;

/* `form`: of frames width 0 takes the file's; else the file's must be that. Images become that size: scaled until they
 * cover it, the middle cut out. Standard input is no source. Checks what can be told without reading all. */
enum status source_open(struct source_reader **out, const char *path, const struct source_form *form);
void source_close(struct source_reader *reader); /* NULL is allowed */
const struct source_form *source_reader_form(const struct source_reader *reader);
const char *source_path(const struct source_reader *reader);

/* The next sentence: `count` tokens, borrowed until the next call; *tokens NULL: the end. Values must be finite.
 * STATUS_DATA naming the file, its sentence or line, what was expected and what was found. */
enum status source_next(struct source_reader *reader, const void **tokens, size_t *count);
int64_t source_number(const struct source_reader *reader); /* of the last sentence, from 1 */
void source_rewind(struct source_reader *reader);

#endif
