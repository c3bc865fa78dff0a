#include "train/config.h"

#include "comm/exchange.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "io/corpora.h"
#include "train/training/not_finite.h"
#include "train/training/saving.h"
#include "train/training/validation.h"

#include <stdio.h>
#include <string.h>

static const struct log_level_kind levels[] = {
        {{"error", "what makes the command fail", NULL}, LOG_ERROR},
        {{"warning", "and what a person should look at", NULL}, LOG_WARNING},
        {{"info", "and one line per event", NULL}, LOG_INFO},
        {{"detail", "and what helps to find a cause", NULL}, LOG_DETAIL},
};
const struct kind_table log_level_kinds = KIND_TABLE("log level", levels);

/* ---- groups ---- */

static const struct option run_rows[] = {
        {"run.directory", OPTION_TEXT, offsetof(struct run_options, directory), .required = true,
                .placeholder = "FOLDER", .help = "everything the run writes; made if missing"},
        {"run.seed", OPTION_INTEGER, offsetof(struct run_options, seed), .value = "1", .minimum = 0,
                .maximum = 1e15, .change = CHANGE_REFUSED, .shapes_result = true,
                .help = "of initial values, order of the data and dropout"},
        {"run.resume", OPTION_TEXT, offsetof(struct run_options, resume), .value = "auto",
                .placeholder = "HOW",
                .help = "auto, never, require, or a checkpoint file to go on from\n"
                        "auto: from the newest good checkpoint of the directory, if there is one; require: "
                        "fail if there is none; never: fail if there is one."},
        {"run.init", OPTION_TEXT, offsetof(struct run_options, init), .placeholder = "FILE",
                .help = "a new run starts from the weights of this checkpoint or run\n"
                        "The averages of train.ema if it has them. The corpus must be prepared with --vocab "
                        "FILE, and the model's settings be the same; all else starts afresh. A run directory "
                        "that holds a checkpoint goes on from that."},
};
static const struct option_group run_group = OPTION_GROUP("run", "this run", run_rows);

static const struct option data_rows[] = {
        {"data.train", OPTION_LIST, offsetof(struct data_options, train), .required = true,
                .placeholder = "FILE[:WEIGHT]", .change = CHANGE_REFUSED,
                .help = "corpora made by seqtrain prepare\nA weight, as in web.h5:0.5 or talks.h5:2, says "
                        "how often the pairs of a corpus come in an epoch: twice; half of them, the other "
                        "half in the next. All have the same vocabulary. They may be moved between starts; "
                        "another corpus is refused by its fingerprint."},
        {"data.valid", OPTION_TEXT, offsetof(struct data_options, valid), .placeholder = "FILE",
                .help = "corpus to validate on, prepared with the same vocabulary\nIt may be moved between "
                        "starts; with another one best.h5 and patience start anew."},
        {"data.word_dropout_source", OPTION_REAL, offsetof(struct data_options, word_dropout[SOURCE]),
                .value = "0", .minimum = 0, .maximum = 1, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "probability that a source token becomes <unk> as it is read"},
        {"data.word_dropout_target", OPTION_REAL, offsetof(struct data_options, word_dropout[TARGET]),
                .value = "0", .minimum = 0, .maximum = 1, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "probability that the decoder sees <unk> for a target token\nWhat it is to predict "
                        "stays."},
        {"data.sampling", OPTION_REAL, offsetof(struct data_options, sampling), .value = "off", .maximum = 1,
                .zero = "off", .change = CHANGE_NOTED, .shapes_result = true,
                .help = "words are cut into other pieces each time they are read\nbpe vocabularies: the "
                        "probability that a merge is passed over (BPE-dropout, Provilkov et al. 2020: 0.1). "
                        "unigram: the probability that a word is drawn from all its segmentations (Kudo "
                        "2018: 1). Both sides. Sentences become longer, micro-batches are planned by their "
                        "stored length: memory grows with them."},
        {"data.sampling_alpha", OPTION_REAL, offsetof(struct data_options, sampling_alpha), .value = "auto",
                .minimum = 0.001, .maximum = 100, .zero = "auto", .change = CHANGE_NOTED,
                .shapes_result = true, .needs = "data.sampling",
                .help = "segmentations are drawn in proportion to their probability to this power\nauto: "
                        "0.1; small is even, 1 is as the unigram model has it. Only for unigram "
                        "vocabularies."},
};
static const struct option_group data_group = OPTION_GROUP("data", "what is learned from", data_rows);

static const struct option batch_rows[] = {
        {"batch.tokens", OPTION_INTEGER, offsetof(struct batch_options, tokens), .value = "4096",
                .minimum = 1, .maximum = 1 << 24, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "most tokens per side of a micro-batch"},
        {"batch.micro_batches", OPTION_INTEGER, offsetof(struct batch_options, micro_batches), .value = "8",
                .minimum = 1, .maximum = 4096, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "micro-batches of an update, spread over the ranks: so many ranks at most"},
};
static const struct option_group batch_group = OPTION_GROUP("batch", "what an update sees", batch_rows);

static const struct option train_rows[] = {
        {"train.until", OPTION_PERIOD, offsetof(struct train_options, until), .value = "10e", .units = "ue",
                .zero = "start",
                .help = "when training is complete; start: write the initial checkpoint only"},
        {"train.time_limit", OPTION_PERIOD, offsetof(struct train_options, time_limit), .value = "never",
                .units = "smh", .zero = "never",
                .help = "after so much time: save, exit 75; the same command goes on"},
        {"train.label_smoothing", OPTION_REAL, offsetof(struct train_options, label_smoothing),
                .value = "0.1", .minimum = 0, .maximum = 0.99, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "share of the target's probability spread over all tokens"},
        {"train.r_drop", OPTION_REAL, offsetof(struct train_options, r_drop), .value = "off", .minimum = 1e-9,
                .maximum = 1e6, .zero = "off", .change = CHANGE_NOTED, .shapes_result = true,
                .help = "weight of R-Drop: two draws of dropout for each pair are to agree\n"
                        "Liang et al. 2021, their alpha. Time and memory of a micro-batch double; needs "
                        "dropout."},
        {"train.guided_alignment", OPTION_CHOICE, offsetof(struct train_options, guided_alignment),
                .value = "none", .kinds = &guide_kinds, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "cost of attention that departs from the alignment of data.train\n"
                        "Prepared with --alignments. Of a Transformer it is on the mean over heads of the "
                        "last layer's attention to the source, which translate --alignment tells. "
                        "metrics.jsonl has it as alignment_loss, a target token that is aligned."},
        {"train.guided_weight", OPTION_REAL, offsetof(struct train_options, guided_weight), .value = "0.1",
                .minimum = 1e-9, .maximum = 1e6, .change = CHANGE_NOTED, .shapes_result = true,
                .needs = "train.guided_alignment=ce|mse|mult",
                .help = "weight of that cost in the loss, summed over target tokens as that of words is"},
        {"train.sampling", OPTION_CHOICE, offsetof(struct train_options, sampling.kind), .value = "none",
                .kinds = &sampling_kinds, .needs = "model.kind=recurrent", .change = CHANGE_NOTED,
                .shapes_result = true,
                .help = "how the decoder comes to be given tokens it drew itself (scheduled sampling)\n"
                        "Each is drawn from what the model predicts at the step before. What it is to "
                        "predict stays, and in validation it is given the target's tokens."},
        {"train.sampling_decay", OPTION_INTEGER, offsetof(struct train_options, sampling.decay),
                .value = "1000", .minimum = 1, .maximum = 1e12,
                .needs = "train.sampling=linear|exponential|inverse_sigmoid", .change = CHANGE_NOTED,
                .shapes_result = true, .placeholder = "UPDATES",
                .help = "the decay in these formulas\n"
                        "linear: after so many updates all tokens are its own; exponential: a share of 1/e "
                        "is the target's; inverse_sigmoid: half are after decay · ln decay updates."},
        {"train.sampling_floor", OPTION_REAL, offsetof(struct train_options, sampling.floor), .value = "0",
                .minimum = 0, .maximum = 1, .needs = "train.sampling=linear|exponential|inverse_sigmoid",
                .change = CHANGE_NOTED, .shapes_result = true,
                .help = "least probability that a token is the target's"},
        {"train.recompute", OPTION_BOOL, offsetof(struct train_options, recompute), .value = "false",
                .needs = "model.kind=transformer",
                .help = "keep only what goes from layer to layer; backward makes the rest again\n"
                        "Chen et al. 2016. The same bits in less memory and more time."},
        {"train.clip_norm", OPTION_REAL, offsetof(struct train_options, clip_norm), .value = "1",
                .minimum = 1e-9, .maximum = 1e9, .zero = "off", .change = CHANGE_NOTED, .shapes_result = true,
                .help = "longer gradients are scaled down to this norm"},
        {"train.on_nan", OPTION_CHOICE, offsetof(struct train_options, on_nan), .value = "stop",
                .kinds = &on_nan_kinds, .change = CHANGE_NOTED, .shapes_result = true,
                .help = "what is done about an update whose loss or gradient is not finite\nIts "
                        "micro-batches are computed again to find those it comes from; RUN/not-finite/ has "
                        "their pairs."},
        {"train.ema", OPTION_REAL, offsetof(struct train_options, ema), .value = "off", .minimum = 1e-9,
                .maximum = 0.9999999, .zero = "off", .change = CHANGE_NOTED, .shapes_result = true,
                .help = "decay of a moving average of the weights, saved beside them\n"
                        "After update t, with d = min(train.ema, (1 + t) / (10 + t)): average = d * average "
                        "+ (1 - d) * weights. Validation, translate, score and evaluate use the averages. "
                        "Switched on within a run, they start from its weights."},
        {"train.freeze", OPTION_LIST, offsetof(struct train_options, freeze), .placeholder = "PATTERN",
                .change = CHANGE_NOTED, .shapes_result = true,
                .help = "parameters that do not learn, by name: encoder/* embedding/*\nAs shell patterns; * "
                        "matches / too. Their gradient does not count in the norm."},
};
static const struct option_group train_group = OPTION_GROUP("train", "the course of training", train_rows);

static const struct option validate_rows[] = {
        {"validate.every", OPTION_PERIOD, offsetof(struct validate_options, every), .value = "1e",
                .units = "ue", .zero = "never", .change = CHANGE_NOTED, .shapes_result = true,
                .needs = "data.valid", .help = "how often data.valid is evaluated"},
        {"validate.metric", OPTION_CHOICE, offsetof(struct validate_options, metric), .value = "loss",
                .kinds = &metric_kinds, .change = CHANGE_NOTED, .shapes_result = true,
                .needs = "validate.every", .help = "what decides which checkpoint is best"},
        {"validate.metrics", OPTION_LIST, offsetof(struct validate_options, metrics), .placeholder = "NAME",
                .commas = true, .change = CHANGE_NOTED, .shapes_result = true, .needs = "validate.every",
                .help = "further metrics, each with a link best-NAME.h5\nloss, perplexity and accuracy are "
                        "computed in any case; those of text compare translations of data.valid with its raw "
                        "target lines. Checkpoints that a link best*.h5 points to are kept."},
        {"validate.tokenizer", OPTION_CHOICE, offsetof(struct validate_options, text.tokenizer),
                .value = "13a", .kinds = &text_tokenizer_kinds, .change = CHANGE_NOTED, .shapes_result = true,
                .needs = "validate.every", .help = "what BLEU counts as words"},
        {"validate.lowercase", OPTION_BOOL, offsetof(struct validate_options, text.lowercase),
                .value = "false", .change = CHANGE_NOTED, .shapes_result = true, .needs = "validate.every",
                .help = "metrics of text do not see upper case"},
        {"validate.beam", OPTION_INTEGER, offsetof(struct validate_options, beam), .value = "1", .minimum = 1,
                .maximum = 1000, .change = CHANGE_NOTED, .shapes_result = true, .needs = "validate.every",
                .help = "hypotheses the search keeps when data.valid is translated"},
        {"validate.samples", OPTION_INTEGER, offsetof(struct validate_options, samples), .value = "0",
                .minimum = 0, .maximum = 1000, .needs = "validate.every",
                .help = "first pairs of data.valid whose translations are shown at each validation"},
        {"validate.patience", OPTION_INTEGER, offsetof(struct validate_options, patience), .value = "off",
                .minimum = 1, .maximum = 1e9, .zero = "off", .change = CHANGE_NOTED, .shapes_result = true,
                .needs = "validate.every",
                .help = "training ends when so many validations bring validate.metric no improvement"},
        {"validate.min_delta", OPTION_REAL, offsetof(struct validate_options, min_delta), .value = "0",
                .minimum = 0, .maximum = 1e9, .change = CHANGE_NOTED, .shapes_result = true,
                .needs = "validate.every",
                .help = "an improvement of validate.metric by no more than this is none\n"
                        "For validate.patience, and for schedule.kind plateau."},
};
static const struct option_group validate_group =
        OPTION_GROUP("validate", "how good the model is", validate_rows);

static const struct option checkpoint_rows[] = {
        {"checkpoint.every", OPTION_PERIOD, offsetof(struct checkpoint_settings, every), .value = "1e",
                .units = "uesmh", .zero = "never",
                .help = "how often; the end and a stop on request are saved in any case"},
        {"checkpoint.keep", OPTION_INTEGER, offsetof(struct checkpoint_settings, keep), .value = "3",
                .minimum = 1, .maximum = 1000000, .zero = "all",
                .help = "newest ones kept, besides the best"},
        {"checkpoint.compression", OPTION_INTEGER, offsetof(struct checkpoint_settings, compression),
                .value = "1", .minimum = 0, .maximum = 9,
                .help = "0: none; 1: fast, for weights; 2 to 9: deflate, slower"},
        {"checkpoint.verify", OPTION_BOOL, offsetof(struct checkpoint_settings, verify), .value = "true",
                .help = "each is read back from the disk before it counts as saved and older ones go\n"
                        "Beside the updates, as all of saving. Without, two are kept at least."},
        {"checkpoint.on_failure", OPTION_CHOICE, offsetof(struct checkpoint_settings, on_failure),
                .value = "warn", .kinds = &save_failure_kinds,
                .help = "what follows if one cannot be saved\nThe last one failing is status 74 in any case. "
                        "Older ones stay, whatever fails."},
};
static const struct option_group checkpoint_group =
        OPTION_GROUP("checkpoint", "what is saved", checkpoint_rows);

static const struct option comm_rows[] = {
        {"comm.reduce", OPTION_CHOICE, offsetof(struct comm_options, exchange.reduce), .value = "ordered",
                .kinds = &reduce_kinds, .help = "how gradients are summed over ranks"},
        {"comm.wire", OPTION_CHOICE, offsetof(struct comm_options, exchange.wire), .value = "float32",
                .kinds = &wire_kinds, .change = CHANGE_NOTED, .shapes_result = true,
                .needs = "comm.reduce=ordered",
                .help = "what gradients travel as\nbfloat16 has half the bytes. All that is added is rounded "
                        "first, also within a rank. Parameters travel as float32."},
        {"comm.node_ranks", OPTION_INTEGER, offsetof(struct comm_options, exchange.node_ranks),
                .value = "auto", .minimum = 1, .maximum = 1 << 20, .zero = "auto",
                .needs = "comm.reduce=ordered",
                .help = "ranks of a node, which add gradients among them before these leave it; 1: they do "
                        "not\nauto: those on a host, if every host has as many and they follow each other. "
                        "The bits are the same."},
        {"comm.threads", OPTION_INTEGER, offsetof(struct comm_options, threads), .value = "auto",
                .minimum = 1, .maximum = 4096, .zero = "auto",
                .help = "threads of each rank; auto: OMP_NUM_THREADS, else its share of the node"},
        {"comm.verify_every", OPTION_INTEGER, offsetof(struct comm_options, verify_every), .value = "1000",
                .minimum = 1, .maximum = 1e15, .zero = "never",
                .help = "updates after which ranks prove that they compute alike\nTheir parameters are "
                        "compared, and a micro-batch is computed by a second rank (alone: twice), bit for "
                        "bit. A rank that errs is named and ends the job: 71, and 70 if the run has met that "
                        "before."},
        {"comm.timeout", OPTION_PERIOD, offsetof(struct comm_options, timeout), .value = "10m",
                .maximum = 1e9, .units = "smh", .zero = "never",
                .help = "when nothing has got on for so long the job ends (71), and the rank that is waited "
                        "for is named; at half of it a warning"},
};
static const struct option_group comm_group = OPTION_GROUP("comm", "ranks and threads", comm_rows);

static const struct option log_rows[] = {
        {"log.every", OPTION_PERIOD, offsetof(struct log_options, every), .value = "10s", .units = "usm",
                .zero = "never", .needs = "log.level=info|detail",
                .help = "how often a line tells the progress"},
        {"log.level", OPTION_CHOICE, offsetof(struct log_options, level), .value = "info",
                .kinds = &log_level_kinds, .help = "what is told"},
        {"log.tensorboard", OPTION_BOOL, offsetof(struct log_options, tensorboard), .value = "true",
                .help = "event files in the run directory, for tensorboard --logdir"},
};
static const struct option_group log_group = OPTION_GROUP("log", "what people read", log_rows);

/* ---- the whole ---- */

static const struct option_place places[] = {
        {&run_group, offsetof(struct config, run)},
        {&data_group, offsetof(struct config, data)},
        {&model_group, offsetof(struct config, model)},
        {&batch_group, offsetof(struct config, batch)},
        {&optimizer_group, offsetof(struct config, optimizer)},
        {&schedule_group, offsetof(struct config, schedule)},
        {&train_group, offsetof(struct config, train)},
        {&validate_group, offsetof(struct config, validate)},
        {&checkpoint_group, offsetof(struct config, checkpoint)},
        {&comm_group, offsetof(struct config, comm)},
        {&log_group, offsetof(struct config, log)},
};
const struct schema config_schema = {places, sizeof places / sizeof places[0]};

/* ---- reading ---- */

/* The words are known only once the line is read: so it is read twice if there is a file. */
static enum status read_file_and_line(struct config *config, const char *file,
        const struct option_target *targets, size_t count, int argc, char **argv)
{
    struct text_list again = {0};
    options_release(&config_schema, config);
    TRY(options_defaults(&config_schema, config));
    TRY(options_read_yaml(&config_schema, config, file));
    enum status status = options_read_arguments(targets, count, argc, argv, &again);
    text_list_release(&again);
    return status;
}

enum status config_read(
        struct config *config, const char *command, const struct option_target *more, int argc, char **argv)
{
    const struct option_target targets[] = {
            {&config_schema, config}, more ? *more : (struct option_target){0}};
    size_t count = more ? 2 : 1;
    struct text_list words = {0};
    enum status status = options_read_arguments(targets, count, argc, argv, &words);
    if (status == STATUS_OK && words.count > 1)
        status = status_fail(STATUS_USAGE, "%s: expected one CONFIG.yaml, found %s and %s", command,
                words.items[0], words.items[1]);
    if (status == STATUS_OK && words.count == 1)
        status = read_file_and_line(config, words.items[0], targets, count, argc, argv);
    text_list_release(&words);
    return status;
}

enum status config_complete(struct config *config)
{
    TRY(options_check_required(&config_schema, config));
    TRY(options_check_needs(&config_schema, config));
    config_resolve(config);
    return STATUS_OK;
}

/* ---- checks ---- */

static enum status check_file_name(const char *name, const char *text)
{
    CHECK(!text || text[0], STATUS_CONFIG, "%s expects a name, found ''", name);
    return STATUS_OK;
}

bool config_is_of_model(const struct option *option)
{
    return option->change == CHANGE_REFUSED && strncmp(option->name, "model.", strlen("model.")) == 0;
}

/* Where else a run starts from. */
static enum status check_init(const struct run_options *run)
{
    TRY(check_file_name("run.init", run->init));
    CHECK(!run->init || strcmp(run->resume, "auto") == 0 || strcmp(run->resume, "never") == 0, STATUS_CONFIG,
            "run.init %s starts a new run, but run.resume %s goes on with one: leave one of them out",
            run->init, run->resume);
    return STATUS_OK;
}

static enum status check_corpora(const struct text_list *names)
{
    for (size_t i = 0; i < names->count; i++) {
        char *path;
        double weight;
        TRY(corpora_parse(names->items[i], &path, &weight));
        memory_free(path);
    }
    return STATUS_OK;
}

/* What only concerns translations counts only where there are some. */
static enum status check_text_settings(const struct validate_options *options)
{
    struct text_validation_options asked;
    static const char lists[] = "validate.metric or validate.metrics";
    validation_translates(options, &asked);
    TRY(text_metrics_check(&options->text, asked.metrics, asked.count, "validate.", lists, STATUS_CONFIG));
    CHECK(asked.count > 0 || asked.samples > 0 || options->beam == 1, STATUS_CONFIG,
            "validate.beam is %lld, but counts only with a metric of text in %s, or with validate.samples",
            (long long)options->beam, lists);
    return STATUS_OK;
}

void config_resolve(struct config *config)
{
    struct schedule_options *schedule = &config->schedule;
    if (schedule_has_total(schedule) && schedule->total.value == 0)
        schedule->total = config->train.until;
}

/* Settings of other groups that schedule.kind plateau cannot do without. */
static enum status check_plateau(const struct config *config)
{
    CHECK(!schedule_is_plateau(&config->schedule) || (config->data.valid && config->validate.every.value > 0),
            STATUS_CONFIG,
            "schedule.kind plateau follows validate.metric, but there is no validation: expected data.valid "
            "and validate.every, found %s",
            config->data.valid ? "validate.every never" : "no data.valid");
    return STATUS_OK;
}

static enum status check_min_delta(const struct config *config)
{
    const struct validate_options *validate = &config->validate;
    CHECK(validate->min_delta == 0 || validate->patience > 0 || schedule_is_plateau(&config->schedule),
            STATUS_CONFIG,
            "validate.min_delta is %g, but counts only with validate.patience or schedule.kind plateau: set "
            "one of them, or leave validate.min_delta out",
            validate->min_delta);
    return STATUS_OK;
}

enum status config_check(const struct config *config, int ranks)
{
    TRY(metrics_check_names("validate.metrics", &config->validate.metrics, &metric_kinds, STATUS_CONFIG));
    TRY(check_text_settings(&config->validate));
    TRY(check_file_name("run.directory", config->run.directory));
    TRY(check_file_name("run.resume", config->run.resume));
    TRY(check_init(&config->run));
    TRY(check_corpora(&config->data.train));
    TRY(check_file_name("data.valid", config->data.valid));
    TRY(optimizer_check(&config->optimizer));
    TRY(schedule_check(&config->schedule));
    TRY(check_plateau(config));
    TRY(check_min_delta(config));
    long long slots = config->batch.micro_batches;
    CHECK(ranks <= slots, STATUS_CONFIG,
            "expected at most %lld ranks (batch.micro_batches), found %d: start fewer, or set "
            "batch.micro_batches to %d, which makes an update %.3g times as large",
            slots, ranks, ranks, (double)ranks / (double)slots);
    const struct model_options *model = &config->model;
    CHECK(config->train.r_drop == 0 || model->dropout > 0 || model->attention_dropout > 0 ||
                    model->activation_dropout > 0,
            STATUS_CONFIG,
            "train.r_drop %g compares two draws of dropout, but model.dropout, model.attention_dropout and "
            "model.activation_dropout are 0: set one of them, or train.r_drop off",
            config->train.r_drop);
    CHECK(config->train.r_drop == 0 || sampling_most(&config->train.sampling) == 0, STATUS_CONFIG,
            "train.r_drop %g compares two draws of dropout over the same decoder inputs, but train.sampling "
            "%s would draw others for each: set train.r_drop off, or train.sampling none",
            config->train.r_drop, config->train.sampling.kind->name);
    return STATUS_OK;
}

/* ---- among ranks ---- */

struct listing {
    char *text; /* NULL: only the bytes are counted */
    size_t bytes;
};

static enum status list_option(void *context, const struct option *option, const char *value, bool is_default)
{
    struct listing *listing = context;
    (void)is_default;
    if (strcmp(option->name, "comm.threads") == 0)
        return STATUS_OK;
    size_t room = strlen(option->name) + strlen(value) + 3;
    if (listing->text)
        snprintf(listing->text + listing->bytes, room, "%s %s\n", option->name, value);
    listing->bytes += room - 1;
    return STATUS_OK;
}

/* One "name value" a line. */
static enum status list_settings(char **out, const struct config *config)
{
    struct listing listing = {0};
    TRY(options_visit(&config_schema, config, list_option, &listing));
    TRY(memory_new(out, "options", listing.bytes + 1, 1));
    listing = (struct listing){.text = *out};
    return options_visit(&config_schema, config, list_option, &listing);
}

/* The first line that differs. */
static enum status compare_listings(const char *own, const char *first)
{
    while (*own || *first) {
        size_t own_length = strcspn(own, "\n"), first_length = strcspn(first, "\n");
        CHECK(own_length == first_length && memcmp(own, first, own_length) == 0, STATUS_CONFIG,
                "ranks have read different settings: expected '%.*s' as rank 0 has, found '%.*s'; give all "
                "of them the same file and words",
                (int)first_length, first, (int)own_length, own);
        own += own_length + (own[own_length] != '\0');
        first += first_length + (first[first_length] != '\0');
    }
    return STATUS_OK;
}

enum status config_compare_ranks(const struct config *config)
{
    char *own = NULL, *first = NULL;
    enum status status = status_agree(list_settings(&own, config));
    if (status == STATUS_OK && world()->rank == 0)
        first = own;
    if (status == STATUS_OK)
        status = world_broadcast_text(&first, 0);
    if (status == STATUS_OK && first)
        status = compare_listings(own, first);
    status = status_agree(status);
    if (first != own)
        memory_free(first);
    memory_free(own);
    return status;
}
