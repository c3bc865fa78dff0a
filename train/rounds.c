#include "train/rounds.h"

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

enum status rounds_run(struct rounds *rounds, const char *model)
{
    TRY(world_open(0));
    TRY(saved_model_open(&rounds->model, model, rounds->parameters));
    bool first = world()->rank == 0, done = false;
    enum status status = status_agree(first ? open_ends(rounds) : STATUS_OK);
    while (status == STATUS_OK && !done) {
        status = run_one(rounds, &done);
        rounds->free(rounds->spread.context);
    }
    if (status == STATUS_OK)
        status = status_agree(first ? output_commit(&rounds->output) : STATUS_OK);
    output_discard(&rounds->output);
    saved_model_close(&rounds->model);
    return status;
}
