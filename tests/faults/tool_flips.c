/*
 * Damages a small checkpoint and a small corpus in every way of one kind, and opens each as training does:
 *
 *     tool_flips SEED [STEP]      two lines: FILE FLIPS CUTS INSIDE ACCEPTED
 *
 * Flips: one bit, drawn by the seed, of each byte in turn (of each STEP-th of a file of more than 64 KiB). Cuts: every
 * length, or about 3000. Both must be refused. Inside: the same flips, about 4000 at most, past the header, with digest and
 * CRC made to agree again, as no accident does: what is left to find them is HDF5 and our own checks. Such a file may be
 * read or refused; it must not crash, or keep the reader for long. Ends with 1 if a damaged file was accepted, or a whole
 * one refused.
 */
#include "comm/memory.h"
#include "tests/io/made.h"
#include "tests/io/toy_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum {
    DIGEST_AT = 24,
    CRC_AT = H5_HEADER_BYTES - 4,
    CASE_SECONDS = 20,
    INSIDE_CASES = 4000,
    CUT_CASES = 3000
};

struct victim {
    const char *name, *path;
    enum status (*read)(struct victim *victim); /* opens and reads all that is in it */
    struct toy *toy;
    int descriptor;
    unsigned char *bytes;
    size_t size, step;
};

/* ---- what reads them ---- */

static enum status read_checkpoint(struct victim *victim)
{
    struct checkpoint *checkpoint;
    struct toy *toy = victim->toy;
    toy_wipe(toy);
    TRY(checkpoint_open(&checkpoint, victim->path));
    enum status status = checkpoint_load(checkpoint, &toy->blocks, toy->arrays, TOY_ARRAYS, toy->planes,
            TOY_PLANES, toy->fields, TOY_FIELDS);
    checkpoint_close(checkpoint);
    return status;
}

static enum status read_pairs(struct corpus *corpus)
{
    const struct corpus_facts *facts = corpus_facts(corpus);
    int64_t *offsets = malloc((facts->pairs + 1) * sizeof *offsets);
    char *text = NULL;
    size_t room = 0;
    enum status status = corpus_text(corpus, 0, facts->pairs, &text, &room, offsets);
    for (int side = 0; side < SIDES && status == STATUS_OK; side++) {
        int32_t *tokens = malloc((facts->tokens[side] + 1) * sizeof *tokens);
        status = corpus_tokens(corpus, (enum side)side, 0, facts->tokens[side], tokens);
        free(tokens);
    }
    memory_free(text);
    free(offsets);
    return status;
}

static enum status read_corpus(struct victim *victim)
{
    struct corpus *corpus;
    TRY(corpus_open(&corpus, victim->path));
    enum status status = read_pairs(corpus);
    corpus_close(corpus);
    return status;
}

/* ---- damage ---- */

static void must(bool good, const char *path)
{
    if (good)
        return;
    perror(path);
    exit(1);
}

/* Bytes [at, at + count) go into the file as they are in memory. */
static void put_bytes(const struct victim *victim, size_t at, size_t count)
{
    must(pwrite(victim->descriptor, victim->bytes + at, count, (off_t)at) == (ssize_t)count, victim->path);
}

static void put_crc(unsigned char *at, const unsigned char *from, size_t bytes)
{
    uint32_t crc = (uint32_t)crc32(0, from, (uInt)bytes);
    memcpy(at, &crc, sizeof crc);
}

static void agree_again(const struct victim *victim)
{
    put_crc(victim->bytes + DIGEST_AT, victim->bytes + H5_HEADER_BYTES, victim->size - H5_HEADER_BYTES);
    put_crc(victim->bytes + CRC_AT, victim->bytes, CRC_AT);
}

/* Whether it was refused, as data that are wrong. */
static bool refused(struct victim *victim, const char *what, size_t at)
{
    alarm(CASE_SECONDS);
    enum status status = victim->read(victim);
    alarm(0);
    if (status != STATUS_DATA)
        printf("%s: %s at %zu: accepted (%s)\n", victim->name, what, at, status_text(status));
    return status == STATUS_DATA;
}

/* One bit of each byte in turn; returns how many were accepted, and how often digest and CRC were made to agree. */
static size_t flip_all(struct victim *victim, uint64_t seed, size_t *flips, size_t *inside)
{
    size_t accepted = 0, step = 1 + victim->size / victim->step / INSIDE_CASES;
    unsigned char header[H5_HEADER_BYTES];
    memcpy(header, victim->bytes, sizeof header);
    for (size_t i = 0; i < victim->size; i += victim->step, ++*flips) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned char bit = (unsigned char)(1u << (seed >> 61));
        victim->bytes[i] ^= bit;
        put_bytes(victim, i, 1);
        accepted += !refused(victim, "flip", i);
        if (i >= H5_HEADER_BYTES && (seed >> 32) % step == 0) {
            agree_again(victim);
            put_bytes(victim, 0, H5_HEADER_BYTES);
            alarm(CASE_SECONDS);
            (void)victim->read(victim);
            alarm(0);
            ++*inside;
            memcpy(victim->bytes, header, sizeof header);
            put_bytes(victim, 0, H5_HEADER_BYTES);
        }
        victim->bytes[i] ^= bit;
        put_bytes(victim, i, 1);
    }
    return accepted;
}

static size_t cut_all(struct victim *victim, uint64_t seed, size_t *cuts)
{
    size_t accepted = 0, step = 1 + victim->size / CUT_CASES;
    for (size_t i = victim->size; i-- > 0;) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        if ((seed >> 32) % step != 0 && i > H5_HEADER_BYTES)
            continue;
        must(ftruncate(victim->descriptor, (off_t)i) == 0, victim->path);
        accepted += !refused(victim, "cut", i);
        ++*cuts;
    }
    return accepted;
}

/* Returns how many were accepted. */
static size_t damage_all(struct victim *victim, uint64_t seed)
{
    size_t flips = 0, inside = 0, cuts = 0;
    size_t accepted = flip_all(victim, seed, &flips, &inside) + cut_all(victim, seed, &cuts);
    put_bytes(victim, 0, victim->size);
    if (victim->read(victim) != STATUS_OK) {
        printf("%s: refused whole: %s\n", victim->name, status_message());
        accepted++;
    }
    printf("%s %zu %zu %zu %zu\n", victim->name, flips, cuts, inside, accepted);
    return accepted;
}

static void load_bytes(struct victim *victim)
{
    victim->descriptor = open(victim->path, O_RDWR | O_CLOEXEC);
    must(victim->descriptor >= 0, victim->path);
    victim->size = (size_t)lseek(victim->descriptor, 0, SEEK_END);
    victim->bytes = malloc(victim->size);
    must(pread(victim->descriptor, victim->bytes, victim->size, 0) == (ssize_t)victim->size, victim->path);
}

int main(int argc, char **argv)
{
    const struct made_shape shape = {
            .pairs = 12, .longest = 6, .seed = 1, .compression = 1, .joint = true, .text = true};
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    size_t step = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    static char checkpoint_path[600], corpus_path_[600];
    struct toy toy;
    setvbuf(stdout, NULL, _IOLBF, 0);
    made_folder();
    toy_make(&toy, false, 0, 1, 3);
    snprintf(checkpoint_path, sizeof checkpoint_path, "%s", made_path("checkpoint.h5"));
    snprintf(corpus_path_, sizeof corpus_path_, "%s", made_corpus("corpus.h5", &shape));
    bool made = toy_write_serially(&toy, checkpoint_path, 1, "v") == STATUS_OK;
    struct victim victims[] = {{"checkpoint", checkpoint_path, read_checkpoint, &toy, -1, NULL, 0, 1},
            {"corpus", corpus_path_, read_corpus, NULL, -1, NULL, 0, 1}};
    size_t accepted = made ? 0 : 1;
    for (size_t i = 0; i < sizeof victims / sizeof *victims && made; i++) {
        load_bytes(&victims[i]);
        victims[i].step = victims[i].size > 1 << 16 ? step : 1;
        accepted += damage_all(&victims[i], seed);
        free(victims[i].bytes);
        close(victims[i].descriptor);
    }
    toy_release(&toy);
    made_remove();
    return accepted > 0;
}
