/*
 * What the files of the option engine share; nobody else includes it.
 *
 *     value.c      one value: text -> field -> text, by type
 *     options.c    the table: find, set, defaults
 *     nearest.c    the known name nearest to a misspelt one
 *     yaml.c       YAML -> settings; write.c: settings -> YAML
 *     arguments.c  command line -> settings
 *     needs.c      options that count only together with another
 *     compare.c    settings against a stored record or the defaults; help.c: help; check.c: the table itself
 */
#ifndef IO_OPTIONS_INTERNAL_H
#define IO_OPTIONS_INTERNAL_H

#include "io/options.h"

enum { OPTION_NAME_LIMIT = 64, OPTION_TEXT_LIMIT = 256 };

/* An option and where its field lies in the whole settings struct. */
struct option_at {
    const struct option *option; /* NULL: none */
    size_t offset;
};

/* Options of all places of a schema, in order; NULL has none. */
size_t options_count(const struct schema *schema);
struct option_at options_at(const struct schema *schema, size_t i);
struct option_at options_find(const struct schema *schema, const char *name);

/* Whether some option's name begins with `name` and a dot. */
bool options_is_group(const struct schema *schema, const char *name);

static inline void *option_field(void *settings, struct option_at at)
{
    return (char *)settings + at.offset;
}

static inline const void *option_field_const(const void *settings, struct option_at at)
{
    return (const char *)settings + at.offset;
}

/* ---- one value (value.c) ---- */

/* A field large enough for a value of any type. */
union any_value {
    bool truth;
    int64_t integer;
    double real;
    char *text;
    struct text_list list;
    const struct kind *kind;
    struct period period;
};

/* Sets the field from text. LIST: adds an item. `where` NULL: the command line. STATUS_CONFIG with what was expected
 * and found. */
enum status value_set(const struct option *option, void *field, const char *text, const char *where);

/* TEXT becomes NULL, LIST empty; other types have nothing to release. */
void value_clear(const struct option *option, void *field);

bool value_can_be_absent(const struct option *option);
bool value_is_absent(const struct option *option, const void *field);
bool value_equal(const struct option *option, const void *a, const void *b);

/* Absent, false, or a period of 0: asks for nothing. */
bool value_is_off(const struct option *option, const void *field);
enum status value_is_default(const struct option *option, const void *field, bool *out);
size_t value_size(const struct option *option);

/* What the option expects, as a phrase: "a whole number from 1 to 64 or auto". */
void value_expected(const struct option *option, char *out, size_t bytes);

/* The value as text; LIST: words separated by blanks; absent: "". */
void value_format(const struct option *option, const void *field, char *out, size_t bytes);

/* STATUS_CONFIG "WHERE: NAME expects ..., found FOUND". */
enum status value_refuse(const struct option *option, const char *where, const char *found);

/* `text` in quotes, without control characters, cut to fit a message. Returns out. */
const char *text_quoted(const char *text, char out[OPTION_NAME_LIMIT]);

/* ---- needs (needs.c) ---- */

/* How messages write a name: a setting has a dot and none, a switch of a command "--". */
const char *option_dashes(const char *name);

/* "model.kind gpt or bert" for "model.kind=gpt|bert"; "--sample" for "sample". */
void need_words(const char *need, char *out, size_t bytes);

/* The needs of an option, of what it needs and so on are options and choices, and end. STATUS_INTERNAL. */
enum status need_check(const struct schema *schema, const struct option *option);

/* ---- names (nearest.c) ---- */

/* "unknown setting NAME; did you mean ...?"; `where` NULL: the command line, with status `code`. */
enum status options_unknown(const struct option_target *targets, size_t count, const char *name,
        const char *where, enum status code);

#endif
