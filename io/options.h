/*
 * The option table: every setting is one row, with dotted name, type, default, bounds or choices, help, and the field
 * it lands in. The table drives the YAML file, the command line, --help, validation, the record in each checkpoint, and
 * the difference shown when a resume changes something.
 *
 * The part that owns a group of settings owns its rows and the struct they land in:
 *
 *     struct clip_options { double norm; };
 *     static const struct option rows[] = {
 *         {"train.clip_norm", OPTION_REAL, offsetof(struct clip_options, norm), .value = "1.0",
 *          .minimum = 0, .maximum = 1e9, .change = CHANGE_NOTED, .shapes_result = true, .help = "..."}};
 *     const struct option_group clip_group = OPTION_GROUP("train", "training", rows);
 *
 * and train/config.c places each group in the whole: a schema = rows of {group, offset of its struct}. Commands describe
 * their own switches (--input) the same way; those names have no dot.
 */
#ifndef IO_OPTIONS_H
#define IO_OPTIONS_H

#include "comm/kind.h"
#include "comm/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A period: `500u` updates, `2e` epochs, `10m` minutes, `2h` hours, `30s` seconds; 0: never, where the
 * row has a word for it. */
struct period {
    double value;
    char unit; /* u, e, s, m, h */
};

struct text_list {
    char **items;
    size_t count;
};

enum option_type {
    OPTION_BOOL,    /* bool: true, false (yes, no, on, off) */
    OPTION_INTEGER, /* int64_t */
    OPTION_REAL,    /* double */
    OPTION_TEXT,    /* char *, NULL when not given and the default is NULL */
    OPTION_LIST,    /* struct text_list: a YAML sequence, or several words after --key; see `commas` */
    OPTION_CHOICE,  /* const struct kind * into `kinds` (a pointer to the row) */
    OPTION_PERIOD   /* struct period, in one of `units` */
};

/* What a change on resume means. */
enum option_change {
    CHANGE_FREE,   /* goes on, nothing said */
    CHANGE_NOTED,  /* goes on; the difference is logged and stored */
    CHANGE_REFUSED /* STATUS_CONFIG with both values */
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset;                  /* of the field in the owner's struct */
    const char *value;              /* default, written as a user would; NULL: required, or for TEXT and LIST:
                          not given */
    double minimum, maximum;        /* INTEGER, REAL, PERIOD value: inclusive bounds; both 0: unbounded */
    const struct kind_table *kinds; /* CHOICE */
    const char *units;              /* PERIOD: allowed units, e.g. "ue" */
    const char *zero; /* INTEGER, REAL, PERIOD: a word for 0 ("auto", "never"), whatever the bounds */
    bool commas;      /* LIST: commas, too, stand between items */
    enum option_change change;
    /* Counts only where another option is given and not off ("data.valid"), or a choice is one of these
     * ("model.kind=gpt|bert"), and what that needs is met; NULL: always. */
    const char *needs;
    bool shapes_result;      /* stored in checkpoints; others (paths, log, comm) are not */
    bool required;           /* TEXT, LIST, CHOICE: must be given */
    const char *placeholder; /* in help: FILE, N, NAME; NULL: from the type */
    const char *help;        /* one line; a second sentence after a newline is shown by `help CMD` only */
};

struct option_group {
    const char *name; /* "model" */
    const char *help;
    const struct option *options;
    size_t count;
};

#define OPTION_GROUP(name, help, rows)                                                                       \
    {                                                                                                        \
        name, help, rows, sizeof(rows) / sizeof(rows)[0]                                                     \
    }

/* A group and where its struct lies in the whole settings struct. */
struct option_place {
    const struct option_group *group;
    size_t offset;
};

struct schema {
    const struct option_place *places;
    size_t count;
};

/* Fills `settings` with the defaults. Texts and lists are allocated: options_release() frees them.
 */
enum status options_defaults(const struct schema *schema, void *settings);
void options_release(const struct schema *schema, void *settings);

/* Sets one option from text; a LIST becomes that one item. `where` says where the text stands
 * ("train.yaml:12"); NULL: the command line. Unknown name: STATUS_CONFIG naming the nearest known;
 * wrong type or bounds: what was expected and what was found. */
enum status options_set(
        const struct schema *schema, void *settings, const char *name, const char *text, const char *where);

/* Reads nested YAML keys (a strict subset: no anchors, aliases, tags, directives, merge or duplicate
 * keys; one document of at most 1 MiB; no deeper than the names of the table). null, ~ or nothing: a
 * TEXT or LIST not given. Messages carry file and line. options_parse_yaml() is the same for a text in
 * memory, `where` naming it. */
enum status options_read_yaml(const struct schema *schema, void *settings, const char *path);
enum status options_parse_yaml(
        const struct schema *schema, void *settings, const char *text, size_t bytes, const char *where);

/* Reads `--name value`, `--name=value`, `--name` / `--no-name` (BOOL; true or false may follow) and,
 * for LIST, all words up to the next switch. Of two switches of one name the last counts; a LIST
 * given here replaces what it held, and grows when given again. `-`, numbers such as -1, and all
 * after `--` are words, not switches. Several schemas with their settings are searched in turn; words
 * that belong to no switch are added to `words` (NULL: refused). A malformed line or an unknown
 * undotted switch is STATUS_USAGE; a refused value or an unknown dotted key STATUS_CONFIG. */
struct option_target {
    const struct schema *schema;
    void *settings;
};
enum status options_read_arguments(
        const struct option_target *targets, size_t count, int argc, char **argv, struct text_list *words);

/* Whether such a line holds --name or --no-name, whatever its value: a default given is given, too. */
bool options_given(int argc, char **argv, const char *name);

void text_list_release(struct text_list *list);
enum status text_list_add(struct text_list *list, const char *text);

/* Every required option is given: else STATUS_USAGE (undotted) or STATUS_CONFIG naming it. */
enum status options_check_required(const struct schema *schema, const void *settings);

/* No option that differs from its default is without what it needs (nothing set may be ignored): else STATUS_USAGE
 * (undotted) or STATUS_CONFIG naming both. What is switched off (false, a period of 0, a number that is off) needs
 * nothing. For settings that are complete. */
enum status options_check_needs(const struct schema *schema, const void *settings);

/* The settings as YAML (allocated, label "options"): all, or only those that shape the result.
 * Equal settings give equal bytes, and reading them back gives equal settings. */
enum status options_write_yaml(
        char **out, const struct schema *schema, const void *settings, bool shaping_only);

/* Compares settings `now` with a stored YAML record, in what shapes the result (older records may lack
 * newer keys: those count as their default). Calls `visit` for every option whose value differs; stops
 * at the first status that is not OK. */
typedef enum status options_difference(
        void *context, const struct option *option, const char *then, const char *now);
enum status options_compare(const struct schema *schema, const void *now, const char *record, size_t bytes,
        options_difference *visit, void *context);

/* Calls `visit` for every option of the table in turn, with its value as text ("": not given); stops at the first status
 * that is not OK. */
typedef enum status options_visitor(
        void *context, const struct option *option, const char *value, bool is_default);
enum status options_visit(
        const struct schema *schema, const void *settings, options_visitor *visit, void *context);

/* Help: one block a group, each option with its default, bounds or choices. */
void options_print_help(FILE *out, const struct schema *schema);

/* The names of kinds and what they are, a line each, `indent` columns in. */
void options_print_kinds(FILE *out, const struct kind_table *kinds, size_t indent);

/* For other forms of help. N, FILE ...: what stands for the value; and " (default 8; from 1 to 4096)", what stands
 * after the first line of its help, or "". */
const char *option_placeholder(const struct option *option);
enum { OPTION_LIMITS_BYTES = 512 };
void option_limits(const struct option *option, char out[OPTION_LIMITS_BYTES]);

/* Checks the table itself: duplicate names, defaults that do not parse or break their bounds,
 * missing help, choices without kinds, needs that are no options or choices, result-shaping periods with clock units.
 * STATUS_INTERNAL naming the row. For tests. */
enum status options_check_schema(const struct schema *schema);

/* The known name nearest to `name` by edit distance, or NULL if none is near. */
const char *options_nearest(const char *name, const char *(*known)(const void *context, size_t i),
        const void *context, size_t count);

#endif
