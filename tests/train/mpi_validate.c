/* Validation: the sums of a plain loop over sorted windows, bit for bit, on any number of ranks. */
#include "train/training/validate.h"

#include "comm/memory.h"
#include "tests/comm/expect.h"
#include "tests/io/made.h"
#include "tests/models/tiny.h"

#include <math.h>
#include <string.h>

enum { WINDOW = 1024, BATCH = 128, PASS_TOKENS = 8192, MOST = 2100 };

static const struct made_shape shape = {.pairs = MOST, .longest = 90, .seed = 4, .joint = true};
static const double smoothing = 0.1;

static size_t length(size_t pair)
{
    return made_length(&shape, SOURCE, pair) + made_length(&shape, TARGET, pair);
}

/* Places of a window in the order they are worked on: longest first, in corpus order among equals. */
static void sort_window(size_t first, size_t count, size_t *order)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && length(order[at - 1]) < length(first + i); at--)
            order[at] = order[at - 1];
        order[at] = first + i;
    }
}

static struct loss naive_loss(struct model *model, const size_t *pairs, size_t count)
{
    static int32_t ids[SIDES][2 * PASS_TOKENS], offsets[SIDES][BATCH + 1];
    struct batch batch = {.pairs = count};
    for (enum side side = SOURCE; side < SIDES; side++) {
        size_t tokens = 0;
        for (size_t p = 0; p < count; p++) {
            size_t size = made_length(&shape, side, pairs[p]);
            for (size_t t = 0; t < size; t++)
                ids[side][tokens++] = made_token(&shape, side, pairs[p], t);
            offsets[side][p + 1] = (int32_t)tokens;
            batch.longest[side] = batch.longest[side] < size ? size : batch.longest[side];
        }
        batch.ids[side] = ids[side];
        batch.offsets[side] = offsets[side];
        batch.tokens[side] = tokens;
    }
    struct loss loss;
    EXPECT_OK(model_loss(model, &batch, &(struct pass){.label_smoothing = smoothing}, &loss));
    return loss;
}

static void naive_batch(struct model *model, const size_t *pairs, size_t count, struct validation *sum)
{
    struct validation part = {.pairs = (int64_t)count};
    for (size_t first = 0, size; first < count; first += size) {
        size_t tokens = length(pairs[first]);
        for (size = 1; first + size < count && (tokens += length(pairs[first + size])) <= PASS_TOKENS;)
            size++;
        struct loss loss = naive_loss(model, pairs + first, size);
        part.objective += loss.objective;
        part.cross_entropy += loss.cross_entropy;
        part.tokens += (int64_t)loss.tokens;
        part.correct += (int64_t)loss.correct;
    }
    sum->objective += part.objective;
    sum->cross_entropy += part.cross_entropy;
    sum->pairs += part.pairs;
    sum->tokens += part.tokens;
    sum->correct += part.correct;
}

static struct validation naive_validation(struct model *model)
{
    struct validation sum = {0};
    static size_t order[WINDOW];
    for (size_t first = 0; first < MOST; first += WINDOW) {
        size_t count = MOST - first < WINDOW ? MOST - first : WINDOW;
        sort_window(first, count, order);
        for (size_t b = 0; b < count; b += BATCH)
            naive_batch(model, order + b, count - b < BATCH ? count - b : BATCH, &sum);
    }
    return sum;
}

static void check(struct corpus *corpus)
{
    const size_t rows[SIDES] = {corpus_rows(corpus, SOURCE), corpus_rows(corpus, TARGET)};
    struct model_options options = tiny_options(NULL);
    struct model *model;
    struct validation found, expected;
    EXPECT_OK(model_open(&model, &options, rows, true));
    model_initialise(model, 1);
    EXPECT_OK(validate(&found, model, corpus, smoothing));
    expected = naive_validation(model);
    EXPECT(found.pairs == MOST && found.tokens == (int64_t)corpus_facts(corpus)->tokens[TARGET]);
    EXPECT(found.cross_entropy > 0 && isfinite(found.objective));
    EXPECT(memcmp(&found, &expected, sizeof found) == 0);
    model_close(model);
}

int main(int argc, char **argv)
{
    (void)argc;
    world_prepare(argv, 1);
    if (world_open(1) != STATUS_OK)
        return 1;
    char *path = NULL;
    if (world()->rank == 0) {
        made_folder();
        EXPECT_OK(memory_text(&path, "text", made_corpus("valid.h5", &shape)));
    }
    EXPECT_OK(world_broadcast_text(&path, 0));
    struct corpus *corpus;
    enum status status = corpus_open(&corpus, path);
    EXPECT(status == STATUS_OK);
    if (status == STATUS_OK) {
        check(corpus);
        corpus_close(corpus);
    }
    EXPECT_OK(world_barrier());
    if (world()->rank == 0)
        made_remove();
    memory_free(path);
    world_close();
    EXPECT(memory_blocks() == 0);
    return unexpected > 0;
}
