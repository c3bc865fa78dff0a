/*
 * What people read. Lines go to standard error, which never holds up the caller (outlet.h), and to a file once log_file()
 * names one; standard output belongs to data.
 *
 * log_line() is rank 0's; log_rank() is any rank's and carries its number. Levels:
 *   ERROR    the command will fail          WARNING  a person should look, the run goes on
 *   INFO     one line per event             DETAIL   for those who look for a cause (--log.level
 * detail)
 */
#ifndef COMM_LOG_H
#define COMM_LOG_H

#include "comm/status.h"

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DETAIL };

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_rank(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Rank 0's line to the file alone: what people are told in another way. */
void log_record(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Any rank's words to people alone, as they are. */
void log_words(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Shows `text` on one terminal line that the next call overwrites; nothing where standard error is
 * no terminal. Rank 0 only. NULL clears it. */
void log_progress(const char *text);

/* Whether log_progress() shows anything. */
bool log_is_terminal(void);

/* Lines above `level` are dropped. Default: LOG_INFO. */
void log_set_level(enum log_level level);

/* The rank lines are printed as; world_open() sets it. Default: 0. */
void log_set_rank(int rank);

/* From now on rank 0's lines are also appended to `path`; NULL stops that. Lines that it does not take are lost, which is
 * told on standard error. */
enum status log_file(const char *path);

#endif
