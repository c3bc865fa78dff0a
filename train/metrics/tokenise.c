/*
 * Tokenisers: what a word is to BLEU.
 *
 * 13a is NIST's mteval-v13a.pl as sacrebleu has it: entities, then four passes that set blanks around punctuation. Each
 * pass reads the last one's output from left to right and looks at no character twice, as its regular expression does.
 * Runs of blanks are kept as one: no pass can tell, and so none more than doubles a line.
 */
#include "train/metrics/internal.h"

#include <string.h>

/* ---- writing with single blanks ---- */

static void put(struct symbols *out, uint32_t character)
{
    if (character != ' ' || out->count == 0 || out->items[out->count - 1] != ' ')
        out->items[out->count++] = character;
}

static void put_apart(struct symbols *out, uint32_t character)
{
    put(out, ' ');
    put(out, character);
    put(out, ' ');
}

/* ---- 13a ---- */

static bool stands_at(const struct symbols *text, size_t at, const char *what, size_t length)
{
    if (text->count - at < length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (text->items[at + i] != (unsigned char)what[i])
            return false;
    return true;
}

/* `with` 0: nothing instead. */
static void replace(struct symbols *text, const char *what, char with)
{
    size_t kept = 0, length = strlen(what);
    for (size_t i = 0; i < text->count;) {
        if (!stands_at(text, i, what, length)) {
            text->items[kept++] = text->items[i++];
            continue;
        }
        if (with)
            text->items[kept++] = (unsigned char)with;
        i += length;
    }
    text->count = kept;
}

static bool is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_stop(uint32_t c)
{
    return c == '.' || c == ',';
}

/* ASCII punctuation but for ' , - . */
static bool is_mark(uint32_t c)
{
    return (c > ' ' && c <= '&') || (c >= '(' && c <= '+') || c == '/' || (c >= ':' && c <= '@') ||
           (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

static void split_marks(struct symbols *out, const struct symbols *in)
{
    put(out, ' ');
    for (size_t i = 0; i < in->count; i++)
        if (is_mark(in->items[i]))
            put_apart(out, in->items[i]);
        else
            put(out, in->items[i]);
    put(out, ' ');
}

/* ([^0-9])([.,]) becomes "\1 \2 ". */
static void split_stops_after(struct symbols *out, const struct symbols *in)
{
    for (size_t i = 0; i < in->count; i++) {
        put(out, in->items[i]);
        if (!is_digit(in->items[i]) && i + 1 < in->count && is_stop(in->items[i + 1]))
            put_apart(out, in->items[++i]);
    }
}

/* ([.,])([^0-9]) becomes " \1 \2". */
static void split_stops_before(struct symbols *out, const struct symbols *in)
{
    for (size_t i = 0; i < in->count; i++)
        if (is_stop(in->items[i]) && i + 1 < in->count && !is_digit(in->items[i + 1])) {
            put_apart(out, in->items[i]);
            put(out, in->items[++i]);
        } else
            put(out, in->items[i]);
}

/* ([0-9])(-) becomes "\1 \2 ". */
static void split_dashes(struct symbols *out, const struct symbols *in)
{
    for (size_t i = 0; i < in->count; i++) {
        put(out, in->items[i]);
        if (is_digit(in->items[i]) && i + 1 < in->count && in->items[i + 1] == '-')
            put_apart(out, in->items[++i]);
    }
}

static enum status tokenise_13a(struct symbols *out, struct arena *arena, const struct symbols *text)
{
    static void (*const passes[])(struct symbols *, const struct symbols *) = {
            split_marks, split_stops_after, split_stops_before, split_dashes};
    size_t room = 2 * text->count + 2; /* a blank after each character, and one at each end */
    struct symbols in = {arena_take(arena, room, sizeof(uint32_t)), text->count};
    *out = (struct symbols){arena_take(arena, room, sizeof(uint32_t)), 0};
    TRY(arena_status(arena));
    memcpy(in.items, text->items, text->count * sizeof *text->items);
    replace(&in, "<skipped>", 0);
    replace(&in, "&quot;", '"');
    replace(&in, "&amp;", '&');
    replace(&in, "&lt;", '<');
    replace(&in, "&gt;", '>');
    for (size_t p = 0; p < sizeof passes / sizeof *passes; p++) {
        out->count = 0;
        passes[p](out, &in);
        struct symbols swap = in;
        in = *out;
        *out = swap;
    }
    *out = in;
    return STATUS_OK;
}

/* ---- the others ---- */

static enum status tokenise_none(struct symbols *out, struct arena *arena, const struct symbols *text)
{
    (void)arena;
    *out = *text;
    return STATUS_OK;
}

static enum status tokenise_char(struct symbols *out, struct arena *arena, const struct symbols *text)
{
    *out = (struct symbols){arena_take(arena, 2 * text->count, sizeof(uint32_t)), 0};
    TRY(arena_status(arena));
    for (size_t i = 0; i < text->count; i++) {
        put(out, text->items[i]);
        put(out, ' ');
    }
    return STATUS_OK;
}

static const struct text_tokenizer_kind tokenizers[] = {
        {{"13a", "punctuation apart, as mteval-v13a.pl does for Western languages", "NIST mteval-v13a.pl"},
                tokenise_13a},
        {{"none", "words are what blanks separate: for text that is tokenised already", NULL}, tokenise_none},
        {{"char", "each character is a word: for scripts without blanks", NULL}, tokenise_char},
};

const struct kind_table text_tokenizer_kinds = KIND_TABLE("tokenizer", tokenizers);

enum status words_split(struct words *out, struct arena *arena, const struct symbols *text)
{
    *out = (struct words){text, arena_take(arena, (text->count + 1) / 2, sizeof *out->items), 0};
    TRY(arena_status(arena));
    for (size_t i = 0; i < text->count; i++) {
        if (character_is_space(text->items[i]))
            continue;
        size_t first = i;
        while (i < text->count && !character_is_space(text->items[i]))
            i++;
        out->items[out->count++] = (struct span){first, i - first};
    }
    return STATUS_OK;
}
