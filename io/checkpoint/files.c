#include "io/checkpoint/internal.h"

#include "comm/fault.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "io/durable.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names ---- */

enum status checkpoint_name(char out[PATH_MAX], const char *folder, int64_t update)
{
    char name[64];
    snprintf(name, sizeof name, "update-%08lld.h5", (long long)update);
    return path_join(out, folder, name);
}

static bool parse_name(const char *name, int64_t *update)
{
    char again[64];
    long long value;
    if (sscanf(name, "update-%lld.h5", &value) != 1 || value < 0)
        return false;
    snprintf(again, sizeof again, "update-%08lld.h5", value);
    *update = value;
    return strcmp(again, name) == 0;
}

/* ---- what is there ---- */

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

enum status listing_add(struct listing *listing, int64_t update)
{
    TRY(memory_grow(
            &listing->updates, "checkpoint", &listing->capacity, listing->count + 1, sizeof(int64_t)));
    listing->updates[listing->count++] = update;
    return STATUS_OK;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* The next entry, NULL at the end: a list that breaks off must not pass for a short one. */
static enum status next_entry(struct dirent **out, DIR *stream, const char *folder)
{
    errno = 0;
    *out = fault_fires(FAULT_READ) ? NULL : readdir(stream);
    return *out || errno == 0 ? STATUS_OK : status_fail_errno("list", folder);
}

static enum status list_entry(struct listing *out, const char *folder, const char *name, bool clean)
{
    char path[PATH_MAX];
    int64_t update;
    if (parse_name(name, &update))
        return listing_add(out, update);
    if (clean && ends_with(name, ".h5.tmp") && path_join(path, folder, name) == STATUS_OK)
        unlink(path);
    return STATUS_OK;
}

enum status listing_make(struct listing *out, const char *folder, bool clean)
{
    memset(out, 0, sizeof *out);
    DIR *stream = opendir(folder);
    if (!stream)
        return errno == ENOENT ? STATUS_OK : status_fail_errno("list", folder);
    struct dirent *entry;
    enum status status = next_entry(&entry, stream, folder);
    while (status == STATUS_OK && entry) {
        status = list_entry(out, folder, entry->d_name, clean);
        if (status == STATUS_OK)
            status = next_entry(&entry, stream, folder);
    }
    closedir(stream);
    if (out->count)
        qsort(out->updates, out->count, sizeof *out->updates, newest_first);
    return status;
}

/* ---- links and retention ---- */

/* RUN/name for FOLDER = RUN/checkpoints, and what a link there says to reach FOLDER/file. */
static enum status link_names(
        char link[PATH_MAX], char target[PATH_MAX], const char *folder, const char *name, const char *file)
{
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    const char *slash = memrchr(folder, '/', length);
    size_t start = slash ? (size_t)(slash - folder) + 1 : 0;
    int written = snprintf(link, PATH_MAX, "%.*s%s", (int)start, folder, name);
    CHECK(written < PATH_MAX, STATUS_IO, "expected paths of less than %d bytes, found %s", PATH_MAX, folder);
    written = snprintf(target, PATH_MAX, "%.*s/%s", (int)(length - start), folder + start, file);
    CHECK(written < PATH_MAX, STATUS_IO, "expected paths of less than %d bytes, found %s", PATH_MAX, folder);
    return STATUS_OK;
}

/* The link RUN/name to the checkpoint of `update`; *there false: that has no file, and the link stays as it is. */
static enum status point(const char *folder, const char *name, int64_t update, bool *there)
{
    char path[PATH_MAX], link[PATH_MAX], target[PATH_MAX], now[PATH_MAX];
    TRY(checkpoint_name(path, folder, update));
    *there = access(path, F_OK) == 0;
    if (!*there)
        return errno == ENOENT ? STATUS_OK : status_fail_errno("look for", path);
    TRY(link_names(link, target, folder, name, strrchr(path, '/') + 1));
    ssize_t length = readlink(link, now, sizeof now);
    if (length == (ssize_t)strlen(target) && memcmp(now, target, (size_t)length) == 0)
        return STATUS_OK;
    return durable_link(target, link);
}

/* Adds the update that RUN/name points to if it is a link best*.h5. */
static enum status add_best(struct listing *out, const char *folder, const char *name)
{
    char link[PATH_MAX], target[PATH_MAX];
    int64_t update;
    if (strncmp(name, "best", strlen("best")) != 0 || !ends_with(name, ".h5"))
        return STATUS_OK;
    TRY(link_names(link, target, folder, name, ""));
    ssize_t length = fault_fires(FAULT_READ) ? -1 : readlink(link, target, sizeof target - 1);
    if (length < 0)
        return errno == EINVAL || errno == ENOENT ? STATUS_OK : status_fail_errno("read the link", link);
    target[length] = '\0';
    return checkpoint_update(target, &update) ? listing_add(out, update) : STATUS_OK;
}

/* The updates that the links best*.h5 beside FOLDER point to. */
static enum status list_best(struct listing *out, const char *folder)
{
    char run[PATH_MAX], target[PATH_MAX];
    memset(out, 0, sizeof *out);
    TRY(link_names(run, target, folder, "", ""));
    if (!run[0])
        strcpy(run, ".");
    DIR *stream = opendir(run);
    if (!stream)
        return status_fail_errno("list", run);
    struct dirent *entry;
    enum status status = next_entry(&entry, stream, run);
    while (status == STATUS_OK && entry) {
        status = add_best(out, folder, entry->d_name);
        if (status == STATUS_OK)
            status = next_entry(&entry, stream, run);
    }
    closedir(stream);
    return status;
}

static bool listed(const struct listing *listing, int64_t update)
{
    size_t i = 0;
    while (i < listing->count && listing->updates[i] != update)
        i++;
    return i < listing->count;
}

/* Keeps the newest `keep` up to `update` and the best. Later ones are of a run that was ahead: not ours to remove. One that
 * nobody has read back is never alone. */
static enum status retain(const struct checkpoint_options *options, int64_t update)
{
    struct listing listing = {0}, best;
    int kept = 0, keep = options->trusted && options->keep == 1 ? 2 : options->keep;
    enum status status = list_best(&best, options->folder);
    if (status == STATUS_OK)
        status = listing_make(&listing, options->folder, false);
    for (size_t i = 0; i < listing.count && status == STATUS_OK; i++) {
        int64_t other = listing.updates[i];
        char path[PATH_MAX];
        if (other > update || kept++ < keep || listed(&best, other))
            continue;
        status = checkpoint_name(path, options->folder, other);
        if (status == STATUS_OK && unlink(path) != 0 && errno != ENOENT)
            status = status_fail_errno("remove", path);
    }
    memory_free(listing.updates);
    memory_free(best.updates);
    return status;
}

/* `tell`: warns of a best without a file. */
static enum status set_links(const char *folder, int64_t update, const struct best_list *list, bool tell)
{
    bool there;
    TRY(point(folder, "last.h5", update, &there));
    for (size_t i = 0; list && i < list->count; i++) {
        const struct best *best = &list->items[i];
        char link[NAME_MAX];
        snprintf(link, sizeof link, "best%s%s.h5", best->name[0] ? "-" : "", best->name);
        TRY(point(folder, link, best->update, &there));
        if (tell && !there)
            log_line(LOG_WARNING, "%s is not set: the best was at update %lld, which %s does not hold", link,
                    (long long)best->update, folder);
    }
    return STATUS_OK;
}

enum status checkpoint_relink(
        const struct checkpoint_options *options, int64_t update, const struct best_list *best)
{
    TRY(set_links(options->folder, update, best, true));
    return options->keep > 0 ? retain(options, update) : STATUS_OK;
}

enum status checkpoint_allowed(const struct checkpoint_options *options)
{
    return options->allowed ? options->allowed(options->context) : STATUS_OK;
}

enum status checkpoint_publish(
        const struct checkpoint_options *options, int64_t update, const struct best_list *best)
{
    TRY(checkpoint_allowed(options));
    TRY(set_links(options->folder, update, best, false));
    return options->keep > 0 ? retain(options, update) : STATUS_OK;
}

/* ---- lists ---- */

/* The paths of the `count` newest of `listing`, oldest first. */
static enum status add_paths(
        struct text_list *out, const char *folder, const struct listing *listing, size_t count)
{
    char path[PATH_MAX];
    for (size_t i = count; i-- > 0;) {
        TRY(checkpoint_name(path, folder, listing->updates[i]));
        TRY(text_list_add(out, path));
    }
    return STATUS_OK;
}

enum status checkpoint_newest(struct text_list *out, const char *run, size_t count)
{
    char folder[PATH_MAX];
    struct listing listing = {0};
    TRY(path_join(folder, run, "checkpoints"));
    enum status status = listing_make(&listing, folder, false);
    if (status == STATUS_OK && listing.count < count)
        status = status_fail(STATUS_MISSING,
                "%s: expected %zu or more checkpoints, found %zu (checkpoint.keep is how many a run keeps)",
                folder, count, listing.count);
    if (status == STATUS_OK)
        status = add_paths(out, folder, &listing, count);
    memory_free(listing.updates);
    return status;
}

enum status checkpoint_list(struct text_list *out, const char *run)
{
    char folder[PATH_MAX];
    struct listing listing = {0};
    TRY(path_join(folder, run, "checkpoints"));
    enum status status = listing_make(&listing, folder, false);
    if (status == STATUS_OK)
        status = add_paths(out, folder, &listing, listing.count);
    memory_free(listing.updates);
    return status;
}

bool checkpoint_update(const char *path, int64_t *update)
{
    const char *slash = strrchr(path, '/');
    return parse_name(slash ? slash + 1 : path, update);
}

/* ---- resolving ---- */

/* A run directory's best, else its last, else (links lost in a copy) the newest by name. */
static enum status resolve_run(char **path, const char *run)
{
    static const char *const links[] = {"best.h5", "last.h5"};
    char candidate[PATH_MAX], folder[PATH_MAX];
    struct stat facts;
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        TRY(path_join(candidate, run, links[i]));
        if (stat(candidate, &facts) == 0)
            return memory_text(path, "text", candidate);
    }
    struct listing listing;
    TRY(path_join(folder, run, "checkpoints"));
    enum status status = listing_make(&listing, folder, false);
    if (status == STATUS_OK && listing.count == 0)
        status = status_fail(STATUS_MISSING,
                "%s: expected a run directory, found neither best.h5 nor last.h5 nor checkpoints in it", run);
    if (status == STATUS_OK)
        status = checkpoint_name(candidate, folder, listing.updates[0]);
    if (status == STATUS_OK)
        status = memory_text(path, "text", candidate);
    memory_free(listing.updates);
    return status;
}

static enum status resolve(char **path, const char *model)
{
    struct stat facts;
    if (stat(model, &facts) != 0)
        return status_fail_errno("open", model);
    return S_ISDIR(facts.st_mode) ? resolve_run(path, model) : memory_text(path, "text", model);
}

enum status checkpoint_resolve(char **path, const char *model)
{
    *path = NULL;
    enum status status = world()->rank == 0 ? resolve(path, model) : STATUS_OK;
    TRY(status_agree(status));
    return world_broadcast_text(path, 0);
}
