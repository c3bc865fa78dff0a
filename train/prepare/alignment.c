#include "train/prepare/alignment.h"

#include "comm/memory.h"
#include "io/text.h"

#include <stdlib.h>

/* Word numbers have at most so many digits: a line has no more words than bytes. */
enum { DIGITS = 7, TOLD = 40 };

struct aligner {
    struct text *text;
    struct corpus_point *links, *points; /* of words, of tokens */
    size_t link_count, link_room, point_count, point_room;
};

enum status aligner_open(struct aligner **out, const char *path)
{
    struct aligner *aligner = NULL;
    TRY(memory_new(&aligner, "alignment", 1, sizeof *aligner));
    enum status status = text_open(&aligner->text, path);
    if (status != STATUS_OK) {
        memory_free(aligner);
        return status;
    }
    *out = aligner;
    return STATUS_OK;
}

void aligner_close(struct aligner *aligner)
{
    if (!aligner)
        return;
    text_close(aligner->text);
    memory_free(aligner->links);
    memory_free(aligner->points);
    memory_free(aligner);
}

enum status aligner_next(struct aligner *aligner, int64_t pair, const char **line, size_t *bytes)
{
    TRY(text_next_good(aligner->text, line, bytes));
    CHECK(*line, STATUS_DATA,
            "%s: expected a line for each sentence pair, found %lld lines for %lld pairs and more",
            text_path(aligner->text), (long long)pair - 1, (long long)pair);
    return STATUS_OK;
}

enum status aligner_end(struct aligner *aligner)
{
    const char *line;
    size_t bytes;
    int64_t pairs = text_line_number(aligner->text);
    TRY(text_next_good(aligner->text, &line, &bytes));
    CHECK(!line, STATUS_DATA, "%s: expected a line for each of %lld sentence pairs, found more",
            text_path(aligner->text), (long long)pairs);
    return STATUS_OK;
}

/* ---- links of words ---- */

/* By target, then by source. */
static int compare(const void *left, const void *right)
{
    const struct corpus_point *a = left, *b = right;
    if (a->target != b->target)
        return a->target < b->target ? -1 : 1;
    return (a->source > b->source) - (a->source < b->source);
}

/* Sorts and leaves out doubles. Returns how many are left. */
static size_t sort_points(struct corpus_point *points, size_t count)
{
    size_t kept = 0;
    if (count > 1)
        qsort(points, count, sizeof *points, compare);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || compare(&points[kept - 1], &points[i]) != 0)
            points[kept++] = points[i];
    return kept;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A word number at *at; false if there is none. */
static bool read_number(const char **at, const char *end, int32_t *out)
{
    const char *start = *at;
    for (*out = 0; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        if (*at - start == DIGITS)
            return false;
        *out = 10 * *out + (**at - '0');
    }
    return *at > start;
}

/* "i-j", all of [at, end). */
static bool read_link(const char *at, const char *end, struct corpus_point *out)
{
    return read_number(&at, end, &out->source) && at < end && *at++ == '-' &&
           read_number(&at, end, &out->target) && at == end;
}

static enum status check_link(const struct aligner *aligner, int64_t pair, const struct corpus_point *link,
        const struct token_words sides[SIDES])
{
    const int32_t found[SIDES] = {link->source, link->target};
    for (int side = 0; side < SIDES; side++)
        CHECK((size_t)found[side] < sides[side].words, STATUS_DATA,
                "%s:%lld: expected %s words below %zu, as many as the line of text has, found %d in %d-%d",
                text_path(aligner->text), (long long)pair, side_names[side], sides[side].words, found[side],
                link->source, link->target);
    return STATUS_OK;
}

static enum status read_links(struct aligner *aligner, int64_t pair, const char *line, size_t bytes,
        const struct token_words sides[SIDES])
{
    const char *at = line, *last = line + bytes, *end;
    struct corpus_point link;
    aligner->link_count = 0;
    for (; at < last; at = end) {
        for (end = at; end < last && !is_blank(*end);)
            end++;
        if (end == at) {
            end++;
            continue;
        }
        CHECK(read_link(at, end, &link), STATUS_DATA,
                "%s:%lld: expected a source word and a target word as 0-0, found '%.*s'",
                text_path(aligner->text), (long long)pair, end - at < TOLD ? (int)(end - at) : TOLD, at);
        TRY(check_link(aligner, pair, &link, sides));
        TRY(memory_grow(&aligner->links, "alignment", &aligner->link_room, aligner->link_count + 1,
                sizeof *aligner->links));
        aligner->links[aligner->link_count++] = link;
    }
    aligner->link_count = sort_points(aligner->links, aligner->link_count);
    return STATUS_OK;
}

/* ---- points of tokens ---- */

/* The first token of a word or of one after it; words of tokens never fall. */
static size_t first_token(const struct token_words *side, int32_t word)
{
    size_t first = 0, end = side->tokens;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (side->of[middle].last < word)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

static bool is_of(const struct token_words *side, size_t token, int32_t word)
{
    return token < side->tokens && side->of[token].first <= word;
}

static enum status add_points(
        struct aligner *aligner, const struct corpus_point *link, const struct token_words sides[SIDES])
{
    const struct token_words *source = &sides[SOURCE], *target = &sides[TARGET];
    const size_t first = first_token(source, link->source);
    for (size_t t = first_token(target, link->target); is_of(target, t, link->target); t++)
        for (size_t s = first; is_of(source, s, link->source); s++) {
            TRY(memory_grow(&aligner->points, "alignment", &aligner->point_room, aligner->point_count + 1,
                    sizeof *aligner->points));
            aligner->points[aligner->point_count++] = (struct corpus_point){(int32_t)s, (int32_t)t};
        }
    return STATUS_OK;
}

enum status aligner_points(struct aligner *aligner, int64_t pair, const char *line, size_t bytes,
        const struct token_words sides[SIDES], const struct corpus_point **points, size_t *count)
{
    TRY(read_links(aligner, pair, line, bytes, sides));
    aligner->point_count = 0;
    for (size_t i = 0; i < aligner->link_count; i++)
        TRY(add_points(aligner, &aligner->links[i], sides));
    *points = aligner->points;
    *count = sort_points(aligner->points, aligner->point_count);
    return STATUS_OK;
}
