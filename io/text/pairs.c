#include "io/pairs.h"

#include "comm/memory.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pairs {
    const struct text_list *files; /* [width] */
    int width;                     /* files side by side: SIDES, or 1 that holds both, or the target */
    struct source_reader *source;  /* NULL: text */
    int *spools[SIDES];            /* of each file its copy, or -1: none */
    struct text *open[SIDES];
    size_t next; /* file to be opened */
    int64_t number;
};

/* Told before minutes of copying and reading, not after. */
static enum status check_files(const struct text_list *files)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->items[i], "-") != 0 && access(files->items[i], R_OK) != 0)
            return status_fail_errno("read", files->items[i]);
    return STATUS_OK;
}

static bool can_be_read_again(const char *path)
{
    struct stat facts;
    return strcmp(path, "-") != 0 && stat(path, &facts) == 0 && S_ISREG(facts.st_mode);
}

static enum status open_spools(struct pairs *pairs, int side, bool again)
{
    const struct text_list *files = &pairs->files[side];
    TRY(memory_new(&pairs->spools[side], "text", files->count, sizeof *pairs->spools[side]));
    for (size_t i = 0; i < files->count; i++)
        pairs->spools[side][i] = -1;
    for (size_t i = 0; i < files->count && again; i++)
        if (!can_be_read_again(files->items[i]))
            TRY(text_spool(&pairs->spools[side][i], files->items[i]));
    return STATUS_OK;
}

static void close_spools(struct pairs *pairs, int side)
{
    for (size_t i = 0; pairs->spools[side] && i < pairs->files[side].count; i++)
        if (pairs->spools[side][i] >= 0)
            close(pairs->spools[side][i]);
    memory_free(pairs->spools[side]);
}

static enum status open_pairs(struct pairs **out, const struct text_list *files, int width, bool again)
{
    struct pairs *pairs = NULL;
    TRY(text_check_inputs(files, (size_t)width));
    for (int side = 0; side < width; side++)
        TRY(check_files(&files[side]));
    TRY(memory_new(&pairs, "text", 1, sizeof *pairs));
    pairs->files = files;
    pairs->width = width;
    enum status status = STATUS_OK;
    for (int side = 0; side < width && status == STATUS_OK; side++)
        status = open_spools(pairs, side, again);
    if (status != STATUS_OK) {
        pairs_close(pairs);
        return status;
    }
    *out = pairs;
    return STATUS_OK;
}

enum status pairs_open(struct pairs **out, const struct text_list files[SIDES], bool again)
{
    CHECK(files[SOURCE].count == files[TARGET].count && files[SOURCE].count > 0, STATUS_USAGE,
            "expected as many source files as target files, found %zu and %zu", files[SOURCE].count,
            files[TARGET].count);
    return open_pairs(out, files, SIDES, again);
}

enum status pairs_open_joined(struct pairs **out, const struct text_list *files, bool again)
{
    return open_pairs(out, files, 1, again);
}

enum status pairs_open_source(
        struct pairs **out, struct source_reader *source, const struct text_list *targets, bool again)
{
    enum status status = open_pairs(out, targets, 1, again);
    if (status == STATUS_OK)
        (*out)->source = source;
    else
        source_close(source);
    return status;
}

static void close_files(struct pairs *pairs)
{
    for (int side = 0; side < SIDES; side++) {
        text_close(pairs->open[side]);
        pairs->open[side] = NULL;
    }
}

void pairs_close(struct pairs *pairs)
{
    if (!pairs)
        return;
    close_files(pairs);
    for (int side = 0; side < pairs->width; side++)
        close_spools(pairs, side);
    source_close(pairs->source);
    memory_free(pairs);
}

void pairs_rewind(struct pairs *pairs)
{
    close_files(pairs);
    if (pairs->source)
        source_rewind(pairs->source);
    pairs->next = 0;
    pairs->number = 0;
}

static enum status open_files(struct pairs *pairs)
{
    for (int side = 0; side < pairs->width; side++) {
        const char *path = pairs->files[side].items[pairs->next];
        int spool = pairs->spools[side][pairs->next];
        if (spool >= 0)
            TRY(text_open_spool(&pairs->open[side], spool, path));
        else
            TRY(text_open(&pairs->open[side], path));
    }
    pairs->next++;
    return STATUS_OK;
}

/* One file has ended: counts the other's lines to tell both. */
static enum status fail_counts(struct pairs *pairs, enum side longer)
{
    struct text *const *open = pairs->open;
    long long counts[SIDES] = {text_line_number(open[SOURCE]), text_line_number(open[TARGET])};
    const char *line;
    size_t bytes;
    enum text_fault fault;
    do {
        counts[longer] = text_line_number(open[longer]);
        TRY(text_next(open[longer], &line, &bytes, &fault));
    } while (line);
    for (int side = 0; side < SIDES; side++)
        CHECK(counts[side] > 0, STATUS_DATA, "%s: expected text, found an empty file", text_path(open[side]));
    return status_fail(STATUS_DATA, "expected as many lines in %s as in %s, found %lld and %lld",
            text_path(open[SOURCE]), text_path(open[TARGET]), counts[SOURCE], counts[TARGET]);
}

/* The source or the lines have ended: counts what is left to tell both. */
static enum status fail_source(struct pairs *pairs, bool source_ended)
{
    long long sentences = source_number(pairs->source), lines = pairs->number;
    const void *tokens;
    size_t count;
    if (source_ended)
        return status_fail(STATUS_DATA, "expected as many lines as sentences in %s, found more than its %lld",
                source_path(pairs->source), sentences);
    do
        TRY(source_next(pairs->source, &tokens, &count));
    while (tokens);
    return status_fail(STATUS_DATA, "expected as many lines as sentences in %s, found %lld and %lld",
            source_path(pairs->source), lines, (long long)source_number(pairs->source));
}

/* The next line of the open file, a target, and its source. */
static enum status read_with_source(struct pairs *pairs, struct pair *out)
{
    const void *tokens;
    size_t count;
    TRY(text_next(pairs->open[SOURCE], &out->text[TARGET], &out->bytes[TARGET], &out->faults[TARGET]));
    if (!out->text[TARGET])
        return STATUS_OK;
    TRY(source_next(pairs->source, &tokens, &count));
    if (!tokens)
        return fail_source(pairs, true);
    out->text[SOURCE] = tokens;
    out->bytes[SOURCE] = count * source_words(source_reader_form(pairs->source)) * sizeof(int32_t);
    return STATUS_OK;
}

/* After the last line: the source has no more either. */
static enum status check_source_end(struct pairs *pairs)
{
    const void *tokens;
    size_t count;
    if (!pairs->source)
        return STATUS_OK;
    TRY(source_next(pairs->source, &tokens, &count));
    return tokens ? fail_source(pairs, false) : STATUS_OK;
}

static void divide(struct pair *pair)
{
    const char *line = pair->text[SOURCE];
    size_t bytes = pair->bytes[SOURCE];
    const char *tab = memchr(line, '\t', bytes), *end = line + bytes;
    pair->faults[TARGET] = pair->faults[SOURCE];
    pair->text[TARGET] = tab ? tab + 1 : end;
    pair->bytes[TARGET] = (size_t)(end - pair->text[TARGET]);
    pair->undivided = !tab || memchr(pair->text[TARGET], '\t', pair->bytes[TARGET]);
    if (!pair->undivided)
        pair->bytes[SOURCE] = (size_t)(tab - line);
}

/* The next lines of the open files; both NULL at their end. */
static enum status read_pair(struct pairs *pairs, struct pair *out)
{
    if (pairs->source)
        return read_with_source(pairs, out);
    for (int side = 0; side < pairs->width; side++)
        TRY(text_next(pairs->open[side], &out->text[side], &out->bytes[side], &out->faults[side]));
    if (pairs->width == 1 && out->text[SOURCE])
        divide(out);
    if (!out->text[SOURCE] != !out->text[TARGET])
        return fail_counts(pairs, out->text[SOURCE] ? SOURCE : TARGET);
    CHECK(out->text[SOURCE] || text_line_number(pairs->open[SOURCE]) > 0, STATUS_DATA,
            "%s: expected text, found an empty file", text_path(pairs->open[SOURCE]));
    return STATUS_OK;
}

enum status pairs_next(struct pairs *pairs, struct pair *out)
{
    memset(out, 0, sizeof *out);
    while (!out->text[SOURCE]) {
        if (!pairs->open[SOURCE] && pairs->next == pairs->files[SOURCE].count)
            return check_source_end(pairs);
        if (!pairs->open[SOURCE])
            TRY(open_files(pairs));
        TRY(read_pair(pairs, out));
        if (!out->text[SOURCE])
            close_files(pairs);
    }
    out->number = ++pairs->number;
    return STATUS_OK;
}

bool pair_is_good(const struct pair *pair)
{
    return pair->faults[SOURCE] == TEXT_GOOD && pair->faults[TARGET] == TEXT_GOOD && !pair->undivided;
}

enum status pairs_fail(const struct pairs *pairs, const struct pair *pair)
{
    if (pairs->source)
        return text_fail(pairs->open[SOURCE], pair->faults[TARGET]);
    for (int side = 0; side < pairs->width; side++)
        if (pair->faults[side] != TEXT_GOOD)
            return text_fail(pairs->open[side], pair->faults[side]);
    size_t tabs = 0;
    for (size_t i = 0; i < pair->bytes[SOURCE]; i++)
        tabs += pair->text[SOURCE][i] == '\t';
    if (pair->undivided)
        return status_fail(STATUS_DATA, "%s:%lld: expected source, one tab and target, found %zu tabs",
                text_path(pairs->open[SOURCE]), (long long)text_line_number(pairs->open[SOURCE]), tabs);
    return status_fail(STATUS_INTERNAL, "pair %lld has no fault", (long long)pair->number);
}

const char *pairs_path(const struct pairs *pairs, enum side side)
{
    if (pairs->source && side == SOURCE)
        return source_path(pairs->source);
    return text_path(pairs->open[pairs->width == SIDES ? side : SOURCE]);
}
