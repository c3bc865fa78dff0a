/*
 * Sentences packed one after another, as they grow: what rank 0 reads and all ranks work on.
 */
#ifndef TRAIN_SENTENCE_LIST_H
#define TRAIN_SENTENCE_LIST_H

#include "io/batch.h"
#include "io/vocabulary.h"

struct sentence_list {
    size_t count;     /* sentences */
    size_t words;     /* 4-byte words of a token (source.h); 0: 1 */
    int32_t *ids;     /* [offsets[count] · words] */
    int32_t *offsets; /* [count + 1]; NULL while nothing was added */
    size_t id_room, offset_room;
    int32_t *line; /* of the vocabulary, between calls */
    size_t line_room;
};

/* {0} is an empty list. Clearing keeps the memory. */
void sentence_list_clear(struct sentence_list *list);
void sentence_list_release(struct sentence_list *list);

/* Tokens of all sentences, and of one; 4-byte words of a token. */
size_t sentence_list_tokens(const struct sentence_list *list);
size_t sentence_list_words(const struct sentence_list *list);
size_t sentence_list_length(const struct sentence_list *list, size_t sentence);

/* What becomes of a line: its ids and </s>; the same, but of a line without pieces nothing at all; its ids alone. */
enum line_form { LINE_SENTENCE, LINE_OR_NOTHING, LINE_PREFIX };
enum status sentence_list_add(struct sentence_list *list, const struct vocabulary *vocabulary,
        const char *line, size_t bytes, enum line_form form);

/* A sentence of `count` tokens of so many words as they are. */
enum status sentence_list_add_tokens(
        struct sentence_list *list, size_t words, const void *tokens, size_t count);

/* `out` becomes items[count] of `from`. */
enum status sentence_list_pick(
        struct sentence_list *out, const struct sentence_list *from, const size_t *items, size_t count);

/* `out` becomes one side of pairs [first, first + count) of a corpus. */
enum status sentence_list_read(
        struct sentence_list *out, struct corpus *corpus, enum side side, size_t first, size_t count);

/* Items of `pairs`, at least one, whose sides together stay within `tokens`. */
size_t sentence_list_fitting(
        const struct sentence_list pairs[SIDES], const size_t *items, size_t count, size_t tokens);

/* items[count] of `pairs` as one micro-batch, which lives in `lists`. */
enum status sentence_list_batch(struct batch *out, struct sentence_list lists[SIDES],
        const struct sentence_list pairs[SIDES], const size_t *items, size_t count);

/* Rank 0's list to all. Collective. */
enum status sentence_list_broadcast(struct sentence_list *list);

#endif
