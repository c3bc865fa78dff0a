#include "train/inference/weights.h"

enum { AUTO, EMA, RAW };

static const struct kind choices[] = {
        [AUTO] = {"auto", "the averages where the checkpoint has them (train.ema)", NULL},
        [EMA] = {"ema", "the averages", NULL},
        [RAW] = {"raw", "the weights themselves", NULL},
};
const struct kind_table weights_kinds = KIND_TABLE("weights", choices);

static const struct option rows[] = {
        {"parameters", OPTION_CHOICE, offsetof(struct weights_options, parameters), .value = "auto",
                .kinds = &weights_kinds, .help = "which weights of a checkpoint"},
};
const struct option_group weights_group = OPTION_GROUP("model", "what is read of MODEL", rows);

enum status weights_choose(const char **group, const struct kind *choice, const struct checkpoint *checkpoint)
{
    bool averaged = checkpoint_has_group(checkpoint, WEIGHTS_EMA);
    CHECK(choice != &choices[EMA] || averaged, STATUS_DATA,
            "%s: expected averaged weights (--parameters ema), found none: it was trained without train.ema",
            checkpoint_path(checkpoint));
    *group = averaged && choice != &choices[RAW] ? WEIGHTS_EMA : WEIGHTS_RAW;
    return STATUS_OK;
}
