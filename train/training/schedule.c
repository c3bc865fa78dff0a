#include "train/training/schedule.h"

#include <math.h>
#include <string.h>

static const double PI = 3.14159265358979323846;

struct schedule_kind {
    struct kind kind;
    /* From the end of the warm-up on: place->update is at least schedule.warmup. */
    double (*factor)(const struct schedule_options *options, const struct schedule_place *place);
};

static double least(double a, double b)
{
    return a < b ? a : b;
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

static double constant_factor(const struct schedule_options *options, const struct schedule_place *place)
{
    (void)options;
    (void)place;
    return 1;
}

static double inverse_sqrt_factor(const struct schedule_options *options, const struct schedule_place *place)
{
    double from = options->warmup > 0 ? (double)options->warmup : 1;
    return sqrt(from / (double)place->update);
}

/* With the warm-up: width^-0.5 · min(update^-0.5, update · warmup^-1.5). */
static double noam_factor(const struct schedule_options *options, const struct schedule_place *place)
{
    (void)options;
    return 1 / sqrt((double)place->width * (double)place->update);
}

/* The share of schedule.total after the warm-up that is done, 0 to 1. The warm-up's own share is what it had of the
 * updates so far: exact for a total in updates, close for one in epochs. */
static double progress(const struct schedule_options *options, const struct schedule_place *place)
{
    bool in_epochs = options->total.unit == 'e';
    double done = (in_epochs ? place->epochs : (double)place->update) / options->total.value;
    double warmup = done * (double)options->warmup / (double)place->update;
    return done < 1 ? most(0, (done - warmup) / (1 - warmup)) : 1;
}

static double above_floor(const struct schedule_options *options, double share)
{
    return options->floor + (1 - options->floor) * share;
}

static double linear_factor(const struct schedule_options *options, const struct schedule_place *place)
{
    return above_floor(options, 1 - progress(options, place));
}

static double cosine_factor(const struct schedule_options *options, const struct schedule_place *place)
{
    return above_floor(options, 0.5 * (1 + cos(PI * progress(options, place))));
}

static double polynomial_factor(const struct schedule_options *options, const struct schedule_place *place)
{
    return above_floor(options, pow(1 - progress(options, place), options->power));
}

static double step_factor(const struct schedule_options *options, const struct schedule_place *place)
{
    double every = options->every.value;
    double done =
            options->every.unit == 'e' ? (double)place->epoch : (double)(place->update - 1 - options->warmup);
    return most(options->floor, pow(options->factor, floor(most(0, done) / every)));
}

static double plateau_factor(const struct schedule_options *options, const struct schedule_place *place)
{
    return most(options->floor, pow(options->factor, (double)place->cuts));
}

static const struct schedule_kind kinds[] = {
        {{"constant", "stays", NULL}, constant_factor},
        {{"inverse_sqrt", "falls with the root of the update, sqrt(warmup / update)", "Vaswani et al. 2017"},
                inverse_sqrt_factor},
        {{"noam", "learning_rate / sqrt(width) · min(1 / sqrt(update), update / warmup^1.5)",
                 "Vaswani et al. 2017"},
                noam_factor},
        {{"linear", "falls along a line to schedule.floor at schedule.total", NULL}, linear_factor},
        {{"cosine", "falls along half a cosine to schedule.floor at schedule.total",
                 "Loshchilov & Hutter 2017"},
                cosine_factor},
        {{"polynomial", "falls as (1 - progress)^power to schedule.floor at schedule.total", NULL},
                polynomial_factor},
        {{"step", "is multiplied by schedule.factor every schedule.every", NULL}, step_factor},
        {{"plateau", "is multiplied by schedule.factor when validate.metric stops improving", NULL},
                plateau_factor},
};

const struct kind_table schedule_kinds = KIND_TABLE("schedule", kinds);

static bool is_kind(const struct schedule_options *options, const char *name)
{
    return strcmp(options->kind->name, name) == 0;
}

bool schedule_has_total(const struct schedule_options *options)
{
    return is_kind(options, "linear") || is_kind(options, "cosine") || is_kind(options, "polynomial");
}

bool schedule_is_plateau(const struct schedule_options *options)
{
    return is_kind(options, "plateau");
}

double schedule_rate(const struct schedule_options *options, double base, const struct schedule_place *place)
{
    struct schedule_place after = *place;
    double rise = options->warmup > 0 ? least(1, (double)place->update / (double)options->warmup) : 1;
    if (after.update < options->warmup)
        after.update = options->warmup;
    return base * rise * ((const struct schedule_kind *)options->kind)->factor(options, &after);
}

bool schedule_cuts(const struct schedule_options *options, int64_t waited)
{
    return schedule_is_plateau(options) && waited > 0 && waited % options->patience == 0;
}

enum status schedule_check(const struct schedule_options *options)
{
    CHECK(options->warmup > 0 || !is_kind(options, "noam"), STATUS_CONFIG,
            "schedule.kind noam rises over schedule.warmup updates: expected at least 1, found 0");
    double total = options->total.value;
    CHECK(!schedule_has_total(options) || options->total.unit == 'e' || total == 0 ||
                    total > (double)options->warmup,
            STATUS_CONFIG,
            "schedule.total is %.0fu, but the warm-up alone (schedule.warmup) takes %lld updates: raise "
            "schedule.total, or shorten the warm-up",
            total, (long long)options->warmup);
    return STATUS_OK;
}

#define FIELD(name)  offsetof(struct schedule_options, name)
#define WITH_TOTAL   "schedule.kind=linear|cosine|polynomial"
#define SHAPES_RATES .change = CHANGE_NOTED, .shapes_result = true

static const struct option rows[] = {
        {"schedule.kind", OPTION_CHOICE, FIELD(kind), .value = "inverse_sqrt", .kinds = &schedule_kinds,
                SHAPES_RATES, .help = "the learning rate after the warm-up"},
        {"schedule.warmup", OPTION_INTEGER, FIELD(warmup), .value = "1000", .minimum = 0, .maximum = 1e9,
                SHAPES_RATES, .placeholder = "UPDATES",
                .help = "updates of linear rise from 0 to the highest rate"},
        {"schedule.total", OPTION_PERIOD, FIELD(total), .value = "until", .units = "ue", .zero = "until",
                .needs = WITH_TOTAL, SHAPES_RATES,
                .help = "where the lowest rate is reached; until: at train.until\nIn epochs, the way to it "
                        "is measured in tokens."},
        {"schedule.floor", OPTION_REAL, FIELD(floor), .value = "0", .minimum = 0, .maximum = 1,
                .needs = WITH_TOTAL "|step|plateau", SHAPES_RATES,
                .help = "lowest rate, as a share of the highest"},
        {"schedule.power", OPTION_REAL, FIELD(power), .value = "2", .minimum = 0.01, .maximum = 100,
                .needs = "schedule.kind=polynomial", SHAPES_RATES, .help = "of the polynomial"},
        {"schedule.every", OPTION_PERIOD, FIELD(every), .value = "1e", .minimum = 1, .maximum = 1e15,
                .units = "ue", .needs = "schedule.kind=step", SHAPES_RATES,
                .help = "how often the rate steps down; updates count from the end of the warm-up"},
        {"schedule.factor", OPTION_REAL, FIELD(factor), .value = "0.5", .minimum = 1e-6, .maximum = 1,
                .needs = "schedule.kind=step|plateau", SHAPES_RATES,
                .help = "what a step multiplies the rate by"},
        {"schedule.patience", OPTION_INTEGER, FIELD(patience), .value = "3", .minimum = 1, .maximum = 1e9,
                .needs = "schedule.kind=plateau", SHAPES_RATES, .placeholder = "VALIDATIONS",
                .help = "validations in a row without improvement before the rate steps down"},
};

const struct option_group schedule_group =
        OPTION_GROUP("schedule", "the learning rate over the updates", rows);
