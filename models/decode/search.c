/*
 * Search: sentences of a group, longest first, are decoded a batch at a time. Each row of a batch is one unfinished
 * hypothesis; a step extends every row by a token, then rows that ended leave and the others close up.
 *
 * Greedy search has one row a sentence and takes the best token.
 */
#include "models/architecture.h"
#include "models/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Source tokens decoded at once, per sentence of decode.batch: bounds memory when sentences are long. */
enum { TOKENS_PER_SENTENCE = 64 };

static const struct option rows[] = {
        {"max-length-ratio", OPTION_REAL, offsetof(struct decode_options, max_length_ratio), .value = "2",
                .minimum = 0, .maximum = 1000, .help = "most target tokens for each source token"},
        {"max-length-extra", OPTION_INTEGER, offsetof(struct decode_options, max_length_extra), .value = "20",
                .minimum = 0, .maximum = 1000000, .help = "target tokens allowed on top of that"},
        {"batch", OPTION_INTEGER, offsetof(struct decode_options, batch), .value = "64", .minimum = 1,
                .maximum = 65536, .help = "sentences decoded at once"},
};
const struct option_group decode_group_options = OPTION_GROUP("search", "how translations are found", rows);

/* An unfinished hypothesis; its tokens are in the result of its sentence. */
struct path {
    size_t sentence; /* of the batch */
    double score;
    int32_t token; /* chosen last */
};

struct search {
    struct model *model;
    void *state;            /* the architecture's */
    struct path *paths;     /* [rows] */
    int32_t *ids, *parents; /* [rows] */
    size_t rows;
    const size_t *limits;    /* [sentences] most tokens */
    struct hypothesis **out; /* [sentences] */
};

/* ---- choosing ---- */

CLONES static float row_maximum(const float *x, size_t count)
{
    float maximum = x[0];
#pragma omp simd reduction(max : maximum)
    for (size_t i = 0; i < count; i++)
        maximum = x[i] > maximum ? x[i] : maximum;
    return maximum;
}

CLONES static float row_sum_exp(const float *x, float maximum, size_t count)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < count; i++)
        sum += vector_exp(x[i] - maximum);
    return sum;
}

/* The first best class and its log probability. */
static void choose_best(struct path *path, const float *logits, size_t classes)
{
    float maximum = row_maximum(logits, classes);
    size_t best = 0;
    while (best + 1 < classes && !(logits[best] == maximum))
        best++;
    path->token = (int32_t)best;
    path->score -= log((double)row_sum_exp(logits, maximum, classes));
}

static enum status step(struct search *search)
{
    struct model *model = search->model;
    arena_clear(model->step);
    struct tape *tape = tape_start(model->step, &model->parameters, &(struct tape_options){0});
    if (!tape)
        return arena_status(model->step);
    for (size_t r = 0; r < search->rows; r++)
        search->ids[r] = search->paths[r].token;
    struct prediction prediction;
    TRY(model->architecture->decode_step(search->state, tape, search->ids, &prediction));
    size_t classes = prediction.classes;
    struct tensor *logits = tape_tensor(tape, search->rows, classes);
    if (!logits)
        return tape_status(tape);
    prediction_logits(&prediction, logits->value);
#pragma omp parallel for schedule(static, 1)
    for (size_t r = 0; r < search->rows; r++)
        choose_best(&search->paths[r], logits->value + r * classes, classes);
    return STATUS_OK;
}

/* ---- bookkeeping ---- */

static enum status hypothesis_add(struct hypothesis *hypothesis, int32_t id)
{
    enum { FIRST = 16 };
    size_t count = hypothesis->count;
    bool full = count == 0 || (count >= FIRST && (count & (count - 1)) == 0); /* at 16, 32, 64 ... */
    if (full)
        TRY(memory_resize(
                &hypothesis->ids, "hypothesis", count ? 2 * count : FIRST, sizeof *hypothesis->ids));
    hypothesis->ids[hypothesis->count++] = id;
    return STATUS_OK;
}

/* Takes the chosen tokens over; rows that ended leave. */
static enum status advance(struct search *search)
{
    size_t kept = 0;
    for (size_t r = 0; r < search->rows; r++) {
        struct path path = search->paths[r];
        struct hypothesis *hypothesis = search->out[path.sentence];
        hypothesis->score = hypothesis->log_probability = path.score;
        if (path.token == TOKEN_END)
            continue;
        TRY(hypothesis_add(hypothesis, path.token));
        if (hypothesis->count >= search->limits[path.sentence])
            continue;
        search->parents[kept] = (int32_t)r;
        search->paths[kept++] = path;
    }
    bool fewer = kept < search->rows;
    search->rows = kept;
    return fewer && kept > 0 ? search->model->architecture->decode_keep(search->state, search->parents, kept)
                             : STATUS_OK;
}

static enum status search_batch(
        struct model *model, const struct sentences *source, const size_t *limits, struct hypothesis **out)
{
    struct search search = {.model = model, .rows = source->count, .limits = limits, .out = out};
    TRY(model->architecture->decode_start(model, source, &search.state));
    search.paths = arena_take_zeroed(model->decode, search.rows, sizeof *search.paths);
    search.ids = arena_take(model->decode, search.rows, sizeof *search.ids);
    search.parents = arena_take(model->decode, search.rows, sizeof *search.parents);
    TRY(arena_status(model->decode));
    for (size_t r = 0; r < search.rows; r++)
        search.paths[r] = (struct path){.sentence = r, .token = model_start_id(model)};
    while (search.rows > 0) {
        TRY(step(&search));
        TRY(advance(&search));
    }
    return STATUS_OK;
}

/* ---- a group ---- */

struct place {
    int32_t length;
    uint32_t sentence;
};

static int longer_first(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->length != y->length)
        return x->length > y->length ? -1 : 1;
    return x->sentence < y->sentence ? -1 : x->sentence > y->sentence;
}

/* What a batch is made from; one block, freed by its owner. */
struct group {
    struct model *model;
    const struct decode_options *options;
    const int32_t *ids, *offsets;
    struct place *order;      /* [sentences] longest first */
    int32_t *batch_ids;       /* packed source of a batch */
    int32_t *batch_offsets;   /* [batch + 1] */
    size_t *limits;           /* [batch] */
    struct hypothesis **into; /* [batch] */
};

static void group_release(struct group *group)
{
    memory_free(group->order);
    memory_free(group->batch_ids);
    memory_free(group->batch_offsets);
    memory_free(group->limits);
    memory_free(group->into);
}

static enum status group_init(struct group *group, size_t count)
{
    size_t batch = (size_t)group->options->batch;
    TRY(memory_new(&group->order, "search", count, sizeof *group->order));
    TRY(memory_new(&group->batch_ids, "search", (size_t)group->offsets[count], sizeof *group->batch_ids));
    TRY(memory_new(&group->batch_offsets, "search", batch + 1, sizeof *group->batch_offsets));
    TRY(memory_new(&group->limits, "search", batch, sizeof *group->limits));
    TRY(memory_new(&group->into, "search", batch, sizeof *group->into));
    for (size_t s = 0; s < count; s++)
        group->order[s] = (struct place){group->offsets[s + 1] - group->offsets[s], (uint32_t)s};
    qsort(group->order, count, sizeof *group->order, longer_first);
    return STATUS_OK;
}

/* Sentences from order[first] on that are decoded together: the first is the longest. */
static size_t batch_size(const struct group *group, size_t first, size_t count)
{
    size_t most = (size_t)group->options->batch, longest = (size_t)group->order[first].length;
    size_t fitting = longest > 0 ? most * TOKENS_PER_SENTENCE / longest : most;
    size_t size = fitting < most ? fitting : most;
    size = size > 0 ? size : 1;
    return size < count - first ? size : count - first;
}

static size_t length_limit(const struct group *group, size_t source_tokens)
{
    double limit = group->options->max_length_ratio * (double)source_tokens +
                   (double)group->options->max_length_extra;
    size_t longest = model_longest(group->model);
    size_t tokens = limit < 1 ? 1 : (size_t)limit;
    return tokens < longest ? tokens : longest;
}

static enum status decode_some(struct group *group, size_t first, size_t size, struct translation *out)
{
    int32_t tokens = 0;
    for (size_t b = 0; b < size; b++) {
        struct place place = group->order[first + b];
        memcpy(group->batch_ids + tokens, group->ids + group->offsets[place.sentence],
                (size_t)place.length * sizeof *group->ids);
        group->batch_offsets[b] = tokens;
        tokens += place.length;
        group->limits[b] = length_limit(group, (size_t)place.length);
        group->into[b] = out[place.sentence].items;
    }
    group->batch_offsets[size] = tokens;
    struct sentences source = sentences_make(group->batch_ids, group->batch_offsets, size);
    return search_batch(group->model, &source, group->limits, group->into);
}

void translations_release(struct translation *translations, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        for (size_t h = 0; h < translations[s].count; h++)
            memory_free(translations[s].items[h].ids);
        memory_free(translations[s].items);
        translations[s] = (struct translation){0};
    }
}

enum status decode_group(const struct ensemble *ensemble, const struct decode_options *options,
        const struct decode_task *task, struct translation *out)
{
    memset(out, 0, task->count * sizeof *out);
    if (task->count == 0)
        return STATUS_OK;
    ASSERT(ensemble->count == 1 && !task->prefix_ids);
    struct group group = {
            .model = ensemble->models[0], .options = options, .ids = task->ids, .offsets = task->offsets};
    enum status status = group_init(&group, task->count);
    for (size_t s = 0; status == STATUS_OK && s < task->count; s++) {
        status = memory_new(&out[s].items, "hypothesis", 1, sizeof *out[s].items);
        out[s].count = status == STATUS_OK;
    }
    for (size_t first = 0; status == STATUS_OK && first < task->count;) {
        size_t size = batch_size(&group, first, task->count);
        status = decode_some(&group, first, size, out);
        first += size;
    }
    group_release(&group);
    if (status != STATUS_OK)
        translations_release(out, task->count);
    return status;
}
