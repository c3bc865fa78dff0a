#include "io/checkpoint/internal.h"

#include "comm/memory.h"
#include "comm/watch.h"
#include "comm/world.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* Floats that travel at once, at least (more if one unit is longer). */
enum { PIECE_FLOATS = 1 << 18, UNITS_LIMIT = 1024 };

/* Values of a field: more validations than any run has. */
enum { ROW_LIMIT = 1 << 24 };

struct checkpoint {
    struct h5_file *file;
    char *config;
    void *vocabulary[SIDES]; /* joint: the first only */
    size_t vocabulary_bytes[SIDES];
    bool joint;
};

/* ---- opening ---- */

static enum status read_vocabulary(struct checkpoint *checkpoint)
{
    checkpoint->joint = h5_has(checkpoint->file, "/vocabulary/joint/model");
    for (int side = 0; side < (checkpoint->joint ? 1 : SIDES); side++) {
        char name[H5_NAME_LIMIT];
        struct h5_array array;
        snprintf(name, sizeof name, "/vocabulary/%s/model", checkpoint->joint ? "joint" : side_names[side]);
        if (!h5_has(checkpoint->file, name))
            continue;
        TRY(h5_check_rows(checkpoint->file, name, VOCABULARY_MODEL_LIMIT));
        TRY(h5_get(checkpoint->file, name, H5_BYTE, 1, &checkpoint->vocabulary[side], &array));
        checkpoint->vocabulary_bytes[side] = array.shape[0];
    }
    return STATUS_OK;
}

enum status checkpoint_open(struct checkpoint **out, const char *path)
{
    struct checkpoint *checkpoint = NULL;
    struct h5_file *file = NULL;
    TRY(h5_open(&file, path, H5_CHECKPOINT, true));
    enum status status = memory_new(&checkpoint, "checkpoint", 1, sizeof *checkpoint);
    if (status == STATUS_OK) {
        checkpoint->file = file;
        status = h5_get_text(file, "/config", &checkpoint->config);
    }
    if (status == STATUS_OK)
        status = read_vocabulary(checkpoint);
    status = status_agree(status);
    if (status == STATUS_OK)
        *out = checkpoint;
    else if (checkpoint)
        checkpoint_close(checkpoint);
    else
        h5_close(file);
    return status;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    h5_close(checkpoint->file);
    memory_free(checkpoint->config);
    for (int side = 0; side < SIDES; side++)
        memory_free(checkpoint->vocabulary[side]);
    memory_free(checkpoint);
}

struct h5_file *checkpoint_file(const struct checkpoint *checkpoint)
{
    return checkpoint->file;
}

const char *checkpoint_path(const struct checkpoint *checkpoint)
{
    return h5_path(checkpoint->file);
}

const char *checkpoint_within(const char *name, const char *group)
{
    size_t length = strlen(group);
    bool within = name[0] == '/' && strncmp(name + 1, group, length) == 0 && name[1 + length] == '/';
    return within ? name + length + 2 : NULL;
}

bool checkpoint_has_group(const struct checkpoint *checkpoint, const char *group)
{
    struct h5_array array;
    for (size_t i = 0; h5_list(checkpoint->file, i, &array); i++)
        if (checkpoint_within(array.name, group))
            return true;
    return false;
}

const char *checkpoint_config(const struct checkpoint *checkpoint)
{
    return checkpoint->config;
}

const void *checkpoint_vocabulary(
        const struct checkpoint *checkpoint, enum side side, size_t *bytes, bool *joint)
{
    enum side stored = checkpoint->joint ? SOURCE : side;
    *bytes = checkpoint->vocabulary_bytes[stored];
    *joint = checkpoint->joint;
    return checkpoint->vocabulary[stored];
}

/* ---- loading ---- */

struct loading {
    struct checkpoint *checkpoint;
    const struct blocks *blocks;
    const struct flat_array *arrays;
    size_t array_count;
    const struct flat_plane *planes;
    size_t plane_count;
    struct h5_reader *reader; /* rank 0: of the array under way */
    struct unit *units;       /* [UNITS_LIMIT] the piece under way */
    size_t count;
    float *values; /* its units end to end */
    size_t floats, capacity;
};

static void format_shape(char *out, size_t bytes, int rank, const size_t *shape)
{
    size_t used = (size_t)snprintf(out, bytes, "[");
    for (int i = 0; i < rank && used < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%zu", i ? ", " : "", shape[i]);
    if (used < bytes)
        snprintf(out + used, bytes - used, "]");
}

static enum status check_array(
        struct checkpoint *checkpoint, const struct flat_array *array, const struct flat_plane *plane)
{
    struct h5_array expected = unit_dataset(array, plane, 0), found;
    char wanted[128], there[128];
    CHECK(h5_find(checkpoint->file, expected.name, &found), STATUS_DATA,
            "%s: expected an array %s, found none", h5_path(checkpoint->file), expected.name);
    format_shape(wanted, sizeof wanted, expected.rank, expected.shape);
    format_shape(there, sizeof there, found.rank, found.shape);
    CHECK(found.type == H5_FLOAT32 && strcmp(wanted, there) == 0, STATUS_DATA,
            "%s: expected %s to be float32 of shape %s, found %s%s", h5_path(checkpoint->file), expected.name,
            wanted, there, found.type == H5_FLOAT32 ? "" : " of another type");
    return STATUS_OK;
}

static enum status check_arrays(const struct loading *l)
{
    for (size_t p = 0; p < l->plane_count; p++)
        for (size_t a = 0; a < l->array_count; a++)
            TRY(check_array(l->checkpoint, plane_array(&l->planes[p], l->arrays, a), &l->planes[p]));
    return STATUS_OK;
}

/* Rank 0: one unit from the file. */
static enum status read_unit(struct loading *l, const struct unit *unit, float *out)
{
    const struct flat_array *array = unit->shape;
    struct h5_array dataset = unit_dataset(array, &l->planes[unit->plane], 0);
    if (unit->chunk == 0) { /* units come in file order */
        h5_reader_close(l->reader);
        l->reader = NULL;
        TRY(h5_reader_open(&l->reader, l->checkpoint->file, dataset.name, H5_FLOAT32, array->rank));
    }
    size_t row = h5_row_bytes(&dataset) / sizeof(float);
    return h5_read_rows(l->reader, unit->chunk * dataset.chunk_rows, unit->count / row, out);
}

/* What of a unit is this rank's. */
static void keep_unit(const struct loading *l, const struct unit *unit, const float *values)
{
    const struct flat_plane *plane = &l->planes[unit->plane];
    if (plane->flat) {
        memcpy(plane->values + unit->first, values, unit->count * sizeof *values);
        return;
    }
    size_t position = unit->first;
    struct part part;
    while (part_next(l->blocks, &position, unit->first + unit->count, &part))
        if (part.owner == world()->rank)
            memcpy(plane->values + part.own, values + (part.first - unit->first),
                    part.count * sizeof *values);
}

/* Reads, spreads and keeps the units collected so far. Collective. */
static enum status move_piece(struct loading *l)
{
    enum status status = STATUS_OK;
    if (l->floats > l->capacity) {
        status = memory_resize(&l->values, "checkpoint", l->floats, sizeof(float));
        l->capacity = status == STATUS_OK ? l->floats : l->capacity;
    }
    float *to = l->values;
    for (size_t i = 0; i < l->count && status == STATUS_OK && world()->rank == 0; i++) {
        status = read_unit(l, &l->units[i], to);
        to += l->units[i].count;
    }
    TRY(status_agree(status));
    TRY(world_broadcast(l->values, l->floats * sizeof(float), 0));
    const float *from = l->values;
    for (size_t i = 0; i < l->count; i++) {
        keep_unit(l, &l->units[i], from);
        from += l->units[i].count;
    }
    l->count = l->floats = 0;
    watch_beat();
    return STATUS_OK;
}

/* Collects units to pieces worth a message. Collective. */
static enum status load_arrays(struct loading *l)
{
    struct unit_walk units = units_start(l->arrays, l->array_count, l->planes, l->plane_count);
    struct unit unit;
    TRY(status_agree(memory_new(&l->units, "checkpoint", UNITS_LIMIT, sizeof *l->units)));
    while (units_next(&units, &unit)) {
        l->units[l->count++] = unit;
        l->floats += unit.count;
        if (l->floats >= PIECE_FLOATS || l->count == UNITS_LIMIT)
            TRY(move_piece(l));
    }
    return l->count ? move_piece(l) : STATUS_OK;
}

static enum status load_row(struct h5_file *file, const struct field *field)
{
    struct field_row *row = field->value;
    struct h5_array array;
    *row = (struct field_row){0};
    if (!h5_has(file, field->name))
        return STATUS_OK;
    TRY(h5_check_rows(file, field->name, ROW_LIMIT));
    TRY(h5_get(file, field->name, field->type == FIELD_REALS ? H5_FLOAT64 : H5_INT64, 1, &row->integers,
            &array));
    row->count = array.shape[0];
    return STATUS_OK;
}

static enum status load_field(struct h5_file *file, const struct field *field)
{
    switch (field->type) {
    case FIELD_INTEGER:
        return h5_get_int(file, field->name, field->value);
    case FIELD_REAL:
        return h5_get_real(file, field->name, field->value);
    case FIELD_INTEGERS:
    case FIELD_REALS:
        return load_row(file, field);
    case FIELD_TEXT:
        break;
    }
    *(char **)field->value = NULL;
    return h5_has(file, field->name) ? h5_get_text(file, field->name, field->value) : STATUS_OK;
}

enum status checkpoint_load(struct checkpoint *checkpoint, const struct blocks *blocks,
        const struct flat_array *arrays, size_t array_count, const struct flat_plane *planes,
        size_t plane_count, const struct field *fields, size_t field_count)
{
    struct loading l = {.checkpoint = checkpoint,
            .blocks = blocks,
            .arrays = arrays,
            .array_count = array_count,
            .planes = planes,
            .plane_count = plane_count};
    enum status status = check_arrays(&l);
    for (size_t i = 0; i < field_count && status == STATUS_OK; i++)
        status = load_field(checkpoint->file, &fields[i]);
    status = status_agree(status);
    if (status == STATUS_OK)
        status = load_arrays(&l);
    h5_reader_close(l.reader);
    memory_free(l.values);
    memory_free(l.units);
    return status;
}

/* ---- the digest of the parameters ---- */

static enum status digest_array(struct h5_file *file, const struct h5_array *array, uLong *crc)
{
    struct h5_reader *reader = NULL;
    void *rows = NULL;
    size_t row = h5_row_bytes(array), total = array->rank ? array->shape[0] : 1;
    size_t step = array->chunk_rows && array->chunk_rows < total ? array->chunk_rows : total;
    TRY(h5_reader_open(&reader, file, array->name, H5_FLOAT32, array->rank));
    enum status status = memory_new(&rows, "checkpoint", step, row);
    for (size_t first = 0; first < total && status == STATUS_OK; first += step) {
        size_t count = total - first < step ? total - first : step;
        status = h5_read_rows(reader, first, count, rows);
        *crc = crc32_z(*crc, rows, count * row);
    }
    memory_free(rows);
    h5_reader_close(reader);
    return status;
}

enum status checkpoint_parameters_crc32(struct checkpoint *checkpoint, uint32_t *crc, size_t *parameters)
{
    struct h5_array array;
    uLong sum = crc32(0, NULL, 0);
    *parameters = 0;
    for (size_t i = 0; h5_list(checkpoint->file, i, &array); i++) {
        if (!checkpoint_within(array.name, "model") || array.type != H5_FLOAT32)
            continue;
        TRY(digest_array(checkpoint->file, &array, &sum));
        *parameters += h5_row_bytes(&array) / sizeof(float) * (array.rank ? array.shape[0] : 1);
    }
    *crc = (uint32_t)sum;
    return STATUS_OK;
}
