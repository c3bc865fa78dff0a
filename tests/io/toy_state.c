#include "tests/io/toy_state.h"

#include "comm/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int rank;
    size_t small[3], large[3];
} shapes[TOY_ARRAYS] = {
        {"embedding/weight", 2, {12, 5}, {300, 500}}, /* units that do not divide it */
        {"layer/0/bias", 1, {7}, {7}},                /* smaller than a block */
        {"layer/0/weight", 3, {3, 2, 2}, {33, 5, 77}}, {"layer/1/bias", 1, {1}, {4096}},
        {"layer/1/wide", 2, {2, 9}, {2, 70001}}, /* rows longer than a unit */
        {"output/bias", 1, {5}, {65537}},        /* one float more than a unit */
};

static float value_of(size_t plane, size_t position, int64_t update)
{
    uint32_t bits = (uint32_t)(position * 2654435761u) ^ (uint32_t)(plane * 40503u + (uint32_t)update * 97u);
    return (float)(bits >> 8) * 1e-7f - 0.8f;
}

static size_t floats_of(const struct flat_array *array)
{
    size_t floats = 1;
    for (int i = 0; i < array->rank; i++)
        floats *= array->shape[i];
    return floats;
}

static void make_arrays(struct toy *toy, bool large)
{
    for (int i = 0; i < TOY_ARRAYS; i++) {
        struct flat_array *array = &toy->arrays[i];
        snprintf(array->name, sizeof array->name, "%s", shapes[i].name);
        array->rank = shapes[i].rank;
        for (int d = 0; d < array->rank; d++)
            array->shape[d] = large ? shapes[i].large[d] : shapes[i].small[d];
        array->offset = toy->floats;
        array->description = "a toy";
        toy->floats = (toy->floats + floats_of(array) + 15) / 16 * 16;
    }
}

static void make_contents(struct toy *toy)
{
    const struct field fields[TOY_FIELDS] = {
            {"/state/update", FIELD_INTEGER, &toy->update, "updates done"},
            {"/state/epoch", FIELD_INTEGER, &toy->epoch, "epochs done"},
            {"/state/best", FIELD_REAL, &toy->best, "best loss"},
            {"/state/note", FIELD_TEXT, &toy->note, "a text"},
            {"/state/history/update", FIELD_INTEGERS, &toy->updates, "a row"},
            {"/state/history/loss", FIELD_REALS, &toy->losses, "a row"},
            {"/state/history/nothing", FIELD_REALS, &toy->nothing, "a row of none"},
    };
    memcpy(toy->fields, fields, sizeof fields);
    for (int i = 0; i < TOY_VOCABULARY; i++)
        toy->vocabulary[i] = (unsigned char)(i * 7);
    toy->contents = (struct checkpoint_contents){.arrays = toy->arrays,
            .array_count = TOY_ARRAYS,
            .planes = toy->planes,
            .plane_count = TOY_PLANES,
            .fields = toy->fields,
            .field_count = TOY_FIELDS,
            .config = "model:\n  width: 4\n",
            .vocabulary = {toy->vocabulary, toy->vocabulary},
            .vocabulary_bytes = {TOY_VOCABULARY, TOY_VOCABULARY},
            .joint = true};
}

/* Whether `position` belongs to an array: the gaps between them are not stored. */
static bool is_stored(const struct toy *toy, size_t position)
{
    for (int i = 0; i < TOY_ARRAYS; i++)
        if (position >= toy->arrays[i].offset &&
                position < toy->arrays[i].offset + floats_of(&toy->arrays[i]))
            return true;
    return false;
}

static void make_rows(struct toy *toy)
{
    memory_new(&toy->updates.integers, "test", TOY_ROW, sizeof(int64_t));
    memory_new(&toy->losses.reals, "test", TOY_ROW, sizeof(double));
    toy->updates.count = toy->losses.count = TOY_ROW;
    for (int i = 0; i < TOY_ROW; i++) {
        toy->updates.integers[i] = toy->update + i;
        toy->losses.reals[i] = (double)toy->update / (i + 3);
    }
}

static bool rows_are(const struct toy *toy, int64_t update)
{
    bool same = toy->updates.count == TOY_ROW && toy->losses.count == TOY_ROW && toy->nothing.count == 0;
    for (int i = 0; i < TOY_ROW && same; i++)
        same = toy->updates.integers[i] == update + i && toy->losses.reals[i] == (double)update / (i + 3);
    return same;
}

void toy_make(struct toy *toy, bool large, int rank, int ranks, int64_t update)
{
    static const char *const groups[TOY_PLANES] = {"model", "optimizer/m", "optimizer/v"};
    memset(toy, 0, sizeof *toy);
    make_arrays(toy, large);
    toy->blocks = blocks_make(toy->floats, large ? 5 * BLOCK_FLOATS : 0, ranks);
    toy->own_floats = blocks_own_floats(&toy->blocks, rank);
    for (size_t p = 0; p < TOY_PLANES; p++) {
        toy->planes[p] = (struct flat_plane){.group = groups[p], .flat = p == 0, .description = "values"};
        toy->planes[p].values = calloc(p == 0 ? toy->floats : toy->own_floats + 1, sizeof(float));
    }
    for (size_t i = 0; i < toy->floats; i++) {
        size_t own;
        bool mine = blocks_owner(&toy->blocks, i, &own) == rank;
        toy->planes[0].values[i] = value_of(0, i, update);
        for (size_t p = 1; p < TOY_PLANES && mine; p++)
            toy->planes[p].values[own] = value_of(p, i, update);
    }
    toy->update = update;
    toy->epoch = update / 10;
    toy->best = 1.0 / (double)(update + 1);
    memory_text(&toy->note, "test", "noted");
    make_rows(toy);
    make_contents(toy);
}

static void free_rows(struct toy *toy)
{
    memory_free(toy->updates.integers);
    memory_free(toy->losses.reals);
    memory_free(toy->nothing.reals);
    toy->updates = toy->losses = toy->nothing = (struct field_row){0};
}

void toy_release(struct toy *toy)
{
    for (int p = 0; p < TOY_PLANES; p++)
        free(toy->planes[p].values);
    memory_free(toy->note);
    free_rows(toy);
}

void toy_wipe(struct toy *toy)
{
    for (int p = 0; p < TOY_PLANES; p++)
        memset(toy->planes[p].values, 0, (p == 0 ? toy->floats : toy->own_floats) * sizeof(float));
    memory_free(toy->note);
    free_rows(toy);
    toy->note = NULL;
    toy->update = toy->epoch = -1;
    toy->best = -1;
}

bool toy_is(const struct toy *toy, int64_t update, int rank)
{
    bool same = toy->update == update && toy->epoch == update / 10 &&
                toy->best == 1.0 / (double)(update + 1) && toy->note && strcmp(toy->note, "noted") == 0 &&
                rows_are(toy, update);
    for (size_t i = 0; same && i < toy->floats; i++) {
        size_t own;
        if (!is_stored(toy, i))
            continue;
        bool mine = blocks_owner(&toy->blocks, i, &own) == rank;
        same = toy->planes[0].values[i] == value_of(0, i, update);
        for (size_t p = 1; p < TOY_PLANES && mine && same; p++)
            same = toy->planes[p].values[own] == value_of(p, i, update);
    }
    return same;
}

static enum status put_array(struct h5_writer *writer, const struct toy *toy, size_t plane,
        const struct flat_array *flat, int id, const struct h5_array *array)
{
    size_t count = floats_of(flat), chunk_floats = h5_chunk_bytes(array) / sizeof(float);
    float *chunk = malloc(h5_chunk_bytes(array));
    uint8_t *packed = NULL;
    size_t capacity = 0, bytes;
    enum status status = STATUS_OK;
    for (size_t c = 0; c * chunk_floats < count && status == STATUS_OK; c++) {
        for (size_t i = 0; i < chunk_floats; i++) {
            size_t at = c * chunk_floats + i;
            chunk[i] = at < count ? value_of(plane, flat->offset + at, toy->update) : 0;
        }
        status = h5_pack(array, chunk, &packed, &capacity, &bytes);
        if (status == STATUS_OK)
            status = h5_put_chunk(writer, id, c, packed, bytes);
    }
    memory_free(packed);
    free(chunk);
    return status;
}

static struct h5_array array_of(const struct toy *toy, size_t plane, size_t number, int compression)
{
    const struct flat_array *flat = &toy->arrays[number];
    struct h5_array array = {.type = H5_FLOAT32,
            .rank = flat->rank,
            .compression = compression,
            .description = flat->description};
    snprintf(array.name, sizeof array.name, "/%s/%s", toy->planes[plane].group, flat->name);
    memcpy(array.shape, flat->shape, sizeof array.shape);
    size_t rows = 65536 / (floats_of(flat) / flat->shape[0]);
    array.chunk_rows = rows == 0 ? 1 : rows > flat->shape[0] ? flat->shape[0] : rows;
    return array;
}

static enum status fill(struct h5_writer *writer, const struct toy *toy, int compression, const char *version)
{
    TRY(h5_put_int(writer, "/state/update", toy->update, "updates done"));
    TRY(h5_put_int(writer, "/state/epoch", toy->epoch, "epochs done"));
    TRY(h5_put_real(writer, "/state/best", toy->best, "best loss"));
    TRY(h5_put_text(writer, "/state/note", "noted", "a text"));
    struct h5_array row = {.type = H5_INT64, .rank = 1, .shape = {TOY_ROW}, .description = "a row"};
    strcpy(row.name, "/state/history/update");
    TRY(h5_put(writer, &row, toy->updates.integers));
    strcpy(row.name, "/state/history/loss");
    row.type = H5_FLOAT64;
    TRY(h5_put(writer, &row, toy->losses.reals));
    TRY(h5_put_text(writer, "/config", toy->contents.config, "settings that shape the result, as YAML"));
    TRY(h5_put_text(writer, "/code/version", version, "of the program that wrote this file"));
    struct h5_array vocabulary = {.name = "/vocabulary/joint/model",
            .type = H5_BYTE,
            .rank = 1,
            .shape = {TOY_VOCABULARY},
            .description = "SentencePiece model"};
    TRY(h5_put(writer, &vocabulary, toy->vocabulary));
    int ids[TOY_PLANES][TOY_ARRAYS];
    for (size_t p = 0; p < TOY_PLANES; p++)
        for (size_t a = 0; a < TOY_ARRAYS; a++) {
            struct h5_array array = array_of(toy, p, a, compression);
            TRY(h5_declare(writer, &array, &ids[p][a]));
        }
    for (size_t p = 0; p < TOY_PLANES; p++)
        for (size_t a = 0; a < TOY_ARRAYS; a++) {
            struct h5_array array = array_of(toy, p, a, compression);
            TRY(put_array(writer, toy, p, &toy->arrays[a], ids[p][a], &array));
        }
    return STATUS_OK;
}

enum status toy_write_serially(const struct toy *toy, const char *path, int compression, const char *version)
{
    struct h5_writer *writer;
    TRY(h5_create(&writer, path, H5_CHECKPOINT));
    enum status status = fill(writer, toy, compression, version);
    if (status == STATUS_OK)
        return h5_commit(writer);
    h5_discard(writer);
    return status;
}
