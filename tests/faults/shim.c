/*
 * A library to preload: the n-th call of a class fails, comes short, never returns, or ends the process, so that a driver
 * can walk n over all calls that a run makes.
 *
 *     mpirun -n 2 env LD_PRELOAD=shim.so SHIM_CLASS=write,sync SHIM_AT=7 SHIM_ACTION=kill SHIM_UNDER=run seqtrain train ...
 *
 *     SHIM_CLASS    classes that count together, with commas between: the first column of the tables below, or "file" for
 *                   all that stands between open and mpi
 *     SHIM_AT       the call that SHIM_ACTION happens to, from 1; "7+": that one and all after it; without it none
 *     SHIM_ACTION   fail (default), short (half of the bytes), kill (SIGKILL instead of the call), tear (half of the bytes,
 *                   then SIGKILL), killall (as kill, but all ranks of this host), power (the file system of SHIM_DISK stops
 *                   as it stands on its disk, then killall), hang (the call never returns)
 *     SHIM_ERRNO    what a failed call leaves in errno, a number (default: the table of classes)
 *     SHIM_RANK     only this rank counts (default: each, on its own)
 *     SHIM_UNDER    calls on files count only where their path begins so; several with ':' between. Paths are taken as the
 *                   program gives them.
 *     SHIM_LOG      a file that gets a line "RANK NUMBER CLASS CALL RESULT PATH" after each call that counts, and at the end
 *                   of the process "RANK CALLS all". A call that ended the process has the result "killed".
 *     SHIM_DISK     for power: a folder of that file system, which must be ext4
 *
 * Allocations are of class memory where the program itself makes them, of class foreign where a library does.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <mpi.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CLASSES(X)                                                                                           \
    X(OPEN, "open", EMFILE)                                                                                  \
    X(READ, "read", EIO)                                                                                     \
    X(WRITE, "write", ENOSPC)                                                                                \
    X(SYNC, "sync", EIO)                                                                                     \
    X(NAME, "name", EIO)                                                                                     \
    X(CLOSE, "close", EDQUOT)                                                                                \
    X(MPI, "mpi", 0)                                                                                         \
    X(POLL, "poll", 0)                                                                                       \
    X(MEMORY, "memory", ENOMEM)                                                                              \
    X(FOREIGN, "foreign", ENOMEM)

enum class {
#define CLASS_ENUM(name, text, error) CLASS_##name,
    CLASSES(CLASS_ENUM)
#undef CLASS_ENUM
            CLASS_COUNT
};
static const char *const class_names[] = {
#define CLASS_NAME(name, text, error) text,
        CLASSES(CLASS_NAME)
#undef CLASS_NAME
};
static const int class_errors[] = {
#define CLASS_ERROR(name, text, error) error,
        CLASSES(CLASS_ERROR)
#undef CLASS_ERROR
};

enum action { GO, FAIL, SHORT, KILL, TEAR, KILLALL, POWER, HANG };
static const char *const action_names[] = {"go", "fail", "short", "kill", "tear", "killall", "power", "hang"};

enum { DESCRIPTORS = 1024, ROOTS = 8 };

static struct {
    bool ready;
    bool counts[CLASS_COUNT];
    long first, last; /* calls that something happens to; 0: none */
    enum action action;
    int error, rank, log;
    const char *roots[ROOTS];
    size_t root_count;
    uintptr_t begin, end; /* the program's own code */
} shim = {.log = -1};

static atomic_long passes;
static atomic_bool watched[DESCRIPTORS];
static _Thread_local bool inside; /* what the shim itself calls does not count */

/* ---- settings ---- */

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static void choose_classes(const char *list)
{
    for (int i = 0; i < CLASS_COUNT; i++) {
        const char *at = strstr(list, class_names[i]);
        size_t length = strlen(class_names[i]);
        shim.counts[i] = at && (at == list || at[-1] == ',') && (at[length] == ',' || !at[length]);
        shim.counts[i] |= i < CLASS_MPI && strcmp(list, "file") == 0;
    }
}

static void choose_roots(void)
{
    static char roots[1024];
    snprintf(roots, sizeof roots, "%s", setting("SHIM_UNDER", ""));
    char *rest = roots;
    for (char *root; (root = strsep(&rest, ":")) && shim.root_count < ROOTS;)
        shim.roots[shim.root_count++] = root;
}

static int find_own_code(struct dl_phdr_info *info, size_t bytes, void *context)
{
    (void)bytes, (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        shim.begin = info->dlpi_addr + part->p_vaddr;
        shim.end = shim.begin + part->p_memsz;
    }
    return 1; /* the first is the program */
}

__attribute__((constructor)) static void start(void)
{
    const char *at = setting("SHIM_AT", "0"), *action = setting("SHIM_ACTION", "fail");
    const char *rank = setting("OMPI_COMM_WORLD_RANK", "0"), *only = setting("SHIM_RANK", rank);
    char *rest;
    inside = true;
    shim.first = strtol(at, &rest, 10);
    shim.last = *rest == '+' ? INT32_MAX : shim.first;
    for (size_t i = 0; i < sizeof action_names / sizeof *action_names; i++)
        if (strcmp(action, action_names[i]) == 0)
            shim.action = (enum action)i;
    shim.error = atoi(setting("SHIM_ERRNO", "0"));
    shim.rank = atoi(rank);
    choose_classes(setting("SHIM_CLASS", ""));
    choose_roots();
    dl_iterate_phdr(find_own_code, NULL);
    const char *log = setting("SHIM_LOG", NULL);
    if (log)
        shim.log = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    shim.ready = strcmp(only, rank) == 0;
    inside = false;
}

/* ---- what happens ---- */

static void say(const char *format, ...)
{
    char line[1024];
    va_list arguments;
    if (shim.log < 0)
        return;
    va_start(arguments, format);
    int bytes = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (bytes > 0)
        (void)!syscall(
                SYS_write, shim.log, line, (size_t)bytes < sizeof line ? (size_t)bytes : sizeof line - 1);
}

__attribute__((destructor)) static void end(void)
{
    if (shim.ready)
        say("%d %ld all\n", shim.rank, atomic_load(&passes));
}

static long parent_of(long process)
{
    char path[64], text[512] = "";
    long parent = -1;
    snprintf(path, sizeof path, "/proc/%ld/stat", process);
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return parent;
    (void)!syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    const char *name_end = strrchr(text, ')');
    if (name_end)
        sscanf(name_end + 1, " %*c %ld", &parent);
    return parent;
}

/* The other children of the launcher; without a launcher there are none. */
static void kill_siblings(void)
{
    DIR *processes = getenv("OMPI_COMM_WORLD_SIZE") ? opendir("/proc") : NULL;
    for (struct dirent *entry; processes && (entry = readdir(processes));) {
        long process = atol(entry->d_name);
        if (process > 0 && process != getpid() && parent_of(process) == getppid())
            kill((pid_t)process, SIGKILL);
    }
}

/* The ioctl by which tests of file systems lose their power: nothing that is not on the disk gets there (2). */
static void lose_power(void)
{
    uint32_t without_log = 2;
    int disk = (int)syscall(SYS_openat, AT_FDCWD, setting("SHIM_DISK", "."), O_RDONLY | O_DIRECTORY);
    if (disk < 0 || ioctl(disk, _IOR('X', 125, uint32_t), &without_log) != 0)
        say("%d 0 power failed: errno %d\n", shim.rank, errno);
}

static void end_here(enum action action)
{
    if (action == POWER)
        lose_power();
    if (action == POWER || action == KILLALL)
        kill_siblings();
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* A call under way. */
struct call {
    enum class class;
    const char *name, *path; /* path: NULL if it is that of `descriptor` */
    int descriptor;
    long number; /* 0: it does not count */
    enum action action;
};

static void say_result(const struct call *call, const char *result)
{
    char path[512] = "-", link[64];
    if (call->path)
        snprintf(path, sizeof path, "%s", call->path);
    else if (call->descriptor >= 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", call->descriptor);
        ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
        path[length > 0 ? length : 0] = '\0';
    }
    say("%d %ld %s %s %s %s\n", shim.rank, call->number, class_names[call->class], call->name, result, path);
}

static bool under(const char *path)
{
    for (size_t i = 0; i < shim.root_count; i++)
        if (strncmp(path, shim.roots[i], strlen(shim.roots[i])) == 0)
            return true;
    return false;
}

static bool is_watched(int descriptor)
{
    return descriptor >= 0 && descriptor < DESCRIPTORS && atomic_load(&watched[descriptor]);
}

/* Counts the call, and ends or stops the process where that is to happen. */
static struct call begin(enum class class, const char *name, const char *path, int descriptor, bool counts)
{
    struct call call = {class, name, path, descriptor, 0, GO};
    if (!shim.ready || inside || !counts || !shim.counts[class])
        return call;
    call.number = atomic_fetch_add(&passes, 1) + 1;
    if (shim.first == 0 || call.number < shim.first || call.number > shim.last)
        return call;
    inside = true;
    call.action = shim.action;
    if (call.action == TEAR && class != CLASS_WRITE)
        call.action = KILL;
    if (call.action == KILL || call.action == KILLALL || call.action == POWER || call.action == HANG)
        say_result(&call, call.action == HANG ? "hangs" : "killed");
    if (call.action == KILL || call.action == KILLALL || call.action == POWER)
        end_here(call.action);
    while (call.action == HANG)
        pause();
    inside = false;
    return call;
}

/* After the call, or instead of it. */
static void finish(const struct call *call, bool good)
{
    if (call->number == 0)
        return;
    int before = errno;
    inside = true;
    if (call->action == TEAR) {
        say_result(call, "killed");
        end_here(KILL);
    }
    const char *done = call->action == SHORT ? "short" : "ok";
    say_result(call, call->action == FAIL ? "injected" : good ? done : "failed");
    inside = false;
    errno = call->action == FAIL ? shim.error ? shim.error : class_errors[call->class] : before;
}

static void *real(void **place, const char *name)
{
    if (!*place)
        *place = dlsym(RTLD_NEXT, name);
    return *place;
}

/* ---- files ---- */

/* class, result, failure, name, parameters, arguments, path or NULL, descriptor or -1 */
#define FILE_CALLS(X)                                                                                        \
    X(SYNC, int, -1, fsync, (int fd), (fd), NULL, fd)                                                        \
    X(SYNC, int, -1, fdatasync, (int fd), (fd), NULL, fd)                                                    \
    X(WRITE, int, -1, ftruncate, (int fd, off_t bytes), (fd, bytes), NULL, fd)                               \
    X(WRITE, int, -1, fallocate, (int fd, int mode, off_t at, off_t bytes), (fd, mode, at, bytes), NULL, fd) \
    X(NAME, int, -1, rename, (const char *from, const char *to), (from, to), to, -1)                         \
    X(NAME, int, -1, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), to, -1)   \
    X(NAME, int, -1, link, (const char *from, const char *to), (from, to), to, -1)                           \
    X(NAME, int, -1, symlink, (const char *from, const char *to), (from, to), to, -1)                        \
    X(NAME, int, -1, unlink, (const char *path), (path), path, -1)                                           \
    X(NAME, int, -1, rmdir, (const char *path), (path), path, -1)                                            \
    X(NAME, int, -1, mkdir, (const char *path, mode_t mode), (path, mode), path, -1)                         \
    X(READ, ssize_t, -1, readlink, (const char *path, char *out, size_t bytes), (path, out, bytes), path, -1)

#define FILE_CALL(class, result, failure, name, parameters, arguments, path, descriptor)                     \
    result name parameters                                                                                   \
    {                                                                                                        \
        static void *function;                                                                               \
        result(*next) parameters = (result(*) parameters)real(&function, #name);                             \
        const char *where = path;                                                                            \
        struct call call = begin(                                                                            \
                CLASS_##class, #name, where, descriptor, where ? under(where) : is_watched(descriptor));     \
        result answer = call.action == FAIL ? failure : next arguments;                                      \
        finish(&call, answer != failure);                                                                    \
        return answer;                                                                                       \
    }
FILE_CALLS(FILE_CALL)

/* class, name, parameters, arguments: calls that move `bytes` and may come short */
#define DATA_CALLS(X)                                                                                        \
    X(WRITE, write, (int fd, const void *data, size_t bytes), (fd, data, bytes))                             \
    X(WRITE, pwrite, (int fd, const void *data, size_t bytes, off_t at), (fd, data, bytes, at))              \
    X(READ, read, (int fd, void *data, size_t bytes), (fd, data, bytes))                                     \
    X(READ, pread, (int fd, void *data, size_t bytes, off_t at), (fd, data, bytes, at))

#define DATA_CALL(class, name, parameters, arguments)                                                        \
    ssize_t name parameters                                                                                  \
    {                                                                                                        \
        static void *function;                                                                               \
        ssize_t(*next) parameters = (ssize_t(*) parameters)real(&function, #name);                           \
        struct call call = begin(CLASS_##class, #name, NULL, fd, is_watched(fd));                            \
        if ((call.action == SHORT || call.action == TEAR) && bytes > 1)                                      \
            bytes /= 2;                                                                                      \
        ssize_t answer = call.action == FAIL ? -1 : next arguments;                                          \
        finish(&call, answer >= 0);                                                                          \
        return answer;                                                                                       \
    }
DATA_CALLS(DATA_CALL)

static int opened(const struct call *call, int descriptor, bool counts)
{
    if (descriptor >= 0 && descriptor < DESCRIPTORS)
        atomic_store(&watched[descriptor], counts);
    finish(call, descriptor >= 0);
    return descriptor;
}

#define MODE_OF(mode, last, flags)                                                                           \
    mode_t mode = 0;                                                                                         \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                   \
        va_list arguments;                                                                                   \
        va_start(arguments, last);                                                                           \
        mode = va_arg(arguments, mode_t);                                                                    \
        va_end(arguments);                                                                                   \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(mode, flags, flags)
    struct call call = begin(CLASS_OPEN, "open", path, -1, under(path));
    bool fails = call.action == FAIL;
    return opened(&call, fails ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode), under(path));
}

int openat(int folder, const char *path, int flags, ...)
{
    MODE_OF(mode, flags, flags)
    struct call call = begin(CLASS_OPEN, "openat", path, -1, under(path));
    bool fails = call.action == FAIL;
    return opened(&call, fails ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode), under(path));
}

/* What is read and written through it goes past the shim. */
FILE *fopen(const char *path, const char *mode)
{
    static void *function;
    FILE *(*next)(const char *, const char *) =
            (FILE * (*)(const char *, const char *)) real(&function, "fopen");
    struct call call = begin(CLASS_OPEN, "fopen", path, -1, under(path));
    FILE *out = call.action == FAIL ? NULL : next(path, mode);
    finish(&call, out != NULL);
    return out;
}

DIR *opendir(const char *path)
{
    static void *function;
    DIR *(*next)(const char *) = (DIR * (*)(const char *)) real(&function, "opendir");
    struct call call = begin(CLASS_OPEN, "opendir", path, -1, under(path));
    DIR *out = call.action == FAIL ? NULL : next(path);
    finish(&call, out != NULL);
    return out;
}

/* As on NFS: the descriptor is gone all the same. */
int close(int descriptor)
{
    struct call call = begin(CLASS_CLOSE, "close", NULL, descriptor, is_watched(descriptor));
    if (descriptor >= 0 && descriptor < DESCRIPTORS)
        atomic_store(&watched[descriptor], false);
    int out = (int)syscall(SYS_close, descriptor);
    call.descriptor = -1;
    finish(&call, out == 0);
    return call.action == FAIL ? -1 : out;
}

/* ---- memory ---- */

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static struct call begin_memory(const char *name, void *caller)
{
    bool own = (uintptr_t)caller >= shim.begin && (uintptr_t)caller < shim.end;
    return begin(own ? CLASS_MEMORY : CLASS_FOREIGN, name, NULL, -1, shim.ready);
}

/* name, parameters, call of the C library */
#define MEMORY_CALLS(X)                                                                                      \
    X(malloc, (size_t bytes), __libc_malloc(bytes))                                                          \
    X(calloc, (size_t count, size_t bytes), __libc_calloc(count, bytes))                                     \
    X(realloc, (void *old, size_t bytes), __libc_realloc(old, bytes))                                        \
    X(aligned_alloc, (size_t alignment, size_t bytes), __libc_memalign(alignment, bytes))                    \
    X(memalign, (size_t alignment, size_t bytes), __libc_memalign(alignment, bytes))

#define MEMORY_CALL(name, parameters, served)                                                                \
    void *name parameters;                                                                                   \
    void *name parameters                                                                                    \
    {                                                                                                        \
        struct call call = begin_memory(#name, __builtin_return_address(0));                                 \
        void *out = call.action == FAIL ? NULL : served;                                                     \
        finish(&call, out != NULL);                                                                          \
        return out;                                                                                          \
    }
MEMORY_CALLS(MEMORY_CALL)

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    struct call call = begin_memory("posix_memalign", __builtin_return_address(0));
    void *block = call.action == FAIL ? NULL : __libc_memalign(alignment, bytes);
    finish(&call, block != NULL);
    if (!block)
        return ENOMEM;
    *out = block;
    return 0;
}

/* ---- MPI: those that the program calls and that can fail ---- */

/* class, name, parameters, arguments; how often polls are made depends on time */
#define MPI_CALLS(X)                                                                                         \
    X(MPI, Init_thread, (int *c, char ***v, int level, int *got), (c, v, level, got))                        \
    X(MPI, Finalize, (void), ())                                                                             \
    X(MPI, Comm_dup, (MPI_Comm a, MPI_Comm * out), (a, out))                                                 \
    X(MPI, Comm_split, (MPI_Comm a, int color, int key, MPI_Comm *out), (a, color, key, out))                \
    X(MPI, Comm_split_type, (MPI_Comm a, int type, int key, MPI_Info info, MPI_Comm *out),                   \
            (a, type, key, info, out))                                                                       \
    X(MPI, Comm_free, (MPI_Comm * a), (a))                                                                   \
    X(MPI, Barrier, (MPI_Comm a), (a))                                                                       \
    X(MPI, Bcast, (void *d, int n, MPI_Datatype t, int root, MPI_Comm a), (d, n, t, root, a))                \
    X(MPI, Allreduce, (const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm a),                 \
            (s, r, n, t, o, a))                                                                              \
    X(MPI, Allgather, (const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, MPI_Comm a),    \
            (s, n, t, r, m, u, a))                                                                           \
    X(MPI, Allgatherv,                                                                                       \
            (const void *s, int n, MPI_Datatype t, void *r, const int *m, const int *at, MPI_Datatype u,     \
                    MPI_Comm a),                                                                             \
            (s, n, t, r, m, at, u, a))                                                                       \
    X(MPI, Gatherv,                                                                                          \
            (const void *s, int n, MPI_Datatype t, void *r, const int *m, const int *at, MPI_Datatype u,     \
                    int root, MPI_Comm a),                                                                   \
            (s, n, t, r, m, at, u, root, a))                                                                 \
    X(MPI, Iallreduce,                                                                                       \
            (const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm a, MPI_Request *q),           \
            (s, r, n, t, o, a, q))                                                                           \
    X(MPI, Iallgatherv,                                                                                      \
            (const void *s, int n, MPI_Datatype t, void *r, const int *m, const int *at, MPI_Datatype u,     \
                    MPI_Comm a, MPI_Request *q),                                                             \
            (s, n, t, r, m, at, u, a, q))                                                                    \
    X(MPI, Ialltoallv,                                                                                       \
            (const void *s, const int *n, const int *from, MPI_Datatype t, void *r, const int *m,            \
                    const int *at, MPI_Datatype u, MPI_Comm a, MPI_Request *q),                              \
            (s, n, from, t, r, m, at, u, a, q))                                                              \
    X(MPI, Isend, (const void *d, int n, MPI_Datatype t, int to, int tag, MPI_Comm a, MPI_Request *q),       \
            (d, n, t, to, tag, a, q))                                                                        \
    X(MPI, Irecv, (void *d, int n, MPI_Datatype t, int from, int tag, MPI_Comm a, MPI_Request *q),           \
            (d, n, t, from, tag, a, q))                                                                      \
    X(MPI, Recv, (void *d, int n, MPI_Datatype t, int from, int tag, MPI_Comm a, MPI_Status *s),             \
            (d, n, t, from, tag, a, s))                                                                      \
    X(MPI, Waitall, (int n, MPI_Request *q, MPI_Status *s), (n, q, s))                                       \
    X(POLL, Testall, (int n, MPI_Request *q, int *done, MPI_Status *s), (n, q, done, s))                     \
    X(POLL, Iprobe, (int from, int tag, MPI_Comm a, int *there, MPI_Status *s), (from, tag, a, there, s))

#define MPI_CALL(class, name, parameters, arguments)                                                         \
    int MPI_##name parameters                                                                                \
    {                                                                                                        \
        static void *function;                                                                               \
        int(*next) parameters = (int(*) parameters)real(&function, "PMPI_" #name);                           \
        struct call call = begin(CLASS_##class, "MPI_" #name, NULL, -1, true);                               \
        int answer = call.action == FAIL ? MPI_ERR_OTHER : next arguments;                                   \
        finish(&call, answer == MPI_SUCCESS);                                                                \
        return answer;                                                                                       \
    }
MPI_CALLS(MPI_CALL)
