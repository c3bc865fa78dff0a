#include "tests/io/made.h"

#include "comm/memory.h"
#include "comm/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static char folder[256];

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "the test cannot go on: %s (%s)\n", what, status_message());
    abort();
}

void made_folder(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/seqtrain-test-XXXXXX", parent && *parent ? parent : "/tmp");
    must(mkdtemp(folder) != NULL, "no temporary folder");
}

const char *made_path(const char *name)
{
    static char paths[4][600];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void made_remove(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    must(system(command) == 0, command);
}

int made_setup(void **state)
{
    (void)state;
    made_folder();
    return 0;
}

int made_teardown(void **state)
{
    (void)state;
    made_remove();
    if (memory_blocks() > 0)
        fprintf(stderr, "%zu blocks of memory are left\n", memory_blocks());
    return memory_blocks() > 0;
}

const char *made_file(const char *name, const void *bytes, size_t count)
{
    const char *path = made_path(name);
    FILE *file = fopen(path, "wb");
    must(file && fwrite(bytes, 1, count, file) == count && fclose(file) == 0, path);
    return path;
}

const char *made_gzip(const char *name, const void *bytes, size_t count)
{
    const char *path = made_path(name);
    gzFile file = gzopen(path, "wb");
    must(file && gzwrite(file, bytes, (unsigned)count) == (int)count && gzclose(file) == Z_OK, path);
    return path;
}

struct vocabulary *made_vocabulary(void)
{
    static const char *const lines[] = {"abcdefghijklm", "nopqrstuvwxyz", "a b c", "0123456789"};
    static const size_t bytes[] = {13, 13, 5, 10};
    char *model;
    size_t size;
    struct vocabulary *vocabulary;
    const struct vocabulary_settings settings = {
            .kind = kind_find(&vocabulary_kinds, "char"), .size = 40, .coverage = 1};
    must(vocabulary_train(&model, &size, "joint", &settings, lines, bytes, 4) == STATUS_OK, "no vocabulary");
    must(vocabulary_open(&vocabulary, model, size, "made") == STATUS_OK, "no vocabulary");
    memory_free(model);
    return vocabulary;
}

static uint64_t drawn(
        const struct made_shape *shape, enum side side, size_t pair, size_t position, uint64_t n)
{
    struct random_stream stream =
            random_stream(shape->seed, RANDOM_TEST, pair, (uint32_t)side, (uint32_t)position);
    return random_below(&stream, 0, n);
}

size_t made_length(const struct made_shape *shape, enum side side, size_t pair)
{
    return 1 + drawn(shape, side, pair, 0, shape->longest);
}

int32_t made_token(const struct made_shape *shape, enum side side, size_t pair, size_t position)
{
    if (position + 1 == made_length(shape, side, pair))
        return TOKEN_END;
    return TOKEN_FIRST_PIECE + (int32_t)drawn(shape, side, pair, 1 + position, 30);
}

size_t made_points(const struct made_shape *shape, size_t pair, struct corpus_point *out)
{
    const size_t sources = made_length(shape, SOURCE, pair) - 1,
                 targets = made_length(shape, TARGET, pair) - 1;
    size_t count = 0;
    for (size_t t = 0; t < targets && sources > 0; t++)
        if ((t + pair) % 3 != 0)
            out[count++] = (struct corpus_point){(int32_t)((7 * t + pair) % sources), (int32_t)t};
    return count;
}

static void add_points(struct corpus_writer *writer, const struct made_shape *shape, size_t pair)
{
    struct corpus_point *points;
    must(memory_new(&points, "test", shape->longest, sizeof *points) == STATUS_OK, "no memory");
    must(corpus_align(writer, points, made_points(shape, pair, points)) == STATUS_OK, "no points");
    memory_free(points);
}

static void add_pair(
        struct corpus_writer *writer, const struct made_shape *shape, size_t pair, int32_t *ids[SIDES])
{
    size_t counts[SIDES];
    char text[40];
    for (int side = 0; side < SIDES; side++) {
        counts[side] = made_length(shape, (enum side)side, pair) - 1;
        for (size_t i = 0; i < counts[side]; i++)
            ids[side][i] = made_token(shape, (enum side)side, pair, i);
    }
    snprintf(text, sizeof text, "line %zu", pair);
    must(corpus_add(writer, (const int32_t *const *)ids, counts, text, strlen(text)) == STATUS_OK, "no pair");
    if (shape->aligned)
        add_points(writer, shape, pair);
}

const char *made_corpus(const char *name, const struct made_shape *shape)
{
    const char *path = made_path(name);
    struct vocabulary *first = made_vocabulary(), *second = made_vocabulary();
    struct corpus_settings settings = {.vocabularies = {first, shape->joint ? first : second},
            .compression = shape->compression,
            .keep_text = shape->text,
            .aligned = shape->aligned};
    struct corpus_writer *writer;
    int32_t *ids[SIDES];
    for (int side = 0; side < SIDES; side++)
        must(memory_new(&ids[side], "test", shape->longest, sizeof *ids[side]) == STATUS_OK, "no memory");
    must(corpus_create(&writer, path, &settings) == STATUS_OK, path);
    for (size_t pair = 0; pair < shape->pairs; pair++)
        add_pair(writer, shape, pair, ids);
    must(corpus_skip(writer, 17, SKIP_EMPTY) == STATUS_OK, "no skipped line");
    must(corpus_commit(writer) == STATUS_OK, path);
    for (int side = 0; side < SIDES; side++)
        memory_free(ids[side]);
    vocabulary_close(first);
    vocabulary_close(second);
    return path;
}
