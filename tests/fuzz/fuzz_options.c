/* Settings: a YAML file, and a command line of which a newline ends each word. */
#include "comm/memory.h"
#include "tests/fuzz/targets.h"
#include "train/config.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 1 << 12, WORDS_MOST = 64 };

/* What was taken is written, read back, and equal. */
static void check_record(const struct config *config)
{
    struct config again = {0};
    char *text = NULL, *other = NULL;
    fuzz_must(options_write_yaml(&text, &config_schema, config, false) == STATUS_OK, "no record");
    fuzz_must(options_defaults(&config_schema, &again) == STATUS_OK, "no defaults");
    fuzz_must(options_parse_yaml(&config_schema, &again, text, strlen(text), "record") == STATUS_OK,
            "a record is refused");
    fuzz_must(options_write_yaml(&other, &config_schema, &again, false) == STATUS_OK, "no second record");
    fuzz_must(strcmp(text, other) == 0, "a record reads back differently");
    memory_free(text);
    memory_free(other);
    options_release(&config_schema, &again);
}

static void check(struct config *config)
{
    check_record(config);
    if (config_complete(config) == STATUS_OK)
        (void)config_check(config, 2);
}

static void run_yaml(const uint8_t *bytes, size_t count)
{
    struct config config = {0};
    fuzz_must(options_defaults(&config_schema, &config) == STATUS_OK, "no defaults");
    if (options_parse_yaml(&config_schema, &config, (const char *)bytes, count, "fuzz.yaml") == STATUS_OK)
        check(&config);
    options_release(&config_schema, &config);
}

static void seed_yaml(fuzz_taker *take, void *context)
{
    struct config config = {0};
    char *text = NULL;
    fuzz_must(options_defaults(&config_schema, &config) == STATUS_OK &&
                      options_write_yaml(&text, &config_schema, &config, false) == STATUS_OK,
            "no defaults");
    if (strlen(text) <= TEXT_MOST)
        fuzz_take_text(take, context, text);
    memory_free(text);
    options_release(&config_schema, &config);
    fuzz_take_text(take, context, "data:\n  train: [a.h5, \"b.h5:2\"]\ntrain.until: 5e\nrun: {seed: 0x10}\n");
    fuzz_take_text(take, context, "model: {kind: gpt, width: 64}\nbatch:\n  tokens: 1e9\n# end\n");
    fuzz_take_text(take, context, "train: &a {clip_norm: nan}\ncomm: *a\n---\n%TAG ! tag:\n");
    fuzz_take_text(take, context, "\xEF\xBB\xBFlog:\r\n  every: 10u\r\n\tlevel: !!str info\r\n");
}

const struct fuzz_target fuzz_yaml = {"yaml", run_yaml, seed_yaml, TEXT_MOST, false};

/* ---- a command line ---- */

/* The words of `text`, cut in place; their number. */
static int cut(char *text, char *words[WORDS_MOST])
{
    int count = 0;
    for (char *end; count < WORDS_MOST - 1 && (end = strchr(text, '\n')); text = end + 1) {
        *end = '\0';
        words[count++] = text;
    }
    words[count++] = text;
    return count;
}

static void run_arguments(const uint8_t *bytes, size_t count)
{
    char text[TEXT_MOST + 1], *words[WORDS_MOST];
    memcpy(text, bytes, count);
    text[count] = '\0';
    int number = cut(text, words);
    struct config config = {0};
    const struct option_target target = {&config_schema, &config};
    struct text_list rest = {0};
    fuzz_must(options_defaults(&config_schema, &config) == STATUS_OK, "no defaults");
    if (options_read_arguments(&target, 1, number, words, &rest) == STATUS_OK)
        check(&config);
    text_list_release(&rest);
    options_release(&config_schema, &config);
}

static void seed_arguments(fuzz_taker *take, void *context)
{
    fuzz_take_text(take, context, "--data.train\na.h5\nb.h5:2\n--model.width=64\n--train.until\n5e\nx.yaml");
    fuzz_take_text(take, context, "--no-log.tensorboard\n--run.seed\n-1\n--\n--model.width");
    fuzz_take_text(
            take, context, "--optimizer.learning_rate\n1e-400\n--train.clip_norm\nnan\n-x\n--=\n--no-");
    fuzz_take_text(
            take, context, "--comm.timeout\n99999999999999999999h\n--batch.tokens\n18446744073709551617");
}

const struct fuzz_target fuzz_arguments = {"arguments", run_arguments, seed_arguments, TEXT_MOST, false};
