/* Work spread over ranks: the same batches, results and failures on any number of them. */
#include "train/inference/spread.h"

#include "comm/memory.h"
#include "tests/comm/expect.h"
#include "tests/models/tiny.h"
#include "train/inference/rounds.h"

#include <string.h>

enum { ITEMS = 59, WINDOW = 16, BATCH = 5 };

/* ---- what is worked on together ---- */

struct plain {
    uint64_t marks[ITEMS]; /* taken by rank 0 */
    size_t fails;          /* item that fails; ITEMS: none */
};

static size_t plain_length(void *context, size_t item)
{
    (void)context;
    return item * 7 % 11;
}

/* A mark tells the item, its place in the batch and the batch's first item. */
static enum status plain_work(void *context, const size_t *items, size_t count, struct results *results)
{
    const struct plain *plain = context;
    for (size_t i = 0; i < count; i++) {
        CHECK(items[i] != plain->fails, STATUS_DATA, "item %zu is wrong", items[i]);
        uint64_t mark[3] = {items[i] * 10000 + items[0] * 100 + i, 0, 0};
        TRY(results_put(results, mark, sizeof *mark * (1 + items[i] % 3))); /* records differ in size */
    }
    return STATUS_OK;
}

static enum status plain_take(void *context, size_t item, const void *record, size_t bytes)
{
    struct plain *plain = context;
    EXPECT(world()->rank == 0);
    EXPECT(bytes == sizeof(uint64_t) * (1 + item % 3));
    memcpy(&plain->marks[item], record, sizeof(uint64_t));
    return STATUS_OK;
}

static struct spread plain_spread(struct plain *plain)
{
    return (struct spread){.items = ITEMS,
            .length = plain_length,
            .window = WINDOW,
            .batch = BATCH,
            .work = plain_work,
            .take = plain_take,
            .context = plain};
}

/* Place of an item in its sorted window: items that go before it. */
static size_t place_of(size_t item)
{
    size_t before = 0, first = item / WINDOW * WINDOW;
    for (size_t other = first; other < first + WINDOW && other < ITEMS; other++) {
        size_t a = plain_length(NULL, other), b = plain_length(NULL, item);
        before += a > b || (a == b && other < item);
    }
    return before;
}

static void check_batches(void)
{
    struct plain plain = {.fails = ITEMS};
    struct spread spread = plain_spread(&plain);
    EXPECT_OK(spread_run(&spread));
    for (size_t item = 0; world()->rank == 0 && item < ITEMS; item++) {
        uint64_t mark = plain.marks[item];
        size_t first = mark / 100 % 100;
        EXPECT(mark / 10000 == item && mark % 100 == place_of(item) % BATCH);
        EXPECT(first / WINDOW == item / WINDOW && place_of(first) == place_of(item) / BATCH * BATCH);
    }
    spread.items = 0;
    EXPECT_OK(spread_run(&spread));
}

static void check_failure(void)
{
    struct plain plain = {.fails = 37};
    struct spread spread = plain_spread(&plain);
    EXPECT(spread_run(&spread) == STATUS_DATA);
    EXPECT(strstr(status_message(), "item 37 is wrong") != NULL);
}

/* ---- memory ---- */

enum { LONG_RECORD = 1 << 20 };

static enum status long_work(void *context, const size_t *items, size_t count, struct results *results)
{
    const uint8_t *record = context;
    (void)items;
    for (size_t i = 0; i < count; i++)
        TRY(results_put(results, record, world()->rank == 0 ? LONG_RECORD : 1));
    return STATUS_OK;
}

static enum status long_take(void *context, size_t item, const void *record, size_t bytes)
{
    (void)item;
    EXPECT(bytes == 1 || bytes == LONG_RECORD);
    EXPECT(memcmp(record, context, bytes) == 0);
    return STATUS_OK;
}

/* What rank 0 takes is held by rank 0 alone. */
static void check_memory(void)
{
    static uint8_t record[LONG_RECORD] = {[0] = 5, [LONG_RECORD - 1] = 7};
    struct spread spread = plain_spread(NULL);
    spread.work = long_work;
    spread.take = long_take;
    spread.context = record;
    EXPECT_OK(spread_run(&spread));
    struct memory_label label = {0};
    for (size_t i = 0; memory_report(i, &label) && strcmp(label.label, "results") != 0;)
        i++;
    EXPECT(strcmp(label.label, "results") == 0);
    EXPECT((label.peak >= LONG_RECORD) == (world()->rank == 0));
}

/* ---- translations ---- */

struct translating {
    struct model *model;
    const struct tiny_batch *text;
    struct hypothesis results[TINY_PAIRS];
};

static size_t sentence_length(void *context, size_t item)
{
    const int32_t *offsets = ((struct translating *)context)->text->offsets[SOURCE];
    return (size_t)(offsets[item + 1] - offsets[item]);
}

static enum status translate(void *context, const size_t *items, size_t count, struct results *results)
{
    static const struct decode_options options = {
            .beam = 1, .nbest = 1, .max_length_ratio = 2, .max_length_extra = 20, .batch = BATCH};
    struct translating *t = context;
    struct sentence_list all = {.count = t->text->batch.pairs,
            .ids = (int32_t *)t->text->ids[SOURCE],
            .offsets = (int32_t *)t->text->offsets[SOURCE]};
    struct sentence_list mine = {0};
    struct translation found[BATCH];
    TRY(sentence_list_pick(&mine, &all, items, count));
    const struct ensemble ensemble = {.models = &t->model, .count = 1};
    const struct decode_task task = {.ids = mine.ids, .offsets = mine.offsets, .count = count};
    TRY(decode_group(&ensemble, &options, &task, found));
    sentence_list_release(&mine);
    for (size_t i = 0; i < count; i++)
        TRY(results_put(results, found[i].items->ids, found[i].items->count * sizeof(int32_t)));
    translations_release(found, count);
    return STATUS_OK;
}

static enum status take_translation(void *context, size_t item, const void *record, size_t bytes)
{
    struct hypothesis *result = &((struct translating *)context)->results[item];
    result->count = bytes / sizeof(int32_t);
    return memory_copy(&result->ids, "test", record, bytes);
}

/* Every rank can translate alone; what the ranks did together must be that. */
static void check_translations(void)
{
    struct model_options options = tiny_options(NULL);
    static struct tiny_batch text;
    static struct translating together;
    tiny_batch_fill(&text, 40, 12, 3);
    together = (struct translating){.model = tiny_model(&options, true), .text = &text};
    struct spread spread = {.items = 40,
            .length = sentence_length,
            .window = WINDOW,
            .batch = BATCH,
            .work = translate,
            .take = take_translation,
            .context = &together};
    EXPECT_OK(spread_run(&spread));
    const struct decode_options usual = {
            .beam = 1, .nbest = 1, .max_length_ratio = 2, .max_length_extra = 20, .batch = 1};
    const struct ensemble ensemble = {.models = &together.model, .count = 1};
    struct translation alone[40];
    for (size_t s = 0; s < 40; s++) {
        const int32_t offsets[] = {0, (int32_t)sentence_length(&together, s)};
        const struct decode_task task = {
                .ids = text.ids[SOURCE] + text.offsets[SOURCE][s], .offsets = offsets, .count = 1};
        EXPECT_OK(decode_group(&ensemble, &usual, &task, &alone[s]));
        const struct hypothesis *got = &together.results[s];
        if (world()->rank == 0)
            EXPECT(got->count == alone[s].items->count &&
                    memcmp(got->ids, alone[s].items->ids, got->count * sizeof *got->ids) == 0);
        memory_free(together.results[s].ids);
    }
    translations_release(alone, 40);
    model_close(together.model);
}

/* ---- lists ---- */

static void check_broadcast(void)
{
    int32_t ids[] = {5, 6, TOKEN_END, 7, TOKEN_END}, offsets[] = {0, 3, 3, 5};
    struct sentence_list given = {.count = 3, .ids = ids, .offsets = offsets}, list = {0};
    const size_t items[] = {2, 1, 0};
    if (world()->rank == 0)
        EXPECT_OK(sentence_list_pick(&list, &given, items, 3));
    EXPECT_OK(sentence_list_broadcast(&list));
    EXPECT(list.count == 3 && sentence_list_tokens(&list) == 5);
    EXPECT(list.ids[0] == 7 && list.ids[2] == 5 && sentence_list_length(&list, 1) == 0);
    sentence_list_clear(&list);
    EXPECT_OK(sentence_list_broadcast(&list));
    EXPECT(list.count == 0 && sentence_list_tokens(&list) == 0);
    sentence_list_release(&list);
}

/* ---- rounds ---- */

/* Sentence 10 ends its window, as the tokens of 8 to 10 are enough for a round. Those of 2 to 5 are, too, but lie in two
 * windows, which more ranks read in one round: it ends where a window does. */
static void check_rounds(void)
{
    enum { SENTENCES = 20, ROUND_WINDOW = 4 };
    static const size_t expected[] = {0, 4, 8, 11, 15, 19};
    int32_t offsets[SENTENCES + 1] = {0};
    struct sentence_list list = {.offsets = offsets};
    const struct rounds rounds = {.lists = {&list}, .spread = {.window = ROUND_WINDOW, .batch = 2}};
    size_t windows = 0, rounds_read = 0;
    for (size_t before = 0; before < SENTENCES; before += list.count, rounds_read++)
        for (list.count = 0; before + list.count < SENTENCES && !rounds_full(&rounds); list.count++) {
            size_t sentence = before + list.count;
            bool long_one = sentence == 2 || sentence == 5 || sentence == 9 || sentence == 10;
            if (list.count % ROUND_WINDOW == 0)
                EXPECT(windows < 6 && expected[windows++] == sentence);
            offsets[list.count + 1] = offsets[list.count] + (long_one ? 5 << 20 : 10);
        }
    EXPECT(windows == 6);
    EXPECT(rounds_read == (world()->size == 1 ? 6 : 3));
}

int main(int argc, char **argv)
{
    (void)argc;
    world_prepare(argv, 1);
    if (world_open(1) != STATUS_OK)
        return 1;
    check_batches();
    check_failure();
    check_memory();
    check_translations();
    check_broadcast();
    check_rounds();
    world_close();
    EXPECT(memory_blocks() == 0);
    return unexpected > 0;
}
