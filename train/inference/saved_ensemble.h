/*
 * One or several trained models that translate together: their probabilities are averaged, so they share their
 * vocabularies.
 */
#ifndef TRAIN_SAVED_ENSEMBLE_H
#define TRAIN_SAVED_ENSEMBLE_H

#include "io/pairs.h"
#include "io/text.h"
#include "train/inference/saved_model.h"
#include "train/inference/sentence_list.h"

struct ensemble_options {
    struct text_list weights; /* one for each model; none: all alike */
};
extern const struct option_group ensemble_group;

struct saved_ensemble {
    struct saved_model *items; /* [count]; the others' vocabularies are closed */
    size_t count;
    struct vocabulary *const *vocabularies; /* [SIDES] of the first, borrowed */
    struct ensemble ensemble;               /* for decode_group() */
    struct model **models;                  /* [count] and */
    double *weights;                        /* [count] or NULL: its own */
};

/* `parameters`: see saved_model_open(); `options` NULL: all alike. STATUS_USAGE unless there is a model, and of
 * several a weight for each or none; STATUS_DATA naming both files if their vocabularies differ. Collective. */
enum status saved_ensemble_open(struct saved_ensemble *out, const struct text_list *models,
        const struct kind *parameters, const struct ensemble_options *options);
void saved_ensemble_close(struct saved_ensemble *saved);

/* Adds the next line of `text` to `list` as a sentence of `side`; *end: there was none. STATUS_CONFIG naming the line if it
 * is longer than a model's positions. */
enum status saved_ensemble_read(const struct saved_ensemble *saved, enum side side, struct text *text,
        enum line_form form, struct sentence_list *list, bool *end);

/* What the models take as their source. */
const struct source_form *saved_ensemble_form(const struct saved_ensemble *saved);

/* As saved_ensemble_read() for the next sentence of a source that is not text. */
enum status saved_ensemble_read_source(const struct saved_ensemble *saved, struct source_reader *source,
        struct sentence_list *list, bool *end);

/* The pairs of two files, of which the first is what the models take as their source (source.h). */
enum status saved_ensemble_open_pairs(
        const struct saved_ensemble *saved, struct pairs **out, const struct text_list files[SIDES]);

/* As saved_ensemble_read() for the next pair, a sentence on each side; no text in *pair: there was none. */
enum status saved_ensemble_read_pair(const struct saved_ensemble *saved, struct pairs *pairs,
        struct sentence_list lists[SIDES], struct pair *pair);

#endif
