#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "comm/memory.h"
#include "tests/models/tiny.h"
#include "train/inference/translation_record.h"

enum { SOURCE_TOKENS = 3 };

static int32_t ids[] = {5, 4};
static float scores[] = {-0.5f, -1.5f, -0.25f};
static float weights[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

/* What comes out of the bytes of `in`, at an odd address. */
static struct translation sent(const struct translation *in)
{
    void *record;
    char *moved;
    size_t bytes;
    struct translation out;
    assert_int_equal(translation_pack(&record, &bytes, in, SOURCE_TOKENS), STATUS_OK);
    assert_int_equal(memory_new(&moved, "test", bytes + 1, 1), STATUS_OK);
    memcpy(moved + 1, record, bytes);
    assert_int_equal(translation_unpack(&out, moved + 1), STATUS_OK);
    memory_free(moved);
    memory_free(record);
    return out;
}

static void test_translation_record__comes_back(void **state)
{
    (void)state;
    struct hypothesis items[] = {
            {.ids = ids,
                    .count = 2,
                    .log_probability = -2.25,
                    .score = -0.75,
                    .log_probabilities = scores,
                    .alignment = weights,
                    .ended = true,
                    .attention = weights,
                    .attention_count = 5},
            {.ids = NULL, .count = 0, .log_probability = -3, .score = -4},
    };
    struct translation out = sent(&(struct translation){items, 2});
    assert_int_equal(out.count, 2);
    assert_int_equal(out.items[0].count, 2);
    assert_memory_equal(out.items[0].ids, ids, sizeof ids);
    assert_memory_equal(out.items[0].log_probabilities, scores, sizeof scores);
    assert_memory_equal(out.items[0].alignment, weights, sizeof weights);
    assert_true(out.items[0].log_probability == -2.25 && out.items[0].score == -0.75);
    assert_int_equal(out.items[1].count, 0);
    assert_null(out.items[1].ids);
    assert_null(out.items[1].log_probabilities);
    assert_null(out.items[1].alignment);
    assert_int_equal(out.items[0].attention_count, 5);
    assert_memory_equal(out.items[0].attention, weights, 5 * sizeof *weights);
    assert_true(out.items[0].ended && !out.items[1].ended);
    assert_null(out.items[1].attention);
    assert_true(out.items[1].log_probability == -3 && out.items[1].score == -4);
    translations_release(&out, 1);
}

static void test_translation_record__of_nothing(void **state)
{
    (void)state;
    struct translation out = sent(&(struct translation){0});
    assert_int_equal(out.count, 0);
    translations_release(&out, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_translation_record__comes_back),
            cmocka_unit_test(test_translation_record__of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
