/*
 * A trainer: all that a training run holds open, and its state.
 *
 *     TRY(trainer_open(&trainer, &config));      lock, corpora, model, exchange; state from a checkpoint or fresh
 *     TRY(loop_run(&trainer));                   updates (loop.h)
 *     trainer_close(&trainer);
 */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "comm/exchange.h"
#include "io/checkpoint.h"
#include "io/reader.h"
#include "io/run.h"
#include "train/config.h"
#include "train/period.h"
#include "train/training/ema.h"
#include "train/training/history.h"

/* What a resume needs beside parameters and moments: the /state fields of a checkpoint. No clock, host or rank. */
struct run_state {
    int64_t update;                    /* done */
    int64_t epoch;                     /* completed */
    int64_t position;                  /* updates done in the epoch under way */
    int64_t tokens;                    /* source and target, trained on */
    int64_t validated;                 /* update of the last validation, 0: none yet */
    int64_t best_update;               /* 0: none yet */
    double best;                       /* validate.metric there; both follow from the history */
    int64_t epoch_tokens;              /* source and target as they are stored, in the epoch under way */
    int64_t moments_from;              /* updates done when the optimiser's moments were zero */
    int64_t cuts;                      /* schedule.kind plateau: of the rate */
    int64_t skipped, skipped_in_a_row; /* train.on_nan skip: updates that changed nothing; up to this one */
    int64_t seed, slots;
    char *fingerprint; /* of the corpora */
    char *validated_on; /* fingerprint of the corpus that the history is of; NULL before the first validation */
    struct history history;
};

enum { STATE_FIELDS = 16 + HISTORY_FIELDS };

struct trainer {
    const struct config *config;
    double started; /* clock: trainer_open() began */
    struct run_directory *run;
    struct corpora *corpora; /* data.train */
    struct corpus *corpus;   /* the first of them, whose vocabularies are those of all */
    struct corpus *valid;    /* NULL without data.valid */
    struct model *model;
    struct exchange *exchange;
    struct reader *reader;
    struct checkpointer *checkpointer;
    struct flat_array *arrays; /* the parameters, as checkpoints name them */
    size_t array_count;
    bool *frozen; /* [parameters] train.freeze; NULL: none is */
    struct optimizer *optimizer;
    struct ema ema;
    struct run_state state;
    char *origin;         /* path of the checkpoint that the state was loaded from; NULL: none */
    bool elsewhere;       /* the state is of a checkpoint outside of the run directory (run.resume FILE) */
    struct period every;  /* validate.every, or never without data.valid */
    bool went_back;       /* this start has gone back to a checkpoint (train.on_nan) */
    bool goes_back;       /* loop_run() has failed so that it should */
    int not_finite_files; /* written in this start */

    /* For who looks on; set after trainer_open(). */
    struct profile *profile; /* counts time and work of ops; NULL: nothing does */
    void (*updated)(void *context, const struct trainer *trainer,
            const struct slot_facts *total); /* after each update, its sums; NULL: not called */
    void *context;
};

/* Collective, each. trainer_close() tolerates a half-opened trainer and waits for a save under way. */
enum status trainer_open(struct trainer *trainer, const struct config *config);
void trainer_close(struct trainer *trainer);

/* Parts of trainer_open() that write nothing, also for a trainer = {.config}: `seqtrain plan` opens what rank `rank` of
 * `ranks` would, alone. Corpora and model; what the rank holds for the blocks it owns; its micro-batches. The first is
 * collective. */
enum status trainer_open_model(struct trainer *trainer);
enum status trainer_open_moments(struct trainer *trainer, const struct blocks *blocks, int rank);
enum status trainer_open_reader(struct trainer *trainer, int ranks, int rank);

/* Starts a checkpoint of the state as it is, and sets the links that belong to it. Collective. */
enum status trainer_save(struct trainer *trainer);

/* A micro-batch of the next update, adding to gradient [floats]; nobody looks on. */
struct pass trainer_pass(const struct trainer *trainer, int slot, float *gradient);

/* Epochs trained, with the part of the one under way, by stored tokens. */
double trainer_epochs(const struct trainer *trainer);

struct plan_options trainer_plan(const struct trainer *trainer);

/* ---- shared by trainer.c, resume.c and initial.c ---- */

enum { TRAINER_PLANES = 2 + OPTIMIZER_PLANES }; /* weights and their averages */

/* Planes and fields of a checkpoint, in the form both saving and loading take. */
struct trainer_record {
    struct flat_plane planes[TRAINER_PLANES];
    size_t plane_count;
    char names[HISTORY_FIELDS][H5_NAME_LIMIT]; /* of fields of the history */
    struct field fields[STATE_FIELDS];
    size_t field_count;
};
void trainer_record(struct trainer *trainer, struct trainer_record *out);

/* Where checkpoints go. Borrowed from the trainer. */
struct checkpoint_options trainer_checkpoints(const struct trainer *trainer);

/* What a checkpoint holds, but for its settings. Borrowed from both. */
void trainer_contents(
        const struct trainer *trainer, const struct trainer_record *record, struct checkpoint_contents *out);
/* STATUS_DATA naming `path` and the count, if a state from a file says what no run can have come to. */
enum status run_state_check(const struct run_state *state, const char *path);

/* State, parameters and moments from the checkpoint that run.resume chooses; *resumed tells whether there was one.
 * Collective. */
enum status trainer_resume(struct trainer *trainer, bool *resumed);

/* The state of a new run: parameters as run.seed has them, or those of run.init. Collective. */
enum status trainer_start(struct trainer *trainer);

/* STATUS_DATA unless the corpus has the vocabulary of the checkpoint. */
enum status trainer_check_vocabulary(const struct trainer *trainer, const struct checkpoint *checkpoint);

#endif
