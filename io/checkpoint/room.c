#include "io/checkpoint/internal.h"

#include "comm/fault.h"
#include "comm/log.h"
#include "comm/memory.h"

#include <sys/statvfs.h>

/*
 * Whether a file fits is asked before it is begun. Its place is not reserved (posix_fallocate): how far numbers shrink is
 * known only when they are packed, file servers without that call have every block written twice, and quotas are found
 * by writing alone. A disk that fills up meanwhile ends the save as any failed write does, and gives back what it took.
 */

/* By compression: the least that floats can shrink to, and how far they do, as measured on trained models and their moments.
 * Of plane coding three bytes of four are stored as they are; zeros deflate to nothing. */
static double least_share(int compression)
{
    return compression == 0 ? 1 : compression == 1 ? 0.75 : 0;
}

static double usual_share(int compression)
{
    return compression == 0 ? 1 : 0.85;
}

static double array_floats(const struct flat_array *array)
{
    double floats = 1;
    for (int i = 0; i < array->rank; i++)
        floats *= (double)array->shape[i];
    return floats;
}

static double all_bytes(const struct checkpoint_contents *contents)
{
    double floats = 0;
    for (size_t p = 0; p < contents->plane_count; p++)
        for (size_t a = 0; a < contents->array_count; a++)
            floats += array_floats(plane_array(&contents->planes[p], contents->arrays, a));
    return floats * sizeof(float);
}

uint64_t checkpoint_file_bytes(const struct checkpoint_contents *contents, int compression)
{
    size_t vocabulary = 0;
    for (int side = 0; side < (contents->joint ? 1 : SIDES); side++)
        vocabulary += contents->vocabulary_bytes[side];
    return vocabulary + (uint64_t)(all_bytes(contents) * usual_share(compression));
}

/* False where the file system does not tell. */
static bool ask_free(const char *folder, uint64_t *out)
{
    struct statvfs facts;
    bool told = statvfs(folder, &facts) == 0 && facts.f_blocks > 0;
    if (told)
        *out = fault_fires(FAULT_SPACE) ? 0 : (uint64_t)facts.f_bavail * facts.f_frsize;
    return told;
}

/* Refuses only what cannot fit: the least it can be, or what the file before it took, which held as many numbers. */
enum status save_check_room(const struct save *save, const char *path)
{
    uint64_t least = (uint64_t)(all_bytes(&save->contents) * least_share(save->options->compression));
    uint64_t needed = save->file_bytes > least ? save->file_bytes : least, room;
    if (!ask_free(save->options->folder, &room))
        return STATUS_OK;
    CHECK(needed <= room, STATUS_IO,
            "cannot write %s: no space for it (it needs %llu bytes; the file system says %llu are free)",
            path, (unsigned long long)needed, (unsigned long long)room);
    return STATUS_OK;
}

void checkpoint_foresee_room(
        const struct checkpoint_options *options, const struct checkpoint_contents *contents, size_t best)
{
    struct listing there;
    uint64_t room, bytes = checkpoint_file_bytes(contents, options->compression);
    size_t files = (options->keep ? (size_t)options->keep + best : 1) + 1;
    if (listing_make(&there, options->folder, false) == STATUS_OK)
        files = options->keep && files > there.count + 1 ? files - there.count : options->keep ? 1 : files;
    memory_free(there.updates);
    if (!ask_free(options->folder, &room) || room / files >= bytes)
        return;
    log_line(LOG_WARNING,
            "%s: %zu more %s of about %.1f MB to come, but the file system says %.1f MB are free: not all "
            "can be saved",
            options->folder, files, files == 1 ? "checkpoint is" : "checkpoints are", (double)bytes / 1e6,
            (double)room / 1e6);
}
