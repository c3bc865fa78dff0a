#include "io/source/internal.h"

#include "comm/memory.h"
#include "io/h5_foreign.h"

#include <math.h>
#include <string.h>

/* [sentences, frames, values]; or [all frames, values] and where each sentence starts. */
struct frames {
    struct h5_foreign *values, *offsets; /* offsets NULL: sentences of equal length */
    uint64_t next, sentences;
};

static void close_frames(void *data)
{
    struct frames *frames = data;
    h5_foreign_close(frames->values);
    h5_foreign_close(frames->offsets);
    memory_free(frames);
}

/* Cuts "F.h5:/values:/offsets" in place. */
static enum status cut(char *text, const char **values, const char **offsets)
{
    char *colon = strstr(text, ":/");
    CHECK(colon, STATUS_USAGE, "expected FILE.h5:/DATASET or FILE.h5:/DATASET:/OFFSETS, found %s", text);
    *colon = '\0';
    *values = colon + 1;
    *offsets = NULL;
    colon = strstr(*values, ":/");
    if (colon) {
        *colon = '\0';
        *offsets = colon + 1;
    }
    return STATUS_OK;
}

static enum status open_arrays(struct source_reader *reader, char *text)
{
    struct frames *frames = reader->data;
    const char *values = NULL, *offsets = NULL;
    TRY(cut(text, &values, &offsets));
    TRY(h5_foreign_open(&frames->values, text, values));
    int rank = h5_foreign_rank(frames->values);
    CHECK(rank == (offsets ? 2 : 3), STATUS_DATA, "%s: expected %s, found an array of %d dimensions%s",
            reader->path, offsets ? "[all frames, values] with offsets" : "[sentences, frames, values]", rank,
            rank == 2 ? ": name the offsets of its sentences too, FILE.h5:/DATASET:/OFFSETS" : "");
    if (offsets)
        TRY(h5_foreign_open(&frames->offsets, text, offsets));
    CHECK(!offsets || (h5_foreign_rank(frames->offsets) == 1 && h5_foreign_shape(frames->offsets)[0] > 0),
            STATUS_DATA, "%s: expected offsets [sentences + 1], found another shape", reader->path);
    return STATUS_OK;
}

static enum status open_frames(struct source_reader *reader)
{
    TRY(memory_new(&reader->data, "source", 1, sizeof(struct frames)));
    struct frames *frames = reader->data;
    char *text = NULL;
    TRY(memory_text(&text, "source", reader->path));
    enum status status = open_arrays(reader, text);
    memory_free(text);
    TRY(status);
    const uint64_t *shape = h5_foreign_shape(frames->values);
    uint64_t width = shape[h5_foreign_rank(frames->values) - 1];
    frames->sentences = frames->offsets ? h5_foreign_shape(frames->offsets)[0] - 1 : shape[0];
    CHECK(width > 0 && width <= SOURCE_WIDTH_MOST, STATUS_DATA,
            "%s: expected frames of 1 to %d values, found %llu", reader->path, SOURCE_WIDTH_MOST,
            (unsigned long long)width);
    CHECK(reader->form.width == 0 || width == reader->form.width, STATUS_DATA,
            "%s: expected frames of %zu values, found %llu", reader->path, reader->form.width,
            (unsigned long long)width);
    reader->form.width = (size_t)width;
    return STATUS_OK;
}

/* Frames of the next sentence: [first, first + count) of the rows of the array. */
static enum status find(struct source_reader *reader, uint64_t *first, uint64_t *count)
{
    struct frames *frames = reader->data;
    uint64_t all = h5_foreign_shape(frames->values)[0];
    int64_t ends[2];
    TRY(h5_foreign_integers(frames->offsets, frames->next, 2, ends));
    CHECK(ends[0] >= 0 && ends[1] >= ends[0] && (uint64_t)ends[1] <= all, STATUS_DATA,
            "%s: sentence %lld: expected offsets that rise to at most %llu, found %lld and %lld",
            reader->path, (long long)reader->number, (unsigned long long)all, (long long)ends[0],
            (long long)ends[1]);
    *first = (uint64_t)ends[0];
    *count = (uint64_t)(ends[1] - ends[0]);
    return STATUS_OK;
}

static enum status check_finite(const struct source_reader *reader, size_t count)
{
    const float *values = reader->tokens;
    size_t width = reader->form.width;
    for (size_t i = 0; i < count * width; i++)
        CHECK(isfinite(values[i]), STATUS_DATA,
                "%s: sentence %lld: expected finite values, found %g in its frame %zu", reader->path,
                (long long)reader->number, (double)values[i], i / width);
    return STATUS_OK;
}

static enum status next_frames(struct source_reader *reader, size_t *count, bool *end)
{
    struct frames *frames = reader->data;
    uint64_t first = frames->next, rows = 1, tokens;
    *end = frames->next == frames->sentences;
    if (*end)
        return STATUS_OK;
    if (frames->offsets) {
        TRY(find(reader, &first, &rows));
        tokens = rows;
    } else {
        tokens = h5_foreign_shape(frames->values)[1];
    }
    TRY(source_reserve(reader, tokens));
    if (tokens > 0)
        TRY(h5_foreign_floats(frames->values, first, rows, reader->tokens));
    frames->next++;
    *count = (size_t)tokens;
    return check_finite(reader, *count);
}

static void rewind_frames(struct source_reader *reader)
{
    ((struct frames *)reader->data)->next = 0;
}

const struct source_kind_row source_frames = {
        "frames", open_frames, next_frames, rewind_frames, close_frames};
