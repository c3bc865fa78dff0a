#include "io/corpora.h"

#include "comm/memory.h"
#include "comm/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHT_TEXT = 32 };

struct part {
    char *path; /* of the list: without its weight */
    struct corpus *corpus;
    double weight;
    size_t first; /* pair number */
};

struct corpora {
    struct part *parts;
    size_t count, pairs;
    char *fingerprint;
};

/* ---- names and weights ---- */

/* The number that `text` is as a whole, or false. */
static bool is_number(const char *text, double *out)
{
    char *end;
    if (!*text || strspn(text, "0123456789.eE+-") != strlen(text))
        return false;
    *out = strtod(text, &end);
    return *end == '\0';
}

enum status corpora_parse(const char *text, char **path, double *weight)
{
    const char *colon = strrchr(text, ':');
    size_t bytes = strlen(text);
    *weight = 1;
    if (colon && is_number(colon + 1, weight))
        bytes = (size_t)(colon - text);
    CHECK(bytes > 0, STATUS_CONFIG, "data.train expects a name, found '%s'", text);
    CHECK(*weight > 0 && *weight <= CORPORA_WEIGHT_MOST, STATUS_CONFIG,
            "data.train %s: expected a weight above 0 and at most %d after the colon, found %s", text,
            CORPORA_WEIGHT_MOST, colon + 1);
    return memory_copy(path, "corpus", text, bytes);
}

static enum status parse_all(struct corpora *corpora, const char *const *texts)
{
    for (size_t i = 0; i < corpora->count; i++)
        TRY(corpora_parse(texts[i], &corpora->parts[i].path, &corpora->parts[i].weight));
    return STATUS_OK;
}

/* The shortest text that reads back as the same weight. */
static void format_weight(char out[WEIGHT_TEXT], double weight)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, WEIGHT_TEXT, "%.*g", digits, weight);
        if (strtod(out, NULL) == weight)
            return;
    }
}

static enum status join_fingerprints(struct corpora *corpora)
{
    const struct part *parts = corpora->parts;
    size_t room = corpora->count * (sizeof corpus_facts(parts[0].corpus)->fingerprint + WEIGHT_TEXT + 2);
    TRY(memory_new(&corpora->fingerprint, "corpus", room, 1));
    bool plain = corpora->count == 1 && parts[0].weight == 1;
    for (size_t i = 0, used = 0; i < corpora->count; i++) {
        char weight[WEIGHT_TEXT];
        format_weight(weight, parts[i].weight);
        used += (size_t)snprintf(corpora->fingerprint + used, room - used, "%s%s%s%s", i > 0 ? " " : "",
                corpus_facts(parts[i].corpus)->fingerprint, plain ? "" : ":", plain ? "" : weight);
    }
    return STATUS_OK;
}

/* ---- opening ---- */

/* Ids mean the same in all of them. */
static enum status check_vocabularies(const struct corpus *first, const struct corpus *other)
{
    for (enum side side = SOURCE; side < SIDES; side++) {
        size_t bytes, other_bytes;
        const void *model = corpus_vocabulary(first, side, &bytes);
        const void *other_model = corpus_vocabulary(other, side, &other_bytes);
        CHECK(bytes == other_bytes && memcmp(model, other_model, bytes) == 0 &&
                        corpus_facts(first)->joint == corpus_facts(other)->joint,
                STATUS_DATA, "data.train %s has another %s vocabulary than %s: prepare it with --vocab %s",
                corpus_path(other), side_names[side], corpus_path(first), corpus_path(first));
    }
    return STATUS_OK;
}

static enum status join(struct corpora *corpora)
{
    bool enough = false;
    for (size_t i = 0; i < corpora->count; i++) {
        struct part *part = &corpora->parts[i];
        size_t pairs = corpus_facts(part->corpus)->pairs;
        TRY(check_vocabularies(corpora->parts[0].corpus, part->corpus));
        part->first = corpora->pairs;
        CHECK(size_add(&corpora->pairs, corpora->pairs, pairs), STATUS_DATA,
                "data.train has more pairs than can be counted");
        enough = enough || part->weight * (double)pairs >= 1;
    }
    CHECK(enough, STATUS_CONFIG,
            "data.train %s: expected at least one pair in every epoch, found %zu pairs of weight %g",
            corpora->parts[0].path, corpora->pairs, corpora->parts[0].weight);
    return join_fingerprints(corpora);
}

static enum status open_all(struct corpora *corpora, const char *const *texts)
{
    TRY(status_agree(parse_all(corpora, texts)));
    for (size_t i = 0; i < corpora->count; i++)
        TRY(corpus_open(&corpora->parts[i].corpus, corpora->parts[i].path));
    return status_agree(join(corpora));
}

static enum status make(struct corpora **out, size_t count)
{
    CHECK(count > 0 && count <= CORPORA_MOST, STATUS_CONFIG,
            "data.train expects from 1 to %d corpora, found %zu", CORPORA_MOST, count);
    TRY(memory_new(out, "corpus", 1, sizeof **out));
    (*out)->count = count;
    enum status status = memory_new(&(*out)->parts, "corpus", count, sizeof *(*out)->parts);
    if (status != STATUS_OK) {
        memory_free(*out);
        *out = NULL;
    }
    return status;
}

enum status corpora_open(struct corpora **out, const char *const *texts, size_t count)
{
    struct corpora *corpora = NULL;
    enum status status = status_agree(make(&corpora, count));
    if (status == STATUS_OK)
        status = open_all(corpora, texts);
    if (status != STATUS_OK) {
        corpora_close(corpora);
        return status;
    }
    *out = corpora;
    return STATUS_OK;
}

void corpora_close(struct corpora *corpora)
{
    if (!corpora)
        return;
    for (size_t i = 0; i < corpora->count; i++) {
        corpus_close(corpora->parts[i].corpus);
        memory_free(corpora->parts[i].path);
    }
    memory_free(corpora->parts);
    memory_free(corpora->fingerprint);
    memory_free(corpora);
}

/* ---- what is in them ---- */

size_t corpora_count(const struct corpora *corpora)
{
    return corpora->count;
}

struct corpus *corpora_at(const struct corpora *corpora, size_t i)
{
    return corpora->parts[i].corpus;
}

double corpora_weight(const struct corpora *corpora, size_t i)
{
    return corpora->parts[i].weight;
}

size_t corpora_first(const struct corpora *corpora, size_t i)
{
    return i < corpora->count ? corpora->parts[i].first : corpora->pairs;
}

struct corpus *corpora_of(const struct corpora *corpora, size_t pair, size_t *pair_within)
{
    size_t first = 0, end = corpora->count;
    while (end - first > 1) {
        size_t middle = first + (end - first) / 2;
        if (corpora->parts[middle].first <= pair)
            first = middle;
        else
            end = middle;
    }
    *pair_within = pair - corpora->parts[first].first;
    return corpora->parts[first].corpus;
}

bool corpora_aligned(const struct corpora *corpora)
{
    for (size_t i = 0; i < corpora->count; i++)
        if (!corpus_facts(corpora->parts[i].corpus)->aligned)
            return false;
    return true;
}

double corpora_epoch_tokens(const struct corpora *corpora)
{
    double tokens = 0;
    for (size_t i = 0; i < corpora->count; i++) {
        const struct corpus_facts *facts = corpus_facts(corpora->parts[i].corpus);
        tokens += corpora->parts[i].weight * (double)(facts->tokens[SOURCE] + facts->tokens[TARGET]);
    }
    return tokens;
}

const char *corpora_fingerprint(const struct corpora *corpora)
{
    return corpora->fingerprint;
}
