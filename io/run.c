#include "io/run.h"

#include "comm/fault.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "io/durable.h"
#include "io/run_lock.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct run_directory {
    char *path, *checkpoints;
    struct run_lock *lock; /* rank 0 */
    int metrics;           /* file descriptor, rank 0; -1 */
    bool made, used;       /* the directory was not there before; it holds more than a log */
    char file[4096];       /* run_file() */
};

/* ---- making and taking ---- */

/* With missing parents. *made: it was not there. */
static enum status make_folder(const char *path, bool *made)
{
    char part[4096];
    CHECK((size_t)snprintf(part, sizeof part, "%s", path) < sizeof part, STATUS_CONFIG,
            "run.directory: a path of %zu bytes is too long", strlen(path));
    for (char *end = part + 1; *end; end++)
        if (*end == '/') {
            *end = '\0';
            (void)mkdir(part, 0777); /* the last one tells what is wrong */
            *end = '/';
        }
    struct stat found;
    *made = mkdir(part, 0777) == 0;
    if (!*made && errno != EEXIST)
        return status_fail_errno("create the run directory", path);
    if (stat(part, &found) != 0)
        return status_fail_errno("open the run directory", path);
    CHECK(S_ISDIR(found.st_mode), STATUS_IO, "run.directory: expected a folder, found a file: %s", path);
    return STATUS_OK;
}

static enum status take(struct run_directory *run)
{
    bool made;
    TRY(make_folder(run->path, &run->made));
    TRY(run_lock_take(&run->lock, run->path));
    return make_folder(run->checkpoints, &made);
}

/* A start that was refused before it wrote anything of worth leaves no directory behind. */
static void remove_made(const struct run_directory *run)
{
    char log[4096];
    snprintf(log, sizeof log, "%s/" RUN_LOG, run->path);
    unlink(log);
    rmdir(run->checkpoints);
}

enum status run_open(struct run_directory **out, const char *path)
{
    struct run_directory *run = NULL;
    char checkpoints[4096];
    snprintf(checkpoints, sizeof checkpoints, "%s/checkpoints", path);
    enum status status = memory_new(&run, "run", 1, sizeof *run);
    if (status == STATUS_OK) {
        run->metrics = -1;
        status = memory_text(&run->path, "run", path);
    }
    if (status == STATUS_OK)
        status = memory_text(&run->checkpoints, "run", checkpoints);
    if (status == STATUS_OK && world()->rank == 0)
        status = take(run);
    status = status_agree(status);
    if (status != STATUS_OK) {
        run_close(run);
        return status;
    }
    *out = run;
    return STATUS_OK;
}

void run_close(struct run_directory *run)
{
    if (!run)
        return;
    if (run->metrics >= 0)
        close(run->metrics);
    bool refused = run->made && !run->used;
    if (refused && run->lock)
        remove_made(run);
    run_lock_drop(run->lock);
    if (refused)
        rmdir(run->path); /* stays if it is not empty */
    memory_free(run->path);
    memory_free(run->checkpoints);
    memory_free(run);
}

enum status run_check(const struct run_directory *run)
{
    return run->lock ? run_lock_held(run->lock) : STATUS_OK;
}

enum status run_check_now(const struct run_directory *run)
{
    return run->lock ? run_lock_check(run->lock) : STATUS_OK;
}

const char *run_path(const struct run_directory *run)
{
    return run->path;
}

const char *run_checkpoints(const struct run_directory *run)
{
    return run->checkpoints;
}

const char *run_file(struct run_directory *run, const char *name)
{
    snprintf(run->file, sizeof run->file, "%s/%s", run->path, name);
    return run->file;
}

/* ---- small files ---- */

enum status run_write(struct run_directory *run, const char *name, const char *text)
{
    run->used = true;
    return durable_write(run_file(run, name), text, strlen(text));
}

/* ---- metrics.jsonl ---- */

struct record {
    int64_t update;
    bool validation;
};

/* False for a line that is none. */
static bool read_record(const char *line, size_t bytes, struct record *out)
{
    cJSON *json = cJSON_ParseWithLength(line, bytes);
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(json, "update");
    bool good = cJSON_IsNumber(number) && number->valuedouble >= 0 && number->valuedouble <= 1e15;
    if (good)
        *out = (struct record){(int64_t)number->valuedouble, cJSON_HasObjectItem(json, "valid_loss")};
    cJSON_Delete(json);
    return good;
}

bool run_metrics_next(FILE *file, char *line, size_t *bytes)
{
    int c;
    size_t length = 0;
    while ((c = getc_unlocked(file)) != EOF && c != '\n') {
        if (length < RUN_METRICS_LINE)
            line[length] = (char)c;
        length++;
    }
    *bytes = length <= RUN_METRICS_LINE ? length : 0;
    return c == '\n';
}

/* Bytes up to the last record of an update up to `update`, or of a validation up to `validated`. A line that a full disk
 * tore does not cost those after it. */
static off_t find_end(FILE *file, char *line, const char *path, int64_t update, int64_t validated)
{
    size_t bytes;
    off_t end = 0;
    int64_t last = 0;
    bool past = false;
    while (!past && run_metrics_next(file, line, &bytes)) {
        struct record record;
        if (!read_record(line, bytes, &record))
            continue;
        past = record.update > (record.validation && validated < update ? validated : update);
        end = past ? end : ftello(file);
        last = past ? last : record.update;
    }
    if (!ferror(file) && !past && last > 0 && last < update)
        log_line(LOG_WARNING, "%s ends at update %lld: lines up to update %lld are lost", path,
                (long long)last, (long long)update);
    return end;
}

/* Where the file is to end; 0 for one that is not there. */
static enum status measure(const char *path, int64_t update, int64_t validated, off_t *end)
{
    *end = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? STATUS_OK : status_fail_errno("read", path);
    char *line = NULL;
    enum status status = memory_new(&line, "run", RUN_METRICS_LINE, 1);
    if (status == STATUS_OK) {
        *end = find_end(file, line, path, update, validated);
        status = ferror(file) ? status_fail_errno("read", path) : STATUS_OK;
    }
    memory_free(line);
    fclose(file);
    return status;
}

enum status run_metrics_open(struct run_directory *run, int64_t update, int64_t validated)
{
    off_t end;
    const char *path = run_file(run, "metrics.jsonl");
    TRY(measure(path, update, validated, &end));
    run->metrics = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (run->metrics < 0)
        return status_fail_errno("append to", path);
    if (ftruncate(run->metrics, end) != 0)
        return status_fail_errno("shorten", path);
    return STATUS_OK;
}

enum status run_metrics_add(struct run_directory *run, const char *json_line)
{
    char line[8192];
    int bytes = snprintf(line, sizeof line, "%s\n", json_line);
    TRY(run_check(run));
    CHECK(bytes > 0 && (size_t)bytes < sizeof line, STATUS_INTERNAL, "a metrics line of %d bytes is too long",
            bytes);
    off_t end = lseek(run->metrics, 0, SEEK_END);
    enum status status = durable_put(run->metrics, run_file(run, "metrics.jsonl"), line, (size_t)bytes);
    if (status != STATUS_OK && end >= 0)
        (void)ftruncate(
                run->metrics, end); /* of a full disk: or the next line would be glued to half of this one */
    return status;
}

enum status run_metrics_sync(struct run_directory *run)
{
    if (fault_fires(FAULT_SYNC) || fdatasync(run->metrics) != 0)
        return status_fail_errno("bring to the disk", run_file(run, "metrics.jsonl"));
    return STATUS_OK;
}
