#include "train/optimizers/internal.h"

static const struct optimizer_kind kinds[] = {
        {{"adam", "Adam; weight decay is part of the gradient (L2)", "Kingma & Ba 2015"}, &optimizer_adam},
        {{"adamw", "Adam with decoupled weight decay", "Loshchilov & Hutter 2019"}, &optimizer_adamw},
        {{"sgd", "stochastic gradient descent with momentum", "Polyak 1964; Sutskever et al. 2013"},
                &optimizer_sgd},
        {{"adagrad", "steps shrink with all past gradients", "Duchi et al. 2011"}, &optimizer_adagrad},
        {{"adafactor", "squares kept by row and column only: hardly any memory", "Shazeer & Stern 2018"},
                &optimizer_adafactor},
        {{"lamb", "AdamW whose step follows the size of each parameter, for large batches",
                 "You et al. 2020"},
                &optimizer_lamb},
};

const struct kind_table optimizer_kinds = KIND_TABLE("optimizer", kinds);

#define FIELD(name) offsetof(struct optimizer_options, name)

static const struct option rows[] = {
        {"optimizer.kind", OPTION_CHOICE, FIELD(kind), .value = "adam", .kinds = &optimizer_kinds,
                .change = CHANGE_NOTED, .shapes_result = true,
                .help = "how parameters follow the gradient\nAnother kind on resume starts with empty "
                        "moments."},
        {"optimizer.learning_rate", OPTION_REAL, FIELD(learning_rate), .value = "0.001", .minimum = 0,
                .maximum = 1e6, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "highest learning rate; the schedule multiplies it"},
        {"optimizer.beta1", OPTION_REAL, FIELD(beta1), .value = "0.9", .minimum = 0, .maximum = 0.9999999,
                .change = CHANGE_NOTED, .shapes_result = true, .needs = "optimizer.kind=adam|adamw|lamb",
                .help = "decay of the mean gradient"},
        {"optimizer.beta2", OPTION_REAL, FIELD(beta2), .value = "0.98", .minimum = 0, .maximum = 0.9999999,
                .change = CHANGE_NOTED, .shapes_result = true, .needs = "optimizer.kind=adam|adamw|lamb",
                .help = "decay of the mean squared gradient"},
        {"optimizer.epsilon", OPTION_REAL, FIELD(epsilon), .value = "1e-9", .minimum = 1e-30, .maximum = 1,
                .change = CHANGE_NOTED, .shapes_result = true,
                .needs = "optimizer.kind=adam|adamw|lamb|adagrad",
                .help = "added to the root of the mean square"},
        {"optimizer.weight_decay", OPTION_REAL, FIELD(weight_decay), .value = "0", .minimum = 0, .maximum = 1,
                .change = CHANGE_NOTED, .shapes_result = true,
                .help = "pull towards 0; biases and norms are left alone\nadam, sgd and adagrad add it to "
                        "the gradient (L2); adamw and adafactor shrink parameters by learning rate times "
                        "weight decay; lamb adds it to the step."},
        {"optimizer.momentum", OPTION_REAL, FIELD(momentum), .value = "0", .minimum = 0, .maximum = 0.9999999,
                .change = CHANGE_NOTED, .shapes_result = true, .needs = "optimizer.kind=sgd",
                .help = "share of the last step that is kept"},
        {"optimizer.nesterov", OPTION_BOOL, FIELD(nesterov), .value = "false", .change = CHANGE_NOTED,
                .shapes_result = true, .needs = "optimizer.kind=sgd",
                .help = "the step looks ahead along its momentum"},
};

const struct option_group optimizer_group = OPTION_GROUP("optimizer", "the step from gradients", rows);

enum status optimizer_check(const struct optimizer_options *options)
{
    CHECK(!options->nesterov || options->momentum > 0, STATUS_CONFIG,
            "optimizer.nesterov is true, but counts only with optimizer.momentum above 0, found 0: set "
            "optimizer.momentum (0.9 is common), or leave optimizer.nesterov out");
    return STATUS_OK;
}
