#include "train/schedule.h"

#include <math.h>

static double constant_factor(const struct schedule_options *options, int64_t update)
{
    (void)options;
    (void)update;
    return 1;
}

static double inverse_sqrt_factor(const struct schedule_options *options, int64_t update)
{
    double from = options->warmup > 0 ? (double)options->warmup : 1;
    return (double)update <= from ? 1 : sqrt(from / (double)update);
}

static const struct schedule_kind kinds[] = {
        {{"constant", "stays", NULL}, constant_factor},
        {{"inverse_sqrt", "falls with the root of the update, sqrt(warmup / update)", "Vaswani et al. 2017"},
                inverse_sqrt_factor},
};

const struct kind_table schedule_kinds = KIND_TABLE("schedule", kinds);

double schedule_rate(const struct schedule_options *options, double base, int64_t update)
{
    if (update <= options->warmup)
        return base * ((double)update / (double)options->warmup);
    return base * ((const struct schedule_kind *)options->kind)->factor(options, update);
}

static const struct option rows[] = {
        {"schedule.kind", OPTION_CHOICE, offsetof(struct schedule_options, kind), .value = "inverse_sqrt",
                .kinds = &schedule_kinds, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "the learning rate after the warm-up"},
        {"schedule.warmup", OPTION_INTEGER, offsetof(struct schedule_options, warmup), .value = "1000",
                .minimum = 0, .maximum = 1e9, .change = CHANGE_NOTED, .shapes_result = true,
                .placeholder = "UPDATES", .help = "updates of linear rise from 0 to the highest rate"},
};

const struct option_group schedule_group =
        OPTION_GROUP("schedule", "the learning rate over the updates", rows);
