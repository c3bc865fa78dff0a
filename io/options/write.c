#include "io/options/internal.h"

#include "comm/memory.h"

#include <string.h>
#include <yaml.h>

struct yaml_writer {
    yaml_emitter_t emitter;
    char *text;
    size_t bytes, capacity;
    enum status status; /* the first failure; later steps do nothing */
};

/* yaml_write_handler_t: 1 is success. */
static int append(void *context, unsigned char *buffer, size_t size)
{
    struct yaml_writer *writer = context;
    size_t need = writer->bytes + size + 1;
    if (need > writer->capacity) {
        writer->status = memory_resize(&writer->text, "options", 2 * need, 1);
        if (writer->status != STATUS_OK)
            return 0;
        writer->capacity = 2 * need;
    }
    memcpy(writer->text + writer->bytes, buffer, size);
    writer->bytes += size;
    writer->text[writer->bytes] = '\0';
    return 1;
}

/* Hands over an event that was initialised with success. */
static void emit(struct yaml_writer *writer, yaml_event_t *event, int initialised)
{
    if (writer->status != STATUS_OK) {
        if (initialised)
            yaml_event_delete(event);
    } else if (!initialised)
        writer->status = status_fail(STATUS_INTERNAL, "no memory to write the settings");
    else if (!yaml_emitter_emit(&writer->emitter, event) && writer->status == STATUS_OK)
        writer->status = status_fail(STATUS_INTERNAL, "cannot write the settings as YAML: %s",
                writer->emitter.problem ? writer->emitter.problem : "no memory");
}

/* `plain`: may stand without quotes. */
static void emit_scalar(struct yaml_writer *writer, const char *text, bool plain)
{
    yaml_event_t event;
    emit(writer, &event,
            yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text),
                    plain, 1, YAML_ANY_SCALAR_STYLE));
}

static void emit_mapping_start(struct yaml_writer *writer)
{
    yaml_event_t event;
    emit(writer, &event,
            yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
}

static void emit_mapping_end(struct yaml_writer *writer)
{
    yaml_event_t event;
    emit(writer, &event, yaml_mapping_end_event_initialize(&event));
}

/* Words that readers take for nothing, true, false or a number are quoted where a text is meant. */
static void emit_text(struct yaml_writer *writer, const char *text)
{
    static const char *const words[] = {"", "~", "null", "true", "false", "yes", "no", "on", "off"};
    bool plain = !strchr("0123456789+-.", text[0]);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        plain = plain && strcasecmp(text, words[i]) != 0;
    emit_scalar(writer, text, plain);
}

static void emit_list(struct yaml_writer *writer, const struct text_list *list)
{
    yaml_event_t event;
    emit(writer, &event,
            yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_FLOW_SEQUENCE_STYLE));
    for (size_t i = 0; i < list->count; i++)
        emit_text(writer, list->items[i]);
    emit(writer, &event, yaml_sequence_end_event_initialize(&event));
}

static void emit_value(struct yaml_writer *writer, const struct option *option, const void *field)
{
    char text[OPTION_TEXT_LIMIT];
    if (option->type == OPTION_LIST)
        emit_list(writer, field);
    else if (value_is_absent(option, field))
        emit_scalar(writer, "null", true);
    else if (option->type == OPTION_TEXT)
        emit_text(writer, *(char *const *)field);
    else {
        value_format(option, field, text, sizeof text);
        emit_scalar(writer, text, true);
    }
}

/* Whether options a and b stand under the same first part of their names; a name without a dot stands alone. */
static bool same_head(const char *a, const char *b)
{
    size_t length = strcspn(a, ".");
    return a[length] == '.' && strncmp(a, b, length + 1) == 0;
}

struct selection {
    const struct schema *schema;
    const void *settings;
    bool shaping_only;
};

static const struct option *selected(const struct selection *selection, size_t i)
{
    const struct option *option = options_at(selection->schema, i).option;
    return selection->shaping_only && !option->shapes_result ? NULL : option;
}

/* The options of one head together, though their groups may lie apart. */
static void emit_head(struct yaml_writer *writer, const struct selection *selection, size_t first)
{
    const char *name = selected(selection, first)->name;
    char head[OPTION_NAME_LIMIT];
    snprintf(head, sizeof head, "%.*s", (int)strcspn(name, "."), name);
    emit_scalar(writer, head, true);
    emit_mapping_start(writer);
    for (size_t i = first; i < options_count(selection->schema); i++) {
        const struct option *option = selected(selection, i);
        if (!option || !same_head(name, option->name))
            continue;
        emit_scalar(writer, option->name + strlen(head) + 1, true);
        emit_value(writer, option, option_field_const(selection->settings, options_at(selection->schema, i)));
    }
    emit_mapping_end(writer);
}

static bool head_was_before(const struct selection *selection, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (selected(selection, j) && same_head(selected(selection, i)->name, selected(selection, j)->name))
            return true;
    return false;
}

static void emit_settings(struct yaml_writer *writer, const struct selection *selection)
{
    emit_mapping_start(writer);
    for (size_t i = 0; i < options_count(selection->schema); i++) {
        const struct option *option = selected(selection, i);
        if (!option || head_was_before(selection, i))
            continue;
        if (strchr(option->name, '.')) {
            emit_head(writer, selection, i);
            continue;
        }
        emit_scalar(writer, option->name, true);
        emit_value(writer, option, option_field_const(selection->settings, options_at(selection->schema, i)));
    }
    emit_mapping_end(writer);
}

enum status options_write_yaml(
        char **out, const struct schema *schema, const void *settings, bool shaping_only)
{
    struct yaml_writer writer = {.status = STATUS_OK};
    struct selection selection = {schema, settings, shaping_only};
    yaml_event_t event;
    CHECK(yaml_emitter_initialize(&writer.emitter), STATUS_INTERNAL, "no memory to write the settings");
    yaml_emitter_set_output(&writer.emitter, append, &writer);
    yaml_emitter_set_unicode(&writer.emitter, 1);
    yaml_emitter_set_width(&writer.emitter, -1);
    emit(&writer, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(&writer, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
    emit_settings(&writer, &selection);
    emit(&writer, &event, yaml_document_end_event_initialize(&event, 1));
    emit(&writer, &event, yaml_stream_end_event_initialize(&event));
    yaml_emitter_delete(&writer.emitter);
    if (writer.status != STATUS_OK) {
        memory_free(writer.text);
        return writer.status;
    }
    *out = writer.text;
    return STATUS_OK;
}
