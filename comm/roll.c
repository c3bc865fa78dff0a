#include "comm/roll.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_BYTES = 256, PATH_BYTES = 4096, NAMED_MOST = 6 };

static const char *const late = "late", *const here = "here";

/* ---- files ---- */

static void file_path(char out[PATH_BYTES], const char *folder, int rank, const char *kind)
{
    snprintf(out, PATH_BYTES, "%s/rank-%d.%s", folder, rank, kind);
}

/* Always as long, and written over in place: a reader finds the old text or the new. What cannot be written is not: the
 * rank looks silent then, and to those who read the folder it is cut off. */
void roll_write(const char *folder, int rank, const struct roll_place *p, bool calls)
{
    char path[PATH_BYTES], text[TEXT_BYTES];
    snprintf(text, sizeof text, "%lld %lld %lld %lld %lld %d %d %.3f\n", (long long)p->count,
            (long long)p->beats, (long long)p->heard, (long long)p->meets, (long long)p->update, p->waits,
            (int)p->phase, p->idle);
    size_t used = strlen(text);
    memset(text + used, '\n', sizeof text - used);
    if (calls)
        mkdir(folder, 0777);
    file_path(path, folder, rank, calls ? late : here);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    ssize_t written = pwrite(fd, text, sizeof text, 0);
    (void)written;
    close(fd);
    file_path(path, folder, rank, calls ? here : late);
    unlink(path);
}

static bool read_place(const char *folder, int rank, const char *kind, struct roll_place *out)
{
    char path[PATH_BYTES], text[TEXT_BYTES];
    file_path(path, folder, rank, kind);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t bytes = read(fd, text, sizeof text - 1);
    close(fd);
    text[bytes > 0 ? bytes : 0] = '\0';
    long long numbers[5];
    int waits, phase;
    if (sscanf(text, "%lld %lld %lld %lld %lld %d %d %lf", &numbers[0], &numbers[1], &numbers[2], &numbers[3],
                &numbers[4], &waits, &phase, &out->idle) != 8 ||
            phase < 0 || phase >= PHASES)
        return false;
    *out = (struct roll_place){.count = numbers[0],
            .beats = numbers[1],
            .heard = numbers[2],
            .meets = numbers[3],
            .update = numbers[4],
            .waits = waits != 0,
            .phase = (enum phase)phase,
            .idle = out->idle};
    return true;
}

bool roll_look(const char *folder, int rank, struct roll_seen *seen)
{
    struct roll_place place;
    bool found = read_place(folder, rank, late, &place) || read_place(folder, rank, here, &place);
    if (!found || (seen->answered && place.count == seen->place.count)) {
        seen->unchanged += seen->unchanged < ROLL_UNCHANGED;
        return false;
    }
    bool moved = seen->answered && place.beats != seen->place.beats;
    *seen = (struct roll_seen){.answered = true, .place = place};
    return moved;
}

int roll_caller(const char *folder)
{
    int lowest = -1;
    DIR *names = opendir(folder);
    if (!names)
        return -1;
    for (struct dirent *entry; (entry = readdir(names));) {
        int rank;
        char kind[8];
        if (sscanf(entry->d_name, "rank-%d.%7s", &rank, kind) == 2 && strcmp(kind, late) == 0 &&
                (lowest < 0 || rank < lowest))
            lowest = rank;
    }
    closedir(names);
    return lowest;
}

void roll_leave(const char *folder, int rank)
{
    char path[PATH_BYTES];
    file_path(path, folder, rank, late);
    unlink(path);
    file_path(path, folder, rank, here);
    unlink(path);
    rmdir(folder);
}

void roll_clear(const char *folder)
{
    DIR *names = opendir(folder);
    if (!names)
        return;
    for (struct dirent *entry; (entry = readdir(names));)
        if (strncmp(entry->d_name, "rank-", strlen("rank-")) == 0)
            unlinkat(dirfd(names), entry->d_name, 0);
    closedir(names);
    rmdir(folder);
}

/* ---- words ---- */

struct judgement {
    const struct roll_seen *seen;
    int ranks, own;
    double late; /* seconds */
    int64_t meets_least, meets_most;
    const char (*hosts)[ROLL_HOST_BYTES];
    char *out;
    size_t bytes, used;
};

static bool is_silent(const struct judgement *j, int rank)
{
    const struct roll_seen *seen = &j->seen[rank];
    return rank != j->own && (!seen->answered || seen->unchanged >= ROLL_UNCHANGED);
}

static bool is_busy(const struct judgement *j, int rank)
{
    const struct roll_place *place = &j->seen[rank].place;
    return !is_silent(j, rank) && !place->waits && place->idle >= j->late;
}

static bool is_behind(const struct judgement *j, int rank)
{
    return j->meets_least < j->meets_most && j->seen[rank].place.meets == j->meets_least;
}

__attribute__((format(printf, 2, 3))) static void add(struct judgement *j, const char *format, ...)
{
    va_list arguments;
    if (j->used >= j->bytes)
        return;
    va_start(arguments, format);
    int length = vsnprintf(j->out + j->used, j->bytes - j->used, format, arguments);
    va_end(arguments);
    j->used += length > 0 ? (size_t)length : 0;
}

static void add_place(struct judgement *j, int rank)
{
    const struct roll_place *place = &j->seen[rank].place;
    add(j, " in phase '%s'", phase_name(place->phase));
    if (place->update > 0)
        add(j, " of update %lld", (long long)place->update);
    add(j, ", %.1f s without progress", place->idle);
}

static void add_silent(struct judgement *j, int rank)
{
    const struct roll_seen *seen = &j->seen[rank];
    add(j, " is silent (dead, stopped or cut off)");
    if (seen->answered)
        add(j, ", last seen in phase '%s'", phase_name(seen->place.phase));
}

static void add_busy(struct judgement *j, int rank)
{
    add(j, " is late");
    add_place(j, rank);
}

static void add_behind(struct judgement *j, int rank)
{
    add(j, " is behind, it waits");
    add_place(j, rank);
}

/* Ways to be the one that is waited for, surest first. */
static const struct {
    bool (*is)(const struct judgement *, int rank);
    void (*add)(struct judgement *, int rank);
} ways[] = {{is_silent, add_silent}, {is_busy, add_busy}, {is_behind, add_behind}};

/* Those who are so; how many. */
static int add_all(struct judgement *j, size_t way, int already)
{
    int count = 0;
    for (int r = 0; r < j->ranks; r++) {
        if (!ways[way].is(j, r))
            continue;
        if (already + count < NAMED_MOST) {
            add(j, "%srank %d on %s", already + count > 0 ? "; " : "", r, j->hosts[r]);
            ways[way].add(j, r);
        }
        count++;
    }
    return count;
}

static void span_meets(struct judgement *j)
{
    j->meets_least = INT64_MAX;
    for (int r = 0; r < j->ranks; r++) {
        int64_t meets = j->seen[r].place.meets;
        if (is_silent(j, r))
            continue;
        j->meets_least = meets < j->meets_least ? meets : j->meets_least;
        j->meets_most = meets > j->meets_most ? meets : j->meets_most;
    }
}

void roll_judge(char *out, size_t bytes, const struct roll_seen *seen, int ranks, int own, double late_after,
        const char (*hosts)[ROLL_HOST_BYTES])
{
    struct judgement j = {.seen = seen,
            .ranks = ranks,
            .own = own,
            .late = late_after,
            .hosts = hosts,
            .out = out,
            .bytes = bytes};
    out[0] = '\0';
    span_meets(&j);
    int count = add_all(&j, 0, 0);
    count += add_all(&j, 1, count);
    if (count == 0)
        count = add_all(&j, 2, 0);
    if (count > NAMED_MOST)
        add(&j, "; and %d more", count - NAMED_MOST);
    if (count == 0) {
        add(&j, "all %d ranks wait for each other (MPI, or the network between them): rank %d", ranks, own);
        add_place(&j, own);
    }
}
