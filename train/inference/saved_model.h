/*
 * A trained model as a checkpoint holds it: settings, vocabularies, parameters. What translate, score and their like
 * start from.
 */
#ifndef TRAIN_SAVED_MODEL_H
#define TRAIN_SAVED_MODEL_H

#include "io/options.h"
#include "io/vocabulary.h"
#include "train/config.h"

struct saved_model {
    char *path; /* of the checkpoint */
    struct config config;
    struct vocabulary *vocabularies[SIDES]; /* the same twice if joint */
    bool joint;
    struct model *model;
};

/* STATUS_USAGE unless the words of a command are one MODEL. */
enum status saved_model_check_one(const char *command, const struct text_list *words);

/* `model` is a run directory (its best checkpoint, else its last) or a checkpoint; `parameters` which of its weights
 * (weights.h; NULL: auto). Every rank has all of it then. Collective. */
enum status saved_model_open(struct saved_model *out, const char *model, const struct kind *parameters);
void saved_model_close(struct saved_model *saved);

/* For a member of an ensemble, which uses those of the first. */
void saved_model_close_vocabularies(struct saved_model *saved);

#endif
