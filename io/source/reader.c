#include "io/source/internal.h"

#include "comm/memory.h"

#include <string.h>

enum { SENTENCE_BYTES_MOST = 1 << 28 };

static const struct source_kind_row *const rows[] = {
        [SOURCE_FRAMES] = &source_frames, [SOURCE_IMAGES] = &source_images};

enum status source_open(struct source_reader **out, const char *path, const struct source_form *form)
{
    struct source_reader *reader = NULL;
    const struct source_kind_row *row = rows[form->kind];
    ASSERT(row);
    CHECK(strcmp(path, "-") != 0, STATUS_USAGE, "expected a file of %s, found standard input (-)", row->what);
    TRY(memory_new(&reader, "source", 1, sizeof *reader));
    reader->form = *form;
    reader->row = row;
    enum status status = memory_text(&reader->path, "source", path);
    if (status == STATUS_OK)
        status = reader->row->open(reader);
    if (status != STATUS_OK)
        source_close(reader);
    else
        *out = reader;
    return status;
}

void source_close(struct source_reader *reader)
{
    if (!reader)
        return;
    if (reader->data)
        reader->row->close(reader->data);
    memory_free(reader->path);
    memory_free(reader->tokens);
    memory_free(reader);
}

const struct source_form *source_reader_form(const struct source_reader *reader)
{
    return &reader->form;
}

const char *source_path(const struct source_reader *reader)
{
    return reader->path;
}

int64_t source_number(const struct source_reader *reader)
{
    return reader->number;
}

void source_rewind(struct source_reader *reader)
{
    reader->number = 0;
    reader->row->rewind(reader);
}

enum status source_reserve(struct source_reader *reader, uint64_t tokens)
{
    size_t words = source_words(&reader->form);
    CHECK(tokens <= SENTENCE_BYTES_MOST / sizeof(int32_t) / words, STATUS_DATA,
            "%s: sentence %lld: expected at most %d MB, found %llu frames", reader->path,
            (long long)reader->number, SENTENCE_BYTES_MOST >> 20, (unsigned long long)tokens);
    return memory_grow(
            &reader->tokens, "source", &reader->room, ((size_t)tokens + 1) * words, sizeof(int32_t));
}

enum status source_next(struct source_reader *reader, const void **tokens, size_t *count)
{
    bool end = false;
    *tokens = NULL;
    *count = 0;
    reader->number++;
    TRY(reader->row->next(reader, count, &end));
    if (end)
        reader->number--;
    else
        *tokens = reader->tokens;
    return STATUS_OK;
}
