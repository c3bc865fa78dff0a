#include "train/prepare/prepare.h"

#include "comm/log.h"
#include "comm/memory.h"
#include "io/encoder.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

/* Pairs of a block, and the text they may hold together. */
enum { BLOCK_PAIRS = 4096, BLOCK_BYTES = 1 << 24, TILE_PAIRS = 64, ALIGNED = 8 /* frames in the text */ };

/* A pair between reading and writing. */
struct line_pair {
    int64_t number;
    size_t starts[SIDES], bytes[SIDES]; /* in the block's text */
    int32_t *ids[SIDES];
    size_t rooms[SIDES], counts[SIDES];
    enum status statuses[SIDES];
    enum skip_reason reason;
    struct word_range *words[SIDES]; /* of the ids; these and the line below if pairs are aligned */
    size_t word_rooms[SIDES], word_counts[SIDES];
    size_t alignment, alignment_bytes; /* its line, in the block's text */
};

struct block {
    size_t words;            /* of a source token; 0: text */
    struct line_pair *pairs; /* [BLOCK_PAIRS] */
    size_t count;
    char *text;
    size_t used, room;
};

static void block_release(struct block *block)
{
    for (size_t i = 0; block->pairs && i < BLOCK_PAIRS; i++)
        for (int side = 0; side < SIDES; side++) {
            memory_free(block->pairs[i].ids[side]);
            memory_free(block->pairs[i].words[side]);
        }
    memory_free(block->pairs);
    memory_free(block->text);
}

static enum status block_add(struct block *block, const struct pair *pair, enum skip_reason reason)
{
    struct line_pair *line = &block->pairs[block->count++];
    line->number = pair->number;
    line->reason = reason;
    block->used = (block->used + ALIGNED - 1) / ALIGNED * ALIGNED;
    for (int side = 0; side < SIDES; side++) {
        size_t bytes = reason == SKIP_NOT ? pair->bytes[side] : 0;
        TRY(memory_grow(&block->text, "text", &block->room, block->used + bytes + 1, 1));
        memcpy(block->text + block->used, pair->text[side], bytes);
        line->starts[side] = block->used;
        line->bytes[side] = bytes;
        block->used += bytes;
    }
    if (block->words > 0)
        line->counts[SOURCE] = line->bytes[SOURCE] / (block->words * sizeof(int32_t));
    return STATUS_OK;
}

/* The line of the alignment of the pair added last. */
static enum status block_align(struct block *block, struct aligner *aligner)
{
    struct line_pair *pair = &block->pairs[block->count - 1];
    const char *line;
    TRY(aligner_next(aligner, pair->number, &line, &pair->alignment_bytes));
    TRY(memory_grow(&block->text, "text", &block->room, block->used + pair->alignment_bytes + 1, 1));
    memcpy(block->text + block->used, line, pair->alignment_bytes);
    pair->alignment = block->used;
    block->used += pair->alignment_bytes;
    return STATUS_OK;
}

/* Fills the block; leaves it empty at the end of the text. */
static enum status block_read(struct block *block, const struct prepare_text *text)
{
    struct pair pair;
    enum skip_reason reason;
    block->count = block->used = 0;
    while (block->count < BLOCK_PAIRS && block->used < BLOCK_BYTES) {
        TRY(prepare_next(text, &pair, &reason));
        if (!pair.text[SOURCE])
            return text->aligner && block->count == 0 ? aligner_end(text->aligner) : STATUS_OK;
        TRY(block_add(block, &pair, reason));
        if (text->aligner)
            TRY(block_align(block, text->aligner));
    }
    return STATUS_OK;
}

/* `aligned`: the vocabulary that tells words, too; NULL: nobody asks for them. */
static enum status encode_side(const struct block *block, struct line_pair *line, int side,
        struct encoder *encoder, const struct vocabulary *aligned)
{
    const char *text = block->text + line->starts[side];
    if (aligned)
        return vocabulary_encode_words(aligned, text, line->bytes[side], &line->ids[side], &line->rooms[side],
                &line->counts[side], &line->words[side], &line->word_rooms[side], &line->word_counts[side]);
    return encoder_encode(
            encoder, text, line->bytes[side], &line->ids[side], &line->rooms[side], &line->counts[side]);
}

/* By all threads of a team, each with its encoders, which says whether it goes on: one that has failed only
 * takes its turn, so that its message stays what it is. */
static void block_encode(struct block *block, struct encoder *const encoders[SIDES],
        struct vocabulary *const aligned[SIDES], bool goes_on)
{
#pragma omp for schedule(dynamic, TILE_PAIRS)
    for (size_t i = 0; i < block->count; i++) {
        struct line_pair *line = &block->pairs[i];
        for (int side = block->words > 0 ? TARGET : SOURCE; side < SIDES && goes_on; side++)
            line->statuses[side] =
                    encode_side(block, line, side, encoders[side], aligned ? aligned[side] : NULL);
    }
}

/* A thread's message stays with it: the first failure is made again here. */
static enum status block_check(struct block *block, struct vocabulary *const vocabularies[SIDES])
{
    for (size_t i = 0; i < block->count; i++) {
        struct line_pair *line = &block->pairs[i];
        for (int side = 0; side < SIDES; side++)
            if (line->statuses[side] != STATUS_OK)
                TRY(vocabulary_encode(vocabularies[side], block->text + line->starts[side], line->bytes[side],
                        &line->ids[side], &line->rooms[side], &line->counts[side]));
    }
    return STATUS_OK;
}

/* Text ends in </s>. */
static void count_pair(const struct line_pair *line, bool text, struct prepare_counts *counts)
{
    counts->pairs++;
    for (int side = 0; side < SIDES; side++) {
        bool ids = side == TARGET || text;
        counts->tokens[side] += (int64_t)(line->counts[side] + ids);
        for (size_t i = 0; ids && i < line->counts[side]; i++)
            counts->unknown[side] += line->ids[side][i] == TOKEN_UNKNOWN;
    }
}

/* The alignment of the pair written last. */
static enum status write_alignment(const struct block *block, const struct line_pair *line,
        struct aligner *aligner, struct corpus_writer *writer, struct prepare_counts *counts)
{
    const struct corpus_point *points;
    struct token_words sides[SIDES];
    size_t count;
    for (int side = 0; side < SIDES; side++)
        sides[side] = (struct token_words){line->words[side], line->counts[side], line->word_counts[side]};
    TRY(aligner_points(aligner, line->number, block->text + line->alignment, line->alignment_bytes, sides,
            &points, &count));
    counts->points += (int64_t)count;
    return corpus_align(writer, points, count);
}

static enum status block_write(const struct block *block, const struct prepare_text *from,
        struct corpus_writer *writer, struct prepare_counts *counts)
{
    bool text = block->words == 0;
    for (size_t i = 0; i < block->count; i++) {
        const struct line_pair *line = &block->pairs[i];
        const size_t lengths[SIDES] = {line->counts[SOURCE] + text, line->counts[TARGET] + 1};
        const char *frames = block->text + line->starts[SOURCE];
        const int32_t *tokens[SIDES] = {text ? line->ids[SOURCE] : (const void *)frames, line->ids[TARGET]};
        enum skip_reason reason =
                line->reason == SKIP_NOT ? prepare_filter_tokens(from->options, lengths) : line->reason;
        if (reason != SKIP_NOT) {
            counts->skipped[reason]++;
            TRY(corpus_skip(writer, line->number, reason));
            continue;
        }
        count_pair(line, text, counts);
        TRY(corpus_add(
                writer, tokens, line->counts, block->text + line->starts[TARGET], line->bytes[TARGET]));
        if (from->aligner)
            TRY(write_alignment(block, line, from->aligner, writer, counts));
    }
    return STATUS_OK;
}

/* ---- the encoders of a thread ---- */

struct encoders {
    struct encoder *sides[SIDES]; /* the same one twice: joint; NULL: no text */
};

static enum status open_encoders(struct encoders *encoders, struct vocabulary *const vocabularies[SIDES])
{
    if (vocabulary_form(vocabularies[SOURCE])->kind == SOURCE_TEXT)
        TRY(encoder_open(&encoders->sides[SOURCE], vocabularies[SOURCE]));
    encoders->sides[TARGET] = encoders->sides[SOURCE];
    return vocabularies[TARGET] == vocabularies[SOURCE]
                   ? STATUS_OK
                   : encoder_open(&encoders->sides[TARGET], vocabularies[TARGET]);
}

static void close_encoders(struct encoders *encoders)
{
    if (encoders->sides[TARGET] != encoders->sides[SOURCE])
        encoder_close(encoders->sides[TARGET]);
    encoder_close(encoders->sides[SOURCE]);
}

/* ---- two blocks in turn ---- */

struct work {
    const struct prepare_text *text;
    struct vocabulary *const *vocabularies; /* [SIDES] */
    struct encoders *encoders;              /* [threads] */
    struct corpus_writer *writer;
    struct prepare_counts *counts;
};

static enum status write_and_read(const struct work *work, struct block *block)
{
    char progress[80];
    TRY(block_write(block, work->text, work->writer, work->counts));
    snprintf(progress, sizeof progress, "%lld pairs", (long long)work->counts->pairs);
    log_progress(progress);
    return block_read(block, work->text);
}

/* Encodes `now` by all threads, of which the main one first writes `other` and reads the next pairs into it. */
static enum status take_turn(const struct work *work, struct block *now, struct block *other)
{
    enum status status = STATUS_OK;
#pragma omp parallel
    {
        bool goes_on = true;
#pragma omp master
        {
            status = write_and_read(work, other);
            goes_on = status == STATUS_OK;
        }
        block_encode(now, work->encoders[omp_get_thread_num()].sides,
                work->text->aligner ? work->vocabularies : NULL, goes_on);
    }
    return status == STATUS_OK ? block_check(now, work->vocabularies) : status;
}

static enum status write_all(const struct work *work, struct block blocks[2])
{
    struct block *now = &blocks[0], *other = &blocks[1];
    TRY(block_read(now, work->text));
    while (now->count > 0) {
        TRY(take_turn(work, now, other));
        struct block *encoded = now;
        now = other;
        other = encoded;
    }
    TRY(block_write(other, work->text, work->writer, work->counts));
    log_progress(NULL);
    char skipped[PREPARE_TOLD];
    CHECK(work->counts->pairs > 0, STATUS_DATA, "expected sentence pairs, found none to keep: %s",
            prepare_tell_skipped(work->counts->skipped, skipped, sizeof skipped));
    return STATUS_OK;
}

/* With what the blocks and the threads need. */
static enum status equip(struct work *work, struct block blocks[2], int threads)
{
    const struct source_form *form = &work->text->form;
    for (int i = 0; i < 2; i++) {
        blocks[i].words = form->kind == SOURCE_TEXT ? 0 : source_words(form);
        TRY(memory_new(&blocks[i].pairs, "text", BLOCK_PAIRS, sizeof *blocks[i].pairs));
    }
    TRY(memory_new(&work->encoders, "encoder", (size_t)threads, sizeof *work->encoders));
    for (int i = 0; i < threads; i++)
        TRY(open_encoders(&work->encoders[i], work->vocabularies));
    return STATUS_OK;
}

enum status prepare_corpus(const struct prepare_text *text, struct vocabulary *const vocabularies[SIDES],
        struct prepare_counts *counts)
{
    const struct prepare_options *options = text->options;
    struct work work = {.text = text, .vocabularies = vocabularies, .counts = counts};
    struct corpus_settings settings = {.vocabularies = {vocabularies[SOURCE], vocabularies[TARGET]},
            .compression = (int)options->compression,
            .keep_text = options->text_kept,
            .aligned = text->aligner != NULL};
    struct block blocks[2] = {{0}};
    int threads = omp_get_max_threads();
    memset(counts, 0, sizeof *counts);
    TRY(corpus_create(&work.writer, options->output, &settings));
    enum status status = equip(&work, blocks, threads);
    if (status == STATUS_OK)
        status = write_all(&work, blocks);
    for (int i = 0; i < 2; i++)
        block_release(&blocks[i]);
    for (int i = 0; work.encoders && i < threads; i++)
        close_encoders(&work.encoders[i]);
    memory_free(work.encoders);
    if (status != STATUS_OK) {
        corpus_discard(work.writer);
        return status;
    }
    return corpus_commit(work.writer);
}

/* ---- all of it ---- */

enum status prepare_run(const struct prepare_options *options, prepare_tell *tell)
{
    struct prepare_text text;
    struct vocabulary *vocabularies[SIDES];
    struct prepare_counts counts;
    TRY(prepare_open_text(&text, options));
    enum status status = prepare_vocabularies(&text, vocabularies);
    if (status == STATUS_OK) {
        status = prepare_corpus(&text, vocabularies, &counts);
        if (status == STATUS_OK && tell)
            tell(options, vocabularies, &counts);
        prepare_release_vocabularies(vocabularies);
    }
    prepare_close_text(&text);
    return status;
}
