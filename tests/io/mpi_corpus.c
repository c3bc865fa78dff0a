/* A corpus opened by all ranks: the same facts everywhere, and one verdict where only one rank can see the fault. */
#include "comm/memory.h"
#include "comm/world.h"
#include "io/corpora.h"
#include "tests/io/made.h"

#include <stdio.h>
#include <string.h>

enum { PAIRS = 200000 };

static int failures;

static void expect(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "rank %d of %d: %s (%s)\n", world()->rank, world()->size, what, status_message());
    failures++;
}

/* Rank 0 writes; a bad token id stands in the last pair when asked for, seen by the last rank alone. */
static void write_corpus(const char *path, bool bad)
{
    struct vocabulary *vocabulary = made_vocabulary();
    struct corpus_settings settings = {.vocabularies = {vocabulary, vocabulary}};
    struct corpus_writer *writer;
    expect(corpus_create(&writer, path, &settings) == STATUS_OK, "the corpus can be made");
    for (int pair = 0; pair < PAIRS; pair++) {
        const int32_t source[2] = {5, 6}, target[2] = {7, bad && pair == PAIRS - 1 ? 99 : 8};
        const int32_t *const ids[SIDES] = {source, target};
        const size_t counts[SIDES] = {1 + (size_t)(pair == PAIRS / 2), 2};
        expect(corpus_add(writer, ids, counts, "", 0) == STATUS_OK, "a pair can be added");
    }
    expect(corpus_commit(writer) == STATUS_OK, "the corpus can be written");
    vocabulary_close(vocabulary);
}

static void check_good(const char *path)
{
    struct corpus *corpus;
    enum status status = corpus_open(&corpus, path);
    expect(status == STATUS_OK, "a good corpus opens");
    if (status != STATUS_OK)
        return;
    const struct corpus_facts *facts = corpus_facts(corpus);
    expect(facts->pairs == PAIRS, "all pairs are there");
    expect(facts->longest[SOURCE] == 3 && facts->longest[TARGET] == 3,
            "every rank knows the longest sentence");
    corpus_close(corpus);
}

/* Several corpora: the same numbers everywhere, and one verdict. */
static void check_several(const char *good, const char *bad)
{
    struct corpora *corpora;
    char twice[700];
    snprintf(twice, sizeof twice, "%s:2", good);
    enum status status = corpora_open(&corpora, (const char *[]){good, twice}, 2);
    expect(status == STATUS_OK, "two corpora open");
    if (status == STATUS_OK) {
        expect(corpora_first(corpora, 2) == 2 * (size_t)PAIRS, "pairs of both are counted");
        corpora_close(corpora);
    }
    expect(corpora_open(&corpora, (const char *[]){good, bad}, 2) == STATUS_DATA,
            "every rank refuses a bad second corpus");
    expect(corpora_open(&corpora, (const char *[]){good, "/nothing/here.h5:3"}, 2) == STATUS_MISSING,
            "every rank misses a second corpus");
}

static void flip(FILE *file, long at)
{
    fseek(file, at, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ 16, file);
    fclose(file);
}

static void check_bad(const char *path)
{
    struct corpus *corpus;
    expect(corpus_open(&corpus, path) == STATUS_DATA, "every rank refuses a bad token id");
    expect(strstr(status_message(), "/target/tokens[599998]: expected a token id below 40, found 99") != NULL,
            "every rank tells where it is");
    expect(corpus_open(&corpus, "/nothing/here.h5") == STATUS_MISSING, "every rank misses a file");
}

/* One bit, in each rank's share of the digest in turn and at both ends: every rank refuses the file. */
static void check_flipped(const char *path)
{
    enum { PLACES = 9 };
    for (int place = 0; place < PLACES; place++) {
        long at = 0;
        if (world()->rank == 0) {
            FILE *file = fopen(path, "r+b");
            fseek(file, 0, SEEK_END);
            at = H5_HEADER_BYTES + (ftell(file) - 1 - H5_HEADER_BYTES) * place / (PLACES - 1);
            flip(file, at);
        }
        expect(world_barrier() == STATUS_OK, "ranks meet");
        struct corpus *corpus;
        expect(corpus_open(&corpus, path) == STATUS_DATA, "every rank refuses a flipped bit");
        expect(strstr(status_message(), "the contents are damaged: expected digest") != NULL,
                "every rank says that it is damaged");
        expect(world_barrier() == STATUS_OK, "ranks meet");
        if (world()->rank == 0)
            flip(fopen(path, "r+b"), at);
    }
    expect(world_barrier() == STATUS_OK, "ranks meet");
    check_good(path);
}

int main(void)
{
    if (world_open(1) != STATUS_OK)
        return 1;
    char paths[2][600] = {"", ""};
    if (world()->rank == 0) {
        made_folder();
        for (int bad = 0; bad < 2; bad++) {
            snprintf(paths[bad], sizeof paths[bad], "%s", made_path(bad ? "bad.h5" : "good.h5"));
            write_corpus(paths[bad], bad);
        }
    }
    expect(world_broadcast(paths, sizeof paths, 0) == STATUS_OK, "ranks meet");
    check_good(paths[0]);
    check_bad(paths[1]);
    check_several(paths[0], paths[1]);
    check_flipped(paths[0]);
    expect(world_barrier() == STATUS_OK, "ranks meet");
    if (world()->rank == 0)
        made_remove();
    world_close();
    expect(memory_blocks() == 0, "nothing leaks");
    return failures > 0;
}
