#include "io/options/internal.h"

#include "comm/memory.h"
#include "io/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Largest count of updates, epochs or seconds: exact in a double, safe in an int64_t. */
static const double period_limit = 1e15;

/* A type of option: how its field is read from text, written, compared. parse() returns STATUS_CONFIG without a
 * message when the text does not fit; value_set() makes the message. */
struct value_type {
    const char *placeholder;
    size_t size;
    enum status (*parse)(const struct option *option, void *field, const char *text);
    void (*format)(const struct option *option, const void *field, char *out, size_t bytes);
    bool (*equal)(const void *a, const void *b);
    void (*expected)(const struct option *option, char *out, size_t bytes);
};

static bool bounded(const struct option *option)
{
    return option->minimum != 0 || option->maximum != 0;
}

static bool in_bounds(const struct option *option, double value)
{
    if (value == 0 && (option->zero || option->type == OPTION_PERIOD))
        return option->zero;
    return !bounded(option) || (value >= option->minimum && value <= option->maximum);
}

static bool is_zero_word(const struct option *option, const char *text)
{
    return option->zero && strcmp(text, option->zero) == 0;
}

/* "a whole number" + " from 1 to 64" + " or auto" */
static void expected_number(const struct option *option, const char *what, char *out, size_t bytes)
{
    char bounds[64] = "", zero[64] = "";
    if (bounded(option))
        snprintf(bounds, sizeof bounds, " from %.15g to %.15g", option->minimum, option->maximum);
    if (option->zero)
        snprintf(zero, sizeof zero, " or %s", option->zero);
    snprintf(out, bytes, "%s%s%s", what, bounds, zero);
}

/* ---- bool ---- */

static enum status bool_parse(const struct option *option, void *field, const char *text)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    (void)option;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i]) == 0) {
            *(bool *)field = i % 2 == 1;
            return STATUS_OK;
        }
    return STATUS_CONFIG;
}

static void bool_format(const struct option *option, const void *field, char *out, size_t bytes)
{
    (void)option;
    snprintf(out, bytes, "%s", *(const bool *)field ? "true" : "false");
}

static bool bool_equal(const void *a, const void *b)
{
    return *(const bool *)a == *(const bool *)b;
}

static void bool_expected(const struct option *option, char *out, size_t bytes)
{
    (void)option;
    snprintf(out, bytes, "true or false");
}

/* ---- integer ---- */

static enum status integer_parse(const struct option *option, void *field, const char *text)
{
    if (is_zero_word(option, text)) {
        *(int64_t *)field = 0;
        return STATUS_OK;
    }
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || isspace((unsigned char)text[0]) || !in_bounds(option, (double)value))
        return STATUS_CONFIG;
    *(int64_t *)field = value;
    return STATUS_OK;
}

static void integer_format(const struct option *option, const void *field, char *out, size_t bytes)
{
    int64_t value = *(const int64_t *)field;
    if (value == 0 && option->zero)
        snprintf(out, bytes, "%s", option->zero);
    else
        snprintf(out, bytes, "%lld", (long long)value);
}

static bool integer_equal(const void *a, const void *b)
{
    return *(const int64_t *)a == *(const int64_t *)b;
}

static void integer_expected(const struct option *option, char *out, size_t bytes)
{
    expected_number(option, "a whole number", out, bytes);
}

/* ---- real ---- */

/* A finite decimal number at the start of `text`; NULL if there is none. Words and hexadecimal are no numbers here. */
static const char *scan_real(const char *text, double *out)
{
    if (!isdigit((unsigned char)text[0]) && !strchr("+-.", text[0]))
        return NULL;
    if (strpbrk(text, "xXnN"))
        return NULL;
    char *end;
    *out = strtod(text, &end);
    return end == text || !isfinite(*out) ? NULL : end;
}

/* The shortest text that reads back as the same number. */
static void print_real(double value, char *out, size_t bytes)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, bytes, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            return;
    }
}

static enum status real_parse(const struct option *option, void *field, const char *text)
{
    double value = 0;
    if (!is_zero_word(option, text)) {
        const char *end = text[0] ? scan_real(text, &value) : NULL;
        if (!end || *end || !in_bounds(option, value))
            return STATUS_CONFIG;
    }
    *(double *)field = value + 0.0; /* -0 becomes 0: equal settings, equal bytes */
    return STATUS_OK;
}

static void real_format(const struct option *option, const void *field, char *out, size_t bytes)
{
    double value = *(const double *)field;
    if (value == 0 && option->zero)
        snprintf(out, bytes, "%s", option->zero);
    else
        print_real(value, out, bytes);
}

static bool real_equal(const void *a, const void *b)
{
    return *(const double *)a == *(const double *)b;
}

static void real_expected(const struct option *option, char *out, size_t bytes)
{
    expected_number(option, "a number", out, bytes);
}

/* ---- text and list ---- */

static enum status text_parse(const struct option *option, void *field, const char *text)
{
    (void)option;
    if (text_valid_utf8(text, strlen(text)) != strlen(text))
        return STATUS_CONFIG;
    char *copy;
    TRY(memory_text(&copy, "options", text));
    memory_free(*(char **)field);
    *(char **)field = copy;
    return STATUS_OK;
}

static void text_format(const struct option *option, const void *field, char *out, size_t bytes)
{
    const char *text = *(char *const *)field;
    (void)option;
    snprintf(out, bytes, "%s", text ? text : "");
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool text_equal(const void *a, const void *b)
{
    return same_text(*(char *const *)a, *(char *const *)b);
}

static void text_expected(const struct option *option, char *out, size_t bytes)
{
    (void)option;
    snprintf(out, bytes, "UTF-8 text");
}

/* The items of "bleu,chrf". */
static enum status add_between_commas(struct text_list *list, const char *text)
{
    char *item;
    for (;; text++) {
        size_t length = strcspn(text, ",");
        TRY(memory_new(&item, "settings", length + 1, 1));
        memcpy(item, text, length);
        enum status status = text_list_add(list, item);
        memory_free(item);
        text += length;
        if (status != STATUS_OK || !*text)
            return status;
    }
}

static enum status list_parse(const struct option *option, void *field, const char *text)
{
    if (text_valid_utf8(text, strlen(text)) != strlen(text))
        return STATUS_CONFIG;
    return option->commas ? add_between_commas(field, text) : text_list_add(field, text);
}

static void list_format(const struct option *option, const void *field, char *out, size_t bytes)
{
    const struct text_list *list = field;
    (void)option;
    out[0] = '\0';
    for (size_t i = 0, used = 0; i < list->count && used < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%s", i ? " " : "", list->items[i]);
}

static bool list_equal(const void *a, const void *b)
{
    const struct text_list *x = a, *y = b;
    if (x->count != y->count)
        return false;
    for (size_t i = 0; i < x->count; i++)
        if (strcmp(x->items[i], y->items[i]) != 0)
            return false;
    return true;
}

/* ---- choice ---- */

static enum status choice_parse(const struct option *option, void *field, const char *text)
{
    const struct kind *kind = kind_find(option->kinds, text);
    if (!kind)
        return STATUS_CONFIG;
    *(const struct kind **)field = kind;
    return STATUS_OK;
}

static void choice_format(const struct option *option, const void *field, char *out, size_t bytes)
{
    const struct kind *kind = *(const struct kind *const *)field;
    (void)option;
    snprintf(out, bytes, "%s", kind ? kind->name : "");
}

static bool choice_equal(const void *a, const void *b)
{
    return *(const struct kind *const *)a == *(const struct kind *const *)b;
}

static void choice_expected(const struct option *option, char *out, size_t bytes)
{
    if (kind_count(option->kinds) > 0)
        kind_list(option->kinds, NULL, out, bytes);
    else
        snprintf(out, bytes, "nothing: no choice is built in");
}

/* ---- period ---- */

static enum status period_parse(const struct option *option, void *field, const char *text)
{
    struct period period = {0, option->units[0]};
    if (!is_zero_word(option, text)) {
        const char *end = text[0] ? scan_real(text, &period.value) : NULL;
        if (!end || period.value < 0 || period.value > period_limit || !in_bounds(option, period.value))
            return STATUS_CONFIG;
        bool bare_zero = period.value == 0 && !*end;
        if (!bare_zero && (!*end || !strchr(option->units, *end) || end[1]))
            return STATUS_CONFIG;
        if (period.value != 0)
            period.unit = *end;
        bool counted = period.unit == 'u' || period.unit == 'e';
        if (counted && period.value != floor(period.value))
            return STATUS_CONFIG;
    }
    *(struct period *)field = period;
    return STATUS_OK;
}

static void period_format(const struct option *option, const void *field, char *out, size_t bytes)
{
    const struct period *period = field;
    char number[32];
    if (period->value == 0 && option->zero) {
        snprintf(out, bytes, "%s", option->zero);
        return;
    }
    print_real(period->value, number, sizeof number);
    snprintf(out, bytes, "%s%c", number, period->unit);
}

static bool period_equal(const void *a, const void *b)
{
    const struct period *x = a, *y = b;
    return x->value == y->value && (x->unit == y->unit || x->value == 0);
}

static const char *unit_text(char unit)
{
    switch (unit) {
    case 'u':
        return "500u (updates)";
    case 'e':
        return "2e (epochs)";
    case 's':
        return "30s (seconds)";
    case 'm':
        return "10m (minutes)";
    default:
        return "2h (hours)";
    }
}

static void period_expected(const struct option *option, char *out, size_t bytes)
{
    char what[128] = "a period such as";
    size_t used = strlen(what);
    for (size_t i = 0; option->units[i] && used < sizeof what; i++)
        used += (size_t)snprintf(
                what + used, sizeof what - used, "%s %s", i ? "," : "", unit_text(option->units[i]));
    expected_number(option, what, out, bytes);
}

/* ---- all types ---- */

static const struct value_type types[] = {
        [OPTION_BOOL] = {"BOOL", sizeof(bool), bool_parse, bool_format, bool_equal, bool_expected},
        [OPTION_INTEGER] = {"N", sizeof(int64_t), integer_parse, integer_format, integer_equal,
                integer_expected},
        [OPTION_REAL] = {"X", sizeof(double), real_parse, real_format, real_equal, real_expected},
        [OPTION_TEXT] = {"TEXT", sizeof(char *), text_parse, text_format, text_equal, text_expected},
        [OPTION_LIST] = {"TEXT", sizeof(struct text_list), list_parse, list_format, list_equal,
                text_expected},
        [OPTION_CHOICE] = {"NAME", sizeof(const struct kind *), choice_parse, choice_format, choice_equal,
                choice_expected},
        [OPTION_PERIOD] = {"PERIOD", sizeof(struct period), period_parse, period_format, period_equal,
                period_expected},
};

const char *text_quoted(const char *text, char out[OPTION_NAME_LIMIT])
{
    size_t used = 0, room = OPTION_NAME_LIMIT - 5; /* quotes, ..., 0 */
    out[used++] = '\'';
    while (*text && used < room) {
        unsigned char c = (unsigned char)*text++;
        out[used++] = c < 0x20 || c == 0x7F ? '?' : (char)c;
    }
    if (*text) {
        while (used > 1 && ((unsigned char)out[used - 1] & 0x80)) /* no half character */
            used--;
        snprintf(out + used, OPTION_NAME_LIMIT - used, "...'");
    } else
        snprintf(out + used, OPTION_NAME_LIMIT - used, "'");
    return out;
}

static const char *choice_name(const void *context, size_t i)
{
    return kind_at(context, i)->name;
}

enum status value_refuse(const struct option *option, const char *where, const char *found)
{
    char expected[OPTION_TEXT_LIMIT * 2];
    value_expected(option, expected, sizeof expected);
    return status_fail(STATUS_CONFIG, "%s%s%s expects %s, found %s", where ? where : "", where ? ": " : "--",
            option->name, expected, found);
}

enum status value_set(const struct option *option, void *field, const char *text, const char *where)
{
    enum status status = types[option->type].parse(option, field, text);
    if (status != STATUS_CONFIG)
        return status;
    char quoted[OPTION_NAME_LIMIT], found[OPTION_TEXT_LIMIT];
    const char *near = NULL;
    text_quoted(text, quoted);
    if (option->type == OPTION_CHOICE)
        near = options_nearest(text, choice_name, option->kinds, kind_count(option->kinds));
    snprintf(found, sizeof found, near ? "%s; did you mean %s?" : "%s", quoted, near);
    return value_refuse(option, where, found);
}

void value_clear(const struct option *option, void *field)
{
    if (option->type == OPTION_TEXT) {
        memory_free(*(char **)field);
        *(char **)field = NULL;
    } else if (option->type == OPTION_LIST)
        text_list_release(field);
}

bool value_can_be_absent(const struct option *option)
{
    return option->type == OPTION_TEXT || option->type == OPTION_LIST;
}

bool value_is_absent(const struct option *option, const void *field)
{
    switch (option->type) {
    case OPTION_TEXT:
        return !*(char *const *)field;
    case OPTION_LIST:
        return ((const struct text_list *)field)->count == 0;
    case OPTION_CHOICE:
        return !*(const struct kind *const *)field;
    default:
        return false;
    }
}

bool value_equal(const struct option *option, const void *a, const void *b)
{
    return types[option->type].equal(a, b);
}

bool value_is_off(const struct option *option, const void *field)
{
    if (option->type == OPTION_BOOL)
        return !*(const bool *)field;
    if (option->type == OPTION_PERIOD)
        return ((const struct period *)field)->value == 0;
    if (option->zero && strcmp(option->zero, "off") == 0)
        return option->type == OPTION_REAL ? *(const double *)field == 0 : *(const int64_t *)field == 0;
    return value_is_absent(option, field);
}

enum status value_is_default(const struct option *option, const void *field, bool *out)
{
    *out = false;
    if (!option->value) {
        *out = value_is_absent(option, field);
        return STATUS_OK;
    }
    union any_value value;
    memset(&value, 0, sizeof value);
    enum status status = value_set(option, &value, option->value, "default");
    if (status == STATUS_OK)
        *out = value_equal(option, field, &value);
    value_clear(option, &value);
    return status;
}

size_t value_size(const struct option *option)
{
    return types[option->type].size;
}

void value_expected(const struct option *option, char *out, size_t bytes)
{
    types[option->type].expected(option, out, bytes);
}

const char *option_placeholder(const struct option *option)
{
    return option->placeholder ? option->placeholder : types[option->type].placeholder;
}

void value_format(const struct option *option, const void *field, char *out, size_t bytes)
{
    types[option->type].format(option, field, out, bytes);
}
