/*
 * Errors as values.
 *
 * A function that can fail returns `enum status`. The message is made once, where the fact is
 * known: what was being done, what was expected, what was found, where. On the way up nobody
 * rewrites it; TRY() only passes it on:
 *
 *     CHECK(width % heads == 0, STATUS_CONFIG, "model.width %d is not divisible by model.heads %d",
 * width, heads); TRY(text_open(&text, path));
 *
 * Messages belong to a thread. A helper thread keeps its status and a copy of its message for the
 * main thread, which raises it again with status_fail(code, "%s", copy). Before ranks part ways on
 * a failure they meet in status_agree().
 */
#ifndef COMM_STATUS_H
#define COMM_STATUS_H

/* Name, exit status (sysexits.h), meaning. The exit status of the program is the status of its
 * command. */
#define STATUS_LIST(X)                                                                                       \
    X(OK, 0, "done")                                                                                         \
    X(USAGE, 64, "malformed command line")                                                                   \
    X(DATA, 65, "wrong contents")                                                                            \
    X(MISSING, 66, "file missing")                                                                           \
    X(INTERNAL, 70, "numeric or internal failure")                                                           \
    X(HUNG, 71, "a rank hung or died")                                                                       \
    X(BUSY, 73, "run directory in use")                                                                      \
    X(IO, 74, "input or output failed")                                                                      \
    X(STOPPED, 75, "stopped on request after saving")                                                        \
    X(PERMISSION, 77, "permission denied")                                                                   \
    X(CONFIG, 78, "setting refused")

enum status {
#define STATUS_ENUM(name, code, text) STATUS_##name = (code),
    STATUS_LIST(STATUS_ENUM)
#undef STATUS_ENUM
};

/* The meaning of a status, never NULL. */
const char *status_text(enum status status);

/* Records the message of this thread and returns `code`; never call it with STATUS_OK. */
enum status status_fail(enum status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As status_fail() for a failed system call on `path`: the code and the reason come from errno
 * (ENOENT: MISSING; EACCES, EPERM, EROFS: PERMISSION; else IO). `action` completes "cannot ...":
 * "read", "create". */
enum status status_fail_errno(const char *action, const char *path);

/* The message of this thread's last failure, "" if there was none. Borrowed until the next failure.
 */
const char *status_message(void);

/* Forgets the message of this thread. */
void status_clear(void);

/* What ASSERT() does when it fails: prints rank, place and expression, and ends the whole job. */
void status_bug(const char *file, int line, const char *expression) __attribute__((noreturn));

/* How status_bug() ends the job; world_open() sets MPI_Abort. NULL: as abort does. */
void status_on_bug(void (*end_job)(void));

/* Passes a failure up. */
#define TRY(call)                                                                                            \
    do {                                                                                                     \
        enum status try_status_ = (call);                                                                    \
        if (try_status_ != STATUS_OK)                                                                        \
            return try_status_;                                                                              \
    } while (0)

/* The user's or the system's failure: always checked, returned as a status. */
#define CHECK(condition, code, ...)                                                                          \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            return status_fail(code, __VA_ARGS__);                                                           \
    } while (0)

/* Our own mistake: ends the job. */
#define ASSERT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            status_bug(__FILE__, __LINE__, #condition);                                                      \
    } while (0)

#endif
