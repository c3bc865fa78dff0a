/*
 * Lines of text from a file, a .gz file or standard input ("-"), checked as they are read.
 *
 * A line ends at \n (a \r before it is removed; a last line without \n counts). U+2028 and other
 * Unicode breaks are ordinary characters. A byte order mark at the start of the file is removed.
 */
#ifndef IO_TEXT_H
#define IO_TEXT_H

#include "io/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TEXT_LINE_LIMIT = 1000000 }; /* bytes; a longer line is no sentence */

struct text;

/* What is wrong with a line, for callers that skip rather than stop. */
enum text_fault { TEXT_GOOD, TEXT_BAD_UTF8, TEXT_NUL, TEXT_TOO_LONG };

/* STATUS_MISSING, STATUS_PERMISSION or STATUS_IO if it cannot be opened; a folder is STATUS_IO. */
enum status text_open(struct text **out, const char *path);

/* Standard input and pipes can be read once. text_spool() copies one into a temporary file of spool.h, which is the
 * caller's to close; text_open_spool() reads that from its start, as often as needed and one reader at a time. */
enum status text_spool(int *spool, const char *path);
enum status text_open_spool(struct text **out, int spool, const char *path);

/* Before a command reads the files of `lists` [count], on the rank that does: standard input at most once among them.
 * STATUS_USAGE. */
enum status text_check_inputs(const struct text_list *lists, size_t count);

/* A result is not to take the place of what it is made from: STATUS_USAGE if `output` (NULL, "-": standard output) is
 * one of `inputs`, by whatever name; among them "-" is standard input. */
enum status text_check_output(const char *output, const struct text_list *inputs);

/* The same of the file that the switch `name` gives. */
enum status text_check_result(const char *name, const char *output, const struct text_list *inputs);

void text_close(struct text *text);

/* The next line, without its end and with a 0 after it; *line is NULL at the end of the file. Borrowed
 * until the next call. A truncated or damaged .gz is STATUS_DATA. *fault is TEXT_GOOD or what is wrong
 * (then *bytes and *line describe what was kept). */
enum status text_next(struct text *text, const char **line, size_t *bytes, enum text_fault *fault);

/* As text_next(), but a faulty line is STATUS_DATA naming file, line, what was expected and what
 * was found. */
enum status text_next_good(struct text *text, const char **line, size_t *bytes);

/* The sentence for a faulty line: `file:line: expected ..., found ...`. Into the status message;
 * returns STATUS_DATA. */
enum status text_fail(const struct text *text, enum text_fault fault);

const char *text_path(const struct text *text);
int64_t text_line_number(const struct text *text); /* of the last line read, from 1 */

/* The position of the first byte that is not valid UTF-8 (RFC 3629: no surrogates, no overlong
 * forms), or `bytes`. */
size_t text_valid_utf8(const char *line, size_t bytes);

#endif
