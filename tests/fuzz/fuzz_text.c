/* Lines of text, plain and gzip; pairs of them; alignments. */
#include "io/text.h"

#include "comm/memory.h"
#include "io/pairs.h"
#include "tests/fuzz/targets.h"
#include "train/prepare/alignment.h"

#include <string.h>
#include <zlib.h>

enum { FILE_MOST = 1 << 12 };

static void run_text(const uint8_t *bytes, size_t count)
{
    struct text *text;
    const char *line;
    size_t length;
    enum text_fault fault;
    int64_t lines = 0;
    fuzz_must(text_open(&text, fuzz_file("text", bytes, count)) == STATUS_OK, "no text");
    while (text_next(text, &line, &length, &fault) == STATUS_OK && line) {
        fuzz_must(text_line_number(text) == ++lines, "lines are not counted one by one");
        fuzz_must(length <= TEXT_LINE_LIMIT && line[length] == '\0', "a line does not end where it says");
        fuzz_must(fault != TEXT_GOOD || (strlen(line) == length && text_valid_utf8(line, length) == length),
                "a line that is not good counts as good");
    }
    text_close(text);
}

static void take_gzip(fuzz_taker *take, void *context, const char *text)
{
    uint8_t packed[512];
    z_stream stream = {.next_in = (Bytef *)text,
            .avail_in = (uInt)strlen(text),
            .next_out = packed,
            .avail_out = sizeof packed};
    fuzz_must(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK &&
                      deflate(&stream, Z_FINISH) == Z_STREAM_END,
            "no gzip");
    take(context, packed, stream.total_out);
    deflateEnd(&stream);
}

static void seed_text(fuzz_taker *take, void *context)
{
    fuzz_take_text(take, context, "one line\r\nanother\n\nlast");
    fuzz_take_text(take, context, "\xEF\xBB\xBFmark\n\xE2\x80\xA8\xF0\x9F\x98\x80\n\xC3\n");
    take(context, "nul \0 in it\n", 12);
    take_gzip(take, context, "packed\nlines\n");
}

const struct fuzz_target fuzz_text = {"text", run_text, seed_text, FILE_MOST, false};

/* ---- pairs: two files with a byte 1 between, or one that holds both sides ---- */

static void read_pairs(struct pairs *pairs)
{
    struct pair pair;
    for (int pass = 0; pass < 2; pass++, pairs_rewind(pairs)) {
        int64_t number = 0;
        while (pairs_next(pairs, &pair) == STATUS_OK && pair.text[SOURCE]) {
            fuzz_must(pair.number == ++number, "pairs are not counted one by one");
            fuzz_must(
                    pair_is_good(&pair) || pairs_fail(pairs, &pair) == STATUS_DATA, "a bad pair is not told");
            for (int side = 0; side < SIDES; side++)
                (void)text_valid_utf8(pair.text[side], pair.bytes[side]);
        }
    }
}

static void run_pairs(const uint8_t *bytes, size_t count)
{
    const uint8_t *mark = count ? memchr(bytes, 1, count) : NULL;
    size_t first = mark ? (size_t)(mark - bytes) : count;
    char *names[] = {(char *)fuzz_file("source", bytes, first),
            (char *)fuzz_file("target", mark ? mark + 1 : bytes, mark ? count - first - 1 : 0)};
    const struct text_list files[SIDES] = {{names, 1}, {names + 1, 1}};
    struct pairs *pairs;
    if (mark ? pairs_open(&pairs, files, true) : pairs_open_joined(&pairs, files, true))
        return;
    read_pairs(pairs);
    pairs_close(pairs);
}

static void seed_pairs(fuzz_taker *take, void *context)
{
    fuzz_take_text(take, context, "one\ntwo\n\001eins\nzwei\n");
    fuzz_take_text(take, context, "one\ntwo\nthree\001eins\r\nzwei\n");
    fuzz_take_text(take, context, "one\teins\ntwo\tzwei\tzwo\nthree\n");
}

const struct fuzz_target fuzz_pairs = {"pairs", run_pairs, seed_pairs, FILE_MOST, false};

/* ---- alignments ---- */

enum { TOKENS = 9, WORDS = 6 };

static void check_points(const struct corpus_point *points, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fuzz_must(points[i].source >= 0 && points[i].source < TOKENS && points[i].target >= 0 &&
                          points[i].target < TOKENS,
                "a point is of no token");
        fuzz_must(
                i == 0 || points[i].target > points[i - 1].target ||
                        (points[i].target == points[i - 1].target && points[i].source > points[i - 1].source),
                "points are not in order");
    }
}

static void run_alignment(const uint8_t *bytes, size_t count)
{
    static const struct word_range words[TOKENS] = {
            {0, 0}, {0, 0}, {1, 1}, {2, 3}, {3, 3}, {4, 4}, {4, 4}, {4, 5}, {5, 5}};
    const struct token_words side = {words, TOKENS, WORDS}, sides[SIDES] = {side, side};
    const struct corpus_point *points;
    struct aligner *aligner;
    const char *line;
    size_t length, found;
    fuzz_must(aligner_open(&aligner, fuzz_file("alignment", bytes, count)) == STATUS_OK, "no file");
    for (int64_t pair = 1; aligner_next(aligner, pair, &line, &length) == STATUS_OK; pair++)
        if (aligner_points(aligner, pair, line, length, sides, &points, &found) == STATUS_OK)
            check_points(points, found);
    aligner_close(aligner);
}

static void seed_alignment(fuzz_taker *take, void *context)
{
    fuzz_take_text(take, context, "0-0 1-2 2-1\n\n5-5\t4-4  3-3\n");
    fuzz_take_text(take, context, "0-6\n9999999-0\n12345678-1\n-1-0\n1-\n1--1\n");
}

const struct fuzz_target fuzz_alignment = {"alignment", run_alignment, seed_alignment, FILE_MOST, false};
