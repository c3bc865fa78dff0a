#include "models/decode/search.h"

#include <math.h>

static double divisor_none(double length, double alpha)
{
    (void)length, (void)alpha;
    return 1;
}

static double divisor_average(double length, double alpha)
{
    return pow(length, alpha);
}

static double divisor_gnmt(double length, double alpha)
{
    return pow((5 + length) / 6, alpha);
}

static const struct length_penalty_kind length_penalties[] = {
        {{"none", "the log probability alone, which favours short translations", NULL}, divisor_none},
        {{"average", "divided by length^alpha", "Jean et al. 2015"}, divisor_average},
        {{"gnmt", "divided by ((5 + length) / 6)^alpha", "Wu et al. 2016"}, divisor_gnmt},
};
const struct kind_table length_penalty_kinds = KIND_TABLE("length penalty", length_penalties);

#define FIELD(field) offsetof(struct decode_options, field)

enum { BEAM_LIMIT = 1024, BEAM_USUAL = 5 };

static const struct option rows[] = {
        {"beam", OPTION_INTEGER, FIELD(beam), .value = "auto", .minimum = 1, .maximum = BEAM_LIMIT,
                .zero = "auto", .help = "hypotheses kept at each step; 1: greedy; auto: 5"},
        {"nbest", OPTION_INTEGER, FIELD(nbest), .value = "1", .minimum = 1, .maximum = BEAM_LIMIT,
                .help = "translations of each sentence, best first; when sampling, samples"},
        {"length-penalty", OPTION_CHOICE, FIELD(length_penalty), .value = "average",
                .kinds = &length_penalty_kinds,
                .help = "what the log probability of a hypothesis is divided by; its length counts </s>"},
        {"length-alpha", OPTION_REAL, FIELD(length_alpha), .value = "1", .minimum = 0, .maximum = 10,
                .needs = "length-penalty=average|gnmt", .help = "exponent of the length penalty"},
        {"word-penalty", OPTION_REAL, FIELD(word_penalty), .value = "0", .minimum = -100, .maximum = 100,
                .help = "taken from the score for each token; below 0 it favours long translations"},
        {"no-repeat-ngram", OPTION_INTEGER, FIELD(no_repeat_ngram), .value = "off", .minimum = 1,
                .maximum = 1000, .zero = "off", .help = "no N tokens twice in a translation"},
        {"sample", OPTION_BOOL, FIELD(sample), .value = "false",
                .help = "draw tokens from the model's distribution instead of searching the best"},
        {"temperature", OPTION_REAL, FIELD(temperature), .value = "1", .minimum = 0.001, .maximum = 1000,
                .needs = "sample", .help = "logits are divided by it before tokens are drawn"},
        {"top-k", OPTION_INTEGER, FIELD(top_k), .value = "all", .minimum = 1, .maximum = 1 << 30,
                .zero = "all", .needs = "sample",
                .help = "draw from the K most probable tokens (Fan et al. 2018)"},
        {"top-p", OPTION_REAL, FIELD(top_p), .value = "1", .minimum = 1e-6, .maximum = 1, .needs = "sample",
                .help = "draw from the fewest tokens whose probabilities sum to P (Holtzman et al. 2020)"},
        {"seed", OPTION_INTEGER, FIELD(seed), .value = "1", .minimum = 0, .maximum = 1e15, .needs = "sample",
                .help = "key of the random numbers"},
        {"max-length-ratio", OPTION_REAL, FIELD(max_length_ratio), .value = "2", .minimum = 0,
                .maximum = 1000, .help = "most target tokens for each source token"},
        {"max-length-extra", OPTION_INTEGER, FIELD(max_length_extra), .value = "20", .minimum = 0,
                .maximum = 1000000, .help = "target tokens allowed on top of that"},
        {"batch", OPTION_INTEGER, FIELD(batch), .value = "64", .minimum = 1, .maximum = 65536,
                .help = "sentences decoded at once"},
};
const struct option_group decode_group_options = OPTION_GROUP("search", "how translations are found", rows);

enum status decode_defaults(struct decode_options *out)
{
    static const struct option_place place = {&decode_group_options, 0};
    static const struct schema schema = {&place, 1};
    *out = (struct decode_options){0};
    return options_defaults(&schema, out);
}

size_t decode_width(const struct decode_options *options)
{
    if (options->sample)
        return (size_t)options->nbest;
    return options->beam > 0 ? (size_t)options->beam : BEAM_USUAL;
}

/* ---- scores ---- */

static double divisor(const struct decode_options *options, size_t length)
{
    const struct length_penalty_kind *kind = (const struct length_penalty_kind *)options->length_penalty;
    return kind ? kind->divisor((double)length, options->length_alpha) : 1;
}

double decode_score(const struct decode_options *options, double log_probability, size_t length)
{
    return log_probability / divisor(options, length) - options->word_penalty * (double)length;
}

double decode_best_score(
        const struct decode_options *options, double log_probability, size_t length, size_t longest)
{
    size_t cheapest = options->word_penalty > 0 ? length + 1 : longest;
    return log_probability / divisor(options, longest) - options->word_penalty * (double)cheapest;
}

/* ---- what goes together ---- */

static enum status check_models(const struct ensemble *ensemble, bool attention)
{
    const struct model *first = ensemble->models[0];
    double sum = 0;
    for (size_t m = 0; m < ensemble->count; m++) {
        const struct model *model = ensemble->models[m];
        for (int side = 0; side < SIDES; side++)
            CHECK(model->rows[side] == first->rows[side], STATUS_DATA,
                    "models of an ensemble need equal vocabularies: model %zu has %zu %s tokens, the first "
                    "%zu",
                    m + 1, model->rows[side], side_names[side], first->rows[side]);
        double weight = ensemble->weights ? ensemble->weights[m] : 1 / (double)ensemble->count;
        CHECK(weight > 0, STATUS_USAGE, "weights of an ensemble must be above 0, found %g for model %zu",
                weight, m + 1);
        sum += weight;
        CHECK(!attention || model->architecture->attends(model), STATUS_CONFIG,
                "alignments need a model with attention, which this model.kind %s has not",
                model->options.kind->name);
    }
    CHECK(fabs(sum - 1) < 1e-6, STATUS_USAGE, "weights of an ensemble must sum to 1, found %g", sum);
    return STATUS_OK;
}

enum status decode_check(const struct decode_options *options, const struct ensemble *ensemble)
{
    CHECK(!options->sample || options->beam <= 1, STATUS_USAGE,
            "--beam %lld keeps the best hypotheses, --sample draws them: give one of the two (--nbest is the "
            "number of samples)",
            (long long)options->beam);
    CHECK((size_t)options->nbest <= decode_width(options), STATUS_USAGE,
            "--nbest %lld needs at least as many hypotheses, found --beam %zu", (long long)options->nbest,
            decode_width(options));
    CHECK(options->max_length_ratio > 0 || options->max_length_extra > 0, STATUS_USAGE,
            "--max-length-ratio 0 and --max-length-extra 0 leave no room for a token: raise one of them");
    if (!ensemble)
        return STATUS_OK;
    CHECK(!options->attention || ensemble->count == 1, STATUS_USAGE,
            "--attention stores the weights of one model: expected one MODEL, found %zu", ensemble->count);
    return check_models(ensemble, options->alignment || options->attention);
}
