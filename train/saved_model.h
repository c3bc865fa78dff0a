/*
 * A trained model as a checkpoint holds it: settings, vocabularies, parameters. What translate, score and their like
 * start from.
 */
#ifndef TRAIN_SAVED_MODEL_H
#define TRAIN_SAVED_MODEL_H

#include "io/options.h"
#include "io/text.h"
#include "io/vocabulary.h"
#include "train/config.h"
#include "train/sentence_list.h"

struct saved_model {
    char *path; /* of the checkpoint */
    struct config config;
    struct vocabulary *vocabularies[SIDES]; /* the same twice if joint */
    bool joint;
    struct model *model;
};

/* The MODEL that a command's words are: STATUS_USAGE unless they are one. Borrowed. */
enum status saved_model_named(const char **out, const char *command, const struct text_list *words);

/* `model` is a run directory (its best checkpoint, else its last) or a checkpoint; `parameters` which of its weights
 * (weights.h; NULL: auto). Every rank has all of it then. Collective. */
enum status saved_model_open(struct saved_model *out, const char *model, const struct kind *parameters);
void saved_model_close(struct saved_model *saved);

/* Adds the next line of `text` as a sentence of `side`; *end: there was none. STATUS_CONFIG naming the line if it is
 * longer than the model's positions. keep_empty: see sentence_list_add(). */
enum status saved_model_read(const struct saved_model *saved, enum side side, struct text *text,
        bool keep_empty, struct sentence_list *list, bool *end);

#endif
