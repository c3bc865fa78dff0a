#include "io/options/internal.h"

#include "comm/memory.h"

/* Bytes of the settings struct up to the end of its last option. */
static size_t settings_bytes(const struct schema *schema)
{
    size_t bytes = 1;
    for (size_t i = 0; i < options_count(schema); i++) {
        struct option_at at = options_at(schema, i);
        size_t end = at.offset + value_size(at.option);
        bytes = end > bytes ? end : bytes;
    }
    return bytes;
}

static enum status compare(const struct schema *schema, const void *now, const void *then,
        options_difference *visit, void *context)
{
    char old[OPTION_TEXT_LIMIT], new[OPTION_TEXT_LIMIT];
    for (size_t i = 0; i < options_count(schema); i++) {
        struct option_at at = options_at(schema, i);
        const void *a = option_field_const(then, at), *b = option_field_const(now, at);
        if (!at.option->shapes_result || value_equal(at.option, a, b))
            continue;
        value_format(at.option, a, old, sizeof old);
        value_format(at.option, b, new, sizeof new);
        TRY(visit(context, at.option, old, new));
    }
    return STATUS_OK;
}

enum status options_compare(const struct schema *schema, const void *now, const char *record, size_t bytes,
        options_difference *visit, void *context)
{
    void *then;
    TRY(memory_new(&then, "options", settings_bytes(schema), 1));
    enum status status = options_defaults(schema, then);
    if (status == STATUS_OK) {
        status = options_parse_yaml(schema, then, record, bytes, "recorded settings");
        if (status == STATUS_OK)
            status = compare(schema, now, then, visit, context);
        options_release(schema, then);
    }
    memory_free(then);
    return status;
}

enum status options_visit(
        const struct schema *schema, const void *settings, options_visitor *visit, void *context)
{
    char text[OPTION_TEXT_LIMIT * 16];
    for (size_t i = 0; i < options_count(schema); i++) {
        struct option_at at = options_at(schema, i);
        const void *field = option_field_const(settings, at);
        bool is_default;
        TRY(value_is_default(at.option, field, &is_default));
        value_format(at.option, field, text, sizeof text);
        TRY(visit(context, at.option, text, is_default));
    }
    return STATUS_OK;
}
