/*
 * Which weights of a checkpoint a command uses: the averages (train.ema) are a group of their own beside the weights
 * that are trained.
 */
#ifndef TRAIN_WEIGHTS_H
#define TRAIN_WEIGHTS_H

#include "io/checkpoint.h"
#include "io/options.h"

/* Groups of arrays in a checkpoint. */
#define WEIGHTS_RAW "model"
#define WEIGHTS_EMA "ema"

struct weights_options {
    const struct kind *parameters; /* into weights_kinds */
};
extern const struct kind_table weights_kinds;   /* auto, ema, raw */
extern const struct option_group weights_group; /* --parameters, for the schema of a command */

/* The group that `choice` (NULL: auto) means in a checkpoint: STATUS_DATA if it is asked for and not there. */
enum status weights_choose(
        const char **group, const struct kind *choice, const struct checkpoint *checkpoint);

#endif
