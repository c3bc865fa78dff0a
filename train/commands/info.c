/*
 * seqtrain info: what a corpus, a checkpoint or a run directory holds; alone, all kinds there are to choose from.
 */
#include "train/info/info.h"

#include "io/h5.h"
#include "train/command.h"

#include <sys/stat.h>

static const struct option rows[] = {
        {"verify", OPTION_BOOL, offsetof(struct info_settings, verify), .value = "false",
                .help = "unpack every array too; header and digest are always verified\nOf a run: those of "
                        "all its checkpoints."},
        {"json", OPTION_BOOL, offsetof(struct info_settings, json), .value = "false",
                .help = "print one JSON object"},
        {"all", OPTION_BOOL, offsetof(struct info_settings, all), .value = "false",
                .help = "settings at their default too, and every validation"},
        {"skipped", OPTION_BOOL, offsetof(struct info_settings, skipped), .value = "false",
                .help = "list each line that prepare left out of a corpus, and why"},
};
static const struct option_group group = OPTION_GROUP("info", "what is told", rows);
static const struct option_place places[] = {{&group, 0}};
static const struct schema schema = {places, sizeof places / sizeof *places};

static enum status tell_file(struct info *info, const char *path)
{
    const struct info_settings *settings = info->settings;
    enum h5_kind kind;
    TRY(h5_peek(path, &kind));
    CHECK(kind == H5_CORPUS || !settings->skipped, STATUS_USAGE,
            "info: --skipped is about a corpus, found a %s: %s", h5_kind_name(kind), path);
    CHECK(kind == H5_CHECKPOINT || !settings->all, STATUS_USAGE,
            "info: --all is about a checkpoint or a run, found a %s: %s", h5_kind_name(kind), path);
    if (kind == H5_ATTENTION)
        return info_attention(info, path);
    return kind == H5_CORPUS ? info_corpus(info, path) : info_checkpoint(info, path);
}

static enum status tell_path(struct info *info, const char *path)
{
    struct stat found;
    if (stat(path, &found) != 0)
        return status_fail_errno("open", path);
    if (!S_ISDIR(found.st_mode))
        return tell_file(info, path);
    CHECK(!info->settings->skipped, STATUS_USAGE,
            "info: --skipped is about a corpus, found a run directory: %s", path);
    return info_run(info, path);
}

static enum status check_alone(const struct info_settings *settings)
{
    const char *given = settings->verify ? "verify" : settings->skipped ? "skipped" : "all";
    CHECK(!settings->verify && !settings->skipped && !settings->all, STATUS_USAGE,
            "info: --%s is about a file or run directory, found none", given);
    return STATUS_OK;
}

static enum status tell(struct info *info, const struct text_list *words)
{
    if (words->count == 1) {
        TRY(tell_path(info, words->items[0]));
        return info_print(info);
    }
    TRY(check_alone(info->settings));
    TRY(info_kinds(info));
    if (info->settings->json)
        return info_print(info);
    info_print_kinds(info->facts);
    return STATUS_OK;
}

static enum status open_and_tell(const void *settings, const struct text_list *words)
{
    struct info info;
    CHECK(words->count <= 1, STATUS_USAGE, "info: expected one file or run directory, found %zu words",
            words->count);
    TRY(info_open(&info, settings));
    enum status status = tell(&info, words);
    info_close(&info);
    return status;
}

static enum status run(int argc, char **argv)
{
    struct info_settings settings;
    return command_run(&info_command, &settings, argc, argv, open_and_tell);
}

const struct command info_command = {
        .name = "info",
        .summary = "tells what a corpus, checkpoint or run holds; alone, all kinds",
        .usage = "[FILE|RUN]",
        .examples = "seqtrain info train.h5 --skipped\n"
                    "seqtrain info run                 # how far it is, with curves\n"
                    "seqtrain info run --json\n"
                    "seqtrain info run/checkpoints/update-00001000.h5 --verify\n"
                    "seqtrain info                     # all kinds, with their papers",
        .schemas = {&schema},
        .ranks = false,
        .run = run,
};
