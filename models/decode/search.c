#include "models/decode/search.h"

#include <math.h>
#include <string.h>

struct search {
    const struct ensemble *ensemble;
    const struct decode_options *options;
    struct beam *beams;
    struct arena *arena; /* the first model's; as long as the batch */
    void **states;       /* [models] */
    float **logits;      /* [models], each [rows, classes] */
    struct path *paths;  /* [rows]; those of a sentence side by side */
    int32_t *ids;        /* [rows] tokens chosen last */
    size_t count;        /* rows */
    size_t classes;
    struct next next;
};

/* ---- what the models say ---- */

/* Zeros for the attention of each row; *out is NULL where it is not asked for. */
static enum status attention_rows(const struct search *search, float ***out)
{
    *out = NULL;
    if (!search->options->alignment && !search->options->attention)
        return STATUS_OK;
    float **attention = arena_take(search->arena, search->count, sizeof *attention);
    for (size_t r = 0; attention && r < search->count; r++) {
        const struct beam *beam = &search->beams[search->paths[r].sentence];
        attention[r] = arena_take_zeroed(
                search->arena, beam->planes.layers * beam->planes.heads * beam->columns, sizeof **attention);
    }
    *out = attention;
    return arena_status(search->arena);
}

static enum status step_model(struct search *search, size_t m, float *const *attention)
{
    struct model *model = search->ensemble->models[m];
    const double *weights = search->ensemble->weights;
    struct step_attention sum = {attention,
            (float)(weights ? weights[m] : 1 / (double)search->ensemble->count), search->options->attention};
    arena_clear(model->step);
    struct tape *tape =
            tape_start(model->step, &model->parameters, &(struct tape_options){.packing = &model->packing});
    if (!tape)
        return arena_status(model->step);
    for (size_t r = 0; r < search->count; r++)
        search->ids[r] = search->paths[r].last ? search->paths[r].last->token : model_start_id(model);
    struct prediction prediction;
    TRY(model->architecture->decode_step(
            search->states[m], tape, search->ids, attention ? &sum : NULL, &prediction));
    struct tensor *logits = tape_tensor(tape, search->count, prediction.classes);
    if (!logits)
        return tape_status(tape);
    prediction_logits(tape, &prediction, logits->value);
    TRY(tape_status(tape));
    search->logits[m] = logits->value;
    search->classes = prediction.classes;
    return STATUS_OK;
}

/* ---- what is chosen ---- */

/* Room for choices and weights, on the first model's step arena: until its next step. */
static enum status make_rows(struct search *search, float *const *attention, struct row **out)
{
    struct arena *arena = search->ensemble->models[0]->step;
    size_t classes = search->classes, width = decode_width(search->options);
    size_t most = search->options->sample ? width : 2 * width < classes ? 2 * width : classes;
    struct row *rows = arena_take_zeroed(arena, search->count, sizeof *rows);
    struct choice *choices = arena_take(arena, search->count * most, sizeof *choices);
    float *weights =
            search->options->sample ? arena_take(arena, search->count * classes, sizeof *weights) : NULL;
    TRY(arena_status(arena));
    for (size_t r = 0; r < search->count; r++)
        rows[r] = (struct row){.logits = search->logits[0] + r * classes,
                .classes = classes,
                .attention = attention ? attention[r] : NULL,
                .weights = weights ? weights + r * classes : NULL,
                .choices = choices + r * most};
    *out = rows;
    return STATUS_OK;
}

static void choose(const struct search *search, size_t r, struct row *row)
{
    const struct decode_options *options = search->options;
    const struct ensemble *ensemble = search->ensemble;
    const struct path *path = &search->paths[r];
    const struct beam *beam = &search->beams[path->sentence];
    row->log_sum = vote(search->logits, r, row->classes, ensemble->weights, ensemble->count);
    if (path_length(path) < beam->prefix_count) {
        row_force(row, path, beam->prefix[path_length(path)]);
        return;
    }
    if (options->no_repeat_ngram > 0)
        row_block_repeats(row, path->last, (size_t)options->no_repeat_ngram);
    if (options->sample)
        row_sample(row, options, path, beam->number);
    else
        row_choose_best(row, 2 * decode_width(options));
}

static enum status check_finite(const struct search *search, const struct row *rows)
{
    for (size_t r = 0; r < search->count; r++)
        CHECK(isfinite(rows[r].log_sum), STATUS_INTERNAL,
                "expected logits that are numbers, found NaN or infinity at token %zu of the translation of "
                "sentence %lld",
                path_length(&search->paths[r]) + 1,
                (long long)search->beams[search->paths[r].sentence].number);
    return STATUS_OK;
}

static enum status step(struct search *search, struct row **out)
{
    float **attention;
    TRY(attention_rows(search, &attention));
    for (size_t m = 0; m < search->ensemble->count; m++)
        TRY(step_model(search, m, attention));
    struct row *rows;
    TRY(make_rows(search, attention, &rows));
#pragma omp parallel for schedule(static, 1)
    for (size_t r = 0; r < search->count; r++)
        choose(search, r, &rows[r]);
    *out = rows;
    return check_finite(search, rows);
}

/* ---- which rows go on ---- */

static enum status keep(const struct search *search, size_t count)
{
    bool same = count == search->count;
    for (size_t r = 0; same && r < count; r++)
        same = search->next.parents[r] == (int32_t)r;
    for (size_t m = 0; m < search->ensemble->count && !same && count > 0; m++)
        TRY(search->ensemble->models[m]->architecture->decode_keep(
                search->states[m], search->next.parents, count));
    return STATUS_OK;
}

static enum status advance(struct search *search, const struct row *rows)
{
    struct next *next = &search->next;
    next->rows = 0;
    for (size_t first = 0, end; first < search->count; first = end) {
        size_t sentence = search->paths[first].sentence;
        for (end = first + 1; end < search->count && search->paths[end].sentence == sentence;)
            end++;
        TRY(beam_advance(
                &search->beams[sentence], search->options, search->paths, rows, first, end - first, next));
    }
    TRY(keep(search, next->rows));
    struct path *before = search->paths;
    search->paths = next->paths;
    next->paths = before;
    search->count = next->rows;
    return STATUS_OK;
}

/* ---- a batch ---- */

/* The arenas are cleared by the start of each model; only then the first one's holds the search. */
static enum status start(struct search *search, const struct sentences *source)
{
    const struct ensemble *ensemble = search->ensemble;
    void *first;
    TRY(ensemble->models[0]->architecture->decode_start(ensemble->models[0], source, &first));
    struct arena *arena = search->arena = ensemble->models[0]->decode;
    size_t width = decode_width(search->options), most = source->count * width;
    search->states = arena_take_zeroed(arena, ensemble->count, sizeof *search->states);
    search->logits = arena_take_zeroed(arena, ensemble->count, sizeof *search->logits);
    search->paths = arena_take_zeroed(arena, most, sizeof *search->paths);
    search->ids = arena_take(arena, most, sizeof *search->ids);
    search->next = (struct next){.arena = arena,
            .paths = arena_take_zeroed(arena, most, sizeof *search->paths),
            .parents = arena_take(arena, most, sizeof *search->next.parents)};
    struct finished *finished = arena_take_zeroed(arena, most, sizeof *finished);
    TRY(arena_status(arena));
    for (size_t s = 0; s < source->count; s++) {
        search->beams[s].finished = finished + s * width;
        search->paths[s] = (struct path){.sentence = s, .samples = search->options->sample ? width : 1};
    }
    search->count = source->count;
    search->states[0] = first;
    for (size_t m = 1; m < ensemble->count; m++)
        TRY(ensemble->models[m]->architecture->decode_start(ensemble->models[m], source, &search->states[m]));
    return STATUS_OK;
}

enum status search_batch(const struct ensemble *ensemble, const struct decode_options *options,
        const struct sentences *source, struct beam *beams)
{
    struct search search = {.ensemble = ensemble, .options = options, .beams = beams};
    TRY(start(&search, source));
    while (search.count > 0) {
        struct row *rows;
        TRY(step(&search, &rows));
        TRY(advance(&search, rows));
    }
    return STATUS_OK;
}
