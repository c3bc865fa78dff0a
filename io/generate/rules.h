/*
 * Inside the built-in corpora: a generator draws a value, decides by its hash whether it is for training, validation
 * or test, and says it in two languages. generate.c writes the files.
 *
 * To add a generator: write its `say` in a file of its own, or a rule for sequences.c, and add a row to the table in
 * generate.c.
 */
#ifndef IO_GENERATE_RULES_H
#define IO_GENERATE_RULES_H

#include "comm/kind.h"
#include "comm/random.h"
#include "io/corpus.h"

enum split { SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST, SPLITS };

enum { PHRASE_BYTES = 256 };

struct phrase {
    char text[PHRASE_BYTES];
    size_t bytes;
};

/* A line to be made: numbers come from `draws` alone. */
struct line {
    uint64_t seed;
    struct random_stream draws;
    enum split split;
    size_t number;      /* in its split, from 0 */
    const char *folder; /* where the corpus is written */
};

struct generator {
    struct kind kind;
    const char *suffixes[SIDES]; /* of the files: "en", "de" */
    /* One sentence whose value belongs to the line's split. */
    enum status (*say)(const struct generator *generator, const struct line *line, struct phrase out[SIDES]);
    const void *rule; /* what `say` goes by */
    const char *
            pictures; /* sub-folder of the pictures that `say` writes, the source being their paths; NULL: none */
};

/* Adds words to a phrase; a phrase too long is our bug. */
void phrase_add(struct phrase *phrase, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "train", "valid", "test". */
extern const char *const split_names[SPLITS];

/* Where a value is used: one of 20 is for test, one for validation. A function of its arguments alone. */
enum split generate_split(uint64_t seed, uint32_t group, uint64_t value);

/* ---- numbers, dates, times and amounts: English to German (numbers.c) ---- */

enum status numbers_say(const struct generator *generator, const struct line *line, struct phrase out[SIDES]);

enum value_kind { VALUE_NUMBER, VALUE_DATE, VALUE_TIME, VALUE_AMOUNT, VALUE_KINDS };

/* parts: number {n} · date {year, month, day} · time {hour 1-12, minute, part of day 0-2} · amount {euros, cents} */
struct value {
    enum value_kind kind;
    int parts[3];
};

/* The grammatical form of a German date: dritter Mai · der dritte Mai · am dritten Mai. Others have one form. */
enum form { FORM_BARE, FORM_ARTICLE, FORM_DATIVE };

void value_say(const struct value *value, enum side language, enum form form, struct phrase *out);

/* ---- pictures of two shapes, and what is in them (shapes.c) ---- */

enum { SHAPES_SIDE = 32, SHAPES_GROUP = 100 /* apart from kinds of values */ };

enum status shapes_say(const struct generator *generator, const struct line *line, struct phrase out[SIDES]);

/* ---- words of numbers (words.c), 0..9999; "and" as in British use ---- */

void words_english(struct phrase *out, int number);
void words_english_ordinal(struct phrase *out, int number);               /* 1..31 */
void words_english_year(struct phrase *out, int year);                    /* 1100..1999 */
void words_german(struct phrase *out, int number);                        /* counting: eins, einhunderteins */
void words_german_before_noun(struct phrase *out, int number);            /* ein Euro, einhundertein Euro */
void words_german_ordinal(struct phrase *out, int number, const char *e); /* 1..31; e: the ending, "er" */
void words_german_year(struct phrase *out, int year);                     /* 1100..1999 */

/* ---- sequences of letters (sequences.c) ---- */

/* By a struct sequence_rule. */
enum status sequence_say(
        const struct generator *generator, const struct line *line, struct phrase out[SIDES]);

extern const struct sequence_rule strand_rule, gene_rule, copy_rule, reverse_rule, sort_rule;

#endif
