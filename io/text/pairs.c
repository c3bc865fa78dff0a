#include "io/pairs.h"

#include "comm/memory.h"

#include <string.h>
#include <unistd.h>

struct pairs {
    const struct text_list *files; /* [width] */
    int width;                     /* files side by side: SIDES, or 1 that holds both */
    int spool;                     /* standard input's copy, or -1 */
    struct text *open[SIDES];
    size_t next; /* file to be opened */
    int64_t number;
};

static enum status open_pairs(struct pairs **out, const struct text_list *files, int width, bool again)
{
    bool standard = false;
    struct pairs *pairs = NULL;
    TRY(text_check_inputs(files, (size_t)width, &standard));
    TRY(memory_new(&pairs, "text", 1, sizeof *pairs));
    pairs->files = files;
    pairs->width = width;
    pairs->spool = -1;
    enum status status = standard && again ? text_spool(&pairs->spool) : STATUS_OK;
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
    if (pairs->spool >= 0)
        close(pairs->spool);
    memory_free(pairs);
}

void pairs_rewind(struct pairs *pairs)
{
    close_files(pairs);
    pairs->next = 0;
    pairs->number = 0;
}

static enum status open_files(struct pairs *pairs)
{
    for (int side = 0; side < pairs->width; side++) {
        const char *path = pairs->files[side].items[pairs->next];
        if (strcmp(path, "-") == 0 && pairs->spool >= 0)
            TRY(text_open_spool(&pairs->open[side], pairs->spool, "standard input"));
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
            return STATUS_OK;
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
