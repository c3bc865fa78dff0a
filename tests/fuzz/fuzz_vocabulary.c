/* SentencePiece models, as --vocab takes them and as corpora and checkpoints hold them. */
#include "io/vocabulary.h"

#include "comm/memory.h"
#include "io/encoder.h"
#include "io/vocabulary_model.h"
#include "tests/fuzz/targets.h"
#include "tests/io/made.h"

#include <string.h>

enum { MODEL_MOST = 1 << 19 };

static const char *const lines[] = {
        "abc xyz  0123", "", "\xC3\xA4\xEF\xBC\xA1 \xE2\x96\x81 <s>\t\xF0\x9F\x98\x80", "a b c"};
enum { LINES = sizeof lines / sizeof lines[0] };

static void encode(const struct vocabulary *vocabulary, struct encoder *encoder, const char *line)
{
    int32_t *ids = NULL;
    struct word_range *words = NULL;
    char *text = NULL;
    size_t room = 0, words_room = 0, text_room = 0, count, word_count, bytes = strlen(line);
    if (vocabulary_encode(vocabulary, line, bytes, &ids, &room, &count) == STATUS_OK) {
        for (size_t i = 0; i < count; i++)
            fuzz_must(ids[i] >= 0 && (size_t)ids[i] < vocabulary_pieces(vocabulary), "an id is of no piece");
        (void)vocabulary_decode(vocabulary, ids, count, &text, &text_room, &bytes);
    }
    (void)vocabulary_encode_words(
            vocabulary, line, strlen(line), &ids, &room, &count, &words, &words_room, &word_count);
    if (encoder)
        (void)encoder_encode(encoder, line, strlen(line), &ids, &room, &count);
    memory_free(ids);
    memory_free(words);
    memory_free(text);
}

static void run_vocabulary(const uint8_t *bytes, size_t count)
{
    struct vocabulary *vocabulary;
    struct encoder *encoder = NULL;
    char rules[MODEL_RULES_BYTES];
    vocabulary_model_rules(bytes, count, rules);
    if (vocabulary_open(&vocabulary, bytes, count, "fuzz.model") != STATUS_OK)
        return;
    if (vocabulary_form(vocabulary)->kind == SOURCE_TEXT) {
        (void)vocabulary_longest_piece(vocabulary);
        if (encoder_open(&encoder, vocabulary) != STATUS_OK)
            encoder = NULL;
        for (int i = 0; i < LINES; i++)
            encode(vocabulary, encoder, lines[i]);
        encoder_close(encoder);
    }
    vocabulary_close(vocabulary);
}

static void take_trained(fuzz_taker *take, void *context, const char *kind, bool in_bytes)
{
    static const char *const texts[] = {"abc abd abc", "x yz yz z", "a b c d"};
    static const size_t bytes[] = {11, 9, 7};
    const struct vocabulary_settings settings = {.kind = kind_find(&vocabulary_kinds, kind),
            .size = in_bytes ? 270 : 14,
            .coverage = 1,
            .bytes = in_bytes};
    char *model;
    size_t size;
    fuzz_must(vocabulary_train(&model, &size, "fuzz", &settings, texts, bytes, 3) == STATUS_OK,
            "no vocabulary");
    if (size <= MODEL_MOST)
        take(context, model, size);
    memory_free(model);
}

/* By the numbers of sentencepiece_model.proto: three pieces </s>, <unk>, <s>, and "a"; no normalisation. */
static void take_small(fuzz_taker *take, void *context)
{
    static const char model[] = "\x0A\x0D\x0A\x04</s>\x15\0\0\0\0\x18\x03"
                                "\x0A\x0E\x0A\x05<unk>\x15\0\0\0\0\x18\x02"
                                "\x0A\x0C\x0A\x03<s>\x15\0\0\0\0\x18\x03"
                                "\x0A\x08\x0A\x01"
                                "a\x15\0\0\0\xBF"
                                "\x12\x0B\xC0\x02\x01\xC8\x02\x02\xD0\x02\x00\x18\x01"
                                "\x1A\x0B\x0A\x08identity";
    take(context, model, sizeof model - 1);
}

static void seed_vocabulary(fuzz_taker *take, void *context)
{
    char form[SOURCE_FORM_BYTES];
    const struct source_form frames = {SOURCE_FRAMES, 8, 0, 0};
    source_write_form(&frames, form);
    fuzz_take_text(take, context, form);
    fuzz_take_text(take, context, "this is a text file\n");
    take_small(take, context);
    take_trained(take, context, "unigram", false);
    take_trained(take, context, "bpe", false);
    take_trained(take, context, "char", true);
    take_trained(take, context, "word", false);
}

const struct fuzz_target fuzz_vocabulary = {"vocabulary", run_vocabulary, seed_vocabulary, MODEL_MOST, false};
