#include "train/prepare/prepare.h"

#include "comm/log.h"
#include "comm/memory.h"
#include "comm/random.h"
#include "io/checkpoint.h"
#include "io/h5.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- a sample of the pairs ---- */

/* Both lines of a pair in one block. */
struct sampled {
    size_t bytes[SIDES];
    char text[]; /* source, then target */
};

/* Reservoir sampling (Vitter 1985, algorithm R): each pair is in the sample with equal chance. */
struct sample {
    struct sampled **pairs;
    size_t count, room, limit;
    int64_t seen, too_long;
};

static void sample_release(struct sample *sample)
{
    for (size_t i = 0; i < sample->count; i++)
        memory_free(sample->pairs[i]);
    memory_free(sample->pairs);
}

static enum status keep(struct sampled **place, const struct pair *pair)
{
    struct sampled *block = NULL;
    TRY(memory_new(&block, "sample", 1, sizeof *block + pair->bytes[SOURCE] + pair->bytes[TARGET]));
    memcpy(block->bytes, pair->bytes, sizeof block->bytes);
    memcpy(block->text, pair->text[SOURCE], pair->bytes[SOURCE]);
    memcpy(block->text + pair->bytes[SOURCE], pair->text[TARGET], pair->bytes[TARGET]);
    memory_free(*place);
    *place = block;
    return STATUS_OK;
}

static enum status sample_add(
        struct sample *sample, const struct random_stream *stream, const struct pair *pair)
{
    uint64_t seen = (uint64_t)sample->seen++;
    if (sample->count < sample->limit) {
        TRY(memory_grow(&sample->pairs, "sample", &sample->room, sample->count + 1, sizeof *sample->pairs));
        TRY(keep(&sample->pairs[sample->count], pair));
        sample->count++;
        return STATUS_OK;
    }
    uint64_t place = random_below(stream, seen, seen + 1);
    return place < sample->limit ? keep(&sample->pairs[place], pair) : STATUS_OK;
}

static enum status sample_read(struct sample *sample, const struct prepare_text *text)
{
    struct random_stream stream = random_stream((uint64_t)text->options->seed, RANDOM_SAMPLE, 0, 0, 0);
    struct pair pair;
    enum skip_reason reason;
    for (;;) {
        TRY(prepare_next(text, &pair, &reason));
        if (!pair.text[SOURCE])
            return STATUS_OK;
        if (reason != SKIP_NOT)
            continue;
        if (text->form.kind != SOURCE_TEXT)
            pair.bytes[SOURCE] = 0;
        if (pair.bytes[SOURCE] > VOCABULARY_LINE_LIMIT || pair.bytes[TARGET] > VOCABULARY_LINE_LIMIT)
            sample->too_long++;
        else
            TRY(sample_add(sample, &stream, &pair));
    }
}

/* ---- learning ---- */

/* Lines [first side, end side) of the sample as arrays. */
static size_t list_lines(const struct sample *sample, int first, int end, const char **lines, size_t *bytes)
{
    size_t n = 0;
    for (int side = first; side < end; side++)
        for (size_t i = 0; i < sample->count; i++) {
            const struct sampled *pair = sample->pairs[i];
            lines[n] = pair->text + (side == TARGET ? pair->bytes[SOURCE] : 0);
            bytes[n++] = pair->bytes[side];
        }
    return n;
}

static enum status learn(const struct prepare_options *options, const struct sample *sample, int first,
        int end, struct vocabulary **out)
{
    const char **lines = NULL, *what = end - first == SIDES ? "joint" : side_names[first];
    const struct vocabulary_settings settings = {.kind = options->vocab_kind,
            .size = (size_t)options->vocab_size,
            .coverage = options->coverage,
            .bytes = options->byte_fallback};
    size_t *bytes = NULL, room = sample->count * (size_t)(end - first), model_bytes;
    char *model = NULL;
    enum status status = memory_new(&lines, "sample", room, sizeof *lines);
    if (status == STATUS_OK)
        status = memory_new(&bytes, "sample", room, sizeof *bytes);
    if (status == STATUS_OK) {
        size_t count = list_lines(sample, first, end, lines, bytes);
        log_line(LOG_INFO, "learning a %s %s vocabulary of %zu pieces from %zu lines", what,
                settings.kind->name, settings.size, count);
        status = vocabulary_train(&model, &model_bytes, what, &settings, lines, bytes, count);
    }
    if (status == STATUS_OK)
        status = vocabulary_open(out, model, model_bytes, "the vocabulary just learned");
    memory_free(lines);
    memory_free(bytes);
    memory_free(model);
    return status;
}

static enum status learn_all(
        const struct prepare_text *text, struct sample *sample, struct vocabulary *out[SIDES])
{
    const struct prepare_options *options = text->options;
    TRY(sample_read(sample, text));
    CHECK(sample->count > 0, STATUS_DATA,
            "expected sentence pairs, found none of which both lines hold text, of at most %d bytes",
            VOCABULARY_LINE_LIMIT);
    if (sample->too_long)
        log_line(LOG_INFO, "no vocabulary is learned from %lld pairs with a line longer than %d bytes",
                (long long)sample->too_long, VOCABULARY_LINE_LIMIT);
    if (text->form.kind != SOURCE_TEXT)
        return learn(options, sample, TARGET, SIDES, &out[TARGET]);
    if (options->separate) {
        TRY(learn(options, sample, SOURCE, TARGET, &out[SOURCE]));
        return learn(options, sample, TARGET, SIDES, &out[TARGET]);
    }
    TRY(learn(options, sample, SOURCE, SIDES, &out[SOURCE]));
    out[TARGET] = out[SOURCE];
    return STATUS_OK;
}

/* ---- reading those of another file ---- */

static enum status read_array(struct h5_file *file, const char *part, struct vocabulary **out)
{
    char name[H5_NAME_LIMIT];
    struct h5_array array;
    void *model;
    snprintf(name, sizeof name, "/vocabulary/%s/model", part);
    TRY(h5_check_rows(file, name, VOCABULARY_MODEL_LIMIT));
    TRY(h5_get(file, name, H5_BYTE, 1, &model, &array));
    enum status status = vocabulary_open(out, model, array.shape[0], h5_path(file));
    memory_free(model);
    return status;
}

/* A corpus or a checkpoint. */
static enum status read_h5(const char *path, enum h5_kind kind, struct vocabulary *out[SIDES])
{
    struct h5_file *file;
    TRY(h5_open(&file, path, kind, false));
    enum status status;
    if (h5_has(file, "/vocabulary/joint/model")) {
        status = read_array(file, "joint", &out[SOURCE]);
        out[TARGET] = out[SOURCE];
    } else {
        status = read_array(file, side_names[SOURCE], &out[SOURCE]);
        if (status == STATUS_OK)
            status = read_array(file, side_names[TARGET], &out[TARGET]);
    }
    h5_close(file);
    return status;
}

/* A SentencePiece .model file. */
static enum status read_model(const char *path, struct vocabulary *out[SIDES])
{
    struct stat facts = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return status_fail_errno("read", path);
    char *model = NULL;
    enum status status = STATUS_OK;
    if (fstat(fileno(file), &facts) != 0 || S_ISDIR(facts.st_mode)) {
        errno = S_ISDIR(facts.st_mode) ? EISDIR : errno;
        status = status_fail_errno("read", path);
    } else if (facts.st_size > VOCABULARY_MODEL_LIMIT) {
        status = status_fail(STATUS_DATA, "%s: expected a SentencePiece model, found a file of %lld bytes",
                path, (long long)facts.st_size);
    }
    size_t bytes = (size_t)facts.st_size;
    if (status == STATUS_OK)
        status = memory_new(&model, "vocabulary", bytes + 1, 1);
    if (status == STATUS_OK && fread(model, 1, bytes, file) != bytes)
        status = status_fail_errno("read", path);
    fclose(file);
    if (status == STATUS_OK)
        status = vocabulary_open(&out[SOURCE], model, bytes, path);
    out[TARGET] = out[SOURCE];
    memory_free(model);
    return status;
}

static enum status read_all(const char *path, struct vocabulary *out[SIDES])
{
    enum h5_kind kind;
    char *file = NULL;
    const char *suffix = strrchr(path, '.');
    if (suffix && strcmp(suffix, ".model") == 0)
        return read_model(path, out);
    TRY(checkpoint_resolve(&file, path)); /* leaves a file as it is */
    enum status status = h5_peek(file, &kind);
    if (status == STATUS_OK)
        status = read_h5(file, kind, out);
    memory_free(file);
    return status;
}

enum status prepare_vocabulary_form(const char *path, struct source_form *out)
{
    struct vocabulary *vocabularies[SIDES] = {NULL, NULL};
    enum status status = read_all(path, vocabularies);
    if (status == STATUS_OK)
        *out = *vocabulary_form(vocabularies[SOURCE]);
    prepare_release_vocabularies(vocabularies);
    return status;
}

/* A source that is not text has its form in place of a vocabulary; one of --vocab must be the same. */
static enum status put_form(const struct prepare_text *text, struct vocabulary *out[SIDES])
{
    char is[SOURCE_FORM_BYTES], was[SOURCE_FORM_BYTES], form[SOURCE_FORM_BYTES];
    struct vocabulary *source = out[SOURCE];
    source_describe(&text->form, is);
    source_describe(source ? vocabulary_form(source) : &text->form, was);
    bool same = strcmp(is, was) == 0, was_text = source && vocabulary_form(source)->kind == SOURCE_TEXT;
    CHECK(same || (was_text && text->form.kind != SOURCE_TEXT), STATUS_DATA,
            "--vocab %s: expected a source of %s, found %s", text->options->vocab, is, was);
    if (text->form.kind == SOURCE_TEXT)
        return STATUS_OK;
    if (source != out[TARGET])
        vocabulary_close(source);
    out[SOURCE] = NULL;
    source_write_form(&text->form, form);
    return vocabulary_open(&out[SOURCE], form, strlen(form), "the source");
}

enum status prepare_vocabularies(const struct prepare_text *text, struct vocabulary *out[SIDES])
{
    const struct prepare_options *options = text->options;
    out[SOURCE] = out[TARGET] = NULL;
    enum status status;
    if (options->vocab) {
        status = read_all(options->vocab, out);
    } else {
        size_t lines = (size_t)options->vocab_sample;
        bool one = options->separate || text->form.kind != SOURCE_TEXT;
        struct sample sample = {.limit = one ? lines : (lines + 1) / 2};
        status = learn_all(text, &sample, out);
        sample_release(&sample);
        pairs_rewind(text->pairs);
    }
    if (status == STATUS_OK)
        status = put_form(text, out);
    if (status != STATUS_OK)
        prepare_release_vocabularies(out);
    return status;
}

void prepare_release_vocabularies(struct vocabulary *vocabularies[SIDES])
{
    if (vocabularies[TARGET] != vocabularies[SOURCE])
        vocabulary_close(vocabularies[TARGET]);
    vocabulary_close(vocabularies[SOURCE]);
    vocabularies[SOURCE] = vocabularies[TARGET] = NULL;
}
