#include "io/options/internal.h"

#include "comm/fault.h"
#include "comm/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

enum { YAML_BYTES_LIMIT = 1 << 20, WHERE_LIMIT = 512 };

/* A key that was met, with its full name, and its line. */
struct seen {
    char name[2 * OPTION_NAME_LIMIT];
    size_t line;
};

struct yaml_reader {
    const struct schema *schema;
    void *settings;
    const char *path; /* for messages */
    const char *text;
    size_t bytes;
    yaml_parser_t parser;
    struct seen *seen;
    size_t seen_count;
};

/* "PATH:LINE: ..." */
static enum status refuse(const struct yaml_reader *reader, size_t line, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static enum status refuse(const struct yaml_reader *reader, size_t line, const char *format, ...)
{
    char text[OPTION_TEXT_LIMIT * 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return status_fail(STATUS_CONFIG, "%s:%zu: %s", reader->path, line, text);
}

static size_t line_of(const struct yaml_reader *reader, size_t position)
{
    size_t line = 1;
    for (size_t i = 0; i < position && i < reader->bytes; i++)
        line += reader->text[i] == '\n';
    return line;
}

/* Whether the line (from 1) is indented with a tab. */
static bool tab_indents(const struct yaml_reader *reader, size_t line)
{
    const char *at = reader->text, *end = at + reader->bytes;
    for (; line > 1 && at < end; line--) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    while (at < end && *at == ' ')
        at++;
    return at < end && *at == '\t';
}

static enum status syntax_error(const struct yaml_reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem ? parser->problem : "cannot be read";
    size_t line = parser->problem_mark.line + 1;
    if (parser->error == YAML_MEMORY_ERROR)
        return status_fail(STATUS_INTERNAL, "no memory to read %s", reader->path);
    if (parser->error == YAML_READER_ERROR)
        return refuse(reader, line_of(reader, parser->problem_offset),
                "expected UTF-8 text, found 0x%02X: %s", (unsigned)parser->problem_value, problem);
    if (tab_indents(reader, line))
        return refuse(
                reader, line, "expected blanks before the key, found a tab: YAML is indented with blanks");
    if (parser->context)
        return refuse(reader, line, "not YAML: %s %s (from line %zu)", problem, parser->context,
                parser->context_mark.line + 1);
    return refuse(reader, line, "not YAML: %s", problem);
}

/* The next event, the caller's to delete, if it is of the subset that settings need. */
static enum status next_event(struct yaml_reader *reader, yaml_event_t *event)
{
    if (!yaml_parser_parse(&reader->parser, event))
        return syntax_error(reader);
    const yaml_char_t *anchor = NULL, *tag = NULL;
    size_t line = event->start_mark.line + 1;
    bool directive = false, alias = false;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        alias = true;
        break;
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor, tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
        break;
    case YAML_DOCUMENT_START_EVENT:
        directive = event->data.document_start.version_directive ||
                    event->data.document_start.tag_directives.start !=
                            event->data.document_start.tag_directives.end;
        break;
    default:
        break;
    }
    const char *found = alias       ? "an alias (*)"
                        : anchor    ? "an anchor (&)"
                        : tag       ? "a tag (!)"
                        : directive ? "a directive (%)"
                                    : NULL;
    if (!found)
        return STATUS_OK;
    yaml_event_delete(event);
    return refuse(reader, line, "expected plain keys and values, found %s", found);
}

/* NULL: `~`, `null` or nothing at all, not in quotes. */
static const char *scalar_text(const yaml_event_t *event)
{
    static const char *const nothing[] = {"", "~", "null", "Null", "NULL"};
    const char *text = (const char *)event->data.scalar.value;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    for (size_t i = 0; plain && i < sizeof nothing / sizeof nothing[0]; i++)
        if (strcmp(text, nothing[i]) == 0)
            return NULL;
    return text;
}

/* One value or item of the option; `event` is a scalar. */
static enum status take_scalar(
        struct yaml_reader *reader, struct option_at at, const yaml_event_t *event, bool item)
{
    char where[WHERE_LIMIT];
    void *field = option_field(reader->settings, at);
    const char *text = scalar_text(event);
    snprintf(where, sizeof where, "%s:%zu", reader->path, event->start_mark.line + 1);
    if (text && strlen(text) != event->data.scalar.length)
        return value_refuse(at.option, where, "a text with a NUL (\\0) in it");
    if (text)
        return value_set(at.option, field, text, where);
    if (item || !value_can_be_absent(at.option))
        return value_refuse(at.option, where, "nothing");
    value_clear(at.option, field);
    return STATUS_OK;
}

static enum status take_items(struct yaml_reader *reader, struct option_at at)
{
    char where[WHERE_LIMIT];
    for (;;) {
        yaml_event_t event;
        TRY(next_event(reader, &event));
        bool end = event.type == YAML_SEQUENCE_END_EVENT, scalar = event.type == YAML_SCALAR_EVENT;
        enum status status = scalar ? take_scalar(reader, at, &event, true) : STATUS_OK;
        snprintf(where, sizeof where, "%s:%zu", reader->path, event.start_mark.line + 1);
        yaml_event_delete(&event);
        TRY(status);
        if (end)
            return STATUS_OK;
        if (!scalar)
            return value_refuse(at.option, where, "a list or keys inside a list");
    }
}

static enum status take_value(struct yaml_reader *reader, struct option_at at, const yaml_event_t *event)
{
    char where[WHERE_LIMIT];
    snprintf(where, sizeof where, "%s:%zu", reader->path, event->start_mark.line + 1);
    if (at.option->type == OPTION_LIST)
        value_clear(at.option, option_field(reader->settings, at));
    if (event->type == YAML_SCALAR_EVENT)
        return take_scalar(reader, at, event, false);
    if (event->type == YAML_SEQUENCE_START_EVENT && at.option->type == OPTION_LIST)
        return take_items(reader, at);
    return value_refuse(
            at.option, where, event->type == YAML_SEQUENCE_START_EVENT ? "a list" : "keys below it");
}

static enum status take_keys(struct yaml_reader *reader, const char *prefix);

/* What stands under a name that is a group of settings. */
static enum status take_group(struct yaml_reader *reader, const char *name, const yaml_event_t *event)
{
    size_t line = event->start_mark.line + 1;
    if (event->type == YAML_MAPPING_START_EVENT)
        return take_keys(reader, name);
    if (event->type == YAML_SCALAR_EVENT && !scalar_text(event))
        return STATUS_OK;
    char quoted[OPTION_NAME_LIMIT];
    bool scalar = event->type == YAML_SCALAR_EVENT;
    return refuse(reader, line, "%s is a group: expected keys below it, found %s", name,
            scalar ? text_quoted((const char *)event->data.scalar.value, quoted) : "a list");
}

/* Remembers a key; a second one of the same name is refused. */
static enum status see(struct yaml_reader *reader, const char *name, size_t line)
{
    for (size_t i = 0; i < reader->seen_count; i++)
        if (strcmp(reader->seen[i].name, name) == 0)
            return refuse(
                    reader, line, "%s stands here again, first on line %zu", name, reader->seen[i].line);
    TRY(memory_resize(&reader->seen, "options", reader->seen_count + 1, sizeof *reader->seen));
    struct seen *seen = &reader->seen[reader->seen_count++];
    snprintf(seen->name, sizeof seen->name, "%s", name);
    seen->line = line;
    return STATUS_OK;
}

static enum status take_named(struct yaml_reader *reader, const char *name, size_t line)
{
    struct option_at at = options_find(reader->schema, name);
    if (!at.option && !options_is_group(reader->schema, name)) {
        struct option_target target = {reader->schema, reader->settings};
        char where[WHERE_LIMIT];
        snprintf(where, sizeof where, "%s:%zu", reader->path, line);
        return options_unknown(&target, 1, name, where, STATUS_CONFIG);
    }
    TRY(see(reader, name, line));
    yaml_event_t event;
    TRY(next_event(reader, &event));
    enum status status = at.option ? take_value(reader, at, &event) : take_group(reader, name, &event);
    yaml_event_delete(&event);
    return status;
}

/* The keys of a mapping and what they hold, up to its end. Only names of the table lead deeper, so its names bound the
 * depth whatever the file holds. */
static enum status take_keys(struct yaml_reader *reader, const char *prefix)
{
    for (;;) {
        yaml_event_t event;
        char name[2 * OPTION_NAME_LIMIT];
        TRY(next_event(reader, &event));
        size_t line = event.start_mark.line + 1;
        bool end = event.type == YAML_MAPPING_END_EVENT, scalar = event.type == YAML_SCALAR_EVENT;
        if (scalar)
            snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] ? "." : "",
                    (const char *)event.data.scalar.value);
        yaml_event_delete(&event);
        if (end)
            return STATUS_OK;
        if (!scalar)
            return refuse(reader, line, "expected a key, found a list or keys in its place");
        if (strcmp(name + (prefix[0] ? strlen(prefix) + 1 : 0), "<<") == 0)
            return refuse(reader, line, "expected plain keys and values, found a merge key (<<)");
        TRY(take_named(reader, name, line));
    }
}

/* STREAM-START [DOCUMENT-START (keys | nothing) DOCUMENT-END] STREAM-END */
static enum status take_stream(struct yaml_reader *reader)
{
    bool document = false;
    for (;;) {
        yaml_event_t event;
        char quoted[OPTION_NAME_LIMIT];
        enum status status = STATUS_OK;
        TRY(next_event(reader, &event));
        size_t line = event.start_mark.line + 1;
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && document)
            status = refuse(reader, line, "expected the end of the file, found a second document (---)");
        else if (type == YAML_MAPPING_START_EVENT)
            status = take_keys(reader, "");
        else if (type == YAML_SEQUENCE_START_EVENT)
            status = refuse(reader, line, "expected keys and values, found a list");
        else if (type == YAML_SCALAR_EVENT && scalar_text(&event))
            status = refuse(reader, line, "expected keys and values, found %s",
                    text_quoted((const char *)event.data.scalar.value, quoted));
        document = document || type == YAML_DOCUMENT_START_EVENT;
        yaml_event_delete(&event);
        TRY(status);
        if (type == YAML_STREAM_END_EVENT)
            return STATUS_OK;
    }
}

/* What is no text at all, told before the parser says it less clearly; a UTF-8 mark at the start is passed over. */
static enum status check_bytes(struct yaml_reader *reader)
{
    CHECK(reader->bytes <= YAML_BYTES_LIMIT, STATUS_CONFIG, "%s: expected at most %d bytes, found more",
            reader->path, YAML_BYTES_LIMIT);
    const unsigned char *text = (const unsigned char *)reader->text;
    if (reader->bytes >= 2 && ((text[0] == 0xFF && text[1] == 0xFE) || (text[0] == 0xFE && text[1] == 0xFF)))
        return refuse(reader, 1, "expected UTF-8 text, found UTF-16");
    const char *nul = reader->bytes ? memchr(reader->text, '\0', reader->bytes) : NULL;
    if (nul)
        return refuse(
                reader, line_of(reader, (size_t)(nul - reader->text)), "expected text, found a NUL byte");
    if (reader->bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        reader->text += 3;
        reader->bytes -= 3;
    }
    return STATUS_OK;
}

enum status options_parse_yaml(
        const struct schema *schema, void *settings, const char *text, size_t bytes, const char *where)
{
    struct yaml_reader reader = {
            .schema = schema, .settings = settings, .path = where, .text = text, .bytes = bytes};
    TRY(check_bytes(&reader));
    CHECK(yaml_parser_initialize(&reader.parser), STATUS_INTERNAL, "no memory to read %s", where);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)reader.text, reader.bytes);
    enum status status = take_stream(&reader);
    yaml_parser_delete(&reader.parser);
    memory_free(reader.seen);
    return status;
}

/* Up to one byte more than is allowed, so that too much is noticed. */
static enum status read_bytes(int file, const char *path, char *out, size_t *bytes)
{
    for (*bytes = 0; *bytes <= YAML_BYTES_LIMIT;) {
        ssize_t got = read(file, out + *bytes, YAML_BYTES_LIMIT + 1 - *bytes);
        if (fault_fires(FAULT_READ))
            got = -1;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return status_fail_errno("read", path);
        if (got == 0)
            break;
        *bytes += (size_t)got;
    }
    return STATUS_OK;
}

static enum status read_file(int file, const char *path, char **out, size_t *bytes)
{
    struct stat facts;
    if (fstat(file, &facts) != 0)
        return status_fail_errno("read", path);
    CHECK(!S_ISDIR(facts.st_mode), STATUS_CONFIG, "%s: expected a YAML file, found a folder", path);
    TRY(memory_new(out, "options", YAML_BYTES_LIMIT + 1, 1));
    return read_bytes(file, path, *out, bytes);
}

enum status options_read_yaml(const struct schema *schema, void *settings, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0 && fault_fires(FAULT_OPEN)) {
        close(file);
        file = -1;
    }
    if (file < 0)
        return status_fail_errno("open", path);
    enum status status = read_file(file, path, &text, &bytes);
    close(file);
    if (status == STATUS_OK)
        status = options_parse_yaml(schema, settings, text, bytes, path);
    memory_free(text);
    return status;
}
