/*
 * Sequences of letters and what a rule makes of them: DNA for vocabularies of characters, and the plain exercises that
 * tell whether a model can look back: copy, reverse, sort.
 *
 * A sequence is held out by the hash of its letters, so that none is in two of training, validation and test.
 */
#include "io/generate/rules.h"

#include <stdlib.h>
#include <string.h>

struct sequence {
    char letters[PHRASE_BYTES];
    size_t count;
};

struct draws {
    const struct random_stream *stream;
    uint64_t index;
};

struct sequence_rule {
    uint32_t group; /* of the hash: each rule holds out for itself; VALUE_KINDS and more */
    void (*draw)(struct draws *draws, struct sequence *out);
    void (*answer)(const struct sequence *question, struct sequence *out);
    const char *between; /* the letters */
};

static size_t draw(struct draws *draws, size_t below)
{
    return (size_t)random_below(draws->stream, draws->index++, below);
}

static void add_letters(struct sequence *sequence, const char *letters)
{
    size_t count = strlen(letters);
    ASSERT(sequence->count + count < PHRASE_BYTES);
    memcpy(sequence->letters + sequence->count, letters, count + 1);
    sequence->count += count;
}

static void add_random(struct sequence *sequence, struct draws *draws, const char *alphabet, size_t count)
{
    size_t letters = strlen(alphabet);
    for (size_t i = 0; i < count; i++)
        add_letters(sequence, (char[]){alphabet[draw(draws, letters)], '\0'});
}

/* FNV-1a. */
static uint64_t hash_of(const struct sequence *sequence)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sequence->count; i++)
        hash = (hash ^ (unsigned char)sequence->letters[i]) * 0x100000001b3u;
    return hash;
}

/* ---- reverse complement: the other strand, read in its own direction ---- */

enum { STRAND_LEAST = 16, STRAND_MOST = 48 };

static const char bases[] = "ACGT";

static void draw_strand(struct draws *draws, struct sequence *out)
{
    add_random(out, draws, bases, STRAND_LEAST + draw(draws, STRAND_MOST - STRAND_LEAST + 1));
}

static void reverse(const struct sequence *sequence, struct sequence *out)
{
    for (size_t i = sequence->count; i > 0; i--)
        add_letters(out, (char[]){sequence->letters[i - 1], '\0'});
}

static void reverse_complement(const struct sequence *strand, struct sequence *out)
{
    static const char partners[] = "TGCA";
    reverse(strand, out);
    for (size_t i = 0; i < out->count; i++)
        out->letters[i] = partners[strchr(bases, out->letters[i]) - bases];
}

/* ---- splicing: introns run from a donor site to the next acceptor site and are cut out ---- */

enum { INTRONS_MOST = 3, EXON_LEAST = 6, EXON_MOST = 16, INTRON_INSIDE_MOST = 12 };

static const char donor[] = "GTAAG", acceptor[] = "TCAG";

/* As add_random(), but without `site` in what is new together with what is before it. */
static void add_without(struct sequence *sequence, struct draws *draws, const char *site, size_t count)
{
    size_t before = sequence->count, from = before < strlen(site) ? 0 : before - strlen(site) + 1;
    do {
        sequence->count = before;
        sequence->letters[before] = '\0';
        add_random(sequence, draws, bases, count);
    } while (strstr(sequence->letters + from, site));
}

static void draw_gene(struct draws *draws, struct sequence *out)
{
    size_t introns = draw(draws, INTRONS_MOST + 1);
    for (size_t i = 0; i <= introns; i++) {
        if (i > 0) {
            add_letters(out, donor);
            add_without(out, draws, acceptor, draw(draws, INTRON_INSIDE_MOST + 1));
            add_letters(out, acceptor);
        }
        add_without(out, draws, donor, EXON_LEAST + draw(draws, EXON_MOST - EXON_LEAST + 1));
    }
}

static void splice(const struct sequence *gene, struct sequence *out)
{
    const char *at = gene->letters;
    for (const char *intron = strstr(at, donor); intron; intron = strstr(at, donor)) {
        char exon[PHRASE_BYTES] = {0};
        memcpy(exon, at, (size_t)(intron - at));
        add_letters(out, exon);
        at = strstr(intron + strlen(donor), acceptor) + strlen(acceptor);
    }
    add_letters(out, at);
}

/* ---- exercises ---- */

enum { EXERCISE_LEAST = 16, EXERCISE_MOST = 64 };

static void draw_exercise(struct draws *draws, struct sequence *out)
{
    add_random(out, draws, "abcdefghijklmnopqrstuvwxyz",
            EXERCISE_LEAST + draw(draws, EXERCISE_MOST - EXERCISE_LEAST + 1));
}

static void copy(const struct sequence *sequence, struct sequence *out)
{
    add_letters(out, sequence->letters);
}

static int compare_letters(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b;
}

static void sort(const struct sequence *sequence, struct sequence *out)
{
    copy(sequence, out);
    qsort(out->letters, out->count, 1, compare_letters);
}

/* ---- rules ---- */

const struct sequence_rule strand_rule = {16, draw_strand, reverse_complement, ""},
                           gene_rule = {17, draw_gene, splice, ""},
                           copy_rule = {18, draw_exercise, copy, " "},
                           reverse_rule = {19, draw_exercise, reverse, " "},
                           sort_rule = {20, draw_exercise, sort, " "};

static void put(const struct sequence *sequence, const char *between, struct phrase *out)
{
    out->bytes = 0;
    for (size_t i = 0; i < sequence->count; i++)
        phrase_add(out, "%s%c", i > 0 ? between : "", sequence->letters[i]);
}

enum status sequence_say(const struct generator *generator, const struct line *line, struct phrase out[SIDES])
{
    const struct sequence_rule *rule = generator->rule;
    struct draws draws = {&line->draws, 0};
    struct sequence question, answer = {.count = 0};
    do {
        question = (struct sequence){.count = 0};
        rule->draw(&draws, &question);
    } while (generate_split(line->seed, rule->group, hash_of(&question)) != line->split);
    rule->answer(&question, &answer);
    put(&question, rule->between, &out[SOURCE]);
    put(&answer, rule->between, &out[TARGET]);
    return STATUS_OK;
}
