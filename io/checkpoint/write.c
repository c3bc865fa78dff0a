#include "io/checkpoint/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static enum status put_row(struct h5_writer *writer, const struct field *field)
{
    const struct field_row *row = field->value;
    struct h5_array array = {.type = field->type == FIELD_REALS ? H5_FLOAT64 : H5_INT64,
            .rank = 1,
            .shape = {row->count},
            .description = field->description};
    snprintf(array.name, sizeof array.name, "%s", field->name);
    return row->count ? h5_put(writer, &array, row->integers) : STATUS_OK;
}

static enum status put_field(struct h5_writer *writer, const struct field *field)
{
    switch (field->type) {
    case FIELD_INTEGER:
        return h5_put_int(writer, field->name, *(const int64_t *)field->value, field->description);
    case FIELD_REAL:
        return h5_put_real(writer, field->name, *(const double *)field->value, field->description);
    case FIELD_INTEGERS:
    case FIELD_REALS:
        return put_row(writer, field);
    case FIELD_TEXT:
        break;
    }
    const char *text = *(char *const *)field->value;
    return text ? h5_put_text(writer, field->name, text, field->description) : STATUS_OK;
}

static enum status put_vocabulary(
        struct h5_writer *writer, const struct checkpoint_contents *contents, enum side side)
{
    struct h5_array array = {.type = H5_BYTE,
            .rank = 1,
            .shape = {contents->vocabulary_bytes[side]},
            .description = "SentencePiece model"};
    snprintf(array.name, sizeof array.name, "/vocabulary/%s/model",
            contents->joint ? "joint" : side_names[side]);
    return h5_put(writer, &array, contents->vocabulary[side]);
}

static enum status put_small(struct h5_writer *writer, const struct checkpoint_contents *contents)
{
    for (size_t i = 0; i < contents->field_count; i++)
        TRY(put_field(writer, &contents->fields[i]));
    TRY(h5_put_text(writer, "/config", contents->config ? contents->config : "",
            "settings that shape the result, as YAML"));
    TRY(h5_put_text(writer, "/code/version", SEQTRAIN_VERSION, "of the program that wrote this file"));
    for (int side = 0; side < (contents->joint ? 1 : SIDES); side++)
        if (contents->vocabulary[side])
            TRY(put_vocabulary(writer, contents, (enum side)side));
    return STATUS_OK;
}

/* Declares the dataset of each array in file order; *first is the number of the first. */
static enum status declare_all(struct h5_writer *writer, const struct save *save, int *first)
{
    const struct checkpoint_contents *contents = &save->contents;
    for (size_t p = 0; p < contents->plane_count; p++)
        for (size_t a = 0; a < contents->array_count; a++) {
            struct h5_array array = unit_dataset(plane_array(&contents->planes[p], contents->arrays, a),
                    &contents->planes[p], save->options->compression);
            int id;
            TRY(h5_declare(writer, &array, &id));
            if (p == 0 && a == 0)
                *first = id;
        }
    return STATUS_OK;
}

static enum status put_chunks(struct h5_writer *writer, struct save *save, int first)
{
    const struct checkpoint_contents *contents = &save->contents;
    struct unit_walk units =
            units_start(contents->arrays, contents->array_count, contents->planes, contents->plane_count);
    struct unit unit;
    while (units_next(&units, &unit)) {
        struct packet *packet = queue_pop(&save->ordered);
        if (!packet) /* else it is ours to free, whatever becomes of the queue */
            TRY(queue_status(&save->ordered));
        ASSERT(packet);
        int id = first + (int)(unit.plane * contents->array_count + unit.array);
        enum status status = h5_put_chunk(writer, id, unit.chunk, packet->data, packet->bytes);
        packet_free(packet);
        TRY(status);
    }
    return STATUS_OK;
}

static enum status write_file(struct save *save, const char *path)
{
    struct h5_writer *writer;
    int first = 0;
    TRY(save_check_room(save, path));
    TRY(h5_create(&writer, path, H5_CHECKPOINT));
    if (save->options->trusted)
        h5_trust_disk(writer);
    enum status status = put_small(writer, &save->contents);
    if (status == STATUS_OK)
        status = declare_all(writer, save, &first);
    if (status == STATUS_OK)
        status = put_chunks(writer, save, first);
    if (status == STATUS_OK)
        status = checkpoint_allowed(save->options);
    if (status == STATUS_OK)
        return h5_commit(writer);
    h5_discard(writer);
    return status;
}

enum status save_write(struct save *save)
{
    char path[PATH_MAX];
    enum status status = checkpoint_name(path, save->options->folder, save->update);
    if (status == STATUS_OK)
        status = write_file(save, path);
    struct stat facts;
    save->named = status == STATUS_OK;
    save->file_bytes = save->named && stat(path, &facts) == 0 ? (uint64_t)facts.st_size : 0;
    if (status == STATUS_OK)
        status = checkpoint_publish(save->options, save->update, &save->best);
    /* After a failure the rest still has to be taken, or the main thread could not hand it over. */
    for (struct packet *packet; (packet = queue_pop(&save->ordered));)
        packet_free(packet);
    return status;
}
