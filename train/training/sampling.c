#include "train/training/sampling.h"

#include <math.h>

struct sampling_kind {
    struct kind kind;
    double (*kept)(double updates, double decay); /* NULL: all */
};

static double linear_kept(double updates, double decay)
{
    return 1 - updates / decay;
}

static double exponential_kept(double updates, double decay)
{
    return exp(-updates / decay);
}

static double inverse_sigmoid_kept(double updates, double decay)
{
    return decay / (decay + exp(updates / decay));
}

static const struct sampling_kind kinds[] = {
        {{"none", "the decoder is given the target's tokens (teacher forcing)", "Williams & Zipser 1989"},
                NULL},
        {{"linear", "each with probability 1 - i / decay after i updates, else one that the model draws",
                 "Bengio et al. 2015"},
                linear_kept},
        {{"exponential", "each with e^(-i / decay)", "Bengio et al. 2015"}, exponential_kept},
        {{"inverse_sigmoid", "each with decay / (decay + e^(i / decay))", "Bengio et al. 2015"},
                inverse_sigmoid_kept},
};
const struct kind_table sampling_kinds = KIND_TABLE("sampling", kinds);

double sampling_rate(const struct sampling_options *options, int64_t updates)
{
    const struct sampling_kind *kind = (const struct sampling_kind *)options->kind;
    if (!kind->kept)
        return 0;
    return 1 - fmax(options->floor, kind->kept((double)updates, (double)options->decay));
}

double sampling_most(const struct sampling_options *options)
{
    return sampling_rate(options, INT64_MAX);
}
