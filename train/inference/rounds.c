#include "train/inference/rounds.h"

#include "comm/world.h"

static enum status open_ends(struct rounds *rounds)
{
    TRY(rounds->open(rounds->spread.context));
    return output_open(&rounds->output, rounds->output_path);
}

static enum status commit_ends(struct rounds *rounds)
{
    if (rounds->finish)
        TRY(rounds->finish(rounds->spread.context));
    return output_commit(&rounds->output);
}

static enum status run_one(struct rounds *rounds, bool *done)
{
    void *context = rounds->spread.context;
    bool first = world()->rank == 0;
    TRY(status_agree(first ? rounds->read(context) : STATUS_OK));
    for (int side = 0; side < SIDES && rounds->lists[side]; side++)
        TRY(sentence_list_broadcast(rounds->lists[side]));
    rounds->spread.items = rounds->lists[SOURCE]->count;
    *done = rounds->spread.items == 0;
    TRY(spread_run(&rounds->spread));
    return status_agree(first ? rounds->write(context) : STATUS_OK);
}

enum status rounds_run(struct rounds *rounds, const struct text_list *models)
{
    TRY(world_open(0));
    TRY(saved_ensemble_open(&rounds->saved, models, rounds->parameters, rounds->ensemble));
    bool first = world()->rank == 0, done = false;
    enum status status = status_agree(first ? open_ends(rounds) : STATUS_OK);
    while (status == STATUS_OK && !done) {
        status = run_one(rounds, &done);
        rounds->free(rounds->spread.context);
        rounds->before += (int64_t)rounds->spread.items;
    }
    if (status == STATUS_OK)
        status = status_agree(first ? commit_ends(rounds) : STATUS_OK);
    output_discard(&rounds->output);
    saved_ensemble_close(&rounds->saved);
    return status;
}

/* Batches that each rank gets in a round, and tokens that are enough. */
enum { ROUND_BATCHES = 4, ROUND_TOKENS = 1 << 23 };

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t round_windows(const struct spread *spread)
{
    size_t ranks = (size_t)world()->size;
    if (ranks == 1 || spread->window == 1) /* a window of one: who waits for its answer sends no more */
        return 1;
    return divide_up(ranks * ROUND_BATCHES, divide_up(spread->window, spread->batch));
}

/* Tokens, or words of frames, of the sentences from `first` on. */
static size_t tokens_from(const struct rounds *rounds, size_t first)
{
    size_t tokens = 0;
    for (int side = 0; side < SIDES && rounds->lists[side]; side++)
        if (first < rounds->lists[side]->count)
            tokens += (sentence_list_tokens(rounds->lists[side]) -
                              (size_t)rounds->lists[side]->offsets[first]) *
                      sentence_list_words(rounds->lists[side]);
    return tokens;
}

bool rounds_full(const struct rounds *rounds)
{
    size_t window = rounds->spread.window, count = rounds->lists[SOURCE]->count;
    size_t of_window = count % window;
    if (of_window > 0)
        return tokens_from(rounds, count - of_window) >= ROUND_TOKENS;
    return count / window >= round_windows(&rounds->spread) || tokens_from(rounds, 0) >= ROUND_TOKENS;
}
