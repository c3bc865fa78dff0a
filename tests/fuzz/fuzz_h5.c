/* Corpora and checkpoints: the input is all that follows the header, which is made to fit it. */
#include "comm/memory.h"
#include "io/checkpoint.h"
#include "io/corpus/names.h"
#include "io/h5/internal.h"
#include "tests/fuzz/targets.h"
#include "tests/io/h5_files.h"
#include "tests/io/made.h"
#include "tests/io/toy_state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 1 << 20, ARRAY_MOST = 1 << 24, ROWS_AT_ONCE = 64 };

static const char *write_file(const uint8_t *bytes, size_t count, enum h5_kind kind)
{
    static uint8_t whole[H5_HEADER_BYTES + FILE_MOST];
    memcpy(whole + H5_HEADER_BYTES, bytes, count);
    const char *path = fuzz_file("whole.h5", whole, H5_HEADER_BYTES + count);
    struct h5_disk disk = {.path = path,
            .descriptor = open(path, O_RDWR),
            .writing = true,
            .length = H5_HEADER_BYTES + count};
    fuzz_must(h5_header_write(&disk, kind) == STATUS_OK && h5_disk_close(&disk) == STATUS_OK, "no header");
    return path;
}

static void read_arrays(struct h5_file *file)
{
    struct h5_array array;
    for (size_t i = 0; h5_list(file, i, &array); i++) {
        char *description = NULL;
        void *data = NULL;
        if (h5_get_description(file, array.name, &description) == STATUS_OK)
            memory_free(description);
        if (h5_row_bytes(&array) * (array.rank ? array.shape[0] : 1) > ARRAY_MOST)
            continue;
        if (h5_get(file, array.name, array.type, array.rank, &data, NULL) == STATUS_OK)
            memory_free(data);
    }
}

/* ---- corpora ---- */

static void read_side(struct corpus *corpus, enum side side)
{
    int64_t offsets[ROWS_AT_ONCE + 1];
    size_t pairs = corpus_facts(corpus)->pairs, words = corpus_words(corpus, side);
    int32_t *tokens = NULL;
    for (size_t first = 0; first < pairs; first += ROWS_AT_ONCE) {
        size_t count = pairs - first < ROWS_AT_ONCE ? pairs - first : ROWS_AT_ONCE;
        if (corpus_offsets(corpus, side, first, count, offsets) != STATUS_OK)
            return;
        size_t rows = (size_t)(offsets[count] - offsets[0]);
        if (rows * words > ARRAY_MOST ||
                memory_new(&tokens, "fuzz", rows * words, sizeof *tokens) != STATUS_OK)
            return;
        (void)corpus_tokens(corpus, side, offsets[0], rows, tokens);
        memory_free(tokens);
    }
}

static void read_text(struct corpus *corpus)
{
    char *text = NULL;
    size_t room = 0;
    int64_t offsets[2];
    for (size_t pair = 0; pair < corpus_facts(corpus)->pairs; pair++)
        if (corpus_text(corpus, pair, 1, &text, &room, offsets) != STATUS_OK)
            break;
    memory_free(text);
}

static void read_points(struct corpus *corpus)
{
    struct corpus_point *points = NULL;
    int64_t offsets[2];
    for (size_t pair = 0; corpus_facts(corpus)->aligned && pair < corpus_facts(corpus)->pairs; pair++) {
        if (corpus_point_offsets(corpus, pair, 1, offsets) != STATUS_OK)
            return;
        size_t count = (size_t)(offsets[1] - offsets[0]);
        if (memory_new(&points, "fuzz", count, sizeof *points) != STATUS_OK)
            return;
        (void)corpus_points(corpus, offsets[0], count, points);
        memory_free(points);
    }
}

static void run_corpus(const uint8_t *bytes, size_t count)
{
    const char *path = write_file(bytes, count, H5_CORPUS);
    struct corpus *corpus;
    struct h5_file *file;
    if (corpus_open(&corpus, path) == STATUS_OK) {
        for (int side = 0; side < SIDES; side++)
            read_side(corpus, (enum side)side);
        read_text(corpus);
        read_points(corpus);
        corpus_close(corpus);
    }
    if (h5_open(&file, path, H5_CORPUS, false) == STATUS_OK) {
        read_arrays(file);
        h5_close(file);
    }
}

static void seed_corpus(fuzz_taker *take, void *context)
{
    static const struct made_shape shapes[] = {
            {.pairs = 3, .longest = 4, .seed = 1, .compression = 1, .joint = true, .text = true},
            {.pairs = 2, .longest = 3, .seed = 2, .compression = 9, .joint = true, .aligned = true},
            {.pairs = 2, .longest = 3, .seed = 3, .compression = 6},
    };
    made_folder();
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        fuzz_take_file(take, context, made_corpus("seed.h5", &shapes[i]), H5_HEADER_BYTES);
    made_remove();
}

const struct fuzz_target fuzz_corpus = {"corpus", run_corpus, seed_corpus, FILE_MOST, false};

/* ---- checkpoints ---- */

static void load(struct checkpoint *checkpoint)
{
    struct toy toy;
    uint32_t crc;
    size_t parameters;
    toy_make(&toy, false, 0, 1, 0);
    struct field fields[TOY_FIELDS];
    memcpy(fields, toy.fields, sizeof fields);
    (void)checkpoint_load(checkpoint, &toy.blocks, toy.arrays, TOY_ARRAYS, toy.planes, TOY_PLANES, NULL, 0);
    for (int i = 0; i < TOY_FIELDS; i++) {
        int64_t integer;
        double real;
        char *text = NULL;
        struct field_row row = {0};
        void *const values[] = {[FIELD_INTEGER] = &integer,
                [FIELD_REAL] = &real,
                [FIELD_TEXT] = &text,
                [FIELD_INTEGERS] = &row,
                [FIELD_REALS] = &row};
        fields[i].value = values[fields[i].type];
        (void)checkpoint_load(checkpoint, &toy.blocks, NULL, 0, NULL, 0, &fields[i], 1);
        memory_free(text);
        memory_free(row.integers);
    }
    (void)checkpoint_parameters_crc32(checkpoint, &crc, &parameters);
    toy_release(&toy);
}

static void run_checkpoint(const uint8_t *bytes, size_t count)
{
    struct checkpoint *checkpoint;
    if (checkpoint_open(&checkpoint, write_file(bytes, count, H5_CHECKPOINT)) != STATUS_OK)
        return;
    load(checkpoint);
    read_arrays(checkpoint_file(checkpoint));
    checkpoint_close(checkpoint);
}

static void seed_checkpoint(fuzz_taker *take, void *context)
{
    static const int compressions[] = {0, 1, 6};
    const char *path = files_path("seed.h5");
    struct toy toy;
    toy_make(&toy, false, 0, 1, 3);
    for (size_t i = 0; i < sizeof compressions / sizeof compressions[0]; i++) {
        fuzz_must(toy_write_serially(&toy, path, compressions[i], "fuzz") == STATUS_OK, "no checkpoint");
        fuzz_take_file(take, context, path, H5_HEADER_BYTES);
    }
    toy_release(&toy);
    fuzz_must(files_sample(path, H5_CHECKPOINT, 1) == STATUS_OK, "no sample");
    fuzz_take_file(take, context, path, H5_HEADER_BYTES);
}

const struct fuzz_target fuzz_checkpoint = {"checkpoint", run_checkpoint, seed_checkpoint, FILE_MOST, false};
