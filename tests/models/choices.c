#include "tests/models/choices.h"

#include "comm/random.h"

#include <stdio.h>
#include <string.h>

/*
 * Row by row, the one of many drawn at random that has most pairs of values not seen before (as in Cohen et al. 1997),
 * among those that a model can be made of.
 */
enum { VALUES = 128, FACTORS = 32, CANDIDATES = 200, NAME = 512, NONE = -1 };

struct value {
    const struct option *option; /* NULL: the kind of source */
    const char *text;
};

struct walk {
    int strength;
    struct value values[VALUES];
    size_t first[FACTORS + 1], factors; /* values of factor f: first[f] .. first[f + 1] */
    bool seen[VALUES][VALUES];
    uint64_t draws;
};

/* A value of each factor; NONE: what it needs is not chosen. */
struct row {
    int values[FACTORS];
};

/* ---- what there is to choose from ---- */

/* With what they need beside: so many stages that several cells of an image are left, which may be all its encoder. */
static const struct {
    const char *name, *changes[5];
} sources[] = {
        {"text", {NULL}},
        {"frames", {NULL}},
        {"images", {"model.image_stages", "1", NULL}},
        {"images, no encoder layers", {"model.image_stages", "1", "model.encoder_layers", "0", NULL}},
};

static void add(struct walk *walk, const struct option *option, const char *text)
{
    size_t *end = &walk->first[walk->factors + 1];
    ASSERT(*end < VALUES);
    walk->values[(*end)++] = (struct value){option, text};
}

static void begin_factor(struct walk *walk)
{
    ASSERT(walk->factors < FACTORS);
    walk->first[walk->factors + 1] = walk->first[walk->factors];
}

static void add_option(struct walk *walk, const struct option *option)
{
    if (option->type != OPTION_CHOICE && option->type != OPTION_BOOL)
        return;
    begin_factor(walk);
    for (size_t i = 0; option->type == OPTION_CHOICE && i < kind_count(option->kinds); i++)
        add(walk, option, kind_at(option->kinds, i)->name);
    for (size_t i = 0; option->type == OPTION_BOOL && i < 2; i++)
        add(walk, option, i ? "true" : "false");
    walk->factors++;
}

static void list_values(struct walk *walk)
{
    begin_factor(walk);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        add(walk, NULL, sources[i].name);
    walk->factors++;
    for (size_t i = 0; i < model_group.count; i++)
        add_option(walk, &model_group.options[i]);
}

/* ---- rows ---- */

/* Whether a|b|c holds the word. */
static bool is_among(const char *word, const char *choices)
{
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strcspn(at, "|") == strlen(word) && strncmp(at, word, strlen(word)) == 0)
            return true;
    return false;
}

/* Whether what the value's option needs is chosen in the row. */
static bool counts(const struct walk *walk, const struct row *row, const struct value *value)
{
    const char *needs = value->option ? value->option->needs : NULL;
    for (size_t f = 0; needs && f < walk->factors; f++) {
        if (row->values[f] == NONE || !walk->values[row->values[f]].option)
            continue;
        const struct value *other = &walk->values[row->values[f]];
        size_t length = strlen(other->option->name);
        if (strncmp(needs, other->option->name, length) == 0 && (needs[length] == '=' || !needs[length]))
            return is_among(other->text, needs[length] ? needs + length + 1 : "true");
    }
    return !needs;
}

static struct row draw(struct walk *walk)
{
    struct random_stream stream = random_stream(11, RANDOM_TEST, 0, 0, 0);
    struct row row;
    for (size_t f = 0; f < walk->factors; f++)
        row.values[f] = (int)(walk->first[f] +
                              random_below(&stream, walk->draws++, walk->first[f + 1] - walk->first[f]));
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t f = 0; f < walk->factors; f++)
            if (row.values[f] != NONE && !counts(walk, &row, &walk->values[row.values[f]])) {
                row.values[f] = NONE;
                changed = true;
            }
    }
    return row;
}

/* The pairs that were not seen yet, of a value with itself, too, or of strength 1 only those; `take`: now they are. */
static size_t new_pairs(struct walk *walk, const struct row *row, bool take)
{
    size_t count = 0;
    for (size_t f = 0; f < walk->factors; f++)
        for (size_t g = f; g < (walk->strength > 1 ? walk->factors : f + 1); g++) {
            if (row->values[f] == NONE || row->values[g] == NONE)
                continue;
            bool *seen = &walk->seen[row->values[f]][row->values[g]];
            count += !*seen;
            *seen = *seen || take;
        }
    return count;
}

/* ---- as a variant ---- */

/* Its name goes to `name`. */
static struct variant variant_of(const struct walk *walk, const struct row *row, char name[NAME])
{
    const size_t source = (size_t)row->values[0];
    struct variant out = {.what = name, .joint = source == 0};
    size_t words = 0, used = (size_t)snprintf(name, NAME, "%s", sources[source].name);
    for (; sources[source].changes[words]; words++)
        out.changes[words] = sources[source].changes[words];
    for (size_t f = 1; f < walk->factors; f++) {
        if (row->values[f] == NONE)
            continue;
        const struct value *value = &walk->values[row->values[f]];
        ASSERT(words + 2 < VARIANT_WORDS && used < NAME);
        used += (size_t)snprintf(
                name + used, NAME - used, ", %s %s", strchr(value->option->name, '.') + 1, value->text);
        out.changes[words++] = value->option->name;
        out.changes[words++] = value->text;
    }
    return out;
}

static bool opens(const struct variant *variant)
{
    struct model *model;
    struct model_options options = variant_options(variant);
    const size_t rows[SIDES] = {TINY_ROWS, TINY_ROWS};
    if (model_open(&model, &options, rows, variant->joint) != STATUS_OK)
        return false;
    model_close(model);
    return true;
}

/* Whether a row with pairs that are new was found. */
static bool find_row(struct walk *walk, struct row *out)
{
    size_t most = 0;
    for (size_t i = 0; i < CANDIDATES; i++) {
        struct row row = draw(walk);
        size_t pairs = new_pairs(walk, &row, false);
        char name[NAME];
        struct variant variant = variant_of(walk, &row, name);
        if (pairs <= most || !opens(&variant))
            continue;
        most = pairs;
        *out = row;
    }
    return most > 0;
}

size_t choices_draw(struct variant out[CHOICES_MOST], int strength)
{
    static struct walk walk;
    static char names[CHOICES_MOST][NAME];
    struct row row;
    size_t count = 0;
    walk = (struct walk){.strength = strength};
    list_values(&walk);
    for (; find_row(&walk, &row); count++) {
        ASSERT(count < CHOICES_MOST);
        out[count] = variant_of(&walk, &row, names[count]);
        new_pairs(&walk, &row, true);
    }
    return count;
}

static bool has(const struct variant *variant, const struct value *value)
{
    for (size_t i = 0; variant->changes[i]; i += 2)
        if (strcmp(variant->changes[i], value->option->name) == 0 &&
                strcmp(variant->changes[i + 1], value->text) == 0)
            return true;
    return false;
}

const char *choices_missing(const struct variant *variants, size_t count)
{
    static struct walk walk;
    static char name[128];
    walk = (struct walk){0};
    list_values(&walk);
    for (size_t v = walk.first[1]; v < walk.first[walk.factors]; v++) {
        size_t i = 0;
        while (i < count && !has(&variants[i], &walk.values[v]))
            i++;
        if (i < count)
            continue;
        snprintf(name, sizeof name, "%s %s", walk.values[v].option->name, walk.values[v].text);
        return name;
    }
    return NULL;
}
