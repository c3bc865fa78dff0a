/*
 * Attention of recurrent decoders for attend.py:
 *
 *     tool_attend IN.raw OUT.raw
 *
 * In: int32 {pairs, query width, key width, width, additive, products, reach, centre}, int32 queries[pairs], keys[pairs],
 * float scale, then floats: queries, keys, which are the values too; weight and bias of a product of the queries
 * (products & 1), of the keys (products & 2); the score's weight (additive); centres [queries] (centre); the gradient of
 * the contexts. Out: contexts, then the gradients of all before, in that order.
 */
#include "comm/comm.h"
#include "models/ops.h"

#include <stdio.h>

enum { MOST_PAIRS = 64, MOST_PARTS = 8 };

struct head {
    int32_t pairs, query_width, key_width, width, additive, products, reach, centre;
};

struct task {
    struct head head;
    int32_t queries[MOST_PAIRS], keys[MOST_PAIRS];
    int32_t query_offsets[MOST_PAIRS + 1], key_first[MOST_PAIRS + 1];
    float scale;
    FILE *file;
    struct tensor *parts[MOST_PARTS]; /* in the order of the file */
    size_t count;
};

static enum status read_head(struct task *t)
{
    bool whole = fread(&t->head, sizeof t->head, 1, t->file) == 1 && t->head.pairs <= MOST_PAIRS;
    size_t pairs = (size_t)t->head.pairs;
    CHECK(whole && fread(t->queries, sizeof *t->queries, pairs, t->file) == pairs &&
                    fread(t->keys, sizeof *t->keys, pairs, t->file) == pairs &&
                    fread(&t->scale, sizeof t->scale, 1, t->file) == 1,
            STATUS_DATA, "the file is too short");
    for (size_t p = 0; p < pairs; p++) {
        t->query_offsets[p + 1] = t->query_offsets[p] + t->queries[p];
        t->key_first[p + 1] = t->key_first[p] + t->keys[p];
    }
    return STATUS_OK;
}

/* The next matrix of the file; NULL if it is not `there` or cannot be read, which fails the tape. */
static struct tensor *next(struct task *t, struct tape *tape, bool there, int32_t rows, int32_t columns)
{
    size_t count = (size_t)rows * (size_t)columns;
    if (!there || tape_status(tape) != STATUS_OK)
        return NULL;
    float *values = arena_take(tape_arena(tape), count, sizeof *values);
    if (!values || fread(values, sizeof *values, count, t->file) != count) {
        tape_fail(tape, status_fail(STATUS_DATA, "the file is too short"));
        return NULL;
    }
    return t->parts[t->count++] = tape_input(tape, (size_t)rows, (size_t)columns, values, true);
}

static struct tensor *run(struct task *t, struct tape *tape)
{
    const struct head *h = &t->head;
    int32_t queries = t->query_offsets[h->pairs], keys = t->key_first[h->pairs];
    struct tensor *query = next(t, tape, true, queries, h->query_width);
    struct tensor *memory = next(t, tape, true, keys, h->key_width), *key = memory;
    for (int side = 0; side < 2; side++) {
        struct tensor **part = side == 0 ? &query : &key;
        bool there = (h->products >> side & 1) != 0;
        struct tensor *weight = next(t, tape, there, h->width, side == 0 ? h->query_width : h->key_width);
        struct tensor *bias = next(t, tape, there, 1, h->width);
        if (there && tape_status(tape) == STATUS_OK)
            *part = op_linear(tape, *part, weight, bias, NULL, (struct dropout){0});
    }
    struct attend attend = {.pairs = (size_t)h->pairs,
            .query_offsets = t->query_offsets,
            .key_first = t->key_first,
            .key_count = t->keys,
            .score = &score_kinds[h->additive ? SCORE_ADDITIVE : SCORE_DOT],
            .scale = t->scale,
            .query = query,
            .key = key,
            .value = memory,
            .weight = next(t, tape, h->additive, 1, h->width),
            .reach = (size_t)h->reach,
            .centre = next(t, tape, h->centre, queries, 1)};
    return op_attend(tape, &attend);
}

static bool put(const float *values, const struct tensor *tensor, FILE *file)
{
    size_t count = tensor->rows * tensor->columns;
    return fwrite(values, sizeof *values, count, file) == count;
}

static enum status attend(const char *in, const char *path)
{
    static struct task task;
    struct arena *arena;
    bool add;
    task.file = fopen(in, "rb");
    CHECK(task.file, STATUS_IO, "cannot read %s", in);
    TRY(read_head(&task));
    TRY(arena_open(&arena, "step", 1 << 20));
    struct tape *tape = tape_start(arena, NULL, &(struct tape_options){.recording = true});
    struct tensor *context = run(&task, tape);
    TRY(tape_status(tape));
    size_t count = context->rows * context->columns;
    CHECK(fread(tensor_gradient(tape, context, &add), sizeof(float), count, task.file) == count, STATUS_DATA,
            "%s is too short", in);
    fclose(task.file);
    FILE *file = fopen(path, "wb");
    CHECK(file && put(context->value, context, file), STATUS_IO, "cannot write %s", path);
    TRY(tape_backward(tape));
    for (size_t i = 0; i < task.count; i++)
        CHECK(put(task.parts[i]->gradient, task.parts[i], file), STATUS_IO, "cannot write %s", path);
    fclose(file);
    arena_close(arena);
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    enum status status = argc == 3 ? attend(argv[1], argv[2])
                                   : status_fail(STATUS_USAGE, "expected an input and an output file");
    if (status != STATUS_OK)
        fprintf(stderr, "tool_attend: %s\n", status_message());
    return (int)status;
}
