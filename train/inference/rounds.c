#include "train/inference/rounds.h"

#include "comm/world.h"

static enum status open_ends(struct rounds *rounds)
{
    TRY(rounds->open(rounds->spread.context));
    return output_open(&rounds->output, rounds->output_path);
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
        status = status_agree(first ? output_commit(&rounds->output) : STATUS_OK);
    output_discard(&rounds->output);
    saved_ensemble_close(&rounds->saved);
    return status;
}

enum status rounds_fail_counts(struct text *shorter, struct text *longer)
{
    const char *line = "";
    size_t bytes;
    while (line)
        TRY(text_next_good(longer, &line, &bytes));
    return status_fail(STATUS_DATA, "%s has %lld lines, but %s has %lld lines", text_path(shorter),
            (long long)text_line_number(shorter), text_path(longer), (long long)text_line_number(longer));
}
