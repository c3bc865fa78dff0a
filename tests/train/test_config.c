#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "comm/exchange.h"
#include "comm/memory.h"
#include "train/config.h"
#include "train/training/validate.h"

static int setup(void **state)
{
    struct config *config = calloc(1, sizeof *config);
    *state = config;
    return options_defaults(&config_schema, config) == STATUS_OK ? 0 : -1;
}

static int teardown(void **state)
{
    options_release(&config_schema, *state);
    free(*state);
    return memory_blocks() == 0 ? 0 : -1;
}

static enum status set(struct config *config, const char *name, const char *text)
{
    return options_set(&config_schema, config, name, text, NULL);
}

static const struct option *find(const char *name)
{
    for (size_t p = 0; p < config_schema.count; p++)
        for (size_t i = 0; i < config_schema.places[p].group->count; i++)
            if (strcmp(config_schema.places[p].group->options[i].name, name) == 0)
                return &config_schema.places[p].group->options[i];
    fail_msg("no setting is called %s", name);
    return NULL;
}

#define assert_refused(call, code, words)                                                                    \
    do {                                                                                                     \
        assert_int_equal(call, code);                                                                        \
        if (!strstr(status_message(), words))                                                                \
            fail_msg("expected '%s' in '%s'", words, status_message());                                      \
    } while (0)

static void test_config__the_table_is_sound(void **state)
{
    (void)state;
    if (options_check_schema(&config_schema) != STATUS_OK)
        fail_msg("%s", status_message());
}

static void test_config__defaults(void **state)
{
    const struct config *config = *state;
    assert_int_equal(config->run.seed, 1);
    assert_string_equal(config->run.resume, "auto");
    assert_int_equal(config->batch.tokens, 4096);
    assert_int_equal(config->batch.micro_batches, 8);
    assert_true(config->train.until.value == 10 && config->train.until.unit == 'e');
    assert_true(config->train.time_limit.value == 0);
    assert_true(config->train.label_smoothing == 0.1 && config->train.clip_norm == 1);
    assert_true(config->validate.every.value == 1 && config->validate.every.unit == 'e');
    assert_ptr_equal(config->validate.metric, kind_find(&metric_kinds, "loss"));
    assert_int_equal(config->checkpoint.keep, 3);
    assert_int_equal(config->checkpoint.compression, 1);
    assert_ptr_equal(config->comm.exchange.reduce, kind_find(&reduce_kinds, "ordered"));
    assert_ptr_equal(config->comm.exchange.wire, kind_find(&wire_kinds, "float32"));
    assert_int_equal(config->comm.threads, 0);
    assert_int_equal(((const struct log_level_kind *)config->log.level)->level, LOG_INFO);
}

static void test_config__what_must_be_given(void **state)
{
    assert_refused(options_check_required(&config_schema, *state), STATUS_CONFIG,
            "run.directory is not set: expected in the YAML file, or as --run.directory FOLDER");
    assert_int_equal(set(*state, "run.directory", "run"), STATUS_OK);
    assert_refused(options_check_required(&config_schema, *state), STATUS_CONFIG, "data.train is not set");
    assert_int_equal(set(*state, "data.train", "c.h5"), STATUS_OK);
    assert_int_equal(options_check_required(&config_schema, *state), STATUS_OK);
}

/* Nothing set may be ignored. */
static void test_config__what_counts_only_with_another(void **state)
{
    static const struct {
        const char *name, *value, *other, *off, *on, *words;
    } rows[] = {{"optimizer.beta1", "0.5", "optimizer.kind", "sgd", "adam",
                        "optimizer.beta1 is 0.5, but counts only with optimizer.kind adam or adamw or lamb, "
                        "found "
                        "sgd"},
            {"optimizer.beta2", "0.5", "optimizer.kind", "sgd", "adam", "set optimizer.kind adam"},
            {"optimizer.epsilon", "1e-8", "optimizer.kind", "sgd", "adam", "or leave optimizer.epsilon out"},
            {"optimizer.momentum", "0.9", "optimizer.kind", "adam", "sgd", "only with optimizer.kind sgd"},
            {"optimizer.nesterov", "true", "optimizer.kind", "adamw", "sgd", "only with optimizer.kind sgd"},
            {"optimizer.epsilon", "1e-8", "optimizer.kind", "adafactor", "adagrad", "found adafactor"},
            {"schedule.total", "9e", "schedule.kind", "noam", "cosine",
                    "schedule.total is 9e, but counts only with schedule.kind linear or cosine or "
                    "polynomial"},
            {"schedule.floor", "0.1", "schedule.kind", "constant", "step",
                    "linear or cosine or polynomial or "
                    "step or plateau, found constant"},
            {"schedule.power", "3", "schedule.kind", "linear", "polynomial", "found linear"},
            {"schedule.every", "9u", "schedule.kind", "plateau", "step", "found plateau"},
            {"comm.wire", "bfloat16", "comm.reduce", "native", "ordered", "only with comm.reduce ordered"},
            {"schedule.factor", "0.1", "schedule.kind", "cosine", "plateau", "step or plateau, found cosine"},
            {"schedule.patience", "9", "schedule.kind", "step", "plateau", "found step"},
            {"model.position_limit", "9", "model.position", "none", "learned", "found none"},
            {"model.position_limit", "9", "model.position", "sinusoidal", "learned", "found sinusoidal"},
            {"validate.every", "2e", "data.valid", NULL, "v.h5", "only with data.valid, found nothing"},
            {"validate.metric", "accuracy", "data.valid", NULL, "v.h5",
                    "only with data.valid, found nothing"},
            {"validate.metric", "accuracy", "validate.every", "never", "2e", "found never"},
            {"data.sampling_alpha", "0.2", "data.sampling", "off", "0.1",
                    "only with data.sampling, found off"},
            {"log.every", "3u", "log.level", "warning", "detail", "only with log.level info or detail"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config *config = *state;
        options_release(&config_schema, config);
        assert_int_equal(options_defaults(&config_schema, config), STATUS_OK);
        assert_int_equal(options_check_needs(&config_schema, config), STATUS_OK);
        assert_int_equal(set(config, rows[i].name, rows[i].value), STATUS_OK);
        if (strcmp(rows[i].other, "validate.every") == 0)
            assert_int_equal(set(config, "data.valid", "v.h5"), STATUS_OK);
        if (rows[i].off)
            assert_int_equal(set(config, rows[i].other, rows[i].off), STATUS_OK);
        assert_refused(options_check_needs(&config_schema, config), STATUS_CONFIG, rows[i].words);
        assert_int_equal(set(config, rows[i].other, rows[i].on), STATUS_OK);
        assert_int_equal(options_check_needs(&config_schema, config), STATUS_OK);
    }
}

static void test_config__words_for_zero(void **state)
{
    struct config *config = *state;
    assert_int_equal(set(config, "comm.threads", "auto"), STATUS_OK);
    assert_int_equal(set(config, "train.clip_norm", "off"), STATUS_OK);
    assert_int_equal(set(config, "train.time_limit", "0"), STATUS_OK);
    assert_int_equal(set(config, "checkpoint.every", "never"), STATUS_OK);
    assert_true(config->train.clip_norm == 0 && config->checkpoint.every.value == 0);
    assert_refused(set(config, "train.until", "-1e"), STATUS_CONFIG, "found '-1e'");
    assert_refused(set(config, "comm.threads", "-1"), STATUS_CONFIG, "from 1 to 4096 or auto, found '-1'");
}

static void test_config__clock_time_shapes_no_result(void **state)
{
    assert_refused(set(*state, "train.until", "2h"), STATUS_CONFIG,
            "--train.until expects a period such as 500u (updates), 2e (epochs) or start, found '2h'");
    assert_refused(set(*state, "validate.every", "10m"), STATUS_CONFIG, "found '10m'");
    assert_int_equal(set(*state, "checkpoint.every", "10m"), STATUS_OK);
}

static void test_config__more_ranks_than_micro_batches(void **state)
{
    struct config *config = *state;
    assert_int_equal(config_check(config, 8), STATUS_OK);
    assert_refused(config_check(config, 12), STATUS_CONFIG,
            "expected at most 8 ranks (batch.micro_batches), found 12: start fewer, or set "
            "batch.micro_batches to 12, which makes an update 1.5 times as large");
}

static void test_config__r_drop_needs_dropout(void **state)
{
    struct config *config = *state;
    config->train.r_drop = 2;
    assert_int_equal(config_check(config, 1), STATUS_OK);
    config->model.dropout = 0;
    assert_refused(config_check(config, 1), STATUS_CONFIG,
            "train.r_drop 2 compares two draws of dropout, but model.dropout, model.attention_dropout and "
            "model.activation_dropout are 0");
    config->model.activation_dropout = 0.1;
    assert_int_equal(config_check(config, 1), STATUS_OK);
}

static void test_config__a_plateau_needs_validations(void **state)
{
    struct config *config = *state;
    assert_int_equal(set(config, "schedule.kind", "plateau"), STATUS_OK);
    assert_refused(config_check(config, 1), STATUS_CONFIG,
            "schedule.kind plateau follows validate.metric, but there is no validation: expected data.valid "
            "and validate.every, found no data.valid");
    assert_int_equal(set(config, "data.valid", "v.h5"), STATUS_OK);
    assert_int_equal(config_check(config, 1), STATUS_OK);
    assert_int_equal(set(config, "validate.every", "never"), STATUS_OK);
    assert_refused(config_check(config, 1), STATUS_CONFIG, "found validate.every never");
}

/* The record names the horizon, so that a later train.until is a change that is told. */
static void test_config__the_total_of_a_schedule_is_train_until(void **state)
{
    struct config *config = *state;
    config_resolve(config);
    assert_true(config->schedule.total.value == 0); /* inverse_sqrt has none */
    assert_int_equal(set(config, "schedule.kind", "cosine"), STATUS_OK);
    assert_int_equal(set(config, "train.until", "7e"), STATUS_OK);
    config_resolve(config);
    assert_true(config->schedule.total.value == 7 && config->schedule.total.unit == 'e');
    assert_int_equal(set(config, "schedule.total", "3000u"), STATUS_OK);
    config_resolve(config);
    assert_true(config->schedule.total.value == 3000 && config->schedule.total.unit == 'u');
}

static void test_config__settings_of_the_step_are_checked_together(void **state)
{
    struct config *config = *state;
    assert_int_equal(set(config, "optimizer.kind", "sgd"), STATUS_OK);
    assert_int_equal(set(config, "optimizer.nesterov", "true"), STATUS_OK);
    assert_refused(config_check(config, 1), STATUS_CONFIG, "optimizer.nesterov is true");
    assert_int_equal(set(config, "optimizer.momentum", "0.9"), STATUS_OK);
    assert_int_equal(set(config, "schedule.kind", "linear"), STATUS_OK);
    assert_int_equal(set(config, "schedule.total", "1000u"), STATUS_OK);
    assert_refused(config_check(config, 1), STATUS_CONFIG, "schedule.total is 1000u");
}

static void test_config__empty_names_are_refused(void **state)
{
    static const char *const names[] = {"run.directory", "run.resume", "data.train", "data.valid"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char words[64];
        snprintf(words, sizeof words, "%s expects a name, found ''", names[i]);
        assert_int_equal(set(*state, names[i], ""), STATUS_OK);
        assert_refused(config_check(*state, 1), STATUS_CONFIG, words);
        assert_int_equal(set(*state, names[i], "x"), STATUS_OK);
    }
    assert_int_equal(config_check(*state, 1), STATUS_OK);
}

/* What a change on resume means, by the first part of the name; exceptions by their whole name, first. */
static void test_config__what_a_change_means(void **state)
{
    static const struct {
        const char *prefix;
        enum option_change change;
    } rules[] = {{"model.dropout", CHANGE_NOTED}, {"model.attention_dropout", CHANGE_NOTED},
            {"model.activation_dropout", CHANGE_NOTED}, {"model.", CHANGE_REFUSED},
            {"run.seed", CHANGE_REFUSED}, {"run.", CHANGE_FREE}, {"data.train", CHANGE_REFUSED},
            {"data.valid", CHANGE_FREE}, {"data.", CHANGE_NOTED}, {"optimizer.", CHANGE_NOTED},
            {"schedule.", CHANGE_NOTED}, {"batch.", CHANGE_NOTED}, {"train.until", CHANGE_FREE},
            {"train.time_limit", CHANGE_FREE}, {"train.recompute", CHANGE_FREE}, {"train.", CHANGE_NOTED},
            {"validate.samples", CHANGE_FREE}, {"validate.", CHANGE_NOTED}, {"checkpoint.", CHANGE_FREE},
            {"comm.wire", CHANGE_NOTED}, {"comm.", CHANGE_FREE}, {"log.", CHANGE_FREE}};
    (void)state;
    for (size_t p = 0; p < config_schema.count; p++)
        for (size_t i = 0; i < config_schema.places[p].group->count; i++) {
            const struct option *option = &config_schema.places[p].group->options[i];
            size_t r = 0;
            while (strncmp(option->name, rules[r].prefix, strlen(rules[r].prefix)) != 0)
                if (++r == sizeof rules / sizeof rules[0])
                    fail_msg("no rule for %s", option->name);
            if (option->change != rules[r].change)
                fail_msg("%s: expected change class %d, found %d", option->name, (int)rules[r].change,
                        (int)option->change);
        }
}

/* Equal states are equal bytes: the record of a checkpoint holds nothing of places, ranks, time or saving. */
static void test_config__the_record_holds_what_shapes_the_result(void **state)
{
    char *before, *after;
    assert_int_equal(options_write_yaml(&before, &config_schema, *state, true), STATUS_OK);
    assert_non_null(strstr(before, "\nmodel:\n"));
    assert_non_null(strstr(before, "  seed: 1\n"));
    static const char *const free_settings[][2] = {{"run.directory", "elsewhere"}, {"run.resume", "require"},
            {"data.train", "moved.h5"}, {"data.valid", "v.h5"}, {"train.until", "3u"},
            {"train.time_limit", "1h"}, {"checkpoint.every", "7u"}, {"checkpoint.keep", "9"},
            {"checkpoint.compression", "0"}, {"comm.reduce", "native"}, {"comm.threads", "3"},
            {"log.every", "1u"}, {"log.level", "detail"}};
    for (size_t i = 0; i < sizeof free_settings / sizeof free_settings[0]; i++) {
        assert_int_equal(set(*state, free_settings[i][0], free_settings[i][1]), STATUS_OK);
        assert_false(find(free_settings[i][0])->shapes_result);
    }
    assert_int_equal(options_write_yaml(&after, &config_schema, *state, true), STATUS_OK);
    assert_string_equal(before, after);
    memory_free(before);
    memory_free(after);
}

static void test_config__config_yaml_reads_back_equal(void **state)
{
    struct config other;
    char *first, *second;
    assert_int_equal(set(*state, "run.directory", "a: b"), STATUS_OK);
    assert_int_equal(set(*state, "optimizer.learning_rate", "0.00031"), STATUS_OK);
    assert_int_equal(options_write_yaml(&first, &config_schema, *state, false), STATUS_OK);
    assert_int_equal(options_defaults(&config_schema, &other), STATUS_OK);
    assert_int_equal(
            options_parse_yaml(&config_schema, &other, first, strlen(first), "config.yaml"), STATUS_OK);
    assert_int_equal(options_write_yaml(&second, &config_schema, &other, false), STATUS_OK);
    assert_string_equal(first, second);
    options_release(&config_schema, &other);
    memory_free(first);
    memory_free(second);
}

static void test_config__help_fits_80_columns(void **state)
{
    char *text = NULL, *save = NULL;
    size_t bytes = 0;
    (void)state;
    FILE *out = open_memstream(&text, &bytes);
    options_print_help(out, &config_schema);
    fclose(out);
    for (char *row = strtok_r(text, "\n", &save); row; row = strtok_r(NULL, "\n", &save))
        if (strlen(row) > 80)
            fail_msg("%zu columns: %s", strlen(row), row);
    free(text);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_config__the_table_is_sound),
            WITH(test_config__defaults),
            WITH(test_config__what_must_be_given),
            WITH(test_config__what_counts_only_with_another),
            WITH(test_config__words_for_zero),
            WITH(test_config__clock_time_shapes_no_result),
            WITH(test_config__more_ranks_than_micro_batches),
            WITH(test_config__r_drop_needs_dropout),
            WITH(test_config__a_plateau_needs_validations),
            WITH(test_config__the_total_of_a_schedule_is_train_until),
            WITH(test_config__settings_of_the_step_are_checked_together),
            WITH(test_config__empty_names_are_refused),
            cmocka_unit_test(test_config__what_a_change_means),
            WITH(test_config__the_record_holds_what_shapes_the_result),
            WITH(test_config__config_yaml_reads_back_equal),
            cmocka_unit_test(test_config__help_fits_80_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
