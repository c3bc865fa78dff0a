#include "io/generate.h"

#include "comm/fault.h"
#include "io/generate/rules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, SPLIT_PARTS = 20, SPLIT_SITE = SPLITS };

static const struct generator generators[] = {
        {{"numbers", "numbers, dates, times and amounts in English and German words", NULL}, {"en", "de"},
                numbers_say, NULL, NULL},
        {{"strands", "strands of DNA and their reverse complements: ACGTT to AACGT", NULL},
                {"source", "target"}, sequence_say, &strand_rule, NULL},
        {{"genes", "genes and what is left when introns, from GTAAG to TCAG, are cut out", NULL},
                {"source", "target"}, sequence_say, &gene_rule, NULL},
        {{"copy", "16 to 64 letters as they are", NULL}, {"source", "target"}, sequence_say, &copy_rule,
                NULL},
        {{"reverse", "16 to 64 letters from last to first", NULL}, {"source", "target"}, sequence_say,
                &reverse_rule, NULL},
        {{"sort", "16 to 64 letters in alphabetical order", NULL}, {"source", "target"}, sequence_say,
                &sort_rule, NULL},
        {{"shapes", "pictures of two shapes and captions: a small red circle left of a big blue square",
                 NULL},
                {"images", "en"}, shapes_say, NULL, "pictures"},
};

const struct kind_table generator_kinds = KIND_TABLE("corpus", generators);

const char *const split_names[SPLITS] = {"train", "valid", "test"};

void phrase_add(struct phrase *phrase, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(phrase->text + phrase->bytes, PHRASE_BYTES - phrase->bytes, format, arguments);
    va_end(arguments);
    ASSERT(bytes >= 0 && phrase->bytes + (size_t)bytes < PHRASE_BYTES);
    phrase->bytes += (size_t)bytes;
}

enum split generate_split(uint64_t seed, uint32_t group, uint64_t value)
{
    struct random_stream stream = random_stream(seed, RANDOM_GENERATE, group, SPLIT_SITE, 0);
    switch (random_below(&stream, value, SPLIT_PARTS)) {
    case 0:
        return SPLIT_TEST;
    case 1:
        return SPLIT_VALID;
    default:
        return SPLIT_TRAIN;
    }
}

/* The two files of a split under temporary names. */
struct pair_files {
    char paths[SIDES][PATH_BYTES], temporary[SIDES][PATH_BYTES];
    FILE *files[SIDES];
};

static enum status files_open(
        struct pair_files *files, const struct generator *generator, const char *folder, enum split split)
{
    for (int side = 0; side < SIDES; side++) {
        const char *name = split_names[split], *suffix = generator->suffixes[side];
        int bytes = snprintf(files->temporary[side], PATH_BYTES, "%s/%s.%s.tmp", folder, name, suffix);
        CHECK(bytes < PATH_BYTES, STATUS_USAGE, "--output: expected a path below %d bytes, found %zu",
                PATH_BYTES, strlen(folder));
        snprintf(files->paths[side], PATH_BYTES, "%s/%s.%s", folder, name, suffix);
        files->files[side] = fopen(files->temporary[side], "w");
        if (!files->files[side])
            return status_fail_errno("create", files->paths[side]);
    }
    return STATUS_OK;
}

static enum status files_write(struct pair_files *files, const struct phrase sentence[SIDES])
{
    for (int side = 0; side < SIDES; side++)
        if (fault_fires(FAULT_WRITE) || fprintf(files->files[side], "%s\n", sentence[side].text) < 0)
            return status_fail_errno("write", files->paths[side]);
    return STATUS_OK;
}

/* Gives both files their names if all went well; else leaves none. */
static enum status files_close(struct pair_files *files, enum status status)
{
    for (int side = 0; side < SIDES; side++) {
        FILE *file = files->files[side];
        if (file && fclose(file) != 0 && status == STATUS_OK)
            status = status_fail_errno("write", files->paths[side]);
    }
    for (int side = 0; side < SIDES; side++) {
        if (status == STATUS_OK && rename(files->temporary[side], files->paths[side]) != 0)
            status = status_fail_errno("rename", files->temporary[side]);
        if (status != STATUS_OK && files->files[side])
            unlink(files->temporary[side]);
    }
    return status;
}

static enum status write_split(
        const struct generator *generator, const char *folder, enum split split, size_t lines, uint64_t seed)
{
    struct pair_files files = {0};
    enum status status = files_open(&files, generator, folder, split);
    for (size_t line = 0; line < lines && status == STATUS_OK; line++) {
        struct phrase sentence[SIDES];
        struct line of = {seed, random_stream(seed, RANDOM_GENERATE, line, split, 0), split, line, folder};
        status = generator->say(generator, &of, sentence);
        if (status == STATUS_OK)
            status = files_write(&files, sentence);
    }
    return files_close(&files, status);
}

static enum status make_pictures(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    int bytes = snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK(bytes < PATH_BYTES, STATUS_USAGE, "--output: expected a path below %d bytes, found %zu", PATH_BYTES,
            strlen(folder));
    return mkdir(path, 0777) == 0 || errno == EEXIST ? STATUS_OK : status_fail_errno("create", path);
}

enum status generate_corpus(
        const struct kind *kind, const char *folder, size_t train_lines, size_t test_lines, uint64_t seed)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return status_fail_errno("create", folder);
    const struct generator *generator = (const struct generator *)kind;
    if (generator->pictures)
        TRY(make_pictures(folder, generator->pictures));
    for (int split = 0; split < SPLITS; split++)
        TRY(write_split(
                generator, folder, (enum split)split, split == SPLIT_TRAIN ? train_lines : test_lines, seed));
    return STATUS_OK;
}
