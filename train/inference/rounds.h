/*
 * A command that puts text through saved models: rounds of sentences, so that memory is bounded and answers come early.
 *
 *     round:  rank 0 reads sentences into lists --> all ranks have them --> spread_run() --> rank 0 writes
 */
#ifndef TRAIN_ROUNDS_H
#define TRAIN_ROUNDS_H

#include "train/inference/output.h"
#include "train/inference/saved_ensemble.h"
#include "train/inference/spread.h"

struct rounds {
    /* Given. Each function gets spread.context; all but `free` are rank 0's. */
    enum status (*open)(void *context);  /* what is read */
    enum status (*read)(void *context);  /* the next sentences into the lists; none: the end */
    enum status (*write)(void *context); /* what they became, to `output` */
    enum status (*finish)(
            void *context);      /* after the last round, before `output` has its name; NULL: nothing */
    void (*free)(void *context); /* what belongs to the round, on every rank, however it ended */
    struct sentence_list *lists[SIDES]; /* of the round; TARGET may be NULL */
    const char *output_path;
    const struct kind *parameters;           /* which weights of the models (weights.h) */
    const struct ensemble_options *ensemble; /* NULL: all models alike */
    struct spread spread;                    /* how a round is worked on; `items` is set for each */
    /* For those functions. */
    struct saved_ensemble saved;
    struct output output; /* rank 0 */
    int64_t before;       /* sentences of the rounds before this one */
};

/* Opens the world and `models` (see saved_ensemble_open()), and runs all rounds. A failure leaves no output file.
 * Collective. */
enum status rounds_run(struct rounds *rounds, const struct text_list *models);

/* Whether `lists` hold enough for a round: windows that keep the ranks busy, as few of them as do so that answers come
 * early (one of a single sentence: answered line by line), or so many tokens that memory counts. Only the tokens of a window end it, so that windows are the same on any
 * number of ranks. */
bool rounds_full(const struct rounds *rounds);

#endif
