#include "io/checkpoint/internal.h"

#include "comm/memory.h"
#include "comm/vector.h"

#include <stdio.h>
#include <string.h>

/* What makes a checkpoint an average. */
static const char averaged[] = "/state/averaged";

/* Reads chunk after chunk of all checkpoints, so that memory does not grow with the model. */
struct averaging {
    struct checkpoint *const *checkpoints;
    size_t count, newest;
    const char *group;
    struct h5_writer *writer;
    struct h5_reader **readers; /* [count] of the array under way */
    double *sum;                /* [floats of a chunk] */
    float *values;
    uint8_t *packed;
    size_t packed_capacity;
};

bool checkpoint_is_average(const struct checkpoint *checkpoint)
{
    return h5_has(checkpoint_file(checkpoint), averaged);
}

/* ---- what must be alike ---- */

static size_t count_arrays(const struct h5_file *file, const char *group)
{
    struct h5_array array;
    size_t count = 0;
    for (size_t i = 0; h5_list(file, i, &array); i++)
        count += checkpoint_within(array.name, group) != NULL;
    return count;
}

static bool same_shape(const struct h5_array *a, const struct h5_array *b)
{
    return a->type == b->type && a->rank == b->rank &&
           memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

static enum status check_arrays(const struct averaging *a, const struct h5_file *other)
{
    const struct h5_file *file = checkpoint_file(a->checkpoints[a->newest]);
    struct h5_array array, found;
    CHECK(count_arrays(file, a->group) > 0, STATUS_DATA, "%s: expected arrays /%s/..., found none",
            h5_path(file), a->group);
    for (size_t i = 0; h5_list(file, i, &array); i++)
        if (checkpoint_within(array.name, a->group)) {
            bool there = h5_find(other, array.name, &found);
            CHECK(there && array.rank > 0 && array.shape[0] > 0 && same_shape(&array, &found), STATUS_DATA,
                    "%s and %s: expected the same model in both, found %s %s%s", h5_path(other),
                    h5_path(file), there ? "another shape of" : "no", array.name,
                    there ? "" : " in the first");
        }
    CHECK(count_arrays(other, a->group) == count_arrays(file, a->group), STATUS_DATA,
            "%s and %s: expected the same model in both, found %zu and %zu arrays /%s/...", h5_path(other),
            h5_path(file), count_arrays(other, a->group), count_arrays(file, a->group), a->group);
    return STATUS_OK;
}

static enum status check_vocabularies(const struct averaging *a, const struct checkpoint *other)
{
    const struct checkpoint *checkpoint = a->checkpoints[a->newest];
    for (enum side side = SOURCE; side < SIDES; side++) {
        size_t bytes, other_bytes;
        bool joint, other_joint;
        const void *one = checkpoint_vocabulary(checkpoint, side, &bytes, &joint);
        const void *two = checkpoint_vocabulary(other, side, &other_bytes, &other_joint);
        CHECK(joint == other_joint && bytes == other_bytes && (bytes == 0 || memcmp(one, two, bytes) == 0),
                STATUS_DATA, "%s and %s: expected the same %s vocabulary in both, found others",
                checkpoint_path(other), checkpoint_path(checkpoint), side_names[side]);
    }
    return STATUS_OK;
}

/* ---- what is copied ---- */

static enum status copy_array(struct averaging *a, const struct h5_array *array)
{
    struct h5_file *file = checkpoint_file(a->checkpoints[a->newest]);
    struct h5_array copy = *array;
    void *data = NULL;
    char *description = NULL;
    enum status status = h5_get(file, array->name, array->type, array->rank, &data, NULL);
    if (status == STATUS_OK)
        status = h5_get_description(file, array->name, &description);
    copy.chunk_rows = 0;
    copy.compression = 0;
    copy.description = description;
    if (status == STATUS_OK)
        status = h5_put(a->writer, &copy, data);
    memory_free(description);
    memory_free(data);
    return status;
}

/* All of the newest but values of parameters, of which only the mean means something. */
static enum status copy_rest(struct averaging *a)
{
    static const char *const left_out[] = {"model", "optimizer", "ema", "code"};
    const struct h5_file *file = checkpoint_file(a->checkpoints[a->newest]);
    struct h5_array array;
    for (size_t i = 0; h5_list(file, i, &array); i++) {
        bool copied = strcmp(array.name, averaged) != 0;
        for (size_t g = 0; g < sizeof left_out / sizeof *left_out; g++)
            copied = copied && !checkpoint_within(array.name, left_out[g]);
        if (copied)
            TRY(copy_array(a, &array));
    }
    TRY(h5_put_int(a->writer, averaged, (int64_t)a->count, "checkpoints that /model is the mean of"));
    return h5_put_text(a->writer, "/code/version", SEQTRAIN_VERSION, "of the program that wrote this file");
}

/* ---- the mean ---- */

VECTOR_CLONES static void add(double *restrict sum, const float *restrict values, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        sum[i] += (double)values[i];
}

VECTOR_CLONES static void divide(
        float *restrict out, const double *restrict sum, double divisor, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        out[i] = (float)(sum[i] / divisor);
}

static enum status average_chunk(struct averaging *a, const struct h5_array *array, int id, size_t chunk)
{
    size_t floats = h5_chunk_bytes(array) / sizeof(float), row = h5_row_bytes(array) / sizeof(float);
    size_t first = chunk * array->chunk_rows, rows = array->shape[0] - first, packed_bytes;
    rows = rows < array->chunk_rows ? rows : array->chunk_rows;
    memset(a->sum, 0, floats * sizeof *a->sum);
    for (size_t c = 0; c < a->count; c++) {
        TRY(h5_read_rows(a->readers[c], first, rows, a->values));
        add(a->sum, a->values, rows * row);
    }
    divide(a->values, a->sum, (double)a->count, floats);
    TRY(h5_pack(array, a->values, &a->packed, &a->packed_capacity, &packed_bytes));
    return h5_put_chunk(a->writer, id, chunk, a->packed, packed_bytes);
}

static void close_readers(struct averaging *a)
{
    for (size_t c = 0; c < a->count; c++) {
        h5_reader_close(a->readers[c]);
        a->readers[c] = NULL;
    }
}

static enum status make_room(struct averaging *a, size_t floats)
{
    TRY(memory_resize(&a->sum, "average", floats, sizeof *a->sum));
    return memory_resize(&a->values, "average", floats, sizeof *a->values);
}

/* `array` is the newest's, of any group. */
static enum status average_array(struct averaging *a, struct h5_array array)
{
    char name[H5_NAME_LIMIT], *description = NULL;
    int id;
    snprintf(name, sizeof name, "%s", array.name);
    for (size_t c = 0; c < a->count; c++)
        TRY(h5_reader_open(&a->readers[c], checkpoint_file(a->checkpoints[c]), name, H5_FLOAT32, array.rank));
    snprintf(array.name, sizeof array.name, "/model/%s", checkpoint_within(name, a->group));
    if (array.chunk_rows == 0 || array.chunk_rows > array.shape[0])
        array.chunk_rows = array.shape[0];
    TRY(make_room(a, h5_chunk_bytes(&array) / sizeof(float)));
    TRY(h5_get_description(checkpoint_file(a->checkpoints[a->newest]), name, &description));
    array.description = description;
    enum status status = h5_declare(a->writer, &array, &id);
    memory_free(description);
    array.description = NULL;
    for (size_t chunk = 0; chunk < h5_chunk_count(&array) && status == STATUS_OK; chunk++)
        status = average_chunk(a, &array, id, chunk);
    close_readers(a);
    return status;
}

static enum status write_average(struct averaging *a)
{
    const struct h5_file *file = checkpoint_file(a->checkpoints[a->newest]);
    struct h5_array array;
    TRY(copy_rest(a));
    for (size_t i = 0; h5_list(file, i, &array); i++)
        if (checkpoint_within(array.name, a->group))
            TRY(average_array(a, array));
    return STATUS_OK;
}

static enum status find_newest(struct averaging *a)
{
    int64_t newest = -1, update;
    for (size_t c = 0; c < a->count; c++) {
        TRY(h5_get_int(checkpoint_file(a->checkpoints[c]), "/state/update", &update));
        if (update >= newest)
            a->newest = c;
        newest = update >= newest ? update : newest;
    }
    return STATUS_OK;
}

static enum status check_alike(struct averaging *a)
{
    TRY(find_newest(a));
    for (size_t c = 0; c < a->count; c++) {
        TRY(check_arrays(a, checkpoint_file(a->checkpoints[c])));
        TRY(check_vocabularies(a, a->checkpoints[c]));
    }
    return STATUS_OK;
}

enum status checkpoint_average(
        const char *path, struct checkpoint *const *checkpoints, size_t count, const char *group)
{
    struct averaging a = {.checkpoints = checkpoints, .count = count, .group = group};
    TRY(check_alike(&a));
    TRY(memory_new(&a.readers, "average", count, sizeof *a.readers));
    enum status status = h5_create(&a.writer, path, H5_CHECKPOINT);
    if (status == STATUS_OK) {
        status = write_average(&a);
        if (status == STATUS_OK)
            status = h5_commit(a.writer);
        else
            h5_discard(a.writer);
    }
    close_readers(&a);
    memory_free(a.readers);
    memory_free(a.sum);
    memory_free(a.values);
    memory_free(a.packed);
    return status;
}
